"""From outcomes to a commit, and what to do when the store does not take it.

A change that could not be committed is merged into the next try: nothing is dropped. When the store has failed for
longer than FAIL_S the desk is told on every channel that alerts are not durable, and alerts go out marked so; when it
takes commits again, everything is made durable under the same ids (decision 16).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.alerts.light import LightAlert
from monitor.core.alerts.titles import title_of
from monitor.core.groups.outcome import Outcome, StoredBlock
from monitor.core.rules.product import CoinRates
from monitor.core.stages.stages import GroupState
from monitor.core.watch.compose import Statement, compose
from monitor.core.watch.risk import RiskMonitor
from monitor.running import Running
from monitor.stores._base import Applied, Audit, Change, Committed, CoreState, StoreUnavailable, Target
from monitor.telemetry import BoundedLog, log

FAIL_S = 3.0
"""How long a store may fail before alerts go out without it: longer than a checkpoint takes."""
RETRY_S = 0.5
"""How often a failing store is tried again while nothing else happens."""

DEGRADED, RECOVERED = "monitor.degraded", "monitor.recovered"


class Outlet(Protocol):
    """Where alerts go."""

    @property
    def gathers(self) -> bool:
        """Some alerts go into digests, which add up what their groups owe."""

    def route(self, alert: Alert) -> tuple[Target, ...]:
        """The targets of an alert; they go into the commit with it."""

    def route_all(self, alerts: Sequence[Alert], at: datetime) -> tuple[tuple[Alert, tuple[Target, ...]], ...]:
        """The targets of each alert of a commit; in a storm people hear of most in a digest."""

    def take_over(self, committed: Committed) -> None:
        """Sends what a commit made due, without waiting."""

    async def send_volatile(self, alerts: Sequence[tuple[LoggedAlert, tuple[Target, ...]]]) -> None:
        """Sends alerts that the store does not take, without waiting for their end."""


class Journal:
    """Commits changes in order, each exactly once however often it must be tried."""

    def __init__(self, running: Running, outlet: Outlet) -> None:
        self._store = running.store
        self._clock = running.clock
        self._metrics = running.metrics
        self._health = running.health
        self._outlet = outlet
        self._waiting: Change | None = None
        self._metrics.store_ok.set(1)
        self._bounded = BoundedLog()
        self._failing_since_s: float | None = None
        self._tried_s = 0.0
        self._told = 0
        self._is_told = False

    @property
    def is_saved(self) -> bool:
        """Everything that was handed over is durable."""
        return self._waiting is None

    def check_writable(self) -> None:
        """Raises StoreUnavailable while the store is known to fail. A commit under way is no reason to refuse."""
        if self._failing_since_s is not None:
            raise StoreUnavailable("the store cannot be written now; nothing was changed, try again")

    async def commit(
        self,
        monitor: RiskMonitor,
        outcomes: Sequence[Outcome],
        audits: Sequence[Audit] = (),
        entries: Sequence[Applied] = (),
    ) -> tuple[LoggedAlert, ...]:
        """Makes outcomes durable; returns the alerts with their cursors. Raises StoreUnavailable and tries again later."""
        if monitor.at is None:
            # Nothing has happened to the book yet, but an operator may have changed something beside it.
            change = Change(self._clock.utc(), audits=tuple(audits))
            if not audits:
                return ()
        else:
            if self._outlet.gathers:
                await _work_out([a for o in outcomes for a in o.alerts if isinstance(a, LightAlert)])
            change = self._change(monitor, outcomes, audits, entries)
        self._waiting = change if self._waiting is None else _merged(self._waiting, change)
        return await self._try(monitor)

    async def retry(self, monitor: RiskMonitor) -> tuple[LoggedAlert, ...]:
        """Tries again what is waiting, not more often than every RETRY_S; returns the alerts that are durable now."""
        if self._waiting is None or self._clock.monotonic_s() - self._tried_s < RETRY_S:
            return ()
        try:
            return await self._try(monitor)
        except StoreUnavailable:
            return ()

    async def _try(self, monitor: RiskMonitor) -> tuple[LoggedAlert, ...]:
        assert self._waiting is not None
        self._tried_s = self._clock.monotonic_s()
        try:
            committed = await self._store.commit(self._waiting)
        except StoreUnavailable as e:
            await self._failed(monitor, e)
            raise
        self._waiting = None
        self._metrics.commit.observe(self._clock.monotonic_s() - self._tried_s)
        for logged in committed.alerts:
            self._metrics.alerts.labels(logged.alert.type, logged.alert.severity).inc()
            if logged.alert.type == BOOK_REFUSED:
                self._refused(logged.alert)
        self._outlet.take_over(committed)
        if self._failing_since_s is None:
            return committed.alerts
        return committed.alerts + await self._recovered(monitor)

    def _refused(self, alert: Alert) -> None:
        """A refused line, book or file of rates is an alert, a counter and a line of the log, the last at a bounded rate.

        Many lines at once are one alert, and one line that says how many others it left out.
        """
        source = str(alert.facts.get("source", ""))
        reason = str(alert.facts.get("reason", "invalid"))
        for each, number in alert.facts.get("reasons", {reason: 1}).items():
            self._metrics.book_refused.labels(source, each).inc(number)
        facts = {"place": alert.subject, "reason": reason, "problem": str(alert.facts.get("problem", ""))[:300]}
        if (count := alert.facts.get("count")) is not None:
            log.warning("lines of the loan book were refused", source=source, **facts, lines=count, left_out=count - 1)
            return
        now_s = self._clock.monotonic_s()
        self._bounded.warning(now_s, f"{source} {reason}", title_of(BOOK_REFUSED, alert.facts), **facts)

    async def _failed(self, monitor: RiskMonitor, e: StoreUnavailable) -> None:
        now_s = self._clock.monotonic_s()
        if self._failing_since_s is None:
            # A database that is cut off without a word takes seconds to fail once.
            self._failing_since_s = self._tried_s
            log.error("the store cannot be written", reason=str(e))
            self._health.set("store", f"the store cannot be written: {e}")
            self._metrics.store_ok.set(0)
        if now_s - self._failing_since_s < FAIL_S:
            return
        assert self._waiting is not None
        if not self._is_told:
            self._is_told = True
            alert = self._own(monitor, DEGRADED, {"part": "store", "reason": str(e), "durable": False})
            with_it = (*self._waiting.alerts, (alert, self._outlet.route(alert)))
            self._waiting = msgspec.structs.replace(self._waiting, alerts=with_it)
            log.critical("alerts are not durable until the store can be written again", reason=str(e))
        untold = self._waiting.alerts[self._told :]
        self._told = len(self._waiting.alerts)
        if untold:
            await self._outlet.send_volatile(
                [(LoggedAlert(0, alert, durable=False), targets) for alert, targets in untold]
            )

    async def _recovered(self, monitor: RiskMonitor) -> tuple[LoggedAlert, ...]:
        failed_s = self._clock.monotonic_s() - (self._failing_since_s or 0)
        self._failing_since_s = None
        self._told = 0
        self._health.set("store", None)
        self._metrics.store_ok.set(1)
        log.warning("the store takes commits again", failed_s=round(failed_s, 1))
        if not self._is_told:
            return ()
        self._is_told = False
        alert = self._own(monitor, RECOVERED, {"part": "store", "failed_s": f"{failed_s:.1f}"})
        self._waiting = Change(alert.at, alerts=((alert, self._outlet.route(alert)),), desk=core_state(monitor))
        try:
            return await self._try(monitor)
        except StoreUnavailable:
            # It fails again, but the changes before this alert are durable: their callers must not hear a failure.
            return ()

    def _own(self, monitor: RiskMonitor, type_: str, facts: dict[str, Any]) -> Alert:
        """An alert about the store itself. It cannot come from core, whose outcomes wait for this very store."""
        now = self._clock.utc()
        return compose(monitor.rules.name, Statement(type_, "store", int(now.timestamp()), facts), now)

    def _change(
        self, monitor: RiskMonitor, outcomes: Sequence[Outcome], audits: Sequence[Audit], entries: Sequence[Applied]
    ) -> Change:
        states: dict[str, GroupState] = {}
        changed: set[str] = set()
        for outcome in outcomes:
            states |= outcome.states
            changed |= outcome.changed | outcome.closed
        found = {g: monitor.book.find(g) for g in changed}
        alerts = [a for o in outcomes for a in o.alerts]
        assert monitor.at is not None
        return Change(
            at=monitor.at,
            groups=tuple(record.stored() for record in found.values() if record is not None),
            closed=tuple(g for g, record in found.items() if record is None),
            states=tuple(states.values()),
            alerts=self._outlet.route_all(alerts, monitor.at),
            entries=tuple(entries),
            audits=tuple(audits),
            desk=core_state(monitor),
            blocks=tuple(block for o in outcomes for block in o.blocks),
            dropped_blocks=tuple(number for o in outcomes for number in o.dropped_blocks),
            history=tuple(row for o in outcomes for row in o.history),
            rates=_newest_rates(each for o in outcomes for each in o.rates),
        )


async def _work_out(alerts: Sequence[LightAlert]) -> None:
    """Works out the figures that are needed now, not on the event loop: those of a storm take a second."""
    if alerts:
        await asyncio.to_thread(lambda: [alert.figures for alert in alerts])


def core_state(monitor: RiskMonitor) -> CoreState:
    """What core knows beside groups."""
    assert monitor.at is not None
    return CoreState(monitor.at, tuple(monitor.board.kept()), monitor.watcher_states())


def _merged(old: Change, new: Change) -> Change:
    """Both changes as one: the newest of each group, block and state, all alerts, entries and audits."""
    folded = {id for block in new.blocks for id in block.ids}
    groups = {g.group.id: g for g in old.groups if g.group.id not in new.closed and g.group.id not in folded}
    groups |= {g.group.id: g for g in new.groups}
    closed = dict.fromkeys((*(c for c in old.closed if c not in folded), *new.closed))
    written = {block.number for block in new.blocks}
    dropped = dict.fromkeys((*(n for n in old.dropped_blocks if n not in written), *new.dropped_blocks))
    return Change(
        at=new.at,
        groups=tuple(groups.values()),
        closed=tuple(c for c in closed if c not in groups),
        states=_newest(old.states, new.states),
        alerts=(*old.alerts, *new.alerts),
        entries=(*old.entries, *new.entries),
        audits=(*old.audits, *new.audits),
        desk=new.desk or old.desk,
        blocks=_newest_blocks((*old.blocks, *new.blocks)),
        dropped_blocks=tuple(dropped),
        history=(*old.history, *new.history),
        rates=_newest_rates((*old.rates, *new.rates)),
    )


def _newest_blocks(blocks: Iterable[StoredBlock]) -> tuple[StoredBlock, ...]:
    """The last body of each number, with the ids of all its bodies, as no row of the store is newer than any of them."""
    newest: dict[int, StoredBlock] = {}
    for block in blocks:
        before = newest[block.number].ids if block.number in newest else ()
        newest[block.number] = StoredBlock(block.number, block.body, tuple(dict.fromkeys((*before, *block.ids))))
    return tuple(newest.values())


def _newest_rates(rates: Iterable[CoinRates]) -> tuple[CoinRates, ...]:
    return tuple({(each.product, each.asset): each for each in rates}.values())


def _newest(old: Iterable[GroupState], new: Iterable[GroupState]) -> tuple[GroupState, ...]:
    states = {s.group: s for s in old}
    states |= {s.group: s for s in new}
    return tuple(states.values())
