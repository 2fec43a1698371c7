"""Our own kernels on the book of the benchmark, through the screen that the monitor uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from bench.book import ASSETS, LINES, Book, Floats, Ints, Positions
from bench.contender import Stages, Tick
from monitor.engine.screen.screen import BlockSide, FastScreen

BLOCK = 8192
"""Groups of a block; with all blocks but the last full, a group's row is its number."""

# The next line above and below a stage, by profile: a group is looked at again when its LTV leaves what lies between.
HIGH = np.c_[LINES, np.full(len(LINES), np.inf)]
LOW = np.c_[np.full(len(LINES), -1.0), LINES]


class Ours:
    """Screens all groups, decides the few that the screen names, moves their lines."""

    def __init__(self, book: Book, threads: int = 1, screen: Any = None) -> None:
        """`screen`: one that takes the place of the monitor's."""
        self._profile = book.profile
        self._stage = np.zeros(len(book), np.int8)
        self._trusted = np.zeros(ASSETS, np.uint8)
        ladders = [
            [(np.inf if bound is None else float(bound), share / 10_000) for bound, share in ladder]
            for ladder in book.market.ladders
        ]
        self.screen: FastScreen = FastScreen(threads) if screen is None else screen
        self.screen.instruments(np.arange(ASSETS, dtype=np.uint16), ladders)
        for number, begin in enumerate(range(0, len(book), BLOCK)):
            end = min(begin + BLOCK, len(book))
            held, owed = _side(book.collateral, begin, end), _side(book.debts, begin, end)
            self.screen.put_block(number, end - begin, held, owed, NOTHING)
        self._watch(np.arange(len(book)), self._stage)

    def sweep(self, tick: Tick, moved: Sequence[int] | None = None) -> Ints:
        """The screen alone, over all groups or those of some assets: the groups to look at."""
        return self.screen.suspects(moved, tick.usd, self._trusted)

    def tick(self, tick: Tick, moved: Sequence[int] | None = None) -> Ints:
        return self.decide(self.sweep(tick, moved))

    def decide(self, rows: Ints) -> Ints:
        """Takes the stages of groups that a sweep named; returns those whose stage changed."""
        debt, counted, _ = self.screen.weighed(rows)
        changed, low, high = stages(rows, debt, counted, LINES, self._profile, self._stage, LOW, HIGH)
        if changed.size:
            self.screen.watch(changed, low, high)
        return changed

    def answers(self) -> tuple[Stages, Floats]:
        n = len(self._stage)
        return self._stage, self.screen.debt[:n] / self.screen.recognised[:n]

    def close(self) -> None:
        pass

    def _watch(self, rows: Ints, stage: Stages) -> None:
        self.screen.watch(rows, LOW[self._profile[rows], stage], HIGH[self._profile[rows], stage])


@njit(nogil=True, cache=True)
def stages(
    rows: Ints, debt: Floats, counted: Floats, lines: Ints, profile: Any, stage: Stages, low: Floats, high: Floats
) -> tuple[Ints, Floats, Floats]:
    """Moves these rows to their stages; returns those that changed, and between which LTVs they are calm now. Compiled, as
    the peers' deciding is."""
    changed, least, most = np.empty(rows.size, np.int64), np.empty(rows.size), np.empty(rows.size)
    n = 0
    for k in range(rows.size):
        row, reached = rows[k], 0
        for line in range(lines.shape[1]):
            reached += debt[k] >= lines[profile[row], line] * counted[k]
        if reached != stage[row]:
            stage[row] = reached
            changed[n], least[n], most[n] = row, low[profile[row], reached], high[profile[row], reached]
            n += 1
    return changed[:n], least[:n], most[:n]


NOTHING = BlockSide(np.empty(0, np.uint16), np.empty(0, np.uint16), np.empty(0))


def _side(positions: Positions, begin: int, end: int) -> BlockSide:
    """What the groups from `begin` to `end` hold or owe."""
    a, b = positions.start[begin], positions.start[end]
    row = (positions.group[a:b] - begin).astype(np.uint16)
    return BlockSide(row, positions.asset[a:b], positions.quantity[a:b])
