"""Under which rules each group of a block is: an agreement, or an agreement by the terms of its labels and of its line.

Distinct terms are kept once, and a block tells in one pass which of its groups are under which. What differs only in its
lines shares ladders with the agreement, and what differs only in its ladders shares rates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from monitor.core.loans.group import lines_of
from monitor.core.rules.product import Product, Version
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.rules.terms import NO_TERMS, Terms
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.decision import calm_between
from monitor.core.stages.stages import UNTOUCHED
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import I32, I64
from monitor.engine.columns.names import Names, OtherTerms
from monitor.engine.columns.own_figures import read_lines, read_terms, stated_lines, stated_terms

FIRST = 1 << 16
"""Products are numbered by their place in Names, which is below this; products by other terms from here on."""
REMEMBERED = 50_000
"""At most this many distinct lines are kept between blocks: beyond, groups have lines of their own, and share none."""


class Under(NamedTuple):
    """By row of a block: which of the `places` has its rules."""

    places: list[int]
    of: I64

    def mapped(self, to: Callable[[int], int]) -> I64:
        """[n] What each group's place leads to."""
        return np.array([to(place) for place in self.places], np.int64)[self.of]

    def each(self) -> Iterator[tuple[int, I64]]:
        """Each place that groups have, and their rows."""
        order = np.argsort(self.of, kind="stable")
        ends = np.cumsum(np.bincount(self.of, minlength=len(self.places)))
        for place, rows in zip(self.places, np.split(order, ends[:-1]), strict=True):
            if len(rows):
                yield place, rows


class Ruled(NamedTuple):
    """A version in force, and lines under it."""

    version: Version
    lines: Thresholds
    key: tuple[int, int] | None
    """Equal where both are; None where the lines depend on more than that."""


class Agreements:
    """The rules in force at a time. Any thread may ask."""

    def __init__(self, at: datetime, rules: Rules, names: Names) -> None:
        self._at = at
        self._names = names
        self.stated = rules.products
        """The products as the rules state them, by name."""
        self.products = {names.products.place(name): product for name, product in rules.products.items()}
        """By place, without those by other terms."""
        self.versions = {place: product.version_at(at) for place, product in self.products.items()}
        self._others: dict[int, Product] = {}
        self._other_versions: dict[int, Version] = {}
        self._places: dict[tuple[int, int, int], int] = {}
        """By product, override and terms of the line."""
        self._chosen: dict[int, I32] = {}
        """By product: the place of the override + 1, by place of the labels."""
        self._ruled: dict[tuple[int, int], Ruled] = {}
        self._calm: dict[tuple[int, int], tuple[float, float]] = {}

    @property
    def overrides(self) -> dict[int, Any]:
        """Those of each product that has any: where they change, groups are under other terms."""
        return {place: product.overrides for place, product in self.products.items() if product.overrides}

    def product(self, place: int) -> Product | None:
        """None where it is not configured any more: such a product has only dead groups."""
        if place < FIRST:
            return self.products.get(place)
        found = self._others.get(place)
        if found is None:
            of, terms, lines = self._names.others[place - FIRST]
            agreement = self.products.get(of)
            if agreement is None:
                return None
            found = agreement.under(read_terms(terms) or NO_TERMS, read_lines(lines))
            self._others[place] = found
        return found

    def version(self, place: int) -> Version | None:
        """The version in force; None likewise."""
        if place < FIRST:
            return self.versions.get(place)
        found = self._other_versions.get(place)
        if found is None and (product := self.product(place)) is not None:
            found = product.version_at(self._at)
            self._other_versions[place] = found
        return found

    def met(self) -> list[Version]:
        """The versions in force, also by the other terms that were met."""
        return [*self.versions.values(), *list(self._other_versions.values())]

    def ladders_at(self, place: int) -> int:
        """The place whose ladders are those of a place: thousands of terms have few sets of ladders."""
        return self._with(place, lambda terms: Terms(ladders=terms.ladders, scale=terms.scale, haircut=terms.haircut))

    def rates_at(self, place: int) -> int:
        """The place whose flexible rates are those of a place."""
        return self._with(place, lambda terms: Terms(rate_spread=terms.rate_spread))

    def under(self, block: Block) -> Under:
        """Which rules the groups of a block are under. Raises NamesFull."""
        c = block.columns
        chosen = {place: self._override_by_labels(place) for place in block.products() if self._has_overrides(place)}
        if not chosen and not c.own_terms.any():
            places = block.products()
            number = np.zeros(max(places, default=0) + 1, np.int64)
            number[places] = np.arange(len(places))
            return Under(places, number[c.product])
        override = np.zeros(len(block), np.int64)
        for place, by_labels in chosen.items():
            mine = np.flatnonzero(c.product == place)
            override[mine] = by_labels[c.labels[mine]]
        keys = np.stack([c.product.astype(np.int64) << 32 | override, c.own_terms.astype(np.int64)])
        distinct, of = np.unique(keys, axis=1, return_inverse=True)
        found = [self._place(pair >> 32, (pair & 0xFFFFFFFF) - 1, terms) for pair, terms in distinct.T.tolist()]
        return Under(found, of.reshape(-1).astype(np.int64))

    def ruled(self, place: int, version: Version, own: int) -> Ruled:
        """A version whose lines are the same for all groups, by lines of a group's own (their place in Names)."""
        key = place, own
        found = self._ruled.get(key)
        if found is None:
            found = Ruled(version, self.own_lines(own, version.thresholds), key)
            if len(self._ruled) < REMEMBERED:
                self._ruled[key] = found
        return found

    def calm(self, ruled: Ruled, how: Lifecycle) -> tuple[float, float]:
        """Between which debts over recognised value there is nothing to decide about an untouched group. `how` must be the
        lifecycle in force."""
        found = None if ruled.key is None else self._calm.get(ruled.key)
        if found is None:
            found = calm_between(UNTOUCHED, ruled.lines, ruled.version, how).bounds
            if ruled.key is not None and len(self._calm) < REMEMBERED:
                self._calm[ruled.key] = found
        return found

    def own_lines(self, own: int, lines: Thresholds) -> Thresholds:
        """Lines of a group's own over others."""
        return lines_of(read_lines(self._names.own_lines[own]), lines) if own else lines

    def _has_overrides(self, place: int) -> bool:
        return place in self.products and bool(self.products[place].overrides)

    def _override_by_labels(self, place: int) -> I32:
        """By place of the labels: the place of the override + 1. Labels may have come since the last call."""
        product, known = self.products[place], self._chosen.get(place, np.zeros(0, np.int32))
        if new := self._names.labels[len(known) :]:
            found = [product.override_of(labels) for labels in new]
            known = np.append(known, np.array([0 if o is None else o + 1 for o in found], np.int32))
            self._chosen[place] = known
        return known

    def _place(self, product: int, override: int, own: int) -> int:
        """Where the rules stand of groups with an override (-1: none) and terms of their own (0: none)."""
        agreement = self.products.get(product)
        if (override < 0 and not own) or agreement is None:
            return product
        found = self._places.get((product, override, own))
        if found is None:
            stated = agreement.overrides[override] if override >= 0 else None
            terms = (read_terms(self._names.own_terms[own]) or NO_TERMS).over(stated)
            lines: Mapping[str, Decimal] = stated.thresholds if stated else {}
            found = self._number(product, terms, lines)
            self._places[product, override, own] = found
        return found

    def _with(self, place: int, part: Callable[[Terms], Terms]) -> int:
        if place < FIRST:
            return place
        product, terms, _ = self._names.others[place - FIRST]
        some = part(read_terms(terms) or NO_TERMS)
        return product if some == NO_TERMS else self._number(product, some, {})

    def _number(self, product: int, terms: Terms, lines: Mapping[str, Decimal]) -> int:
        return FIRST + self._names.others.place(OtherTerms(product, stated_terms(terms), stated_lines(lines)))
