"""A small desk for tests of the web: the real RiskMonitor behind an inbox, a store in memory, a clock that tests move.

Everything that is published comes from real events; only time and the disk are not real.
"""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from monitor.audit_chain import AuditHead
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.silences import Acknowledge
from monitor.core.events.events import API, Event, MarkPrices, Noticed, OperatorAct, RatesChanged, TimePassed
from monitor.core.events.history import Row
from monitor.core.events.levers import OperatorSays, Proposable
from monitor.core.events.rates import Asked
from monitor.core.groups.outcome import Outcome, Publication
from monitor.core.groups.snapshot import Prices, Scope, common_labels, sees, within
from monitor.core.money import exact
from monitor.core.portfolio.group_list import PlainGroupLists
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.prices.quote import Quote
from monitor.core.queries.inbox import (
    Acted,
    Answer,
    Given,
    LeverLook,
    Look,
    Preview,
    PriceLook,
    Request,
    look_at_prices,
)
from monitor.core.rules.settings import Rules, Trust
from monitor.core.watch.operators import over
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.requests import Hand, audit_of, look_at_levers
from monitor.daemon.subscriptions import MadeEndpoints
from monitor.feeds._base import FeedStats
from monitor.imports.desk import ImportDesk
from monitor.notifiers._base import ChannelState
from monitor.stores._base import (
    AlertFilter,
    Applied,
    Attempt,
    Audit,
    Audited,
    AuditFilter,
    Change,
    Delivery,
    DeliveryFilter,
    HistoryFilter,
    LtvPoint,
    StoreUnavailable,
    Target,
)
from monitor.stores.memory import MemoryStore
from monitor.tables import EndpointsTable
from monitor.telemetry import Health, Metrics
from monitor.web.app import Server
from monitor.web.live import Limits
from monitor.web.page import PageFiles
from monitor.web.view import Daemon, View
from monitor.web_table import WebConfig
from tests.looks import CALM, RULES, START, look_at


class DeskClock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = START

    def utc(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        return (self.now - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError("nothing of the web waits")


class DeskStore:
    """The queries of a store over lists; it can be switched off."""

    def __init__(self) -> None:
        self.log: list[LoggedAlert] = []
        self.sent: dict[str, Delivery] = {}
        self.tries: list[Attempt] = []
        self.entries: dict[tuple[str, str], Applied] = {}
        self.audit_log: list[Audit] = []
        self.told: list[Row] = []
        self._points = MemoryStore()
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
                id_,
                logged.cursor,
                alert.id,
                name,
                (),
                alert.subject,
                alert.type,
                alert.severity,
                alert.episode,
                "pending",
                0,
                alert.at,
                alert.at,
            )
        return logged

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]:
        self.check()
        await asyncio.sleep(0)
        w = wanted
        found = [
            x
            for x in self.log
            if (x.cursor < w.after if w.newest_first and w.after else x.cursor > w.after)
            and (w.group is None or (x.alert.group is not None and x.alert.group.id == w.group))
            and (w.type is None or fnmatch.fnmatchcase(x.alert.type, w.type))
            and w.severity in (None, x.alert.severity)
            and (w.since is None or x.alert.at >= w.since)
            and (w.until is None or x.alert.at < w.until)
        ]
        return (found[::-1] if w.newest_first else found)[: w.limit]

    async def alert(self, id: str) -> LoggedAlert | None:
        self.check()
        return next((x for x in self.log if x.alert.id == id), None)

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        self.check()
        cursor, _, id_ = wanted.after.partition(":")
        start = (int(cursor or 0), id_)
        found = [
            d
            for d in sorted(self.sent.values(), key=lambda d: (d.cursor, d.id))
            if (d.cursor, d.id) > start
            and wanted.state in (None, d.state)
            and wanted.notifier in (None, d.notifier)
            and wanted.alert in (None, d.alert)
        ]
        return found[: wanted.limit]

    async def delivery(self, id: str) -> Delivery | None:
        self.check()
        return self.sent.get(id)

    async def attempts(self, delivery: str) -> list[Attempt]:
        return [t for t in self.tries if t.delivery == delivery]

    async def retry_all(self, ids: Sequence[str], at: datetime, audited: Audited | None = None) -> list[Delivery]:
        again = [d for id_ in ids if (d := await self.retry(id_, at)) is not None]
        self.audit_log += [] if audited is None else [audited(again)]
        return again

    async def retry(self, delivery: str, at: datetime, audited: Audited | None = None) -> Delivery | None:
        self.check()
        found = self.sent.get(delivery)
        if found is not None:
            found = self.sent[delivery] = msgspec.structs.replace(found, state="pending", due_at=at)
            self.audit_log += [] if audited is None else [audited([found])]
        return found

    async def send_again(self, deliveries: Sequence[Delivery], audited: Audited | None = None) -> list[Delivery]:
        self.check()
        self.sent |= {d.id: d for d in deliveries}
        self.audit_log += [] if audited is None else [audited(deliveries)]
        return list(deliveries)

    async def audit_page(self, wanted: AuditFilter) -> list[tuple[int, Audit]]:
        self.check()
        kept = MemoryStore()
        await kept.commit(Change(START, audits=tuple(self.audit_log)))
        return await kept.audit_page(wanted)

    async def audit_head(self) -> AuditHead:
        return AuditHead(len(self.audit_log), bytes(32))

    async def history(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        self.check()
        found = [
            (n, row)
            for n, row in enumerate(self.told, 1)
            if n > wanted.after
            and row.group == wanted.group
            and (not wanted.kinds or row.kind in wanted.kinds)
            and wanted.loan in (None, row.loan)
            and (wanted.since is None or row.at >= wanted.since)
            and (wanted.until is None or row.at <= wanted.until)
            and wanted.keeps(row)
        ]
        if wanted.is_newest_first:
            found.reverse()
        return found[: wanted.limit]

    async def first_rows(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        mine = {}
        for n, row in enumerate(self.told, 1):
            if row.group == wanted.group and row.loan and wanted.keeps(row):
                mine.setdefault(row.loan, (n, row))
        return list(mine.values())

    async def newest_life(self, group: str, scope: Scope) -> int | None:
        self.check()
        lives = [row.life for row in self.told if row.group == group and sees(scope, row.labels)]
        return lives[-1] if lives else None

    async def held(self, scope: Scope, since: datetime, limit: int) -> list[str]:
        seen = {row.group for row in self.told if sees(scope, row.labels)}
        return sorted(seen & {row.group for row in self.told if row.at >= since})[:limit]

    async def key(self, name: str) -> bytes:
        return hashlib.sha256(name.encode()).digest()

    async def audits(
        self, after: int, limit: int, subject: str | None = None, since: datetime | None = None, scope: Scope = ()
    ) -> list[tuple[int, Audit]]:
        self.check()
        found = [
            (i, a)
            for i, a in enumerate(self.audit_log, 1)
            if i > after and subject in (None, a.subject) and (since is None or a.at >= since) and sees(scope, a.labels)
        ]
        return found[:limit]

    async def keep_points(self, points: Sequence[LtvPoint]) -> None:
        self.check()
        await self._points.keep_points(points)

    async def points(self, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
        self.check()
        return await self._points.points(group, step_s, start, end)

    async def prune_points(self, step_s: int, before: datetime) -> int:
        return await self._points.prune_points(step_s, before)


class EndpointStore(MemoryStore):
    """Endpoints, whose audits stand in the desk's own record."""

    def __init__(self, desk: DeskStore) -> None:
        super().__init__()
        self._desk = desk

    def _keep_audit(self, audit: Audit | None) -> None:
        self._desk.audit_log += [] if audit is None else [audit]


class WebDesk:
    """The monitor, what it published, and the inbox through which the web reaches it."""

    def __init__(self, rules: Rules = RULES, trust: bool = False, priced: dict[str, str] = CALM) -> None:
        self.rules = msgspec.structs.replace(rules, trust=Trust(enabled=trust))
        self.clock, self.store = DeskClock(), DeskStore()
        self.health, self.metrics = Health(), Metrics()
        self.health.set("startup", None)
        self.public_labels: tuple[str, ...] = ()
        self.feeds = {"tape": FeedStats()}
        self.book = PlainBook()
        self.risk = RiskMonitor(self.rules, book=self.book)
        self.view = View(PlainGroupLists(self.book.records), self.clock)
        self.retried: list[Delivery] = []
        self.channels: list[ChannelState] = []
        self.endpoints = MadeEndpoints(EndpointStore(self.store), self.clock, EndpointsTable(allow=("127.0.0.0/8",)))
        self.imports: ImportDesk | None = None
        self.routed: tuple[Target, ...] = ()
        self.owners: dict[str, str] = {}
        """Where every alert goes by the routes of now."""
        self.make_delay_s = 0.0
        """Lets requests overlap."""
        self._order = asyncio.Lock()
        self._nonce = 0
        self.prices(priced)
        if trust:  # the first price of a coin waits for a second quote
            self.prices(priced)

    def handle(self, event: Event) -> Outcome:
        """One event: decided, logged, published."""
        out = self.risk.handle(event)
        logged = tuple(self.store.add(a) for a in out.alerts)
        self.store.told += out.history
        self.publish(moved=True, alerts=logged)
        return out

    def publish(self, *, moved: bool = False, alerts: tuple[LoggedAlert, ...] = ()) -> None:
        board, silences, decisions = self.risk.board.snapshot(), self.risk.silences, self.risk.decisions
        feeds = self.risk.feeds
        known = (self.risk.fund, silences, decisions, feeds, self.risk.escalations)
        self.view.publish(Publication(self.clock.now, moved, board, alerts, *known))

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
            if now is not None and not within(request.scope, now.group.labels):
                return Answer(None, is_outside=True)
            if request.entry_id is not None:
                known = self.store.entries.get((request.group_id, request.entry_id))
                is_theirs = known is not None and sees(request.scope, known.labels)
                if known is not None and is_theirs and (now is None or now.state.life == known.life):
                    is_same = known.digest == request.digest
                    return Answer(now, is_duplicate=is_same, is_conflict=not is_same)
            if request.if_version is not None and request.if_version != (now.version if now else 0):
                return Answer(now, is_stale=True)
            out = self.handle(request.make(self.clock.now))
            if out.refused is not None:
                return Answer(now, out.refused)
            sight = self.risk.sight(request.group_id)
            if request.entry_id is not None and request.digest is not None and sight is not None:
                self.store.entries[request.group_id, request.entry_id] = Applied(
                    request.group_id, request.entry_id, request.digest, sight.version, self.clock.now,
                    sight.state.life, sight.group.labels,
                )  # fmt: skip
            audit = Audit(self.clock.now, request.who, request.action, request.group_id, None, None)
            labels = [one.group.labels for one in (now, sight) if one is not None]
            self.store.audit_log.append(msgspec.structs.replace(audit, labels=common_labels(labels[0], labels[-1])))
            return Answer(sight, is_new=now is None)

    async def act(
        self, act: OperatorSays, who: str, subject: str, scope: Scope = (), *, person: str = "", emergency: str = ""
    ) -> Acted:
        self.store.check()
        group = getattr(act, "group", None)
        sight = self.risk.sight(group) if group is not None else None
        if group is not None and scope and (sight is None or not within(scope, sight.group.labels)):
            return Acted(None, None, over(act.alert) if isinstance(act, Acknowledge) else None)
        if (outside := self.risk.operators.outside(act, scope)) is not None:
            return Acted(None, None, outside)
        before = self.risk.operators.known(act)
        out = self.handle(OperatorAct(self.clock.now, who, act, person, emergency))
        acted = Acted(before, out.made or self.risk.operators.known(act), out.refused)
        if out.refused is None and acted.before != acted.after:
            hand = Hand(who, subject, scope, person, emergency)
            labels = sight.group.labels if sight is not None else None
            self.store.audit_log.append(audit_of(act, acted, hand, self.clock.now, labels))
        return acted

    async def effects_of(self, act: Proposable, scope: Scope = ()) -> Preview:
        operators = self.risk.operators
        if (outside := operators.outside(act, scope)) is not None:
            raise outside
        with exact():
            return Preview(operators.effects_of(act, self.clock.now), operators.needs_approval(act))

    async def look_at_levers(self, scope: Scope = (), of: str = "") -> LeverLook:
        with exact():
            return look_at_levers(self.risk.operators, scope, of, self.clock.now)

    async def record(self, who: str, action: str, subject: str, before: object, after: object) -> None:
        self.store.audit_log.append(Audit(self.clock.now, who, action, subject, before, after))

    async def whole_book(self) -> WholeBook:
        _, usd, untrusted = self.risk.board.snapshot()
        return WholeBook(
            self.clock.now, Prices(usd, untrusted), self.risk.rules, self.risk.book.snapshot(self.clock.now)
        )

    async def whole_book_under(self, replaced: Callable[[Rules], Rules]) -> tuple[WholeBook, Rules]:
        return await self.whole_book(), self.risk.rates.into(replaced(self.risk.rules))

    async def give_rates(self, asked: Asked, who: str) -> Given:
        self.store.check()
        rows = asked.rows(self.risk.rules, self.clock.now)
        out = self.handle(RatesChanged(self.clock.now, asked.product, API, rows))
        if out.rates:
            self.store.audit_log.append(Audit(self.clock.now, who, "give rates", asked.product, None, None))
        return Given(rows, out.refused)

    async def look_at_prices(self, assets: Collection[str]) -> PriceLook:
        return look_at_prices(self.risk.board, assets, self.clock.now)

    async def look(self, group_id: str, scope: Scope = ()) -> Look | None:
        look = look_at(self.risk, group_id, self.clock.now)
        return look if look is not None and within(scope, look.sight.group.labels) else None

    def handed_over(self, scenarios: Path = Path("none")) -> Daemon:
        """What a server of this desk gets."""
        return Daemon(
            view=self.view,
            inbox=self,
            store=self.store,
            health=self.health,
            metrics=self.metrics,
            feeds=self.feeds,
            rules=lambda: self.risk.rules,
            clock=self.clock,
            on_retry=self.retried.append,
            channels=lambda: self.channels,
            route=lambda _: self.routed,
            endpoints=self.endpoints,
            scenarios=scenarios,
            imports=self.imports,
            owners=lambda: self.owners,
            public_labels=lambda: self.public_labels,
        )


@asynccontextmanager
async def serving(
    desk: WebDesk,
    config: WebConfig | None = None,
    limits: Limits | None = None,
    page: PageFiles | None = None,
    scenarios: Path = Path("none"),
) -> AsyncIterator[str]:
    """A real server on a free port; gives its base address."""
    config = config or WebConfig()
    server = Server(msgspec.structs.replace(config, port=0), desk.handed_over(scenarios), limits, page)
    host, port = await server.start()
    try:
        yield f"http://{host}:{port}"
    finally:
        await server.stop()
