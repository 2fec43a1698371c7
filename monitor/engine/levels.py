"""The lines of all groups of a block as floats of debt over recognised value, and the bands between them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec
import numpy as np

from monitor.core.book import lines_of
from monitor.core.lifecycle import STAGES, signal_of
from monitor.core.product import Thresholds, Version
from monitor.core.survey import stage_by
from monitor.core.valuation import BANDS, IMMEDIATE, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.engine.block import Block
from monitor.engine.columns import F64, I64, IRREGULAR, U8, Bools
from monitor.engine.defaults import sets_of
from monitor.engine.names import Names

INITIAL_LINE, CALL_LINE, LIQUIDATION_LINE, IMMEDIATE_LINE = range(4)
_LINES = ("initial", "margin_call", "liquidation", "immediate")


class _Own(msgspec.Struct, frozen=True):
    """Of engine.irregular.Irregular what a group's lines depend on."""

    thresholds: dict[str, Decimal] = {}


_own = msgspec.msgpack.Decoder(_Own).decode


class Levels:
    """The lines, fees and grace of products by their place, and of groups that have lines of their own."""

    def __init__(self, names: Names, versions: Mapping[int, Version]) -> None:
        self.versions = versions
        known = [versions.get(place) for place in range(len(names.products))]
        self._share = np.array([0.0 if v is None else float(v.clearance.share) for v in known])
        self._by_tier = np.array([v is not None and v.clearance.by_tier for v in known], bool)
        self.has_grace = np.array([v is not None and v.is_grace_for_all for v in known], bool)
        self._names = names

    def of(self, block: Block) -> tuple[F64, Bools]:
        """[4, n] Lines by row, infinite where there is none; and which rows must be asked one by one."""
        c = block.columns
        lines, unsure = np.full((4, len(block)), np.inf), np.zeros(len(block), np.bool_)
        own = {
            row: stated
            for row in np.flatnonzero(c.flags & IRREGULAR).tolist()
            if (stated := _own(c.extras[row]).thresholds)
        }
        for product in block.products():
            version, rows = self.versions.get(product), np.flatnonzero(c.product == product)
            if version is None:
                continue
            sets, place = sets_of(block, self._names, version, rows, unsure)
            lines[:, rows] = np.array([levels(each) for each in sets])[place].T
            mine = np.flatnonzero(np.isin(rows, list(own))).tolist() if own else ()
            for k in mine:
                lines[:, rows[k]] = levels(lines_of(own[int(rows[k])], sets[place[k]]))
        return lines, unsure

    def fees(self, block: Block) -> F64:
        """[n] The share of the market value that a clearance takes, as core.fund.fee_rate has it."""
        product = block.columns.product
        share = self._share[product]
        if not self._by_tier[product].any():
            return share
        # A tier's line is a level of a metric that falls.
        over = np.maximum(1 / self.of(block)[0][LIQUIDATION_LINE] - 1, 0.0)
        return np.where(self._by_tier[product], share * over, share)


def levels(lines: Thresholds) -> F64:
    """[4] Lines as ratios of debt over recognised value; infinite where there is none."""
    stated = lines.stated
    ratios = [float(stated[name]) if name in stated else np.inf for name in _LINES]
    return np.array([1 / r if lines.falls and np.isfinite(r) else r for r in ratios])


def bands(lines: F64, debt: F64, recognised: F64) -> tuple[I64, Bools]:
    """[n] The band (place in BANDS) as core.valuation.band has it, for rows that are on no line; and LTV is at or below
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
    """[stage, band, is enrolled, is at or below initial] The stage after an evaluation, by the stage table."""
    table = np.zeros((len(STAGES), len(BANDS), 2, 2), np.uint8)
    for i, stage in enumerate(STAGES):
        for j, band in enumerate(BANDS):
            for is_enrolled in (0, 1):
                for is_initial in (0, 1):
                    signal = signal_of(stage, band, bool(is_enrolled), bool(is_initial))
                    table[i, j, is_enrolled, is_initial] = STAGES.index(stage_by(stage, signal))
    return table


NEXT = _next_stages()
