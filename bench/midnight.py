"""How long a midnight keeps the monitor from evaluating: `python -m bench.midnight 1000000` prints one line a midnight.

The book is calm, so only interest moves: the event works out every holding again, with the interest of the day.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import desk
from bench.book import book as make_book
from bench.book import market
from monitor.core.events.events import Event, TimePassed
from monitor.core.loans.interest import midnight
from monitor.core.watch.risk import RiskMonitor

NIGHTS = 5


def main(groups: int) -> None:
    """A tick a second before each midnight, and the event that finds the midnight due."""
    book = desk.calm(desk.of_one_product(make_book(groups, market())))
    monitor, feed = desk.new_monitor(book.market), desk.new_feed()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        desk.write_lines(book, path)
        desk.fill(monitor, path)
    at = desk.START
    for night in range(1, NIGHTS + 1):
        at = midnight(at.date() + timedelta(days=1))
        before = at - timedelta(seconds=1)
        tick_s = _timed(monitor, desk.received(feed, desk.frame(book.market.price, before), before))
        midnight_s = _timed(monitor, TimePassed(at + timedelta(seconds=1)))
        print(f"night {night}: {groups} groups, tick {tick_s * 1000:.0f} ms, midnight {midnight_s * 1000:.0f} ms")


def _timed(monitor: RiskMonitor, event: Event) -> float:
    start_s = time.perf_counter()
    monitor.handle(event)
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main(int(sys.argv[1]))
