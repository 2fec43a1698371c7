"""What is owed on a day, for all loans of a block at once (core.accrual says it exactly, loan by loan)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np

from monitor.core.accrual import interest, midnight
from monitor.core.book import Loan, Rate
from monitor.core.money import ONE, ZERO, exact
from monitor.core.product import Product
from monitor.engine.block import Block
from monitor.engine.columns import F64, I64, Bools
from monitor.engine.names import Names

_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000
_FIXED = 0xFFFF
"""In place of the asset of a loan with a rate of its own."""
_NOT_LATE = 0xFFFF


class DayOfDebts:
    """The sums of daily rates on one day, by what they depend on: few kinds, however many loans there are."""

    def __init__(self, day: date, products: dict[int, Product], names: Names) -> None:
        self.day, self._products, self._names = day, products, names
        self._sums: dict[int, float] = {}
        self._rates = np.zeros(0)

    def hold_for(self, other: DayOfDebts) -> bool:
        """All debts that were taken by these sums are the same by those: of the same day, and by no other rates."""
        return self.day == other.day and all(found == other._sum(key) for key, found in self._sums.items())

    def owed(self, block: Block) -> F64:
        """[l] Principal and interest of each loan of a block, to within a few parts in 10**15."""
        principals = block.principals()
        return principals + block.interests() + principals * self._indexes(block)

    def _indexes(self, block: Block) -> F64:
        """[l] The interest accrued since each loan was put, as a share of its principal."""
        c, rates = block.columns, self._daily_rates()[block.columns.terms]
        is_fixed = ~np.isnan(rates)
        keys = self._keys(block, is_fixed)
        distinct, places = np.unique(keys, return_inverse=True)
        sums = np.array([self._sum(int(key)) for key in distinct], np.float64)
        index = sums[places] if len(c.terms) else np.zeros(0)
        return np.where(is_fixed, index * np.where(is_fixed, rates, 0.0), index)

    def _keys(self, block: Block, is_fixed: Bools) -> I64:
        """[l] Product, asset, first day and last day before lateness in one number of 64 bits."""
        c = block.columns
        product = c.product[block.loan_rows()].astype(np.int64)
        asset = np.where(is_fixed, _FIXED, c.loan_asset).astype(np.int64)
        matures = block.matures(self._names)
        last = np.where(matures >= 0, matures // _DAY_US, np.iinfo(np.int64).max)
        late = np.where(last < (self.day - _EPOCH).days, last, _NOT_LATE)
        since = np.clip(c.since.astype(np.int64), 0, 0xFFFF)
        keys: I64 = product << 48 | asset << 32 | since << 16 | np.clip(late, 0, 0xFFFF)
        return keys

    def _sum(self, key: int) -> float:
        found = self._sums.get(key)
        if found is None:
            asset, since, late = key >> 32 & 0xFFFF, key >> 16 & 0xFFFF, key & 0xFFFF
            found = self._sums[key] = self._exact_sum(self._products[key >> 48], asset, since, late)
        return found

    def _exact_sum(self, product: Product, asset: int, since: int, late: int) -> float:
        """Of a loan of one coin that is of this kind."""
        rate = Rate("fixed", ONE) if asset == _FIXED else Rate("flexible")
        coin = "" if asset == _FIXED else self._names.assets[asset]
        matures_at = midnight(_day(late)) if late != _NOT_LATE else None
        opened_at = datetime(1970, 1, 1, tzinfo=UTC)
        with exact():
            return float(
                interest(Loan("", coin, ONE, ZERO, rate, "30d", opened_at, matures_at, _day(since)), product, self.day)
            )

    def _daily_rates(self) -> F64:
        """By place of terms: the loan's own daily rate; NaN where it is flexible."""
        terms = self._names.terms
        if len(self._rates) < len(terms):
            more = [_rate(terms[i].rate.daily) for i in range(len(self._rates), len(terms))]
            self._rates = np.append(self._rates, more)
        return self._rates


@lru_cache(4096)
def _day(days: int) -> date:
    return _EPOCH + timedelta(days=days)


def _rate(daily: Decimal | None) -> float:
    return float("nan") if daily is None else float(daily)
