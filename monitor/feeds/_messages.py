"""What parsers of JSON messages share: numbers read exactly from their text, keys that stand twice, times of venues."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from monitor.core.instants import time_at
from monitor.core.money import NotANumber, number
from monitor.feeds._base import Unusable

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No price was quoted before, and no time beyond fits the sums of deadlines."""
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,18})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNITS = ((Decimal("1e17"), 18), (Decimal("1e14"), 15), (Decimal("1e11"), 12), (Decimal("1e8"), 9))
"""From which size a number counts nano-, micro-, milliseconds or seconds; today has ten digits in seconds."""


class Number(str):
    """A number of a JSON message as it was written, so that no digit of it is lost: `0.1` is not a float's 0.1."""

    __slots__ = ()


class Twice:
    """Stands for a JSON object that holds a key twice: no reader can tell which of the two values was meant."""

    __slots__ = ()


TWICE = Twice()


def read_json(message: str | bytes, max_bytes: int) -> Any:
    """The value of a message; numbers are `Number`, objects with a key twice are TWICE. Raises Unusable.

    NaN and Infinity, which some writers produce, are numbers too: whoever makes a price of one refuses it by that name.
    """
    try:
        text = message if isinstance(message, str) else message.decode()
        size = len(message.encode() if isinstance(message, str) else message)
    except UnicodeError as e:
        raise Unusable("not_utf8", message[:40]) from e
    if size > max_bytes:
        raise Unusable("too_large", f"{size} bytes")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=Number)
    except RecursionError as e:
        raise Unusable("too_deep", text[:40]) from e
    except ValueError as e:
        raise Unusable("not_json", text[-40:]) from e


def _unique(pairs: list[tuple[str, object]]) -> object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else TWICE


def moment(value: object) -> datetime:
    """The time of an RFC 3339 text, cut to microseconds as clocks of venues differ by more. Raises Unusable("time")."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise Unusable("time", value)
    return _within(value.upper())


def moment_in_any_form(value: object) -> datetime:
    """The time of a text, a day (its beginning in UTC), or a number of seconds, milli-, micro- or nanoseconds since 1970.

    Raises Unusable("time").
    """
    if isinstance(value, str) and _DAY.fullmatch(value):
        return _within(f"{value}T00:00:00Z")
    try:
        count = number(value) if isinstance(value, str) else None
    except NotANumber:
        count = None
    if count is None:
        return moment(value)
    for least, digits in _UNITS:
        if least <= count < least * 1000:
            at = time_at(int(count.scaleb(15 - digits)))
            if _EARLIEST <= at <= _LATEST:
                return at
    raise Unusable("time", value)


def _within(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise Unusable("time", text) from e
    if not _EARLIEST <= at <= _LATEST:
        raise Unusable("time", text)
    return at
