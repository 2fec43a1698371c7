"""What loans were charged day by day, worked out when somebody asks. Pure.

A loan that stays as it is needs no record: its interest is a function of time. What changed meanwhile is known from the
rows of the history, each of which keeps the loan as it was until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from monitor.core.accrual import interest, midnight, rate_at
from monitor.core.book import Loan
from monitor.core.money import ONE
from monitor.core.product import DAY, HOUR, MINUTE, Product

PERIODS = {DAY: "day", HOUR: "hour", MINUTE: "minute"}
SETTLING = timedelta(hours=1)
"""Interest of a day is computed between 00:00 and 01:00 UTC (DOMAIN A11): until then its charge is not told."""


class Stretch(NamedTuple):
    """A loan that was charged unchanged, after its `since` until a time."""

    loan: Loan
    product: Product
    until: datetime

    @property
    def since(self) -> datetime:
        """Its instant itself is not charged any more."""
        return midnight(self.loan.since) + timedelta(minutes=self.loan.minute)


class Charge(NamedTuple):
    """What a loan was charged in one UTC day at one rate: (00:00, 24:00], so that daily interest is that of one instant."""

    day: date
    """The day that ends with the midnight of `accrued_at`."""
    loan: str
    first: datetime
    """The first instant of it."""
    asset: str
    principal: Decimal
    rate: Decimal
    """Per period."""
    period: str
    late_factor: Decimal
    periods: int
    amount: Decimal

    @property
    def accrued_at(self) -> datetime:
        """The midnight at which the day is charged in full."""
        return midnight(self.day + timedelta(days=1))


Place = tuple[date, str, datetime]
"""Where a charge stands in the order of all: day, loan, first instant."""


def charges(stretches: list[Stretch], after: Place | None, last: datetime) -> Iterator[Charge]:
    """What was charged until a midnight, by day, then by loan; behind a place, if one is given."""
    order = sorted((s for s in stretches if s.loan.principal), key=lambda s: (s.loan.id, s.since))
    day = min((_day_of(s.since + MINUTE) for s in order), default=last.date())
    day = max(day, after[0]) if after is not None else day
    while order and midnight(day + timedelta(days=1)) <= last:
        order = [s for s in order if s.until > midnight(day)]
        for stretch in order:
            for charge in _of_day(stretch, day):
                if after is None or (charge.day, charge.loan, charge.first) > after:
                    yield charge
        day += timedelta(days=1)


def _day_of(instant: datetime) -> date:
    """The day that an instant is charged in: a midnight ends one."""
    return (instant - timedelta(microseconds=1)).date()


def _of_day(stretch: Stretch, day: date) -> Iterator[Charge]:
    start, end = midnight(day), midnight(day + timedelta(days=1))
    low, high = max(start, stretch.since), min(end, stretch.until)
    period = DAY if stretch.loan.rate.daily is not None else stretch.product.period
    # Instants are the whole periods of a day; a stretch may begin or end between two of them.
    first, count = (low - start) // period + 1, (high - start) // period - (low - start) // period
    if count > 0:
        yield from _uniform(stretch, day, start, period, first, count)


def _uniform(
    stretch: Stretch, day: date, start: datetime, period: timedelta, first: int, count: int
) -> Iterator[Charge]:
    """Charges of `count` instants from number `first` of the day on, halved until each has one rate."""
    loan, product = stretch.loan, stretch.product
    ends = [start + period * n for n in (first - 1, first, first + count - 1)]
    before, total = (interest(loan, product, at.date(), at.hour * 60 + at.minute) for at in (ends[0], ends[2]))
    amount = total - before
    figures = {(rate_at(loan, product, at), _late_factor(loan, product, at)) for at in ends[1:]}
    rate, factor = min(figures)
    if amount and (len(figures) > 1 or amount != loan.principal * rate * factor * count) and count > 1:
        half = count // 2
        yield from _uniform(stretch, day, start, period, first, half)
        yield from _uniform(stretch, day, start, period, first + half, count - half)
    elif amount:
        yield Charge(
            day, loan.id, ends[1], loan.asset, loan.principal, rate, PERIODS[period], factor, count, amount
        )  # fmt: skip


def _late_factor(loan: Loan, product: Product, at: datetime) -> Decimal:
    is_late = loan.matures_at is not None and at > loan.matures_at
    return product.version_at(at).late_interest_factor if is_late else ONE
