"""How it is shown where a group stands while prices are missing: between its best and its worst (decision 86)."""

from __future__ import annotations

import msgspec

from monitor.core.text import plain_or_none
from monitor.core.valuation.bounds import WeightBounds
from monitor.core.valuation.shown_figures import figure_of, ltv_of
from monitor.core.valuation.valuation import IMMEDIATE, NORMAL, Holding, Weight, band


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


def bounds_shown(found: WeightBounds, held: Holding) -> BoundsShown:
    """Both ends."""
    best, worst = _end(found.best, held), _end(found.worst, held)
    at_best = NORMAL if best is None else best.band
    return BoundsShown(best, worst, is_decided=at_best == (IMMEDIATE if worst is None else worst.band))


def _end(weight: Weight | None, held: Holding) -> EndShown | None:
    if weight is None:
        return None
    return EndShown(
        plain_or_none(ltv_of(held, weight)), plain_or_none(figure_of(held, weight)), band(weight, held.lines)
    )
