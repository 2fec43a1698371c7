"""An LTV or a level as it is shown: on the side of every line on which it was decided (decision 100).

A quotient has no end, so it is rounded to the nearest of 8 places. Where that would stand on another side of a line than the
group does, or on a line on which the group does not stand, it gets 18 places, as many as a line may have, and then more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain, count

from monitor.core.money import EIGHT_PLACES, EXACT, ONE, ZERO, divide_nearest
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.valuation import Holding, Weight

_LINE_PLACES = 18
"""A line has at most so many places (`Bounds` of `rules/thresholds.py`)."""

Line = tuple[Decimal, Decimal]
"""(numerator, denominator): a level, or its inverse."""


def ltv_of(held: Holding, weight: Weight) -> Decimal | None:
    """The LTV of a group as it is shown."""
    return shown_ltv(weight, held.lines, held.version.warnings)


def figure_of(held: Holding, weight: Weight) -> Decimal | None:
    """The metric of a group as it is shown."""
    return shown_figure(weight, held.lines, held.version.warnings)


def shown_ltv(weight: Weight, lines: Thresholds, warnings: Iterable[Decimal] = ()) -> Decimal | None:
    """Debt over recognised value; None when nothing is recognised; 0 without debt (reading A1).

    Where a level judges, its lines hold for the LTV as their inverse.
    """
    if not weight.debt:
        return ZERO
    if weight.recognised <= 0:
        return None
    return _rounded(
        weight.debt, weight.recognised, _inverse(lines, warnings) if lines.falls else _lines(lines, warnings)
    )


def shown_figure(weight: Weight, lines: Thresholds, warnings: Iterable[Decimal] = ()) -> Decimal | None:
    """The figure that is compared with the lines.

    None where it has no value: an LTV while nothing is recognised, a level while nothing is owed.
    """
    if not lines.falls:
        return shown_ltv(weight, lines, warnings)
    return _rounded(weight.recognised, weight.debt, _lines(lines, warnings)) if weight.debt else None


def _lines(lines: Thresholds, warnings: Iterable[Decimal]) -> Iterator[Line]:
    """Early warnings at or beyond the first line are ignored."""
    yield from ((level, ONE) for level in lines.stated.values())
    yield from ((level, ONE) for level in warnings if lines.is_worse(lines.first, level))


def _inverse(lines: Thresholds, warnings: Iterable[Decimal]) -> Iterator[Line]:
    return ((one, level) for level, one in _lines(lines, warnings))


def _rounded(numerator: Decimal, denominator: Decimal, lines: Iterable[Line]) -> Decimal:
    """The quotient with as many places as it needs; `denominator` is above zero."""
    found = divide_nearest(numerator, denominator, EIGHT_PLACES)
    near = [line for line in lines if _is_near(found, line) and not _is_endless(line, numerator, denominator)]
    if not near:
        return found
    # It ends: the quotient differs from a line by some amount, or is the line, which has an end.
    return next(
        found
        for unit in chain((EIGHT_PLACES,), (ONE.scaleb(-places) for places in count(_LINE_PLACES)))
        if _is_beside(found := divide_nearest(numerator, denominator, unit), numerator, denominator, near)
    )


def _is_near(found: Decimal, line: Line) -> bool:
    """Only then rounding may have moved it over the line."""
    level, over = line
    return abs(EXACT.subtract(EXACT.multiply(found, over), level)) <= EXACT.multiply(EIGHT_PLACES, over)


def _is_endless(line: Line, numerator: Decimal, denominator: Decimal) -> bool:
    """The quotient is the inverse of a level, and need not have an end: no rounding stands on it."""
    level, over = line
    return over != ONE and EXACT.multiply(numerator, over) == EXACT.multiply(denominator, level)


def _is_beside(found: Decimal, numerator: Decimal, denominator: Decimal, lines: Iterable[Line]) -> bool:
    """The rounded quotient is below, on or above each line as the quotient itself is."""
    return all(
        EXACT.multiply(found, over).compare(level)
        == EXACT.multiply(numerator, over).compare(EXACT.multiply(denominator, level))
        for level, over in lines
    )
