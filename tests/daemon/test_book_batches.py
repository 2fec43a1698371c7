"""Pages of a book come to core in turns that each hold it only briefly, and prices are taken between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.core.events.entries import Entry
from monitor.core.events.events import (
    BatchOfBook,
    BookEntry,
    BookSeen,
    Event,
    GroupClosed,
    GroupPut,
    GroupsPut,
    MarkPrices,
)
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.schema import read
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import book_batches
from monitor.daemon.book_batches import BookBatches
from monitor.daemon.journal import Journal
from monitor.daemon.sequencer import Sequencer, Turn
from monitor.engine import dividing
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.running import Running, Tasks
from monitor.stores._base import AlertFilter
from monitor.stores.memory import MemoryStore
from monitor.telemetry import Health, Metrics
from tests.core.desk import OFF
from tests.fakes import FakeOutlet
from tests.faults.house import until
from tests.looks import D
from tests.stores.plain_storm import OF, stated


class Core:
    """A sequencer at work. `turns` has the events of each of its turns."""

    def __init__(self) -> None:
        self.book, self.clock = ColumnarBook(), SystemClock()
        self.monitor = RiskMonitor(Rules("desk-1", {"vip_loan": OF}, Lifecycle(), OFF), book=self.book)
        self.store = MemoryStore()
        running = Running(self.store, self.clock, Metrics(), Health(), Tasks())
        self.sequencer = Sequencer(running, self.monitor, Journal(running, FakeOutlet()), lambda _: None, None)
        self.batches = BookBatches(self.sequencer, self.store, self.monitor, self.book, lambda: None)
        self.turns: list[list[Event]] = []
        self.prices = 0
        self.is_taking = False
        handle, self._now = self.sequencer.handle, list[Event]()

        def noted(event: Event, turn: Turn) -> Any:
            self._now.append(event)
            return handle(event, turn)

        self.sequencer.handle = noted  # type: ignore[method-assign]  # it looks on
        self.sequencer.after_turn = self._turned

    def _turned(self) -> None:
        """A price comes at each turn of a batch."""
        self.turns.append([*self._now])
        self._now.clear()
        if not self.is_taking:
            return
        self.prices += 1
        self.sequencer.quotes([Quote("BTC", D(100) + self.prices, "USD", "tape", self.clock.utc())])

    def page(self, numbers: Sequence[int], source: str = "book", **more: dict[str, str]) -> list[Event]:
        reader = BlockReader(lambda: self.monitor.rules.products, self.book.names)
        raws = [json.dumps(stated(n) | more).encode() for n in numbers]
        found = reader.pack(raws, self.clock.utc(), source)
        assert not found.rest
        return [GroupsPut(self.clock.utc(), source, found.batch)]

    async def take(self, batch: Sequence[Event]) -> list[list[Event]]:
        """The turns of a batch, without prices."""
        self.turns.clear()
        self.is_taking = True
        await self.batches.take(batch)
        self.is_taking = False
        await asyncio.sleep(0)
        return [events for turn in self.turns if (events := [e for e in turn if not isinstance(e, MarkPrices)])]


@pytest.fixture
async def core(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Core]:
    monkeypatch.setattr(book_batches, "GROUPS_AT_ONCE", 4)
    monkeypatch.setattr(dividing, "LOOKED_UP", 5)
    core = Core()
    await core.store.open()
    running = asyncio.create_task(core.sequencer.run())
    yield core
    await core.sequencer.stop()
    await running


def kinds(turns: Sequence[Sequence[Event]]) -> list[list[str]]:
    return [[type(event).__name__ for event in turn] for turn in turns]


async def test_prices_are_taken_while_a_page_is_made_ready(core: Core) -> None:
    turns = await core.take(core.page(range(20)))
    assert kinds(turns) == [["BatchOfBook"], ["GroupsPut"], ["BatchOfBook"]]
    put = next(i for i, turn in enumerate(core.turns) if any(isinstance(e, GroupsPut) for e in turn))
    before = [turn for turn in core.turns[1:put] if any(isinstance(e, MarkPrices) for e in turn)]
    assert len(before) >= 9, "four look-ups, five steps"
    assert len(core.book) == 20


async def test_changed_groups_come_some_at_a_time(core: Core) -> None:
    await core.take(core.page(range(20)))
    turns = await core.take(core.page(range(10, 30), labels={"desk": "X"}))
    assert kinds(turns[1:-1]) == [["GroupsPut"], *[["GroupPut"] * 4] * 2, ["GroupPut"] * 2]
    assert [record.version for n in range(10, 20) if (record := core.book.find(f"G{n:05}"))] == [2] * 10
    assert await core.take(core.page(range(30), labels={"desk": "Y"}))
    again = await core.take(core.page(range(30), labels={"desk": "Y"}))
    assert kinds(again) == [["BatchOfBook"]] * 2, "what is in force already is no event"


async def test_changed_groups_are_folded_in_a_turn_between_their_turns(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold amid a turn would hold core for as long as both."""
    monkeypatch.setattr(core.book, "_fold_at", 8)
    folds: list[tuple[int, int]] = []
    fold = core.book.fold

    def noted() -> None:
        folds.append((len(core.book.fresh), len(core._now)))
        fold()

    monkeypatch.setattr(core.book, "fold", noted)
    await core.take(core.page(range(40)))
    await core.take(core.page(range(18), labels={"desk": "X"}))
    assert folds == [(8, 0), (8, 0)], "groups that are fresh, and events of the same turn"
    assert (len(core.book.fresh), len(core.book)) == (2, 40)
    assert [record.version for n in range(18) if (record := core.book.find(f"G{n:05}"))] == [2] * 18


async def test_many_closings_come_some_at_a_time_and_entries_all_with_their_time(core: Core) -> None:
    await core.take(core.page(range(20)))
    at = core.clock.utc()
    seen = BookSeen(at, "book", at, "read")
    turns = await core.take([*[GroupClosed(at, f"G{n:05}", "book") for n in range(10)], seen])
    assert [len(turn) for turn in turns] == [1, 4, 4, 2, 1, 1]
    assert kinds(turns[-2:]) == [["BatchOfBook"], ["BookSeen"]], "a position that is kept says that all was told"
    repay = read(Entry, {"type": "repay", "asset": "COIN", "amount": "0.01"})
    turns = await core.take([BookEntry(at, "G00015", f"e-{n}", repay) for n in range(9)])
    assert [len([e for e in turn if isinstance(e, BookEntry)]) for turn in turns] == [9]


async def test_what_core_refuses_in_many_turns_is_one_alert(core: Core) -> None:
    """Also while another source has a batch under way."""
    await core.take(core.page(range(20), "first"))
    refused = [event for n in range(2) for event in singles(core, range(20), f"second-{n}")]
    half = len(refused) // 2
    await asyncio.gather(core.batches.take(refused[:half]), core.batches.take(refused[half:]))
    told = [a for a in await core.store.alerts(AlertFilter()) if a.alert.type == "book.refused"]
    assert sorted((a.alert.subject, a.alert.facts.get("count")) for a in told) == [
        ("second-0: groups", 20),
        ("second-1: groups", 20),
    ]


async def test_a_source_that_is_ended_amid_its_batch_has_its_refusals_told(core: Core) -> None:
    await core.take(core.page(range(20), "first"))
    some = singles(core, range(20), "second")
    taking = asyncio.create_task(core.batches.take(some))
    await until(lambda: any(isinstance(e, GroupPut) for turn in core.turns for e in turn), "some are refused", step_s=0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    ends = [e.ends for turn in core.turns for e in turn if isinstance(e, BatchOfBook)]
    assert ends[-1] is True
    assert core.monitor.standing("book.refused")


async def test_a_source_is_ended_though_core_answers_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_batches, "END_S", 0.05)
    core = Core()
    await core.store.open()
    running = asyncio.create_task(core.sequencer.run())
    closes = [GroupClosed(core.clock.utc(), f"G{n}", "book") for n in range(2000)]
    taking = asyncio.create_task(core.batches.take(closes))
    await until(lambda: any(isinstance(e, GroupClosed) for turn in core.turns for e in turn), "it is amid it", step_s=0)
    for task in (running, taking):
        task.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(running, taking, return_exceptions=True)


def singles(core: Core, numbers: range, source: str) -> list[Event]:
    (page,) = core.page(numbers, source)
    assert isinstance(page, GroupsPut)
    at: datetime = page.at
    return [GroupPut(at, page.batch.group(i), source) for i in range(len(page.batch))]
