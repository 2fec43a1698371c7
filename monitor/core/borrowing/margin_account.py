"""What may be done in a margin account, where what is borrowed stays in it (domain section 9.3 to 9.5).

A loan adds to what is owed and to what is held, by the coin's ratio. Cross Margin Pro lends while the net collateral covers
the initial margin; Classic and Isolated lend down to the initial level. What the lender does not publish is not permitted,
and said to be not stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from monitor.core.borrowing.limits import COLLATERAL, NOT_STATED, Reason
from monitor.core.borrowing.margin import by_ladders
from monitor.core.money import CENT, ONE, ZERO, divide_down, exact, plain, round_down
from monitor.core.rules.ladders import ByAmount, at_price
from monitor.core.rules.product import NOTHING, Ladder, LiabilityTiers, Version
from monitor.core.valuation.ladder import counts
from monitor.core.valuation.remedies import PermitLines, Permitted, Valued
from monitor.core.valuation.valuation import Holding, Position, initial_margin

WITHDRAW = "withdraw"


class Margin(NamedTuple):
    """What decides about loans in Cross Margin Pro, in USD."""

    net: Decimal
    """Net collateral: what the ladders count of the assets, less the liabilities."""
    initial: Decimal
    """What the liabilities require to be taken up."""

    @property
    def available(self) -> Decimal:
        """What is left for new liabilities; zero where the initial margin is not covered."""
        return max(ZERO, self.net - self.initial)


def margin_of(of: Valued, held: Holding, usd: Mapping[str, Decimal]) -> Margin:
    """The margin on which new loans are taken, by the borrow ratios where there are any (domain section 3.8)."""
    of = of if held.version.borrow_ladders is None else by_ladders(held.version.borrow_ladders, of)
    return Margin(of.counted, initial_margin(held, usd))


def on_available_margin(
    of: Valued, held: Holding, usd: Mapping[str, Decimal], accounts: Mapping[str, Mapping[str, Decimal]], is_calm: bool
) -> Permitted:
    """Cross Margin Pro: orders and loans on available margin, transfers while assets are a multiple of what is owed."""
    with exact():
        margin = margin_of(of, held, usd)
        is_covered = margin.net >= margin.initial
        rooms = {
            asset: _margin_room(margin, of, held, asset, usd) for asset in sorted(held.tiers or {}) if asset in usd
        }
        room = min(rooms.values(), default=ZERO) if is_calm else ZERO
        bar = held.version.transfer_out
        not_stated = (WITHDRAW,) if held.debts and bar is None else ()
        leaving = {} if not_stated else _leaving(of, held, usd, bar or ZERO)
        may_leave = any(leaving.values()) or not held.debts
        return Permitted(
            trade=is_covered,
            move_within_group=is_covered,
            withdraw=may_leave and not not_stated,
            new_order=is_calm and is_covered and room > 0,
            borrowable_usd=room,
            withdrawable=leaving if may_leave else {},
            removable_accounts=() if not_stated else tuple(_removable(of, held, usd, accounts, bar or ZERO)),
            rooms=rooms if is_calm else {},
            not_stated=not_stated,
        )


def with_proceeds(
    allowed: Permitted, of: Valued, held: Holding, lines: PermitLines, usd: Mapping[str, Decimal], coins: Iterable[str]
) -> Permitted:
    """Classic and Isolated: (assets - level x owed) / (level - ratio of the coin), as the loan stays in the account."""
    version = held.version
    with exact():
        of = of if version.borrow_ladders is None else by_ladders(version.borrow_ladders, of)
        excess = max(ZERO, of.counted - lines.initial * of.debt) if allowed.new_order else ZERO
        required: Ladder = ((None, lines.initial),)
        rooms = {
            asset: _most(excess, required, _ratio(version, asset, usd), ZERO, _worth(of, asset)) for asset in coins
        }
        room = min(rooms.values(), default=allowed.borrowable_usd)
        return msgspec.structs.replace(allowed, borrowable_usd=room, rooms=rooms)


def no_order(margin: Margin) -> Reason:
    """Why nothing may be opened or borrowed: the initial margin is not covered, or just so."""
    net, initial = (plain(round_down(amount, CENT)) for amount in margin)
    return Reason(
        COLLATERAL, f"the net collateral of {net} USD leaves nothing above the initial margin of {initial} USD"
    )


def not_stated(margin: Margin) -> Reason:
    """Why nothing may leave: the lender does not say when it may."""
    net, initial = (plain(round_down(amount, CENT)) for amount in margin)
    text = "the lender does not publish when assets may leave; "
    return Reason(NOT_STATED, f"{text}net collateral is {net} USD, initial margin {initial} USD")


def _margin_room(margin: Margin, of: Valued, held: Holding, asset: str, usd: Mapping[str, Decimal]) -> Decimal:
    """USD that may be borrowed of one coin: each adds initial margin by its tier, and counts by its ratio where it lies."""
    tiers: LiabilityTiers = (held.tiers or {})[asset]
    ladder = _ratio(held.version, asset, usd)
    owed = next((amount for coin, amount in held.debts if coin == asset), ZERO) * usd[asset]
    required = tuple((bound, ONE + rate) for bound, rate in tiers.initial)
    return _most(margin.available, required, ladder, owed, _worth(of, asset))


def _ratio(version: Version, asset: str, usd: Mapping[str, Decimal]) -> Ladder:
    """How a coin that is borrowed counts where it lies; nothing where that depends on a price that is missing."""
    table = version.borrow_ladders
    found = (version.ladder(asset) if table is None else table.get(asset)) or NOTHING
    if type(found) is ByAmount:
        return at_price(found, usd[asset]) if asset in usd else NOTHING
    return found


def _worth(of: Valued, asset: str) -> Decimal:
    """What is held of a coin, in USD."""
    return next((p.value for p in of.held if p.asset == asset), None) or ZERO


def _most(room: Decimal, required: Ladder, ladder: Ladder, owed: Decimal, has: Decimal) -> Decimal:
    """The most USD v for which required(owed + v) - ladder(has + v) grows by no more than `room`, to the cent below.

    Both sides are linear between the bounds of their tiers.
    """
    most = ZERO
    while True:
        (end, rate), (stop, share) = _piece(required, owed + most), _piece(ladder, has + most)
        ends = [bound - start - most for bound, start in ((end, owed), (stop, has)) if bound is not None]
        slope, span = rate - share, min(ends, default=None)
        if slope > 0 and (span is None or slope * span >= room):
            return round_down(most, CENT) if not room else divide_down(most * slope + room, slope, CENT)
        if span is None:
            return round_down(most, CENT)  # more costs nothing: no lender states that, and no figure would be right
        room, most = room - slope * span, most + span


def _piece(tiers: Ladder, value: Decimal) -> tuple[Decimal | None, Decimal]:
    """The bound and the rate of the tier that what comes next of a value falls into; beyond the last bound, of nothing."""
    return next(((bound, rate) for bound, rate in tiers if bound is None or value < bound), (None, ZERO))


def _for_transfers(of: Valued, held: Holding) -> Valued:
    """The assets as transfers count them."""
    table = held.version.transfer_ladders
    return of if table is None else by_ladders(table, of)


def _leaving(of: Valued, held: Holding, usd: Mapping[str, Decimal], bar: Decimal) -> dict[str, Decimal]:
    """The most of each asset so that what stays is still more than `bar` times what is owed."""
    owed, of = _owed(held, usd), _for_transfers(of, held)
    if not owed:
        return {p.asset: round_down(p.quantity, of.terms.unit(p.asset)) for p in of.held}
    spare = sum((p.recognised or ZERO for p in of.held), ZERO) - held.order_loss - bar * owed
    return {p.asset: _most_out(p, of.ladders[p.asset], spare, of.terms.unit(p.asset)) for p in of.held}


def _most_out(held: Position, ladder: Ladder, spare: Decimal, unit: Decimal) -> Decimal:
    """The most of an asset that may leave, so that less than `spare` of what is counted goes with it."""
    price = held.price
    if spare <= 0 or price is None:
        return ZERO
    low, high = ZERO, round_down(held.quantity, unit)
    whole = counts(ladder, held.quantity, price)

    def fits(quantity: Decimal) -> bool:
        return whole - counts(ladder, held.quantity - quantity, price) < spare

    if fits(high):
        return high
    while high - low > unit:
        middle = round_down((low + high) / 2, unit)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _removable(
    of: Valued, held: Holding, usd: Mapping[str, Decimal], accounts: Mapping[str, Mapping[str, Decimal]], bar: Decimal
) -> Iterable[str]:
    """Accounts without which the assets are still more than `bar` times what is owed."""
    owed, of = _owed(held, usd), _for_transfers(of, held)
    for name, coins in accounts.items():
        left = sum(
            (
                counts(of.ladders[p.asset], p.quantity - coins.get(p.asset, ZERO), p.price)
                for p in of.held
                if p.price is not None
            ),
            ZERO,
        )
        if not owed or left - held.order_loss > bar * owed:
            yield name


def _owed(held: Holding, usd: Mapping[str, Decimal]) -> Decimal:
    return sum((amount * usd[asset] for asset, amount in held.debts), ZERO)
