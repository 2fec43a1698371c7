"""Interest as a function of time, never a counter (decision 7; rules 22, 24 and 25).

Each 00:00 UTC after a loan was put adds a day's interest on its principal. Where a product accrues by the hour or the minute,
each hour or minute adds its part to flexible loans. The version in force at such an instant gives its rate and its late
factor; an instant after maturity counts `late_interest_factor` times (reading A12). The version in force when the loan was
opened says which days are free of interest (rules 32 and 33): an old loan keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from monitor.core.instants import EPOCH
from monitor.core.loans.group import Loan
from monitor.core.loans.rate_curve import RateCurve, RateSums, first_from, number_of
from monitor.core.money import ONE, ZERO, exact
from monitor.core.rules.product import DAY, Product, Version

SETTLING = timedelta(hours=1)
"""Daily interest is computed between 00:00 and 01:00 UTC: until then a day's step may still be corrected (reading A11)."""


def interest(loan: Loan, product: Product, day: date, minute: int = 0) -> Decimal:
    """Accrued and unpaid interest in the loan's coin up to and including a minute of a day. Exact."""
    first, last = (loan.since, loan.minute), (day, minute)
    if last <= first or not loan.principal:
        return loan.interest
    return loan.interest + loan.principal * _index(loan, product, instant(*first), instant(*last))


def _index(loan: Loan, product: Product, after: datetime, until: datetime) -> Decimal:
    """The sum of rates over the instants of (after, until] at which interest is added, late ones weighted."""
    period = DAY if loan.rate.daily is not None else product.period
    opened = product.version_at(loan.opened_at)
    if opened.is_interest_free:
        return ZERO
    start, end = number_of(after, period), number_of(until, period)
    if free := opened.free_days.get(loan.asset, 0):
        # The day of borrowing is the first of the free ones, whatever its hour.
        charged_from = midnight(loan.opened_at.date() + timedelta(days=free))
        start = max(start, first_from(charged_from, period) - 1)
        if start >= end:
            return ZERO
    # The last instant that is not late is that of the maturity itself.
    timely = end if loan.matures_at is None else min(max(number_of(loan.matures_at, period), start), end)
    if loan.rate.daily is not None:
        late = _curve(product, None, is_late=True).total(timely, end) if timely < end else ZERO
        return loan.rate.daily * (timely - start + late)
    is_cheaper = loan.rate.paid_in is not None
    total = _curve(product, loan.asset, is_cheaper=is_cheaper).total(start, timely)
    if timely < end:
        total += _curve(product, loan.asset, is_cheaper=is_cheaper, is_late=True).total(timely, end)
    return total


def _curve(product: Product, asset: str | None, *, is_cheaper: bool = False, is_late: bool = False) -> RateSums:
    """The rate of a coin per period, times the late factor and the discount of the version in force. Worked out once.

    Without an asset the rate is one: such a loan has a rate of its own.
    """
    key = asset, is_cheaper, is_late
    curve: RateSums | None = product.curves.get(key)
    if curve is None:
        with exact():
            curve = _worked_out(product, asset, is_cheaper, is_late)
            product.curves[key] = curve
    return curve


def _worked_out(product: Product, asset: str | None, is_cheaper: bool, is_late: bool) -> RateSums:
    period = DAY if asset is None else product.period
    line = None if asset is None else timeline(product, asset)

    def figure(version: Version, rate: Decimal) -> Decimal:
        cheaper = rate * (ONE - version.paid_in_discount) if is_cheaper else rate
        return cheaper * version.late_interest_factor if is_late else cheaper

    times = sorted({*(v.effective for v in product.versions), *(line.times if line else ())})
    figures = [figure(product.version_at(at), line.at(at) if line else ONE) for at in (times[0] - DAY, *times)]
    return RateSums(figures[0], zip((first_from(at, period) for at in times), figures[1:], strict=True))


def timeline(product: Product, asset: str) -> RateCurve:
    """A coin's flexible rates over time; for reading only."""
    found: RateCurve | None = product.curves.get(asset)
    if found is None:
        found = RateCurve(product, asset)
        product.curves[asset] = found
    return found


def rate_at(loan: Loan, product: Product, at: datetime) -> Decimal:
    """The loan's rate per period at an instant; a coin that a version no longer lists keeps the rate it had before."""
    if loan.rate.daily is not None:
        return loan.rate.daily
    rate = timeline(product, loan.asset).at(at)
    return rate if loan.rate.paid_in is None else rate * (ONE - product.version_at(at).paid_in_discount)


def daily_rate(loan: Loan, product: Product, at: datetime) -> Decimal:
    """The loan's rate at an instant, times the periods of a day."""
    rate = rate_at(loan, product, at)
    return rate if loan.rate.daily is not None else rate * (DAY // product.period)


def settled(product: Product, at: datetime) -> int:
    """The number of the last instant whose interest is fixed at a time: an hour after 00:00 where interest is daily."""
    last = number_of(at, product.period)
    return last - 1 if is_settling(product, at) else last


def is_settling(product: Product, at: datetime) -> bool:
    """The day's interest may still be corrected (reading A11)."""
    return product.period == DAY and (at - EPOCH) % DAY < SETTLING


def next_accrual(products: Iterable[Product], after: datetime) -> datetime:
    """The next instant at which interest is added by some product. Every period is a whole part of a day."""
    period = min((p.period for p in products), default=DAY)
    return EPOCH + ((after - EPOCH) // period + 1) * period


def accrues_at(product: Product, at: datetime) -> bool:
    """The product adds interest at that instant."""
    return not (at - EPOCH) % product.period


def midnight(day: date) -> datetime:
    """00:00 UTC that begins a day."""
    return datetime.combine(day, time(), UTC)


def instant(day: date, minute: int) -> datetime:
    """That minute of a day, UTC."""
    return midnight(day) + timedelta(minutes=minute)
