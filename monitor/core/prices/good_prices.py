"""The prices that decided a tick, kept for those who work out its figures later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Protocol

from monitor.core.prices.frame_columns import BoardView
from monitor.core.prices.quote import GOOD, Mark


class PricesThen(Protocol):
    """What figures are made of: the price board, or what is kept of it."""

    @property
    def usd(self) -> Mapping[str, Decimal]: ...

    @property
    def marks(self) -> Mapping[str, Mark]: ...

    @property
    def untrusted(self) -> AbstractSet[str]: ...

    def trust_of(self, asset: str) -> str: ...


class GoodPrices:
    """What a price board says of coins whose prices are all good. It never changes."""

    def __init__(self, usd: Mapping[str, Decimal], marks: Mapping[str, Mark]) -> None:
        self.usd = usd
        self.marks = marks
        self.untrusted: AbstractSet[str] = frozenset()

    @staticmethod
    def of(view: BoardView, coins: Iterable[str]) -> GoodPrices:
        """Those of these coins. One without a price is left out: nothing of it is owed."""
        known = list(coins)
        marks = ((coin, view.marks.get(coin)) for coin in known)
        return GoodPrices(
            {coin: view.usd[coin] for coin in known if coin in view.usd},
            {coin: mark for coin, mark in marks if mark is not None},
        )

    def trust_of(self, asset: str) -> str:
        """As of the board."""
        return GOOD
