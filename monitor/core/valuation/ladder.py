"""Marginal tiers, like tax brackets: USD value -> recognised value, and back (rules 29 and 30).

Tiers are (upper bound or None, share); what lies above the last bound counts nothing. The sum of an asset over all
accounts of the group goes through its ladder once.
"""

from __future__ import annotations

from decimal import Decimal

from monitor.core.money import ZERO
from monitor.core.rules.product import Ladder


def recognised(ladder: Ladder, value_usd: Decimal) -> Decimal:
    """The part of a market value that counts. Exact."""
    total, floor = ZERO, ZERO
    for bound, share in ladder:
        if bound is None or value_usd <= bound:
            return total + (value_usd - floor) * share
        total += (bound - floor) * share
        floor = bound
    return total


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
