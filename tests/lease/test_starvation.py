"""A trial is played again only where its machine starved it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.lease.starvation import StarvationWatch, played

SPIN = "import os, sys, time\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def test_processes_that_share_one_processor_are_seen_to_wait_for_it() -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN, cpu]) for _ in range(3)]
    with StarvationWatch(0.8) as watch:
        for _ in range(400):
            if watch.has_starved:
                break
            time.sleep(0.05)
    for process in spinning:
        process.kill()
        process.wait()
    assert watch.has_starved


async def test_a_trial_that_fails_with_processors_to_spare_is_not_played_again() -> None:
    ttls = []

    async def play(ttl_s: float) -> None:
        ttls.append(ttl_s)
        raise AssertionError("it is wrong")

    with pytest.raises(AssertionError, match="it is wrong"):
        await played(play)
    assert ttls == [2.0]


async def test_a_trial_that_starved_is_played_again_with_a_longer_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StarvationWatch, "has_starved", True)
    ttls = []

    async def play(ttl_s: float) -> None:
        ttls.append(ttl_s)
        assert ttl_s > 2.0, "it stood still"

    await played(play)
    assert ttls == [2.0, 4.0]
