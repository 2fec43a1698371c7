"""What loans were charged day by day, worked out when somebody asks. Pure.

A loan that stays as it is needs no record: its interest is a function of time. What changed meanwhile is known from the
rows of the history: each row keeps the loan as it was until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from monitor.core.loans.group import Loan
from monitor.core.loans.interest import bearing, charged_at, interest, late_factor, midnight
from monitor.core.rules.product import DAY, HOUR, MINUTE, Product

PERIODS = {DAY: "day", HOUR: "hour", MINUTE: "minute"}


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
    if stretch.loan.matures_at is not None and stretch.product.is_late_by_hour:
        period = min(period, HOUR)
    # Instants are the whole periods of a day; a stretch may begin or end between two of them.
    first, count = (low - start) // period + 1, (high - start) // period - (low - start) // period
    while count > 0:
        charge = _longest(stretch, day, start + period * first, period, count)
        if charge.amount:
            yield charge
        first, count = first + charge.periods, count - charge.periods


def _longest(stretch: Stretch, day: date, first: datetime, period: timedelta, most: int) -> Charge:
    """The charge of as many instants from `first` on as have its rate, at most `most`."""
    one = _charge(stretch, day, first, period, 1)

    def is_uniform(count: int) -> bool:
        last = _charge(stretch, day, first + period * (count - 1), period, 1)
        if (last.rate, last.late_factor, not last.amount) != (one.rate, one.late_factor, not one.amount):
            return False
        if stretch.product.compounds:  # each instant adds a little more than the one before
            return True
        return last.amount == one.amount and _charge(stretch, day, first, period, count).amount == one.amount * count

    # Mostly a whole day has one rate; otherwise the longest run is found between one instant and all.
    sure, beyond = (most, most + 1) if is_uniform(most) else (1, most)
    while beyond - sure > 1:
        middle = (sure + beyond) // 2
        sure, beyond = (middle, beyond) if is_uniform(middle) else (sure, middle)
    return _charge(stretch, day, first, period, sure)


def _charge(stretch: Stretch, day: date, first: datetime, period: timedelta, count: int) -> Charge:
    loan, product = stretch.loan, stretch.product
    before, after = (
        interest(loan, product, at.date(), at.hour * 60 + at.minute)
        for at in (first - period, first + period * (count - 1))
    )
    rate, per = charged_at(loan, product, first)
    return Charge(
        day=day,
        loan=loan.id,
        first=first,
        asset=loan.asset,
        principal=bearing(loan, product.version_at(first), loan.principal, rate),
        rate=rate,
        period=PERIODS[per],
        late_factor=late_factor(loan, product, first),
        periods=count,
        amount=after - before,
    )
