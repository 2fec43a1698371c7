"""The one place that builds things, and closes them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from functools import partial
from typing import Any

from monitor import config as configuration
from monitor.books._base import BookProgress
from monitor.clock import Clock, SystemClock
from monitor.config import BadConfig, Config
from monitor.core.events.events import Noticed
from monitor.core.portfolio.rules_preview import ReloadEffect
from monitor.core.schema import Invalid, Problem
from monitor.daemon import heads, reload, shards, startup, unmended, upkeep, wiring
from monitor.daemon.deliveries import Deliveries
from monitor.daemon.heartbeat import Heartbeat
from monitor.daemon.imports import DeskImports
from monitor.daemon.journal import Journal
from monitor.daemon.recorder import Recorder, begin
from monitor.daemon.requests import Requests
from monitor.daemon.sequencer import Sequencer
from monitor.daemon.sources import Sources
from monitor.daemon.subscriptions import MadeEndpoints
from monitor.engine.group_list import ColumnarGroupLists
from monitor.running import Running, Tasks
from monitor.service_manager import ServiceManager
from monitor.stores._base import Store, StoreUnavailable
from monitor.telemetry import Health, Metrics, log, trim_memory
from monitor.web.app import Server
from monitor.web.view import Daemon, View


class App:
    """A running daemon. `start`, then `run` until `stop`; `reload` in between."""

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        progress: BookProgress | None = None,
        manager: ServiceManager | None = None,
        lead: heads.Lead | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.lead = lead
        self.store: Store = heads.store_of(config, lead)
        self.tasks = Tasks()
        self.health = Health()
        self.manager = manager or ServiceManager(None, None, self.clock)
        self._running = Running(self.store, self.clock, Metrics(), self.health, self.tasks)
        self._progress = progress
        self._reloading: asyncio.Task[None] | None = None
        self._one_reload = asyncio.Lock()
        self._reload_under_way: asyncio.Task[Any] | None = None
        self._holds = reload.Holds()

    async def start(self) -> None:
        """Opens the store, restores what it kept, and starts every part. Raises what the first failing part raises."""
        startup.prepare_threads(asyncio.get_running_loop())
        await asyncio.to_thread(startup.prepare_files, self.config)
        wiring.check(self.config)
        await self._build()
        self.address = await heads.opened(self.lead, self.server.start)
        startup.note_port(self.config.state_dir, self.address[1])
        await self.deliveries.start()
        await self.sources.open_rates(self.config)
        self.sequencer.after_turn = self.manager.turned
        self._core = self.tasks.begin("sequencer", self.sequencer.run())
        self.sources.run(self.config)
        self.tasks.begin("source watch", self.sources.watch())
        heads.look_after(self.lead, self.book, self._running, self.monitor, self.sequencer, self._tell)
        self.tasks.begin("store watch", upkeep.watch_store(self._running, self.sequencer.save_soon))
        if (names := getattr(asyncio.get_running_loop(), "names", None)) is not None:  # a loop of another kind has none
            self.tasks.begin("name watch", upkeep.watch_names(self._running, names.trouble))
        self.tasks.begin("retention", upkeep.prune(self._running, lambda: self.config.keep))
        stalls = upkeep.StallWatch(
            self._running, lambda: self.sequencer.busy_s, lambda: self._memory.is_bulk, self._tell
        )
        self.tasks.begin("loop watch", upkeep.watch_loop(self._running, self._memory, stalls))
        self.tasks.begin("figures", upkeep.FiguresWatch(self._running, self.book.take_disproofs, self._tell).run())
        core, named = (self.monitor, self.sequencer), lambda: self.deliveries.notifiers
        self.tasks.begin("heartbeat", Heartbeat(self._running, lambda: self.config, named, core, self.view).run())
        self.tasks.begin("warm engine", startup.warm(self.config.state_dir))
        self.tasks.begin("word of the start", self._word_of_the_start())
        trim_memory()
        self.health.set("startup", None)
        _note_reload(self, is_taken=True)

    async def _word_of_the_start(self) -> None:
        """A start has taken the configuration, whatever a reload said of it. What else is not mended is told again."""
        await _word_of_a_configuration(self, reload.released(self.clock.utc()))
        await unmended.tell_again(self._running, self.view, lambda: self._memory.is_bulk, self._tell)

    async def _build(self) -> None:
        running = self._running
        self.store.sign_audits(await asyncio.to_thread(wiring.audit_keys, self.config))
        snapshot = await self.store.open()
        await asyncio.to_thread(startup.keep_store_private, self.config)
        self.subscriptions = MadeEndpoints(self.store, self.clock, self.config.endpoints)
        await self.subscriptions.load()
        self._check_names(self.config)
        self.book, self.monitor, snapshot = await heads.restored(self.lead, self.config, self.store, snapshot)
        self.monitor.awaken(now := self.clock.utc())
        self._memory = upkeep.MemoryTrim(self.clock)
        self.view = View(ColumnarGroupLists(self.book), self.clock, snapshot.cursor)
        self.view.listeners.append(self._memory.note_storm)
        self.deliveries = Deliveries(
            self.config,
            running,
            self.monitor,
            self._tell,
            lambda alerts: self.sequencer.show(alerts, moved=False),
            made=self.subscriptions,
        )
        self.journal = Journal(running, self.deliveries)
        self.sequencer = Sequencer(running, self.monitor, self.journal, self.view.publish, self._recorder(now))
        self.requests = Requests(self.monitor, self.store, self.journal, self.sequencer)
        self.sources = Sources(running, self.monitor, self.book, self.sequencer, self._progress, self._memory.note)
        self.sources.ahead = {} if self.lead is None else self.lead.feeds
        self.sequencer.show()
        handed_over = Daemon(
            view=self.view,
            inbox=self.requests,
            store=self.store,
            health=self.health,
            metrics=running.metrics,
            feeds=self.sources.feeds,
            rules=lambda: self.monitor.rules,
            clock=self.clock,
            on_retry=self.deliveries.retried,
            channels=self.deliveries.channels,
            links=self.deliveries.links,
            contacts=lambda: self.config.contacts,
            owners=lambda: self.config.owners,
            zone=lambda: self.config.monitor.zone,
            public_labels=lambda: self.config.monitor.public_labels,
            sms_secret=wiring.sms_secret(self.config),
            enable=self.deliveries.enable,
            disable=self.deliveries.disable,
            test=self.deliveries.test,
            route=self.deliveries.route,
            endpoints=self.subscriptions,
            tell=lambda event: self.tasks.begin("word of the web", self._tell(event)),
            scenarios=self.config.path.parent / "scenarios",
            instance=self.config.instance,
            reload=partial(_reload_for, self),
            sources=lambda: unmended.stated_sources(self.config, self.sources.rates_seen),
            imports=self._imports(),
            shards=partial(shards.shown, self.book),
            head=None if self.lead is None else self.lead.keeper,
        )
        self.server = Server(self.config.web, handed_over)

    def _imports(self) -> DeskImports:
        where = (self.sequencer, self.journal, self.config.state_dir / "imports")
        return DeskImports((self.monitor, self.book), *where, self._memory.note)

    def _check_names(self, config: Config) -> None:
        """Raises BadConfig for a notifier with the name of an endpoint that was made by API."""
        if problems := self.subscriptions.clashes(part.name for part in config.notifiers):
            raise BadConfig([f"{config.path}: {problem}" for problem in problems])

    def _recorder(self, now: datetime) -> Recorder | None:
        table = self.config.monitor
        if not table.event_log:
            return None
        recorder = Recorder(self.config.state_dir / "events", table.event_log_keep, table.event_log_bytes)
        begin(recorder, self.monitor, now, self.clock.monotonic_s(), awakened=True)
        return recorder

    async def _tell(self, event: Noticed) -> None:
        """What a channel tells of itself. While the store fails core has it already, and it is committed later."""
        with contextlib.suppress(StoreUnavailable):
            await self.sequencer.events([event])

    async def run(self) -> None:
        """Waits until a part breaks, and raises what broke it; ends by cancellation."""
        await self.tasks.watch()

    async def stop(self) -> bool:
        """Stops cleanly within ten seconds: what was taken is committed, deliveries in flight end or stay pending.
        False where the store took no commit to the end: what it misses is found again by the next start.
        """
        self.health.set("startup", "stopping")
        self.manager.stopping()
        await _cancelled({task for task in (self._reloading, self._reload_under_way) if task is not None})
        await self.sources.stop()
        # The sequencer outlives the deliveries: what their last attempts find out must still reach core and the store.
        await self.deliveries.stop()
        await self.sequencer.stop()
        await asyncio.wait([self._core], timeout=2.0)
        await self.tasks.cancel()
        try:
            await self.sequencer.close()
        except StoreUnavailable as e:
            log.critical("stopped with changes that are not durable; the next start finds them again", reason=str(e))
        await self.server.stop()
        startup.note_port(self.config.state_dir, None)
        await self.deliveries.close()
        with contextlib.suppress(StoreUnavailable):
            await self.store.checkpoint()
        await self.store.close()
        return self.journal.is_saved

    # -- reload --

    def reload_when(self, asked: asyncio.Event) -> None:
        """From now on reloads whenever `asked` is set, one at a time; those asked for meanwhile are one more together."""
        self._reloading = self.tasks.begin("reload", self._reloads(asked))

    async def _reloads(self, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            try:
                await self.reload()
            except (BadConfig, StoreUnavailable) as e:
                log.error("the configuration was not reloaded; the old one stays in force", reason=str(e))

    async def reload(self, who: str = "signal", *, confirmed: bool = False, dry: bool = False) -> ReloadEffect:
        """Takes over the configuration file, all of it or nothing. Raises BadConfig, which says why nothing changed.

        Only rules that would move many groups wait until they are `confirmed`. `dry` says what would happen.
        """
        async with self._one_reload:
            self._reload_under_way = asyncio.current_task()
            if not dry:
                self.manager.reloading()
            try:
                new = await self._read_again()
                plan = await self._holds.plan(self.config, new, self.requests, confirmed=confirmed)
                if dry:
                    return plan.effect
                await self._take_over(plan.config, who)
            except (BadConfig, StoreUnavailable) as e:
                if not dry:
                    _note_reload(self, is_taken=False)
                if not dry and isinstance(e, BadConfig):
                    await self._tell(reload.refused(e.problems, self.clock.utc()))
                raise
            finally:
                self._reload_under_way = None
            _note_reload(self, is_taken=True)
            await _word_of_a_configuration(self, self._holds.done(new, plan.effect, self.clock.utc()))
            log.info("configuration reloaded", file=str(new.path), rules=plan.effect.rules)
            return plan.effect

    async def _read_again(self) -> Config:
        new = await asyncio.to_thread(configuration.load, self.config.path)
        reload.check_fixed(self.config, new)
        self._check_names(new)
        await asyncio.to_thread(wiring.check, new)
        return new

    async def _take_over(self, new: Config, who: str) -> None:
        notifiers = wiring.build_notifiers(new)
        tokens = wiring.read_tokens(new)
        keys = wiring.keys(new)
        audit_keys = await asyncio.to_thread(wiring.audit_keys, new)
        old = self.config

        def adopt() -> None:
            self.config = new
            self.deliveries.adopt(new, keys)
            self.store.sign_audits(audit_keys)

        try:
            changed = await self.requests.change_rules(new.rules, who, reload.audited(old), reload.audited(new), adopt)
            if changed.refused is not None:
                raise BadConfig([f"{new.path}: {changed.refused}"])
            self.server.use_tokens(tokens)
            self.server.use_proxies(new.web)
            if self.deliveries.is_changing:
                notifiers = await self.deliveries.change(notifiers)
                await self.deliveries.start()
            else:
                self.deliveries.judge_held()
        finally:
            for notifier in notifiers.values():
                await notifier.close()
        self.sources.run(new, judge_again=new.rules.products != old.rules.products)


async def _reload_for(app: App, who: str, confirmed: bool, dry: bool) -> ReloadEffect:
    """For the web. Raises schema.Invalid."""
    try:
        return await app.reload(who, confirmed=confirmed, dry=dry)
    except BadConfig as e:
        raise Invalid([Problem("", problem) for problem in e.problems]) from None


def _note_reload(app: App, *, is_taken: bool) -> None:
    """Tells the metrics, the book and the service manager which configuration is in force after one was read."""
    app._running.metrics.note_reload(is_taken, app.clock.utc())
    shards.resize(app.book, app.config)
    app.manager.watches(len(app.book), app.address[1], is_reloaded=is_taken)


async def _word_of_a_configuration(app: App, of_rules: Noticed) -> None:
    now, troubles = app.clock.utc(), app.monitor.troubles
    for event in (reload.in_order(now), of_rules, *unmended.of_gone_sources(troubles, app.config, now)):
        await app._tell(event)


async def _cancelled(reloads: set[asyncio.Task[Any]]) -> None:
    """A reload that goes on during the stop would start again what was stopped."""
    for task in reloads:
        task.cancel()
    if reloads:
        await asyncio.wait(reloads)
