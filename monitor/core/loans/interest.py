"""Interest as a function of time, never a counter (decision 7; rules 22, 24 and 25).

Each 00:00 UTC after a loan was put adds a day's interest on its principal. Where a product accrues by the hour or the minute,
each hour or minute adds its part to flexible loans. The version in force at such an instant gives its rate and its late
factor; an instant after maturity counts `late_interest_factor` times (reading A12). The version in force when the loan was
opened says which days are free of interest (rules 32 and 33): an old loan keeps its own.

Under a version that compounds, each instant books its interest in the coin's places, and that bears interest from the next
instant on. A version may leave an amount of a coin free of interest (`interest_free`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from monitor.core.instants import EPOCH, MICROSECOND
from monitor.core.loans.group import Loan
from monitor.core.loans.rate_curve import RateCurve, RateSums, first_from, number_of
from monitor.core.money import ONE, QUANTITY_UNIT, ZERO, divide_to, exact
from monitor.core.rules.product import DAY, HOUR, Product, Version

SETTLING = timedelta(hours=1)
"""Daily interest is computed between 00:00 and 01:00 UTC: until then a day's step may still be corrected (reading A11)."""

HOURS = Decimal(24)
"""Of a day."""
KEPT_APART = 512
"""Periods between what is kept of such a loan's past. The last instant that was asked for is always kept."""
MOST_BOOKED = 300_000
"""Loans of one product whose booked interest is kept. Beyond it all are worked out from their beginning again."""


def interest(loan: Loan, product: Product, day: date, minute: int = 0) -> Decimal:
    """Accrued and unpaid interest in the loan's coin up to and including a minute of a day. Exact."""
    first, last = (loan.since, loan.minute), (day, minute)
    if last <= first or not loan.principal:
        return loan.interest
    after, until = instant(*first), instant(*last)
    if product.by_loan:
        found = _one_by_one(loan, product, after, until)
    else:
        found = loan.interest + loan.principal * rate_sum(loan, product, after, until)
    # Rates below zero take off a debt, and never make one of the lender's.
    return max(found, loan.principal.copy_negate())


def rate_sum(loan: Loan, product: Product, after: datetime, until: datetime) -> Decimal:
    """What simple interest adds in (after, until], as a share of the principal."""
    return sum((part.total for part in _parts(loan, product, after, until)), ZERO)


class _Part(NamedTuple):
    """Instants of (after, until] at which interest is added by one line of rates."""

    sums: RateSums
    period: timedelta
    after: int
    until: int
    scale: Decimal = ONE
    """The rate of a loan that has its own; `sums` only weigh it then."""

    @property
    def total(self) -> Decimal:
        return self.scale * self.sums.total(self.after, self.until)


def _parts(loan: Loan, product: Product, after: datetime, until: datetime) -> list[_Part]:
    """The instants of (after, until] at which a loan bears interest: those before it is late, then the late ones."""
    own = loan.rate.daily
    period = DAY if own is not None else product.period
    opened = product.version_at(loan.opened_at)
    if opened.is_interest_free:
        return []
    start, end = number_of(after, period), number_of(until, period)
    if free := opened.free_days.get(loan.asset, 0):
        # The day of borrowing is the first of the free ones, whatever its hour.
        charged_from = midnight(loan.opened_at.date() + timedelta(days=free))
        if charged_from > until:
            return []
        after = max(after, charged_from - MICROSECOND)
        start = max(start, number_of(after, period))
    # The last instant that is not late is that of the maturity itself.
    timely = end if loan.matures_at is None else min(max(number_of(loan.matures_at, period), start), end)
    asset = None if own is not None else loan.asset
    is_cheaper = own is None and loan.rate.paid_in is not None
    scale = ONE if own is None else own
    found = [_Part(_curve(product, asset, is_cheaper=is_cheaper), period, start, timely, scale)]
    if own is not None and own < 0:  # a late loan earns nothing
        return found
    if timely < end:
        late = _curve(product, asset, is_cheaper=is_cheaper, is_late=True)
        found.append(_Part(late, period, timely, end, scale))
    if product.is_late_by_hour and period == DAY and loan.matures_at is not None and loan.matures_at < until:
        late = _curve(product, asset, is_cheaper=is_cheaper, is_late=True, by_hour=True)
        since = number_of(max(after, loan.matures_at), HOUR)
        if since < (last := number_of(until, HOUR)):
            found.append(_Part(late, HOUR, since, last, ONE if own is None else hourly(own)))
    return found


def hourly(daily: Decimal) -> Decimal:
    """An hour's part of a daily rate: a 24th, rounded half even to 24 places."""
    return divide_to(daily, HOURS, QUANTITY_UNIT, "half_even")


def _one_by_one(loan: Loan, product: Product, after: datetime, until: datetime) -> Decimal:
    """The interest where some of it bears interest, or a part of the loan bears none. Goes on from where it was worked out.

    A power would have ever more digits, and lenders book each period in the coin's places (domain section 9.8).
    """
    known = product.booked.get(loan, ())
    place = bisect_right(known, until, key=_instant_of) - 1
    at, booked = known[place] if place >= 0 else (after, loan.interest)
    hop = KEPT_APART * product.period
    steps = []
    while at < until:
        to = min(until, at + hop)
        booked = _booked(loan, product, booked, at, to)
        steps.append((to, booked))
        at = to
    if steps and place == len(known) - 1:
        if len(product.booked) >= MOST_BOOKED:
            product.booked.clear()
        # All but the newest are kept far apart, for those who ask about the past.
        is_near = len(known) > 1 and known[-1][0] - known[-2][0] < hop
        product.booked[loan] = (*(known[:-1] if is_near else known), *steps)
    return booked


def bearing(loan: Loan, version: Version, owed: Decimal, rate: Decimal) -> Decimal:
    """As much of what is owed as bears interest at a rate. What a borrower earns, he earns on all of it."""
    if rate < 0 or loan.rate.daily is not None:
        return owed
    return max(owed - version.free_amounts.get(loan.asset, ZERO), ZERO)


def _instant_of(known: tuple[datetime, Decimal]) -> datetime:
    return known[0]


def _booked(loan: Loan, product: Product, booked: Decimal, after: datetime, until: datetime) -> Decimal:
    """The interest at `until`, from what it was at `after`."""
    runs = [
        (EPOCH + first * part.period, last - first + 1, weight * part.scale)
        for part in _parts(loan, product, after, until)
        for first, last, weight in part.sums.spans(part.after, part.until)
    ]
    # Each version adds late interest either by the day or by the hour, so runs do not overlap, but they alternate.
    for first_at, count, rate in sorted(run for run in runs if run[2]):
        version = product.version_at(first_at)
        if not version.compounding:
            booked += bearing(loan, version, loan.principal, rate) * rate * count
            continue
        for _ in range(count):
            booked += version.booked(loan.asset, bearing(loan, version, loan.principal + booked, rate) * rate)
    return booked


def _curve(
    product: Product, asset: str | None, *, is_cheaper: bool = False, is_late: bool = False, by_hour: bool = False
) -> RateSums:
    """The rate of a coin per period, times the late factor and the discount of the version in force. Worked out once.

    Without an asset the rate is one: such a loan has a rate of its own. `by_hour`: of late hours where interest is daily.
    """
    key = asset, is_cheaper, is_late, by_hour
    curve: RateSums | None = product.curves.get(key)
    if curve is None:
        with exact():
            curve = _worked_out(product, asset, is_cheaper, is_late, by_hour)
            product.curves[key] = curve
    return curve


def _worked_out(product: Product, asset: str | None, is_cheaper: bool, is_late: bool, by_hour: bool) -> RateSums:
    period = DAY if asset is None else product.period
    line = None if asset is None else timeline(product, asset)

    def figure(version: Version, rate: Decimal) -> Decimal:
        # What the borrower is paid is neither discounted nor tripled: a late loan earns nothing.
        cheaper = rate * (ONE - version.paid_in_discount) if is_cheaper and rate > 0 else rate
        if not is_late:
            return cheaper
        if rate < 0:
            return ZERO
        if period == DAY and (version.late_interest == "hour") != by_hour:
            return ZERO
        weighed = hourly(cheaper) if by_hour and asset is not None else cheaper
        return weighed * version.late_interest_factor

    times = sorted({*(v.effective for v in product.versions), *(line.times if line else ())})
    figures = [figure(product.version_at(at), line.at(at) if line else ONE) for at in (times[0] - DAY, *times)]
    step = HOUR if by_hour else period
    return RateSums(figures[0], zip((first_from(at, step) for at in times), figures[1:], strict=True))


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
    is_full = loan.rate.paid_in is None or rate < 0
    return rate if is_full else rate * (ONE - product.version_at(at).paid_in_discount)


def late_factor(loan: Loan, product: Product, at: datetime) -> Decimal:
    """By what the loan's rate counts at an instant; a late loan earns nothing where its rate is below zero."""
    if loan.matures_at is None or at <= loan.matures_at:
        return ONE
    return ZERO if rate_at(loan, product, at) < 0 else product.version_at(at).late_interest_factor


def charged_at(loan: Loan, product: Product, at: datetime) -> tuple[Decimal, timedelta]:
    """The rate by which the loan adds interest at an instant, and the period that it is for."""
    period = DAY if loan.rate.daily is not None else product.period
    rate, is_late = rate_at(loan, product, at), loan.matures_at is not None and at > loan.matures_at
    if period == DAY and is_late and product.version_at(at).late_interest == "hour":
        return hourly(rate), HOUR
    return rate, period


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
    period = min((p.step for p in products), default=DAY)
    return EPOCH + ((after - EPOCH) // period + 1) * period


def accrues_at(product: Product, at: datetime) -> bool:
    """The product adds interest at that instant, to loans that are not late too."""
    return not (at - EPOCH) % product.period


def accrues_late_at(product: Product, at: datetime) -> bool:
    """The product adds interest at that instant to late loans, if it has any."""
    return product.is_late_by_hour and not (at - EPOCH) % product.step


def midnight(day: date) -> datetime:
    """00:00 UTC that begins a day."""
    return datetime.combine(day, time(), UTC)


def instant(day: date, minute: int) -> datetime:
    """That minute of a day, UTC."""
    return midnight(day) + timedelta(minutes=minute)
