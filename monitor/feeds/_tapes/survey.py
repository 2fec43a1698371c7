"""Looks through a tape once before anything of it is played: its layout, its clock, its order, its gaps, and any damage.

So a damaged file is refused before the first alert, a tape that is not in order is sorted, and what a person should know of
it is said once and not for each row. It keeps no row in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from monitor.core.instants import time_at
from monitor.core.schema import in_words
from monitor.core.text import stamp
from monitor.feeds._tapes.cells import BadTime, Times, writes_commas
from monitor.feeds._tapes.files import Line, UnreadableTape, lines_of
from monitor.feeds._tapes.layouts import TapeLayout, cells_of, layout_of

_PEEK = 60
"""Lines that tell a layout; more than the longest header, few enough for a check of a configuration."""
_MOST_GAPS, _MOST_NAMES, _MOST_SOURCES = 4096, 10_000, 16
_REGULAR = 0.9
"""A tape is regular where this share of its rows have one distance."""


class Hole(NamedTuple):
    """A stretch without a row."""

    begin: datetime
    end: datetime


class Survey(NamedTuple):
    """What a look through a tape found."""

    layout: TapeLayout
    skipped: int
    """Lines before the first row."""
    rows: int
    units: tuple[str, ...]
    """The units of its times, where those are whole numbers."""
    has_comma: bool
    """Prices have a decimal comma."""
    late_rows: int
    """Rows that are older than the one before them."""
    is_newest_first: bool
    spacing: timedelta | None
    """The usual distance of the rows of one coin; None where no coin has two."""
    sources: tuple[str, ...]
    """The first of the sources that its rows name."""
    hole: Hole | None
    """The longest stretch without a row, where it is much longer than usual."""
    holes: int

    @property
    def is_in_order(self) -> bool:
        """It can be played as it stands."""
        return not self.late_rows

    def said(self) -> Iterator[str]:
        """A sentence for each thing that a person should know before trusting what the tape shows."""
        if self.layout.is_candle and self.layout.market is not None:
            market = f"{self.layout.market.asset} in {self.layout.market.quote}"
            yield f"read as {self.layout.kind} of {market}: the close counts, from the end of its interval on"
        if self.units not in ((), ("milliseconds",)):
            yield f"its times are in {' and '.join(self.units)}"
        if self.is_newest_first:
            yield "newest first: its rows were sorted by time"
        elif self.late_rows:
            rows = "1 row was" if self.late_rows == 1 else f"{self.late_rows:,} rows were"
            yield f"{rows} older than the row before: its rows were sorted by time"
        if self.hole is not None and self.spacing is not None:
            begin, end = map(stamp, self.hole)
            more = f", and {self.holes - 1:,} shorter {'gap' if self.holes == 2 else 'gaps'}" if self.holes > 1 else ""
            yield f"it has no row between {begin} and {end}{more}; its rows are {in_words(self.spacing)} apart"


def look_through(path: Path, most_rows: int | None = None) -> Survey:
    """Reads the file, or as many rows of it. Raises OSError if it cannot be opened, UnreadableTape if it is no tape."""
    lines = lines_of(path)
    first = list(islice(lines, _PEEK))
    skipped = 1 if first and first[0][1].lower().startswith("sep=") else 0
    if len(first) <= skipped:
        raise UnreadableTape(f"{path}: the file is empty; expected a first line such as 'at,asset,price'")
    layout = layout_of(path, [text for _, text in first[skipped:]])
    skipped += layout.has_header
    tally = _Tally(layout)
    tally.take(islice(chain(first[skipped:], lines), most_rows))
    return tally.survey(path, first[skipped - 1][0] if skipped else 0)


class _Tally:
    """Counts over the rows of a tape."""

    def __init__(self, layout: TapeLayout) -> None:
        self._layout = layout
        self._times = clock_of(layout)
        self._rows = 0
        self._steps = _Steps()
        """From one row to the next; negative where that one is older."""
        self._gaps = _Steps()
        """From one row of a coin to the next row of the same coin, as distances."""
        self._last_of: dict[str, int] = {}
        self._sources: dict[str, bool] = {}
        self._comma_cells: list[str] = []

    def take(self, lines: Iterable[Line]) -> None:
        """Counts the rows. One without a time is refused when it is played."""
        layout, read, steps = self._layout, self._times.read, self._steps.counts
        delimiter, is_wide = layout.delimiter, layout.is_wide
        last = 0
        for self._rows, (_, text) in enumerate(lines, 1):
            try:
                if is_wide and '"' not in text:
                    at = read(text.partition(delimiter)[0].strip())
                else:
                    cells = cells_of(text, delimiter)
                    at = read(cells[layout.time])
                    if layout.name is not None:
                        self._named(cells[layout.name], at)
                    if layout.source is not None and len(self._sources) < _MOST_SOURCES:
                        self._sources[cells[layout.source]] = True
            except (BadTime, IndexError):
                continue
            if "," in text and (delimiter != "," or '"' in text):
                self._commas(cells_of(text, delimiter))
            step = at - last
            if step in steps:
                steps[step] += 1
            elif last:
                self._steps.add(step, at)
            last = at

    def _named(self, name: str, at: int) -> None:
        known = self._last_of.get(name)
        if known is not None and known != at:
            self._gaps.add(abs(at - known), at)
        if known is not None or len(self._last_of) < _MOST_NAMES:
            self._last_of[name] = at

    def _commas(self, cells: list[str]) -> None:
        """Remembers a few prices with a comma, and each kind of them."""
        layout = self._layout
        found = cells[1:] if layout.price is None else cells[layout.price : layout.price + 1]
        kinds = [cell for cell in found if "," in cell]
        if kinds and (len(self._comma_cells) < _PEEK or writes_commas(self._comma_cells) is None):
            self._comma_cells = [*self._comma_cells[-_PEEK:], *kinds[:_PEEK]]

    def survey(self, path: Path, skipped: int) -> Survey:
        """What was found."""
        has_comma = writes_commas(self._comma_cells)
        if has_comma is None:
            found = self._comma_cells[0]
            what = f"prices such as {found!r} may have thousands or decimals after the comma"
            raise UnreadableTape(f"{path}: {what}; write them with a decimal point and without thousands")
        later, older = self._steps.signs()
        is_newest_first = older > later
        gaps = self._gaps if self._layout.name is not None else self._steps
        spacing = gaps.median()
        hole, holes = None, 0
        if spacing is not None:
            hole, holes = self._steps.beyond(gaps.usual(spacing), is_newest_first=is_newest_first)
        return Survey(
            layout=self._layout,
            skipped=skipped,
            rows=self._rows,
            units=tuple(self._times.units),
            has_comma=has_comma,
            late_rows=older,
            is_newest_first=is_newest_first,
            spacing=timedelta(microseconds=spacing) if spacing is not None else None,
            sources=tuple(filter(None, self._sources)),
            hole=hole,
            holes=holes,
        )


class _Steps:
    """Distances in time, in microseconds: how often each stood there, and where the longest was."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self._longest = [(0, 0), (0, 0)]
        """Forward and backward: the distance, and the later of the two times."""

    def add(self, step: int, at: int) -> None:
        """A step that ends at a time. Rare distances are rounded when there are too many of them to remember each."""
        if abs(step) > self._longest[step < 0][0]:
            self._longest[step < 0] = (abs(step), max(at, at - step))
        if step not in self.counts and len(self.counts) >= _MOST_GAPS:
            unit = 10 ** max(len(str(abs(step))) - 2, 0)
            step = step // unit * unit
        self.counts[step] += 1

    def signs(self) -> tuple[int, int]:
        """How many steps lead forward, and how many back."""
        back = sum(count for step, count in self.counts.items() if step < 0)
        return self.counts.total() - back - self.counts.get(0, 0), back

    def median(self) -> int | None:
        """Of the distances between two different times."""
        distances: Counter[int] = Counter()
        for step, count in self.counts.items():
            if step:
                distances[abs(step)] += count
        half = (distances.total() + 1) // 2
        for distance, count in sorted(distances.items()):
            half -= count
            if half <= 0:
                return distance
        return None

    def usual(self, median: int) -> int:
        """The longest distance that is no gap: rows of a regular tape come at their time, others as the market moves."""
        same = self.counts.get(median, 0) + self.counts.get(-median, 0)
        is_regular = same >= (self.counts.total() - self.counts.get(0, 0)) * _REGULAR
        return median * 3 // 2 if is_regular else median * 20

    def beyond(self, usual: int, *, is_newest_first: bool) -> tuple[Hole | None, int]:
        """The longest of those that are longer than usual, and how many there are."""
        longest, end = self._longest[is_newest_first]
        if longest <= usual:
            return None, 0
        sign = -1 if is_newest_first else 1
        holes = sum(count for step, count in self.counts.items() if step * sign > usual)
        return Hole(time_at(end - longest), time_at(end)), max(holes, 1)


def clock_of(layout: TapeLayout) -> Times:
    """The reader of a layout's times."""
    return Times(is_utc="utc" in layout.header[layout.time].lower())
