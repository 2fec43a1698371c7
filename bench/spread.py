"""A tick of the whole market over shards beside one process: `python -m bench.spread [GROUPS] [ROUNDS] [--ray]`.

The contenders hold the same calm book and take turns. A round moves every price, a little. The time is that of the event in
core's thread: what the shards have named is decided, and nothing is stored. Then: how long shards take to load the whole book
and a replacement the part of one. `--ray` adds actors of a Ray that it starts on this machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench import desk
from bench.book import book as make_book
from bench.book import market, walk
from monitor.core.events.events import Event
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards
from monitor.engine.spread.local import LocalShards
from monitor.engine.spread.spreading import Spreading

COUNTS = (1, 2, 4)


def main(groups: int, rounds: int, *, has_ray: bool) -> None:
    """Prints a line a contender."""
    book = desk.calm(desk.of_one_product(make_book(groups, market())))
    first, feed = desk.new_monitor(book.market), desk.new_feed()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        desk.write_lines(book, path)
        desk.fill(first, path)
    found = {"one process": first}
    spread: dict[str, SpreadBook] = {}
    for count in COUNTS:
        name = f"{count} local shards"
        found[name], spread[name] = _over(LocalShards(), count, first)
    if has_ray:
        for count in COUNTS:
            name = f"{count} actors of Ray"
            found[name], spread[name] = _over(_ray(), count, first)
    rng, price, at = np.random.default_rng(5), book.market.price, desk.START
    taken: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds + 2):
        price, at = walk(price, rng, 0.0005), at + timedelta(seconds=1)
        for name, monitor in found.items():
            event = desk.received(feed, desk.frame(price, at), at)
            taken[name].append(_timed(monitor, event))
    for name, seconds in taken.items():
        print(f"{name}: tick of {groups} groups, median {statistics.median(seconds[2:]) * 1000:.1f} ms")
    for name, each in spread.items():
        print(f"{name}: a replacement of one loaded in {_replaced(each):.2f} s")
        each.close()


def _over(shards: Shards, count: int, like: RiskMonitor) -> tuple[RiskMonitor, SpreadBook]:
    """A monitor that goes on from the memory of another, over shards."""
    began_s = time.perf_counter()
    book = SpreadBook(shards, count, how=Spreading(limit_s=60.0))
    book.links.await_ready()
    there_s = time.perf_counter()
    monitor = RiskMonitor(like.rules, like.memory, book)
    loaded_s = time.perf_counter() - there_s
    print(f"{count} of {shards.where}: there in {there_s - began_s:.1f} s, loaded in {loaded_s:.1f} s")
    return monitor, book


def _ray() -> Shards:
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 Ray spells it so; else its workers are behind all others
    from monitor.engine.spread.ray_shards import RayShards

    return RayShards("local")


def _replaced(book: SpreadBook) -> float:
    """Loses the first shard, and loads another in its place."""
    book.links.abandon(0)
    began_s = time.perf_counter()
    for seat in book.plan_mending([0]):
        assert book.mend(seat), "the replacement did not load"
        book.take_back(seat)
    return time.perf_counter() - began_s


def _timed(monitor: RiskMonitor, event: Event) -> float:
    start_s = time.perf_counter()
    monitor.handle(event)
    return time.perf_counter() - start_s


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    main(*(numbers or [1_000_000, 15]), has_ray="--ray" in sys.argv)
