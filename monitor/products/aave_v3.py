"""Aave v3 positions: a position is liquidated at once and in part when its health factor falls below 1 (domain section 5).

Health factor = sum of collateral x the liquidation threshold of its asset, over debt. There is no notice and no grace. The
initial line is the desk's own: cures lead to it. For eMode, write another product file with other thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import msgspec

from monitor.core.loans.group import Level
from monitor.core.money import plain
from monitor.core.rules.product import CloseFactor, Product, Version
from monitor.core.rules.thresholds import Metric
from monitor.core.schema import Asset, Bounds, Problem, Quantity, Ratio
from monitor.products import _base as base
from monitor.products._base import VersionTable

KIND = "aave_v3"
Bonus = Annotated[Decimal, Bounds("1", "2", 6)]
HEALTH_FACTOR = Metric("health_factor", falls=True, strict=("liquidation",))


class HealthFactorLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version: health factors."""

    initial: Level = Decimal("1.25")
    liquidation: Level = Decimal(1)


class Closing(msgspec.Struct, frozen=True):
    """`close` of a version: how much of the debt one liquidation may repay."""

    share: Ratio = Decimal("0.5")
    full_at: Level = Decimal("0.95")
    small_usd: Quantity = Decimal(2000)
    leftover_usd: Quantity = Decimal(1000)
    bonus: dict[Asset, Bonus] = {}
    """By coin of the collateral, such as 1.05: with it, what is left of the collateral counts as well."""


class AaveV3Version(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    liquidation_thresholds: dict[Asset, Ratio]
    thresholds: HealthFactorLevels = HealthFactorLevels()
    close: Closing = Closing()
    liquidation_fee: Ratio = Decimal(0)
    """A share of all collateral. A liquidator's bonus depends on the pair; state the worst bonus here."""
    warnings: tuple[Level, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, AaveV3Version, _version)


def _version(table: AaveV3Version, where: str, problems: list[Problem]) -> Version | None:
    lines = base.thresholds(table.thresholds, table.warnings, where, problems, HEALTH_FACTOR)
    if lines is None:
        return None
    close = table.close
    if close.full_at > lines.liquidation:
        what = f"found {plain(close.full_at)}, expected at most the liquidation line {plain(lines.liquidation)}"
        problems.append(Problem(f"{where}.close.full_at", what))
    ladders = {asset: ((None, share),) for asset, share in table.liquidation_thresholds.items()}
    factor = CloseFactor(close.share, close.full_at, close.small_usd, close.leftover_usd, close.bonus)
    return base.graceless(table, lines, ladders, warnings=table.warnings, close_factor=factor)
