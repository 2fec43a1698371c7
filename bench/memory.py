"""What a group takes in memory: a process that holds a book, less the same process with an empty one.

`python -m bench.memory BOOK` is that process: it fills a monitor from a file of JSON lines, takes one frame of prices, and
prints what it then takes. A few groups that went through everything before make both processes load and compile the same.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from bench import desk
from bench.book import Book, Market, book, market
from bench.machine import rss_bytes
from monitor.core.watch.risk import RiskMonitor
from monitor.telemetry import trim_memory

WARM = 20_000
"""Groups that are put and forgotten first: more than two blocks."""
CHILD_S = 600


class Found(NamedTuple):
    """What a process takes: resident bytes, and those that the parts of its book count themselves."""

    rss_bytes: int
    parts: dict[str, int]


class Figures(NamedTuple):
    """Bytes a group: in all, and by part."""

    total: float
    parts: dict[str, float]


def run(groups: int, lines: Path, folder: Path) -> Figures:
    """Two child processes, one after the other; `lines` is the file of the book."""
    with TemporaryDirectory(dir=folder) as place:
        empty = Path(place) / "empty.jsonl"
        empty.touch()
        full, bare = _child(lines), _child(empty)
    return Figures(
        (full.rss_bytes - bare.rss_bytes) / groups,
        {name: (size - bare.parts.get(name, 0)) / groups for name, size in full.parts.items()},
    )


def _child(lines: Path) -> Found:
    done = subprocess.run(  # noqa: S603  this very module
        [sys.executable, "-m", "bench.memory", str(lines)], check=True, capture_output=True, timeout=CHILD_S
    )
    return msgspec.json.decode(done.stdout, type=Found)


def held(lines: Path) -> Found:
    """Fills a monitor, and says what this process takes with it."""
    m = market()
    _warm(m)
    monitor = _filled(m, lines)
    gc.collect()
    trim_memory()  # as the daemon does when a book is read
    return Found(rss_bytes(), desk.parts(monitor))


def _warm(m: Market) -> None:
    with TemporaryDirectory() as place:
        lines = Path(place) / "warm.jsonl"
        desk.write_lines(_warm_book(m), lines)
        _filled(m, lines)
    gc.collect()


def _warm_book(m: Market) -> Book:
    return book(WARM, m, seed=2)


def _filled(m: Market, lines: Path) -> RiskMonitor:
    """A monitor with the groups of a file, at the second frame of prices."""
    monitor, feed = desk.new_monitor(m), desk.new_feed()
    desk.fill(monitor, lines)
    for i in range(2):
        at = desk.START + timedelta(seconds=i)
        monitor.handle(desk.received(feed, desk.frame(m.price, at), at))
    return monitor


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(held(Path(sys.argv[1]))))
