"""Tapes: prices of a past day from a CSV file (docs/replay.md), for replays and as a feed that plays the day again.

Long: `at,asset,price[,source]`, coins in USD, RFC 3339 times; all rows of one `at` are one event. Wide:
`ts_utc,BTCUSDT,...`, milliseconds, one column per USDT pair; a row is an event and an empty cell is no price. A name that
ends in .gz is gzip. It refuses a cell or a row that it cannot use, with line, column, value and remedy, and plays the rest.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO, cast

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core import schema
from monitor.core.instants import time_at_ms
from monitor.core.money import NotANumber, number
from monitor.core.prices.quote import BadPrice, Quote, price
from monitor.feeds._base import FeedStats
from monitor.telemetry import BoundedLog

_SOURCE = re.compile(r"[\x21-\x7e]{1,64}")
_EARLIEST, _LATEST = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# A row with a thousand columns has some 15,000 characters; a much longer line belongs to no tape.
_MAX_LINE = 65_536
# Prices repeat, and to read each text once is most of a tape's speed. The limit keeps a year's tape from filling memory.
_MAX_TEXTS = 200_000

Row = tuple[datetime, list[Quote]]


class Refusal(msgspec.Struct, frozen=True):
    """A part of a tape that it does not use: a counter's label, the file and line, and a sentence with the remedy."""

    reason: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def rows(path: Path, on_refused: Callable[[Refusal], None], *, source: str = "tape") -> Iterator[Row]:
    """The tape's events in order: a time, and the quotes of that time. Raises OSError if the file cannot be opened."""
    path.open("rb").close()  # raises now, and not at the first row
    return _Reader(path, on_refused, source).rows()


class _Reader:
    def __init__(self, path: Path, on_refused: Callable[[Refusal], None], source: str) -> None:
        self.path = path
        self.on_refused = on_refused
        self.source = source
        self.line = 0
        self.last: datetime | None = None
        self.prices: dict[str, Decimal] = {}

    def refuse(self, reason: str, what: str) -> None:
        self.on_refused(Refusal(reason, f"{self.path}:{self.line}", what))

    def rows(self) -> Iterator[Row]:
        opener = gzip.open if self.path.name.endswith(".gz") else open
        # Characters that are no UTF-8 spoil only their own cell.
        with cast(TextIO, opener(self.path, "rt", encoding="utf-8-sig", errors="replace")) as file:
            lines = self.lines(file)
            header = next(lines, None)
            if header is None:
                self.refuse("header", "the file is empty; expected a first line such as 'at,asset,price'")
            elif {"at", "asset", "price"} <= set(header):
                yield from self.long(header, lines)
            elif header[0] == "ts_utc":
                yield from self.wide(header, lines)
            else:
                found = ",".join(header)[:80]
                self.refuse("header", f"found {found!r}, expected 'at,asset,price[,source]' or 'ts_utc,BTCUSDT,...'")

    def lines(self, file: TextIO) -> Iterator[list[str]]:
        """The cells of each line. A quotation mark that is never closed spoils only its own line."""
        while True:
            self.line += 1
            try:
                text = file.readline(_MAX_LINE)
                if not text:
                    return
                if len(text) == _MAX_LINE and not text.endswith("\n"):
                    self.refuse("too_long", f"the line has more than {_MAX_LINE} characters; is this a tape?")
                    while (rest := file.readline(_MAX_LINE)) and not rest.endswith("\n"):
                        pass
                    continue
            except (OSError, EOFError, zlib.error) as e:
                self.refuse(
                    "unreadable", f"the file ends here: {e}; copy it again, or check that its name tells its form"
                )
                return
            if text.strip():
                cells = next(csv.reader([text])) if '"' in text else text.rstrip("\r\n").split(",")
                yield [cell.strip() for cell in cells]

    def whole(self, cells: list[str], header: list[str]) -> bool:
        """Whether the row has the header's cells. A row that was cut off may end in half a price: it uses none of it."""
        if len(cells) != len(header):
            self.refuse("cells", f"found {len(cells)} cells, expected {len(header)} as in the header; mend the row")
        return len(cells) == len(header)

    def in_order(self, at: datetime, column: str, text: str) -> bool:
        if self.last is not None and at < self.last:
            self.refuse(
                "unordered", f"column {column}: found {text!r}, older than {self.last} before it; sort the rows"
            )
            return False
        self.last = at
        return True

    def value(self, column: str, text: str) -> Decimal | None:
        known = self.prices.get(text)
        if known is None:
            try:
                known = price(text)
            except BadPrice as e:
                remedy = "leave the cell empty" if column != "price" else "leave the row out"
                self.refuse(e.reason, f"column {column}: {e}; {remedy} where there is none")
                return None
            if len(self.prices) >= _MAX_TEXTS:
                self.prices.clear()
            self.prices[text] = known
        return known

    def wide(self, header: list[str], lines: Iterator[list[str]]) -> Iterator[Row]:
        columns = self.pairs(header)
        for cells in lines:
            if not self.whole(cells, header):
                continue
            at = self.milliseconds(cells[0])
            if at is None or not self.in_order(at, "ts_utc", cells[0]):
                continue
            quotes = []
            for index, asset in columns:
                text = cells[index]
                if text and (value := self.value(header[index], text)) is not None:
                    quotes.append(Quote(asset, value, "USDT", self.source, at))
            yield at, quotes

    def pairs(self, header: list[str]) -> list[tuple[int, str]]:
        """Indices of the columns that are pairs with USDT, and their coins. It refuses each other column once."""
        found: dict[str, int] = {}
        for index, name in enumerate(header[1:], 1):
            asset = name.removesuffix("USDT")
            if asset == name or not schema.is_asset(asset):
                self.refuse("column", f"column {index + 1}: found {name!r}, expected a pair with USDT such as BTCUSDT")
            elif asset in found:
                self.refuse("column", f"column {index + 1}: {name!r} is there twice; the first one is used")
            else:
                found[asset] = index
        return [(index, asset) for asset, index in found.items()]

    def milliseconds(self, text: str) -> datetime | None:
        ms = int(text) if re.fullmatch(r"\d{1,14}", text, re.ASCII) else -1
        at = time_at_ms(ms)
        if _EARLIEST <= at <= _LATEST:
            return at
        hint = "; these look like seconds: multiply by 1000" if re.fullmatch(r"1\d{9}", text, re.ASCII) else ""
        self.refuse("time", f"column ts_utc: found {text!r}, expected milliseconds such as 1621425480000{hint}")
        return None

    def long(self, header: list[str], lines: Iterator[list[str]]) -> Iterator[Row]:
        for name in header:
            if name not in ("at", "asset", "price", "source"):
                self.refuse("column", f"column {name!r} is not used; expected at, asset, price, source")
        where = {name: header.index(name) for name in ("at", "asset", "price", "source") if name in header}
        event: Row | None = None
        text, at = "", None
        for cells in lines:
            if not self.whole(cells, header):
                continue
            if cells[where["at"]] != text or at is None:
                text = cells[where["at"]]
                at = self.instant(text)
            if at is None or not self.in_order(at, "at", text):
                continue
            quote = self.coin(
                at, [cells[where[name]] if name in where else "" for name in ("asset", "price", "source")]
            )
            if event is not None and event[0] != at:
                yield event
                event = None
            # As in a wide tape, a time without a good price is still an event: deadlines up to it come due.
            if event is None:
                event = (at, [])
            if quote is not None:
                event[1].append(quote)
        if event is not None:
            yield event

    def coin(self, at: datetime, cells: Sequence[str]) -> Quote | None:
        """A long row's quote, in USD."""
        asset, text, source = cells
        if not schema.is_asset(asset):
            self.refuse("asset", f"column asset: found {asset[:40]!r}, expected a coin in capitals, such as BTC")
            return None
        if source and not _SOURCE.fullmatch(source):
            self.refuse(
                "source", f"column source: found {source[:40]!r}, expected up to 64 ASCII characters without spaces"
            )
            return None
        value = self.value("price", text)
        return None if value is None else Quote(asset, value, "USD", source or self.source, at)

    def instant(self, text: str) -> datetime | None:
        try:
            at = msgspec.convert(text, datetime)
        except msgspec.ValidationError:
            at = None
        if at is not None and at.tzinfo is not None and _EARLIEST <= at <= _LATEST:
            return at.astimezone(UTC)
        self.refuse(
            "time", f"column at: found {text[:40]!r}, expected a time with its zone, such as 2021-05-19T12:58:00Z"
        )
        return None


class Config(msgspec.Struct, frozen=True):
    """Keys of a `[[feed]]` of kind tape."""

    path: Path
    speed: str = "1"
    """How many times faster than it was, such as "60"; or "max": as fast as the prices are taken."""
    loop: bool = False
    """Begins again at the end. The jump from the last prices to the first must be confirmed like any other."""

    def __post_init__(self) -> None:
        if self.speed == "max":
            return
        try:
            sound = 0 < number(self.speed) <= 1_000_000
        except NotANumber:
            sound = False
        if not sound:
            raise ValueError(f'speed: found {self.speed!r}, expected a number in quotes such as "60", or "max"')


class Tape:
    """A feed that plays a tape on today's clock: the first row now, each later row after its time on the tape / speed."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self.name = name
        self.stats = FeedStats()
        self._config = config
        self._clock = clock
        self._log = BoundedLog()
        self._speed = None if config.speed == "max" else float(config.speed)

    async def quotes(self) -> AsyncIterator[list[Quote]]:
        """The rows as batches of quotes with the time of now. Ends with the tape, unless `loop` is set."""
        self.stats.connected = True
        self.stats.reason = ""
        try:
            while True:
                before = self.stats.frames
                async with aclosing(self._once()) as once:
                    async for batch in once:
                        yield batch
                # A tape without a single price would loop without a pause.
                if not self._config.loop or self.stats.frames == before:
                    return
        finally:
            self.stats.connected = False
            self.stats.reason = "the tape has ended"

    async def _once(self) -> AsyncGenerator[list[Quote], None]:
        started_s, first = self._clock.monotonic_s(), None
        for at, quotes in rows(self._config.path, self._refuse, source=self.name):
            first = first or at
            wait_s = 0.0
            if self._speed is not None:
                wait_s = started_s + (at - first).total_seconds() / self._speed - self._clock.monotonic_s()
            await asyncio.sleep(max(wait_s, 0))
            if quotes:
                now = self._clock.utc()
                self.stats.frames += 1
                self.stats.quotes += len(quotes)
                self.stats.last_frame_at = now
                yield [Quote(q.asset, q.price, q.quote, q.source, now) for q in quotes]

    def _refuse(self, refusal: Refusal) -> None:
        self.stats.refused[refusal.reason] += 1
        what = {"feed": self.name, "reason": refusal.reason, "problem": str(refusal)}
        self._log.warning(self._clock.monotonic_s(), refusal.reason, "price refused", **what)


def build(name: str, config: Config, clock: Clock | None = None) -> Tape:
    """The feed of that name. Raises schema.Invalid if there is no such file."""
    if not config.path.is_file():
        raise schema.Invalid([schema.Problem(str(config.path), "no such file; expected a tape, CSV or CSV.gz")])
    return Tape(name, config, clock or SystemClock())
