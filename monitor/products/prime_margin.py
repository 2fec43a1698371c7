"""Portfolio margin of a prime broker (Coinbase Prime): what is long over what is short and the margin that is required.

The broker's model makes the requirement, so the group states it as a loan in the coin that stands for dollars, beside its
short positions. The level is then 1 where equity just meets the requirement, and strictly below 1 there is a deficit, which
is called. The broker publishes no line at which it liquidates: that line and `initial` are the desk's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.loans.group import Level
from monitor.core.rules.product import WHOLE, Product, Version
from monitor.core.rules.thresholds import Metric
from monitor.core.schema import Problem, Ratio
from monitor.products import _base as base
from monitor.products._base import VersionTable

KIND = "prime_margin"
COVER = Metric("margin_level", falls=True, strict=("margin_call",))


class PrimeMarginLevels(msgspec.Struct, frozen=True):
    """`thresholds` of a version: levels."""

    initial: Level = Decimal("1.05")
    margin_call: Level = Decimal(1)
    liquidation: Level = Decimal("0.95")


class PrimeMarginVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    thresholds: PrimeMarginLevels = PrimeMarginLevels()
    liquidation_fee: Ratio = Decimal(0)
    warnings: tuple[Level, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, PrimeMarginVersion, _version)


def _version(table: PrimeMarginVersion, where: str, problems: list[Problem]) -> Version | None:
    lines = base.thresholds(table.thresholds, table.warnings, where, problems, COVER)
    if lines is None:
        return None
    return base.graceless(table, lines, {}, unlisted=WHOLE, warnings=table.warnings)
