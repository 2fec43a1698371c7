"""Times and numbers of a tape as their cells write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from monitor.core.instants import EPOCH, MICROSECOND
from monitor.core.prices.quote import BadPrice
from monitor.feeds._multiples import per_coin

# Prices repeat, and to read each text once is most of a tape's speed. The limit keeps a year's tape from filling memory.
_MAX_TEXTS = 200_000

EARLIEST_US, LATEST_US = 1_230_768_000_000_000, 4_102_444_800_000_000
"""2009, before which no coin had a price, and 2100. In no other unit does a number between them lie between them."""
_UNITS = (
    ("seconds", 1_000_000, 1),
    ("milliseconds", 1_000, 1),
    ("microseconds", 1, 1),
    ("nanoseconds", 1, 1_000),
)
"""A unit of time, and how many microseconds it has: a product and a quotient."""
_WHOLE = re.compile(r"\d{9,20}", re.ASCII)
_BROKEN = re.compile(r"(\d{9,20})\.(\d{1,9})", re.ASCII)
_GERMAN = re.compile(r"[+-]?\d*,\d+|[+-]?\d+", re.ASCII)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
"""Digits of which a reader cannot tell whether a comma parts thousands or decimals."""


class BadTime(ValueError):
    """The text is no time that a price can have."""


class Times:
    """Reads times as microseconds since 1970: whole numbers of any unit, or RFC 3339 with a zone."""

    def __init__(self, *, is_utc: bool = False) -> None:
        self._is_utc = is_utc
        self.units: dict[str, bool] = {}
        """The units of the whole numbers that it read, in the order in which they came."""
        self._text = ""
        self._at = 0
        self._digits = 0
        self._unit = _UNITS[0]

    def read(self, text: str) -> int:
        """Raises BadTime. All rows of one time are told the same text, so the last one is remembered."""
        if text == self._text and text:
            return self._at
        if len(text) == self._digits and text.isdigit() and text.isascii():
            _, times, over = self._unit
            at = int(text) * times // over
        else:
            at = self._number(text) or self._written(text)
        if not EARLIEST_US <= at <= LATEST_US:
            raise BadTime(text)
        self._at = at
        self._text = text
        return at

    def step_after(self, text: str) -> int:
        """The time that is one unit of its clock later: venues write the last instant of an interval as its end."""
        at = self.read(text)
        return at + (self._unit[1] if text.isdigit() else 1)

    def _number(self, text: str) -> int | None:
        """The time of a whole number of any unit, or of one with a fraction. It remembers the unit for the next one."""
        broken = _BROKEN.fullmatch(text)
        whole = broken[1] if broken is not None else text
        if not _WHOLE.fullmatch(whole):
            return None
        value = int(whole)
        for unit in _UNITS:
            name, times, over = unit
            at = value * times // over
            if EARLIEST_US <= at <= LATEST_US:
                self._unit = unit
                self._digits = len(text) if broken is None else 0
                self.units[name] = True
                part = int((broken[2] + "000000000")[:9]) if broken is not None else 0
                return at + part * times // over // 1_000_000_000
        return None

    def _written(self, text: str) -> int:
        zoned = text.removesuffix(" UTC") + "Z" if text.endswith(" UTC") else text
        try:
            at = msgspec.convert(zoned, type(EPOCH))
        except msgspec.ValidationError:
            raise BadTime(text) from None
        if at.tzinfo is None:
            if not self._is_utc:
                raise BadTime(text)
            at = at.replace(tzinfo=EPOCH.tzinfo)
        return (at - EPOCH) // MICROSECOND


class PriceCells:
    """Reads prices exactly, per coin; `has_comma` where the file writes decimals with a comma."""

    def __init__(self, *, has_comma: bool = False) -> None:
        self._has_comma = has_comma
        self._known: dict[int, dict[str, Decimal]] = {}

    def known(self, power: int) -> dict[str, Decimal]:
        """What was read already, by text. Whoever reads millions of prices may look here before it asks."""
        return self._known.setdefault(power, {})

    def read(self, text: str, power: int = 0) -> Decimal:
        """The price of one coin, from that of ten to the power of coins. Raises BadPrice."""
        known = self.known(power)
        value = known.get(text)
        if value is None:
            value = per_coin(self._point(text) if self._has_comma else text, power)
            if len(known) >= _MAX_TEXTS:
                known.clear()
            known[text] = value
        return value

    def _point(self, text: str) -> str:
        """A text with a decimal comma as one with a point. A point there parts thousands, or is a slip: it is refused."""
        if "." in text:
            raise BadPrice("not_a_number", text)
        return text.replace(",", ".") if _GERMAN.fullmatch(text) else text


def writes_commas(cells: Iterable[str]) -> bool | None:
    """Whether prices have a decimal comma; None where a comma could as well part thousands in every one of them."""
    with_comma = [cell for cell in cells if "," in cell and "." not in cell]
    if with_comma and all(THOUSANDS.fullmatch(cell) for cell in with_comma):
        return None
    return bool(with_comma)
