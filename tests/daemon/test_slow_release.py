"""What a storm leaves behind is freed some at a time."""

from __future__ import annotations

import asyncio
import weakref

import pytest

from monitor.clock import SystemClock
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.events import Noticed
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import sequencer, slow_release
from monitor.daemon.journal import Journal
from monitor.daemon.slow_release import PIECE, free_slowly
from monitor.running import Running, Tasks
from monitor.stores.memory import MemoryStore
from monitor.telemetry import Health, Metrics
from tests.fakes import FakeOutlet


class Thing:
    """As an alert, but one can look whether it is there."""


async def test_no_turn_of_the_loop_frees_more_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_release, "PAUSE_S", 0)
    kept = [Thing() for _ in range(10 * PIECE + 7)]
    alive = weakref.WeakSet(kept)
    before = len(kept)
    free_slowly(list(kept))
    del kept
    while before:
        assert before - len(alive) <= 2 * PIECE
        before = len(alive)
        await asyncio.sleep(0)


async def test_the_alerts_of_a_turn_are_freed_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[object] = []
    monkeypatch.setattr(sequencer, "free_slowly", freed.extend)
    store = MemoryStore()
    await store.open()
    running = Running(store, SystemClock(), Metrics(), Health(), Tasks())
    journal = Journal(running, FakeOutlet())
    core = sequencer.Sequencer(running, RiskMonitor(Rules("desk-1", {})), journal, lambda _: None, None)
    task = asyncio.create_task(core.run())
    facts = {"source": "book", "reason": "invalid", "problem": "no such coin"}
    (outcome,) = await core.events([Noticed(SystemClock().utc(), BOOK_REFUSED, "book:1", facts)])
    await asyncio.sleep(0)
    assert outcome.alerts
    assert all(any(part is alert for part in freed) for alert in outcome.alerts)
    await core.stop()
    await task
