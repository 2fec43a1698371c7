"""Pure figures of a loan group: ladder, LTV comparisons, cure and liquidation price, all exact.

Decimal where sums of money are made, Fraction where something is divided. Rules and readings are those of
docs/domain.md.
"""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

# Sums are exact: whatever would have to be rounded to 200 digits raises instead of rounding.
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
ZERO, ONE, INFINITE = Decimal(0), Decimal(1), Decimal("inf")
CENTS, QUANTITY_DECIMALS, LTV_DECIMALS = 2, 8, 8

Tiers = Sequence[Sequence[str | None]]  # [["10000000", "1"], ["inf", "0.9"]], as products write a ladder
Stated = Tiers | Mapping[str, Any]  # or { by = "amount", tiers = ... }
Number = Decimal | Fraction | int


class Tier(NamedTuple):
    """One bracket of a ladder; `below` is what the brackets under it recognise when they are full."""

    upper: Decimal
    ratio: Decimal
    lower: Decimal
    below: Decimal


Ladder = tuple[Tier, ...]


class ByAmount(tuple[Tier, ...]):
    """A ladder whose brackets are amounts of the coin, whatever its price (section 9.9)."""


class Figures(NamedTuple):
    """What a group owes and what its collateral counts for, in USD."""

    debt: Decimal
    recognised: Decimal


def read_ladder(stated: Stated) -> Ladder:
    """Read a ladder by value, or by the amount of the coin."""
    return ByAmount(_read(stated["tiers"])) if isinstance(stated, Mapping) else _read(stated)


def counts(ladder: Ladder, quantity: Decimal, price: Decimal) -> Decimal:
    """What a quantity is recognised for, by any ladder. Call it in the context EXACT."""
    return climb(ladder, quantity) * price if isinstance(ladder, ByAmount) else climb(ladder, quantity * price)


def _read(tiers: Tiers) -> Ladder:
    """Read `[USD value up to, share recognised]` rows; a bound of "inf" or null is none.

    A ladder that ends at a bound gets the bracket above it, which recognises nothing (docs/configuration.md).
    """
    ladder, lower, below = [], ZERO, ZERO
    with localcontext(EXACT):
        for bound, ratio in tiers:
            upper = INFINITE if bound is None else Decimal(bound)
            ladder.append(Tier(upper, Decimal(str(ratio)), lower, below))
            if not upper.is_finite():
                return tuple(ladder)
            below += (upper - lower) * ladder[-1].ratio
            lower = upper
    return (*ladder, Tier(INFINITE, ZERO, lower, below))


def climb(ladder: Ladder, usd: Decimal) -> Decimal:
    """The recognised part of a value: marginal, like tax brackets (rule 30). Call it in the context EXACT."""
    for upper, ratio, lower, below in ladder:
        if usd <= upper:
            return below + (usd - lower) * ratio
    raise AssertionError("the last bracket of a ladder has no bound")


def ladder_value(tiers: Tiers, usd: Decimal) -> Decimal:
    """`climb` for a ladder as products write it."""
    with localcontext(EXACT):
        return climb(read_ladder(tiers), usd)


# A figure is compared by multiplication, never as a quotient (decision 8). It is debt / recognised (an LTV), or, where
# it `falls` when things get worse, recognised / debt (a level).


def is_below(figures: Figures, level: Decimal, falls: bool = False) -> bool:
    """Tell whether LTV < level; without debt the LTV is 0, with debt on nothing it is infinite (reading A1).

    Of a figure that falls: whether it is above the level.
    """
    if not figures.debt:
        return falls or level > 0
    return figures.recognised > level * figures.debt if falls else figures.debt < level * figures.recognised


def is_at_most(figures: Figures, level: Decimal, falls: bool = False) -> bool:
    """Tell whether LTV <= level, for a level above 0; of a figure that falls, whether it is at least the level."""
    if not figures.debt:
        return True
    return figures.recognised >= level * figures.debt if falls else figures.debt <= level * figures.recognised


def band(
    figures: Figures, thresholds: Mapping[str, Decimal], falls: bool = False, passed: Sequence[str] = ("immediate",)
) -> str:
    """Name the band: 77 % and 91 % are reached inclusively, 95 % has to be exceeded (rules 10, 11 and 14).

    `passed` are the lines that have to be. Debt on nothing, or on less, is in the worst band whatever lines there are.
    """
    if not figures.debt:
        return "normal"
    if figures.recognised <= 0:
        return "immediate"
    for line, name in (("immediate",) * 2, ("liquidation",) * 2, ("margin_call",) * 2, ("initial", "restricted")):
        holds = is_at_most if line in passed else is_below
        if line in thresholds and not holds(figures, thresholds[line], falls):
            return name
    return "normal"


def stated_ltv(figures: Figures, levels: Sequence[Decimal] = (), falls: bool = False) -> str | None:
    """The LTV as it was decided; where a level judges, its lines hold for the LTV as their inverse."""
    if figures.debt and figures.recognised <= 0:
        return None
    if not figures.debt:
        return "0"
    ltv = Fraction(figures.debt) / Fraction(figures.recognised)
    lines = [1 / Fraction(level) for level in levels] if falls else [Fraction(level) for level in levels]
    # The inverse of a line may have no end, so that no figure stands on it.
    return beside(ltv, [line for line in lines if not falls or line != ltv])


def stated_level(figures: Figures, levels: Sequence[Decimal] = ()) -> str | None:
    """A level, as it was decided; None without debt."""
    if not figures.debt:
        return None
    return beside(Fraction(figures.recognised) / Fraction(figures.debt), [Fraction(level) for level in levels])


def beside(number: Fraction, lines: Sequence[Fraction]) -> str:
    """Rounded to the nearest of 8 places. Where that would stand on the other side of a line, or on a line on which the
    number does not stand: of 18 places, as many as a line may have, and then of more."""
    for decimals in (LTV_DECIMALS, *range(18, 200)):
        units = round(number * 10**decimals)
        shown = Fraction(units, 10**decimals)
        if all((shown > line) - (shown < line) == (number > line) - (number < line) for line in lines):
            return plain(Decimal(units).scaleb(-decimals, EXACT))
    raise AssertionError(f"{number} cannot be told from a line")


# Cure and liquidation price.


def cure(
    debt_usd: Decimal,
    recognised_usd: Decimal,
    to_ltv: Decimal,
    assets: Mapping[str, tuple[Decimal, Decimal, Tiers]],
) -> dict[str, Any]:
    """What brings the LTV to `to_ltv`: repay, or add; rounded up, so that following it suffices (rule 13).

    `assets` maps each collateral asset to its quantity held, USD price and tiers. An asset whose ladder has no room
    for what is missing is null.
    """
    debt, recognised, level = Fraction(debt_usd), Fraction(recognised_usd), Fraction(to_ltv)
    missing = max(Fraction(0), debt / level - recognised)
    return {
        "to_ltv": plain(to_ltv),
        "repay_usd": round_up(max(Fraction(0), debt - level * recognised), CENTS),
        "add_recognised_usd": round_up(missing, CENTS),
        "by_asset": {asset: _quantity_to_add(missing, *held) for asset, held in assets.items()},
    }


def _quantity_to_add(missing: Fraction, quantity: Decimal, price: Decimal, tiers: Tiers) -> str | None:
    with localcontext(EXACT):
        held = quantity * price
        goal = missing + Fraction(ladder_value(tiers, held))
    if not missing:
        return "0"
    usd = descend(read_ladder(tiers), goal)
    return None if usd is None else round_up((usd - Fraction(held)) / Fraction(price), QUANTITY_DECIMALS)


def descend(ladder: Ladder, recognised: Fraction) -> Fraction | None:
    """The smallest value that is recognised at this much, or None if the ladder never gets there."""
    for upper, ratio, lower, below in ladder:
        short = recognised - Fraction(below)
        if short <= 0:
            return Fraction(lower)
        if ratio:
            usd = Fraction(lower) + short / Fraction(ratio)
            if usd <= upper:
                return usd
    return None


def liquidation_price(
    debt_usd: Decimal, other_recognised_usd: Decimal, quantity: Decimal, tiers: Tiers, level: Decimal, owed: Number = 0
) -> Fraction | None:
    """The lowest positive price of one asset at which LTV = `level`, exact, all else held; None if there is none.

    `debt_usd` and `other_recognised_usd` are without this asset; `quantity` of it is held, `owed` of it is borrowed.
    """
    debt, other, held = Fraction(debt_usd), Fraction(other_recognised_usd), Fraction(quantity)
    bare = (Tier(INFINITE, ZERO, ZERO, ZERO),)
    for upper, ratio, lower, below in read_ladder(tiers) if held else bare:
        start = Fraction(lower) / held if held else Fraction(0)
        gap = debt + Fraction(owed) * start - Fraction(level) * (other + Fraction(below))
        slope = Fraction(owed) - Fraction(level) * Fraction(ratio) * held
        price = start - gap / slope if slope else None
        if price is not None and price > 0 and price >= start and price * held <= upper:
            return price
    return None


# How figures are written.


def plain(number: Decimal) -> str:
    """Plain notation without trailing zeros."""
    return format(number.normalize(EXACT), "f")


def round_up(number: Fraction, decimals: int) -> str:
    units = -(-number * 10**decimals // 1)
    return plain(Decimal(units).scaleb(-decimals, EXACT))
