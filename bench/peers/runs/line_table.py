"""The lines of all groups: a table of the few distinct pairs, and by row the place of its pair."""

from __future__ import annotations

import numpy as np

from bench.peers.runs import kernels
from bench.peers.runs.arrays import GUARD, LinePairs
from monitor.engine.columns.fields import F64, I64, U32

NEVER, ALWAYS = (-np.inf, np.inf), (1e300, 0.0)
"""The pairs at DEAD and UNWATCHED."""
PAIRS = 1 << 10
"""Room at the start: stages x products x warnings are tens. It doubles when full: groups may have thresholds of their own."""


class LineTable:
    """Distinct pairs of lines, guard included. The kernels read `lines`."""

    def __init__(self) -> None:
        self._reset(PAIRS)

    def watch(self, rows: I64, low: F64, high: F64, band: U32) -> None:
        """Gives rows their lines: suspect at or below `low`, at or above `high`. Below 0 a low is none, inf is no high."""
        low = np.where(low < 0.0, -np.inf, low * (1.0 + GUARD))
        high = high * (1.0 - GUARD)
        done = 0
        while (done := kernels.watch(rows, low, high, done, band, self.lines, self._slots, self._used)) < rows.size:
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
        places = np.arange(used - 2)
        kernels.watch(
            places, old.low[2:used], old.high[2:used], 0, np.empty(used, np.uint32), self.lines, self._slots, self._used
        )
