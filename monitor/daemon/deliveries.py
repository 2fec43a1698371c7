"""The channels of a running daemon: where alerts go, what a commit hands over, what goes out without one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from monitor import contacts
from monitor.ack_links import PATH, open_links
from monitor.config import Config, Part
from monitor.core.alerts.alert import Alert, GroupRef, LoggedAlert
from monitor.core.alerts.body import alert_body
from monitor.core.alerts.catalogue import ASKS, BOOK_LEFT_OUT, TO_PEOPLE
from monitor.core.alerts.payload import OnlyInNotices
from monitor.core.events.events import API, Noticed
from monitor.core.loans.line_bounds import in_words, label_problems
from monitor.core.text import stamp
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import subscriptions, wiring
from monitor.daemon.journal import DEGRADED
from monitor.daemon.subscriptions import MadeEndpoints, tried_once
from monitor.dispatch.channel import Setting
from monitor.dispatch.digests import Firsts
from monitor.dispatch.last_resort import LastResort
from monitor.dispatch.router import route, told_like
from monitor.dispatch.worker import Around, Dispatcher, Tell
from monitor.notifiers._base import Body, ChannelState, Notice, Notifier
from monitor.people import reads_alone
from monitor.running import Running
from monitor.stores._base import Audit, Committed, Delivery, StoreUnavailable, Target
from monitor.web.proxy import link_of
from monitor.web.subscriptions import TestedEndpoint

STOP_DELIVERIES_S = 5.0
"""Deliveries in flight have this long at a stop; SIGTERM to exit takes at most ten seconds in all."""

Show = Callable[[tuple[LoggedAlert, ...]], None]
"""Shows alerts that are not durable on the streams."""


class Deliveries:
    """The Outlet of the journal. A reload adopts another configuration and then changes the notifiers."""

    def __init__(
        self, config: Config, running: Running, monitor: RiskMonitor, tell: Tell, show: Show, *, made: MadeEndpoints
    ) -> None:
        """Builds the notifiers; `made` are those that were made by API. Raises BadConfig where one cannot be built."""
        self._config = config
        self._running = running
        self._made = made
        made.taken = self._kinds()
        self._monitor = monitor
        self._tell = tell
        self._show = show
        self._notifiers = wiring.build_notifiers(config)
        self._keys = wiring.keys(config)
        self.links = open_links(config.state_dir)
        self._firsts = Firsts()
        self._last_resort = LastResort(self._all, self._render, running.clock)
        self._dispatcher = self._new_dispatcher()
        self.is_changing = False
        """The notifiers of the adopted configuration do not send yet."""

    async def start(self) -> None:
        """Begins to send what is undelivered."""
        await self._dispatcher.start()

    async def stop(self) -> None:
        """Waits for attempts under way and cuts the rest off: they stay pending."""
        await self._dispatcher.stop(STOP_DELIVERIES_S)
        await self._last_resort.stop()

    async def close(self) -> None:
        """Closes the notifiers."""
        for notifier in self._notifiers.values():
            await notifier.close()
        await self._made.close()

    # -- for a reload --

    def adopt(self, config: Config, keys: Mapping[Path, bytes]) -> None:
        """Routes by `config` from now on. Called in core's thread."""
        now = (config.notifiers, keys, config.endpoints)
        self.is_changing = now != (self._config.notifiers, self._keys, self._config.endpoints)
        self._config = config
        self._made.taken = self._kinds()
        self._keys = dict(keys)

    def judge_held(self) -> None:
        """After `adopt`, where the notifiers stay: the quiet times may be others."""
        self._dispatcher.quiet.judge_again()

    async def change(self, notifiers: dict[str, Notifier]) -> dict[str, Notifier]:
        """Sends through other notifiers after the next `start`; returns the old ones for the caller to close."""
        await self._dispatcher.stop(STOP_DELIVERIES_S)
        old = self._notifiers
        self._notifiers = notifiers
        self._made.judge_again(self._config.endpoints)
        self._dispatcher = self._new_dispatcher()
        self.is_changing = False
        return old

    # -- for the journal --

    def route(self, alert: Alert, at: datetime | None = None) -> tuple[Target, ...]:
        """Where an alert goes. What of its group nobody can use, as an older version took it, is told once.

        `at` is the time of now for many alerts together: quiet times are worked out once.
        """
        if alert.group is not None and (event := self._left_out(alert, alert.group)) is not None:
            self._running.tasks.begin("word of a group", self._tell(event))
        config, now = self._config, at or self._running.clock.utc()
        quiet_until = lambda quiet: quiet.end(now, config.holidays)  # noqa: E731
        by_routes = route(alert, config.routes, self._kinds(), config.contacts, quiet_until)
        return tuple(dict.fromkeys((*by_routes, *self._made.targets(told_like(alert)))))

    def _left_out(self, alert: Alert, group: GroupRef) -> Noticed | None:
        """Books are checked whenever they are read; only a group that came by API is known from the store alone."""
        found = label_problems(group.labels)
        if alert.contacts:
            found += contacts.problems(alert.contacts)
        if not found or (record := self._monitor.book.find(group.id)) is None or record.source != API:
            return None
        words = in_words(found)
        facts = {"problem": words, "reason": found[0].reason, "source": API, "group": group.id}
        return Noticed(self._running.clock.utc(), BOOK_LEFT_OUT, f"{API}#{group.id}", facts, fingerprint=words)

    @property
    def gathers(self) -> bool:
        """Some route gathers what people read."""
        return any(route.gathering is not None for route in self._config.routes)

    def route_all(self, alerts: Sequence[Alert], at: datetime) -> tuple[tuple[Alert, tuple[Target, ...]], ...]:
        """Where the alerts of a commit go; of a storm people get the first by themselves and the rest in a digest."""
        now = self._running.clock.utc()
        return self._firsts.share(at, [(alert, self.route(alert, now)) for alert in alerts])

    def take_over(self, committed: Committed) -> None:
        """While the notifiers change, new deliveries stay in the store, where the next dispatcher finds them."""
        if self.is_changing:
            committed = Committed(committed.cursor, cancelled=committed.cancelled)
        self._dispatcher.take_over(committed)

    async def send_volatile(self, alerts: Sequence[tuple[LoggedAlert, tuple[Target, ...]]]) -> None:
        """Makes one attempt each, marked as not durable, and does not wait: the store may be gone for long."""
        for logged, targets in alerts:
            self._last_resort.send(logged, targets)
            if logged.alert.type == DEGRADED:
                await self._send_waiting()
        self._show(tuple(logged for logged, _ in alerts))

    async def _send_waiting(self) -> None:
        """Sends what was durable before the store failed: such attempts cannot be counted now, and must not wait."""
        for delivery in self._dispatcher.waiting():
            with contextlib.suppress(StoreUnavailable):
                if (logged := await self._running.store.alert(delivery.alert)) is not None:
                    self._last_resort.send(logged, [Target(delivery.notifier, delivery.to)])

    @property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Those of the configuration in force."""
        return self._notifiers

    # -- for the web --

    def channels(self) -> list[ChannelState]:
        """How each notifier does."""
        return self._dispatcher.channels(dict.fromkeys(self._made.sending, subscriptions.KIND) | self._kinds())

    def retried(self, delivery: Delivery) -> None:
        """Sends a delivery again that an operator has made due."""
        if not self.is_changing:
            self._dispatcher.offer([delivery])

    async def enable(self, name: str, audit: Audit | None = None) -> bool:
        """Switches a channel on; False where it was on. Raises KeyError where there is none."""
        return await self._dispatcher.enable(name, audit)

    async def disable(self, name: str, reason: str, audit: Audit | None = None) -> bool:
        """Switches a channel off; False where it was off. Raises KeyError where there is none."""
        return await self._dispatcher.disable(name, reason, audit)

    async def test(self, name: str, notice: Notice) -> TestedEndpoint:
        """One attempt with a test notice, beside the queue and whether the channel is on or off."""
        notifier = self._all().get(name)
        if notifier is None:
            return TestedEndpoint(False, "it is switched off, or cannot be used by the configuration of now", 0.0)
        return await tried_once(notifier, notice, self._running.clock)

    def _kinds(self) -> dict[str, str]:
        return {part.name: part.kind for part in self._config.notifiers}

    def _render(self, logged: LoggedAlert) -> Body:
        alert = logged.alert
        products = self._monitor.rules.products
        public = self._config.web.public_url
        only = OnlyInNotices(None if public is None else link_of(public, alert), self._config.monitor.zone)
        body = alert_body(alert, logged.cursor, products, durable=logged.durable, only=only)
        return Body(alert.id, stamp(alert.at), body)

    def _new_dispatcher(self) -> Dispatcher:
        settings = {part.name: _setting(part) for part in self._config.notifiers}
        dispatcher = Dispatcher(
            self._running,
            self._all(),
            self._render,
            Around(self._tell, self.route, self._addressed, _aside, self._public),
            settings,
        )
        dispatcher.hold(self._made.held)
        self._made.sender = dispatcher
        return dispatcher

    def _public(self) -> tuple[str, ...]:
        return self._config.monitor.public_labels

    def _addressed(self, notice: Notice, delivery: Delivery) -> Notice | None:
        """A step of an escalation as one person gets it: with a link and a code that are that person's alone.

        Where several read what comes there, the notice has only the link to the page of what it is about.
        """
        if notice.type not in TO_PEOPLE:
            return None
        if notice.type not in ASKS:
            return notice
        facts = notice.data.get("facts", {})
        people = self._config.contacts
        person = next((p for p in facts["people"] if people.get(p, {}).get(delivery.notifier) in delivery.to), None)
        kind = self._kinds().get(delivery.notifier)
        if person is None or kind is None:
            return notice
        asks = {"person": person, "expires": facts["expires"]}
        if self._config.sms_replies is not None:
            asks["code"] = self.links.code(delivery.alert, person)
        own = reads_alone(delivery.notifier, kind, delivery.to[0], people, self._config.routed)
        if self._config.web.public_url is not None and own:
            asks["url"] = f"{self._config.web.public_url.rstrip('/')}{PATH}{self.links.token(delivery.alert, person)}"
        return msgspec.structs.replace(notice, data={**notice.data, "acknowledge": asks})

    def _all(self) -> dict[str, Notifier]:
        return {**self._made.sending, **self._notifiers}


async def _aside(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


def _setting(part: Part) -> Setting:
    """What a notifier states beside its own keys; the digest is of all of them."""
    stated = msgspec.json.encode([part.kind, part.config], enc_hook=str)
    return Setting(part.kind, part.rules, sha256(stated).hexdigest()[:16])
