"""Ladders: what share of a coin counts, in marginal tiers by its USD value or by its amount, and how they are stated.

Each function that reads a part notes every problem with its place and goes on, so that the desk sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from monitor.core.money import NotANumber, number, plain
from monitor.core.schema import Bounds, Problem, Ratio

Ladder = tuple[tuple[Decimal | None, Decimal], ...]
"""Tiers of (upper bound in USD or None for no bound, share recognised), bounds rising."""
NOTHING: Ladder = ((None, Decimal(0)),)
WHOLE: Ladder = ((None, Decimal(1)),)
TiersStated = tuple[tuple[str, Ratio], ...]


class AmountTable(msgspec.Struct, frozen=True):
    """Tiers of a coin by its amount, whatever its price: `{ by = "amount", tiers = [["500", "0.98"], ["600", "0.975"]] }`."""

    by: Literal["amount"]
    tiers: TiersStated


LadderTable = TiersStated | AmountTable
"""A ladder as it is stated: `inf` for no bound."""
_BOUNDS = Bounds("0", "1e30", 24)
"""The bound of a tier: more digits would outgrow exact arithmetic."""


class ByAmount(tuple[tuple[Decimal | None, Decimal], ...]):
    """A ladder whose bounds are amounts of the coin. It is never the same as a ladder by value with these numbers."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is ByAmount and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((ByAmount, tuple(self)))

    @property
    def tiers(self) -> Ladder:
        """The plain tiers, to be climbed by an amount."""
        return tuple(self)


def at_price(ladder: Ladder, price: Decimal) -> Ladder:
    """The ladder by USD value that holds while the coin has this price."""
    if type(ladder) is not ByAmount:
        return ladder
    return tuple((None if bound is None else bound * price, share) for bound, share in ladder)


def like(ladder: Ladder, tiers: Ladder) -> Ladder:
    """Other tiers, by amount where a ladder is."""
    return ByAmount(tiers) if type(ladder) is ByAmount else tiers


def ladders(tables: Mapping[str, LadderTable], where: str, problems: list[Problem]) -> dict[str, Ladder]:
    """Every coin's ladder."""
    return {asset: ladder(tiers, f"{where}.{asset}", problems) for asset, tiers in tables.items()}


def ladder(table: LadderTable, where: str, problems: list[Problem]) -> Ladder:
    """Bounds rise strictly, shares never rise, `inf` comes last: no tiers overlap, and more never earns a larger share."""
    if isinstance(table, AmountTable):
        return ByAmount(_tiers(table.tiers, f"{where}.tiers", problems))
    return _tiers(table, where, problems)


def stated_table(table: LadderTable) -> Any:
    """A ladder as a line states it."""
    if isinstance(table, AmountTable):
        return {"by": table.by, "tiers": stated_table(table.tiers)}
    return [[bound, plain(share)] for bound, share in table]


def _tiers(tiers: TiersStated, where: str, problems: list[Problem]) -> Ladder:
    if not tiers:
        problems.append(Problem(where, 'is empty; a ladder has at least one tier such as ["inf", "0.9"]'))
    bounds = tier_bounds([text for text, _ in tiers], where, problems)
    above = Decimal(1)
    for i, (_, share) in enumerate(tiers):
        if share > above:
            what = f"share {plain(share)} rises above {plain(above)} of the tier before"
            problems.append(Problem(f"{where}[{i}]", what))
        above = share
    return tuple(zip(bounds, (share for _, share in tiers), strict=True))


def tier_bounds(texts: Sequence[str], where: str, problems: list[Problem]) -> list[Decimal | None]:
    """The upper bounds of tiers; None for `inf`."""
    found: list[Decimal | None] = []
    floor = Decimal(0)
    for i, text in enumerate(texts):
        bound = _bound(text, f"{where}[{i}]", problems)
        if bound is None and i < len(texts) - 1:
            problems.append(Problem(f"{where}[{i}]", '"inf" ends a ladder; no value can reach the tiers after it'))
        if bound is not None and bound <= floor:
            text = f"bound {text} is not above {plain(floor)}; tiers must neither overlap nor fall"
            problems.append(Problem(f"{where}[{i}]", text))
        found.append(bound)
        floor = bound or floor
    return found


def _bound(text: str, where: str, problems: list[Problem]) -> Decimal | None:
    if text == "inf":
        return None
    try:
        bound = number(text)
        if _BOUNDS.problem(bound) is None:
            return bound
    except NotANumber:
        pass
    what = f'found {text!r}, expected a USD value or an amount such as "10000000" up to {_BOUNDS.high}, or "inf"'
    problems.append(Problem(where, what))
    return Decimal(_BOUNDS.high)
