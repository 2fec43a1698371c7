"""Cross Margin Classic: a margin level of all assets over liabilities and interest, without haircut (DOMAIN section 3.6).

The exchange values both in BTC; a level is a ratio, so it is the same in USD. An account of 5x states `leverage` in its book
line and has other lines. A call is repeated every 24 hours, as `margin_call_repeat` is by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from monitor.core.rules.product import HOUR, WHOLE, ClearanceRule, Product, Version
from monitor.core.rules.thresholds import Metric
from monitor.core.schema import Asset, DailyRate, Problem, Ratio
from monitor.products import _base as base
from monitor.products._base import GradeTable, Level

KIND = "cross_margin_classic"
MARGIN_LEVEL = Metric("margin_level", falls=True, strict=())


class ClassicMarginLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version; at `initial` borrowing stops."""

    initial: Level = Decimal("1.5")
    margin_call: Level = Decimal("1.3")
    liquidation: Level = Decimal("1.1")


class ClassicMarginVersion(msgspec.Struct, frozen=True):
    """One [[version]] of the file."""

    effective: datetime
    thresholds: ClassicMarginLevels = ClassicMarginLevels()
    transfer_out: Level = Decimal(2)
    """Assets leave only while the level stays above it."""
    tiers: tuple[GradeTable, ...] = ()
    """Lines of groups that state their `leverage`; `thresholds` are those of the others."""
    rates: dict[Asset, DailyRate] = {}
    """Flexible, per hour."""
    liquidation_fee: Ratio = Decimal("0.02")
    warnings: tuple[Level, ...] = ()


class ClassicMarginFile(msgspec.Struct, frozen=True):
    """A product file."""

    version: tuple[ClassicMarginVersion, ...]


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises wire.Invalid with every problem and its place."""
    return base.load(KIND, table, ClassicMarginFile, _version, HOUR)


def _version(table: ClassicMarginVersion, where: str, problems: list[Problem]) -> Version | None:
    lines = base.thresholds(table.thresholds, table.warnings, where, problems, MARGIN_LEVEL)
    graded = base.grades(table.tiers, f"{where}.tiers", problems, MARGIN_LEVEL)
    if lines is None:
        return None
    return Version(
        table.effective, lines, {}, table.rates, grace=None, warnings=table.warnings, unlisted=WHOLE,
        transfer_out=table.transfer_out, lines_by_leverage=graded, clearance=ClearanceRule(table.liquidation_fee),
    )  # fmt: skip
