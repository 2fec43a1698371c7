"""Cross Collateral, a product that is retired: free UTC days, then interest on the principal at each 00:00 (DOMAIN 1B).

Loans opened under a version with `interest = false` never bear any; others have the free days of their coin as it was when
they were opened. A repayment goes to all interest first, oldest order first, then to principal (`core.events.entries`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from monitor.core.rules.product import ClearanceRule, Product, Version
from monitor.core.schema import Asset, DailyRate, Problem, Ratio
from monitor.products import _base as base
from monitor.products._base import LadderTable, Line

KIND = "cross_collateral"


class CrossCollateralLines(msgspec.Struct, frozen=True):
    """`thresholds` of a version."""

    initial: Line
    margin_call: Line
    liquidation: Line


class CrossCollateralVersion(msgspec.Struct, frozen=True):
    """One [[version]] of the file."""

    effective: datetime
    thresholds: CrossCollateralLines
    ladders: dict[Asset, LadderTable]
    rates: dict[Asset, DailyRate] = {}
    free_days: dict[Asset, Annotated[int, range(0, 366)]] = {}
    interest: bool = True
    liquidation_fee: Ratio = Decimal("0.02")
    warnings: tuple[Line, ...] = ()


class CrossCollateralFile(msgspec.Struct, frozen=True):
    """A product file."""

    version: tuple[CrossCollateralVersion, ...]


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises wire.Invalid with every problem and its place."""
    return base.load(KIND, table, CrossCollateralFile, _version)


def _version(table: CrossCollateralVersion, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems)
    if lines is None:
        return None
    return Version(
        table.effective, lines, ladders, table.rates, grace=None, warnings=table.warnings, free_days=table.free_days,
        is_interest_free=not table.interest, clearance=ClearanceRule(table.liquidation_fee),
    )  # fmt: skip
