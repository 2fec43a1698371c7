"""Exact decimal arithmetic and the few roundings that are permitted.

Every sum, product and comparison of money is exact: the context traps Inexact, so a lost digit stops the process
instead of deciding about somebody's loan. The roundings named here are the only ones, and only figures that are shown
pass through them (docs/alerts.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    localcontext,
)
from decimal import Overflow as DecimalOverflow
from functools import cache
from typing import Any

# A quantity has at most 48 digits, a price and the USDT rate 40 each, a ratio and a threshold 18 each, rates summed over
# decades 30: every product that is formed here fits 250 digits, so Inexact can only mean a programming error.
_DIGITS = 250
EXACT = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation, DivisionByZero, DecimalOverflow, FloatOperation])
_DOWN = Context(prec=_DIGITS, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, DecimalOverflow])
_UP = Context(prec=_DIGITS, rounding=ROUND_UP, traps=[InvalidOperation, DivisionByZero, DecimalOverflow])

# A quotient of few digits costs half. It is fine enough where its last digit is below the unit: the rounded one has fewer
# digits then, and `quantize` raises InvalidOperation where it has not.
_FEW = 38  # two words of the machine
_FEW_DOWN, _FEWER_DOWN, _FEW_UP, _FEWER_UP = (
    Context(prec=digits, rounding=how, traps=[InvalidOperation, DivisionByZero, DecimalOverflow])
    for how in (ROUND_DOWN, ROUND_UP)
    for digits in (_FEW, _FEW - 1)
)

_HOW = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "up": ROUND_UP, "down": ROUND_DOWN}
_ROUNDED = {
    name: Context(prec=_DIGITS, rounding=how, traps=[InvalidOperation, DivisionByZero, DecimalOverflow])
    for name, how in _HOW.items()
}

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
CENT = Decimal("0.01")
EIGHT_PLACES = Decimal("0.00000001")
QUANTITY_UNIT = Decimal("1e-24")
"""The finest quantity that a book may state."""

# Only ASCII digits: Decimal() itself also accepts underscores, full-width digits, NaN and infinities.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def exact() -> Any:
    """A context manager under which arithmetic is exact or raises decimal.Inexact."""
    return localcontext(EXACT)


class NotANumber(ValueError):
    """The text is not a finite decimal number in plain or exponent form."""


def number(text: str) -> Decimal:
    """The exact value of a decimal text of at most 64 characters. Raises NotANumber."""
    if len(text) > 64 or not _NUMBER.fullmatch(text):
        raise NotANumber(f"not a decimal number: {text[:40]!r}")
    return EXACT.create_decimal(text)


def places(value: Decimal) -> int:
    """Digits after the point, without trailing zeros."""
    exponent = value.normalize(EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plain(value: Decimal) -> str:
    """Plain notation without trailing zeros: `1E+3` is `1000`, `0.500` is `0.5`, `-0` is `0`."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if text[-1] != "0":
        return text
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def divide_down(numerator: Decimal, denominator: Decimal, unit: Decimal) -> Decimal:
    """The quotient rounded towards zero to a unit. Rounding twice in one direction rounds once."""
    try:
        return _FEWER_DOWN.quantize(_FEW_DOWN.divide(numerator, denominator), unit)
    except InvalidOperation:
        return _DOWN.quantize(_DOWN.divide(numerator, denominator), unit)


def divide_up(numerator: Decimal, denominator: Decimal, unit: Decimal) -> Decimal:
    """The quotient rounded away from zero to a unit."""
    try:
        return _FEWER_UP.quantize(_FEW_UP.divide(numerator, denominator), unit)
    except InvalidOperation:
        return _UP.quantize(_UP.divide(numerator, denominator), unit)


def divide_nearest(numerator: Decimal, denominator: Decimal, unit: Decimal) -> Decimal:
    """The quotient rounded to the nearest unit, half to even.

    It is cut to 250 digits first. A quotient whose next digits were a half and then zeros to there would have no others.
    """
    return _ROUNDED["half_even"].quantize(_DOWN.divide(numerator, denominator), unit)


def round_beside(value: Decimal, digits: int, lines: Iterable[Decimal]) -> Decimal:
    """The value rounded to the nearest of so many places, or of more: never on another side of a line than the value is, nor
    on a line on which it is not."""
    lines = tuple(lines)
    for places_now in range(digits, places(value)):
        found = _ROUNDED["half_even"].quantize(value, ONE.scaleb(-places_now))
        if all(found.compare(line) == value.compare(line) for line in lines):
            return found
    return value


def round_up(value: Decimal, unit: Decimal) -> Decimal:
    """The value rounded away from zero to a unit, so that what it asks for always suffices."""
    return _UP.quantize(value, unit)


def round_down(value: Decimal, unit: Decimal) -> Decimal:
    """The value rounded towards zero to a unit, so that what it permits is never too much."""
    return _DOWN.quantize(value, unit)


def round_to(value: Decimal, unit: Decimal, rounding: str) -> Decimal:
    """The value rounded to a unit by a named rounding: half_even, half_up, up or down."""
    return _ROUNDED[rounding].quantize(value, unit)


def divide_to(numerator: Decimal, denominator: Decimal, unit: Decimal, rounding: str) -> Decimal:
    """The quotient rounded to a unit by a named rounding. A quotient that does not end has digits enough not to look like a
    tie of a unit, so it is rounded once."""
    context = _ROUNDED[rounding]
    return context.quantize(context.divide(numerator, denominator), unit)


def divide_up_significant(numerator: Decimal, denominator: Decimal, digits: int) -> Decimal:
    """The quotient rounded up to 8 places or to `digits` significant digits, whichever is finer (prices of tiny coins)."""
    quotient = up_to(digits).divide(numerator, denominator)
    # So many digits are at least 8 places up to here; a larger quotient needs more digits for them.
    return quotient if quotient.adjusted() < digits - 8 else divide_up(numerator, denominator, EIGHT_PLACES)


def divide_down_significant(numerator: Decimal, denominator: Decimal, digits: int) -> Decimal:
    """The same rounded down."""
    quotient = up_to(digits, ROUND_DOWN).divide(numerator, denominator)
    return quotient if quotient.adjusted() < digits - 8 else divide_down(numerator, denominator, EIGHT_PLACES)


@cache
def up_to(digits: int, rounding: str = ROUND_UP) -> Context:
    """A context whose results have so many digits."""
    return Context(prec=digits, rounding=rounding, traps=[InvalidOperation, DivisionByZero, DecimalOverflow])
