"""A store that takes seconds to fail once: alerts do not wait for it to fail twice."""

from __future__ import annotations

import pytest

from monitor.core.events.events import Noticed
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import DEGRADED, FAIL_S, Journal
from monitor.running import Running, Tasks
from monitor.stores._base import Change, Committed, StoreUnavailable, Target
from monitor.stores.memory import MemoryStore
from monitor.telemetry import Health, Metrics
from tests.fakes import START, FakeClock, FakeOutlet


class SlowToFail(MemoryStore):
    """A database that is cut off without a word: the answer does not come, and after a while that is an error."""

    def __init__(self, clock: FakeClock, takes_s: float) -> None:
        super().__init__()
        self._clock = clock
        self._takes_s = takes_s

    async def commit(self, change: Change) -> Committed:
        await self._clock.advance(self._takes_s)
        raise StoreUnavailable("no answer")


@pytest.mark.parametrize(("takes_s", "goes_out"), [(FAIL_S, True), (FAIL_S - 0.5, False)])
async def test_what_failed_for_seconds_at_its_first_try_goes_out_at_once(takes_s: float, *, goes_out: bool) -> None:
    clock, outlet = FakeClock(START), FakeOutlet(Target("desk"))
    store = SlowToFail(clock, takes_s)
    await store.open()
    monitor = RiskMonitor(Rules("desk-1", {}))
    outcome = monitor.handle(
        Noticed(START, "book.refused", "book:1", {"source": "book", "reason": "invalid", "problem": "x"})
    )
    assert outcome.alerts
    journal = Journal(Running(store, clock, Metrics(), Health(), Tasks()), outlet)
    with pytest.raises(StoreUnavailable):
        await journal.commit(monitor, [outcome])
    said = [logged.alert.type for logged in outlet.volatile]
    assert said == (["book.refused", DEGRADED] if goes_out else [])
    assert not any(logged.durable for logged in outlet.volatile)
