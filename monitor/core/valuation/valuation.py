"""Recognised collateral, market value, debt and LTV: the reference formulas (reading A1).

LTV = sum of (principal + interest) in USD, without haircut, over the sum per asset of ladder(quantity x price).
Where loans are liabilities the two sums are the maintenance margin, which is the sum per coin of tiers(owed x price), and the
net equity, which is recognised collateral less liabilities and what open orders might lose (rule 37, domain section
3.7). A line is compared by multiplication, never by a rounded quotient.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec

from monitor.core.loans.group import Group, Loan, lines_of
from monitor.core.loans.interest import interest
from monitor.core.money import ZERO
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import Ladder, LiabilityTiers, Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.ladder import counts, recognised

NORMAL = "normal"
RESTRICTED = "restricted"
MARGIN_CALL = "margin_call"
LIQUIDATION = "liquidation"
IMMEDIATE = "immediate"
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
    tiers: Mapping[str, LiabilityTiers] | None = None
    """Not None: the debts are liabilities that go through these."""
    minute: int = 0
    """The minute of the day up to which interest counts, where it is added more often than daily."""
    order_loss: Decimal = ZERO
    """USD that open orders might lose, where that is taken off what is recognised."""


def holding(group: Group, product: Product, at: datetime) -> Holding:
    """The group's holding at a time."""
    version, (day, minute) = product.version_at(at), product.moment(at)
    collateral = tuple(
        (asset, quantity, ladder)
        for asset, quantity in sorted(group.quantities().items())
        if (ladder := version.ladder(asset)) is not None
    )
    owed: dict[str, Decimal] = {}
    for loan in group.loans:
        amount = loan.principal + interest(loan, product, day, minute)
        if amount:
            owed[loan.asset] = owed.get(loan.asset, ZERO) + amount
    assets = frozenset(owed) | {asset for asset, _, _ in collateral}
    coins = (asset for asset, _, _ in collateral)
    lines = lines_of(group.thresholds, version.lines_for(coins, group.leverage, group.loans))
    return Holding(
        day,
        version,
        lines,
        collateral,
        tuple(sorted(owed.items())),
        assets,
        version.liability_tiers,
        minute,
        _order_loss(group, version),
    )


def _order_loss(group: Group, version: Version) -> Decimal:
    return group.open_order_loss if version.counts_order_loss else ZERO


def under(group: Group, held: Holding, version: Version) -> Holding:
    """The same holding under another version of its product's rules; what is owed stays."""
    collateral = tuple(
        (asset, quantity, ladder)
        for asset, quantity in sorted(group.quantities().items())
        if (ladder := version.ladder(asset)) is not None
    )
    coins = [asset for asset, _, _ in collateral]
    lines = lines_of(group.thresholds, version.lines_for(coins, group.leverage, group.loans))
    return msgspec.structs.replace(
        held,
        version=version,
        lines=lines,
        collateral=collateral,
        tiers=version.liability_tiers,
        order_loss=_order_loss(group, version),
        assets=frozenset(coins).union(asset for asset, _ in held.debts),
    )


class Weight(msgspec.Struct, frozen=True):
    """The two sums that decide: debt and recognised collateral, in USD, exact. `shown_figures.py` shows their quotient."""

    debt: Decimal
    recognised: Decimal

    def reaches(self, line: Decimal, falls: bool = False) -> bool:
        """LTV >= line; with `falls` recognised/debt <= line."""
        return self.recognised <= line * self.debt if falls else self.debt >= line * self.recognised

    def below(self, line: Decimal, falls: bool = False) -> bool:
        """LTV < line, with `falls` recognised/debt > line: on its good side. A group without debt is."""
        return not self.debt or not self.reaches(line, falls)

    def at_or_below(self, line: Decimal, falls: bool = False) -> bool:
        """LTV <= line, with `falls` recognised/debt >= line. A group without debt is."""
        if not self.debt:
            return True
        return self.recognised >= line * self.debt if falls else self.debt <= line * self.recognised


def weigh(held: Holding, usd: Mapping[str, Decimal]) -> Weight:
    """Debt and recognised value at these prices. Exact. Raises KeyError where a price is missing."""
    debt = ZERO
    total = -held.order_loss if held.order_loss else ZERO
    if held.tiers is None:
        for asset, amount in held.debts:
            debt += amount * usd[asset]
    else:
        for asset, amount in held.debts:
            value = amount * usd[asset]
            debt += recognised(held.tiers[asset].maintenance, value)
            total -= value
    for asset, quantity, ladder in held.collateral:
        value = quantity * usd[asset]
        bound, share = ladder[0]
        if bound is None:
            total += value * share
        elif type(ladder) is ByAmount:
            total += counts(ladder, quantity, usd[asset])
        else:
            total += value * share if value <= bound else recognised(ladder, value)
    return Weight(debt, total)


def initial_margin(held: Holding, usd: Mapping[str, Decimal]) -> Decimal:
    """What the liabilities require to be taken up, in USD (rule 40). Raises KeyError where a price is missing."""
    tiers = held.tiers or {}
    return sum((recognised(tiers[asset].initial, q * usd[asset]) for asset, q in held.debts), ZERO)


def band(weight: Weight, lines: Thresholds) -> str:
    """The band. A line is crossed where it is reached, a strict one only beyond it (rules 10, 11 and 14).

    Debt without recognised value is the worst band, whatever lines there are.
    """
    if not weight.debt:
        return NORMAL
    if weight.recognised <= 0 or crossed(weight, lines, IMMEDIATE):
        return IMMEDIATE
    if crossed(weight, lines, LIQUIDATION):
        return LIQUIDATION
    if crossed(weight, lines, MARGIN_CALL):
        return MARGIN_CALL
    return RESTRICTED if crossed(weight, lines, "initial") else NORMAL


def crossed(weight: Weight, lines: Thresholds, name: str) -> bool:
    """A group with debt has crossed the line of that name, if there is one."""
    level: Decimal | None = getattr(lines, name)
    if level is None:
        return False
    if name in lines.metric.strict:
        return not weight.at_or_below(level, lines.falls)
    return weight.reaches(level, lines.falls)


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
        counted = None if price is None else counts(ladder, quantity, price)
        result.append(Position(asset, quantity, price, value, counted))
    return tuple(result)


class Owed(msgspec.Struct, frozen=True):
    """One loan as it was valued."""

    loan: Loan
    interest: Decimal
    price: Decimal | None
    value: Decimal | None


def owed(group: Group, product: Product, day: date, usd: Mapping[str, Decimal], minute: int = 0) -> tuple[Owed, ...]:
    """Every loan with its interest of the day and its USD value; None where the price is missing."""
    result = []
    for loan in group.loans:
        accrued = interest(loan, product, day, minute)
        amount, price = loan.principal + accrued, usd.get(loan.asset)
        value = ZERO if not amount else None if price is None else amount * price
        result.append(Owed(loan, accrued, price, value))
    return tuple(result)
