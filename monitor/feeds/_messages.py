"""Values of messages: numbers as their text, and times as desks and custodians write them, each in a form of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from monitor.core.instants import time_at
from monitor.core.money import NotANumber, number
from monitor.feeds._base import Unusable

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No price was quoted before, and no time beyond fits the sums of deadlines."""
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,18})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNITS = ((Decimal("1e17"), 18), (Decimal("1e14"), 15), (Decimal("1e11"), 12), (Decimal("1e8"), 9))
"""From which size a number counts nano-, micro-, milliseconds or seconds; today has ten digits in seconds."""
EXPECTED = "a time such as 2026-01-05T10:00:00Z, a day, or a number since 1970"


class Number(str):
    """A number of a JSON message as it was written, so that no digit of it is lost: `0.1` is not a float's 0.1."""

    __slots__ = ()


def time_in_any_form(value: object) -> datetime:
    """The time of an RFC 3339 text, a day (its beginning in UTC), or a number of seconds, milli-, micro- or nanoseconds
    since 1970. It is cut to microseconds, as clocks differ by more. Raises Unusable."""
    try:
        count = number(value) if isinstance(value, str) else None
    except NotANumber:
        count = None
    at = _written(value) if count is None else _counted(count)
    if at is None or not _EARLIEST <= at <= _LATEST:
        raise Unusable("time", value, f"found {str(value)[:40]!r}, expected {EXPECTED}")
    return at


def _counted(count: Decimal) -> datetime | None:
    for least, digits in _UNITS:
        if least <= count < least * 1000:
            return time_at(int(count.scaleb(15 - digits)))
    return None


def _written(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    text = f"{value}T00:00:00Z" if _DAY.fullmatch(value) else value.upper()
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _RFC_3339.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
