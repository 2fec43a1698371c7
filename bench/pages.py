"""How long the pages of a book hold core, turn by turn: `python -m bench.pages`. By the processor's time of its thread.

Pages of new groups, of which one in fifty is past a line, and a page of the same lines with another debt each.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from bench import desk
from bench.book import Book, book, market
from bench.rounds import no_collection
from monitor.core.events.events import Event, GroupPut, GroupsPut
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.book_batches import GROUPS_AT_ONCE
from monitor.engine.book import ColumnarBook
from monitor.engine.dividing import Division
from monitor.engine.ingest.packer import PackedGroups

PAGES = 8
WARM = 3
"""Pages that meet all coins and terms, whose kernels are loaded with them, and are not counted."""
_PRINCIPAL = re.compile(rb'"principal":"(\d+)')


class Figures(NamedTuple):
    """Milliseconds of the longest turn of each page of new groups, and of every turn of a page of changed ones."""

    new_ms: list[float]
    changed_ms: list[float]

    @property
    def results(self) -> dict[str, float]:
        """Under the keys of results.json."""
        changed = sorted(self.changed_ms)
        return {
            "page_ms": statistics.median(self.new_ms),
            "page_changed_ms": changed[len(changed) * 99 // 100],
        }


def measure(some: Book) -> Figures:
    """`some` is a book of one product."""
    monitor, feed, at = desk.new_monitor(some.market), desk.new_feed(), desk.START
    monitor.handle(desk.received(feed, desk.frame(some.market.price, at), at))
    held, reader = monitor.book, desk.new_reader(monitor)
    assert isinstance(held, ColumnarBook)

    def take(raws: list[bytes]) -> list[float]:
        """As `daemon/book_batches.py` has it."""
        packed = reader.pack(raws, at, "bench")
        assert isinstance(packed.batch, PackedGroups)
        page = packed.batch
        division = Division(page, "bench", monitor.changes.retired.keys(), held.held)
        turns = [_timed(partial(step, at)) for step in division.steps]
        if division.new is not None:
            turns.append(_timed(partial(monitor.handle, GroupsPut(at, "bench", division.new))))
        for i in range(0, len(division.known), GROUPS_AT_ONCE):
            places = division.known[i : i + GROUPS_AT_ONCE]
            puts: list[Event] = [GroupPut(at, page.group(place), "bench") for place in places]
            turns.append(_timed(partial(_handle_all, monitor, puts)))
            if held.should_fold:
                turns.append(_timed(held.fold))
        return turns

    lines = [line.rstrip().encode() for line in desk.book_lines(some)]
    pages = [lines[i : i + desk.AT_ONCE] for i in range(0, len(lines), desk.AT_ONCE)]
    with no_collection():
        new = [max(take(page)) for page in pages][WARM:]
        at += timedelta(seconds=1)
        return Figures(new, take([_PRINCIPAL.sub(_one_more, line, count=1) for line in pages[0]]))


def _handle_all(monitor: RiskMonitor, events: list[Event]) -> None:
    for event in events:
        monitor.handle(event)


def _one_more(found: re.Match[bytes]) -> bytes:
    return b'"principal":"%d' % (int(found[1]) + 1)


def _timed(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1e3


def main() -> None:
    """Prints the figures."""
    found = measure(desk.of_one_product(book(PAGES * desk.AT_ONCE, market())))
    changed = sorted(found.changed_ms)
    print(
        f"pages of new groups, longest turn: {max(found.new_ms):.1f} ms (median {statistics.median(found.new_ms):.1f})"
    )
    print(
        f"a page of changed groups: {len(changed)} turns, median {statistics.median(changed):.1f} ms, "
        f"one in a hundred {changed[len(changed) * 99 // 100]:.1f}, longest {changed[-1]:.1f}"
    )


if __name__ == "__main__":
    main()
