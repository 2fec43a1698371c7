"""What a forced liquidation would leave: the clearance fee, what is left, what is missing (rules 43-47, reading A16). Pure.

The base of the fee is the market value, without haircut, of all that would be liquidated, at the prices of its start. The fee
never takes more than what is left after the debt, and is part of no line: it moves no liquidation price.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.money import ONE, ZERO, plain
from monitor.core.rules.product import ClearanceRule
from monitor.core.rules.thresholds import Thresholds
from monitor.core.text import as_json, stamp_or_none
from monitor.core.valuation.valuation import Holding


class Clearance(msgspec.Struct, frozen=True):
    """A liquidation of the whole group, in USD, exact."""

    market_usd: Decimal
    """The value of what is liquidated: collateral that the ladders list, without haircut."""
    fee_usd: Decimal
    debt_usd: Decimal
    """All debt, interest included; where loans are liabilities this is their value, not their margin."""
    left_usd: Decimal
    """What goes back to the borrower."""
    shortfall_usd: Decimal
    """What stays unpaid; the insurance fund pays it."""
    bankrupt: bool
    """Assets are worth less than what is owed (rule 43)."""


class ClearanceShown(msgspec.Struct, frozen=True):
    """What would follow were the whole group liquidated at these prices."""

    market_usd: str
    fee_usd: str
    debt_usd: str
    left_usd: str
    shortfall_usd: str
    bankrupt: bool


def fee_rate(rule: ClearanceRule, lines: Thresholds) -> Decimal:
    """The share of the market value that the fee takes while enough is left (rules 45 and 46)."""
    return rule.share * max(ZERO, lines.liquidation - ONE) if rule.by_tier else rule.share


def cleared(rule: ClearanceRule, lines: Thresholds, market: Decimal, debt: Decimal) -> Clearance:
    """What is left of a market value when a debt is paid out of it, and the fee (rule 47)."""
    over = max(ZERO, market - debt)
    fee = min(fee_rate(rule, lines) * market, over)
    return Clearance(market, fee, debt, over - fee, max(ZERO, debt - market), market < debt)


def clearance(held: Holding, usd: Mapping[str, Decimal]) -> Clearance:
    """A group's liquidation at these prices. Raises KeyError where a price is missing."""
    market = sum((quantity * usd[asset] for asset, quantity, _ in held.collateral), ZERO)
    debt = sum((amount * usd[asset] for asset, amount in held.debts), ZERO)
    return cleared(held.version.clearance, held.lines, market, debt)


class FundSight(msgspec.Struct, frozen=True):
    """What the fund would pay and take were every group in stage liquidation liquidated at the prices of `at`."""

    balance_usd: Decimal
    at: datetime | None = None
    """None: there was no group in liquidation yet."""
    draw_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    """Flow into the fund; the draw is not lessened by them."""
    bankrupt: int = 0
    """Groups that draw."""
    in_liquidation: int = 0
    unknown: int = 0
    """Groups in liquidation that the sums leave out, as a price is missing."""
    blind: bool = False
    """A price that counts is not trusted, or one is missing."""
    worst: tuple[tuple[str, Decimal], ...] = ()
    """(group, shortfall), the largest first, at most `MOST_NAMED` of them."""
    exceeded: bool = False
    """The last word to the desk was that the draw is above the balance."""


class BankruptGroup(msgspec.Struct, frozen=True):
    """A group that a liquidation would leave bankrupt."""

    id: str
    shortfall_usd: str


class FundShown(msgspec.Struct, frozen=True):
    """The insurance fund at the last look, at most 50 groups with the largest shortfall first."""

    at: str | None
    balance_usd: str
    draw_usd: str
    fees_usd: str
    groups: int
    in_liquidation: int
    unknown: int
    blind: bool
    exceeded: bool
    items: list[BankruptGroup]


class FundFacts(msgspec.Struct, frozen=True):
    """What an alert about the fund says; `worst_cut` bankrupt groups are not named in `worst`."""

    balance_usd: str
    draw_usd: str
    fees_usd: str
    groups: int
    in_liquidation: int
    unknown: int
    worst: list[str]
    worst_cut: int


def fund_shown(sight: FundSight) -> FundShown:
    """GET /v1/fund."""
    return FundShown(
        at=stamp_or_none(sight.at),
        balance_usd=plain(sight.balance_usd),
        draw_usd=plain(sight.draw_usd),
        fees_usd=plain(sight.fees_usd),
        groups=sight.bankrupt,
        in_liquidation=sight.in_liquidation,
        unknown=sight.unknown,
        blind=sight.blind,
        exceeded=sight.exceeded,
        items=[BankruptGroup(id_, plain(missing)) for id_, missing in sight.worst],
    )


def fund_facts(sight: FundSight) -> dict[str, Any]:
    """The facts of an alert about the fund."""
    worst = [id_ for id_, _ in sight.worst]
    facts = FundFacts(
        balance_usd=plain(sight.balance_usd),
        draw_usd=plain(sight.draw_usd),
        fees_usd=plain(sight.fees_usd),
        groups=sight.bankrupt,
        in_liquidation=sight.in_liquidation,
        unknown=sight.unknown,
        worst=worst,
        worst_cut=sight.bankrupt - len(worst),
    )
    return as_json(facts)
