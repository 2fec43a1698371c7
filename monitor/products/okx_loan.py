"""OKX flexible loans: an LTV of all loans over all collateral, both at market value (domain section 5).

The lines depend on what a position is made of, and OKX states them with it: the book line has them as `thresholds`, and those
of the file hold for a line that states none. OKX decides which coins it takes, so each coin that it lists counts in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from monitor.core.rules.product import HOUR, WHOLE, Product, Version
from monitor.core.schema import Problem
from monitor.products import _base as base
from monitor.products._base import Line, LtvLines, VersionTable

KIND = "okx_loan"


class OkxLoanVersion(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of the file."""

    thresholds: LtvLines = LtvLines(Decimal("0.65"), Decimal("0.7"), Decimal("0.8"))
    warnings: tuple[Line, ...] = ()


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises schema.Invalid with every problem and its place."""
    return base.load(KIND, table, OkxLoanVersion, _version, HOUR)


def _version(table: OkxLoanVersion, where: str, problems: list[Problem]) -> Version | None:
    lines = base.thresholds(table.thresholds, table.warnings, where, problems)
    if lines is None:
        return None
    return base.graceless(table, lines, {}, unlisted=WHOLE, warnings=table.warnings)
