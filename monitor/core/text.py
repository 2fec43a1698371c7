"""How values are written outside: the one form of a time and of a number (docs/alerts.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.money import EXACT, places, plain, round_beside

MOST_NAMED = 50
"""How many groups, lines or rates an alert names; more would pass the 20 kB of a webhook body. The count is exact."""


def stamp(when: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return when.isoformat(timespec="milliseconds")[:23] + "Z"


def stamp_or_none(when: datetime | None) -> str | None:
    """The same where there may be no time."""
    return None if when is None else stamp(when)


def plain_or_none(value: Decimal | None) -> str | None:
    """Plain notation where there may be no number."""
    return None if value is None else plain(value)


def percent(ratio: Decimal, lines: Iterable[Decimal] | None = None) -> str:
    """A ratio in percent with two decimals, rounded to the nearest; with more where that would stand on another side of a
    line than the ratio does (decision 100).

    None: its lines are not known; then any tenth of a percent may be one.
    """
    known = (round_beside(ratio, 3, ()),) if lines is None else lines
    shown = EXACT.scaleb(round_beside(ratio, 4, known), 2)
    return f"{shown:.{max(2, places(shown))}f}"


def as_json(of: msgspec.Struct) -> dict[str, Any]:
    """A struct as JSON values by the names of its keys."""
    shown: dict[str, Any] = msgspec.to_builtins(of)
    return shown


def texts(of: Any) -> dict[str, Any]:
    """The fields of a struct or a named tuple as answers show them: numbers as plain text, times as RFC 3339."""
    fields = msgspec.structs.asdict(of) if isinstance(of, msgspec.Struct) else of._asdict()
    return {
        name: plain(value) if isinstance(value, Decimal) else stamp(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
    }
