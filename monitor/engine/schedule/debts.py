"""What the loans of a block owe at an instant, all at once. Core (loans.interest) says it exactly, loan by loan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.instants import DAY_MINUTES, DAY_US, HOUR_MINUTES, MINUTE_US, day_at, micros_of, time_at
from monitor.core.loans.group import Loan, Rate
from monitor.core.loans.interest import instant, interest, rate_sum
from monitor.core.money import ONE, ZERO, exact
from monitor.core.rules.product import MINUTE, Product
from monitor.engine.columns.agreements import FIRST, Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import F64, I64, NEVER
from monitor.engine.columns.loan_kinds import LATE, LoanKinds, days_of_terms, maturing
from monitor.engine.columns.names import LoanTerms, Names

_FIXED = -1
"""In place of the coin of a loan with a rate of its own."""
_FIXED_IN = -2
"""Less the coin's place: the same, where the days that are free of interest depend on the coin."""
_BELOW_ZERO = 2
_PAID_IN = Rate("flexible", paid_in="BNB")


class _Kind(NamedTuple):
    """What the sum of a loan's rates depends on. Times are minutes since 1970, `opened` microseconds."""

    product: int
    asset: int
    is_cheaper: int
    """1: interest is paid in another coin. _BELOW_ZERO: the loan's own rate is, and earns nothing once it is late."""
    since: int
    late: int
    """After this instant interest is late; -1 where it is not yet."""
    opened: int
    """An opening that stands for all with the same terms since; 0 where the terms do not depend on it."""


class Debts:
    """The sums of rates at one instant, one a kind of loan: there are few kinds, however many loans."""

    def __init__(self, at: datetime, agreements: Agreements, names: Names) -> None:
        products = agreements.products
        self._at = at
        self._agreements = agreements
        self._products = products
        self._names = names
        self._until = {place: product.moment(at) for place, product in products.items()}
        self._instants: dict[int, datetime] = {}
        """By the place of rates: up to where they count."""
        self._minute = micros_of(at) // MINUTE_US
        self._sums: dict[tuple[int, ...], float] = {}
        """By the parts of a _Kind."""
        self._rates = np.zeros(0)
        self._shares = np.zeros(0)
        """By place of the terms: by what a sum of rates counts; 1 for a flexible rate."""
        self._cheaper = np.zeros(0, np.int64)
        self._days = np.zeros(0, np.int64)
        self._by_hour = [place for place, product in products.items() if product.is_late_by_hour]
        self._by_loan = [place for place, product in products.items() if product.by_loan]
        self._openings = {place: found for place, p in products.items() if (found := _Openings.of(p)) is not None}

    def hold_for(self, other: Debts) -> bool:
        """Every debt that was worked out here is the same at the `other` instant.

        If the terms of opening changed, loans of one kind may now be of several, and equal sums prove nothing.
        """
        is_alike = self._until == other._until and _terms(self._openings) == _terms(other._openings)
        # Such interest was worked out loan by loan, and not by these sums.
        is_alike = is_alike and all(other._products[place] is self._products[place] for place in self._by_loan)
        with exact():
            return is_alike and all(found == other._sum(kind) for kind, found in self._sums.items())

    def owed(self, block: Block) -> F64:
        """[l] Principal and interest of each loan of a block, to within a few parts in 10**15."""
        principals = block.principals()
        return principals + self._interest(block, principals)

    def interest(self, block: Block) -> F64:
        """[l] The interest alone."""
        return self._interest(block, block.principals())

    def _interest(self, block: Block, principals: F64) -> F64:
        found = block.interests() + principals * self._indexes(block)
        if self._by_loan:
            self._put_one_by_one(block, found)
        return np.maximum(found, -principals)

    def _put_one_by_one(self, block: Block, found: F64) -> None:
        """Puts in the interest of loans whose interest bears interest: it is no multiple of the principal, as each period
        is rounded. Core works it out loan by loan, and goes on from the instant before."""
        rows = block.loan_rows()
        mine = np.flatnonzero(np.isin(block.columns.product[rows], self._by_loan))
        if not len(mine):
            return
        rules = self._rated(block, block.columns.product[rows[mine]].astype(np.int64), rows[mine]).tolist()
        with exact():
            for place, ruled, loan in zip(
                mine.tolist(), rules, block.loans_at(mine.tolist(), self._names), strict=True
            ):
                product = self._agreements.product(ruled)
                if product is not None:
                    found[place] = float(interest(loan, product, *product.moment(self._at)))

    def _indexes(self, block: Block) -> F64:
        """[l] The interest accrued since each loan was put, as a share of its principal."""
        if not len(block.columns.terms):
            return np.zeros(0)
        self._take_terms()
        known = self._kinds(block)
        found = map(self._sums.get, known.kinds)
        with exact():
            sums = [self._sum(kind) if s is None else s for s, kind in zip(found, known.kinds, strict=True)]
        index: F64 = np.array(sums, np.float64)[known.places]
        index *= self._shares[block.columns.terms]
        return index

    def _kinds(self, block: Block) -> LoanKinds:
        """The kinds of a block's loans, which the block remembers: from midnight to midnight few loans become late."""
        before, under = block.loan_kinds, self._agreements.stated
        if before is None or not before.leads_to(under, self._minute):
            every, matures = np.arange(len(block.columns.terms)), block.matures(self._names)
            found = LoanKinds.of(under, self._minute, self._columns(block, every, matures), matures)
        elif self._minute * MINUTE_US <= before.until:
            return before
        else:
            # A bound on what may be late: whether it is depends on the hours or days that its product counts.
            due = maturing(block.columns, self._days, before, self._minute * MINUTE_US)
            columns = self._columns(block, due.which, due.matures)
            until = min(due.then, int(due.matures[columns[LATE] < 0].min(initial=NEVER)))
            found = before.later(self._minute, until, due.which, columns)
        block.loan_kinds = found
        return found

    def _columns(self, block: Block, some: I64, matures: I64) -> list[I64]:
        """[s] Each part of the kinds of these loans, which mature at `matures` [s]."""
        c = block.columns
        rows = np.searchsorted(c.loans, some, "right") - 1  # few of them: most loans are as late as they were
        product = c.product[rows].astype(np.int64)
        rates, began = self._rates[c.terms[some]], c.since[some]
        is_fixed = ~np.isnan(rates)
        # Interest of a fixed rate is daily, whatever the product.
        periods = np.array([self._period(place) for place in range(len(self._names.products))], np.int64)
        period = _one_if_equal(np.where(is_fixed, DAY_MINUTES, periods[product]))
        step = period
        if self._by_hour:
            step = np.where(np.isin(product, self._by_hour), np.minimum(period, HOUR_MINUTES), period)
        is_late = (matures >= 0) & (matures < self._minute // step * step * MINUTE_US)
        late = np.where(is_late, matures // (step * MINUTE_US) * step, -1)
        # Until it is late, a loan of a daily rate does not depend on the hour since which it is counted.
        since = np.where(is_late, began // step * step, began // period * period)
        coin = c.loan_asset[some].astype(np.int64)
        asset = np.where(is_fixed, _FIXED, coin)
        opened = np.zeros(len(product), np.int64)
        for place, openings in self._openings.items():
            mine = np.flatnonzero(product == place)
            opened[mine] = openings.standing_for(c.opened[some][mine], began[mine])
            asset[mine] = np.where(is_fixed[mine], _FIXED_IN - coin[mine], coin[mine])
        own = np.where(rates < 0, _BELOW_ZERO, 0)
        cheaper = np.where(is_fixed, own, self._cheaper[c.terms[some]])
        return [self._rated(block, product, rows), asset, cheaper, since, late, opened]

    def _rated(self, block: Block, product: I64, rows: I64) -> I64:
        """[s] The place of the rates of the groups in these rows; `product` [s] is that of their products."""
        under = self._agreements.under(block)
        if max(under.places, default=0) < FIRST:
            return product
        return under.mapped(self._agreements.rates_at)[rows]

    def _period(self, place: int) -> int:
        """In minutes. A product that is not configured any more has only dead groups, so any will do."""
        return self._products[place].period // MINUTE if place in self._products else DAY_MINUTES

    def _sum(self, kind: tuple[int, ...]) -> float:
        found = self._sums.get(kind)
        if found is None:
            found = self._exact_sum(_Kind(*kind))
            self._sums[kind] = found
        return found

    def _exact_sum(self, kind: _Kind) -> float:
        """The interest of one coin that is lent like this. Only under `exact`, which costs as much as a sum."""
        product = self._agreements.product(kind.product)
        if product is None or product.by_loan:
            return 0.0
        is_fixed = kind.asset < 0
        sign = -ONE if kind.is_cheaper == _BELOW_ZERO else ONE
        rate = Rate("fixed", sign) if is_fixed else _PAID_IN if kind.is_cheaper else Rate("flexible")
        place = _FIXED_IN - kind.asset if is_fixed else kind.asset
        coin = "" if kind.asset == _FIXED else self._names.assets[place]
        matures_at = None if kind.late < 0 else time_at(kind.late * MINUTE_US)
        until = self._instants.get(kind.product)
        if until is None:
            until = self._instants[kind.product] = instant(*product.moment(self._at))
        after = time_at(kind.since * MINUTE_US)
        if after >= until:
            return 0.0
        day, minute = divmod(kind.since, DAY_MINUTES)
        opened_at = time_at(kind.opened)
        loan = Loan("", coin, ONE, ZERO, rate, "30d", opened_at, matures_at, day_at(day), minute)
        return float(sign * rate_sum(loan, product, after, until))

    def _take_terms(self) -> None:
        """Reads new terms. By place: the daily rate, NaN if flexible, and whether interest is paid in another coin."""
        terms = self._names.terms
        more = [terms[i] for i in range(len(self._rates), len(terms))]
        if more:
            self._rates = np.append(self._rates, [_rate(kind) for kind in more])
            self._shares = np.where(np.isnan(self._rates), 1.0, self._rates)
            self._cheaper = np.append(self._cheaper, [int(kind.rate.paid_in is not None) for kind in more])
            self._days = np.append(self._days, [days_of_terms(kind) for kind in more])


class _Openings:
    """How the interest of a product depends on when loans were opened: some days, or all, may be free of interest."""

    def __init__(self, product: Product) -> None:
        self._effective: I64 = np.array([micros_of(v.effective) for v in product.versions], np.int64)
        self._free = max(max(v.free_days.values(), default=0) for v in product.versions)
        self.terms = [(v.effective, v.free_days, v.is_interest_free) for v in product.versions]

    @staticmethod
    def of(product: Product) -> _Openings | None:
        """None for a product whose interest does not depend on it."""
        is_plain = not any(v.free_days or v.is_interest_free for v in product.versions)
        return None if is_plain else _Openings(product)

    def standing_for(self, opened: I64, since: NDArray[np.int32]) -> I64:
        """[l] An opening, in microseconds, under the same version and on the same day.

        If the free days were over when interest began to count, the day does not matter: one stands for the whole version.
        """
        place = np.maximum(np.searchsorted(self._effective, opened, "right") - 1, 0)
        in_force, day = self._effective[place], opened // DAY_US
        first = np.where(opened < self._effective[0], 0, in_force)
        is_over = (day + self._free) * DAY_MINUTES <= since
        return np.where(is_over, first, np.maximum(first, day * DAY_US))


def _terms(openings: Mapping[int, _Openings]) -> dict[int, list[Any]]:
    return {place: found.terms for place, found in openings.items()}


def _one_if_equal(column: I64) -> I64:
    """A single value for a column that says the same everywhere: dividing by it is several times faster."""
    return column[:1] if len(column) and (column == column[0]).all() else column


def _rate(kind: LoanTerms) -> float:
    return float("nan") if kind.rate.daily is None else float(kind.rate.daily)
