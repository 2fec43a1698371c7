"""The sums and the lines of all groups. They lie by seat, as a sweep goes; who asks for a row is led to its seat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from monitor.engine.columns.fields import F64, GROUPS, I64, U8
from monitor.engine.screen import kernels
from monitor.engine.screen.arena import side_by_side
from monitor.engine.screen.arrays import DEAD, ROWS, UNWATCHED, RowSums
from monitor.engine.screen.layout import Layout

ROOM = 32
"""Room for the rows of this many blocks at the start: from there on memory comes in large pages. It doubles when full."""
SEATING_S = 0.0005
"""A block takes that long to be laid."""

T = TypeVar("T", bound=np.generic)


class SeatedFigures:
    """One thread changes them. Others may read `debt`, `recognised` and `blind` meanwhile, by row."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._seatings = 0
        """Odd while groups change seats. A reader that saw it change reads again."""
        self.seats = _seats(ROOM)

    def place(self, rows: I64) -> I64:
        """The seats of rows."""
        return cast("I64", rows & -GROUPS | self._layout.store.seats.of_row[rows])

    @property
    def end(self) -> int:
        """No row is at or beyond it."""
        return _end(self._layout.blocks)

    def make_room(self, number: int) -> None:
        """Room for the block's number."""
        have = self.seats.band.size // GROUPS
        if number < have:
            return
        old, self.seats = self.seats, _seats(max(2 * have, number + 1))
        columns: Any = zip(old, self.seats, strict=True)
        for before, after in columns:
            after[: before.size] = before

    def begin(self, number: int, rows: int, kept: int, lay: Callable[[], None]) -> None:
        """Lays a block whose rows have no figures yet, and no lines from place `kept` on."""
        first, stop = number * GROUPS, (number + 1) * GROUPS
        known = np.arange(first, first + kept)
        lines = self.seats.band[self.place(known)]
        with self._seating():
            self.seats.sums[2 * first : 2 * stop] = 0.0
            self.seats.blind[first:stop] = 0
            lay()
        self.seats.band[first:stop] = DEAD
        self.seats.band[self.place(np.arange(first + kept, first + rows))] = UNWATCHED
        self.seats.band[self.place(known)] = lines

    def move(self, number: int, lay: Callable[[], None]) -> None:
        """Lays a block again. Its rows keep their lines and their figures."""
        rows = number * GROUPS + np.arange(self._layout.store.head[number, ROWS])
        before, sums = self.place(rows), self.seats.sums.reshape(-1, 2)
        band, figures, blind = self.seats.band[before], sums[before], self.seats.blind[before]
        with self._seating():
            lay()
            after = self.place(rows)
            self.seats.band[after], sums[after], self.seats.blind[after] = band, figures, blind

    def debt(self) -> F64:
        """USD debt by row."""
        return self._all(0)

    def recognised(self) -> F64:
        """USD recognised collateral by row, less liabilities."""
        return self._all(1)

    def blind(self) -> U8:
        """Flags by row."""

        def read() -> U8:
            blocks = self._layout.blocks
            found = np.zeros(_end(blocks), np.uint8)
            kernels.flags_by_row(blocks, self._layout.store, self.seats.blind, found)
            return found

        return self._read(read)

    @contextmanager
    def _seating(self) -> Iterator[None]:
        self._seatings += 1
        try:
            yield
        finally:
            self._seatings += 1

    def _read(self, read: Callable[[], NDArray[T]]) -> NDArray[T]:
        """What a reader finds by the seats of rows, all of one seating."""
        while True:
            seating = self._seatings
            if seating % 2 == 0:
                found = read()
                if seating == self._seatings:
                    return found
            sleep(SEATING_S)

    def _all(self, part: int) -> F64:
        def read() -> F64:
            blocks = self._layout.blocks  # before the others, which are never older then
            found = np.zeros(_end(blocks))
            kernels.by_row(blocks, self._layout.store, self.seats.sums, part, found)
            return found

        return self._read(read)


def _end(blocks: I64) -> int:
    return (int(blocks[-1]) + 1) * GROUPS if blocks.size else 0


def _seats(blocks: int) -> RowSums:
    """Room for so many blocks; `begin` fills in those that come. What liabilities take off has memory where there are any."""
    size = blocks * GROUPS
    sums, blind, band = side_by_side((2 * size, np.float64), (size, np.uint8), (size, np.uint32))
    return RowSums(sums, np.zeros(size), blind, band)
