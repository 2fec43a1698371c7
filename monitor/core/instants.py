"""Times as whole numbers since 1970, exactly: as venues send them and as stores and columns hold them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
"""The smallest step of time."""
DAY_US = 86_400_000_000
DAY_MINUTES = 1440
HOUR_MINUTES = 60
MINUTE_US = 60_000_000
_FIRST_DAY = EPOCH.toordinal()


def micros_of(when: datetime) -> int:
    """Microseconds since 1970; negative before."""
    return (when - EPOCH) // MICROSECOND


def time_at(micros: int) -> datetime:
    """The time in UTC, from microseconds since 1970."""
    return EPOCH + timedelta(0, 0, micros)


def time_at_ms(millis: int) -> datetime:
    """The time in UTC, from milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=millis)


def day_number(day: date) -> int:
    """Days since 1970; negative before."""
    return day.toordinal() - _FIRST_DAY


@lru_cache(4096)
def day_at(number: int) -> date:
    """The day of a number."""
    return date.fromordinal(number + _FIRST_DAY)
