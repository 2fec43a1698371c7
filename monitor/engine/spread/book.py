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
        spread, quiet_s = self._spread, self.links.quiet_s()
        return [
            ShardSeen(place, spread.of_shard(place) if spread else 0, place in self.links.missing, quiet_s[place])
            for place in range(self.links.shards.count)
        ]

    def plan_mending(self) -> list[int]:
        """In core's thread: what the replacements of missing shards must be told. What changes later is told after it."""
        for place in self.links.lost:
            self._mending[place] = self._spread.mending(place) if self._spread else []
        self.links.lost = []
        return sorted(self._mending)

    def mend(self, place: int) -> bool:
        """In any other thread: loads a replacement. False where that fails; `plan_mending` must come before a new try."""
        return self.links.load(place, self._mending[place])

    def take_back(self, place: int) -> None:
        """In core's thread, when `mend` is done: the shard answers again from the next question on."""
        del self._mending[place]
        self.links.take_back(place)

    def close(self) -> None:
        """Ends all shards."""
        self.links.shards.close()

    def has_late(self, product: str, at: datetime) -> bool:
        return self.fresh.has_late(product, at) or any(
            self.links.ask_all("has_late", product, at) if self._spread else ()
        )

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
