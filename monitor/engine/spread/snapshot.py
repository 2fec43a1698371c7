"""A snapshot of a book over shards: each copies its rows at one instant, answers beside all prices, and the head joins.

What misses a shard is partial, and says so. Its groups count as unknown.
"""

from __future__ import annotations

import itertools
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from monitor.core.groups.outcome import Sight, StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Coins, Exposures, Movers, Pair, Prices, Scope, Swept
from monitor.core.loans.group import Group
from monitor.core.money import exact
from monitor.core.portfolio.snapshot import PlainBookSnapshot, best_worth, urgency
from monitor.core.portfolio.under_rules import Decide, by_reload, renewed
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import STAGES, GroupState
from monitor.engine.queries.merging import joined_exposures, joined_pairs, joined_sweeps
from monitor.engine.spread.links import Links

LIMIT_S = 60.0
"""A question of a desk. Nothing waits for it but who asked."""
CORE_LIMIT_S = 2.0
"""A question of core itself, which waits."""
FIRST_PAGE, LARGEST_PAGE = 100, 10_000
"""Movers come in pages, each twice as large as the one before."""

_keys = itertools.count(1)
_movers = msgspec.msgpack.Decoder(list[tuple[StoredGroup, GroupState]]).decode


class SpreadCopy(NamedTuple):
    """What a snapshot reads, all of one instant."""

    key: int
    """What the shards call their copies."""
    places: frozenset[int]
    """The shards that have one."""
    groups: Mapping[int, int]
    """By shard: how many groups it has, or should have."""
    fresh: Sequence[Sight]
    rules: Rules
    interest_at: datetime
    now: datetime
    limit_s: float
    decide: Decide | None = None


def new_key() -> int:
    """Another name for copies."""
    return next(_keys)


class SpreadSnapshot:
    """A BookSnapshot of the copies in shards, joined with that of the fresh groups."""

    def __init__(self, links: Links, copy: SpreadCopy) -> None:
        self._links = links
        self._copy = copy
        self._fresh = PlainBookSnapshot(copy.fresh, copy.now, copy.decide)
        self._missed = {place for place, count in copy.groups.items() if count and place not in copy.places}
        self._end = weakref.finalize(self, links.tell_all, "drop_copy", copy.key)
        self._end.atexit = False

    def __len__(self) -> int:
        return sum(self._copy.groups.values()) + len(self._fresh)

    @property
    def is_partial(self) -> bool:
        """Some answer misses a shard."""
        return bool(self._missed)

    def coins(self, scope: Scope) -> Coins:
        parts = [self._fresh.coins(scope), *self._ask("coins", scope)]
        return Coins(frozenset().union(*(p.held for p in parts)), frozenset().union(*(p.owed for p in parts)))

    def sweep(self, on: Prices, scope: Scope) -> Swept:
        def joined(one: Swept, other: Swept) -> Swept:
            return joined_sweeps(one, other, lambda some: _keyed(some, on))

        number = new_key()
        parts: dict[int, Swept] = self._asked("sweep_copy", self._copy.key, number, on, scope)
        whole = self._fresh.sweep(on, scope)
        for place, part in parts.items():
            movers = {stage: self._movers(place, number, stage) for stage in STAGES}
            is_exact = whole.are_counts_exact and part.are_counts_exact
            whole = joined(part._replace(newly=movers), whole)._replace(are_counts_exact=is_exact)
        is_exact = whole.are_counts_exact and not self._missed
        unknown = whole.unknown + self._unknown()
        return whole._replace(unknown=unknown, are_counts_exact=is_exact, are_sums_exact=False)

    def under(self, rules: Rules) -> SpreadSnapshot:
        copy, key = self._copy, new_key()
        places = frozenset(self._asked("copy_under", copy.key, key, rules))
        with exact():
            fresh = [renewed(sight, rules, copy.now) for sight in copy.fresh]
        decide, at = by_reload(rules.lifecycle), copy.now
        after = copy._replace(key=key, places=places, fresh=fresh, rules=rules, interest_at=at, decide=decide)
        return SpreadSnapshot(self._links, after)

    def examples(self) -> Iterator[Group]:
        yield from self._fresh.examples()
        for part in self._asked("examples_of_copy", self._copy.key).values():
            yield from part

    def by_product(self) -> Mapping[str, int]:
        return sum((Counter(part) for part in self._ask("by_product")), Counter(self._fresh.by_product()))

    def exposures(self, by: str, on: Prices, scope: Scope, *, has_distances: bool = True) -> Exposures:
        whole = self._fresh.exposures(by, on, scope, has_distances=has_distances)
        for part in self._ask("exposures", by, on, scope, has_distances):
            whole = joined_exposures(part, whole)
        return whole._replace(unknown=whole.unknown + self._unknown(), are_sums_exact=False)

    def pairs(self, issuers: Mapping[str, Sequence[str]], on: Prices, scope: Scope) -> list[Pair]:
        found = self._fresh.pairs(issuers, on, scope)
        for part in self._ask("pairs", issuers, on, scope):
            found = joined_pairs(found, part)
        return found

    # -- within --

    def _ask(self, name: str, *args: Any) -> list[Any]:
        return list(self._asked("of_copy", self._copy.key, name, args).values())

    def _asked(self, name: str, *args: Any) -> dict[int, Any]:
        """The answers by shard. One that gives none is missed from now on."""
        answers = self._links.ask_aside(self._copy.places - self._missed, self._copy.limit_s, name, *args)
        self._missed |= self._copy.places - answers.keys()
        return answers

    def _unknown(self) -> int:
        return sum(self._copy.groups.get(place, 0) for place in self._missed)

    def _movers(self, place: int, number: int, stage: str) -> Movers:
        return lambda: self._paged(place, number, stage)

    def _paged(self, place: int, number: int, stage: str) -> Iterator[Sight]:
        copy, first, most = self._copy, 0, FIRST_PAGE
        while True:
            asked = copy.key, number, stage, first, most
            answers = self._links.ask_aside([place], copy.limit_s, "movers", *asked)
            if place not in answers:
                self._missed.add(place)
                return
            page = _movers(answers[place])
            for stored, state in page:
                with exact():
                    sight = GroupRecord(stored, state, copy.rules.product_of(stored.group), copy.interest_at).sight()
                yield sight
            if len(page) < most:
                return
            first, most = first + most, min(LARGEST_PAGE, 2 * most)


def _keyed(some: Iterator[Sight], on: Prices) -> Iterator[tuple[float, str, Sight]]:
    for sight in some:
        with exact():
            worth = best_worth(sight.held, on)
        if worth is not None:
            yield urgency(worth.weight), sight.group.id, sight
