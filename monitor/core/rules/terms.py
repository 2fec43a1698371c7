"""The few figures in which some groups of an agreement differ from it: by a label, or in their own line.

Figure by figure the group's line comes first, then the first override whose labels the group has, then the agreement. What is
taken from a term is data of the rules again: a `Version` with other lines, ladders and rates, by which core decides as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from monitor.core.money import ONE, ZERO, plain
from monitor.core.rules.ladders import Ladder, LadderTable, ladder, ladders, like, stated_table
from monitor.core.rules.thresholds import Level, Line
from monitor.core.schema import Asset, Bounds, Problem, Span, in_words

Scale = Annotated[Decimal, Bounds("0", "10", 6, above=True)]
Points = Annotated[Decimal, Bounds("-1", "1", 6)]
Spread = Annotated[Decimal, Bounds("-1", "1", 18)]
Grace = Annotated[timedelta, Span("0s", "365d", above=True)]

_canonical = msgspec.json.Encoder(order="deterministic").encode


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is not stated stays as the agreement has it."""

    ladders: dict[Asset, LadderTable] = {}
    """Ladders of coins, in place of the agreement's; also of coins that it does not list."""
    scale: Scale | None = None
    """Every share of the agreement's ladders is multiplied by it."""
    haircut: Points | None = None
    """Every share of the agreement's ladders is lower by it, and never below zero: 0.05 is five points more of a haircut."""
    rate_spread: Spread | None = None
    """Is added to every flexible rate per period; no rate falls below zero by it."""
    grace: Grace | None = None
    """The grace period, where the agreement has one."""

    def __post_init__(self) -> None:
        if self.scale is not None and self.haircut is not None:
            raise ValueError(
                f"haircut: found {plain(self.haircut)} beside scale {plain(self.scale)}; state one of them"
            )

    def over(self, other: Terms | None) -> Terms:
        """These where they state a figure, else the others. `scale` and `haircut` are two ways to state one figure."""
        if other is None:
            return self
        cuts = self if self.scale is not None or self.haircut is not None else other
        return Terms(
            ladders={**other.ladders, **self.ladders},
            scale=cuts.scale,
            haircut=cuts.haircut,
            rate_spread=other.rate_spread if self.rate_spread is None else self.rate_spread,
            grace=other.grace if self.grace is None else self.grace,
        )

    @property
    def key(self) -> bytes:
        """The same for the same terms; a struct with tables has no hash."""
        return _canonical(self)

    @property
    def has_ladders(self) -> bool:
        """Some share may be another than the agreement's."""
        return bool(self.ladders) or self.scale is not None or self.haircut is not None

    def cut(self, found: Ladder) -> Ladder:
        """A ladder of the agreement by these terms."""
        return found if self.scale is None and self.haircut is None else _cut(found, self.scale, self.haircut)

    def problems(self, where: str) -> list[Problem]:
        """What is wrong with the ladders that are stated."""
        problems: list[Problem] = []
        ladders(self.ladders, f"{where}.ladders" if where else "ladders", problems)
        return problems


NO_TERMS = Terms()


class LabelTerms(Terms, frozen=True, omit_defaults=True, kw_only=True):
    """[[product.override]]: terms of the groups that have all of these labels. The first that fits a group counts."""

    labels: dict[str, str]
    thresholds: dict[Line, Level] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.labels:
            raise ValueError('labels: is empty; name the groups, such as labels = { borrower = "acme" }')

    @property
    def name(self) -> str:
        """How people read which override it is."""
        return ", ".join(f"{label} {value}" for label, value in self.labels.items())


def with_ladders(found: Mapping[str, Ladder] | None, terms: Terms) -> Mapping[str, Ladder] | None:
    """All ladders of a version by these terms; the very same mapping where they leave them as they are."""
    if found is None or not terms.has_ladders:
        return found
    return CutLadders(found, terms)


class CutLadders(Mapping[str, Ladder]):
    """The ladders of a version by other terms, each made when it is asked for: a group holds few of all coins, and thousands
    of terms would fill the memory with ladders that nobody needs."""

    __slots__ = ("_found", "_own", "_terms")

    def __init__(self, found: Mapping[str, Ladder], terms: Terms) -> None:
        self._found = found
        self._terms = terms
        self._own = own_ladders(terms)

    def __getitem__(self, asset: str) -> Ladder:
        own = self._own.get(asset)
        return self._terms.cut(self._found[asset]) if own is None else own

    def __iter__(self) -> Iterator[str]:
        yield from self._found
        yield from (asset for asset in self._own if asset not in self._found)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def own_ladders(terms: Terms) -> dict[str, Ladder]:
    """The ladders that the terms state themselves."""
    return {asset: _ladder(table) for asset, table in terms.ladders.items()}


def spread(rate: Decimal, terms: Terms) -> Decimal:
    """A flexible rate by these terms."""
    return rate if terms.rate_spread is None else max(rate + terms.rate_spread, min(rate, ZERO))


def above_one(found: Mapping[str, Ladder], terms: Terms) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) for the first coin of which more than all would count."""
    key = "scale" if terms.scale is not None else "haircut"
    value = terms.scale if terms.scale is not None else terms.haircut
    if value is None or (ONE if terms.scale is None else terms.scale) - (terms.haircut or ZERO) <= ONE:
        return  # no share is above one, so none becomes it
    for asset, each in sorted(found.items()):
        for _, share in each if asset not in terms.ladders else ():
            now = share * (ONE if terms.scale is None else terms.scale) - (terms.haircut or ZERO)
            if now > ONE:
                what = f"found {plain(value)}: the share {plain(share)} of {asset} becomes {plain(now)}"
                yield key, f"{what}; no coin counts more than 1, state less, or a ladder for {asset}"
                return


def stated_terms(terms: Terms) -> dict[str, Any]:
    """Terms as a line states them."""
    shown: dict[str, Any] = {}
    if terms.ladders:
        shown["ladders"] = {asset: stated_table(table) for asset, table in terms.ladders.items()}
    figures = {"scale": terms.scale, "haircut": terms.haircut, "rate_spread": terms.rate_spread}
    shown |= {key: plain(value) for key, value in figures.items() if value is not None}
    if terms.grace is not None:
        shown["grace"] = in_words(terms.grace)
    return shown


@lru_cache(maxsize=100_000)
def _cut(found: Ladder, scale: Decimal | None, haircut: Decimal | None) -> Ladder:
    """One object for equal ladders: thousands of agreements share them. 100,000 are a hundred coins at a thousand cuts."""
    by = ONE if scale is None else scale
    return like(found, tuple((bound, min(max(share * by - (haircut or ZERO), ZERO), ONE)) for bound, share in found))


@lru_cache(maxsize=100_000)
def _ladder(table: LadderTable) -> Ladder:
    return ladder(table, "", [])
