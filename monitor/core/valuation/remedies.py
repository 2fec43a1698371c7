"""What to add or repay, what may leave, and the price at which an asset takes the group to its line.

Pure functions of the figures of a valuation. Amounts lead to the initial level (VIP FAQ 13) and are rounded so that
following them always suffices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import product
from typing import NamedTuple

import msgspec

from monitor.core.money import (
    CENT,
    EIGHT_PLACES,
    HUNDRED,
    ONE,
    ZERO,
    divide_down,
    divide_up,
    divide_up_significant,
    exact,
    round_down,
)
from monitor.core.rules.product import WHOLE, Ladder, LiabilityTiers, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.ladder import recognised
from monitor.core.valuation.valuation import Position, Weight, crossed


class LineFactors(msgspec.Struct, frozen=True):
    """How a product weighs what is owed, as far as the ways back depend on it.

    A line is two factors, so that no quotient is ever rounded: it is met where of_debt x debt = of_recognised x recognised.
    """

    falls: bool = False
    """Lines are levels of recognised/debt, not of debt/recognised."""
    tiers: Mapping[str, LiabilityTiers] | None = None
    """Not None: debt is the maintenance margin of liabilities, whose value is taken off what is recognised."""

    def factors(self, line: Decimal) -> tuple[Decimal, Decimal]:
        """(of_debt, of_recognised) of a line."""
        return (line, ONE) if self.falls else (ONE, line)

    def required(self, asset: str) -> Ladder:
        """What a liability in a coin adds to the debt, by its value; in full where there are no tiers."""
        return WHOLE if self.tiers is None else self.tiers[asset].maintenance


LTV_TERMS = LineFactors()


def terms_of(lines: Thresholds, version: Version) -> LineFactors:
    """Those of a group's lines under a version of its product."""
    return LineFactors(lines.falls, version.liability_tiers)


class NextLine(NamedTuple):
    """The line that a group meets next; its recognised value may fall by so many percent until then."""

    name: str
    level: Decimal
    distance_percent: Decimal


def next_line(weight: Weight, lines: Thresholds, terms: LineFactors, unit: Decimal) -> NextLine | None:
    """The distance is rounded down to a unit, 100 without debt. None beyond all lines, and where nothing is recognised."""
    if weight.debt and weight.recognised <= 0:
        return None
    for name, level in lines.stated.items():
        if not weight.debt:
            return NextLine(name, level, HUNDRED)
        if not crossed(weight, lines, name):
            of_debt, of_recognised = terms.factors(level)
            edge = of_recognised * weight.recognised
            return NextLine(name, level, divide_down((edge - of_debt * weight.debt) * HUNDRED, edge, unit))
    return None


class Cure(msgspec.Struct, frozen=True):
    """The ways back to `to_ltv`: repay so many USD, or add so much recognised value, or so much of one asset.

    `to_ltv` is a level where the product's metric is one. Repaying a liability also lowers what its tiers require, by a rate
    that differs by coin; `repay_usd` leaves that out, so that it suffices in whatever coin it is repaid.
    """

    to_ltv: Decimal
    repay_usd: Decimal
    add_recognised_usd: Decimal
    by_asset: Mapping[str, Decimal | None]


def cure(
    debt: Decimal, counted: Decimal, initial: Decimal, held: Iterable[Position], ladders: Mapping[str, Ladder],
    terms: LineFactors = LTV_TERMS,
) -> Cure:  # fmt: skip
    """Amounts that take the group to the initial level; zero where it is there already; None for an asset that cannot."""
    with exact():
        of_debt, of_recognised = terms.factors(initial)
        excess = of_debt * debt - of_recognised * counted
        if excess <= 0 or not debt:
            return Cure(initial, ZERO, ZERO, {p.asset: ZERO for p in held})
        by_asset = {p.asset: _to_add(p, ladders[p.asset], of_debt * debt, counted, of_recognised) for p in held}
        repaid = of_debt if terms.tiers is None else of_recognised
        return Cure(initial, divide_up(excess, repaid, CENT), divide_up(excess, of_recognised, CENT), by_asset)


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
    held: Iterable[Position], ladders: Mapping[str, Ladder], terms: LineFactors = LTV_TERMS,
) -> dict[str, Decimal | None]:  # fmt: skip
    """Per collateral asset the price at which the group is at `line`, all others held; None where no positive price is.

    `debts` are quantities owed per asset: a coin that is both pledged and owed moves on both sides.
    Rounded up to 8 decimals, or to 12 significant digits where that is finer: at the shown price the line is near, not past.
    """
    with exact():
        return {
            p.asset: _line_price(p, debts.get(p.asset, ZERO), debt, counted, line, ladders[p.asset], terms)
            for p in held
        }


def _line_price(
    held: Position, owed: Decimal, debt: Decimal, counted: Decimal, line: Decimal, ladder: Ladder, terms: LineFactors
) -> Decimal | None:
    """Solves of_debt debt(p) = of_recognised recognised(p) tier by tier; both are linear in p while p stays in its tiers."""
    if held.price is None or held.recognised is None:
        return None
    of_debt, of_recognised = terms.factors(line)
    required = terms.required(held.asset) if owed else WHOLE
    netted = ZERO if terms.tiers is None else owed
    value = owed * held.price
    fixed_debt = debt - recognised(required, value)
    fixed_counted = counted - held.recognised + netted * held.price
    best: Decimal | None = None
    for own, theirs in product(_pieces((*ladder, (None, ZERO))), _pieces(required)):
        # of_debt (fixed_debt + b + owed p rate) = of_recognised (fixed_counted + a + q p share - netted p)
        slope = of_recognised * (held.quantity * own.share - netted) - of_debt * owed * theirs.share
        rest = of_debt * (fixed_debt + theirs.offset) - of_recognised * (fixed_counted + own.offset)
        if slope:
            best = _nearer(best, _root(rest, slope, ((own, held.quantity), (theirs, owed))), held.price)
    return best


class _Piece(NamedTuple):
    """One tier: within its bounds the ladder's result is offset + value x share."""

    floor: Decimal
    bound: Decimal | None
    share: Decimal
    offset: Decimal


def _pieces(ladder: Ladder) -> list[_Piece]:
    pieces, done, floor = [], ZERO, ZERO
    for bound, share in ladder:
        pieces.append(_Piece(floor, bound, share, done - floor * share))
        if bound is None:
            break
        done += (bound - floor) * share
        floor = bound
    return pieces


def _root(rest: Decimal, slope: Decimal, within: Iterable[tuple[_Piece, Decimal]]) -> Decimal | None:
    """The positive price rest/slope, if at it the value of each quantity is within the bounds of its tier."""
    if slope < 0:
        rest, slope = -rest, -slope
    if rest <= 0:
        return None
    for tier, quantity in within:
        value = rest * quantity
        if value < tier.floor * slope or (tier.bound is not None and value > tier.bound * slope):
            return None
    return divide_up_significant(rest, slope, 12)


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
    terms: LineFactors = LTV_TERMS, leaving: Decimal | None = None,
) -> Permitted:  # fmt: skip
    """Trade and move below margin call; withdraw only below initial and to below it; remove an account to at most it.

    `is_calm`: the group is in stage normal; in any other no new order is taken (VIP FAQ 7). `margin_call` is the first line
    of a product without a margin call, `leaving` the one down to which assets may leave, if it is not the initial one.
    Below a line is on its good side, whichever way the metric goes.
    """
    with exact():
        of_debt, of_recognised = terms.factors(initial)
        call_debt, call_recognised = terms.factors(margin_call)
        required = of_debt * debt
        below_call = not debt or call_debt * debt < call_recognised * counted
        out_debt, out_recognised = (of_debt, of_recognised) if leaving is None else terms.factors(leaving)
        may_leave = not debt or out_debt * debt < out_recognised * counted
        room = max(ZERO, of_recognised * counted - required) if is_calm else ZERO
        out: dict[str, Decimal] = {}
        gone: list[str] = []
        if may_leave:
            kept = out_debt * debt, counted, out_recognised
            out = {p.asset: _may_leave(p, ladders[p.asset], *kept) for p in held}
            liabilities = sum((p.recognised or ZERO for p in held), ZERO) - counted
            gone = [a for a in accounts if _removable(accounts, a, held, ladders, kept[0], out_recognised, liabilities)]
        borrowable = _rounded_room(room, of_debt, of_recognised, terms)
        return Permitted(below_call, below_call, may_leave, is_calm and room > 0, borrowable, out, tuple(gone))


def _rounded_room(room: Decimal, of_debt: Decimal, of_recognised: Decimal, terms: LineFactors) -> Decimal:
    """USD that may be borrowed until the initial level, whose proceeds leave; a liability in whatever coin has tiers.

    Liabilities are taken to require what the last tier of the strictest coin does, so that what is shown is never too much.
    """
    if terms.tiers is None:
        return divide_down(room, of_debt, CENT)
    rate = max((tiers.maintenance[-1][1] for tiers in terms.tiers.values()), default=ZERO)
    return divide_down(room, of_recognised + of_debt * rate, CENT)


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
    ladders: Mapping[str, Ladder], debt: Decimal, initial: Decimal, liabilities: Decimal,
) -> bool:  # fmt: skip
    """Without the account's coins the group is at most at the initial level (VIP FAQ 8)."""
    left = -liabilities
    for position in held:
        if position.price is None:
            return False
        quantity = position.quantity - accounts[account].get(position.asset, ZERO)
        left += recognised(ladders[position.asset], quantity * position.price)
    return not debt or debt <= initial * left
