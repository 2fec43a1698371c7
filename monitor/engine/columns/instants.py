"""Times as columns hold them: microseconds, minutes and days since 1970, exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000
DAY_MINUTES = 1440
MINUTE_US = 60_000_000
NEVER = 2**63 - 1
"""Later than any time of a column of 64 bits."""


def micros_of(when: datetime) -> int:
    """Microseconds since 1970; negative before."""
    return (when - _EPOCH) // _MICROSECOND


def time_at(micros: int) -> datetime:
    """The time in UTC."""
    return _EPOCH + timedelta(0, 0, micros)


def day_number(day: date) -> int:
    """Days since 1970; negative before."""
    return day.toordinal() - _FIRST_DAY


@lru_cache(4096)
def day_at(number: int) -> date:
    """The day of a number."""
    return date.fromordinal(number + _FIRST_DAY)
