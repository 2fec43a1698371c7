"""Institutional loans of an exchange: the LTV of a risk unit, liquidated at once at one line (domain section 5, Bybit).

The unit's own product may have other lines; the book line states them as `thresholds`. A delay before the liquidation is the
lender's own clock: its reading brings the stage and the deadline, so there is no grace period here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from monitor.core.rules.product import Product, Version
from monitor.core.schema import Asset, Problem
from monitor.products import _base as base
from monitor.products._base import LadderTable, Line, LtvLines, VersionTable

KIND = "institutional_loan"


class InstitutionalLoanVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    ladders: dict[Asset, LadderTable]
    thresholds: LtvLines = LtvLines(Decimal("0.75"), Decimal("0.85"), Decimal("0.9"))
    warnings: tuple[Line, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, InstitutionalLoanVersion, _version)


def _version(table: InstitutionalLoanVersion, where: str, problems: list[Problem]) -> Version | None:
    ladders = base.ladders(table.ladders, f"{where}.ladders", problems)
    lines = base.thresholds(table.thresholds, table.warnings, where, problems)
    if lines is None:
        return None
    return base.graceless(table, lines, ladders, warnings=table.warnings)
