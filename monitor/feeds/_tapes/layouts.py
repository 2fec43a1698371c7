"""Finds out what a file is from its first lines and its name: a layout, or what it is that cannot be played.

A layout says which column holds what. Every vendor's form is one row of a table here; docs/replay.md has the table for users.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from monitor.feeds._tapes.cells import BadTime, Times
from monitor.feeds._tapes.files import UnreadableTape, inner_name
from monitor.feeds._tapes.symbols import Symbol, symbol

EXPECTED = "expected 'at,asset,price[,source]', 'ts_utc,BTCUSDT,...' or a form of docs/replay.md"
KLINE_HEADER = [
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
]  # fmt: skip
_OHLCV = ["timestamp", "open", "high", "low", "close", "volume"]
_COHLCV_VWAP = ["timestamp", "count", "open", "high", "low", "close", "volume", "price"]
_WITHOUT_HEADER = {12: KLINE_HEADER, 11: KLINE_HEADER[:11], 6: _OHLCV, 8: _COHLCV_VWAP, 2: ["timestamp", "price"]}
"""The header of files that have none, by the number of their columns."""
_TIMES = ("at", "ts_utc", "open_time", "timestamp", "time", "date", "datetime", "ts", "unix")
_NAMES = ("asset", "symbol", "coin", "pair", "instrument", "market")
_PRICES = ("price", "mark_price", "close")
_REFUSED = (
    ({"side", "amount", "local_timestamp"}, "trades of Tardis", "its derivative_ticker, which has mark prices"),
    ({"bid_price", "ask_price"}, "quotes of a book", "mark prices"),
    ({"best_bid_price"}, "quotes of a book", "mark-price klines"),
    ({"asks[0].price"}, "snapshots of a book", "mark prices"),
    ({"asks[0].amount"}, "snapshots of a book", "mark prices"),
    ({"is_buyer_maker"}, "trades of Binance", "mark-price klines"),
    ({"percentage", "depth"}, "depth of a book", "mark-price klines"),
    ({"sum_open_interest"}, "open interest of Binance", "mark-price klines"),
    ({"last_funding_rate"}, "funding rates", "mark-price klines"),
    ({"strike_price"}, "a chain of options", "its derivative_ticker, which has mark prices"),
    ({"type", "price", "amount"}, "a book of Kaiko", "its trades or candles"),
)  # fmt: skip
_INTERVAL = re.compile(r"(\d{1,3})(s|m|min|h|hour|d|day|w|mo)", re.ASCII | re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400, "w": 604_800}
_WORDS = {"ohlcv", "cohlcvvwap", "cohlcvwap", "vwap", "trades", "klines", "mark", "price", "csv", "um", "cm", "futures"}
_PREMIUM_MOST = 0.05
"""A premium index is a share of some thousandths, and no more than this even in a crash."""
_PREMIUMS_A_MINUTE = 12
"""It is worked out every five seconds, a mark price every second."""


class TapeLayout(NamedTuple):
    """Where a file keeps what. Columns are indices, None where there is no such column."""

    kind: str
    """In words, for people."""
    delimiter: str
    header: tuple[str, ...]
    has_header: bool
    time: int
    price: int | None = None
    """None in a wide tape, whose columns beside the time are pairs."""
    name: int | None = None
    source: int | None = None
    end: int | None = None
    """The column with the last instant of a row's interval."""
    market: Symbol | None = None
    """What all rows are about, where the name of the file says so and no column."""
    interval: timedelta | None = None
    """How much later than its time a row's price is from, where no column says so."""
    is_candle: bool = False
    blank_is_none: bool = False
    """An empty cell is no price. In a long tape each row is there for its price, and an empty one is a fault."""

    @property
    def is_wide(self) -> bool:
        """A column for each coin, a row for each time."""
        return self.price is None


def cells_of(text: str, delimiter: str) -> list[str]:
    """The cells of a line, without blanks around them. A quotation mark that is never closed spoils only its own line."""
    cells = next(csv.reader([text], delimiter=delimiter)) if '"' in text else text.split(delimiter)
    return [cell.strip() for cell in cells]


def delimiter_of(text: str) -> str:
    """What parts the cells of a header or of a first row."""
    bare = re.sub(r'"[^"]*"', "", text)
    return next((mark for mark in ("\t", ";", ",", "|") if mark in bare), ",")


def layout_of(path: Path, first: Sequence[str]) -> TapeLayout:
    """The layout of a file from its first lines. Raises UnreadableTape if it is none that can be played."""
    delimiter = delimiter_of(first[0])
    header = cells_of(first[0], delimiter)
    names = [re.sub(r"[\s-]+", "_", cell.lower().strip('"')) for cell in header]
    known = set(names)
    if _is_time(header[0]) and len(header) > 1:
        return _headless(path, delimiter, len(header), first)
    if "\ufffd" in first[0] and not (known & set(_TIMES)):
        what = "the first line is not UTF-8, as in a file that was saved as Latin-1 or Windows-1252"
        raise UnreadableTape(f"{path}: {what}; save it as UTF-8")
    if {"at", "asset", "price"} <= known:
        source = names.index("source") if "source" in known else None
        at, price, asset = (names.index(name) for name in ("at", "price", "asset"))
        return TapeLayout("long tape", delimiter, tuple(header), True, at, price, asset, source)
    for signs, what, remedy in _REFUSED:
        if signs <= known:
            raise UnreadableTape(f"{path}: found {what}, which give no mark price; take {remedy}")
    if names[0] == "ts_utc":
        return TapeLayout("wide tape", delimiter, tuple(header), True, 0)
    found = _vendor(path, delimiter, header, names, first)
    if found is None:
        shown = delimiter.join(header)[:80]
        raise UnreadableTape(f"{path}: found {shown!r}, {EXPECTED}")
    return found


def _vendor(path: Path, delimiter: str, header: list[str], names: list[str], first: Sequence[str]) -> TapeLayout | None:
    """The layout of a file with a vendor's header, or with names of its own that leave no doubt."""
    known = set(names)
    at = next((names.index(name) for name in _TIMES if name in known), None)
    if at is None:
        return None
    name = next((names.index(n) for n in _NAMES if n in known), None)
    start = TapeLayout("", delimiter, tuple(header), True, at, name=name)
    exchange = names.index("exchange") if "exchange" in known else None
    if "mark_price" in known and name is not None:
        mark = names.index("mark_price")
        return start._replace(kind="derivative ticker", price=mark, source=exchange, blank_is_none=True)
    if {"price", "amount", "sell"} <= known and name is not None:
        return start._replace(kind="trades of Kaiko", price=names.index("price"), source=exchange, blank_is_none=True)
    if {"open", "high", "low", "close"} <= known:
        return _candles(path, start, names, first)
    price = next((names.index(n) for n in _PRICES if n in known), None)
    if price is not None and name is not None and not known & {"amount", "quantity", "qty", "size", "side"}:
        source = names.index("source") if "source" in known else exchange
        return start._replace(kind="long tape", price=price, source=source)
    if price is not None and len(known) == 2:
        interval = _interval_of(inner_name(path)) if "vwap" in inner_name(path).lower() else None
        return _named(path, start._replace(kind="prices", price=price, blank_is_none=True), interval)
    if at == 0 and any(not symbol(cell, is_pair=True).left_out for cell in header[1:]):
        return start._replace(kind="wide tape")
    return None


def _headless(path: Path, delimiter: str, columns: int, first: Sequence[str]) -> TapeLayout:
    """A file whose first line is a row already: klines of Binance before 2022, candles of Kaiko."""
    names = _WITHOUT_HEADER.get(columns)
    told = inner_name(path).lower()
    if names is None or (columns == 2 and "vwap" not in told):
        what = f"the first line is a row of {columns} columns and no header"
        raise UnreadableTape(f"{path}: {what}; add one: {EXPECTED}")
    start = TapeLayout("", delimiter, tuple(names), False, 0)
    if columns == 2:
        layout = start._replace(kind="VWAP of Kaiko", price=1, blank_is_none=True)
        return _named(path, layout, _interval_of(told) or _spacing(layout, first))
    return _candles(path, start, names, first)


def _candles(path: Path, start: TapeLayout, names: list[str], first: Sequence[str]) -> TapeLayout:
    """Klines and other candles: the close counts, from the end of the interval on."""
    is_binance = "close_time" in names
    layout = start._replace(
        kind="klines" if is_binance else "candles",
        price=names.index("close"),
        end=names.index("close_time") if is_binance else None,
        is_candle=True,
        blank_is_none=True,
    )
    if any("premiumindex" in part.lower() for part in path.parts[-4:]) or _looks_like_premium(layout, names, first):
        raise UnreadableTape(f"{path}: found klines of a premium index, which is no price; take mark-price klines")
    interval = None if is_binance else _interval_of(inner_name(path)) or _spacing(layout, first)
    return layout._replace(interval=interval) if layout.name is not None else _named(path, layout, interval)


def _named(path: Path, layout: TapeLayout, interval: timedelta | None) -> TapeLayout:
    """A layout whose coin stands in the name of the file."""
    told = inner_name(path)
    market = _market_of(told) or _market_of(path.name)
    if market is None:
        remedy = "call it by its market, such as BTCUSDT-1m-2021-05-19.csv"
        raise UnreadableTape(f"{path}: found {layout.kind} without a column of coins; {remedy}")
    if market.left_out:
        raise UnreadableTape(f"{path}: found {layout.kind} of a market that {market.left_out}; take those of another")
    return layout._replace(market=market, interval=interval)


def _market_of(name: str) -> Symbol | None:
    """The market that a file is named after, in any part of its name; None if no part is one."""
    stem = re.sub(r"(\.(csv|txt|tsv|gz|zip))+$", "", name, flags=re.IGNORECASE)
    head = re.match(r"[A-Za-z0-9]+([_-](PERP|SWAP|\d{6}))?(?=[-_.]|$)", stem)
    candidates = [head[0]] if head else []
    parts = [part for part in re.split(r"[-_. ]", stem) if part and part.lower() not in _WORDS]
    candidates += parts + ["-".join(pair) for pair in pairwise(parts)]
    found = None
    for candidate in candidates:
        if _INTERVAL.fullmatch(candidate) or candidate.isdigit():
            continue
        market = symbol(candidate, is_pair=True)
        if not market.left_out or market.left_out.startswith(("is a future", "looks ")):
            return market
        if market.left_out.startswith("is in "):
            found = found or market
    return found


def _interval_of(name: str) -> timedelta | None:
    for part in re.split(r"[-_. ]", name):
        if (match := _INTERVAL.fullmatch(part)) is not None and match[2].lower() in _SECONDS:
            return timedelta(seconds=int(match[1]) * _SECONDS[match[2].lower()])
    return None


def _spacing(layout: TapeLayout, first: Sequence[str]) -> timedelta | None:
    """The least distance of the first rows."""
    times = sorted({at for text in first[layout.has_header :] if (at := _time_in(layout, text)) is not None})
    least = min((later - at for at, later in pairwise(times)), default=None)
    return None if least is None else timedelta(microseconds=least)


def _time_in(layout: TapeLayout, text: str) -> int | None:
    try:
        return Times(is_utc=True).read(cells_of(text, layout.delimiter)[layout.time])
    except (BadTime, IndexError):
        return None


def _is_time(text: str) -> bool:
    try:
        Times(is_utc=True).read(text)
    except BadTime:
        return False
    return True


def _looks_like_premium(layout: TapeLayout, names: list[str], first: Sequence[str]) -> bool:
    """Rows without volume whose prices are all small shares, some of them zero or less, or counted every five seconds."""
    rows = [
        cells for text in first[layout.has_header :] if len(cells := cells_of(text, layout.delimiter)) == len(names)
    ]
    closes = [_float(cells[names.index(part)]) for cells in rows for part in ("open", "high", "low", "close")]
    found = [close for close in closes if close is not None]
    if not found or "volume" not in names or any(_float(cells[names.index("volume")]) for cells in rows):
        return False
    if max(map(abs, found)) > _PREMIUM_MOST:
        return False
    every_five = "count" in names and all(_float(cells[names.index("count")]) == _PREMIUMS_A_MINUTE for cells in rows)
    return min(found) <= 0 or every_five


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
