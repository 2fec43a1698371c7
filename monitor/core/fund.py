"""What a forced liquidation would leave: the clearance fee, what is left over, what is missing (DOMAIN 43-47, A16). Pure.

The base of the fee is the market value, without haircut, of all that would be liquidated, at the prices of its start. The
fee never takes more than what is left once the debt is paid, and is no part of any line: it moves no liquidation price.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.money import ONE, ZERO
from monitor.core.product import ClearanceRule, Thresholds
from monitor.core.valuation import Holding


class Clearance(msgspec.Struct, frozen=True):
    """A liquidation of the whole group, in USD, exact."""

    market_usd: Decimal
    """Of what is liquidated: collateral that the ladders list, without haircut."""
    fee_usd: Decimal
    debt_usd: Decimal
    """All that is owed, interest included; where loans are liabilities this is their value, not their margin."""
    left_usd: Decimal
    """Goes back to the borrower."""
    shortfall_usd: Decimal
    """Is owed by nobody else than the insurance fund."""
    bankrupt: bool
    """Assets are worth less than what is owed (DOMAIN 43)."""


def fee_rate(rule: ClearanceRule, lines: Thresholds) -> Decimal:
    """The share of the market value that the fee takes while enough is left (DOMAIN 45, 46)."""
    return rule.share * max(ZERO, lines.liquidation - ONE) if rule.by_tier else rule.share


def cleared(rule: ClearanceRule, lines: Thresholds, market: Decimal, debt: Decimal) -> Clearance:
    """What is left of a market value when a debt is paid out of it, and the fee (DOMAIN 47)."""
    over = max(ZERO, market - debt)
    fee = min(fee_rate(rule, lines) * market, over)
    return Clearance(market, fee, debt, over - fee, max(ZERO, debt - market), market < debt)


def clearance(held: Holding, usd: Mapping[str, Decimal]) -> Clearance:
    """A group's liquidation at these prices. Raises KeyError where a price is missing."""
    market = sum((quantity * usd[asset] for asset, quantity, _ in held.collateral), ZERO)
    debt = sum((amount * usd[asset] for asset, amount in held.debts), ZERO)
    return cleared(held.version.clearance, held.lines, market, debt)
