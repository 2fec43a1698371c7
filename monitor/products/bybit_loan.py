"""Bybit crypto loans: one LTV over all orders, with four lines at 80, 85, 93 and 95 % (domain section 5).

The lender's delayed liquidation, at 93 %, is our liquidation line, with a grace period for every group. Its liquidation, at
95 %, is our immediate line, which counts as soon as LTV reaches it. The lender does not publish how long the grace period
is, so `grace` is a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from monitor.core.rules.product import ClearanceRule, Product, Version
from monitor.core.rules.thresholds import Metric
from monitor.core.schema import Asset, Problem
from monitor.products import _base as base
from monitor.products._base import Factor, GraceLines, LadderTable, Line, VersionTable

KIND = "bybit_loan"
REACHED_LTV = Metric(strict=())


class BybitLoanVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    ladders: dict[Asset, LadderTable]
    thresholds: GraceLines = GraceLines(Decimal("0.8"), Decimal("0.85"), Decimal("0.93"), Decimal("0.95"))
    grace: timedelta = timedelta(hours=24)
    overdue_after: timedelta = timedelta(hours=24)
    late_interest_factor: Factor = Decimal(3)
    warnings: tuple[Line, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, BybitLoanVersion, _version)


def _version(table: BybitLoanVersion, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems, REACHED_LTV)
    if lines is None:
        return None
    stated = {**base.stated(table), "thresholds": lines, "ladders": ladders}
    return Version(clearance=ClearanceRule(stated.pop("liquidation_fee")), **stated, is_grace_for_all=True)
