"""The lines of all groups of a block, as floats of debt over recognised value, and the bands between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec
import numpy as np

from monitor.core.loans.group import lines_of
from monitor.core.portfolio.snapshot import stage_by
from monitor.core.rules.product import Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import STAGES, signal_of
from monitor.core.valuation.clearance import fee_rate
from monitor.core.valuation.valuation import BANDS, IMMEDIATE, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import F64, HAS_EXTRAS, I64, U8, Bools
from monitor.engine.columns.names import Names
from monitor.engine.screen.defaults import sets_of

INITIAL_LINE, CALL_LINE, LIQUIDATION_LINE, IMMEDIATE_LINE = range(4)
_LINES = ("initial", "margin_call", "liquidation", "immediate")


class _Own(msgspec.Struct, frozen=True):
    """The part of GroupExtras that the lines of a group depend on."""

    thresholds: dict[str, Decimal] = {}


_own = msgspec.msgpack.Decoder(_Own).decode


class BlockLevels:
    """The lines, fees and grace of products, by place, and the lines of groups that have their own."""

    def __init__(self, names: Names, versions: Mapping[int, Version]) -> None:
        self.versions = versions
        known = [versions.get(place) for place in range(len(names.products))]
        self.fee = np.array([0.0 if v is None else float(v.clearance.share) for v in known])
        self.has_grace = np.array([v is not None and v.is_grace_for_all for v in known], bool)
        self._names = names

    def fees(self, block: Block) -> tuple[F64, Bools]:
        """[n] The share of the market value that a liquidation takes while enough is left; and which rows are unsure."""
        c = block.columns
        found, unsure = self.fee[c.product], np.zeros(len(block), np.bool_)
        for product in block.products():
            version = self.versions.get(product)
            if version is not None and version.clearance.by_tier:
                rows = np.flatnonzero(c.product == product)
                sets, place = sets_of(block, self._names, version, rows, unsure)
                found[rows] = np.array([float(fee_rate(version.clearance, each)) for each in sets])[place]
                for k, own in own_of(block, rows):
                    found[rows[k]] = float(fee_rate(version.clearance, lines_of(own, sets[place[k]])))
        return found, unsure

    def of(self, block: Block) -> tuple[F64, Bools]:
        """[4, n] Lines by row, infinite where there is none; and which rows are unsure."""
        c = block.columns
        lines, unsure = np.full((4, len(block)), np.inf), np.zeros(len(block), np.bool_)
        for product in block.products():
            version, rows = self.versions.get(product), np.flatnonzero(c.product == product)
            if version is None:
                continue
            sets, place = sets_of(block, self._names, version, rows, unsure)
            lines[:, rows] = np.array([levels(each) for each in sets])[place].T
            for k, own in own_of(block, rows):
                lines[:, rows[k]] = levels(lines_of(own, sets[place[k]]))
        return lines, unsure


def own_of(block: Block, rows: I64) -> Iterator[tuple[int, dict[str, Decimal]]]:
    """Which of these rows have lines of their own, as places among them, and those lines."""
    c = block.columns
    for k in np.flatnonzero(c.flags[rows] & HAS_EXTRAS).tolist():
        if own := _own(c.extras[int(rows[k])]).thresholds:
            yield k, own


def levels(lines: Thresholds) -> F64:
    """[4] Lines as ratios of debt over recognised value; infinite where there is none."""
    known = lines.stated
    ratios = [float(known[name]) if name in known else np.inf for name in _LINES]
    return np.array([1 / r if lines.falls and np.isfinite(r) else r for r in ratios])


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
