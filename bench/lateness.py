"""How late the event loop is while another thread sweeps."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import uvloop

from bench.book import Floats
from monitor.daemon.startup import prepare_threads

EVERY_S = 0.001
PAUSE_S = 0.1


class Lateness(NamedTuple):
    """Milliseconds by which a sleep of 1 ms ended too late."""

    during_ms: Floats
    """Sleeps that a sweep fell into."""
    all_ms: Floats
    sweeps: int

    @property
    def p99_ms(self) -> float:
        """The latest of the sleeps that a sweep fell into, but for one in a hundred."""
        return float(np.quantile(self.during_ms, 0.99))


def measure(work: Callable[[int], object], seconds: float, most: int = sys.maxsize) -> Lateness:
    """Runs `work` in a thread of its own with pauses of 100 ms, at most so often, and looks at the event loop: one of the
    daemon's kind, with its switch interval and its collector of garbage."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    try:
        return uvloop.run(_measure(work, seconds, most))
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)


async def _measure(work: Callable[[int], object], seconds: float, most: int) -> Lateness:
    """Samples until the time is over and the last sweep has ended."""
    loop, end = asyncio.get_running_loop(), time.perf_counter() + seconds
    prepare_threads(loop)
    swept: list[tuple[float, float]] = []
    samples: list[tuple[float, float]] = []

    def timed() -> None:
        started = time.perf_counter()
        work(len(swept))
        swept.append((started, time.perf_counter()))

    async def sweep() -> None:
        with ThreadPoolExecutor(1) as core:
            while time.perf_counter() < end and len(swept) < most:
                await loop.run_in_executor(core, timed)
                await asyncio.sleep(PAUSE_S)

    sweeping = asyncio.create_task(sweep())
    while not sweeping.done():
        started = time.perf_counter()
        await asyncio.sleep(EVERY_S)
        samples.append((started, time.perf_counter()))
    await sweeping
    return judged(np.array(samples), np.array(swept))


def judged(samples: Floats, swept: Floats) -> Lateness:
    """Separates the samples during which a sweep ran for a while."""
    late_ms = (samples[:, 1] - samples[:, 0] - EVERY_S) * 1e3
    # The first sweep that ends after the sample began; they overlap if it began before the sample ended.
    sweep = np.searchsorted(swept[:, 1], samples[:, 0])
    began = np.append(swept[:, 0], np.inf)[sweep]
    return Lateness(late_ms[began < samples[:, 1]], late_ms, len(swept))
