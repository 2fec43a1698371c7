"""By which factor the prices of pegged coins may move together until a group is at a line.

A staked coin and the coin that it stands for move as one, so a price for each alone says little: long one and short the
other, the group hardly feels a move that it would not survive if one moved alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

import msgspec

from monitor.core.money import plain
from monitor.core.rules.product import WHOLE, Ladder
from monitor.core.valuation.ladder import counting
from monitor.core.valuation.remedies import terms_of
from monitor.core.valuation.valuation import Holding

_UNIT = 10**8


class JointFactor(msgspec.Struct, frozen=True):
    """Coins that move together, and the factor of their prices at which the group is at its liquidation line."""

    coins: list[str]
    factor: str | None
    """Rounded to 8 decimals to the good side; null where they never take the group there."""


def joint_factors(held: Holding, usd: Mapping[str, Decimal]) -> list[JointFactor]:
    """For each link of the product of which the group holds or owes two coins at least."""
    linked = ([coin for coin in link if coin in held.assets] for link in held.version.links)
    return [JointFactor(coins, _factor(held, usd, frozenset(coins))) for coins in linked if len(coins) > 1]


def _factor(held: Holding, usd: Mapping[str, Decimal], coins: frozenset[str]) -> str | None:
    """The root that is nearest to 1: both sides of the line are linear between the bounds of all tiers."""
    of_debt, of_recognised = map(Fraction, terms_of(held.lines, held.version).factors(held.lines.liquidation))
    price = {asset: Fraction(usd[asset]) for asset in held.assets}

    def spare(factor: Fraction) -> Fraction:
        """How far the group is on the good side of its line; below zero it is over."""
        at = {asset: value * factor if asset in coins else value for asset, value in price.items()}
        debt, counted = Fraction(0), -Fraction(held.order_loss)
        for asset, amount in held.debts:
            value = Fraction(amount) * at[asset]
            debt += _climb(WHOLE if held.tiers is None else held.tiers[asset].maintenance, value)
            counted -= value if held.tiers is not None else 0
        for asset, quantity, ladder in held.collateral:
            counts, by_value = counting(ladder, quantity)
            counted += _climb(by_value, Fraction(counts) * at[asset])
        return of_recognised * counted - of_debt * debt

    edges = [Fraction(0), *sorted(_edges(held, price, coins))]
    roots = [*_roots(spare, edges)]
    if not roots:
        return None
    nearest = min(roots, key=lambda root: abs(root.factor - 1))
    units = (ceil if nearest.is_better_above else floor)(nearest.factor * _UNIT)
    return plain(Decimal(units).scaleb(-8))


class _Root(NamedTuple):
    """A factor at which the group is at its line, and on which side of it the group is better off."""

    factor: Fraction
    is_better_above: bool


def _roots(spare: Callable[[Fraction], Fraction], edges: Sequence[Fraction]) -> Iterable[_Root]:
    """The positive roots, piece by piece; the last piece has no end."""
    for low, high in pairwise([*edges, edges[-1] + 1]):
        at_low, at_high = spare(low), spare(high)
        slope = (at_high - at_low) / (high - low) if high > low else Fraction(0)
        if not slope:
            continue
        factor = low - at_low / slope
        if factor > 0 and factor >= low and (factor <= high or low == edges[-1]):
            yield _Root(factor, slope > 0)


def _edges(held: Holding, price: Mapping[str, Fraction], coins: frozenset[str]) -> Iterable[Fraction]:
    """The factors at which the value of a coin comes to the bound of a tier."""
    rows: list[tuple[str, Decimal, Sequence[tuple[Decimal | None, Decimal]]]] = [
        (asset, *counting(ladder, quantity)) for asset, quantity, ladder in held.collateral
    ]
    if held.tiers is not None:
        rows += [(asset, amount, held.tiers[asset].maintenance) for asset, amount in held.debts]
    for asset, quantity, tiers in rows:
        value = Fraction(quantity) * price[asset]
        if asset in coins and value:
            yield from (Fraction(bound) / value for bound, _ in tiers if bound is not None)


def _climb(ladder: Ladder, value: Fraction) -> Fraction:
    """What marginal tiers count of a value."""
    total = start = Fraction(0)
    for bound, share in ladder:
        end = value if bound is None else min(value, Fraction(bound))
        total += (end - start) * Fraction(share)
        if end == value:
            break
        start = end
    return total
