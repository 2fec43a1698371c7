"""Isolated Margin: one pair, a margin level of its assets over what is owed in its coins (DOMAIN section 3.10).

The lines depend on the leverage of the account, which its book line states, and in older versions on the tier of what it
borrows: tiers are by the principal of each coin, as the exchange gives them by the amount that may be borrowed, so interest
moves nobody to another tier.
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

KIND = "isolated_margin"
MARGIN_LEVEL = Metric("margin_level", falls=True, strict=())


class IsolatedMarginLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version."""

    initial: Level = Decimal("1.11")
    margin_call: Level = Decimal("1.1")
    liquidation: Level = Decimal("1.05")


class IsolatedMarginVersion(msgspec.Struct, frozen=True):
    """One [[version]] of the file."""

    effective: datetime
    thresholds: IsolatedMarginLevels = IsolatedMarginLevels()
    transfer_out: Level = Decimal(2)
    tiers: tuple[GradeTable, ...] = ()
    """Lines of groups that state their `leverage`; `thresholds` are those of the others."""
    rates: dict[Asset, DailyRate] = {}
    """Flexible, per hour."""
    liquidation_fee: Ratio = Decimal("0.02")
    fee_by_tier: bool = False
    """The fee counts of what the liquidation line exceeds 1 by, as before 2024-09-03 (DOMAIN 45, section 3.11)."""
    warnings: tuple[Level, ...] = ()


class IsolatedMarginFile(msgspec.Struct, frozen=True):
    """A product file."""

    version: tuple[IsolatedMarginVersion, ...]


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises wire.Invalid with every problem and its place."""
    return base.load(KIND, table, IsolatedMarginFile, _version, HOUR)


def _version(table: IsolatedMarginVersion, where: str, problems: list[Problem]) -> Version | None:
    lines = base.thresholds(table.thresholds, table.warnings, where, problems, MARGIN_LEVEL)
    graded = base.grades(table.tiers, f"{where}.tiers", problems, MARGIN_LEVEL)
    if lines is None:
        return None
    return Version(
        table.effective, lines, {}, table.rates, grace=None, warnings=table.warnings, unlisted=WHOLE,
        transfer_out=table.transfer_out, lines_by_leverage=graded, max_coins=2,
        clearance=ClearanceRule(table.liquidation_fee, table.fee_by_tier),
    )  # fmt: skip
