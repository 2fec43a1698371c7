"""A tick of the whole market over shards beside one process: `python -m bench.spread [GROUPS] [ROUNDS] [--ray] [--keep]`.

The contenders hold the same calm book and take turns. A round moves every price, a little. The time is that of the event in
core's thread: what the shards have named is decided, and nothing is stored. Then: how long shards take to load the whole book
and a replacement the part of one, and what a call costs that does nothing. Where Ray is installed `--ray` adds actors of one
that it starts on this machine, for this run. A book of more than two million groups lies in four shards alone, and what it
takes in memory is measured (`large.py`). `--keep` writes what was found, with date and commit, to `over_shards.json`, and
shows it in the report.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from bench import desk, machine
from bench.book import Book, Market, market, walk
from bench.book import book as make_book
from bench.progress import Advance, Bars
from bench.rounds import Seconds, medians, no_collection
from monitor.clock import SystemClock
from monitor.core.events.events import Event
from monitor.core.groups.outcome import Memory
from monitor.core.rules.settings import Rules
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
    memory: Mapping[str, float] = {}
    """Bytes a group, by part, of a book that lies in shards alone."""

    @property
    def results(self) -> dict[str, Any]:
        """Under the keys of results.json."""
        ticks = medians(self.seconds)
        return {
            "groups": self.groups,
            "tick_ms": {name: tick * 1e3 for name, tick in ticks.items()},
            "tick_over_one": {name: tick / ticks[ONE] for name, tick in ticks.items() if name != ONE and ONE in ticks},
            "load_s": self.load_s,
            "replaced_s": self.replaced_s,
            "call_us": self.call_us,
            **({"memory": dict(self.memory)} if self.memory else {}),
        }


def measure(some: Book, rounds: int, advance: Advance, *, has_ray: bool = False) -> Figures:
    """Fills one process, and all shards from it."""
    calm = desk.calm(some)
    first = desk.new_monitor(calm.market)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        desk.write_lines(calm, path)
        desk.fill(first, path)
    assert first.memory is not None
    with _ray() if has_ray else nullcontext() as address:
        over: dict[str, Over] = {}
        for name, shards, count in _contenders(address):
            over[name] = spread_over(shards, count, first.rules, first.memory)
            advance()
        return compared(len(some), calm.market, {ONE: first}, over, rounds, advance)


class Over(NamedTuple):
    """A monitor whose book lies in shards."""

    monitor: RiskMonitor
    book: SpreadBook
    load_s: float
    """Until they had it."""


def spread_over(shards: Shards, count: int, rules: Rules, memory: Memory) -> Over:
    """A monitor that goes on from the memory of another, over shards that have nothing yet."""
    book = SpreadBook(shards, count, how=Spreading(limit_s=60.0))
    book.links.await_ready()
    assert not book.links.gone, f"{shards.where}: some shard did not begin"
    started = time.perf_counter()
    monitor = RiskMonitor(rules, memory, book)
    book.links.ask_all("ready")
    return Over(monitor, book, time.perf_counter() - started)


def compared(
    groups: int, of: Market, alone: Mapping[str, RiskMonitor], over: Mapping[str, Over], rounds: int, advance: Advance
) -> Figures:
    """Ticks in turns, then calls and replacements. The shards end with it."""
    monitors = {**alone, **{name: each.monitor for name, each in over.items()}}
    seconds: Seconds = {name: [] for name in monitors}
    rng, price, at, feed = np.random.default_rng(5), of.price, desk.START, desk.new_feed()
    for number in range(rounds + 2):
        price, at = walk(price, rng, 0.0005), at + timedelta(seconds=1)
        for name, monitor in monitors.items():
            event = desk.received(feed, desk.frame(price, at), at)
            took_s = _timed(monitor, event)
            if number >= 2:
                seconds[name].append(took_s)
        advance()
    calls = {name: _call_us(each.book) for name, each in over.items()}
    replaced = {name: _replaced(each.book) for name, each in over.items()}
    for each in over.values():
        each.book.close()
    return Figures(groups, seconds, {name: each.load_s for name, each in over.items()}, replaced, calls)


def _contenders(ray_at: str | None) -> list[tuple[str, Shards, int]]:
    local: list[tuple[str, Shards, int]] = [(f"{count} local", LocalShards(), count) for count in COUNTS]
    if ray_at is None:
        return local
    from monitor.engine.spread.ray_shards import RayShards

    return [*local, *((f"{count} of Ray", RayShards(ray_at), count) for count in COUNTS)]


@contextmanager
def _ray() -> Iterator[str]:
    """The address of a Ray on this machine that begins and ends with this run."""
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 Ray spells it so; else its workers are behind all others
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    begun = ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield str(begun.address_info["gcs_address"])
    ray.shutdown()


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


def keep(found: Figures, facts: dict[str, Any]) -> None:
    """Puts a run beside those of other sizes, and into the report that is there: with its date, commit and machine."""
    from bench import report

    runs = kept()
    day = SystemClock().utc().date().isoformat()
    runs[f"{found.groups}"] = {
        "day": day,
        "commit": _commit(),
        "machine": facts,
        **report.rounded(found.results),
    }
    KEPT.write_text(json.dumps(runs, indent=2) + "\n")
    report.show_over_shards(KEPT.parent, runs)


def _commit() -> str:
    """What of this repository was measured; empty outside of a checkout."""
    asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=False, cwd=KEPT.parent).stdout.strip()  # noqa: S603


def main(groups: int, rounds: int, *, has_ray: bool, is_kept: bool) -> None:
    """Prints a line a contender."""
    from bench import large

    facts = machine.facts()
    is_large = groups > large.FROM
    steps = large.steps(groups) if is_large else len(COUNTS) * (1 + has_ray)
    with Bars() as bars, bars.part(f"{groups:,} groups over shards", steps + rounds + 2) as advance:
        if is_large:
            found = large.measure(groups, rounds, advance)
        else:
            found = measure(desk.of_one_product(make_book(groups, market())), rounds, advance, has_ray=has_ray)
    for name, tick in medians(found.seconds).items():
        print(f"{name}: tick of {found.groups:,} groups, median {tick * 1e3:.1f} ms")
    for name, load_s in found.load_s.items():
        print(f"{name}: loaded in {load_s:.1f} s, a replacement of one in {found.replaced_s[name]:.2f} s")
    for name, call_us in found.call_us.items():
        print(f"{name}: a call {call_us:.0f} us")
    for name, size in found.memory.items():
        print(f"{name}: {size:.0f} bytes a group")
    if is_kept:
        keep(found, facts)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    given = dict(zip(("groups", "rounds"), numbers, strict=False))
    main(
        given.get("groups", 1_000_000),
        given.get("rounds", 15),
        has_ray="--ray" in sys.argv,
        is_kept="--keep" in sys.argv,
    )
