"""What a group may weigh while the prices of some of its coins are missing: at best, and at worst for the borrower.

At best a missing coin of the collateral is worth as much as its ladder ever recognises, and one that is owed is worth
nothing. At worst it is the other way round. Whatever the missing coins turn out to be worth, the group stands between the
two, so a line that is crossed even at best is crossed (decision 86).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from monitor.core.money import ZERO
from monitor.core.rules.product import Ladder
from monitor.core.valuation.ladder import counting
from monitor.core.valuation.valuation import Holding, Weight, weigh


class WeightBounds(msgspec.Struct, frozen=True):
    """The two ends. `missing` are the coins without a price, in order."""

    missing: tuple[str, ...]
    best: Weight | None
    """None: there is no end, the missing coins may lift the group above every line."""
    worst: Weight | None
    """None: there is no end, what is owed may be worth any sum."""


def bounds(held: Holding, usd: Mapping[str, Decimal]) -> WeightBounds:
    """The bounds of a group of which at least one price is missing. Exact."""
    missing = tuple(sorted(asset for asset in held.assets if asset not in usd))
    owed = {asset: amount for asset, amount in held.debts if asset in missing}
    at_nothing = weigh(held, {asset: usd.get(asset, ZERO) for asset in held.assets})
    return WeightBounds(missing, _best(held, missing, owed, at_nothing), None if owed else at_nothing)


def decisive(held: Holding, usd: Mapping[str, Decimal]) -> Weight | None:
    """What decides about a group: its weight, or while a price is missing the best that it may weigh."""
    return weigh(held, usd) if held.assets <= usd.keys() else bounds(held, usd).best


def _best(held: Holding, missing: tuple[str, ...], owed: Mapping[str, Decimal], at_nothing: Weight) -> Weight | None:
    """The lowest debt over recognised value that the missing coins leave possible.

    A coin that is held alone adds all that its ladder has room for. One that is held and owed moves both sums by the same
    price: together with the rest it can never do better than the better of the rest and of itself alone.
    """
    recognised = at_nothing.recognised
    alone: list[Weight] = []
    for asset, quantity, ladder in held.collateral:
        if asset not in missing:
            continue
        if asset not in owed:
            counted, by_value = counting(ladder, quantity)
            room = most(by_value) if counted else ZERO
            if room is None:
                return None
            recognised += room
            continue
        counted, by_value = counting(ladder, quantity)
        debt, gain = owed[asset], counted * by_value[0][1]
        if held.tiers is not None:
            debt, gain = debt * held.tiers[asset].maintenance[0][1], gain - debt
        if gain > 0:
            alone.append(Weight(debt, gain))
    best = Weight(at_nothing.debt, recognised)
    for other in alone:
        if _is_better(other, best):
            best = other
    return best


def _is_better(weight: Weight, than: Weight) -> bool:
    """Less debt for what is recognised. Nothing is better than to owe nothing."""
    if not than.debt or than.recognised <= 0:
        return bool(than.debt)
    return weight.debt * than.recognised < than.debt * weight.recognised


def most(ladder: Ladder) -> Decimal | None:
    """All that a ladder ever recognises; None where it has no end."""
    total, floor = ZERO, ZERO
    for bound, share in ladder:
        if bound is None:
            return None if share else total
        total += (bound - floor) * share
        floor = bound
    return total
