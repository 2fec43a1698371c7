"""The best that a group may stand at while prices are missing (decision 86), with Fractions and from the rule alone.

A coin that is held and has no price counts as much as its ladder has room for; one that is owed counts nothing. One that is
both cannot lift the group beyond the better of what it is without the coin, and what the coin is alone at a price without
end.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction

from tests.reference.figures import EXACT, ZERO, ByAmount, Figures, Ladder, climb, counts
from tests.reference.state import Group


def best(
    group: Group, price: Mapping[str, Decimal], tiers: Mapping[str, Ladder] | None, order_loss: Decimal = ZERO
) -> Figures | None:
    """Debt and recognised value at best, or None where nothing limits them."""
    owed = dict(group.debts)
    debt, recognised = ZERO, -order_loss
    with localcontext(EXACT):
        for asset, quantity in owed.items():
            value = quantity * price.get(asset, ZERO)
            debt += value if tiers is None else climb(tiers[asset], value)
            recognised -= ZERO if tiers is None else value
        others = []
        for asset, quantity, ladder in group.holdings:
            if asset in price:
                recognised += counts(ladder, quantity, price[asset])
            elif asset not in owed:
                room = _room(ladder, quantity)
                if room is None:
                    return None
                recognised += room
            else:
                whole = climb(ladder, quantity) if isinstance(ladder, ByAmount) else quantity * ladder[0].ratio
                gain = whole - (ZERO if tiers is None else owed[asset])
                others.append(Figures(owed[asset] * (tiers[asset][0].ratio if tiers is not None else 1), gain))
    found = Figures(debt, recognised)
    for other in others:
        if other.recognised > 0 and _ltv(other) < _ltv(found):
            found = other
    return found


def _room(ladder: Ladder, quantity: Decimal) -> Decimal | None:
    """The most that a coin without a price may count; None where it has no end."""
    if isinstance(ladder, ByAmount):
        return None if climb(ladder, quantity) else ZERO
    return None if ladder[-1].ratio else ladder[-1].below


def _ltv(figures: Figures) -> Fraction:
    """Infinite, as good as, where there is debt on nothing."""
    if not figures.debt:
        return Fraction(-1)
    return Fraction(figures.debt) / Fraction(figures.recognised) if figures.recognised > 0 else Fraction(10) ** 99
