"""A kill in the middle of a storm, when a fast receiver has all the slots that there are."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

from tests.crash.checks import MOST_IN_FLIGHT, most_in_flight
from tests.crash.receiver import TroubledReceiver

COUNT, KILLED_AT = 700, 520
"""After 470 a webhook that answers quickly has 32 at a time."""


async def test_a_kill_in_a_storm_repeats_what_was_under_way_and_not_what_was_counted(tmp_path: Path) -> None:
    assert most_in_flight(KILLED_AT) == MOST_IN_FLIGHT
    async with TroubledReceiver(1) as receiver:
        first = await _begun(tmp_path, receiver, COUNT)
        while len(receiver.arrivals) < KILLED_AT:
            assert first.returncode is None
            await asyncio.sleep(0.001)
        first.kill()
        await first.wait()
        sent = len(receiver.arrivals)
        assert sent < COUNT - MOST_IN_FLIGHT, "it was killed in the middle"
        receiver.life = 1
        async with asyncio.timeout(30):
            assert await (await _begun(tmp_path, receiver, 0)).wait() == 0
        assert receiver.violations == []
        came = Counter(arrival.id for arrival in receiver.arrivals)
        again = {arrival.id for arrival in receiver.arrivals if arrival.life and came[arrival.id] > 1}
        assert len(came) == COUNT
        assert max(came.values()) <= 2
        assert len(again) <= MOST_IN_FLIGHT, f"{len(again)} came twice"
        assert {arrival.id for arrival in receiver.arrivals[: sent - 2 * MOST_IN_FLIGHT]}.isdisjoint(again), "long over"


async def _begun(folder: Path, receiver: TroubledReceiver, count: int) -> asyncio.subprocess.Process:
    args = ("-m", "tests.crash.storm", str(folder / "monitor.db"), receiver.url("hook"), str(count))
    return await asyncio.create_subprocess_exec(sys.executable, *args)
