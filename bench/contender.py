"""What every contender does: value all groups at new prices, and say whose stage changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from bench.book import SCALE, Book, Floats, Ints, Positions, exact_ltv, exact_usd, market, walk

Stages = npt.NDArray[np.int8]
"""How many of its four lines a group's LTV has reached, by group."""
N = TypeVar("N", float, Decimal)
CLOSE = 1e-11
"""How far two LTVs may differ: sums of up to 24 products, added up in another order."""


class Tick(NamedTuple):
    """One price for every asset, in the form that a contender takes without work of its own."""

    usd: Floats
    exact: list[Decimal]


class Contender(Protocol):
    """One way to sweep a book. Keeps the stages between ticks; closed when the rounds are over."""

    def tick(self, tick: Tick) -> Sequence[int] | Ints:
        """Values all groups, keeps stage and LTV of each; returns those whose stage changed. This is what is timed."""
        ...

    def answers(self) -> tuple[Stages, Floats]:
        """(stage, LTV) of every group after the last tick."""
        ...

    def close(self) -> None:
        """Ends whatever still runs."""
        ...


Build = Callable[[Book], Contender]


def ticks(count: int, seed: int = 3, sigma: float = 0.002) -> list[Tick]:
    """A market's walk from the book's own prices: all prices are new in every tick."""
    rng, price = np.random.default_rng(seed), market().price
    found = []
    for _ in range(count):
        found.append(Tick(price / SCALE, exact_usd(price)))
        price = walk(price, rng, sigma)
    return found


def check_same(
    name: str, found: tuple[Sequence[int] | Ints, Stages, Floats], right: tuple[Ints, Stages, Floats]
) -> None:
    """Asserts that a contender gave the right answers: (changed groups, stages, LTVs)."""
    differ = np.flatnonzero(found[1] != right[1])
    assert not len(differ), f"{name}: stage of {len(differ)} groups is wrong, the first is group {differ[0]}"
    far = np.flatnonzero(~(np.abs(found[2] - right[2]) <= CLOSE * right[2]))
    assert not len(far), f"{name}: LTV of {len(far)} groups is wrong, the first is group {far[0]}"
    changed = np.sort(np.asarray(found[0], np.int64))
    assert np.array_equal(changed, right[0]), f"{name}: {len(changed)} groups changed, right is {len(right[0])}"


def check_exact(book: Book, tick: Tick, stages: Stages, lines_bp: Ints, sample: Ints) -> None:
    """Asserts the stages of some groups in Decimal."""
    for g in sample.tolist():
        debt, counted = exact_ltv(book, g, tick.exact)
        stage = sum(debt * 10_000 >= int(line) * counted for line in lines_bp[book.profile[g]])
        assert stage == stages[g], f"stage of group {g} is {stages[g]}, in Decimal it is {stage}"


def tuples(held: Positions, number: Callable[[int], N]) -> list[list[tuple[int, N]]]:
    """Positions as Python holds them: a list of (asset, quantity) for every group."""
    pairs = list(zip(held.asset.tolist(), map(number, held.units.tolist()), strict=True))
    return [pairs[a:b] for a, b in pairwise(held.start.tolist())]
