"""Plain Python with floats: what a small team writes first. A list of groups, a loop, the tiers of the product file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.book import LINES, SCALE, Book, Floats
from bench.contender import Stages, Tick, tuples


class Group(NamedTuple):
    """(asset, quantity) of what is held and owed, and the four lines."""

    held: list[tuple[int, float]]
    owed: list[tuple[int, float]]
    lines: list[float]


class PythonFloat:
    """No array anywhere."""

    def __init__(self, book: Book) -> None:
        lines = LINES.tolist()
        held, owed = tuples(book.collateral, _quantity), tuples(book.debts, _quantity)
        self._groups = [Group(h, o, lines[p]) for h, o, p in zip(held, owed, book.profile.tolist(), strict=True)]
        self._ladders = [
            [(float("inf") if bound is None else float(bound), share / 10_000) for bound, share in ladder]
            for ladder in book.market.ladders
        ]
        self._stage, self._ltv = [0] * len(book), [0.0] * len(book)

    def tick(self, tick: Tick) -> list[int]:
        usd, ladders, stages, ltvs = tick.usd.tolist(), self._ladders, self._stage, self._ltv
        changed = []
        for g, (held, owed, lines) in enumerate(self._groups):
            counted = 0.0
            for asset, quantity in held:
                value, floor = quantity * usd[asset], 0.0
                for bound, share in ladders[asset]:
                    if value <= bound:
                        counted += (value - floor) * share
                        break
                    counted += (bound - floor) * share
                    floor = bound
            debt = 0.0
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
        return np.array(self._stage, np.int8), np.array(self._ltv)

    def close(self) -> None:
        pass


def _quantity(units: int) -> float:
    return units / SCALE


def build(book: Book) -> PythonFloat:
    """Makes one tuple a position."""
    return PythonFloat(book)
