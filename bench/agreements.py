"""What thousands of agreements cost: `python -m bench.agreements GROUPS LINES CUTS` prints one line a way of stating them.

Each group is under one of so many sets of figures: lines of its own, a cut in its line, or an override by its label. A cut
costs by the coins that are held under it, and here each is held with all of them.
The tick is of the whole market, on a calm book: the screen alone. Bytes are those that the book counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from bench import desk
from bench.book import Book, market
from bench.book import book as make_book
from monitor.core.events.events import Event, ProductsChanged
from monitor.core.rules.terms import LabelTerms
from monitor.core.schema import read
from monitor.core.watch.risk import RiskMonitor

TICKS = 7
State = Callable[[int], str]


def lines(n: int) -> str:
    """Lines of a group's own, rising: the n-th of ten thousand."""
    return f'"thresholds":{{"liquidation":"0.{91_000 + n % 400:05d}","immediate":"0.{95_000 + n // 400:05d}"}}'


def cut(n: int) -> str:
    """A cut of every coin: the n-th of ten thousand."""
    return f'"terms":{{"scale":"0.{99_999 - n:05d}"}}'


def label(n: int) -> str:
    """A label, for which the agreement has an override."""
    return f'"labels":{{"borrower":"B{n}"}}'


def main(groups: int, sets: int, cuts: int) -> None:
    """The plain book first, then each way."""
    book = desk.calm(desk.of_one_product(make_book(groups, market())))
    _measure("one agreement", book, 1, None)
    _measure(f"{sets} own lines", book, sets, lines)
    for name, state in (("own cuts", cut), ("overrides", label)):
        _measure(f"{cuts} {name}", book, cuts, state)


def _measure(name: str, book: Book, agreements: int, state: State | None) -> None:
    monitor, feed = desk.new_monitor(book.market), desk.new_feed()
    if state is label:
        _timed(monitor, ProductsChanged(desk.START, _overridden(monitor, agreements)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.jsonl"
        with path.open("w", encoding="ascii") as file:
            file.writelines(_stated(desk.book_lines(book), agreements, state))
        began = time.perf_counter()
        desk.fill(monitor, path)
        fill_s = time.perf_counter() - began
    took = []
    for i in range(TICKS):
        at = desk.START + timedelta(seconds=i)
        took.append(_timed(monitor, desk.received(feed, desk.frame(book.market.price + i, at), at)))
    again_s = _timed(monitor, ProductsChanged(at, _changed(monitor)))
    size = sum(desk.parts(monitor).values()) / len(book)
    print(
        f"{name}: filled in {fill_s:.1f} s, tick {median(took) * 1000:.1f} ms, other rules {again_s * 1000:.0f} ms, "
        f"{size:.1f} bytes a group",
        flush=True,
    )


def _stated(plain: Iterator[str], agreements: int, state: State | None) -> Iterator[str]:
    for g, line in enumerate(plain):
        yield line if state is None else f"{line[:-2]},{state(g % agreements)}}}\n"


def _overridden(monitor: RiskMonitor, agreements: int) -> object:
    stated = tuple(
        read(LabelTerms, {"labels": {"borrower": f"B{n}"}, "scale": f"0.{99_999 - n:05d}"}) for n in range(agreements)
    )
    return _with(monitor, overrides=stated)


def _changed(monitor: RiskMonitor) -> object:
    """Other rules: the warnings of the agreement."""
    (product,) = monitor.rules.products.values()
    (version,) = product.versions
    return _with(monitor, versions=(msgspec.structs.replace(version, grace=timedelta(hours=20)),))


def _with(monitor: RiskMonitor, **changes: object) -> object:
    ((name, product),) = monitor.rules.products.items()
    return msgspec.structs.replace(monitor.rules, products={name: msgspec.structs.replace(product, **changes)})


def _timed(monitor: RiskMonitor, event: Event) -> float:
    began = time.perf_counter()
    monitor.handle(event)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
