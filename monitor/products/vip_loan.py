"""VIP loans: an LTV product with marginal ladders, four lines and a grace period (DOMAIN 1A).

The rules come from TOML in dated versions (INTERFACES section 3); this file says what such a version may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.product import ClearanceRule, Product, Version
from monitor.core.wire import Asset, DailyRate, Problem, Ratio
from monitor.products import base
from monitor.products.base import Factor, LadderTable, Line, Lines

KIND = "vip_loan"


class VersionTable(msgspec.Struct, frozen=True):
    """One [[version]] of the file."""

    effective: datetime
    thresholds: Lines
    ladders: dict[Asset, LadderTable]
    rates: dict[Asset, DailyRate] = {}
    grace: timedelta = timedelta(hours=24)
    overdue_after: timedelta = timedelta(hours=24)
    liquidation_fee: Ratio = Decimal("0.02")
    late_interest_factor: Factor = Decimal(3)
    renewal_window: timedelta = timedelta(days=7)
    warnings: tuple[Line, ...] = ()


class File(msgspec.Struct, frozen=True):
    """A product file."""

    version: tuple[VersionTable, ...]


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises wire.Invalid with every problem and its place."""
    return base.load(KIND, table, File, _version)


def _version(table: VersionTable, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems)
    if lines is None:
        return None
    stated = {**msgspec.structs.asdict(table), "thresholds": lines, "ladders": ladders}
    return Version(clearance=ClearanceRule(stated.pop("liquidation_fee")), **stated)
