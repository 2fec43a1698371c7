"""Figures, names and times as people read them at a terminal: in the one style of `explain` (decision 158)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitor.cli.tables import figure
from monitor.notifiers import _base
from monitor.notifiers._stage_words import line_percent

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
"""Whatever else a daemon says stays as it is."""
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", re.ASCII)


def worded(name: str) -> str:
    """The words of a stage, a band or a figure: `margin_call` is a margin call."""
    return name.replace("_", " ")


def usd(amount: str | None, absent: str = "-") -> str:
    """USD to the cent, thousands separated."""
    return absent if amount is None else _base.usd(amount) if _NUMBER.fullmatch(amount) else amount


def ltv(ratio: str | None, lines: Mapping[str, str] | None = None) -> str:
    """An LTV in percent, on its side of its lines."""
    return "-" if ratio is None else _base.percent(ratio, lines) if _NUMBER.fullmatch(ratio) else ratio


def level(metric: str | None, value: str | None, lines: Mapping[str, str] | None = None) -> str:
    """What judges a group: an LTV in percent, or the level of a product that has one, as it is."""
    return ltv(value, lines) if metric in (None, "ltv") else figure(value)


def line_level(metric: str | None, value: str) -> str:
    """A line of the same, with all its digits."""
    return line_percent(value) if metric in (None, "ltv") else value


def share(part: str, most: str | None = None) -> str:
    """A share in percent, on its side of the most that it may be; what is too small to be shown is not nothing."""
    if not _NUMBER.fullmatch(part):
        return part
    shown = _base.percent(part, {} if most is None else {"most": most})
    return "< 0.01 %" if shown == "0.00 %" and part.strip("0.") else shown


def percents(value: str | float | None) -> str:
    """What is in percent already, such as the way to a line."""
    return "-" if value is None else f"{usd(str(value))} %"


def times(text: str, zone: str | None) -> str:
    """A text of the daemon with its raw times as people read them, in the desk's zone beside UTC."""
    return _STAMP.sub(lambda found: _base.moment(found[0], zone), text)


def until(timestamp: str | None, zone: str | None, absent: str = "-") -> str:
    """A time in UTC, and in the desk's zone beside it."""
    return absent if timestamp is None else times(timestamp, zone)


def seconds(age_s: float | None) -> str:
    """An age; a clock that is a little ahead makes none below nothing."""
    return "-" if age_s is None else f"{age_s + 0.0:g} s"
