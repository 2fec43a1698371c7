"""Cross Collateral, a retired product: free UTC days, then interest on the principal at each 00:00 (rules 32 to 36).

A loan that was opened under a version with `interest = false` never bears any. Every other loan keeps the free days that its
coin had at the opening. A repayment pays all interest first, oldest order first, then principal (`core.events.entries`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import field

from monitor.core.rules.product import Product, Version
from monitor.core.schema import Asset, Problem
from monitor.products import _base as base
from monitor.products._base import LadderTable, Line, LtvLines, VersionTable

KIND = "cross_collateral"


class CrossCollateralVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    thresholds: LtvLines
    ladders: dict[Asset, LadderTable]
    free_days: dict[Asset, Annotated[int, range(0, 366)]] = field(default_factory=dict)
    interest: bool = True
    warnings: tuple[Line, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, CrossCollateralVersion, _version)


def _version(table: CrossCollateralVersion, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems)
    if lines is None:
        return None
    return base.graceless(
        table,
        lines,
        ladders,
        warnings=table.warnings,
        free_days=table.free_days,
        is_interest_free=not table.interest,
    )
