"""The lines of all groups of a block, as floats of debt over recognised value, and the bands between them."""

from __future__ import annotations

from typing import cast

import numpy as np

from monitor.core.portfolio.snapshot import stage_by
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.stages import STAGES, signal_of
from monitor.core.valuation.clearance import fee_rate
from monitor.core.valuation.valuation import BANDS, IMMEDIATE, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.engine.columns.agreements import REMEMBERED, Agreements, Ruled
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import F64, I64, U8, Bools
from monitor.engine.columns.names import Names
from monitor.engine.screen.arrays import GUARD
from monitor.engine.screen.defaults import lines_by_row

INITIAL_LINE, CALL_LINE, LIQUIDATION_LINE, IMMEDIATE_LINE = range(4)
_LINES = ("initial", "margin_call", "liquidation", "immediate")
_AHEAD = np.array([[line in lines_ahead(stage) for stage in STAGES] for line in _LINES], np.bool_)
"""[line, stage]"""


class BlockLevels:
    """The lines and fees of groups, and the grace of products by their place."""

    def __init__(self, names: Names, agreements: Agreements) -> None:
        known = [agreements.versions.get(place) for place in range(len(names.products))]
        self.has_grace = np.array([v is not None and v.is_grace_for_all for v in known], bool)
        self._names = names
        self._agreements = agreements
        self._levels: dict[tuple[int, int], F64] = {}

    def fees(self, block: Block) -> tuple[F64, Bools]:
        """[n] The share of the market value that a liquidation takes while enough is left; and which rows are unsure."""
        unsure = np.zeros(len(block), np.bool_)
        ruled, place = lines_by_row(block, self._agreements, self._names, unsure)
        fees = [0.0, *(float(fee_rate(each.version.clearance, each.lines)) for each in ruled)]
        by_tier = np.array([False, *(each.version.clearance.by_tier for each in ruled)], np.bool_)
        return np.array(fees)[place + 1], unsure & by_tier[place + 1]

    def of(self, block: Block) -> tuple[F64, Bools]:
        """[4, n] Lines by row, infinite where there is none; and which rows are unsure."""
        unsure = np.zeros(len(block), np.bool_)
        ruled, place = lines_by_row(block, self._agreements, self._names, unsure)
        none = np.full(4, np.inf)
        return np.array([none, *map(self._of, ruled)])[place + 1].T.copy(), unsure

    def _of(self, ruled: Ruled) -> F64:
        found = None if ruled.key is None else self._levels.get(ruled.key)
        if found is None:
            found = levels(ruled.lines)
            if ruled.key is not None and len(self._levels) < REMEMBERED:
                self._levels[ruled.key] = found
        return found


def levels(lines: Thresholds) -> F64:
    """[4] Lines as ratios of debt over recognised value; infinite where there is none."""
    known = lines.stated
    ratios = [float(known[name]) if name in known else np.inf for name in _LINES]
    return np.array([1 / r if lines.falls and np.isfinite(r) else r for r in ratios])


def ahead(lines: F64, stage: U8) -> F64:
    """[4, n] The lines that can still change what happens to a group in its stage; infinite for all others."""
    found: F64 = np.where(_AHEAD[:, np.minimum(stage, len(STAGES) - 1)], lines, np.inf)
    return found


def room(lines: F64, debt: F64, recognised: F64) -> F64:
    """[n] Percent by which the recognised value may fall before the next of these lines; 0 beyond all, 100 without debt."""
    found = np.zeros(len(debt))
    with np.errstate(divide="ignore", invalid="ignore"):
        for line in lines[::-1]:  # the mildest last: of the lines ahead it is the nearest
            edge = line * recognised
            found = np.where(np.isfinite(line) & (debt < edge), 100.0 * (1.0 - debt / edge), found)
    return np.where((debt <= 0) & np.isfinite(lines).any(axis=0), 100.0, found)


def on_a_line(lines: F64, debt: F64, recognised: F64) -> Bools:
    """[n] So close to one of these lines that a float does not tell on which side. Liabilities make the sums a hundred times
    less sure."""
    with np.errstate(invalid="ignore"):
        is_near: Bools = (np.abs(debt - lines * recognised) <= 100 * GUARD * debt) & np.isfinite(lines)
    return cast("Bools", is_near.any(axis=0))


def bands(lines: F64, debt: F64, recognised: F64) -> tuple[I64, Bools]:
    """[n] The band (place in BANDS) as valuation.band has it, for rows that are on no line; and whether LTV is at or below
    initial."""
    edges = lines * np.where(recognised > 0, recognised, 1.0)
    is_beyond = debt >= edges
    band = np.select(
        [is_beyond[IMMEDIATE_LINE], is_beyond[LIQUIDATION_LINE], is_beyond[CALL_LINE], is_beyond[INITIAL_LINE]],
        [BANDS.index(IMMEDIATE), BANDS.index(LIQUIDATION), BANDS.index(MARGIN_CALL), BANDS.index("restricted")],
        BANDS.index(NORMAL),
    )
    has_nothing = (recognised <= 0) & (debt > 0)
    band = np.where(has_nothing, BANDS.index(IMMEDIATE), np.where(debt <= 0, BANDS.index(NORMAL), band))
    return band, (debt <= 0) | (~has_nothing & ~is_beyond[INITIAL_LINE])


def _next_stages() -> U8:
    """[stage, band, is enrolled, is at or below initial] The stage after an evaluation, from the stage table."""
    table = np.zeros((len(STAGES), len(BANDS), 2, 2), np.uint8)
    for i, stage in enumerate(STAGES):
        for j, band in enumerate(BANDS):
            for is_enrolled in (0, 1):
                for is_initial in (0, 1):
                    signal = signal_of(stage, band, bool(is_enrolled), bool(is_initial))
                    table[i, j, is_enrolled, is_initial] = STAGES.index(stage_by(stage, signal))
    return table


NEXT = _next_stages()
