"""How it is shown where a group stands while prices are missing: between its best and its worst (decision 86)."""

from __future__ import annotations

import msgspec

from monitor.core.rules.thresholds import Thresholds
from monitor.core.text import plain_or_none
from monitor.core.valuation.bounds import WeightBounds
from monitor.core.valuation.valuation import IMMEDIATE, NORMAL, Weight, band


class EndShown(msgspec.Struct, frozen=True):
    """What a group would weigh with its missing coins at one end; `level` is in the metric of its product."""

    ltv: str | None
    level: str | None
    band: str


class BoundsShown(msgspec.Struct, frozen=True):
    """Where a group stands whatever its missing coins are worth: between the best for the borrower and the worst.

    `best` is null where the missing coins may lift it above every line, `worst` where what is owed may be worth any sum.
    `is_decided`: both ends are in one band.
    """

    best: EndShown | None
    worst: EndShown | None
    is_decided: bool


def bounds_shown(found: WeightBounds, lines: Thresholds) -> BoundsShown:
    """Both ends."""
    best, worst = _end(found.best, lines), _end(found.worst, lines)
    at_best = NORMAL if best is None else best.band
    return BoundsShown(best, worst, is_decided=at_best == (IMMEDIATE if worst is None else worst.band))


def _end(weight: Weight | None, lines: Thresholds) -> EndShown | None:
    if weight is None:
        return None
    return EndShown(plain_or_none(weight.ltv), plain_or_none(weight.figure(lines.metric)), band(weight, lines))
