"""Interest as a function of the day, never a counter (DESIGN section 6; VIP FAQ 22, 24, 25).

Each 00:00 UTC after a loan was put adds a day's interest on its principal. The rate and the late factor of a midnight are
those of the version then in force; a midnight after maturity counts `late_interest_factor` times (DOMAIN A12).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

from monitor.core.book import Loan
from monitor.core.money import ONE, ZERO
from monitor.core.product import Product


def interest(loan: Loan, product: Product, day: date) -> Decimal:
    """Accrued and unpaid interest in the loan's coin after the midnight that began `day`. Exact, never rounded."""
    if day <= loan.since or not loan.principal:
        return loan.interest
    return loan.interest + loan.principal * _index(loan, product, day)


def _index(loan: Loan, product: Product, day: date) -> Decimal:
    """The sum of daily rates over the midnights of (since, day], late ones weighted."""
    total = ZERO
    cuts = sorted({loan.since, day, *_edges(loan, product, day)})
    for start, end in pairwise(cuts):
        first = midnight(start + timedelta(days=1))
        late = loan.matures_at is not None and first > loan.matures_at
        factor = product.version_at(first).late_interest_factor if late else ONE
        total += daily_rate(loan, product, first) * factor * (end - start).days
    return total


def _edges(loan: Loan, product: Product, day: date) -> list[date]:
    """Days within (since, day) after which the rate or the lateness of the following midnights differs."""
    edges = [_last_day_before(v.effective, inclusive=False) for v in product.versions]
    if loan.matures_at is not None:
        edges.append(_last_day_before(loan.matures_at, inclusive=True))
    return [e for e in edges if loan.since < e < day]


def _last_day_before(instant: datetime, inclusive: bool) -> date:
    """The last day whose midnight comes before an instant (or at it, if inclusive)."""
    day = instant.astimezone(UTC).date()
    return day if inclusive or instant > midnight(day) else day - timedelta(days=1)


def daily_rate(loan: Loan, product: Product, at: datetime) -> Decimal:
    """The loan's rate per day at a midnight; a coin that a version no longer lists keeps the rate it had before."""
    if loan.rate.daily is not None:
        return loan.rate.daily
    in_force = product.version_at(at)
    older = [v for v in product.versions if v.effective <= in_force.effective]
    return next((v.rates[loan.asset] for v in reversed(older) if loan.asset in v.rates), ZERO)


def next_midnight(at: datetime) -> datetime:
    """The first 00:00 UTC after a time."""
    return midnight(at.date() + timedelta(days=1))


def midnight(day: date) -> datetime:
    """00:00 UTC that begins a day."""
    return datetime.combine(day, time(), UTC)
