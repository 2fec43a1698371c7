"""What to add or repay, what may leave, and the price at which an asset takes the group to its line.

Pure functions of the figures of a valuation. Amounts lead to the initial level (VIP FAQ 13) and are rounded so that
following them always suffices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from monitor.core.ladder import recognised
from monitor.core.money import CENT, EIGHT_PLACES, ZERO, divide_up, divide_up_significant, exact, round_down, round_up
from monitor.core.product import Ladder
from monitor.core.valuation import Position


class Cure(msgspec.Struct, frozen=True):
    """The ways back to `to_ltv`: repay so many USD, or add so much recognised value, or so much of one asset."""

    to_ltv: Decimal
    repay_usd: Decimal
    add_recognised_usd: Decimal
    by_asset: Mapping[str, Decimal | None]


def cure(
    debt: Decimal, counted: Decimal, initial: Decimal, held: Iterable[Position], ladders: Mapping[str, Ladder]
) -> Cure:
    """Amounts that take LTV to the initial level; zero where it is there already; None for an asset that cannot."""
    with exact():
        excess = debt - initial * counted
        if excess <= 0:
            return Cure(initial, ZERO, ZERO, {p.asset: ZERO for p in held})
        by_asset = {p.asset: _to_add(p, ladders[p.asset], debt, counted, initial) for p in held}
        return Cure(initial, round_up(excess, CENT), divide_up(excess, initial, CENT), by_asset)


def _to_add(held: Position, ladder: Ladder, debt: Decimal, counted: Decimal, initial: Decimal) -> Decimal | None:
    """Quantity of one asset whose ladder brings the missing recognised value; None when the tiers end before."""
    if held.price is None or held.value is None or held.recognised is None:
        return None
    # The recognised value that the asset must reach, times `initial`: so the quotient by `initial` is taken only once.
    target = debt - initial * (counted - held.recognised)
    found = _value_for(ladder, target, initial)
    if found is None:
        return None
    numerator, denominator = found
    return divide_up(numerator - held.value * denominator, held.price * denominator, EIGHT_PLACES)


def _value_for(ladder: Ladder, target: Decimal, scale: Decimal) -> tuple[Decimal, Decimal] | None:
    """The least market value whose recognised part is target/scale, as (numerator, denominator)."""
    done, floor = ZERO, ZERO
    for bound, share in ladder:
        full = None if bound is None else done + (bound - floor) * share
        if share > 0 and (full is None or target <= full * scale):
            denominator = scale * share
            return floor * denominator + target - done * scale, denominator
        if bound is None or full is None:
            return None
        done, floor = full, bound
    return None


def liquidation_prices(
    debts: Mapping[str, Decimal], debt: Decimal, counted: Decimal, line: Decimal,
    held: Iterable[Position], ladders: Mapping[str, Ladder],
) -> dict[str, Decimal | None]:  # fmt: skip
    """Per collateral asset the price at which LTV is `line`, all others held; None where no positive price is.

    `debts` are quantities owed per asset: a coin that is both pledged and owed moves on both sides.
    Rounded up to 8 decimals, or to 12 significant digits where that is finer: at the shown price the line is near, not past.
    """
    with exact():
        return {p.asset: _line_price(p, debts.get(p.asset, ZERO), debt, counted, line, ladders[p.asset]) for p in held}


def _line_price(
    held: Position, owed: Decimal, debt: Decimal, counted: Decimal, line: Decimal, ladder: Ladder
) -> Decimal | None:
    """Solves debt(p) = line * recognised(p) tier by tier; both sides are linear in p inside a tier."""
    if held.price is None or held.recognised is None:
        return None
    fixed_debt = debt - owed * held.price
    fixed_counted = counted - held.recognised
    done, floor = ZERO, ZERO
    best: Decimal | None = None
    for bound, share in (*ladder, (None, ZERO)):
        # fixed_debt + owed p = line (fixed_counted + done + (q p - floor) share)
        slope = line * held.quantity * share - owed
        rest = fixed_debt - line * (fixed_counted + done - floor * share)
        if slope:
            best = _nearer(best, _root(rest, slope, floor, bound, held.quantity), held.price)
        if bound is None:
            break
        done += (bound - floor) * share
        floor = bound
    return best


def _root(rest: Decimal, slope: Decimal, floor: Decimal, bound: Decimal | None, quantity: Decimal) -> Decimal | None:
    """The positive price rest/slope, if the tier from floor to bound holds its value."""
    if slope < 0:
        rest, slope = -rest, -slope
    value = rest * quantity
    inside = rest > 0 and value >= floor * slope and (bound is None or value <= bound * slope)
    return divide_up_significant(rest, slope, 12) if inside else None


def _nearer(one: Decimal | None, other: Decimal | None, price: Decimal) -> Decimal | None:
    """Of two prices the one that the market meets first."""
    if one is None or other is None:
        return other if one is None else one
    return one if abs(one - price) <= abs(other - price) else other


class Permitted(msgspec.Struct, frozen=True):
    """What the borrower may do now (VIP FAQ 7, 8, 17-20)."""

    trade: bool
    move_within_group: bool
    withdraw: bool
    new_order: bool
    borrowable_usd: Decimal
    withdrawable: Mapping[str, Decimal]
    removable_accounts: tuple[str, ...]


NOTHING = Permitted(False, False, False, False, ZERO, {}, ())


def permitted(
    debt: Decimal, counted: Decimal, initial: Decimal, margin_call: Decimal, held: tuple[Position, ...],
    ladders: Mapping[str, Ladder], accounts: Mapping[str, Mapping[str, Decimal]], is_calm: bool,
) -> Permitted:  # fmt: skip
    """Trade and move below margin call; withdraw only below initial and to below it; remove an account to at most it.

    `is_calm`: the group is in stage normal; in any other no new order is taken (VIP FAQ 7).
    """
    with exact():
        below_call = not debt or debt < margin_call * counted
        below_initial = not debt or debt < initial * counted
        room = max(ZERO, initial * counted - debt) if is_calm else ZERO
        out = {p.asset: _may_leave(p, ladders[p.asset], debt, counted, initial) for p in held} if below_initial else {}
        gone = [a for a in accounts if below_initial and _removable(accounts, a, held, ladders, debt, initial)]
        return Permitted(
            below_call, below_call, below_initial, is_calm and room > 0, round_down(room, CENT), out, tuple(gone)
        )


def _may_leave(held: Position, ladder: Ladder, debt: Decimal, counted: Decimal, initial: Decimal) -> Decimal:
    """The most of one asset that may be withdrawn so that LTV stays strictly below initial (DOMAIN A15)."""
    if not debt:
        return held.quantity
    if held.price is None or held.value is None or held.recognised is None:
        return ZERO
    if debt < initial * (counted - held.recognised):
        return held.quantity
    least = _value_for(ladder, debt - initial * (counted - held.recognised), initial)
    if least is None:
        return ZERO
    numerator, denominator = least
    # The value at which LTV equals initial may not itself be left: keep one unit more than that.
    keep = divide_up(numerator, held.price * denominator, EIGHT_PLACES)
    if recognised(ladder, keep * held.price) * initial <= debt - initial * (counted - held.recognised):
        keep += EIGHT_PLACES
    return round_down(max(ZERO, held.quantity - keep), EIGHT_PLACES)


def _removable(
    accounts: Mapping[str, Mapping[str, Decimal]], account: str, held: tuple[Position, ...],
    ladders: Mapping[str, Ladder], debt: Decimal, initial: Decimal,
) -> bool:  # fmt: skip
    """LTV without the account's coins is at most initial (VIP FAQ 8)."""
    left = ZERO
    for position in held:
        if position.price is None:
            return False
        quantity = position.quantity - accounts[account].get(position.asset, ZERO)
        left += recognised(ladders[position.asset], quantity * position.price)
    return not debt or debt <= initial * left
