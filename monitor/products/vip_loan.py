"""VIP loans: an LTV product with marginal ladders, four lines and a grace period (rules 1 to 31).

The rules come from TOML in dated versions (docs/configuration.md); this file says what a version may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from msgspec import field

from monitor.core.rules.product import ClearanceRule, Product, Version
from monitor.core.schema import Asset, DailyRate, Problem, Quantity
from monitor.products import _base as base
from monitor.products._base import Factor, GraceLines, LadderTable, Line, VersionTable

KIND = "vip_loan"


class VipLoanVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    thresholds: GraceLines
    ladders: dict[Asset, LadderTable]
    grace: timedelta = timedelta(hours=24)
    overdue_after: timedelta = timedelta(hours=24)
    late_interest_factor: Factor = Decimal(3)
    renewal_window: timedelta = timedelta(days=7)
    maturity_notice: timedelta = timedelta(hours=24)
    warnings: tuple[Line, ...] = ()
    loan_limits: dict[Asset, object] = field(default_factory=dict)
    """USD by VIP level from 0 on; a single text holds for every level."""
    fixed_rates: dict[Asset, dict[Literal["30d", "60d"], object]] = field(default_factory=dict)
    """Daily rates on offer, by term and VIP level in the same form."""


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, VipLoanVersion, _version)


def _version(table: VipLoanVersion, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems)
    limits = {
        asset: base.by_level(found, Quantity, f"{where}.loan_limits.{asset}", problems)
        for asset, found in table.loan_limits.items()
    }
    base.limits({asset: levels for asset, levels in limits.items() if levels}, f"{where}.loan_limits", problems)
    fixed = {
        asset: {
            term: base.by_level(found, DailyRate, f"{where}.fixed_rates.{asset}.{term}", problems)
            for term, found in terms.items()
        }
        for asset, terms in table.fixed_rates.items()
    }
    if lines is None:
        return None
    # "0s" switches a window or a notice off.
    dates = {"renewal_window": table.renewal_window or None, "maturity_notice": table.maturity_notice or None}
    stated = base.stated(table)
    clearance = ClearanceRule(stated.pop("liquidation_fee"))
    read = {"thresholds": lines, "ladders": ladders, "loan_limits": limits, "fixed_rates": fixed, **dates}
    return Version(**{**stated, **read}, clearance=clearance)
