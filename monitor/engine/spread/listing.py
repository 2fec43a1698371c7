"""Lists over shards: each looks at its part, and the head joins what they found with the groups that nobody watches.

A group of a missing shard is in the lists, as one whose price is missing: its figures are not known to the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from monitor.core.groups.snapshot import Scope
from monitor.core.portfolio.group_list import Counts, GroupQuery
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.fields import GROUPS
from monitor.engine.index.rows import RowIndex
from monitor.engine.queries.listing import FloatKey, Listing, Listings
from monitor.engine.screen.arrays import MISSING
from monitor.engine.screen.screen import FastScreen
from monitor.engine.spread.links import Links
from monitor.engine.spread.shelf import ShelvedBlocks


class _Unseen:
    """The floats of rows that nobody watches."""

    def __init__(self, count: int) -> None:
        self.debt = np.zeros(count)
        self.recognised = np.zeros(count)
        self.blind = np.full(count, MISSING, np.uint8)


class _Unwatched:
    """The rows of some blocks, for a Listing."""

    def __init__(self, rows: RowIndex, numbers: Iterable[int]) -> None:
        mine = frozenset(numbers)
        self._rows = rows
        self.blocks = [rows.blocks[n] if n in mine else None for n in range(len(rows.blocks))]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)


class SpreadListing:
    """What a Listing answers, asked of all shards. Any thread may use it."""

    def __init__(self, rows: RowIndex, links: Links, kept: Listings) -> None:
        self._rows = rows
        self._links = links
        self._kept = kept
        self._shelf = cast("ShelvedBlocks", rows.blocks)
        self._version = self._shelf.version

    def is_of(self, blocks: Any) -> bool:
        """These are still the blocks."""
        return self._version == self._shelf.version

    def find(self, group_id: str) -> int | None:
        """The row of a group, or None."""
        return next((row for row in self._ask("find", group_id) if row is not None), None)

    def first(self, query: GroupQuery, scope: Scope, after: FloatKey | None, number: int) -> list[tuple[FloatKey, int]]:
        return [each for part in self._ask("first", query, scope, after, number) for each in part]

    def counts(self, scope: Scope) -> Counts:
        parts: list[Counts] = self._ask("counts", scope)
        stages = {stage: sum(part.stages[stage] for part in parts) for stage in parts[0].stages}
        unknown, blind = sum(part.unknown for part in parts), sum(part.blind for part in parts)
        return Counts(stages, unknown, blind, sum(part.total for part in parts))

    def debts(self, scope: Scope) -> dict[str, int]:
        parts: list[dict[str, int]] = self._ask("debts", scope)
        return {stage: sum(part[stage] for part in parts) for stage in parts[0]}

    def nearest(self, agreements: Agreements) -> tuple[dict[str, float], list[int]]:
        least: dict[str, float] = {}
        unsure: list[int] = []
        for found, rows in self._ask("nearest", agreements):
            unsure += rows
            for stage, percent in found.items():
                least[stage] = min(percent, least.get(stage, percent))
        return least, unsure

    def held(self, scope: Scope, agreements: Agreements) -> tuple[frozenset[str], list[int]]:
        parts = self._ask("held", scope, agreements)
        return frozenset().union(*(owed for owed, _ in parts)), [row for _, rows in parts for row in rows]

    def _ask(self, name: str, *args: Any) -> list[Any]:
        """The answers of all shards, and that of the rows whose shard gave none."""
        sent = tuple(each for each in args if not isinstance(each, Agreements))  # a shard has its own
        answers = self._links.ask_seeing("listed", name, *sent)
        left = [n for n in self._shelf.numbers() if self._links.place(n) not in answers]
        unwatched = cast("RowIndex", _Unwatched(self._rows, left))
        mine = Listing(unwatched, cast("FastScreen", _Unseen(len(self._rows.blocks) * GROUPS)), self._kept)
        return [*answers.values(), getattr(mine, name)(*args)]
