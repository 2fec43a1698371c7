"""The whole path: a frame of 600 prices received, decoded, believed, screened, decided exactly; its alerts durable."""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvloop

from bench import desk
from bench.book import SCALE, Book, Ints, walk
from bench.contender import Tick
from bench.durable import journal
from bench.lateness import Lateness, measure
from bench.ours import Ours
from bench.progress import Advance
from bench.rounds import Seconds, no_collection
from monitor.core.loans.interest import midnight
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal

MIDNIGHTS = 6
"""The first finds the kinds of all loans and is not counted, as at a start."""
SIGMA, DRIFT = 0.0002, -0.0014
"""A market that falls all the time, so that as many groups cross a line in every tick as the figure wants: 0.05 %."""


class Figures(NamedTuple):
    """What a run of the path took."""

    seconds: Seconds
    """`path`, its parts `parse`, `handle` and `commit`, and `sweep`: our kernels on the same book by one thread."""
    changed: list[float]
    """Share of the groups that changed stage, by tick."""
    lateness: Lateness
    """How late the event loop is while core handles such frames."""
    midnights: list[float]
    """Seconds in which the book takes the debts of another day, and sweeps all of it."""


class Fall:
    """The frames of a falling market, one a second."""

    def __init__(self, book: Book) -> None:
        self._rng, self._price, self._at = np.random.default_rng(9), book.market.price, desk.START

    def next(self) -> tuple[bytes, datetime, Ints]:
        """A frame, the time of its arrival, and its prices."""
        self._price, self._at = walk(self._price, self._rng, SIGMA, DRIFT), self._at + timedelta(seconds=1)
        return desk.frame(self._price, self._at), self._at, self._price


def run(book: Book, lines: Path, folder: Path, rounds: int, lateness_s: float, advance: Advance) -> Figures:
    """Fills a monitor from a book file of `book`, which is of one product, and sends it frames; the store is in `folder`."""
    monitor, market = desk.new_monitor(book.market), Fall(book)
    desk.fill(monitor, lines, advance)
    seconds, changed = uvloop.run(_rounds(book, monitor, market, folder, rounds, advance))
    feed, frames = desk.new_feed(), [market.next() for _ in range(int(lateness_s / 0.1) + 1)]
    lateness = measure(lambda i: monitor.handle(desk.received(feed, *frames[i][:2])), lateness_s)
    return Figures(seconds, changed, lateness, _midnights(monitor))


def _midnights(monitor: RiskMonitor) -> list[float]:
    """The book alone: what core decides by it depends on how many groups stand at a line."""
    took, at = [], desk.START
    for _ in range(MIDNIGHTS):
        at = midnight(at.date() + timedelta(days=1))
        with no_collection():
            started = time.perf_counter()
            monitor.book.renew(at, monitor.rules)
            monitor.book.suspects(None, monitor.board)
            took.append(time.perf_counter() - started)
    return took[1:]


async def _rounds(
    book: Book, monitor: RiskMonitor, market: Fall, folder: Path, rounds: int, advance: Advance
) -> tuple[Seconds, list[float]]:
    """Path and sweep in turns, now the one first and now the other. The first frame, in which all is new, is not counted."""
    ours, toss = Ours(book), random.Random(4)  # noqa: S311  an order, no secret
    seconds: Seconds = {name: [] for name in ("path", "parse", "handle", "commit", "sweep")}
    changed = []
    with ThreadPoolExecutor(1) as core:
        async with journal(folder) as log:
            path = _Path(monitor, log, core)
            for i in range(rounds + 1):
                raw, at, price = market.next()
                tick = Tick(price / SCALE, [])
                with no_collection():
                    is_first = toss.random() < 0.5
                    swept_s = _sweep(ours, tick) if is_first else 0.0
                    took, moved = await path.take(raw, at)
                    took["sweep"] = swept_s if is_first else _sweep(ours, tick)
                if i:
                    changed.append(moved / len(book))
                    for name, s in took.items():
                        seconds[name].append(s)
                advance()
    return seconds, changed


class _Path:
    """Decodes on the event loop, decides in core's thread, commits: as the sequencer does."""

    def __init__(self, monitor: RiskMonitor, log: Journal, core: ThreadPoolExecutor) -> None:
        self._monitor, self._log, self._core, self._feed = monitor, log, core, desk.new_feed()

    async def take(self, raw: bytes, at: datetime) -> tuple[dict[str, float], int]:
        """(seconds by part, groups that changed stage). Returns when all is durable."""
        loop, received_s = asyncio.get_running_loop(), time.perf_counter()
        event = desk.received(self._feed, raw, at)
        parsed_s = time.perf_counter()
        outcome = await loop.run_in_executor(self._core, self._monitor.handle, event)
        handled_s = time.perf_counter()
        alerts = await self._log.commit(self._monitor, [outcome])
        done_s = time.perf_counter()
        took = {
            "path": done_s - received_s, "parse": parsed_s - received_s, "handle": handled_s - parsed_s,
            "commit": done_s - handled_s,
        }  # fmt: skip
        assert len(alerts) == len(outcome.alerts), "an alert is not durable"
        return took, len(outcome.states)


def _sweep(ours: Ours, tick: Tick) -> float:
    started = time.perf_counter()
    rows = ours.sweep(tick)
    took = time.perf_counter() - started
    ours.decide(rows)
    return took
