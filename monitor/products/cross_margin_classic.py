"""Cross Margin Classic: a margin level of all assets over liabilities and interest, without haircut (domain section 3.6).

The exchange values both in BTC; a level is a ratio, so it is the same in USD. An account of 5x states `leverage` in its book
line and has other lines. A margin call repeats every 24 hours, the default of `margin_call_repeat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.loans.group import Level
from monitor.core.rules.product import HOUR, Product, Version
from monitor.core.schema import Problem
from monitor.products import _base as base
from monitor.products._base import LeverageTable

KIND = "cross_margin_classic"


class ClassicMarginLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version; at `initial` borrowing stops."""

    initial: Level = Decimal("1.5")
    margin_call: Level = Decimal("1.3")
    liquidation: Level = Decimal("1.1")


class ClassicMarginVersion(LeverageTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    thresholds: ClassicMarginLevels = ClassicMarginLevels()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, ClassicMarginVersion, _version, HOUR)


def _version(table: ClassicMarginVersion, where: str, problems: list[Problem]) -> Version | None:
    return base.by_leverage(table, table.thresholds, where, problems)
