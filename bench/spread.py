"""A tick of the whole market over shards beside one process: `python -m bench.spread [GROUPS] [ROUNDS] [--ray] [--keep]`.

The contenders hold the same calm book and take turns. A round moves every price, a little. The time is that of the event in
core's thread: what the shards have named is decided, and nothing is stored. Then: how long shards take to load the whole book
and a replacement the part of one, and what a call costs that does nothing. Where Ray is installed `--ray` adds actors of one
that it starts on this machine. `--keep` writes what was found, with its date, to `over_shards.json`, which the report shows.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from bench import desk, machine
from bench.book import Book, market, walk
from bench.book import book as make_book
from bench.progress import Advance
from bench.rounds import Seconds, medians, no_collection
from monitor.clock import SystemClock
from monitor.core.events.events import Event
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards
from monitor.engine.spread.local import LocalShards
from monitor.engine.spread.spreading import Spreading

COUNTS = (1, 2, 4)
ONE = "one process"
CALLS = 200
"""Calls that do nothing; their median counts."""
KEPT = Path(__file__).parent / "over_shards.json"


class Figures(NamedTuple):
    """What a book over shards took, by contender."""

    groups: int
    seconds: Seconds
    """Of a tick, by round."""
    load_s: dict[str, float]
    """Until shards had the whole book."""
    replaced_s: dict[str, float]
    """Until a replacement had the part of one of them."""
    call_us: dict[str, float]
    """A question that does nothing, there and back."""

    @property
    def results(self) -> dict[str, Any]:
        """Under the keys of results.json."""
        ticks = medians(self.seconds)
        return {
            "groups": self.groups,
            "tick_ms": {name: tick * 1e3 for name, tick in ticks.items()},
            "tick_over_one": {name: tick / ticks[ONE] for name, tick in ticks.items() if name != ONE},
            "load_s": self.load_s,
            "replaced_s": self.replaced_s,
            "call_us": self.call_us,
        }


def measure(some: Book, rounds: int, advance: Advance, *, has_ray: bool = False) -> Figures:
    """Fills one process, and all shards from it."""
    calm = desk.calm(some)
    first, feed = desk.new_monitor(calm.market), desk.new_feed()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        desk.write_lines(calm, path)
        desk.fill(first, path)
    found = {ONE: first}
    spread: dict[str, SpreadBook] = {}
    load_s: dict[str, float] = {}
    for name, shards, count in _contenders(has_ray=has_ray):
        found[name], spread[name], load_s[name] = _over(shards, count, first)
        advance()
    seconds: Seconds = {name: [] for name in found}
    rng, price, at = np.random.default_rng(5), calm.market.price, desk.START
    for number in range(rounds + 2):
        price, at = walk(price, rng, 0.0005), at + timedelta(seconds=1)
        for name, monitor in found.items():
            event = desk.received(feed, desk.frame(price, at), at)
            took_s = _timed(monitor, event)
            if number >= 2:
                seconds[name].append(took_s)
        advance()
    calls = {name: _call_us(book) for name, book in spread.items() if name.startswith("1 ")}
    replaced = {name: _replaced(book) for name, book in spread.items()}
    for book in spread.values():
        book.close()
    return Figures(len(some), seconds, load_s, replaced, calls)


def _contenders(*, has_ray: bool) -> list[tuple[str, Shards, int]]:
    local = [(f"{count} local", LocalShards(), count) for count in COUNTS]
    return [*local, *((f"{count} of Ray", _ray(), count) for count in COUNTS if has_ray)]


def _over(shards: Shards, count: int, like: RiskMonitor) -> tuple[RiskMonitor, SpreadBook, float]:
    """A monitor that goes on from the memory of another, over shards, and the seconds until they were loaded."""
    book = SpreadBook(shards, count, how=Spreading(limit_s=60.0))
    book.links.await_ready()
    started = time.perf_counter()
    monitor = RiskMonitor(like.rules, like.memory, book)
    book.links.ask_all("ready")
    return monitor, book, time.perf_counter() - started


def _ray() -> Shards:
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 Ray spells it so; else its workers are behind all others
    from monitor.engine.spread.ray_shards import RayShards

    return RayShards("local")


def _call_us(book: SpreadBook) -> float:
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        book.links.ask_all("ready")
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e6


def _replaced(book: SpreadBook) -> float:
    """Loses the first shard, and loads another in its place."""
    book.links.abandon(0)
    started = time.perf_counter()
    for seat in book.plan_mending([0]):
        assert book.mend(seat), "the replacement did not load"
        book.take_back(seat)
    return time.perf_counter() - started


def _timed(monitor: RiskMonitor, event: Event) -> float:
    with no_collection():
        started = time.perf_counter()
        monitor.handle(event)
        return time.perf_counter() - started


def kept() -> dict[str, Any]:
    """Runs of other sizes, by their number of groups."""
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def keep(found: Figures) -> None:
    """Puts a run beside those of other sizes: the report shows them with their dates."""
    runs = kept()
    day = SystemClock().utc().date().isoformat()
    runs[f"{found.groups}"] = {"day": day, "machine": machine.facts(), **found.results}
    KEPT.write_text(json.dumps(runs, indent=2) + "\n")


def main(groups: int, rounds: int, *, has_ray: bool, is_kept: bool) -> None:
    """Prints a line a contender."""
    book = desk.of_one_product(make_book(groups, market()))
    found = measure(book, rounds, lambda: None, has_ray=has_ray)
    for name, tick in medians(found.seconds).items():
        print(f"{name}: tick of {groups:,} groups, median {tick * 1e3:.1f} ms")
    for name, load_s in found.load_s.items():
        print(f"{name}: loaded in {load_s:.1f} s, a replacement of one in {found.replaced_s[name]:.2f} s")
    for name, call_us in found.call_us.items():
        print(f"{name}: a call {call_us:.0f} us")
    if is_kept:
        keep(found)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    given = dict(zip(("groups", "rounds"), numbers, strict=False))
    main(
        given.get("groups", 1_000_000),
        given.get("rounds", 15),
        has_ray="--ray" in sys.argv,
        is_kept="--keep" in sys.argv,
    )
