"""Blocks are written to the store again while core decides: whatever is durable at any moment is the book."""

from __future__ import annotations

import random
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.core.events.events import Event, GroupClosed
from monitor.core.groups.outcome import Outcome, StoredGroup
from monitor.core.money import exact
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import startup
from monitor.daemon.journal import Journal, core_state
from monitor.engine.book import ColumnarBook
from monitor.engine.rewriting import BlockRewrite
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import NearShards
from monitor.stores import memory
from monitor.stores._base import Change, StoredState, is_untouched
from monitor.telemetry import Health, Metrics
from tests.effort import examples, more_in_a_soak
from tests.engine import twins
from tests.engine.market import WARY, Market

LEAST = 25
"""Groups that the market needs to change some."""


class Head:
    """A market and a store to which all is committed that core does, as the daemon does it."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch, *, is_spread: bool) -> None:
        class Spread(SpreadBook):
            def __init__(self, fold_at: int, plain_from: int) -> None:
                super().__init__(NearShards(), 2, fold_at)

        if is_spread:
            monkeypatch.setattr(twins, "ColumnarBook", Spread)
        self.random = random.Random(seed)
        self.market = Market(seed, 32, 2, WARY, 5)
        self.store = memory.build(memory.Config())
        outlet: Any = SimpleNamespace(
            gathers=False, route_all=lambda alerts, at: tuple((a, ()) for a in alerts), take_over=lambda committed: None
        )
        running: Any = SimpleNamespace(store=self.store, clock=SystemClock(), metrics=Metrics(), health=Health())
        self._journal = Journal(running, outlet)
        self.outcomes: list[Outcome] = []
        self._handle = self.monitor.handle
        monkeypatch.setattr(self.monitor, "handle", self._noted)

    @property
    def monitor(self) -> RiskMonitor:
        return self.market.twins.columns

    @property
    def book(self) -> ColumnarBook:
        return self.market.twins.book

    def _noted(self, event: Event) -> Outcome:
        out = self._handle(event)
        self.outcomes.append(out)
        return out

    async def begin(self) -> None:
        kept = self.monitor.memory
        assert kept is not None
        at, desk = kept.at, core_state(self.monitor)
        await self.store.commit(Change(at, blocks=kept.blocks, groups=kept.groups, states=kept.states, desk=desk))

    async def commit(self) -> StoredState:
        outcomes, self.outcomes = self.outcomes, []
        await self._journal.commit(self.monitor, outcomes)
        return await self.store.open()

    def change(self) -> None:
        self.market.now += timedelta(seconds=1)
        if len(self.book) < LEAST:
            self.market.twins.put(self.market.lines(LEAST), self.market.now)
        self.market.change_book()
        self.market.move(list(self.market.usd), 0.9, 1.1)

    def stir(self, ids: list[str], closed: list[str]) -> None:
        """Some groups of a block change, some are closed, so that it dissolves now and then; some come back."""
        r, twins_, now = self.random, self.market.twins, self.market.now
        there = [id_ for id_ in ids if id_ in self.book]
        for id_ in r.sample(there, min(len(there), r.choice((1, 3, len(there) // 2)))):
            if r.random() < 0.6:
                twins_.put_one(self.market.line(id_), now)
            else:
                twins_.tell(GroupClosed(now, id_, "book"))
        for id_ in r.sample(closed, min(len(closed), 2)):
            if id_ not in self.book:
                twins_.put_one(self.market.line(id_), now)
                if r.random() < 0.5:
                    twins_.tell(GroupClosed(now, id_, "book"))

    async def check(self) -> None:
        """Who died now would leave the book, and nothing besides."""
        kept = await self.store.open()
        theirs = startup.restored(self.monitor.rules, kept, ColumnarBook()).book
        assert len(theirs) == len(self.book), "a group stands twice"
        assert stood(theirs) == stood(self.book)


def stood(book: Any) -> dict[str, Any]:
    """Groups and states by id."""
    found = ((id_, book.find(id_)) for id_ in book.ids())
    return {id_: (record.stored(), record.state) for id_, record in found if record is not None}


class Standby:
    """A book that follows the store: of rows it gets those that are new, as from PostgreSQL."""

    def __init__(self, book: ColumnarBook) -> None:
        self.book = book
        self._rows: dict[str, StoredGroup] = {}
        self.looks = 0

    def look(self, head: Head, kept: StoredState) -> None:
        rows = {each.group.id: each for each in kept.groups}
        puts = tuple(each for id_, each in rows.items() if self._rows.get(id_) != each)
        state = StoredState(kept.desk, puts, kept.states, kept.cursor, kept.blocks, kept.closed, kept.rates)
        with exact():
            known = frozenset(rows.keys() - {each.group.id for each in puts})
            assert self.book.prepare(startup.memory_of(state), head.monitor.rules, known), "it would begin anew"
        self._rows = rows
        self.looks += 1
        found, wanted = stood(self.book), stood(head.book)
        assert found.keys() == wanted.keys()
        assert len(self.book) == len(head.book), "a group stands twice"
        assert {id_: stored for id_, (stored, _) in found.items()} == {
            id_: stored for id_, (stored, _) in wanted.items()
        }
        touched = [state for _, state in wanted.values() if not is_untouched(state)]
        assert touched == [found[state.group][1] for state in touched]


async def rewrite(head: Head, standby: Standby | None, *, is_busy: bool) -> BlockRewrite:
    kept = await head.commit()
    for _ in range(2 if is_busy else 0):
        head.change()
        await head.commit()
    beside = frozenset(each.group.id for each in kept.groups)
    work = BlockRewrite(head.book, [b.number for b in kept.blocks], beside, frozenset(kept.closed))
    r = head.random

    async def trouble(ids: list[str]) -> None:
        if is_busy and r.random() < 0.6:
            head.stir(ids, [*kept.closed])
            if r.random() < 0.6:
                await head.commit()

    while (now := work.step()) is not None:
        ids = [] if now.block is None else now.block.read().ids()
        await trouble(ids)
        made = now.made(head.book.names)
        await trouble(ids)
        while work.is_owing:
            head.outcomes.append(work.owed(head.market.now, 3))
            await head.commit()
            await head.check()
        if made is not None:
            head.outcomes.append(work.outcome(head.market.now, made))
        await trouble(ids)
        after = await head.commit()
        await head.check()
        if standby is not None and r.random() < 0.7:
            standby.look(head, after)
    return work


@more_in_a_soak
@pytest.mark.parametrize(("seed", "is_spread"), [(seed, bool(seed % 2)) for seed in range(examples(2, 60))])
async def test_whatever_is_durable_at_any_moment_is_the_book(
    seed: int, is_spread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups change, come, close and leave blocks that dissolve, before each step and within it. A standby follows."""
    monkeypatch.setattr("monitor.engine.rewriting.AT_ONCE", 5)
    head = Head(seed, monkeypatch, is_spread=is_spread)
    await head.begin()
    for _ in range(3):
        head.change()
        await head.commit()
    standby = Standby(ColumnarBook(5))
    standby.look(head, await head.store.open())
    for _ in range(examples(1, 2)):
        await rewrite(head, standby, is_busy=True)
    standby.look(head, await head.store.open())
    assert standby.looks > 2


async def test_afterwards_a_start_reads_blocks_and_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(2, monkeypatch, is_spread=False)
    await head.begin()
    for _ in range(5):
        head.change()
        await head.commit()
    before = await head.store.open()
    assert before.groups
    assert before.closed
    work = await rewrite(head, None, is_busy=False)
    after = await head.store.open()
    assert {each.group.id for each in after.groups} <= set(head.book.fresh.ids())
    assert after.closed == ()
    assert work.blocks > 2
    assert work.rows >= len(before.groups) - len(after.groups)
    read = ColumnarBook()
    startup.restored(head.monitor.rules, after, read)
    assert read.columnar is not None
    assert sum(len(block) for _, block in read.columnar.rows.living()) <= len(head.book), "a dead group is stored"
