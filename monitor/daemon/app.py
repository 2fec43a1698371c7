"""The one place that builds things, and closes them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monitor import config as configuration
from monitor import plugins
from monitor.books._base import BookProgress, BookSource, KeptBook, Unshown
from monitor.clock import Clock, SystemClock
from monitor.config import BadConfig, Config, Part
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.payload import data, envelope
from monitor.core.events.events import Event, GroupsPut, Noticed
from monitor.core.groups.outcome import Publication
from monitor.daemon import reload, startup, wiring
from monitor.daemon.event_log import EventLog, Start
from monitor.daemon.journal import DEGRADED, Journal
from monitor.daemon.sequencer import Sequencer
from monitor.dispatch.last_resort import LastResort
from monitor.dispatch.router import route
from monitor.dispatch.worker import Dispatcher
from monitor.engine.book import ColumnarBook
from monitor.engine.group_list import ColumnarRoster
from monitor.engine.ingest.reader import BlockReader
from monitor.feeds._base import Feed, FeedStats
from monitor.notifiers._base import ChannelState, Notifier
from monitor.rates._base import RateSource
from monitor.stores._base import (
    Committed,
    Delivery,
    Store,
    StoreUnavailable,
    Target,
)
from monitor.telemetry import Health, Metrics, log, trim_memory
from monitor.web.app import Server
from monitor.web.view import View

PROBE_S = 2.0
"""How often the store is proved writable: readiness must fail within five seconds of a full disk."""
PRUNE_S = 3600.0
TRIM_AFTER_S = 3.0
"""A large book is read, or a storm of alerts is over, when nothing more of it came for so long."""
STORM = 1_000
"""Alerts at once whose memory is worth being given back: about 10 MB."""
STOP_DELIVERIES_S = 5.0
"""Deliveries in flight have this long at a stop; SIGTERM to exit takes at most ten seconds in all."""


class App:
    """A running daemon. `start`, then `run` until `stop`; `reload` in between."""

    def __init__(self, config: Config, clock: Clock | None = None, progress: BookProgress | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.metrics, self.health = Metrics(), Health()
        self.feeds: dict[str, FeedStats] = {}
        self.store: Store = plugins.module("stores", config.store.kind).build(config.store.config)
        self.notifiers: dict[str, Notifier] = {}
        self._rated: set[tuple[str, str]] = set()
        self._opened: dict[str, RateSource] = {}
        """Sources of rates whose opening was taken at the start."""
        self._parts: dict[tuple[str, str], tuple[Part, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress: BookProgress = progress or Unshown()
        self.last_resort = LastResort(lambda: self.notifiers, self._render)
        self._reloading: asyncio.Task[None] | None = None
        self._deliveries: asyncio.Task[None] | None = None
        self._keys: dict[Path, bytes] = {}
        self._is_changing_hands = False
        self._failed: asyncio.Future[None] | None = None
        self._bulk_s: float | None = None
        """When a part of a large book or many alerts came last, until their memory was given back."""

    async def start(self) -> None:
        """Opens the store, restores what it kept, and starts every part. Raises what the first failing part raises."""
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        startup.prepare_threads(loop)
        wiring.check(self.config)
        snapshot = await self.store.open()
        self.book = ColumnarBook()
        self.monitor = startup.restored(self.config.rules, snapshot, self.book)
        await startup.rewrite_blocks(self.store, self.book, snapshot)
        now = self.clock.utc()
        self.monitor.awaken(now)
        self.view = View(ColumnarRoster(self.book), self.clock, snapshot.cursor)
        self.view.listeners.append(self._note_storm)
        event_log = self._event_log(now)
        self.notifiers = wiring.build_notifiers(self.config)
        self._keys = wiring.keys(self.config)
        self.dispatcher = self._new_dispatcher()
        self.journal = Journal(
            self.store, self.clock, self.metrics, self.health, self._route, self._offer, self._send_volatile
        )  # fmt: skip
        self.sequencer = Sequencer(
            self.monitor, self.store, self.journal, self.clock, self.metrics, self.health, self.view.publish, event_log
        )  # fmt: skip
        self._publish()
        self.server = Server(
            self.config.web, self.view, self.sequencer, self.store, self.health, self.metrics, self.feeds,
            lambda: self.monitor.rules, self.clock, self._retried, channels=self._channels,
            scenarios=self.config.path.parent / "scenarios",
        )  # fmt: skip
        self.address = await self.server.start()
        await self._start_dispatcher()
        await self._open_rates()
        self._running = self._spawn("sequencer", self.sequencer.run())
        self._run_parts(self.config)
        self._spawn("store watch", self._watch_store())
        self._spawn("retention", self._prune())
        self._spawn("loop watch", self._watch_loop())
        self._spawn("warm engine", startup.warm(self.config.state_dir))
        del snapshot  # a million groups are 200 MB of blobs, read and not needed any more
        trim_memory()
        self.health.set("startup", None)

    async def _open_rates(self) -> None:
        """Rates come before the loans, and before the deadlines that passed while the daemon was down."""
        self._opened = {part.name: wiring.rate_source(part, self.clock) for part in self.config.rates}
        await self.sequencer.catch_up([event for s in self._opened.values() for event in await s.opening()])

    async def run(self) -> None:
        """Waits until a part breaks, and raises what broke it; ends by cancellation."""
        assert self._failed is not None
        await self._failed

    async def stop(self) -> bool:
        """Stops cleanly within ten seconds: what was taken is committed, deliveries in flight end or stay pending.

        False where the store took no commit to the end: what it misses is found again by the next start.
        """
        self.health.set("startup", "stopping")
        if self._reloading is not None:
            # A reload that goes on during the stop would start again what was stopped.
            self._reloading.cancel()
            await asyncio.wait([self._reloading])
        for _, task in self._parts.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in self._parts.values()), return_exceptions=True)
        # The sequencer outlives the deliveries: what their last attempts find out must still reach core and the store.
        await self.dispatcher.stop(STOP_DELIVERIES_S)
        await self.last_resort.stop()
        await self.sequencer.stop()
        await asyncio.wait([self._running], timeout=2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.sequencer.close()
        except StoreUnavailable as e:
            log.critical("stopped with changes that are not durable; the next start finds them again", reason=str(e))
        await self.server.stop()
        for notifier in self.notifiers.values():
            await notifier.close()
        with contextlib.suppress(StoreUnavailable):
            await self.store.checkpoint()
        await self.store.close()
        return self.journal.is_saved

    def reload_when(self, asked: asyncio.Event) -> None:
        """From now on reloads whenever `asked` is set, one at a time; those asked for meanwhile are one more together."""
        self._reloading = self._spawn("reload", self._reloads(asked))

    async def _reloads(self, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            try:
                await self.reload()
            except (BadConfig, StoreUnavailable) as e:
                log.error("the configuration was not reloaded; the old one stays in force", reason=str(e))

    async def reload(self, who: str = "signal") -> None:
        """Takes the configuration file anew, all of it or nothing. Raises BadConfig, which says why nothing changed."""
        new = await asyncio.to_thread(configuration.load, self.config.path)
        fixed = [key for key, old, now in reload.fixed(self.config, new) if old != now]
        if fixed:
            raise BadConfig([f"{new.path}: {key} cannot change while the daemon runs; restart it" for key in fixed])
        await asyncio.to_thread(wiring.check, new)
        notifiers = wiring.build_notifiers(new)
        tokens, keys = wiring.read_tokens(new), wiring.keys(new)
        old = self.config
        is_other = (new.notifiers, keys) != (old.notifiers, self._keys)

        def adopt() -> None:
            self.config, self._keys, self._is_changing_hands = new, keys, is_other

        try:
            outcome = await self.sequencer.change_rules(new.rules, who, reload.audited(old), reload.audited(new), adopt)
            if outcome.refused is not None:
                raise BadConfig([f"{new.path}: {outcome.refused}"])
            self.server.use_tokens(tokens)
            if is_other:
                await self.dispatcher.stop(STOP_DELIVERIES_S)
                notifiers, self.notifiers = self.notifiers, notifiers
                self.dispatcher, self._is_changing_hands = self._new_dispatcher(), False
                await self._start_dispatcher()
        finally:
            for notifier in notifiers.values():
                await notifier.close()
        self._run_parts(new, books_anew=new.rules.products != old.rules.products)
        log.info("configuration reloaded", file=str(new.path))

    # -- parts --

    def _run_parts(self, config: Config, *, books_anew: bool = False) -> None:
        """Stops feeds and books that changed or went, starts new ones, leaves the rest alone.

        `books_anew`: the rules changed, so lines that were refused by the old ones are judged again.
        """
        kinds = {"rates": config.rates, "feed": config.feeds, "book": config.books}
        wanted = {(kind, part.name): part for kind, some in kinds.items() for part in some}
        for key, (part, task) in list(self._parts.items()):
            if wanted.get(key) != part or (books_anew and key[0] == "book"):
                task.cancel()
                del self._parts[key]
                if key[0] == "feed":
                    self.feeds.pop(part.name, None)
                    self.health.set(f"feed {part.name}", None)
        for key, part in wanted.items():
            if key not in self._parts:
                run = {"feed": self._feed, "book": self._book, "rates": self._rates}[key[0]]
                self._parts[key] = (part, self._spawn(" ".join(key), run(part)))

    async def _feed(self, part: Part) -> None:
        feed: Feed = plugins.module("feeds", part.kind).build(part.name, part.config, self.clock)
        self.feeds[part.name] = feed.stats
        async for quotes in feed.quotes():
            self.sequencer.quotes(quotes)

    async def _rates(self, part: Part) -> None:
        source = self._opened.pop(part.name, None)
        if source is None:  # a reload has brought it
            source = wiring.rate_source(part, self.clock)
            await self._take_batch(await source.opening())
        async for batch in source.changes():
            await self._take_batch(batch)

    def _judge_again(self) -> None:
        """A line that was refused for want of a rate is in order once there is one; its file need not change for that."""
        now = self.clock.utc()
        rated = {(kind, coin) for kind, product in self.monitor.rules.products.items() for coin in product.rated(now)}
        is_refused = any(k.startswith("book.refused|") and said for k, (_, said) in list(self.monitor.notices.items()))
        if is_refused and not rated <= self._rated:
            self._run_parts(self.config, books_anew=True)
        self._rated = rated

    async def _book(self, part: Part) -> None:
        subjects = [key.partition("|") for key, (_, said) in list(self.monitor.notices.items()) if said is not None]
        kept = KeptBook(
            partial(self.book.of_source, part.name),
            tuple(subject for kind, _, subject in subjects if kind == "book.refused"),
        )
        module = plugins.module("books", part.kind)
        progress = partial(self._progress.step, part.name)
        reader = BlockReader(lambda: self.monitor.rules.products, self.book.names, progress)
        source: BookSource = module.build(part.name, part.config, reader, self.clock, kept)
        try:
            async for batch in source.batches():
                await self._take_batch(batch)
        finally:
            self._progress.end(part.name)

    async def _take_batch(self, batch: Sequence[Event]) -> None:
        """Hands a book's events over in commits of bounded size; what a failing store does not take now waits in core."""
        for i in range(0, len(batch), 1_000):
            with contextlib.suppress(StoreUnavailable):
                await self.sequencer.events(batch[i : i + 1_000])
        if any(isinstance(event, GroupsPut) for event in batch):
            self._bulk_s = self.clock.monotonic_s()

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(self.store, self.notifiers, self._render, self.clock, self.metrics, self._noticed)

    async def _start_dispatcher(self) -> None:
        """Begins to send, and watches over it in place of the watch over the dispatcher before."""
        if self._deliveries is not None:
            self._deliveries.cancel()
        await self.dispatcher.start()
        self._deliveries = self._spawn("deliveries", self.dispatcher.watch())

    def _event_log(self, now: Any) -> EventLog | None:
        if not self.config.monitor.event_log:
            return None
        event_log = EventLog(self.config.state_dir / "events", self.config.monitor.event_log_keep)
        event_log.start(Start(self.monitor.rules, self.monitor.memory, now, awakened=True), self.clock.monotonic_s())
        return event_log

    # -- what the parts call --

    def _route(self, alert: Alert) -> tuple[Target, ...]:
        return route(alert, self.config.routes, {p.name: p.kind for p in self.config.notifiers})

    def _render(self, logged: LoggedAlert) -> dict[str, Any]:
        body = data(logged.alert, logged.cursor, self.monitor.rules.products, durable=logged.durable)
        return envelope(logged.alert, body)

    def _offer(self, committed: Committed) -> None:
        """While channels change hands new deliveries stay in the store, where the next dispatcher finds them."""
        self.dispatcher.offer(() if self._is_changing_hands else committed.deliveries, committed.cancelled)

    def _channels(self) -> list[ChannelState]:
        return self.dispatcher.channels({p.name: p.kind for p in self.config.notifiers})

    def _retried(self, delivery: Delivery) -> None:
        if not self._is_changing_hands:
            self.dispatcher.offer([delivery])

    async def _noticed(self, event: Noticed) -> None:
        """What a channel tells of itself. While the store fails core has it already, and it is committed later."""
        with contextlib.suppress(StoreUnavailable):
            await self.sequencer.events([event])

    async def _send_volatile(self, alerts: Sequence[tuple[LoggedAlert, tuple[Target, ...]]]) -> None:
        """One attempt each, marked as not durable, without waiting: the store may be gone for long. Streams show them too."""
        for logged, targets in alerts:
            self.last_resort.send(logged, targets)
            if logged.alert.type == DEGRADED:
                await self._send_waiting()
        self._publish(tuple(logged for logged, _ in alerts))

    async def _send_waiting(self) -> None:
        """Notices that were durable before the store failed: their attempts cannot be counted, and must not wait for that."""
        for delivery in self.dispatcher.waiting():
            with contextlib.suppress(StoreUnavailable):
                if (logged := await self.store.alert(delivery.alert)) is not None:
                    self.last_resort.send(logged, [Target(delivery.notifier, delivery.to)])

    def _publish(self, alerts: tuple[LoggedAlert, ...] = ()) -> None:
        """Only where core rests: before the sequencer runs, and while it commits."""
        board, at = self.monitor.board, self.monitor.at or self.clock.utc()
        publication = Publication(
            at, not alerts, board.snapshot(), alerts, self.monitor.fund, self.monitor.silences.all
        )
        self.view.publish(publication)

    # -- upkeep --

    def _note_storm(self, publication: Publication) -> None:
        if len(publication.alerts) >= STORM:
            self._bulk_s = self.clock.monotonic_s()

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task whose failure ends the daemon: a part that is silently gone would be the worst of all."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a part of the monitor broke", part=task.get_name(), error=repr(error))
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)

    async def _watch_store(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            try:
                await self.store.probe()
            except StoreUnavailable as e:
                self.health.set("store probe", str(e))
                self.sequencer.save_soon()
            else:
                self.health.set("store probe", None)

    async def _prune(self) -> None:
        """At the start as well: a daemon that is restarted every night would otherwise keep everything."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                if rows := await self.store.prune(self.clock.utc() - self.config.keep):
                    log.info("old records deleted", rows=rows)
            await asyncio.sleep(PRUNE_S)

    async def _watch_loop(self) -> None:
        """Measures how late the event loop is, follows the feeds for readiness, and what may be borrowed."""
        while True:
            before_s = self.clock.monotonic_s()
            await asyncio.sleep(1.0)
            self.metrics.loop_lag.set(max(0.0, self.clock.monotonic_s() - before_s - 1.0))
            if self._bulk_s is not None and before_s - self._bulk_s > TRIM_AFTER_S:
                self._bulk_s = None
                await asyncio.to_thread(trim_memory)
            self._judge_again()
            for name, stats in self.feeds.items():
                self.health.set(f"feed {name}", None if stats.connected else f"not connected: {stats.reason}")
