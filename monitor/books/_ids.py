"""A set of whole numbers, most of which follow each other: the ids of rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class SeenIds:
    """Kept as ranges with both ends, so that a million ids in a row are two numbers."""

    def __init__(self, ranges: Iterable[Iterable[int]] = ()) -> None:
        self._ranges = sorted([low, high] for low, high in ranges)

    def __contains__(self, id: int) -> bool:
        i = bisect_right(self._ranges, [id, _MOST]) - 1
        return i >= 0 and id <= self._ranges[i][1]

    def add(self, id: int) -> None:
        """Adds an id."""
        if id in self:
            return
        i = bisect_right(self._ranges, [id, _MOST])
        touches_left = i > 0 and self._ranges[i - 1][1] == id - 1
        touches_right = i < len(self._ranges) and self._ranges[i][0] == id + 1
        if touches_left and touches_right:
            self._ranges[i - 1][1] = self._ranges.pop(i)[1]
        elif touches_left:
            self._ranges[i - 1][1] = id
        elif touches_right:
            self._ranges[i][0] = id
        else:
            self._ranges.insert(i, [id, id])

    def forget(self, up_to: int) -> None:
        """Drops all ids up to this one."""
        self._ranges = [[max(low, up_to + 1), high] for low, high in self._ranges if high > up_to]

    def ranges(self) -> list[tuple[int, int]]:
        """In order."""
        return [(low, high) for low, high in self._ranges]


_MOST = 1 << 64
