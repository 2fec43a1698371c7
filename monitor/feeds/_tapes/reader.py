"""The rows of a tape, in order: a time, and the quotes of that time. It names what it cannot use, and plays the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import msgspec

from monitor.core.instants import micros_of, time_at
from monitor.core.prices.quote import USDT, BadPrice, Quote
from monitor.core.rules.cadence import too_slow
from monitor.core.rules.settings import Trust
from monitor.feeds._tapes.cells import BadTime, PriceCells
from monitor.feeds._tapes.files import MAX_LINE, Line, lines_of
from monitor.feeds._tapes.layouts import TapeLayout, cells_of
from monitor.feeds._tapes.order import in_order
from monitor.feeds._tapes.survey import Survey, clock_of, look_through
from monitor.feeds._tapes.symbols import Symbol, symbol

_SOURCE = re.compile(r"[\x21-\x7e]{1,64}")
_NOTHING = {"", "null", "nan", "none", "n/a", "na"}
"""What vendors write where there is no price."""
_MOST_SYMBOLS, _NAMED = 10_000, 5
# A time of a row may be wrong by the shift of its interval and still be read.
_EXAMPLE = "1621425480000 or 2021-05-19T12:58:00Z"

Row = tuple[datetime, list[Quote]]


class Refusal(msgspec.Struct, frozen=True):
    """A part of a tape that it does not use: a counter's label, the file and line, and a sentence with the remedy."""

    reason: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class TapeFile:
    """A tape that was looked through and can be played, any number of times."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file cannot be opened, UnreadableTape if it is no tape or is damaged."""
        self.path = path
        self.survey: Survey = look_through(path)
        self.left_out: dict[str, str] = {}
        """Names of the tape whose prices do not count, and why; complete once it was played."""
        self.read_as: dict[str, str] = {}
        """Names of the tape that are no plain coins, and the coin that each was read as."""
        market = self.survey.layout.market
        self.prices_usdt = market is not None and market.asset == USDT
        """It has prices of USDT itself; complete once it was played."""

    def said(self) -> list[str]:
        """Sentences about the whole tape."""
        return [f"{self.path}: {sentence}" for sentence in self.survey.said()]

    def read_otherwise(self) -> list[str]:
        """Sentences about names that are no plain coins; complete once the tape was played."""
        found = [f"{name!r} is read as {meaning}" for name, meaning in self.read_as.items()]
        more = [f"{len(found) - _NAMED} more names are read as coins"] if len(found) > _NAMED else []
        return [f"{self.path}: {sentence}" for sentence in found[:_NAMED] + more]

    def uncounted(self, trust: Trust) -> list[str]:
        """Why its prices of USDT do not count, where it has any and they do not; complete once the tape was played."""
        if not self.prices_usdt or trust.usdt_usd == USDT:
            return []
        why = f'prices of USDT do not count: usdt_usd of [prices] is "{trust.usdt_usd}"; write usdt_usd = "USDT"'
        return [f"{self.path}: {why} to take them from the tape"]

    def too_slow(self, trust: Trust, source: str = "tape") -> list[str]:
        """Why its prices would be stale between two of its rows; empty where they would not be, and where nobody judges."""
        cadence = self.survey.spacing
        problems: list[str] = []
        for name in self.survey.sources or (source,):
            feed = msgspec.structs.replace(trust.of(name), cadence=cadence)
            found = too_slow(msgspec.structs.replace(trust, feeds={**trust.feeds, name: feed}), name)
            if not found:
                return []
            problems += found
        return [f"{self.path}: {problem}" for problem in problems[:1]]

    def rows(self, on_refused: Callable[[Refusal], None], *, source: str = "tape") -> Iterator[Row]:
        """The tape's events in order."""
        return _Reader(self, on_refused, source).rows()


class _Reader:
    def __init__(self, tape: TapeFile, on_refused: Callable[[Refusal], None], source: str) -> None:
        self.tape = tape
        self.layout: TapeLayout = tape.survey.layout
        self.on_refused = on_refused
        self.source = source
        self.line = 0
        self.open_line = 0
        """The last line, if the file ends without the end of a line and a price stands last in it."""
        self.times = clock_of(self.layout)
        self.prices = PriceCells(has_comma=tape.survey.has_comma)
        self.symbols: dict[str, Symbol] = {}
        self.empty: Counter[str] = Counter()

    def refuse(self, reason: str, what: str) -> None:
        self.on_refused(Refusal(reason, f"{self.tape.path}:{self.line}", what))

    def rows(self) -> Iterator[Row]:
        lines = self.lines()
        if not self.tape.survey.is_in_order:
            lines = in_order(lines, self.time_of, is_newest_first=self.tape.survey.is_newest_first)
        self.line = max(self.tape.survey.skipped, 1)
        yield from self.wide(lines) if self.layout.is_wide else self.long(lines)

    def lines(self) -> Iterator[Line]:
        """The lines of its rows."""
        lines = lines_of(self.tape.path, self.too_long, self.take_open_end)
        for line in lines:
            if line[0] > self.tape.survey.skipped:
                return chain((line,), lines)
        return lines

    def too_long(self, number: int) -> None:
        what = f"the line has more than {MAX_LINE} characters; is this a tape?"
        self.on_refused(Refusal("too_long", f"{self.tape.path}:{number}", what))

    def take_open_end(self, number: int) -> None:
        if self.layout.price in (None, len(self.layout.header) - 1):
            self.open_line = number

    def is_cut_off(self, quote: Quote, before: Iterable[Quote]) -> bool:
        """The last cell of a file that ends in the middle of a line, and whose price lost digits beside the one before.

        Many files lack the last end of a line and are whole. Half a price would be a crash that never was.
        """
        if self.line != self.open_line or not any(
            last.asset == quote.asset and last.price >= 2 * quote.price for last in before
        ):
            return False
        what = f"the file ends in the middle of this line, after {quote.price} of {quote.asset}, which may be cut off"
        self.refuse("cut_off", f"{what}; it is not used: copy the file again, or end the line")
        return True

    def time_of(self, text: str) -> int | None:
        """The time by which a line is sorted; None where it has none."""
        try:
            return self.times.read(cells_of(text, self.layout.delimiter)[self.layout.time])
        except (BadTime, IndexError):
            return None

    def cells(self, text: str) -> list[str]:
        """The cells, if they are as many as in the header. A row that was cut off may end in half a price: it uses none."""
        cells = cells_of(text, self.layout.delimiter)
        expected = len(self.layout.header)
        if len(cells) == expected:
            return cells
        which = "as in the header" if self.layout.has_header else "as in the first row"
        self.refuse("cells", f"found {len(cells)} cells, expected {expected} {which}; mend the row")
        return []

    def at(self, text: str) -> int | None:
        """The time of a row in microseconds since 1970."""
        try:
            return self.times.read(text)
        except BadTime:
            column = self.layout.header[self.layout.time]
            if text == column:
                return None  # the header again, where files were joined
            example = f"a time such as {_EXAMPLE}"
            if column == "at":
                example = "a time with its zone, such as 2021-05-19T12:58:00Z"
            self.refuse("time", f"column {column}: found {text[:40]!r}, expected {example}")
            return None

    def wide(self, lines: Iterator[Line]) -> Iterator[Row]:
        read, clock = self.prices.read, self.times.read
        columns = [
            (index, market.asset, market.quote, market.power, self.prices.known(market.power))
            for index, market in self.pairs()
        ]
        source = self.source
        before: list[Quote] = []
        expected, delimiter, when = len(self.layout.header), self.layout.delimiter, self.layout.time
        for self.line, text in lines:
            cells = text.split(delimiter)
            if '"' in text or " " in text or len(cells) != expected:
                cells = self.cells(text)
            try:
                at = time_at(clock(cells[when]))
            except (BadTime, IndexError):
                if cells:
                    self.at(cells[when])  # it says what is wrong with the time
                continue
            quotes = []
            for index, asset, quote, power, known in columns:
                if cell := cells[index]:
                    try:
                        value = known.get(cell) or read(cell, power)
                    except BadPrice as e:
                        self.bad_price(e, self.layout.header[index])
                        continue
                    quotes.append(Quote(asset, value, quote, source, at))
            if self.line == self.open_line and cells[-1] and quotes and self.is_cut_off(quotes[-1], before):
                quotes.pop()
            before = quotes
            yield at, quotes

    def pairs(self) -> list[tuple[int, Symbol]]:
        """The columns that are pairs, and what they mean. It names each other column once."""
        found: dict[str, int] = {}
        columns = []
        for index, name in enumerate(self.layout.header):
            if index == self.layout.time:
                continue
            market = symbol(name, is_pair=True)
            if market.left_out:
                self.tape.left_out[name] = market.left_out
                expected = "expected a pair with USDT such as BTCUSDT"
                self.refuse("column", f"column {index + 1}: found {name!r}, which {market.left_out}; {expected}")
            elif market.asset in found:
                first = self.layout.header[found[market.asset]]
                same = f"{name!r} is there twice" if name == first else f"{name!r} is the same coin as {first!r}"
                self.refuse("column", f"column {index + 1}: {same}; the first one is used")
            else:
                found[market.asset] = index
                columns.append((index, market))
                self.tape.prices_usdt |= market.asset == USDT
                if market.power:
                    self.tape.read_as[name] = in_words(market)
        return columns

    def bad_price(self, e: BadPrice, column: str) -> None:
        remedy = "leave the row out" if not self.layout.is_wide else "leave the cell empty"
        self.refuse(e.reason, f"column {column}: {e}; {remedy} where there is none")

    def long(self, lines: Iterator[Line]) -> Iterator[Row]:
        layout = self.layout
        if layout.kind == "long tape":
            self.unused_columns()
        event: Row | None = None
        before: dict[str, Quote] = {}
        for self.line, text in lines:
            cells = self.cells(text)
            at_us = self.moment(cells) if cells else None
            if at_us is None:
                continue
            if event is not None and micros_of(event[0]) != at_us:
                yield event
                event = None
            # As in a wide tape, a time without a good price is still an event: deadlines up to it come due.
            if event is None:
                event = (time_at(at_us), [])
            quote = self.quote(cells, event[0])
            if quote is not None and not self.is_cut_off(quote, before.values()):
                event[1].append(quote)
                before[quote.asset] = quote
        if event is not None:
            yield event
        self.say_empty()

    def moment(self, cells: Sequence[str]) -> int | None:
        """When the price of a row is known: at the end of its interval, where it has one."""
        layout = self.layout
        begin = self.at(cells[layout.time])
        if begin is None:
            return None
        if layout.end is not None:
            try:
                end = self.times.step_after(cells[layout.end])
            except BadTime:
                end = begin
            if end <= begin:
                what = f"found {cells[layout.end][:40]!r}, expected the end of the interval, after its begin"
                self.refuse("time", f"column {layout.header[layout.end]}: {what}")
                return None
            return end
        return begin + (layout.interval // timedelta(microseconds=1) if layout.interval is not None else 0)

    def unused_columns(self) -> None:
        layout = self.layout
        used = {layout.time, layout.price, layout.name, layout.source}
        for index, name in enumerate(layout.header):
            if index not in used:
                self.refuse("column", f"column {name!r} is not used; expected at, asset, price, source")

    def quote(self, cells: Sequence[str], at: datetime) -> Quote | None:
        """The quote of a row about one coin."""
        layout = self.layout
        assert layout.price is not None, "a layout with rows of one coin has a column of prices"
        text = cells[layout.price]
        market = layout.market or self.market(cells[layout.name or 0])
        if market.left_out:
            return None
        if layout.blank_is_none and text.lower() in _NOTHING:
            self.empty[market.asset] += 1
            return None
        source = self.source if layout.source is None else cells[layout.source] or self.source
        if not _SOURCE.fullmatch(source):
            self.refuse(
                "source", f"column source: found {source[:40]!r}, expected up to 64 ASCII characters without spaces"
            )
            return None
        try:
            value = self.prices.read(text, market.power)
        except BadPrice as e:
            self.bad_price(e, layout.header[layout.price])
            return None
        return Quote(market.asset, value, market.quote, source, at)

    def market(self, name: str) -> Symbol:
        """What a name means. It names once what it leaves out."""
        known = self.symbols.get(name)
        if known is None:
            if len(self.symbols) >= _MOST_SYMBOLS:
                self.symbols.clear()
                self.tape.left_out.clear()
                self.tape.read_as.clear()
            layout = self.layout
            known = self.symbols[name] = symbol(name, is_pair=layout.kind not in ("long tape", "derivative ticker"))
            if known.left_out:
                self.tape.left_out[name] = known.left_out
                column = layout.header[layout.name or 0]
                self.refuse("asset", f"column {column}: found {name[:40]!r}, which {known.left_out}")
            elif known.asset != name:
                self.tape.read_as[name] = in_words(known)
            self.tape.prices_usdt |= known.asset == USDT
        return known

    def say_empty(self) -> None:
        if self.empty:
            names = ", ".join(f"{count:,} of {asset}" for asset, count in self.empty.most_common(3))
            column = self.layout.header[self.layout.price or 0]
            what = f"rows without a {column} gave no price: {names}"
            self.on_refused(Refusal("empty", str(self.tape.path), what))


def in_words(market: Symbol) -> str:
    """What a name was read as."""
    many = f"{10**market.power:,} " if market.power else ""
    return f"{many}{market.asset} in {market.quote}"
