"""What some products add to the detail of a group: liabilities with their margins, and what a liquidation may repay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from monitor.core.borrowing.limits import borrow_limit
from monitor.core.loans.group import Group
from monitor.core.money import EIGHT_PLACES, ZERO, divide_down, plain
from monitor.core.rules.product import NOTHING, CloseFactor, Ladder, LiabilityTiers, Version
from monitor.core.text import plain_or_none
from monitor.core.valuation.ladder import by_deduction, counts, deductions, tier_of
from monitor.core.valuation.remedies import Permitted, Valued
from monitor.core.valuation.valuation import Holding, Weight, crossed


class Liability(msgspec.Struct, frozen=True):
    """The debt in one coin, where loans are liabilities; its tier counts from 1."""

    asset: str
    amount: str
    borrow_limit: str | None
    borrow_left: str | None
    value_usd: str | None
    tier: str | None
    max_leverage: str | None
    initial_rate: str | None
    maintenance_rate: str | None
    maintenance_amount: str | None
    initial_margin_usd: str | None
    maintenance_margin_usd: str | None


class Closable(msgspec.Struct, frozen=True):
    """How much of a coin's debt one liquidation may repay out of a coin of the collateral; `closable` is in the coin."""

    debt: str
    collateral: str
    closable_usd: str
    closable: str


def liabilities(group: Group, held: Holding, usd: Mapping[str, Decimal]) -> list[Liability]:
    """The debt in each coin with its tier, its margins and its limit; figures are null where the price is missing."""
    if not held.tiers:
        return []
    found = []
    for asset, amount in held.debts:
        limit = borrow_limit(held.version, asset, group.vip_level)
        left = None if limit is None else max(ZERO, limit - amount)
        value = amount * usd[asset] if asset in usd else None
        margins = (None,) * 8 if value is None else _margins(held.tiers[asset], value)
        found.append(Liability(asset, plain(amount), plain_or_none(limit), plain_or_none(left), *margins))
    return found


def _margins(tiers: LiabilityTiers, value: Decimal) -> tuple[str, ...]:
    """What `Liability` shows of a debt of this value in USD, from `value_usd` on."""
    place = tier_of(tiers.maintenance, value)
    return (
        plain(value),
        str(place + 1),
        plain(tiers.max_leverage[place]),
        plain(tiers.initial[place][1]),
        plain(tiers.maintenance[place][1]),
        plain(deductions(tiers.maintenance)[place]),
        plain(by_deduction(tiers.initial, value)),
        plain(by_deduction(tiers.maintenance, value)),
    )


def closable(held: Holding, weight: Weight, usd: Mapping[str, Decimal]) -> list[Closable]:
    """Per coin owed and coin pledged, the USD of debt that one liquidation may repay; empty before the liquidation line.

    It may repay a share of the whole debt; all debt in the coin where the level is low, or where either side of the pair
    is small (domain section 5, Aave v3).
    """
    close, lines = held.version.close_factor, held.lines
    if close is None or not weight.debt or not crossed(weight, lines, "liquidation"):
        return []
    is_low = weight.reaches(close.full_at, lines.falls)
    found = []
    for owed, amount in held.debts:
        debt = amount * usd[owed]
        unit = EIGHT_PLACES if held.version.units is None else held.version.units.unit(owed)
        for pledged, quantity, _ in held.collateral:
            worth = quantity * usd[pledged]
            is_full = is_low or min(debt, worth) < close.small_usd
            most = debt if is_full else min(debt, close.share * weight.debt)
            repaid = _repaid(close, debt, most, worth, close.bonus.get(pledged))
            amount_closed = divide_down(repaid, usd[owed], unit)
            found.append(Closable(owed, pledged, plain(repaid), plain(amount_closed)))
    return found


def _repaid(close: CloseFactor, debt: Decimal, most: Decimal, worth: Decimal, bonus: Decimal | None) -> Decimal:
    """What of a debt is repaid: no small rest is left of the debt or of the collateral, but all of one may go."""
    if bonus is not None and most * bonus >= worth:
        return divide_down(worth, bonus, EIGHT_PLACES)
    if most == debt:
        return debt
    rest = min(most, max(ZERO, debt - close.leftover_usd))
    if bonus is None:
        return rest
    return min(rest, divide_down(max(ZERO, worth - close.leftover_usd), bonus, EIGHT_PLACES))


def permitted_by(version: Version, of: Valued, allow: Callable[[Valued], Permitted]) -> Permitted:
    """What is permitted where loans, transfers out and stages go by ladders of their own (domain section 3.8).

    A coin that such a table does not list counts nothing for its purpose. Orders inside the account go by the stage's.
    """
    allowed = allow(of)
    if version.borrow_ladders is not None:
        of_loans = allow(by_ladders(version.borrow_ladders, of))
        allowed = msgspec.structs.replace(allowed, new_order=of_loans.new_order, borrowable_usd=of_loans.borrowable_usd)
    if version.transfer_ladders is not None:
        leaving = allow(by_ladders(version.transfer_ladders, of))
        allowed = msgspec.structs.replace(
            allowed,
            withdraw=leaving.withdraw,
            withdrawable=leaving.withdrawable,
            removable_accounts=leaving.removable_accounts,
        )
    return allowed


def by_ladders(table: Mapping[str, Ladder], of: Valued) -> Valued:
    """The group as valued by other ladders."""
    ladders = {p.asset: table.get(p.asset, NOTHING) for p in of.held}
    held = tuple(
        p if p.price is None else msgspec.structs.replace(p, recognised=counts(ladders[p.asset], p.quantity, p.price))
        for p in of.held
    )
    more = sum((now.recognised or ZERO) - (p.recognised or ZERO) for now, p in zip(held, of.held, strict=True))
    return of._replace(counted=of.counted + more, held=held, ladders=ladders)
