"""Whether the stated Spot balances pay the interest that is owed (VIP FAQ 27, 28). No price is needed for that.

A group that states no balances at all is not known to be short of anything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from monitor.core.loans.group import Group, Loan
from monitor.core.loans.interest import interest
from monitor.core.money import ZERO, plain
from monitor.core.rules.product import Product
from monitor.core.valuation.valuation import Holding


class Shortfall(NamedTuple):
    """Of one coin; quantities of it."""

    asset: str
    interest: Decimal
    balance: Decimal

    @property
    def facts(self) -> dict[str, Any]:
        """As alerts and the detail of a group show it."""
        return {
            "asset": self.asset,
            "interest": plain(self.interest),
            "balance": plain(self.balance),
            "short": plain(self.interest - self.balance),
        }


def balance(group: Group, asset: str) -> Decimal:
    """What all stated accounts have of a coin."""
    return sum((coins.get(asset, ZERO) for coins in group.balances.values()), ZERO)


def interest_of(loan: Loan, product: Product, held: Holding) -> Decimal:
    """What a loan owes in interest at the time of a holding."""
    return interest(loan, product, held.day, held.minute)


def shortfalls(group: Group, product: Product, held: Holding) -> list[Shortfall]:
    """Coins whose balance is less than the interest owed in them, in order."""
    if not group.balances:
        return []
    owed: dict[str, Decimal] = {}
    for loan in group.loans:
        owed[loan.asset] = owed.get(loan.asset, ZERO) + interest_of(loan, product, held)
    found = (Shortfall(asset, amount, balance(group, asset)) for asset, amount in sorted(owed.items()))
    return [each for each in found if each.balance < each.interest]
