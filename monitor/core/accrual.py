"""Interest as a function of time, never a counter (DESIGN section 6; VIP FAQ 22, 24, 25).

Each 00:00 UTC after a loan was put adds a day's interest on its principal; where a product accrues by the hour or the minute,
so does each of those on flexible loans. The rate and the late factor of such an instant are those of the version then in
force; one after maturity counts `late_interest_factor` times (DOMAIN A12). The days that are free of interest are those of
the version in force when the loan was opened (DOMAIN 32, 33): an old loan keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

from monitor.core.book import Loan
from monitor.core.money import ONE, ZERO
from monitor.core.product import DAY, Product

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def interest(loan: Loan, product: Product, day: date, minute: int = 0) -> Decimal:
    """Accrued and unpaid interest in the loan's coin at a minute of a day, that of the instant itself included. Exact."""
    first, last = (loan.since, loan.minute), (day, minute)
    if last <= first or not loan.principal:
        return loan.interest
    return loan.interest + loan.principal * _index(loan, product, _instant(*first), _instant(*last))


def _index(loan: Loan, product: Product, after: datetime, until: datetime) -> Decimal:
    """The sum of rates over the instants of (after, until] at which interest is added, late ones weighted.

    Instants are numbered from 1970 on, one per period.
    """
    period = DAY if loan.rate.daily is not None else product.period
    opened = product.version_at(loan.opened_at)
    if opened.is_interest_free:
        return ZERO
    start, end = (after - _EPOCH) // period, (until - _EPOCH) // period
    if free := opened.free_days.get(loan.asset, 0):
        # The day of borrowing is the first of the free ones, whatever its hour.
        charged_from = midnight(loan.opened_at.date() + timedelta(days=free))
        start = max(start, -((_EPOCH - charged_from) // period) - 1)
        if start >= end:
            return ZERO
    total = ZERO
    cuts = sorted({start, end, *(e for e in _edges(loan, product, period) if start < e < end)})
    for low, high in pairwise(cuts):
        first = _EPOCH + (low + 1) * period
        late = loan.matures_at is not None and first > loan.matures_at
        factor = product.version_at(first).late_interest_factor if late else ONE
        total += rate_at(loan, product, first) * factor * (high - low)
    return total


def _edges(loan: Loan, product: Product, period: timedelta) -> Iterable[int]:
    """Numbers of the instants after which the rate or the lateness of the following ones differs."""
    # The first instant of a version is at its effective time; the last one that is not late at the maturity itself.
    yield from (-((_EPOCH - v.effective) // period) - 1 for v in product.versions)
    if loan.matures_at is not None:
        yield (loan.matures_at - _EPOCH) // period


def rate_at(loan: Loan, product: Product, at: datetime) -> Decimal:
    """The loan's rate per period at an instant; a coin that a version no longer lists keeps the rate it had before."""
    if loan.rate.daily is not None:
        return loan.rate.daily
    in_force = product.version_at(at)
    older = [v for v in product.versions if v.effective <= in_force.effective]
    rate = next((v.rates[loan.asset] for v in reversed(older) if loan.asset in v.rates), ZERO)
    return rate if loan.rate.paid_in is None else rate * (ONE - in_force.paid_in_discount)


def daily_rate(loan: Loan, product: Product, at: datetime) -> Decimal:
    """The loan's rate at an instant, times the periods of a day."""
    rate = rate_at(loan, product, at)
    return rate if loan.rate.daily is not None else rate * (DAY // product.period)


def next_accrual(products: Iterable[Product], after: datetime) -> datetime:
    """The next instant at which interest is added by some product. Every period is a whole part of a day."""
    period = min((p.period for p in products), default=DAY)
    return _EPOCH + ((after - _EPOCH) // period + 1) * period


def accrues_at(product: Product, at: datetime) -> bool:
    """The product adds interest at that instant."""
    return not (at - _EPOCH) % product.period


def next_midnight(at: datetime) -> datetime:
    """The first 00:00 UTC after a time."""
    return midnight(at.date() + timedelta(days=1))


def midnight(day: date) -> datetime:
    """00:00 UTC that begins a day."""
    return datetime.combine(day, time(), UTC)


def _instant(day: date, minute: int) -> datetime:
    return midnight(day) + timedelta(minutes=minute)
