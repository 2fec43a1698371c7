"""Flexible crypto loans: the LTV of one collateral coin against one loan, interest by the minute (DOMAIN section 3.12, 4.3).

Lines are those of the collateral coin. There is no grace period.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from monitor.core.rules.product import MINUTE, WHOLE, ClearanceRule, Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.schema import Asset, DailyRate, Problem, Ratio
from monitor.products import _base as base
from monitor.products._base import Line

KIND = "flexible_loan"


class FlexibleLoanLines(msgspec.Struct, frozen=True):
    """`thresholds` of a version, and of a collateral coin."""

    initial: Line
    margin_call: Line
    liquidation: Line


class FlexibleLoanVersion(msgspec.Struct, frozen=True):
    """One [[version]] of the file."""

    effective: datetime
    collateral: dict[Asset, FlexibleLoanLines]
    """Which coins may be pledged, each with its lines."""
    rates: dict[Asset, DailyRate] = {}
    """Per minute."""
    liquidation_fee: Ratio = Decimal("0.02")


class FlexibleLoanFile(msgspec.Struct, frozen=True):
    """A product file."""

    version: tuple[FlexibleLoanVersion, ...]


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises wire.Invalid with every problem and its place."""
    return base.load(KIND, table, FlexibleLoanFile, _version, MINUTE)


def _version(table: FlexibleLoanVersion, where: str, problems: list[Problem]) -> Version | None:
    if not table.collateral:
        problems.append(Problem(f"{where}.collateral", "is empty; a flexible loan has at least one collateral coin"))
    lines: dict[str, Thresholds] = {}
    for asset, stated in table.collateral.items():
        found = base.thresholds(stated, (), f"{where}.collateral.{asset}", problems)
        if found is not None:
            lines[asset] = found
    if not lines:
        return None
    # What is owed against nothing, or against a coin without lines, is judged by the strictest ones.
    strictest = min(lines.values(), key=lambda line: (line.liquidation, line.first, line.initial))
    ladders = dict.fromkeys(lines, WHOLE)
    return Version(
        table.effective, strictest, ladders, table.rates, grace=None, lines_by_coin=lines, max_coins=1,
        clearance=ClearanceRule(table.liquidation_fee),
    )  # fmt: skip
