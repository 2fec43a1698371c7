"""Marginal tiers, like tax brackets: USD value -> recognised value, and back (rules 29 and 30).

Tiers are (upper bound or None, share); what lies above the last bound counts nothing. The sum of an asset over all
accounts of the group goes through its ladder once. Where the tiers go by the amount of the coin (domain section 9.9) they are
tiers by value while its price stands (`at_price`), and while its amount stands a fixed part of it counts (`counting`).
"""

from __future__ import annotations

from decimal import Decimal

from monitor.core.money import ZERO
from monitor.core.rules.ladders import ByAmount, at_price
from monitor.core.rules.product import WHOLE, Ladder


def recognised(ladder: Ladder, value_usd: Decimal) -> Decimal:
    """The part of a market value that counts. Exact."""
    total, floor = ZERO, ZERO
    for bound, share in ladder:
        if bound is None or value_usd <= bound:
            return total + (value_usd - floor) * share
        total += (bound - floor) * share
        floor = bound
    return total


def counts(ladder: Ladder, quantity: Decimal, price: Decimal) -> Decimal:
    """The part of the value of a quantity that counts at a price, by any ladder. Exact."""
    return recognised(at_price(ladder, price), quantity * price)


def counting(ladder: Ladder, quantity: Decimal) -> tuple[Decimal, Ladder]:
    """What of a quantity counts whatever its price, and the ladder by value that it goes through as the price moves."""
    if type(ladder) is ByAmount:
        return recognised(ladder.tiers, quantity), WHOLE
    return quantity, ladder


def tiers_filled(ladder: Ladder, value_usd: Decimal) -> list[tuple[Decimal, Decimal | None, Decimal, Decimal]]:
    """Per tier that the value reaches: (from, to, share, USD value inside the tier)."""
    filled, floor = [], ZERO
    for bound, share in ladder:
        if value_usd <= floor:
            break
        top = value_usd if bound is None else min(value_usd, bound)
        filled.append((floor, bound, share, top - floor))
        if bound is None:
            break
        floor = bound
    return filled


def deductions(tiers: Ladder) -> tuple[Decimal, ...]:
    """Per tier the maintenance amount: what the tier's rate, taken of the whole value, charges too much (rules 38 and 41)."""
    found, before, floor = [ZERO], tiers[0][1], tiers[0][0]
    for bound, rate in tiers[1:]:
        assert floor is not None, "only the last tier has no bound"
        found.append(found[-1] + floor * (rate - before))
        before, floor = rate, bound
    return tuple(found)


def tier_of(tiers: Ladder, value_usd: Decimal) -> int:
    """The place of the tier that a value is in; a cap itself belongs to the lower one (rule 41)."""
    return next(i for i, (bound, _) in enumerate(tiers) if bound is None or value_usd <= bound)


def by_deduction(tiers: Ladder, value_usd: Decimal) -> Decimal:
    """The quick way to `recognised`: the whole value at its tier's rate, less the tier's deduction (rules 40 and 41)."""
    place = tier_of(tiers, value_usd)
    return value_usd * tiers[place][1] - deductions(tiers)[place]
