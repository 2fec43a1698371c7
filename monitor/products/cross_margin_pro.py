"""Cross Margin Pro: a margin level of net equity over the maintenance margin (rules 37 to 42, domain section 3.7).

A group's loans are its liabilities, and its collateral is its assets. Each liability goes through the tiers of its coin. A
group is liquidated at once when its margin level falls to the line. Until 2025-01-21 10:00 UTC net equity counts assets in
full, since then by the collateral ratios (reading A18). Since 2026-01-21 13:00 UTC there are three ratios: the liquidation
ratio makes net equity, and the other two say what a group may borrow and transfer out. What open orders might lose is taken
off net equity where the ratios count; a line states it as `open_order_loss`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import field

from monitor.core.loans.group import Level
from monitor.core.rules.product import HOUR, WHOLE, Hours, Ladder, Product, Version
from monitor.core.schema import Asset, Problem, Ratio
from monitor.products import _base as base
from monitor.products._base import LadderTable, LimitsTable, TiersTable, VersionTable

KIND = "cross_margin_pro"
HAIRCUT_FROM = datetime(2025, 1, 21, 10, tzinfo=UTC)


class ProMarginLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version: margin levels. The exchange publishes only liquidation at 1; the others are settings."""

    initial: Level = Decimal("1.5")
    margin_call: Level | None = None
    liquidation: Level = Decimal(1)


class ProMarginVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    liability_tiers: dict[Asset, TiersTable]
    thresholds: ProMarginLevels = ProMarginLevels()
    ladders: dict[Asset, LadderTable] = field(default_factory=dict)
    """The collateral ratios, or from 2026-01-21 13:00 UTC on the liquidation collateral ratios."""
    borrow_ladders: dict[Asset, LadderTable] | None = None
    transfer_ladders: dict[Asset, LadderTable] | None = None
    """The borrow and the transfer-out collateral ratios; None: as `ladders`."""
    net_equity: Literal["plain", "haircut"] | None = None
    """How assets count; None: as the exchange did at the effective date."""
    transfer_out: Level | None = None
    """Assets leave only while they stay more than this multiple of what is owed. Where it is not stated: 2 in the plain mode;
    in the haircut mode nothing leaves, as the exchange does not publish when (section 9.3)."""
    bnb_discount: Ratio = Decimal("0.05")
    borrow_limits: dict[Asset, LimitsTable] = field(default_factory=dict)
    """How much of a coin a group may owe, by VIP level from 0 on."""
    liquidation_fee: Ratio = Decimal("0.03")
    """A share of the liquidated assets: 3 % since 2024-09-03 (domain section 3.11)."""
    hours: Hours = "begun"
    warnings: tuple[Level, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, ProMarginVersion, _version, HOUR)


def _version(table: ProMarginVersion, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    tiers = base.liability_tiers(table.liability_tiers, f"{where}.liability_tiers", problems)
    base.limits(table.borrow_limits, f"{where}.borrow_limits", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems, base.MARGIN_LEVEL)
    borrow = _optional(table.borrow_ladders, f"{where}.borrow_ladders", problems)
    transfer = _optional(table.transfer_ladders, f"{where}.transfer_ladders", problems)
    if lines is None:
        return None
    mode = table.net_equity or ("haircut" if table.effective >= HAIRCUT_FROM else "plain")
    counted, unlisted = _counted(ladders, mode)
    return base.graceless(
        table,
        lines,
        counted,
        warnings=table.warnings,
        unlisted=unlisted,
        liability_tiers=tiers,
        paid_in_discount=table.bnb_discount,
        has_proceeds=True,
        counts_order_loss=mode == "haircut",
        transfer_out=table.transfer_out or (Decimal(2) if mode == "plain" else None),
        borrow_limits=table.borrow_limits,
        borrow_ladders=borrow,
        transfer_ladders=transfer,
    )


def _optional(
    tables: Mapping[str, LadderTable] | None, where: str, problems: list[Problem]
) -> Mapping[str, Ladder] | None:
    return None if tables is None else base.ladders(tables, where, problems)


def _counted(ladders: Mapping[str, Ladder], mode: str) -> tuple[Mapping[str, Ladder], Ladder | None]:
    """The ladders by which net equity counts coins, and the ladder of every other coin (domain section 3.7)."""
    return (ladders, None) if mode == "haircut" else ({}, WHOLE)
