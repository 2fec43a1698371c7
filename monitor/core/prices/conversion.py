"""What a quote coin is worth in USD: a stated number, or the price of an asset."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from monitor.core.money import EXACT, number
from monitor.core.prices.frame_columns import FrameColumns
from monitor.core.prices.quote import GOOD, MISSING, USDT


class Conversion:
    """The rate of USDT as it is configured, and cross rates by way of any priced coin (decision 42)."""

    def __init__(self, stated: str, columns: FrameColumns) -> None:
        self.asset = next(iter(self.assets_of(stated)), None)
        """The asset whose price converts USDT; None where a number is stated."""
        self._number = None if self.asset is not None else number(stated)
        self._columns = columns

    @staticmethod
    def assets_of(stated: str) -> tuple[str, ...]:
        """The asset whose price converts USDT, where one is stated in place of a number."""
        return (stated,) if stated[:1].isalpha() else ()

    @property
    def rate(self) -> Decimal | None:
        """What one USDT is worth; None while its asset has no price in USD."""
        if self.asset is None:
            return self._number
        place = self._columns.find(self.asset)
        mark = None if place is None else self._columns.mark(place)
        return mark.quote_price if mark is not None and mark.quote == "USD" else None

    def worth(self, price: Decimal, quote: str) -> Decimal | None:
        """A price in USD; None while its quote coin has none."""
        factor = self._columns.factor(quote)
        return None if factor is None else EXACT.multiply(price, factor)

    def trust(self, quote: str) -> str:
        """Whether the conversion of a quote coin may be believed."""
        columns = self._columns
        if quote == USDT:
            return GOOD if self.asset is None else columns.trust(columns.index[self.asset])
        if quote == "USD":
            return GOOD
        place = columns.find(quote)
        if place is None:
            return MISSING
        own, of = columns.trust(place), columns.quote(place)
        return own if own != GOOD or of != USDT else self.trust(USDT)

    def follow(self, changed: Iterable[str]) -> set[str]:
        """Assets whose value in USD moves with that of these."""
        moved = set(changed)
        if self.asset in moved:
            moved.update([USDT], self.quoted_in(USDT))
        for asset in moved & self._columns.bases:
            moved.update(self.quoted_in(asset))
        return moved

    def quoted_in(self, quote: str) -> list[str]:
        """Assets whose price is quoted in a coin."""
        columns = self._columns
        return [name for place, name in enumerate(columns.names) if columns.quote(place) == quote]
