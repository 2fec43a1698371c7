"""numpy: value all positions at once, then sum the stretches of every group (reduceat was no slower than bincount)."""

from __future__ import annotations

import numpy as np

from bench.book import LINES, Book, Floats, Ints, recognised
from bench.contender import Stages, Tick


class Staging:
    """Stages by comparing with every line at once; remembers them."""

    def __init__(self, book: Book) -> None:
        self._profile = book.profile
        self._stage, self._ltv = np.zeros(len(book), np.int8), np.zeros(len(book))

    def keep(self, debt: Floats, counted: Floats) -> Ints:
        """Takes debt and recognised collateral by group; returns the groups whose stage changed."""
        self._ltv = debt / counted
        stage = (debt[:, None] >= LINES[self._profile] * counted[:, None]).sum(axis=1).astype(np.int8)
        changed = np.flatnonzero(stage != self._stage)
        self._stage = stage
        return changed

    def answers(self) -> tuple[Stages, Floats]:
        return self._stage, self._ltv

    def close(self) -> None:
        pass


class NumpyReduceat(Staging):
    """Arrays of positions in the order of the groups."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self._market, self._held, self._owed = book.market, book.collateral, book.debts

    def tick(self, tick: Tick) -> Ints:
        held, owed = self._held, self._owed
        counted = recognised(self._market, held.quantity * tick.usd[held.asset], held.asset)
        owes = owed.quantity * tick.usd[owed.asset]
        return self.keep(np.add.reduceat(owes, owed.start[:-1]), np.add.reduceat(counted, held.start[:-1]))


def build(book: Book) -> NumpyReduceat:
    """Nothing is copied."""
    return NumpyReduceat(book)
