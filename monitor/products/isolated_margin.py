"""Isolated Margin: one pair, a margin level of its assets over the debt in its coins (domain section 3.10).

The lines depend on the leverage of the account, which its book line states, and in older versions on the tier of its loans.
The exchange gives tiers by the amount that may be borrowed, so they count the principal of each coin, and interest moves no
account to another tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.loans.group import Level
from monitor.core.rules.product import HOUR, ClearanceRule, Product, Version
from monitor.core.schema import Problem
from monitor.products import _base as base
from monitor.products._base import LeverageTable

KIND = "isolated_margin"


class IsolatedMarginLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version."""

    initial: Level = Decimal("1.11")
    margin_call: Level = Decimal("1.1")
    liquidation: Level = Decimal("1.05")


class IsolatedMarginVersion(LeverageTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    thresholds: IsolatedMarginLevels = IsolatedMarginLevels()
    fee_by_tier: bool = False
    """The fee is a share of the liquidation line's excess over 1, as before 2024-09-03 (rule 45, domain section 3.11)."""


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, IsolatedMarginVersion, _version, HOUR)


def _version(table: IsolatedMarginVersion, where: str, problems: list[Problem]) -> Version | None:
    clearance = ClearanceRule(table.liquidation_fee, table.fee_by_tier)
    return base.by_leverage(table, table.thresholds, where, problems, max_coins=2, clearance=clearance)
