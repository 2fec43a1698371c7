"""The lines of all groups: a table of the few distinct pairs, and by row the place of its pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.engine.columns.fields import I64, U32
from monitor.engine.screen import kernels
from monitor.engine.screen.arrays import LinePairs

NEVER, ALWAYS = (-np.inf, np.inf), (1e300, 0.0)
"""The pairs at DEAD and UNWATCHED."""
PAIRS = 1 << 10
"""Room at the start: stages x products x warnings are tens. It doubles when full: groups may have thresholds of their own."""


class LineTable:
    """Distinct pairs of lines, guard included. The kernels read `lines`."""

    def __init__(self) -> None:
        self._reset(PAIRS)

    def watch(self, told: Callable[[int, U32, I64], int], count: int) -> None:
        """Gives `count` rows their lines: `told` goes on from the one at a place, by the hash of this table, and returns how
        many are done."""
        done = 0
        while (done := told(done, self._slots, self._used)) < count:
            assert done >= 0, "a row of no block"
            self._grow()

    @property
    def nbytes(self) -> int:
        return self.lines.low.nbytes + self.lines.high.nbytes + self._slots.nbytes

    def _reset(self, pairs: int) -> None:
        self.lines = LinePairs(np.empty(pairs), np.empty(pairs))
        self.lines.low[:2], self.lines.high[:2] = (NEVER[0], ALWAYS[0]), (NEVER[1], ALWAYS[1])
        self._slots = np.zeros(2 * pairs, np.uint32)
        self._used = np.array([2])

    def _grow(self) -> None:
        """Twice the room. Every pair keeps its place, which the rows have noted."""
        old, used = self.lines, int(self._used[0])
        self._reset(2 * old.low.size)
        kernels.enter_pairs(old.low[2:used], old.high[2:used], self.lines, self._slots, self._used)
