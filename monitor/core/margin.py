"""What the detail of a group adds for some products: liabilities and what they require, and what liquidation may repay."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from monitor.core.book import Group
from monitor.core.ladder import by_deduction, deductions, tier_of
from monitor.core.limits import borrow_limit
from monitor.core.money import ZERO, plain
from monitor.core.valuation import Holding, Weight, crossed


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
