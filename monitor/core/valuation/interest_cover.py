"""Whether the stated Spot balances pay the interest (rules 27 and 28). That needs no price.

A group that states no balances is short of nothing, as far as the monitor knows.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from monitor.core.loans.group import Group, Loan
from monitor.core.loans.interest import interest
from monitor.core.money import ZERO, plain
from monitor.core.rules.product import Product
from monitor.core.text import as_json
from monitor.core.valuation.valuation import Holding


class ShortCoin(msgspec.Struct, frozen=True):
    """A coin whose stated Spot balances do not pay its interest."""

    asset: str
    interest: str
    balance: str
    short: str


class InterestShortfall(NamedTuple):
    """The interest and the balance of one coin, as quantities of it."""

    asset: str
    interest: Decimal
    balance: Decimal

    @property
    def shown(self) -> ShortCoin:
        """As the detail of a group shows it."""
        short = self.interest - self.balance
        return ShortCoin(self.asset, plain(self.interest), plain(self.balance), plain(short))

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of an alert about it."""
        return as_json(self.shown)


def balance(group: Group, asset: str) -> Decimal:
    """What all stated accounts have of a coin."""
    return sum((coins.get(asset, ZERO) for coins in group.balances.values()), ZERO)


def interest_of(loan: Loan, product: Product, held: Holding) -> Decimal:
    """What a loan owes in interest at the time of a holding."""
    return interest(loan, product, held.day, held.minute)


def shortfalls(group: Group, product: Product, held: Holding) -> list[InterestShortfall]:
    """Coins whose balance is less than the interest owed in them, in order."""
    if not group.balances:
        return []
    owed: dict[str, Decimal] = {}
    for loan in group.loans:
        owed[loan.asset] = owed.get(loan.asset, ZERO) + interest_of(loan, product, held)
    found = (InterestShortfall(asset, amount, balance(group, asset)) for asset, amount in sorted(owed.items()))
    return [each for each in found if each.balance < each.interest]
