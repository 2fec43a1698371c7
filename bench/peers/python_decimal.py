"""Plain Python with Decimal: the same loop, exact, over the whole book in every tick."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from bench.book import LINES_BP, Book, Floats
from bench.contender import Stages, Tick, tuples

ZERO = Decimal(0)


class Group(NamedTuple):
    """(asset, quantity) of what is held and owed, and the four lines."""

    held: list[tuple[int, Decimal]]
    owed: list[tuple[int, Decimal]]
    lines: list[Decimal]


class PythonDecimal:
    """28 digits, the default, which nothing here exceeds in a way that moves a stage."""

    def __init__(self, book: Book) -> None:
        lines = [[Decimal(bp) / 10_000 for bp in profile] for profile in LINES_BP.tolist()]
        held, owed = tuples(book.collateral, _quantity), tuples(book.debts, _quantity)
        self._groups = [Group(h, o, lines[p]) for h, o, p in zip(held, owed, book.profile.tolist(), strict=True)]
        self._ladders = [
            [(Decimal("Infinity" if bound is None else bound), Decimal(share) / 10_000) for bound, share in ladder]
            for ladder in book.market.ladders
        ]
        self._stage, self._ltv = [0] * len(book), [ZERO] * len(book)

    def tick(self, tick: Tick) -> list[int]:
        usd, ladders, stages, ltvs = tick.exact, self._ladders, self._stage, self._ltv
        changed = []
        for g, (held, owed, lines) in enumerate(self._groups):
            counted = ZERO
            for asset, quantity in held:
                value, floor = quantity * usd[asset], ZERO
                for bound, share in ladders[asset]:
                    if value <= bound:
                        counted += (value - floor) * share
                        break
                    counted += (bound - floor) * share
                    floor = bound
            debt = ZERO
            for asset, quantity in owed:
                debt += quantity * usd[asset]
            stage = 0
            for line in lines:
                if debt < line * counted:
                    break
                stage += 1
            ltvs[g] = debt / counted
            if stage != stages[g]:
                stages[g] = stage
                changed.append(g)
        return changed

    def answers(self) -> tuple[Stages, Floats]:
        return np.array(self._stage, np.int8), np.array(self._ltv, np.float64)

    def close(self) -> None:
        pass


def _quantity(units: int) -> Decimal:
    return Decimal(units).scaleb(-8)


def build(book: Book) -> PythonDecimal:
    """Makes one Decimal and one tuple a position."""
    return PythonDecimal(book)
