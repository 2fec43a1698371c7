"""What the detail of a group adds for some products: liabilities and what they require, and what liquidation may repay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.borrowing.limits import borrow_limit
from monitor.core.loans.group import Group
from monitor.core.money import ZERO, plain
from monitor.core.rules.product import NOTHING, Ladder, Version
from monitor.core.valuation.ladder import by_deduction, deductions, recognised, tier_of
from monitor.core.valuation.remedies import Permitted
from monitor.core.valuation.valuation import Holding, Position, Weight, crossed


def liabilities(group: Group, held: Holding, usd: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """Every coin that is owed with its tier, its margins and its limit; figures are null where the price is missing."""
    if held.tiers is None:
        return []
    shown = []
    for asset, amount in held.debts:
        limit = borrow_limit(held.version, asset, group.vip_level)
        row: dict[str, Any] = {
            "asset": asset,
            "amount": plain(amount),
            "borrow_limit": None if limit is None else plain(limit),
            "borrow_left": None if limit is None else plain(max(ZERO, limit - amount)),
        }
        shown.append(row | _margins(held, asset, None if asset not in usd else amount * usd[asset]))
    return shown


_MARGINS = (
    "value_usd", "tier", "max_leverage", "initial_rate", "maintenance_rate", "maintenance_amount", "initial_margin_usd",
    "maintenance_margin_usd",
)  # fmt: skip


def _margins(held: Holding, asset: str, value: Decimal | None) -> dict[str, Any]:
    if value is None or held.tiers is None:
        return dict.fromkeys(_MARGINS)
    tiers = held.tiers[asset]
    place = tier_of(tiers.maintenance, value)
    figures = (
        value, Decimal(place + 1), tiers.max_leverage[place], tiers.initial[place][1], tiers.maintenance[place][1],
        deductions(tiers.maintenance)[place], by_deduction(tiers.initial, value), by_deduction(tiers.maintenance, value),
    )  # fmt: skip
    return {name: plain(figure) for name, figure in zip(_MARGINS, figures, strict=True)}


def closable(held: Holding, weight: Weight, usd: Mapping[str, Decimal]) -> list[dict[str, str]]:
    """Per coin owed and coin pledged, the USD of debt that one liquidation may repay; empty while there is none to come.

    A share of the whole debt; all that is owed in the coin where the level is low, or where either side of the pair is
    small (DOMAIN section 5, Aave v3).
    """
    close, lines = held.version.close_factor, held.lines
    if close is None or not weight.debt or not crossed(weight, lines, "liquidation"):
        return []
    is_low = weight.reaches(close.full_at, lines.falls)
    shown = []
    for owed, amount in held.debts:
        debt = amount * usd[owed]
        for pledged, quantity, _ in held.collateral:
            is_full = is_low or min(debt, quantity * usd[pledged]) < close.small_usd
            repaid = debt if is_full else min(debt, close.share * weight.debt)
            shown.append({"debt": owed, "collateral": pledged, "closable_usd": plain(repaid)})
    return shown


Allow = Callable[[Decimal, tuple[Position, ...], Mapping[str, Ladder]], Permitted]
"""What is permitted by a recognised value, the positions that make it up, and their ladders."""


def permitted_by(version: Version, counted: Decimal, held: tuple[Position, ...], allow: Allow) -> Permitted:
    """What is permitted where loans, transfers out and stages go by ladders of their own (DOMAIN section 3.8).

    A coin that such a table does not list counts nothing for its purpose. Orders inside the account go by the stage's.
    """
    allowed = allow(counted, held, version.ladders_of(p.asset for p in held))
    if version.borrow_ladders is not None:
        of_loans = _allowed_by(version.borrow_ladders, counted, held, allow)
        allowed = msgspec.structs.replace(allowed, new_order=of_loans.new_order, borrowable_usd=of_loans.borrowable_usd)
    if version.transfer_ladders is not None:
        leaving = _allowed_by(version.transfer_ladders, counted, held, allow)
        allowed = msgspec.structs.replace(
            allowed, withdraw=leaving.withdraw, withdrawable=leaving.withdrawable,
            removable_accounts=leaving.removable_accounts,
        )  # fmt: skip
    return allowed


def _allowed_by(table: Mapping[str, Ladder], counted: Decimal, held: tuple[Position, ...], allow: Allow) -> Permitted:
    ladders = {p.asset: table.get(p.asset, NOTHING) for p in held}
    revalued = tuple(
        p if p.value is None else msgspec.structs.replace(p, recognised=recognised(ladders[p.asset], p.value))
        for p in held
    )
    more = sum((now.recognised or ZERO) - (p.recognised or ZERO) for now, p in zip(revalued, held, strict=True))
    return allow(counted + more, revalued, ladders)
