"""The monitor on groups as objects and on groups in columns, told the same: after every event the two must agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.light import LightAlert, whole
from monitor.core.deadlines import GROUP, Deadline
from monitor.core.events.events import BatchOfBook, Event, GroupPut, GroupsPut
from monitor.core.events.history import Row
from monitor.core.groups.outcome import Memory, Outcome, Sight
from monitor.core.groups.snapshot import Prices
from monitor.core.loans.group import GroupBatch, parse_line
from monitor.core.money import EXACT, exact
from monitor.core.portfolio.group_list import GroupLists, GroupQuery, PlainGroupLists
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.quote import unconfirmed
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import STAGES, GroupState
from monitor.core.valuation.shown_figures import ltv_of
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.columns.fields import NO_GROUP
from monitor.engine.dividing import Division
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.ingest.packer import PackedGroups
from monitor.engine.ingest.reader import BlockReader
from monitor.stores._packed import alert_body
from monitor.stores._staged import StagedGroups, known_alert, light_body
from tests.core.desk import plainly

Line = dict[str, Any]


LOOK_EVERY = 9
"""A standby looks at the store after so many events."""


class Standby:
    """A book that follows what a store would keep of a monitor: the blocks of the beginning, and what has changed since."""

    def __init__(self, active: RiskMonitor, book: ColumnarBook) -> None:
        memory = active.memory
        assert memory is not None
        self.book = book
        self._blocks, self._states = memory.blocks, {state.group: state for state in memory.states}
        with exact():
            book.prepare(memory, active.rules)
        rows = book.columnar.rows if book.columnar else None
        stored = {} if rows is None else {id_: rows.stored(rows.row_of(id_)) for id_ in rows.ids()}
        self._in_blocks = {id_: each for id_, each in stored.items() if id_ not in {g.group.id for g in memory.groups}}
        self._beside = {each.group.id: each for each in memory.groups}
        self._closed: set[str] = set()

    def look(self, active: RiskMonitor) -> Memory:
        """Takes what has changed since the last look. Returns what the store handed over."""
        memory = active.memory
        assert memory is not None
        found = ((id_, active.book.find(id_)) for id_ in active.book.ids())
        now = {id_: record.stored() for id_, record in found if record is not None}
        # A row that was written stays, also where the group is as it was in its block again.
        beside = {id_: each for id_, each in now.items() if id_ in self._beside or self._in_blocks.get(id_) != each}
        puts = tuple(each for id_, each in beside.items() if self._beside.get(id_) != each)
        if self._blocks:
            self._closed = {*self._closed, *self._in_blocks, *self._beside} - now.keys()
        # What a store hands over again and did not change is the same object.
        states = {s.group: s if s != self._states.get(s.group) else self._states[s.group] for s in memory.states}
        memory = msgspec.structs.replace(
            memory, blocks=self._blocks, groups=puts, closed=tuple(self._closed), states=tuple(states.values())
        )
        with exact():
            assert self.book.prepare(memory, active.rules, beside.keys() - {each.group.id for each in puts})
        self._beside, self._states = beside, states
        return memory


class Twins:
    """Two monitors under the same rules."""

    def __init__(self, rules: Rules, fold_at: int) -> None:
        self._fold_at = fold_at
        self.plain, self.columns = RiskMonitor(rules), RiskMonitor(rules, book=ColumnarBook(fold_at, plain_from=1))
        self.alerts = 0
        self.light = 0
        """Alerts of steps that were proved by column."""
        self.told = datetime.min.replace(tzinfo=UTC)
        """The time of the last event."""
        self._events = 0
        self.named = 0
        """Groups that were looked at exactly on the side of the columns, over all events."""
        self._pages = 0
        self._standby: Standby | None = None
        """Follows what is kept since the last restart."""

    @property
    def rules(self) -> Rules:
        return self.plain.rules

    @property
    def objects(self) -> PlainBook:
        book = self.plain.book
        assert isinstance(book, PlainBook)
        return book

    @property
    def book(self) -> ColumnarBook:
        book = self.columns.book
        assert isinstance(book, ColumnarBook)
        return book

    def tell(self, event: Event) -> Outcome:
        """Tells both; what they say, what they keep and where every group stands must be the same."""
        self.told = event.at
        self._events += 1
        if self._standby is not None and self._events % LOOK_EVERY == 0:
            self._standby.look(self.columns)
        columns = self.columns.handle(event)
        plain = self._plain(event)
        self.compare(event, columns, plain)
        assert _stirred(columns.states.values()) == _stirred(plain.states.values()), event
        assert _in_order(columns.history) == _in_order(plain.history), event
        assert self.book.disproofs == [], event
        self._check_light([a for a in columns.alerts if isinstance(a, LightAlert)], plain.alerts)
        assert str(columns.refused) == str(plain.refused)
        self._check_stages()
        self.alerts += len(plain.alerts)
        self.named += len(columns.touched)
        return columns

    def _plain(self, event: Event) -> Outcome:
        return self.plain.handle(event)

    def compare(self, event: Event, columns: Outcome, plain: Outcome) -> None:
        """What the two say of an event."""
        if isinstance(event, GroupsPut):
            # What a batch says is said of the batch as a whole: in an order of its own, of all its groups at once.
            assert of_groups(columns.alerts) == of_groups(plain.alerts)
            assert of_prices(columns.alerts) == of_prices(plain.alerts)
        else:
            assert _as_indicated(plainly(columns.alerts), plainly(plain.alerts)) == plainly(plain.alerts), event
            assert (columns.changed, columns.closed) == (plain.changed, plain.closed), event

    def _check_light(self, light: Sequence[LightAlert], exactly: Sequence[Alert]) -> None:
        """Alerts of steps by column are those of steps one by one to the last byte, also by way of what a commit stages."""
        of = {alert.id: alert for alert in exactly}
        forms = {id(a.of): StagedGroups(a.of.staged(), pytest.fail) for a in light if a.of is not None}
        for alert in light:
            assert alert_body(_short(whole(alert))) == alert_body(_short(of[alert.id]))
            # Terms that say the same in another order are one in a process, in the order that it met first.
            read = known_alert(light_body(alert, 1), forms[id(alert.of)], alert.place)
            assert _in_key_order(_short(whole(read))) == _in_key_order(_short(of[alert.id]))
        ids = [alert.subject for alert in light]
        assert deadlines_of(self.columns, ids) == deadlines_of(self.plain, ids)
        self.light += len(light)

    def put(self, lines: Sequence[Line], at: datetime, source: str = "book") -> None:
        """Puts lines as a large file comes: packed where the reader is sure of them, one by one otherwise."""
        reader = BlockReader(lambda: self.columns.rules.products, self.book.names)
        packed = reader.pack([json.dumps(line).encode() for line in lines], at, source)
        if len(packed.batch):
            # As the daemon says it, so that core has begun when a page is made ready.
            self.tell(BatchOfBook(at, source, ends=False))
            self._make_ready(packed.batch, source, at)
            self.tell(GroupsPut(at, source, packed.batch))
            self.tell(BatchOfBook(at, source, ends=True))
        for place in packed.rest:
            self.put_one(lines[place], at, source)

    def _make_ready(self, batch: GroupBatch, source: str, at: datetime) -> None:
        """Every other page is made ready in steps, as the daemon does."""
        self._pages += 1
        if self._pages % 2:
            assert isinstance(batch, PackedGroups)
            for step in Division(batch, source, self.columns.changes.retired.keys(), self.book.held).steps:
                step(at)

    def put_one(self, line: Line, at: datetime, source: str = "book") -> None:
        self.tell(GroupPut(at, parse_line(line, at, self.rules.products), source))

    def restart(self) -> None:
        """The columns go on from their memory; the other side never stopped.

        After the first time they go on as a standby does, which has followed since the last restart.
        """
        memory, book = self.columns.memory, ColumnarBook(self._fold_at, plain_from=1)
        assert memory is not None
        if self._standby is not None:
            memory, book = self._standby.look(self.columns), self._standby.book
        self.columns = RiskMonitor(self.rules, memory, book)
        self._check_stages()
        self._standby = Standby(self.columns, ColumnarBook(self._fold_at, plain_from=1))

    def restart_both(self, at: datetime) -> None:
        """As the daemon starts: kept prices are not believed until a feed confirms them."""
        for side, book in (("plain", PlainBook()), ("columns", ColumnarBook(self._fold_at, plain_from=1))):
            memory = getattr(self, side).memory
            memory = msgspec.structs.replace(memory, marks=tuple(map(unconfirmed, memory.marks)), heard=())
            setattr(self, side, RiskMonitor(self.rules, memory, book))
            getattr(self, side).awaken(at)
        self._check_stages()

    def check_groups(self, ids: Iterable[str]) -> None:
        """These groups are the same in every part."""
        for group_id in ids:
            ours, theirs = self.columns.sight(group_id), self.plain.sight(group_id)
            assert ours == theirs

    def check_lists(self) -> None:
        """Lists on the prices in force are the same. To be asked after a tick of all assets: columns order as of it."""
        board = self.plain.board
        prices = Prices(board.usd, frozenset(board.untrusted))
        ours, theirs = ColumnarGroupLists(self.book), PlainGroupLists(self.objects.records)
        for query in QUERIES:
            assert _pages(ours, query, prices) == _pages(theirs, query, prices), query
        # Floats tell LTVs apart that are the same to 8 places, and not always those that differ at the 17th.
        by_ltv = GroupQuery(limit=10_000)
        mine = [_severity(s) for s in ours.page(by_ltv, (), prices).rows]
        assert mine == [_severity(s) for s in theirs.page(by_ltv, (), prices).rows]
        for scope in ((), (("desk", "EU"),)):
            assert ours.counts(scope, prices) == theirs.counts(scope, prices)

    def _check_stages(self) -> None:
        assert len(self.book) == len(self.objects)
        states = _stirred(w.state for w in self.objects.records())
        fresh, columnar = self.book.fresh.records(), self.book.columnar
        rows = columnar.rows if columnar else None
        assert _stirred([*(w.state for w in fresh), *(rows.states() if rows else ())]) == states
        if rows is not None:
            moved = np.flatnonzero((rows.stage != 0) & (rows.stage != NO_GROUP)).tolist()
            stages = {rows.id(row): STAGES[rows.stage[row]] for row in moved}
            in_rows = [s for id_, s in states.items() if self.book.fresh.find(id_) is None]
            assert stages == {s.group: s.stage for s in in_rows if s.stage != STAGES[0]}


QUERIES = [
    GroupQuery(sort="id", limit=120),
    GroupQuery(sort="-debt_usd", limit=150),
    GroupQuery(sort="deadline", limit=90, stages=frozenset(STAGES[1:])),
    GroupQuery(sort="-id", limit=40, labels=(("desk", "EU"),)),
    GroupQuery(sort="debt_usd", limit=100, products=frozenset({"flat_loan"})),
    GroupQuery(sort="id", limit=50, q="7"),
]


def _stirred(states: Iterable[GroupState]) -> Mapping[str, GroupState]:
    return {s.group: s for s in states if s != GroupState(s.group)}


def _as_indicated(ours: list[Mapping[str, Any]], theirs: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Ours, with the exact sums where ours are said to be indicative and differ by cents alone."""
    found = []
    for mine, other in zip(ours, theirs, strict=False):
        facts, exact = mine["facts"], other["facts"]
        if facts.get("sums") == "indicative" and "worse" in facts and "worse" in exact and _are_near(facts, exact):
            told = {key: value for key, value in facts.items() if key != "sums" or "sums" in exact}
            mine = {**mine, "facts": told | {"worse": exact["worse"]}}
        found.append(mine)
    return found + ours[len(theirs) :]


def _are_near(mine: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    rows = [{key: value for key, value in row.items() if key != "debt_usd"} for row in mine["worse"]]
    debts = [
        (Decimal(a["debt_usd"]), Decimal(b["debt_usd"])) for a, b in zip(mine["worse"], other["worse"], strict=False)
    ]
    return rows == [{key: value for key, value in row.items() if key != "debt_usd"} for row in other["worse"]] and all(
        abs(a - b) <= 2 * Decimal("0.01") + b * Decimal("1e-12") for a, b in debts
    )


def of_groups(alerts: list[Alert]) -> list[Mapping[str, Any]]:
    """What is said of groups, in an order that no book has a say in."""
    return plainly(sorted((a for a in alerts if a.group is not None), key=lambda a: a.id))


def of_prices(alerts: list[Alert]) -> list[tuple[str, str]]:
    """What is said of all else, without its figures."""
    return sorted((a.type, a.subject) for a in alerts if a.group is None)


_in_key_order = msgspec.json.Encoder(order="deterministic").encode


def _short(value: Any) -> Any:
    """The same with each number as columns have it: quantities lose trailing zeros there, and a line may state them."""
    if isinstance(value, Decimal):
        return EXACT.normalize(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{f: _short(getattr(value, f)) for f in value.__struct_fields__})
    if isinstance(value, tuple):
        return tuple(map(_short, value))
    return {key: _short(one) for key, one in value.items()} if isinstance(value, dict) else value


def deadlines_of(monitor: RiskMonitor, ids: Iterable[str]) -> list[Deadline | None]:
    """The next firm deadline of each of these groups."""
    live = monitor._ground.agenda._live[0]
    return [live.get((GROUP, id_)) for id_ in ids]


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows of the history: books decide groups in an order of their own."""
    return sorted(rows, key=lambda row: (row.group, row.kind, row.loan))


def _pages(group_lists: GroupLists, query: GroupQuery, prices: Prices) -> list[Any]:
    found, after = [], None
    while True:
        page = group_lists.page(msgspec.structs.replace(query, after=after), (), prices)
        found.append(page.rows)
        after = page.next
        if after is None:
            return found


def _severity(sight: Sight) -> tuple[Any, ...]:
    stage, weight = sight.state.stage, sight.weight
    ltv = None if weight is None else ltv_of(sight.held, weight)
    return stage, weight is None, None if ltv is None else round(ltv, 6) if ltv < 100 else Decimal(f"{ltv:.5e}")
