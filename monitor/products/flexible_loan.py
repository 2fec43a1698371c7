"""Flexible crypto loans: the LTV of one collateral coin against one loan, interest by the minute (domain section 3.12).

Each collateral coin has its own lines. There is no grace period.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.rules.product import MINUTE, WHOLE, Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.schema import Asset, Problem
from monitor.products import _base as base
from monitor.products._base import LtvLines, VersionTable

KIND = "flexible_loan"


class FlexibleLoanVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    collateral: dict[Asset, LtvLines]
    """The coins that a group may pledge, each with its lines."""


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, FlexibleLoanVersion, _version, MINUTE)


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
    # The strictest lines judge debt against no collateral, or against a coin without lines.
    strictest = min(lines.values(), key=lambda line: (line.liquidation, line.first, line.initial))
    return base.graceless(table, strictest, dict.fromkeys(lines, WHOLE), lines_by_coin=lines, max_coins=1)
