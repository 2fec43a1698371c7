"""A small desk for tests of the web: the real RiskMonitor behind an inbox, a store in memory, a clock that tests move.

Everything that is published comes from real events; only time and the disk are not real.
"""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.config import WebConfig
from monitor.core.alerts import Alert, LoggedAlert
from monitor.core.events import API, Event, MarkPrices, Noticed, RatesChanged, TimePassed
from monitor.core.history import Row
from monitor.core.inbox import Answer, Given, Look, Request
from monitor.core.loanbook import PlainBook
from monitor.core.outcome import Outcome, Publication
from monitor.core.prices import Quote
from monitor.core.product import Rules, Trust
from monitor.core.rates import Asked
from monitor.core.risk import RiskMonitor
from monitor.core.roster import PlainRoster
from monitor.feeds.base import FeedStats
from monitor.stores.base import (
    AlertFilter,
    Applied,
    Attempt,
    Audit,
    Delivery,
    DeliveryFilter,
    HistoryFilter,
    StoreUnavailable,
)
from monitor.telemetry import Health, Metrics
from monitor.web.server import Server
from monitor.web.stream import Limits
from monitor.web.view import View
from tests.looks import CALM, RULES, START, look_at


class DeskClock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = START

    def utc(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        return (self.now - START).total_seconds()


class DeskStore:
    """The queries of a store over lists; it can be switched off."""

    def __init__(self) -> None:
        self.log: list[LoggedAlert] = []
        self.sent: dict[str, Delivery] = {}
        self.tries: list[Attempt] = []
        self.entries: dict[tuple[str, str], Applied] = {}
        self.audit_log: list[Audit] = []
        self.told: list[Row] = []
        self.is_down = False

    def check(self) -> None:
        if self.is_down:
            raise StoreUnavailable("the disk is full")

    def add(self, alert: Alert, notifiers: Sequence[str] = ("risk-desk",)) -> LoggedAlert:
        logged = LoggedAlert(len(self.log) + 1, alert)
        self.log.append(logged)
        for name in notifiers:
            id_ = f"dlv_{logged.cursor}_{name}"
            self.sent[id_] = Delivery(
                id_, logged.cursor, alert.id, name, (), alert.subject, alert.type, alert.severity, alert.episode,
                "pending", 0, alert.at, alert.at,
            )  # fmt: skip
        return logged

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]:
        self.check()
        await asyncio.sleep(0)
        w = wanted
        found = [
            x for x in self.log
            if x.cursor > w.after
            and (w.group is None or (x.alert.group is not None and x.alert.group.id == w.group))
            and (w.type is None or fnmatch.fnmatchcase(x.alert.type, w.type))
            and w.severity in (None, x.alert.severity)
        ]  # fmt: skip
        return found[: w.limit]

    async def alert(self, id: str) -> LoggedAlert | None:
        self.check()
        return next((x for x in self.log if x.alert.id == id), None)

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        self.check()
        cursor, _, id_ = wanted.after.partition(":")
        start = (int(cursor or 0), id_)
        found = [
            d for d in sorted(self.sent.values(), key=lambda d: (d.cursor, d.id))
            if (d.cursor, d.id) > start
            and wanted.state in (None, d.state)
            and wanted.notifier in (None, d.notifier)
            and wanted.alert in (None, d.alert)
        ]  # fmt: skip
        return found[: wanted.limit]

    async def delivery(self, id: str) -> Delivery | None:
        self.check()
        return self.sent.get(id)

    async def attempts(self, delivery: str) -> list[Attempt]:
        return [t for t in self.tries if t.delivery == delivery]

    async def retry(self, delivery: str, at: datetime) -> Delivery | None:
        self.check()
        found = self.sent.get(delivery)
        if found is not None:
            found = self.sent[delivery] = msgspec.structs.replace(found, state="pending", due_at=at)
        return found

    async def history(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        self.check()
        found = [
            (n, row) for n, row in enumerate(self.told, 1)
            if n > wanted.after and row.group == wanted.group
            and (not wanted.kinds or row.kind in wanted.kinds)
            and wanted.loan in (None, row.loan)
            and (wanted.since is None or row.at >= wanted.since)
        ]  # fmt: skip
        return found[: wanted.limit]

    async def first_rows(self, group: str) -> list[tuple[int, Row]]:
        mine = {}
        for n, row in enumerate(self.told, 1):
            if row.group == group and row.loan:
                mine.setdefault(row.loan, (n, row))
        return list(mine.values())

    async def audits(self, after: int, limit: int) -> list[tuple[int, Audit]]:
        self.check()
        return [(i, a) for i, a in enumerate(self.audit_log, 1) if i > after][:limit]


class Desk:
    """The monitor, what it published, and the inbox through which the web reaches it."""

    def __init__(self, rules: Rules = RULES, trust: bool = False, priced: dict[str, str] = CALM) -> None:
        self.rules = msgspec.structs.replace(rules, trust=Trust(enabled=trust))
        self.clock, self.store = DeskClock(), DeskStore()
        self.health, self.metrics = Health(), Metrics()
        self.health.set("startup", None)
        self.feeds = {"tape": FeedStats()}
        self.book = PlainBook()
        self.risk = RiskMonitor(self.rules, book=self.book)
        self.view = View(PlainRoster(self.book.watched), self.clock)
        self.retried: list[Delivery] = []
        self.make_delay_s = 0.0
        """Lets requests overlap."""
        self._order = asyncio.Lock()
        self._nonce = 0
        self.prices(priced)

    def handle(self, event: Event) -> Outcome:
        """One event: decided, logged, published."""
        out = self.risk.handle(event)
        logged = tuple(self.store.add(a) for a in out.alerts)
        self.store.told += out.history
        self.publish(moved=True, alerts=logged)
        return out

    def publish(self, *, moved: bool = False, alerts: tuple[LoggedAlert, ...] = ()) -> None:
        self.view.publish(Publication(self.clock.now, moved, self.risk.board.snapshot(), alerts, self.risk.fund))

    def prices(self, prices: dict[str, str]) -> Outcome:
        self._nonce += 1
        at = self.clock.now + timedelta(microseconds=self._nonce)
        quotes = tuple(Quote(a, Decimal(p), "USDT" if a != "USDC" else "USD", "tape", at) for a, p in prices.items())
        return self.handle(MarkPrices(self.clock.now, quotes))

    def pass_time(self, by: timedelta) -> Outcome:
        self.clock.now += by
        return self.handle(TimePassed(self.clock.now))

    def notice(self, kind: str = "book.refused", subject: str = "books/demo.jsonl:3") -> LoggedAlert:
        self.handle(Noticed(self.clock.now, kind, subject, {"text": "a line was refused"}))
        return self.store.log[-1]

    async def request(self, request: Request) -> Answer:
        """The sequencer's part: one after the other, each entry once, versions checked."""
        await asyncio.sleep(self.make_delay_s)
        async with self._order:
            self.store.check()
            now = self.risk.sight(request.group_id)
            if request.entry_id is not None:
                known = self.store.entries.get((request.group_id, request.entry_id))
                if known is not None:
                    is_same = known.digest == request.digest
                    return Answer(now, is_duplicate=is_same, is_conflict=not is_same)
            if request.if_version is not None and request.if_version != (now.version if now else 0):
                return Answer(now, is_stale=True)
            out = self.handle(request.make(self.clock.now))
            if out.refused is not None:
                return Answer(now, out.refused)
            sight = self.risk.sight(request.group_id)
            if request.entry_id is not None and request.digest is not None and sight is not None:
                applied = Applied(request.group_id, request.entry_id, request.digest, sight.version, self.clock.now)
                self.store.entries[request.group_id, request.entry_id] = applied
            self.store.audit_log.append(
                Audit(self.clock.now, request.who, request.action, request.group_id, None, None)
            )
            return Answer(sight, is_new=now is None)

    async def record(self, who: str, action: str, subject: str, before: object, after: object) -> None:
        self.store.audit_log.append(Audit(self.clock.now, who, action, subject, before, after))

    async def give_rates(self, asked: Asked, who: str) -> Given:
        self.store.check()
        rows = asked.rows(self.risk.rules, self.clock.now)
        out = self.handle(RatesChanged(self.clock.now, asked.product, API, rows))
        if out.rates:
            self.store.audit_log.append(Audit(self.clock.now, who, "give rates", asked.product, None, None))
        return Given(rows, out.refused)

    async def look(self, group_id: str) -> Look | None:
        return look_at(self.risk, group_id, self.clock.now)


@asynccontextmanager
async def serving(desk: Desk, config: WebConfig | None = None, limits: Limits | None = None) -> AsyncIterator[str]:
    """A real server on a free port; gives its base address."""
    config = config or WebConfig()
    server = Server(
        msgspec.structs.replace(config, port=0), desk.view, desk, desk.store, desk.health, desk.metrics,  # type: ignore[arg-type]
        desk.feeds, lambda: desk.risk.rules, desk.clock, desk.retried.append, limits,
    )  # fmt: skip
    host, port = await server.start()
    try:
        yield f"http://{host}:{port}"
    finally:
        await server.stop()
