"""Recognised collateral, market value, debt and LTV: the reference formulas (DOMAIN A1).

LTV = sum of (principal + interest) in USD, without haircut, over the sum per asset of ladder(quantity x price).
Thresholds are compared by multiplication, never by a rounded quotient.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec

from monitor.core.accrual import interest
from monitor.core.book import Group, Loan, lines_of
from monitor.core.ladder import recognised
from monitor.core.money import EIGHT_PLACES, ZERO, divide_down
from monitor.core.product import Ladder, Product, Thresholds, Version

NORMAL, RESTRICTED, MARGIN_CALL, LIQUIDATION, IMMEDIATE = (
    "normal",
    "restricted",
    "margin_call",
    "liquidation",
    "immediate",
)
BANDS = (NORMAL, RESTRICTED, MARGIN_CALL, LIQUIDATION, IMMEDIATE)


class Holding(msgspec.Struct, frozen=True):
    """A group as the valuation needs it on one day under one version of the rules: what to multiply with which price."""

    day: date
    version: Version
    lines: Thresholds
    collateral: tuple[tuple[str, Decimal, Ladder], ...]
    """(asset, quantity over all accounts, ladder), by asset; only what the ladders list."""
    debts: tuple[tuple[str, Decimal], ...]
    """(asset, principal and interest over all loans), by asset; nothing that is zero."""
    assets: frozenset[str]
    """All assets whose price decides about the group."""


def holding(group: Group, product: Product, at: datetime) -> Holding:
    """The group's holding at a time."""
    version, day = product.version_at(at), at.date()
    collateral = tuple(
        (asset, quantity, version.ladders[asset])
        for asset, quantity in sorted(group.quantities().items())
        if asset in version.ladders
    )
    owed: dict[str, Decimal] = {}
    for loan in group.loans:
        amount = loan.principal + interest(loan, product, day)
        if amount:
            owed[loan.asset] = owed.get(loan.asset, ZERO) + amount
    assets = frozenset(owed) | {asset for asset, _, _ in collateral}
    lines = lines_of(group.thresholds, version.thresholds)
    return Holding(day, version, lines, collateral, tuple(sorted(owed.items())), assets)


class Weight(msgspec.Struct, frozen=True):
    """The two sums that decide: debt and recognised collateral, in USD, exact."""

    debt: Decimal
    recognised: Decimal

    @property
    def ltv(self) -> Decimal | None:
        """Rounded down to 8 decimals for display; None when nothing is recognised; 0 without debt (DOMAIN A1)."""
        if not self.debt:
            return ZERO
        return divide_down(self.debt, self.recognised, EIGHT_PLACES) if self.recognised else None

    def reaches(self, line: Decimal) -> bool:
        """LTV >= line."""
        return self.debt >= line * self.recognised

    def below(self, line: Decimal) -> bool:
        """LTV < line; a group without debt is below every line."""
        return not self.debt or self.debt < line * self.recognised

    def at_or_below(self, line: Decimal) -> bool:
        """LTV <= line; a group without debt is."""
        return not self.debt or self.debt <= line * self.recognised


def weigh(held: Holding, usd: Mapping[str, Decimal]) -> Weight:
    """Debt and recognised value at these prices. Exact. Raises KeyError where a price is missing."""
    debt = ZERO
    for asset, amount in held.debts:
        debt += amount * usd[asset]
    total = ZERO
    for asset, quantity, ladder in held.collateral:
        value = quantity * usd[asset]
        bound, share = ladder[0]
        total += value * share if bound is None or value <= bound else recognised(ladder, value)
    return Weight(debt, total)


def band(weight: Weight, lines: Thresholds) -> str:
    """The LTV band. Margin call and liquidation are inclusive, immediate is strict (VIP FAQ 10, 11, 14)."""
    if not weight.debt:
        return NORMAL
    if not weight.recognised or weight.debt > lines.immediate * weight.recognised:
        return IMMEDIATE
    if weight.reaches(lines.liquidation):
        return LIQUIDATION
    if weight.reaches(lines.margin_call):
        return MARGIN_CALL
    return RESTRICTED if weight.reaches(lines.initial) else NORMAL


class Position(msgspec.Struct, frozen=True):
    """One asset of the collateral as it was valued."""

    asset: str
    quantity: Decimal
    price: Decimal | None
    value: Decimal | None
    recognised: Decimal | None


def positions(held: Holding, usd: Mapping[str, Decimal]) -> tuple[Position, ...]:
    """Every collateral asset with its value and what the ladder recognises of it; None where the price is missing."""
    result = []
    for asset, quantity, ladder in held.collateral:
        price = usd.get(asset)
        value = None if price is None else quantity * price
        counted = None if value is None else recognised(ladder, value)
        result.append(Position(asset, quantity, price, value, counted))
    return tuple(result)


class Owed(msgspec.Struct, frozen=True):
    """One loan as it was valued."""

    loan: Loan
    interest: Decimal
    price: Decimal | None
    value: Decimal | None


def owed(group: Group, product: Product, day: date, usd: Mapping[str, Decimal]) -> tuple[Owed, ...]:
    """Every loan with its interest of the day and its USD value; None where the price is missing."""
    result = []
    for loan in group.loans:
        accrued = interest(loan, product, day)
        amount, price = loan.principal + accrued, usd.get(loan.asset)
        value = ZERO if not amount else None if price is None else amount * price
        result.append(Owed(loan, accrued, price, value))
    return tuple(result)
