"""The loan book whose blocks live in shards. The head keeps fresh groups, ids, states, and the bodies of the blocks.

It is a ColumnarBook in all else, so it decides as one: shards name supersets of suspects, and core decides exactly.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from monitor.engine.book import FOLD_AT, ColumnarBook

if TYPE_CHECKING:
    from monitor.engine.columnar_groups import ColumnarGroups
    from monitor.engine.spread.groups import SpreadGroups
    from monitor.engine.spread.links import Shards
    from monitor.engine.spread.shard import Call

LIMIT_S = 1.0
"""A shard that has not answered by then is abandoned."""


class ShardSeen(NamedTuple):
    """A shard as its head knows it."""

    place: int
    groups: int
    debt: float
    """USD that they owed when it saw prices last."""
    is_missing: bool
    quiet_s: float


class SpreadBook(ColumnarBook):
    """A LoanBook over `Shards`."""

    def __init__(
        self, shards: Shards, fold_at: int = FOLD_AT, limit_s: float = LIMIT_S, folder: Path | None = None
    ) -> None:
        from monitor.engine.spread.links import Links  # the array libraries cost a second and 100 MB

        super().__init__(fold_at)
        self.links = Links(shards, limit_s)
        self._folder = folder
        self._mending: dict[int, list[Call]] = {}

    @property
    def is_whole(self) -> bool:
        """Every group is watched."""
        return not self.links.missing

    def shards(self) -> list[ShardSeen]:
        """All shards."""
        spread, quiet_s, missing = self._spread, self.links.quiet_s(), self.links.missing
        groups, debts = ({}, {}) if spread is None else (spread.by_shard(), spread.debt_of)
        return [
            ShardSeen(place, groups.get(place, 0), debts.get(place, 0.0), place in missing, quiet_s[place])
            for place in range(self.links.shards.count)
        ]

    @property
    def is_behind(self) -> bool:
        return self.columnar is not None and not self.links.is_new <= self.links.missing

    def plan_mending(self, places: Collection[int]) -> list[int]:
        """In core's thread: what the replacements of these shards must be told. What changes later is told after it."""
        planned = sorted(self.links.missing.intersection(places) - self._mending.keys())
        for place in planned:
            self.links.forget_pending(place)
            self._mending[place] = self._spread.mending(place) if self._spread else []
        return planned

    def mend(self, place: int) -> bool:
        """In any other thread: loads a replacement. False where that fails; `plan_mending` must come before a new try."""
        is_there = self.links.load(place, self._mending[place])
        if not is_there:
            del self._mending[place]
        return is_there

    def take_back(self, place: int) -> None:
        """In core's thread, when `mend` is done: the shard answers again from the next question on."""
        del self._mending[place]
        self.links.take_back(place)

    def close(self) -> None:
        """Ends all shards."""
        self.links.shards.close()

    def has_late(self, product: str, at: datetime) -> bool:
        return self.fresh.has_late(product, at) or (self._spread is not None and self._spread.has_late(product, at))

    def holders(self, assets: Collection[str], most: int) -> Collection[str]:
        fresh, spread = self.fresh.holders(assets), self._spread
        return fresh if spread is None else [*fresh, *spread.holders(assets, most)]

    @property
    def _spread(self) -> SpreadGroups | None:
        return cast("SpreadGroups | None", self.columnar)

    def _columns(self) -> ColumnarGroups:
        if self.columnar is None:
            from monitor.engine.spread.groups import SpreadGroups

            assert self._rules is not None, "the book was given no rules"
            self.columnar = SpreadGroups(self.names, *self._rules, self.links, self._folder)
        return self.columnar
