"""Which of several live sources agree about a price (decision 42). Pure and exact."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from monitor.core.money import plain
from monitor.core.prices.quote import Heard

HALF = Decimal("0.5")


class Live(NamedTuple):
    """What a live source says of an asset."""

    heard: Heard
    worth: Decimal
    """The price in USD, so that sources of different quotes compare."""
    rank: int
    """The place in the order of preference."""

    @property
    def source(self) -> str:
        """The name of the feed."""
        return self.heard.source


class Agreement(NamedTuple):
    """Live sources that agree, and those that are left out; none agree where they contradict each other."""

    kept: tuple[Live, ...]
    outliers: tuple[Live, ...] = ()

    @property
    def is_contradiction(self) -> bool:
        """The sources differ, and no majority says which of them is right."""
        return bool(self.outliers) and not self.kept


def agreement(live: Sequence[Live], max_spread: Decimal) -> Agreement:
    """Two sources agree within the spread. Of three or more, those near the median do, if they are more than half."""
    if len(live) < 2:
        return Agreement(tuple(live))
    if len(live) == 2:
        low, high = sorted(each.worth for each in live)
        return Agreement(tuple(live)) if high - low <= max_spread * low else Agreement((), tuple(live))
    middle = median([each.worth for each in live])
    kept = tuple(each for each in live if abs(each.worth - middle) <= max_spread * middle)
    if 2 * len(kept) <= len(live):
        return Agreement((), tuple(live))
    return Agreement(kept, tuple(each for each in live if each not in kept))


def median(worths: Sequence[Decimal]) -> Decimal:
    """The exact middle; of an even number, halfway between the two in the middle."""
    ordered, half = sorted(worths), len(worths) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) * HALF


def named(live: Sequence[Live]) -> str:
    """The sources with their prices, for a sentence."""
    ordered = sorted(live, key=lambda each: (each.rank, each.source))
    return ", ".join(f"{each.source} {plain(each.heard.price)}" for each in ordered)
