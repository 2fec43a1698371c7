"""Who has taken over writes the blocks of the book again while it serves; the next standby follows, and a kill loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.core.groups.outcome import Outcome
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import rewriting, startup
from monitor.daemon import shards as daemon_shards
from monitor.daemon.journal import Journal
from monitor.daemon.rewriting import KeptBeside
from monitor.daemon.sequencer import Turn
from monitor.engine.book import ColumnarBook
from monitor.engine.spread.local import NearShards
from monitor.stores._base import StoreUnavailable
from monitor.stores.postgres import Config, PostgresStore
from monitor.stores.postgres import book as postgres_book
from monitor.telemetry import Health, Metrics
from tests.effort import examples, more_in_a_soak
from tests.engine.market import WARY, Market
from tests.engine.test_rewriting import stood
from tests.lease.test_following import Active, config, follower_of, taken_over

__all__ = ["config"]


class Turns:
    """Turns of a daemon: what they do is committed, and looked at by who would start now, and by the next standby."""

    def __init__(self, store: PostgresStore, monitor: RiskMonitor, look: Callable[[], Any]) -> None:
        outlet: Any = SimpleNamespace(
            gathers=False, route_all=lambda alerts, at: tuple((a, ()) for a in alerts), take_over=lambda committed: None
        )
        running: Any = SimpleNamespace(store=store, clock=SystemClock(), metrics=Metrics(), health=Health())
        self._monitor, self._look = monitor, look
        self._journal = Journal(running, outlet)
        self.failed = self.commits = 0

    async def ask(self, run: Callable[[datetime, Turn], Any], *, needs_commit: bool = True) -> Any:
        assert self._monitor.at is not None
        turn = Turn()
        answer = run(self._monitor.at, turn)
        if turn.outcomes:
            try:
                await self._commit(turn.outcomes)
            finally:
                await self._look()
        return answer

    async def _commit(self, outcomes: list[Outcome]) -> None:
        self.commits += 1
        try:
            await self._journal.commit(self._monitor, outcomes)
        except StoreUnavailable:
            self.failed += 1
            raise


@more_in_a_soak
@pytest.mark.parametrize("shards", [2, 0][: examples(1, 2)])
async def test_blocks_are_written_again_after_a_take_over_and_a_cut_in_the_middle_loses_nothing(
    config: Config, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third commit is cut between a block and its rows. A start then, or after it, has the whole book."""
    monkeypatch.setattr(daemon_shards, "_shards_of", lambda _: NearShards())
    for name in ("QUIET_S", "PAUSE_S"):
        monkeypatch.setattr(rewriting, name, 0.0)
    market = Market(6, 80, 2, WARY, 16)
    active, first = Active(config, market), follower_of(config, market.twins.rules, shards)
    await active.begin()
    for _ in range(4):
        market.now += timedelta(seconds=60)
        market.change_book()
    await active.commit()
    await first._look()
    await first.close(is_over=False)
    await active.store.close()
    monitor, kept = await taken_over(config, first, market.twins.rules)
    assert isinstance(monitor.book, ColumnarBook)
    store, second = PostgresStore(config), follower_of(config, market.twins.rules, shards)
    beside = KeptBeside.of(await store.open())
    assert len(beside.groups) > 40
    assert beside.closed
    await second._look()
    assert second._ready is not None
    standby, reached = second._ready.book, []

    def reach(place: str) -> None:
        reached.append(place)
        if place == "between block and rows" and turns.commits % 3 == 2 and not turns.failed % 2:
            raise ConnectionResetError("cut")

    async def look() -> None:
        cold = startup.restored(market.twins.rules, await store.open(), ColumnarBook()).book
        assert len(cold) == len(monitor.book), "a group stands twice"
        assert stood(cold) == stood(monitor.book)
        await second._look()
        assert second._ready is not None
        assert second._ready.book is standby, "the standby began anew"

    monkeypatch.setattr(postgres_book, "crashpoint", SimpleNamespace(reached=reach))
    turns = Turns(store, monitor, look)
    await rewriting.rewrite(beside, monitor.book, turns)  # type: ignore[arg-type]
    monkeypatch.undo()
    monkeypatch.setattr(daemon_shards, "_shards_of", lambda _: NearShards())
    assert turns.failed
    await turns.ask(lambda at, turn: turn.outcomes.append(Outcome(at)))
    left = await store.open()
    assert {stored.group.id for stored in left.groups} <= set(monitor.book.fresh.ids())
    assert left.closed == ()
    await store.close()
    await second.close(is_over=False)
    ours, _ = await taken_over(config, second, market.twins.rules)
    assert ours.book is standby
    assert stood(ours.book) == stood(monitor.book)
    assert kept.groups
