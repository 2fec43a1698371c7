"""How much of a coin a borrower may take, at which rates, and why no more: VIP level, stage, collateral (VIP FAQ 7, 22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from monitor.core.loans.group import TERM_DAYS, Group
from monitor.core.loans.interest import timeline
from monitor.core.money import ZERO, plain
from monitor.core.rules.product import DAY, Product, Version
from monitor.core.stages.stages import NORMAL
from monitor.core.text import plain_or_none
from monitor.core.valuation.valuation import Holding

MARGIN_CALL, COIN_LIMIT, COLLATERAL, PRICE, INTEREST = (
    "margin_call",
    "coin_limit",
    "collateral",
    "price",
    "interest_not_covered",
)


class Reason(NamedTuple):
    """Why something is refused: a word for programs, a sentence for people."""

    reason: str
    text: str


def shown(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    """As JSON values."""
    return [each._asdict() for each in reasons]


def at_level(levels: Sequence[Decimal], vip_level: int | None) -> Decimal:
    """The figure of a VIP level; who states none is regular, and the last one holds for all above."""
    return levels[min(vip_level or 0, len(levels) - 1)]


def borrow_limit(version: Version, asset: str, vip_level: int | None) -> Decimal | None:
    """How much of a coin a borrower of a VIP level may owe (DOMAIN 42). None: no limit."""
    levels = version.borrow_limits.get(asset)
    return None if levels is None else at_level(levels, vip_level)


class CoinRoom(NamedTuple):
    """What one coin's limits leave; None where there is no such limit, or the coin's price is missing."""

    limit: Decimal | None
    left: Decimal | None
    limit_usd: Decimal | None
    left_usd: Decimal | None

    def is_used_up(self, *, beyond: bool = False) -> bool:
        """A limit is reached; `beyond`: passed."""
        lefts = [left for left in (self.left, self.left_usd) if left is not None]
        return any(left < 0 if beyond else left <= 0 for left in lefts)


def room_of(held: Holding, asset: str, vip_level: int | None, usd: Mapping[str, Decimal]) -> CoinRoom:
    """The limits of a coin less what is owed in it, interest included; below zero where they are passed."""
    owed = next((amount for coin, amount in held.debts if coin == asset), ZERO)
    limit = borrow_limit(held.version, asset, vip_level)
    levels, price = held.version.loan_limits.get(asset), usd.get(asset)
    limit_usd = None if levels is None else at_level(levels, vip_level)
    owed_usd = ZERO if not owed else None if price is None else owed * price
    left_usd = None if limit_usd is None or owed_usd is None else limit_usd - owed_usd
    return CoinRoom(limit, None if limit is None else limit - owed, limit_usd, left_usd)


def over_limit(asset: str, room: CoinRoom, *, beyond: bool = False) -> list[Reason]:
    """The coin has no room left, or is over its limit."""
    if not room.is_used_up(beyond=beyond):
        return []
    is_usd = room.left_usd is not None and (room.left_usd < 0 if beyond else room.left_usd <= 0)
    limit = f"{plain(room.limit_usd or ZERO)} USD" if is_usd else f"{plain(room.limit or ZERO)} {asset}"
    return [Reason(COIN_LIMIT, f"{asset} is {'over' if beyond else 'at'} its limit of {limit} at this VIP level")]


def in_call(stage: str) -> list[Reason]:
    """An order is in margin call, or further (VIP FAQ 7, 27)."""
    if stage == NORMAL:
        return []
    return [Reason(MARGIN_CALL, f"the group is in {stage.replace('_', ' ')} (VIP FAQ 7, 27)")]


def order_reasons(stage: str, room_usd: Decimal, doubted: Sequence[str]) -> list[Reason]:
    """Why the group may take no new order now, whatever the coin (VIP FAQ 7).

    `doubted`: coins of the group without a price that is believed.
    """
    reasons = in_call(stage)
    if doubted:
        named = ", ".join(doubted[:5]) + (" ..." if len(doubted) > 5 else "")
        reasons.append(Reason(PRICE, f"not every price is there and believed: {named}"))
    elif not reasons and room_usd <= 0:
        reasons.append(
            Reason(COLLATERAL, "collateral does not suffice: an order would take LTV above the initial level")
        )
    return reasons


def borrowable(
    group: Group, product: Product, held: Holding, at: datetime, usd: Mapping[str, Decimal], reasons: Sequence[Reason],
    room_usd: Decimal,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Per coin that the product lends: what its limits leave, whether a new order is allowed, and at which rates."""
    version = held.version
    coins = {*product.rated(at), *version.fixed_rates, *version.loan_limits, *version.borrow_limits}
    shown_by_coin: dict[str, dict[str, Any]] = {}
    for asset in sorted(coins):
        room = room_of(held, asset, group.vip_level, usd)
        mine = [*reasons, *over_limit(asset, room)]
        most = min(
            [room_usd, *(left for left in (room.left_usd, _in_usd(room.left, usd.get(asset))) if left is not None)]
        )
        shown_by_coin[asset] = {
            "limit_usd": plain_or_none(room.limit_usd),
            "left_usd": _left(room.left_usd),
            "limit": plain_or_none(room.limit),
            "left": _left(room.left),
            "most_usd": plain(max(ZERO, most)) if not mine else "0",
            "allowed": not mine,
            "reasons": shown(mine),
            "offers": offers(product, held.version, at, asset, group.vip_level),
        }
    return shown_by_coin


def offers(
    product: Product, version: Version, at: datetime, asset: str, vip_level: int | None
) -> dict[str, str | None]:
    """Daily rates of a new order in a coin: the flexible one, the same for all, and the fixed ones of the VIP level."""
    fixed, flexible = version.fixed_rates.get(asset, {}), None
    if asset in product.rated(at):
        flexible = timeline(product, asset).at(at) * (DAY // product.period)
    terms = {term: fixed.get(term) for term in TERM_DAYS}
    rates = {term: None if levels is None else at_level(levels, vip_level) for term, levels in terms.items()}
    return {"flexible": plain_or_none(flexible), **{term: plain_or_none(rate) for term, rate in rates.items()}}


def _in_usd(amount: Decimal | None, price: Decimal | None) -> Decimal | None:
    return None if amount is None or price is None else amount * price


def _left(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(max(ZERO, amount))
