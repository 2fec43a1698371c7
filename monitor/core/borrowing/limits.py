"""How much of a coin a borrower may take, at which rates, and why no more: VIP level, stage, collateral (rules 7 and 22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from monitor.core.loans.group import Group
from monitor.core.loans.interest import timeline
from monitor.core.money import EIGHT_PLACES, ZERO, divide_down, plain, round_down
from monitor.core.rules.product import DAY, Product, Version
from monitor.core.rules.thresholds import Metric
from monitor.core.stages.stages import NORMAL, Stage
from monitor.core.text import plain_or_none
from monitor.core.valuation.valuation import Holding

MARGIN_CALL = "margin_call"
COIN_LIMIT = "coin_limit"
COLLATERAL = "collateral"
PRICE = "price"
INTEREST = "interest_not_covered"
NOT_STATED = "not_stated"


class Reason(msgspec.Struct, frozen=True):
    """Why something is refused: a word for programs, a sentence for people."""

    reason: str
    text: str


class Offers(msgspec.Struct, frozen=True):
    """Daily rates of a new order; null where there is none."""

    flexible: str | None
    term_30d: str | None = msgspec.field(name="30d")
    term_60d: str | None = msgspec.field(name="60d")


class BorrowableCoin(msgspec.Struct, frozen=True):
    """One coin that the product lends. Limits are null where there are none, `left_usd` also while its price is missing."""

    limit_usd: str | None
    left_usd: str | None
    limit: str | None
    left: str | None
    most_usd: str
    most: str | None
    """The same in the coin, in the lender's places; null while its price is missing."""
    allowed: bool
    reasons: list[Reason]
    offers: Offers


class Borrower(NamedTuple):
    """A group with what decides about its borrower's requests: stage, product, and prices."""

    group: Group
    stage: Stage
    product: Product
    held: Holding
    usd: Mapping[str, Decimal]


def at_level(levels: Sequence[Decimal], vip_level: int | None) -> Decimal:
    """The figure of a VIP level. A borrower without a level is regular; the last figure holds for all levels above."""
    return levels[min(vip_level or 0, len(levels) - 1)]


def borrow_limit(version: Version, asset: str, vip_level: int | None) -> Decimal | None:
    """How much of a coin a borrower of a VIP level may owe (rule 42). None: no limit."""
    levels = version.borrow_limits.get(asset)
    return None if levels is None else at_level(levels, vip_level)


class CoinRoom(NamedTuple):
    """What the limits of one coin leave; None where there is no such limit, or the coin's price is missing."""

    limit: Decimal | None
    left: Decimal | None
    limit_usd: Decimal | None
    left_usd: Decimal | None

    def is_used_up(self, *, beyond: bool = False) -> bool:
        """A limit is reached; `beyond`: passed."""
        lefts = [left for left in (self.left, self.left_usd) if left is not None]
        return any(left < 0 if beyond else left <= 0 for left in lefts)


def room_of(borrower: Borrower, asset: str) -> CoinRoom:
    """The limits of a coin less the debt in it, interest included; below zero where the debt is over the limit."""
    version, vip_level = borrower.held.version, borrower.group.vip_level
    owed = next((amount for coin, amount in borrower.held.debts if coin == asset), ZERO)
    limit = borrow_limit(version, asset, vip_level)
    levels, price = version.loan_limits.get(asset), borrower.usd.get(asset)
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
    """The group is in margin call or worse (rules 7 and 27)."""
    if stage == NORMAL:
        return []
    return [Reason(MARGIN_CALL, f"the group is in {stage.replace('_', ' ')} (VIP FAQ 7, 27)")]


def order_reasons(stage: str, room_usd: Decimal, doubted: Sequence[str], metric: Metric) -> list[Reason]:
    """Why the group may take no new order now, whatever the coin (rule 7).

    `doubted`: coins of the group without a price that is believed.
    """
    reasons = in_call(stage)
    if doubted:
        named = ", ".join(doubted[:5]) + (" ..." if len(doubted) > 5 else "")
        reasons.append(Reason(PRICE, f"not every price is there and believed: {named}"))
    elif not reasons and room_usd <= 0:
        move = f"the {metric.title} below" if metric.falls else "LTV above"
        reasons.append(Reason(COLLATERAL, f"collateral does not suffice: an order would take {move} the initial level"))
    return reasons


def borrowable(
    borrower: Borrower, at: datetime, reasons: Sequence[Reason], room_usd: Decimal, rooms: Mapping[str, Decimal]
) -> dict[str, BorrowableCoin]:
    """Per coin that the product lends: what its limits leave, whether it takes a new order, and at which rates.

    `rooms`: the room in USD of each coin, where it depends on the coin.
    """
    version = borrower.held.version
    coins = {*borrower.product.rated(at), *version.fixed_rates, *version.loan_limits, *version.borrow_limits}
    return {a: _borrowable_coin(borrower, a, at, reasons, rooms.get(a, room_usd)) for a in sorted(coins)}


def _borrowable_coin(
    borrower: Borrower, asset: str, at: datetime, reasons: Sequence[Reason], room_usd: Decimal
) -> BorrowableCoin:
    room, price = room_of(borrower, asset), borrower.usd.get(asset)
    mine = [*reasons, *over_limit(asset, room)]
    left_usd = None if room.left is None or price is None else room.left * price
    most = min([room_usd, *(left for left in (room.left_usd, left_usd) if left is not None)])
    most = ZERO if mine else max(ZERO, most)
    return BorrowableCoin(
        limit_usd=plain_or_none(room.limit_usd),
        left_usd=_left(room.left_usd),
        limit=plain_or_none(room.limit),
        left=_left(room.left if room.left is None else _in_units(borrower, asset, room.left)),
        most_usd=plain(most),
        most=None if price is None else plain(divide_down(most, price, _unit(borrower, asset))),
        allowed=not mine,
        reasons=mine,
        offers=offers(borrower, asset, at),
    )


def offers(borrower: Borrower, asset: str, at: datetime) -> Offers:
    """Daily rates of a new order in a coin: the flexible one, the same for all, and the fixed ones of the VIP level."""
    product, fixed = borrower.product, borrower.held.version.fixed_rates.get(asset, {})
    flexible = timeline(product, asset).at(at) * (DAY // product.period) if asset in product.rated(at) else None
    rates = (at_level(fixed[t], borrower.group.vip_level) if t in fixed else None for t in ("30d", "60d"))
    return Offers(plain_or_none(flexible), *map(plain_or_none, rates))


def _in_units(borrower: Borrower, asset: str, amount: Decimal) -> Decimal:
    """As much of an amount as can be borrowed in the lender's places."""
    units = borrower.held.version.units
    return amount if units is None else round_down(amount, units.unit(asset))


def _unit(borrower: Borrower, asset: str) -> Decimal:
    """The smallest amount of a coin that can be borrowed."""
    units = borrower.held.version.units
    return EIGHT_PLACES if units is None else units.unit(asset)


def _left(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(max(ZERO, amount))
