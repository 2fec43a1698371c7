"""Flat arrays in which each block has a stretch: it can be replaced, made larger or dropped.

A stretch that no longer fits in its place moves to the end. When the end is reached, or a quarter of the arrays is holes, all
stretches are copied to fresh arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import numpy as np

from monitor.engine.columns.fields import I64

HOLES = 4
"""One part in this many may be holes before all is copied. A copy of 100 MB takes 50 ms, so it must be rare."""

LINE = 64
"""Bytes of a cache line."""
LARGE, LARGE_PAGE = 1 << 22, 1 << 21
"""From so many bytes on numpy asks for large pages; and how large these are."""

C = TypeVar("C", bound=tuple[Any, ...])


class Arena(Generic[C]):
    """Parallel arrays. `first` says where the stretch of each block begins."""

    def __init__(self, columns: C, size: int) -> None:
        """`columns`: an array of each kind."""
        self.columns: C = _empty(columns, size)
        self.first: I64 = np.zeros(0, np.int64)
        self.end = 0
        """Nothing beyond it was written."""
        self._room: I64 = np.zeros(0, np.int64)

    def take(self, number: int, size: int) -> None:
        """Gives a block a stretch that is large enough, its own or one at the end. What was in it is gone."""
        if size <= self._room[number]:
            return
        self.free(number)
        if not self._fits(size):
            self._copy(size)
        self.first[number], self._room[number] = self.end, size
        self.end += size

    def make_room(self, blocks: int) -> None:
        """Room for so many blocks."""
        self.first, self._room = _longer(self.first, blocks), _longer(self._room, blocks)

    def free(self, number: int) -> None:
        """Gives a stretch back. That of the last block may grow where it is: it is the one that grows."""
        if self.first[number] + self._room[number] == self.end:
            self.end = int(self.first[number])
        self.first[number] = 0
        self._room[number] = 0

    def stretch(self, number: int, size: int) -> slice:
        """The first `size` places of a block."""
        return slice(int(self.first[number]), int(self.first[number]) + size)

    def _fits(self, size: int) -> bool:
        are_few = self.end - int(self._room.sum()) <= self.end // HOLES
        return self.end + size <= len(self.columns[0]) and are_few

    def _copy(self, size: int) -> None:
        old, have = self.columns, len(self.columns[0])
        self.columns = _empty(old, max(have, 2 * (int(self._room.sum()) + size)))
        self.end = 0
        for number in np.flatnonzero(self._room).tolist():
            there = self.stretch(number, int(self._room[number]))
            self.first[number] = self.end
            self.end += there.stop - there.start
            for before, after in zip(old, self.columns, strict=True):
                after[self.stretch(number, there.stop - there.start)] = before[there]


def each(columns: C, how: Callable[[Any], Any]) -> C:
    """The same columns, each as `how` makes it."""
    kind: Any = type(columns)
    return cast("C", kind(*map(how, columns)))


def joined(first: C, second: C) -> C:
    """Columns one after the other."""
    kind: Any = type(first)
    return cast("C", kind(*map(np.concatenate, zip(first, second, strict=True))))


def side_by_side(*columns: tuple[int, Any], fill: Callable[..., Any] = np.empty, least: int = 0) -> tuple[Any, ...]:
    """Arrays of so many items of a kind in one piece of memory, each from the start of a cache line, so that eight floats
    never lie in two. What is in them is undefined, unless `fill` is np.zeros.

    Small columns lie in large pages too then, if all of it has LARGE bytes, or at `least` so many are asked for: with cold
    caches, to find a page costs more than to read from it.
    """
    sizes = [size * np.dtype(kind).itemsize for size, kind in columns]
    starts = np.cumsum([0, *(-(-size // LINE) * LINE for size in sizes)]).tolist()
    size = max(starts[-1], least)
    unit = LARGE_PAGE if size >= LARGE else LINE
    raw = fill(size + unit, np.uint8)
    first = -raw.ctypes.data % unit
    return tuple(
        raw[first + start : first + start + count].view(kind)
        for (_, kind), start, count in zip(columns, starts, sizes, strict=False)
    )


def _empty(columns: C, size: int) -> C:
    kind: Any = type(columns)
    return cast("C", kind(*side_by_side(*((size, column.dtype) for column in columns), least=LARGE)))


def _longer(column: I64, size: int) -> I64:
    longer = np.zeros(size, np.int64)
    longer[: len(column)] = column
    return longer
