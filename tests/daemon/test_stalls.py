"""The desk hears that the event loop or core stood still, once it goes on; not while a book loads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from monitor.clock import SystemClock
from monitor.core.events.events import Noticed
from monitor.daemon.upkeep import STALLED_S, StallWatch
from monitor.running import Running
from monitor.telemetry import Health


class Looked:
    """A stall watch with a core and a book that the test turns."""

    def __init__(self) -> None:
        self.busy_s = 0.0
        self.is_loading = False
        self.told: list[Noticed] = []
        self.health = Health()
        running = cast(Running, SimpleNamespace(clock=SystemClock(), health=self.health))
        self.watch = StallWatch(running, lambda: self.busy_s, lambda: self.is_loading, self._tell)

    async def _tell(self, event: Noticed) -> None:
        self.told.append(event)

    def facts(self) -> list[dict[str, Any]]:
        return [dict(event.facts) for event in self.told]


@pytest.fixture
def looked() -> Looked:
    return Looked()


async def test_a_loop_that_stood_still_is_told_with_its_duration(looked: Looked) -> None:
    await looked.watch.looked(STALLED_S - 0.1)
    await looked.watch.looked(STALLED_S + 2.25)
    assert looked.facts() == [{"part": "event loop", "seconds": "7.2"}]
    assert looked.told[0].kind == "monitor.stalled"


async def test_core_that_stands_still_is_not_ready_and_told_when_it_goes_on(looked: Looked) -> None:
    for looked.busy_s in (5.5, 6.5):
        await looked.watch.looked(0)
        assert "busy" in looked.health.reasons["core"]
        assert not looked.told
    looked.busy_s = 0.01
    await looked.watch.looked(0)
    assert "core" not in looked.health.reasons
    assert looked.facts() == [{"part": "core", "seconds": "6.5"}]


async def test_a_book_that_loads_may_take_its_time(looked: Looked) -> None:
    looked.is_loading, looked.busy_s = True, 20.0
    await looked.watch.looked(20.0)
    looked.busy_s = 0.0
    await looked.watch.looked(0.0)
    assert not looked.told


async def test_each_stall_is_told(looked: Looked) -> None:
    for _ in range(2):
        await looked.watch.looked(6.0)
    assert len(looked.told) == 2
