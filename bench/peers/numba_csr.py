"""numba over groups in rows (CSR): the obvious kernel. Group by group, position by position, looking prices up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from bench.book import LINES, TIERS, Book, Floats, Ints
from bench.contender import Stages, Tick


@njit(nogil=True, cache=True)
def sweep(held: Any, owed: Any, tables: Any, lines: Any, profile: Any, stage: Any, ltv: Any, changed: Any) -> int:
    """Values every group; `held` and `owed` are (start, asset, quantity), `tables` of assets. Returns how many changed."""
    start, asset, quantity = held
    debt_start, debt_asset, owes = owed
    usd, first, small, slope, intercept = tables
    n = 0
    for g in range(len(start) - 1):
        counted = 0.0
        for j in range(start[g], start[g + 1]):
            a, q = asset[j], quantity[j]
            if q <= small[a]:
                counted += q * first[a]
            else:
                value = q * usd[a]
                least = slope[a, 1] * value + intercept[a, 1]
                for k in range(2, TIERS):
                    least = min(least, slope[a, k] * value + intercept[a, k])
                counted += least
        debt = 0.0
        for j in range(debt_start[g], debt_start[g + 1]):
            debt += owes[j] * usd[debt_asset[j]]
        reached = 0
        for k in range(4):
            reached += debt >= lines[profile[g], k] * counted
        ltv[g] = debt / counted
        if reached != stage[g]:
            stage[g] = reached
            changed[n] = g
            n += 1
    return n


class NumbaCsr:
    """One thread; what the first tier recognises is multiplied out once per asset."""

    def __init__(self, book: Book) -> None:
        held, owed = book.collateral, book.debts
        self._book = book
        self._held = (held.start, held.asset, held.quantity)
        self._owed = (owed.start, owed.asset, owed.quantity)
        self._stage, self._ltv = np.zeros(len(book), np.int8), np.zeros(len(book))
        self._changed = np.zeros(len(book), np.int64)

    def tick(self, tick: Tick) -> Ints:
        slope, intercept = self._book.market.lines
        tables = (tick.usd, tick.usd * slope[:, 0], self._book.market.bounds / tick.usd, slope, intercept)
        n = sweep(
            self._held, self._owed, tables, LINES, self._book.profile, self._stage, self._ltv, self._changed
        )  # fmt: skip
        return self._changed[:n]

    def answers(self) -> tuple[Stages, Floats]:
        return self._stage, self._ltv

    def close(self) -> None:
        pass


def build(book: Book) -> NumbaCsr:
    """Compiles on the first tick, from the cache if there is one."""
    return NumbaCsr(book)
