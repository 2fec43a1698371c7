"""The book of the benchmark as a desk would have it: a product file's rules, lines of a book file, frames of an exchange.

This is the one place that knows how a monitor is made, filled and asked for its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from bench.book import ASSETS, LINES_BP, SCALE, STABLES, Book, Ints, Ladder, Market, Positions
from monitor.core.events.events import GroupPut, GroupsPut, MarkPrices
from monitor.core.prices.quote import Frame
from monitor.core.rules.product import Product, Version
from monitor.core.rules.settings import Rules
from monitor.core.rules.thresholds import Thresholds
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.feeds import binance_futures
from monitor.products import vip_loan

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
"""When the groups are put; no midnight falls into any run."""
NAMES = [f"{'S' if a < STABLES else 'C'}{a:03}" for a in range(ASSETS)]
AT_ONCE = 8192
"""Lines put as one: a block."""
TERM_DAYS = 30
DIFFERENT_TERMS = 4_200


def rules(market: Market) -> Rules:
    """One product with the ladders of the market, the first profile's lines, and a flexible rate for every coin."""
    lines = Thresholds(*(Decimal(int(bp)) / 10_000 for bp in LINES_BP[0]))
    ladders = {name: _tiers(ladder) for name, ladder in zip(NAMES, market.ladders, strict=True)}
    rates = dict.fromkeys(NAMES, Decimal("0.0001"))
    version = Version(START - timedelta(days=365), lines, ladders, rates)
    return Rules("bench", {vip_loan.KIND: Product(vip_loan.KIND, (version,))})


def new_monitor(market: Market) -> RiskMonitor:
    """A monitor without groups."""
    return RiskMonitor(rules(market), book=ColumnarBook())


def put(monitor: RiskMonitor, lines: list[bytes], reader: BlockReader | None = None) -> None:
    """Hands over some lines as a book file does, a block at a time."""
    reader = reader or new_reader(monitor)
    for begin in range(0, len(lines), AT_ONCE):
        _put_block(monitor, lines[begin : begin + AT_ONCE], reader)


def new_reader(monitor: RiskMonitor) -> BlockReader:
    """The reader of one book: it remembers the times and terms that it has read."""
    book = monitor.book
    assert isinstance(book, ColumnarBook)
    return BlockReader(lambda: monitor.rules.products, book.names)


def _put_block(monitor: RiskMonitor, lines: list[bytes], reader: BlockReader) -> None:
    raws = [line.rstrip() for line in lines]
    packed = reader.pack(raws, START, "bench")
    monitor.handle(GroupsPut(START, "bench", packed.batch))
    for place in packed.rest:
        group = reader.parse(msgspec.json.decode(raws[place]), START)
        monitor.handle(GroupPut(START, group, "bench"))


def parts(monitor: RiskMonitor) -> dict[str, int]:
    """What the parts of the monitor's book take, in bytes."""
    book = monitor.book
    assert isinstance(book, ColumnarBook)
    return book.nbytes()


def received(feed: binance_futures.BinanceFutures, frame: bytes, at: datetime) -> MarkPrices:
    """A frame as core gets it."""
    quotes = feed.parse(frame)
    return MarkPrices(at, (), (quotes,)) if isinstance(quotes, Frame) else MarkPrices(at, tuple(quotes))


def new_feed() -> binance_futures.BinanceFutures:
    """The feed whose frames `frame` makes."""
    return binance_futures.build("bench", binance_futures.Config())


def of_one_product(book: Book) -> Book:
    """The same groups, all with the first profile: lines of their own would be extras."""
    return replace(book, profile=np.zeros_like(book.profile))


def calm(book: Book) -> Book:
    """The same groups with seven tenths of their debts: none of them is past a line."""
    return replace(book, debts=replace(book.debts, units=np.maximum(book.debts.units * 7 // 10, 1)))


def fill(
    monitor: RiskMonitor, path: Path, advance: Callable[[], None] = lambda: None, reader: BlockReader | None = None
) -> None:
    """Puts all groups of a book file; never more than AT_ONCE lines are in memory."""
    reader = reader or new_reader(monitor)
    with path.open("rb") as file:
        while lines := list(islice(file, AT_ONCE)):
            put(monitor, lines, reader)
            advance()


def write_lines(book: Book, path: Path) -> None:
    """Writes a book as a file of JSON lines."""
    with path.open("w", encoding="ascii") as file:
        for begin in range(0, len(book), AT_ONCE):
            file.writelines(book_lines(book, begin, min(begin + AT_ONCE, len(book))))


def book_lines(book: Book, begin: int = 0, end: int | None = None) -> Iterator[str]:
    """One JSON line a group: one account, an id of 8 bytes, no labels; every third loan has a fixed term."""
    end = len(book) if end is None else end
    held, owed = _texts(book.collateral, begin, end), _texts(book.debts, begin, end)
    for g, (assets, loans) in enumerate(zip(held, owed, strict=True), begin):
        coins = ",".join(f'"{asset}":"{quantity}"' for asset, quantity in assets)
        stated = ",".join(_loan(g + k, k, asset, principal) for k, (asset, principal) in enumerate(loans))
        yield (
            f'{{"id":"G{g:07}","product":"{vip_loan.KIND}","receiving_account":"a{g:07}",'
            f'"collateral":{{"a{g:07}":{{{coins}}}}},"loans":[{stated}]}}\n'
        )


def frame(price: Ints, at: datetime) -> bytes:
    """All mark prices as Binance sends them once a second, about 90 kB."""
    at_ms = int(at.timestamp() * 1000)
    items = (
        f'{{"e":"markPriceUpdate","E":{at_ms},"s":"{name}USDT","p":"{p}","ap":"{p}","i":"{p}","P":"{p}",'
        f'"r":"0.00010000","T":{at_ms + 3_600_000}}}'
        for name, p in zip(NAMES, map(_plain, price.tolist()), strict=True)
    )
    return f"[{','.join(items)}]".encode()


def _tiers(ladder: Ladder) -> tuple[tuple[Decimal | None, Decimal], ...]:
    return tuple((None if bound is None else Decimal(bound), Decimal(share) / 10_000) for bound, share in ladder)


def _texts(positions: Positions, begin: int, end: int) -> Iterator[list[tuple[str, str]]]:
    """(asset, quantity) of each group's positions."""
    a, b = int(positions.start[begin]), int(positions.start[end])
    pairs = zip(positions.asset[a:b].tolist(), positions.units[a:b].tolist(), strict=True)
    for n in np.diff(positions.start[begin : end + 1]).tolist():
        yield [(NAMES[asset], _plain(units)) for asset, units in islice(pairs, n)]


def _plain(units: int) -> str:
    """Units of 1e-8 as a plain decimal text."""
    return f"{units // SCALE}.{units % SCALE:08d}"


def _loan(seed: int, place: int, asset: str, principal: str) -> str:
    return f'{{"id":"L{place}","asset":"{asset}","principal":"{principal}",{_terms(seed % DIFFERENT_TERMS)}}}'


@lru_cache(DIFFERENT_TERMS)
def _terms(seed: int) -> str:
    opened = START - timedelta(days=seed % (TERM_DAYS - 2), minutes=seed % 600)
    stated = f'"opened_at":"{opened:%Y-%m-%dT%H:%M:%SZ}",'
    if seed % 3:
        return stated + '"rate":{"kind":"flexible"},"term":"open","matures_at":null'
    matures = opened + timedelta(days=TERM_DAYS)
    return (
        stated + f'"rate":{{"kind":"fixed","daily":"0.0002"}},"term":"30d","matures_at":"{matures:%Y-%m-%dT%H:%M:%SZ}"'
    )
