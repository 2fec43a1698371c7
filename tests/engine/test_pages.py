"""A page of a book is made ready in steps, which show nowhere, and then put by an event that has little left to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from monitor.core.events.events import Event, GroupClosed, GroupPut, GroupsPut, MarkPrices, ProductsChanged, TimePassed
from monitor.core.groups.outcome import Outcome
from monitor.core.loans.group import parse_line
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.engine import dividing
from monitor.engine.book import ColumnarBook
from monitor.engine.columns.codec import Dump
from monitor.engine.dividing import Division
from monitor.engine.ingest.packer import PackedGroups
from monitor.engine.ingest.reader import BlockReader
from monitor.engine.screen.layout import Layout
from tests.coin_desk import START
from tests.core.desk import OFF, plainly, quotes
from tests.stores.plain_storm import OF, stated

RULES = Rules("desk-1", {"vip_loan": OF}, Lifecycle(), OFF)
GROUPS = 30
LATER = START + timedelta(seconds=1)


def packed(monitor: RiskMonitor, numbers: range, **more: dict[str, str]) -> PackedGroups:
    book = monitor.book
    assert isinstance(book, ColumnarBook)
    reader = BlockReader(lambda: monitor.rules.products, book.names)
    found = reader.pack([json.dumps(stated(n) | more).encode() for n in numbers], START, "book")
    assert isinstance(found.batch, PackedGroups)
    assert not found.rest
    return found.batch


def division(monitor: RiskMonitor, batch: PackedGroups) -> Division:
    assert isinstance(monitor.book, ColumnarBook)
    return Division(batch, "book", monitor.changes.retired.keys(), monitor.book.held)


def one(n: int) -> GroupPut:
    return GroupPut(LATER, parse_line(stated(n), LATER, RULES.products), "book")


def same(prepared: Outcome, whole: Outcome) -> None:
    assert plainly(prepared.alerts) == plainly(whole.alerts)
    assert (prepared.states, prepared.changed, prepared.blocks) == (whole.states, whole.changed, whole.blocks)


def as_event(monitor: RiskMonitor, event: Event | range) -> Event:
    """A range is a page of these groups."""
    return GroupsPut(LATER, "book", packed(monitor, event)) if isinstance(event, range) else event


BETWEEN: dict[str, list[Event | range]] = {
    "nothing": [],
    "prices": [MarkPrices(LATER, quotes("BTC=91.3,COIN=1", LATER))],
    "one of its groups": [one(3)],
    "a group that is put and closed": [one(3), GroupClosed(LATER, "G00003", "book")],
    "another group": [one(50)],
    "so many that they fold": [one(n) for n in range(50, 60)],
    "other rules": [ProductsChanged(LATER, Rules("desk-1", {"vip_loan": OF}, Lifecycle(), OFF))],
    "another page": [range(80, 90)],
    "a midnight": [TimePassed(START + timedelta(days=1))],
}


@pytest.mark.parametrize("between", BETWEEN)
def test_whatever_comes_while_a_page_is_made_ready_it_is_put_as_one_that_was_not(between: str) -> None:
    """It comes after the block is laid, or after the last step; then prices fall, and all groups are decided."""
    events, fall = BETWEEN[between], START + timedelta(days=1, seconds=5)
    for left in (1, 0):
        two = [RiskMonitor(RULES, book=ColumnarBook(fold_at=5)) for _ in range(2)]
        pages = []
        for monitor in two:
            monitor.handle(MarkPrices(START, quotes("BTC=100,COIN=1", START)))
            monitor.handle(GroupsPut(START, "book", packed(monitor, range(60, 70))))
            pages.append(packed(monitor, range(GROUPS)))
        steps = division(two[0], pages[0]).steps
        for number, step in enumerate(steps, 1):
            step(two[0].at or START)
            if len(steps) > 2 and number == len(steps) - left:
                for event in events:
                    same(*(m.handle(as_event(m, event)) for m in two))
        at = two[0].at or START
        same(*(m.handle(GroupsPut(at, "book", page)) for m, page in zip(two, pages, strict=True)))
        assert two[0].memory == two[1].memory
        same(*(m.handle(MarkPrices(fall, quotes("BTC=57,COIN=1", fall))) for m in two))
        assert {*two[0].book.needed()} == {*two[1].book.needed()}


def test_a_page_that_is_made_ready_shows_nowhere() -> None:
    monitor = RiskMonitor(RULES, book=(book := ColumnarBook()))
    monitor.handle(MarkPrices(START, quotes("BTC=100,COIN=1", START)))
    monitor.handle(GroupsPut(START, "book", packed(monitor, range(60, 70))))
    memory, needed = monitor.memory, {*book.needed()}
    for step in division(monitor, packed(monitor, range(GROUPS))).steps:
        step(START)
    assert monitor.memory == memory
    assert (len(book), {*book.needed()}, book.find("G00003")) == (10, needed, None)
    assert book.exposure(["BTC"], monitor.board, 0).groups == 10
    assert all(int(id_[1:]) >= 60 for id_ in book.suspects(None, monitor.board))
    alone = RiskMonitor(RULES, book=(empty := ColumnarBook()))
    alone.handle(MarkPrices(START, quotes("BTC=100,COIN=1", START)))
    for step in division(alone, packed(alone, range(GROUPS))).steps:
        step(START)
    assert not empty.needed(), "its coins are not asked for yet"


def counted(monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> list[object]:
    """What is called, each time."""
    calls: list[object] = []
    work: Callable[..., object] = getattr(of, name)

    def call(*args: object, **more: object) -> object:
        calls.append(args)
        return work(*args, **more)

    monkeypatch.setattr(of, name, call)
    return calls


def test_no_step_has_more_to_do_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a page is looked up, or one thing is done with all of it; to the event nothing of that is left."""
    monkeypatch.setattr(dividing, "LOOKED_UP", 3)
    monitor = RiskMonitor(RULES, book=ColumnarBook())
    monitor.handle(MarkPrices(START, quotes("BTC=100,COIN=1", START)))
    monitor.handle(GroupsPut(START, "book", packed(monitor, range(60, 70))))
    page = packed(monitor, range(GROUPS))
    looked_up = counted(monkeypatch, dividing, "_with_dust")  # type: ignore[arg-type]
    laid, dumped = counted(monkeypatch, Layout, "put"), counted(monkeypatch, Dump, "__init__")
    shares = []
    for step in division(monitor, page).steps:
        before = len(laid), len(dumped)
        looked_up.clear()
        step(START)
        groups = sum(len(args[0]) for args in looked_up)  # type: ignore[index]
        shares.append((groups, len(laid) - before[0], len(dumped) - before[1]))
    assert shares[:10] == [(3, 0, 0)] * 10
    assert sorted(shares[10:])[-3:] == [(0, 0, 1), (0, 1, 0), (GROUPS, 0, 0)]
    looked_up.clear()
    assert monitor.handle(GroupsPut(START, "book", page)).blocks
    assert (len(looked_up), len(laid), len(dumped)) == (0, 1, 1)


def test_known_lines_go_singly_and_those_in_force_not_at_all() -> None:
    monitor = RiskMonitor(RULES, book=ColumnarBook())
    monitor.handle(GroupsPut(START, "book", packed(monitor, range(10))))
    page = packed(monitor, range(5, 20))
    found = division(monitor, page)
    for step in found.steps:
        step(LATER)
    assert (found.known, [*(found.new or ()).ids()]) == ([], [f"G{n:05}" for n in range(10, 20)])
    changed = division(monitor, packed(monitor, range(5, 20), labels={"desk": "X"}))
    for step in changed.steps:
        step(LATER)
    assert (changed.known, [*(changed.new or ()).ids()]) == ([0, 1, 2, 3, 4], [f"G{n:05}" for n in range(10, 20)])


def test_a_block_that_dissolves_hands_over_few_groups_at_a_time() -> None:
    """All at once would hold core for half a second; in the end the block is gone all the same."""
    monitor = RiskMonitor(RULES, book=(book := ColumnarBook()))
    monitor.handle(GroupsPut(START, "book", packed(monitor, range(40))))
    assert book.columnar is not None
    fresh = []
    for n in range(40):
        monitor.handle(GroupClosed(START, f"G{n:05}", "book"))
        fresh.append(len(book.fresh))
        assert len(book) == 39 - n
        if book.columnar.rows.blocks[0] is None:
            break
    assert max(b - a for a, b in pairwise(fresh)) <= 2
    assert book.columnar.rows.blocks == [None]
