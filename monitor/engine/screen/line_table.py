"""The lines of all groups: a table of the few distinct pairs, and by row the place of its pair."""

from __future__ import annotations

import numpy as np

from monitor.engine.screen import kernels
from monitor.engine.screen.arrays import LinePairs, PairSlots

NEVER, ALWAYS = (-np.inf, np.inf), (1e300, 0.0)
"""The pairs at DEAD and UNWATCHED."""
PAIRS = 1 << 10
"""Room at the start: stages x products x warnings are tens. It doubles when full: groups may have thresholds of their own."""


class LineTable:
    """Distinct pairs of lines, guard included. The kernels read `lines`, and enter into `pairs`."""

    def __init__(self) -> None:
        self._reset(PAIRS)

    @property
    def nbytes(self) -> int:
        return self.lines.low.nbytes + self.lines.high.nbytes + self.pairs.slots.nbytes

    def _reset(self, pairs: int) -> None:
        self.lines = LinePairs(np.empty(pairs), np.empty(pairs))
        self.lines.low[:2], self.lines.high[:2] = (NEVER[0], ALWAYS[0]), (NEVER[1], ALWAYS[1])
        self.pairs = PairSlots(np.zeros(2 * pairs, np.uint32), np.array([2]))

    def grow(self) -> None:
        """Twice the room. Every pair keeps its place, which the rows have noted."""
        old, used = self.lines, int(self.pairs.used[0])
        self._reset(2 * old.low.size)
        kernels.enter_pairs(old.low[2:used], old.high[2:used], self.lines, *self.pairs)
