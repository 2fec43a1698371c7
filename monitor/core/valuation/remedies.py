"""What to add or repay, what may leave, and the price at which an asset takes the group to its line.

Pure functions of the figures of a valuation. Amounts lead to the initial level (rule 13), and are rounded so that they
always suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.money import (
    CENT,
    EIGHT_PLACES,
    HUNDRED,
    ONE,
    ZERO,
    divide_down,
    divide_down_significant,
    divide_up,
    divide_up_significant,
    exact,
    plain,
    round_down,
    round_up,
)
from monitor.core.rules.ladders import at_price
from monitor.core.rules.product import WHOLE, Ladder, LiabilityTiers, Units, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.ladder import counting, counts, recognised
from monitor.core.valuation.valuation import Position, Weight


class LineFactors(msgspec.Struct, frozen=True):
    """How a product weighs debt, as far as the ways back depend on it.

    A line is two factors, so that no quotient is ever rounded: it is met where of_debt x debt = of_recognised x recognised.
    """

    falls: bool = False
    """Lines are levels of recognised/debt, not of debt/recognised."""
    tiers: Mapping[str, LiabilityTiers] | None = None
    """Not None: debt is the maintenance margin of liabilities, whose value is taken off what is recognised."""
    units: Units | None = None
    """The steps in which coins are paid and moved; None: 8 places."""

    def unit(self, asset: str) -> Decimal:
        """The smallest amount of a coin that can be paid or moved."""
        return EIGHT_PLACES if self.units is None else self.units.unit(asset)

    def factors(self, line: Decimal) -> tuple[Decimal, Decimal]:
        """(of_debt, of_recognised) of a line."""
        return (line, ONE) if self.falls else (ONE, line)

    def required(self, asset: str) -> Ladder:
        """What a liability in a coin adds to the debt, by its value; in full where there are no tiers."""
        return WHOLE if self.tiers is None else self.tiers[asset].maintenance


LTV_TERMS = LineFactors()


def terms_of(lines: Thresholds, version: Version) -> LineFactors:
    """The factors of a group's lines under a version of its product."""
    return LineFactors(lines.falls, version.liability_tiers, version.units)


class Valued(NamedTuple):
    """A group as it was valued."""

    debt: Decimal
    counted: Decimal
    """What is recognised of the collateral, less liabilities where loans are these."""
    held: Sequence[Position]
    ladders: Mapping[str, Ladder]
    terms: LineFactors = LTV_TERMS

    def ladder(self, asset: str, price: Decimal) -> Ladder:
        """By what a coin's value counts while its price stands."""
        return at_price(self.ladders[asset], price)


def valued(weight: Weight, held: Sequence[Position], lines: Thresholds, version: Version) -> Valued:
    """A group of these sums and positions, under a version of its product's rules."""
    ladders = version.ladders_of(p.asset for p in held)
    return Valued(weight.debt, weight.recognised, held, ladders, terms_of(lines, version))


ALL_LINES = ("initial", "margin_call", "liquidation", "immediate")


class NextLine(NamedTuple):
    """The line that a group meets next; its recognised value may fall by `distance_percent` until then."""

    name: str
    level: Decimal
    distance_percent: Decimal


class NextLineShown(msgspec.Struct, frozen=True, kw_only=True):
    """The line that LTV, or a product's level, meets next; the recognised value may fall by `distance_percent` until then."""

    name: str
    ltv: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    distance_percent: str
    strict: bool | UnsetType = UNSET
    """True where the line is crossed only beyond it."""


def next_line(
    weight: Weight, lines: Thresholds, terms: LineFactors, unit: Decimal, ahead: Sequence[str] = ALL_LINES
) -> NextLine | None:
    """The first line of those `ahead`, the mildest first, that is not crossed; a stage has only some before it.

    The distance is rounded down to a unit, 100 without debt. None beyond all lines, and where nothing is recognised.
    """
    if weight.debt and weight.recognised <= 0:
        return None
    for name in ahead:
        level: Decimal | None = getattr(lines, name)
        if level is None:
            continue
        if not weight.debt:
            return NextLine(name, level, HUNDRED)
        of_debt, of_recognised = terms.factors(level)
        edge, owed = of_recognised * weight.recognised, of_debt * weight.debt
        # Crossed where it is reached, a strict one only beyond it: see `valuation.crossed`.
        if owed < edge or (owed == edge and name in lines.metric.strict):
            return NextLine(name, level, divide_down((edge - owed) * HUNDRED, edge, unit))
    return None


def next_line_shown(
    weight: Weight, lines: Thresholds, terms: LineFactors, ahead: Sequence[str]
) -> NextLineShown | None:
    """The next line with its distance to the cent; a product whose metric is a level says `level`, not `ltv`."""
    found = next_line(weight, lines, terms, CENT, ahead)
    return None if found is None else line_shown(found, lines)


def line_shown(found: NextLine, lines: Thresholds) -> NextLineShown:
    """A line with its distance."""
    level = plain(found.level)
    return NextLineShown(
        name=found.name,
        ltv=UNSET if lines.falls else level,
        level=level if lines.falls else UNSET,
        distance_percent=plain(found.distance_percent),
        strict=found.name in lines.metric.strict or UNSET,
    )


class Cure(msgspec.Struct, frozen=True):
    """The ways back to `to_ltv`: repay USD, or add recognised value, or add one asset.

    `to_ltv` is a level where the product's metric is one. Repaying a liability also lowers what its tiers require, by a rate
    that differs by coin; `repay_usd` leaves that out, so that it suffices in whatever coin it is repaid.
    """

    to_ltv: Decimal
    repay_usd: Decimal
    add_recognised_usd: Decimal
    by_asset: Mapping[str, Decimal | None]


class CureShown(msgspec.Struct, frozen=True, kw_only=True):
    """The ways back to the initial level: an LTV, or the level of a product that has one."""

    to_ltv: str | UnsetType = UNSET
    to_level: str | UnsetType = UNSET
    repay_usd: str
    add_recognised_usd: str
    by_asset: dict[str, str | None]


class Shortfall(NamedTuple):
    """What a group lacks at a line."""

    excess: Decimal
    """By so much the debt's side of the line is larger than the other; below zero on the good side of it."""
    of_recognised: Decimal
    """What a USD of recognised value takes off it."""
    repaid: Decimal
    """What a USD of repayment takes off it, at least."""
    is_owed: bool
    """The group owes something, and has to bring what is missing."""

    @property
    def repay_usd(self) -> Decimal:
        """USD to repay."""
        if not self.is_owed:
            return ZERO
        return round_up(self.excess, CENT) if self.repaid == ONE else divide_up(self.excess, self.repaid, CENT)

    @property
    def add_recognised_usd(self) -> Decimal:
        """Recognised value to add."""
        return divide_up(self.excess, self.of_recognised, CENT) if self.is_owed else ZERO


def shortfall(debt: Decimal, counted: Decimal, terms: LineFactors, line: Decimal) -> Shortfall:
    """What a group of these sums lacks at a line. Within `exact`."""
    of_debt, of_recognised = terms.factors(line)
    excess = line * debt - counted if terms.falls else debt - line * counted
    repaid = of_debt if terms.tiers is None else of_recognised
    return Shortfall(excess, of_recognised, repaid, excess > ZERO and bool(debt))


def cure(of: Valued, initial: Decimal) -> Cure:
    """Amounts that take the group to the initial level; zero where it is there already; None for an asset that cannot."""
    with exact():
        missing = shortfall(of.debt, of.counted, of.terms, initial)
        by_asset = {p.asset: to_add(of, p, missing) for p in of.held}
        return Cure(initial, missing.repay_usd, missing.add_recognised_usd, by_asset)


def cure_shown(of: Valued, lines: Thresholds) -> CureShown:
    """The ways back to the initial line."""
    way = cure(of, lines.initial)
    by_asset = {asset: None if added is None else plain(added) for asset, added in way.by_asset.items()}
    return way_shown(lines, way.repay_usd, way.add_recognised_usd, by_asset)


def way_shown(
    lines: Thresholds, repay_usd: Decimal, add_recognised_usd: Decimal, by_asset: dict[str, str | None]
) -> CureShown:
    """The same of amounts; a product whose metric is a level says `to_level`, not `to_ltv`."""
    target = plain(lines.initial)
    return CureShown(
        to_ltv=UNSET if lines.falls else target,
        to_level=target if lines.falls else UNSET,
        repay_usd=plain(repay_usd),
        add_recognised_usd=plain(add_recognised_usd),
        by_asset=by_asset,
    )


def to_add(of: Valued, held: Position, missing: Shortfall) -> Decimal | None:
    """Quantity of one asset that brings what is missing; zero where nothing is; None where the tiers end before."""
    return _to_add(of, held, missing.excess, missing.of_recognised) if missing.is_owed else ZERO


def _to_add(of: Valued, held: Position, excess: Decimal, initial: Decimal) -> Decimal | None:
    """Quantity of one asset whose ladder brings the missing recognised value; None when the tiers end before.

    `excess` is that value times `initial`: so the quotient by `initial` is taken only once.
    """
    price = held.price
    if price is None or held.value is None or held.recognised is None:
        return None
    target = excess + initial * held.recognised
    for edge, denominator, rest in rising_tiers(at_price(of.ladders[held.asset], price), initial):
        if edge is None or target <= edge:
            numerator = target + rest - held.value * denominator
            return divide_up(numerator, price * denominator, of.terms.unit(held.asset))
    return None


def _value_for(ladder: Ladder, target: Decimal, scale: Decimal) -> tuple[Decimal, Decimal] | None:
    """The least market value whose recognised part is target/scale, as (numerator, denominator)."""
    for edge, denominator, rest in rising_tiers(ladder, scale):
        if edge is None or target <= edge:
            return target + rest, denominator
    return None


class RisingTier(NamedTuple):
    """One tier that counts something, by its ladder and a factor: the value whose recognised part, times the factor, is x
    within it is (x + rest) / denominator, up to the `edge` of x at the tier's end."""

    edge: Decimal | None
    denominator: Decimal
    rest: Decimal


@lru_cache(maxsize=8192)
def rising_tiers(ladder: Ladder, scale: Decimal) -> tuple[RisingTier, ...]:
    """The tiers that count something, each after those below it. All groups under the same rules share them."""
    tiers = []
    with exact():
        done, floor = ZERO, ZERO
        for bound, share in ladder:
            full = None if bound is None else done + (bound - floor) * share
            if share > 0:
                edge = None if full is None else full * scale
                tiers.append(RisingTier(edge, scale * share, scale * (floor * share - done)))
            if bound is None or full is None:
                break
            done, floor = full, bound
    return tuple(tiers)


def liquidation_prices(
    of: Valued, line: Decimal, debts: Mapping[str, Decimal], usd: Mapping[str, Decimal]
) -> dict[str, Decimal | None]:
    """Per coin that is held or owed the price at which the group is at `line`, all others held; None where none is.

    `debts` are quantities owed per asset, with prices in `usd`: a coin that is both pledged and owed moves on both sides.
    Rounded to 8 decimals, or to 12 significant digits where that is finer, to the good side: at the shown price the group is
    on the line or just before it, and one unit further against the borrower it is past it (docs/lifecycle.md).
    """
    with exact():
        missing = shortfall(of.debt, of.counted, of.terms, line)
        found = {p.asset: line_price(of, p, debts.get(p.asset, ZERO), line, missing) for p in of.held}
        return found | debt_prices(of, line, debts, usd, found.keys())


def debt_prices(
    of: Valued, line: Decimal, debts: Mapping[str, Decimal], usd: Mapping[str, Decimal], held: AbstractSet[str]
) -> dict[str, Decimal | None]:
    """Those of the coins that are owed and not among the ones `held`. Within `exact`."""
    found: dict[str, Decimal | None] = {}
    for asset in sorted(debts.keys() - held):
        price = usd.get(asset)
        found[asset] = None if price is None else _debt_price(of, asset, price, debts[asset], line)
    return found


def _debt_price(of: Valued, asset: str, price: Decimal, owed: Decimal, line: Decimal) -> Decimal | None:
    """The price of a coin that is owed and not held."""
    if not owed or of.terms.tiers is not None:
        return _price_tier_by_tier(of, Position(asset, ZERO, price, ZERO, ZERO), owed, line)
    of_debt, of_recognised = of.terms.factors(line)
    rest = of_recognised * of.counted - of_debt * (of.debt - owed * price)
    return divide_down_significant(rest, of_debt * owed, 12) if rest > 0 else None


def line_price(of: Valued, held: Position, owed: Decimal, line: Decimal, missing: Shortfall) -> Decimal | None:
    """The price of a coin that is held at which the group is at `line`, where so much is missing now. Within `exact`."""
    if held.price is None or held.recognised is None:
        return None
    if owed:
        return _price_tier_by_tier(of, held, owed, line)
    of_recognised = missing.of_recognised
    # What the coin must be recognised for, times `of_recognised`. A ladder never falls: there is one such value, or none.
    target = missing.excess + of_recognised * held.recognised
    quantity, ladder = counting(of.ladders.get(held.asset, ()), held.quantity)
    if target < 0 or not quantity:
        return None
    for edge, denominator, rest in rising_tiers(ladder, of_recognised) if target else ():
        if edge is None or target < edge:
            return divide_up_significant(target + rest, denominator * quantity, 12)
        if target == edge:
            break
    else:
        if target:
            return None
    # At the edge of a tier that counts nothing a whole range of prices is at the line.
    return _price_tier_by_tier(of, held, owed, line)


def _price_tier_by_tier(of: Valued, held: Position, owed: Decimal, line: Decimal) -> Decimal | None:
    """The nearest of all such prices: both sides are linear in p while p stays in its tiers."""
    assert held.price is not None, "the caller has looked"
    assert held.recognised is not None, "the caller has looked"
    terms = of.terms
    quantity, ladder = counting(of.ladders.get(held.asset, ()), held.quantity)
    of_debt, of_recognised = terms.factors(line)
    required = terms.required(held.asset) if owed else WHOLE
    netted = ZERO if terms.tiers is None else owed
    value = owed * held.price
    fixed_debt = of.debt - recognised(required, value)
    fixed_counted = of.counted - held.recognised + netted * held.price
    best: Decimal | None = None
    for own, theirs in product(pieces_of((*ladder, (None, ZERO))), pieces_of(required)):
        # of_debt (fixed_debt + b + owed p rate) = of_recognised (fixed_counted + a + q p share - netted p)
        slope = of_recognised * (quantity * own.share - netted) - of_debt * owed * theirs.share
        rest = of_debt * (fixed_debt + theirs.offset) - of_recognised * (fixed_counted + own.offset)
        if slope:
            best = _nearer(best, _root(rest, slope, ((own, quantity), (theirs, owed))), held.price)
    return best


class Piece(NamedTuple):
    """One tier: within its bounds the ladder's result is offset + value x share."""

    floor: Decimal
    bound: Decimal | None
    share: Decimal
    offset: Decimal


def pieces_of(ladder: Ladder) -> list[Piece]:
    """The tiers of a ladder. Within `exact`."""
    pieces, done, floor = [], ZERO, ZERO
    for bound, share in ladder:
        pieces.append(Piece(floor, bound, share, done - floor * share))
        if bound is None:
            break
        done += (bound - floor) * share
        floor = bound
    return pieces


def _root(rest: Decimal, slope: Decimal, within: Iterable[tuple[Piece, Decimal]]) -> Decimal | None:
    """The positive price rest/slope, if at it the value of each quantity is within the bounds of its tier.

    Rounded to the good side: up where a higher price is better for the group, down where it is worse.
    """
    divide = divide_up_significant if slope > 0 else divide_down_significant
    if slope < 0:
        rest, slope = -rest, -slope
    if rest <= 0:
        return None
    for tier, quantity in within:
        value = rest * quantity
        if value < tier.floor * slope or (tier.bound is not None and value > tier.bound * slope):
            return None
    return divide(rest, slope, 12)


def _nearer(one: Decimal | None, other: Decimal | None, price: Decimal) -> Decimal | None:
    """The one of two prices that the market meets first."""
    if one is None or other is None:
        return other if one is None else one
    return one if abs(one - price) <= abs(other - price) else other


class Permitted(msgspec.Struct, frozen=True):
    """What the borrower may do now (rules 7, 8 and 17-20)."""

    trade: bool
    move_within_group: bool
    withdraw: bool
    new_order: bool
    borrowable_usd: Decimal
    withdrawable: Mapping[str, Decimal]
    removable_accounts: tuple[str, ...]
    rooms: Mapping[str, Decimal] = {}
    """What may be borrowed of each coin, in USD, where that depends on the coin; `borrowable_usd` suffices for all."""
    not_stated: tuple[str, ...] = ()
    """What the lender does not publish; it is not permitted."""


NOTHING = Permitted(False, False, False, False, ZERO, {}, ())


class PermitLines(NamedTuple):
    """The lines that decide what is permitted."""

    initial: Decimal
    first: Decimal
    """The margin call's, or the first line of a product without a margin call."""
    leaving: Decimal | None = None
    """The line down to which assets may leave; None: the initial one."""


def permitted(
    of: Valued, lines: PermitLines, accounts: Mapping[str, Mapping[str, Decimal]], is_calm: bool
) -> Permitted:
    """Trade and move below margin call; withdraw only below initial and to below it; remove an account to at most it.

    `is_calm`: the group is in stage normal; in any other no new order is taken (rule 7).
    Below a line is on its good side, whichever way the metric goes.
    """
    with exact():
        debt, counted = of.debt, of.counted
        of_debt, of_recognised = of.terms.factors(lines.initial)
        call_debt, call_recognised = of.terms.factors(lines.first)
        out_debt, out_recognised = of.terms.factors(lines.initial if lines.leaving is None else lines.leaving)
        below_call = not debt or call_debt * debt < call_recognised * counted
        may_leave = not debt or out_debt * debt < out_recognised * counted
        room = max(ZERO, of_recognised * counted - of_debt * debt) if is_calm else ZERO
        withdrawable: dict[str, Decimal] = {}
        removable: list[str] = []
        if may_leave:
            required = out_debt * debt
            withdrawable = {p.asset: _may_leave(of, p, required, out_recognised) for p in of.held}
            removable = [name for name, coins in accounts.items() if _removable(of, coins, required, out_recognised)]
        return Permitted(
            trade=below_call,
            move_within_group=below_call,
            withdraw=may_leave,
            new_order=is_calm and room > 0,
            borrowable_usd=_rounded_room(room, of_debt, of_recognised, of.terms),
            withdrawable=withdrawable,
            removable_accounts=tuple(removable),
        )


def _rounded_room(room: Decimal, of_debt: Decimal, of_recognised: Decimal, terms: LineFactors) -> Decimal:
    """USD that the group may borrow and take out until it is at the initial level.

    A liability counts what the last tier of the strictest coin requires, so that the figure is never too much.
    """
    if terms.tiers is None:
        return divide_down(room, of_debt, CENT)
    rate = max((tiers.maintenance[-1][1] for tiers in terms.tiers.values()), default=ZERO)
    return divide_down(room, of_recognised + of_debt * rate, CENT)


def _may_leave(of: Valued, held: Position, debt: Decimal, initial: Decimal) -> Decimal:
    """The most of one asset that may leave so that LTV stays strictly below initial (reading A15), in its unit."""
    unit = of.terms.unit(held.asset)
    if not debt:
        return round_down(held.quantity, unit)
    if held.price is None or held.value is None or held.recognised is None:
        return ZERO
    ladder = of.ladder(held.asset, held.price)
    needed = debt - initial * (of.counted - held.recognised)
    if needed < 0:
        return round_down(held.quantity, unit)
    least = _value_for(ladder, needed, initial)
    if least is None:
        return ZERO
    numerator, denominator = least
    most = divide_down(held.value * denominator - numerator, held.price * denominator, unit)
    # The value at which LTV equals initial may not itself be left: one unit less may leave then.
    if recognised(ladder, (held.quantity - most) * held.price) * initial <= needed:
        most -= unit
    return max(ZERO, most)


def _removable(of: Valued, coins: Mapping[str, Decimal], required: Decimal, initial: Decimal) -> bool:
    """Without an account's coins the group is at most at the initial level (rule 8)."""
    left = of.counted - sum((p.recognised or ZERO for p in of.held), ZERO)
    for position in of.held:
        if position.price is None:
            return False
        quantity = position.quantity - coins.get(position.asset, ZERO)
        left += counts(of.ladders[position.asset], quantity, position.price)
    return not of.debt or required <= initial * left
