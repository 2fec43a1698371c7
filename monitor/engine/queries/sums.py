"""Sums of floats as they are shown: rounded up to cents. The answer says that they are not exact."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from monitor.core.groups.snapshot import Pair, Sums
from monitor.core.money import CENT, round_down
from monitor.core.portfolio.snapshot import nearest_shown
from monitor.core.stages.stages import STAGES, Stage
from monitor.engine.columns.fields import F64, I64, Bools
from monitor.engine.columns.floats import cents


def moves_of(pairs: I64, debt: F64, recognised: F64, market: F64) -> dict[tuple[Stage, Stage], Sums]:
    """By stage before and after; `pairs` are place before x number of stages + place after."""
    size = len(STAGES) ** 2
    count = np.bincount(pairs, minlength=size)
    sums = [np.bincount(pairs, column, size) for column in (debt, recognised, market)]
    return {
        (STAGES[i // len(STAGES)], STAGES[i % len(STAGES)]): Sums(int(count[i]), *(cents(float(s[i])) for s in sums))
        for i in np.flatnonzero(count).tolist()
    }


def sums_of(debt: F64, recognised: F64, market: F64) -> Sums:
    """The sums of these groups."""
    return Sums(len(debt), *(cents(float(column.sum())) for column in (debt, recognised, market)))


def percent(value: float) -> Decimal | None:
    """A distance; None where there is none."""
    return nearest_shown(Decimal.from_float(float(value))) if np.isfinite(value) else None


def mean(weighted: float, whole: float) -> Decimal | None:
    """An average distance, rounded down. None if there is nothing to average."""
    return round_down(Decimal.from_float(float(weighted / whole)), CENT) if whole > 0 else None


def side(value: F64, known: Bools) -> tuple[I64, F64]:
    """The known rows with a value above zero, and the values."""
    rows = np.flatnonzero(known & (value > 0))
    return rows, value[rows]


def pairs_of(issuer: str, debt: str, collateral: str, owed: tuple[I64, F64], held: tuple[I64, F64]) -> list[Pair]:
    """The pair, if any group owes one coin and holds the other."""
    both, i, j = np.intersect1d(owed[0], held[0], assume_unique=True, return_indices=True)
    if not len(both):
        return []
    sums = cents(float(owed[1][i].sum())), cents(float(held[1][j].sum()))
    return [Pair(issuer, debt, collateral, len(both), *sums)]
