"""The loan book whose blocks live in shards. The head keeps fresh groups, ids, states, and the bodies of the blocks.

It is a ColumnarBook in all else, so it decides as one: shards name supersets of suspects, and core decides exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from monitor.engine.book import FOLD_AT, ColumnarBook
from monitor.engine.spread.spreading import DEFAULT, NOWHERE, Spreading

if TYPE_CHECKING:
    from monitor.core.groups.record import GroupRecord
    from monitor.core.prices.board import PriceBoard
    from monitor.core.prices.quote import PriceChange
    from monitor.engine.captured import CapturedBlock
    from monitor.engine.columnar_groups import ColumnarGroups
    from monitor.engine.spread.groups import SpreadGroups
    from monitor.engine.spread.links import Shards
    from monitor.engine.spread.memory import ProcessMemory
    from monitor.engine.spread.shard import Call


MOST_FETCHED = 1_000
"""Groups that shards send at once: some 20 ms of work."""


class CopySeen(NamedTuple):
    """A copy of a shard as its head knows it."""

    place: int
    copy: int
    seat: int
    groups: int
    debt: float
    """USD that they owed when it saw prices last."""
    is_missing: bool
    is_watched: bool
    """Some copy of the shard is there."""
    quiet_s: float
    address: str
    memory: ProcessMemory | None
    """Its process, as it said last."""


class SpreadBook(ColumnarBook):
    """A LoanBook over `Shards`."""

    def __init__(self, shards: Shards, count: int, fold_at: int = FOLD_AT, how: Spreading = DEFAULT) -> None:
        from monitor.engine.spread.links import Links  # the array libraries cost a second and 100 MB

        super().__init__(fold_at)
        self.links = Links(shards, count, how.limit_s, how.copies, how.most_groups)
        self.wanted = count
        """So many shards there should be; `resize` sees to it."""
        self._how = how
        self.memory_of: dict[int, ProcessMemory] = {}
        """By seat, as it said last."""
        self._mending: dict[int, Iterable[Call]] = {}
        self._overdue = dict[str, None]()
        """Groups that came out of blocks of missing shards: the head watches them now, and has not looked at them yet."""

    @property
    def is_whole(self) -> bool:
        """Every group is watched."""
        return not self.links.missing

    @property
    def is_partial(self) -> bool:
        links = self.links
        seeing = [not links.is_new.issuperset(links.blocks.seats(place)) for place in links.live]
        return bool(links.missing) or (any(seeing) and not all(seeing))

    def seen(self) -> list[CopySeen]:
        """All copies of all shards. Any thread may ask."""
        spread, links = self._spread, self.links
        groups, debts = ({}, {}) if spread is None else (spread.by_shard(), spread.debt_of)
        return [
            CopySeen(
                place,
                seat - links.blocks.seats(place).start,
                seat,
                groups.get(place, 0),
                debts.get(place, 0.0),
                seat in links.gone,
                place not in links.missing,
                links.quiet_s(seat),
                links.shards.address(seat),
                self.memory_of.get(seat),
            )
            for place in links.blocks.places
            for seat in links.blocks.seats(place)
        ]

    @property
    def is_behind(self) -> bool:
        return bool(self._overdue) or (self.columnar is not None and not self.links.is_new <= self.links.gone)

    @property
    def should_fold(self) -> bool:
        """A fold costs the shards, not the head."""
        return False

    @property
    def is_full(self) -> bool:
        """No shard takes a block more, and none is missing."""
        links = self.links
        return not links.missing.intersection(links.blocks.ring) and not any(
            map(links.blocks.has_room, links.blocks.ring)
        )

    def homeless(self) -> int:
        """Groups that no shard took. Any thread may ask."""
        return self._spread.by_shard().get(NOWHERE, 0) if self._spread else 0

    def homeless_ids(self, most: int) -> list[str]:
        """In core's thread: some of them."""
        if self._spread is None:
            return []
        numbers = [number for number in self._spread.shelf.numbers() if self.links.blocks.holder(number) == NOWHERE]
        return list(islice((id_ for number in numbers for id_ in self._spread.rows.ids_in(number)), most))

    def hear_memory(self) -> None:
        """Asks all copies how much memory they have. Any thread may."""
        memories = self.links.ask_each_aside(self.links.limit_s, "memory", self._how.most_bytes)
        self.memory_of = memories
        self.links.blocks.room |= {seat: memory.room for seat, memory in memories.items()}
        if self._spread is not None:
            self.links.blocks.groups = dict(self._spread.by_shard())

    def plan_mending(self, seats: Collection[int]) -> list[int]:
        """In core's thread: what the replacements of these copies must be told. What changes later is told after it."""
        planned = sorted(self.links.gone.intersection(seats) - self._mending.keys())
        for seat in planned:
            self.links.forget_pending(seat)
            self._mending[seat] = self._spread.mending(seat // self.links.copies) if self._spread else []
        return planned

    def mend(self, seat: int) -> bool:
        """In any other thread: loads a replacement. False where that fails; `plan_mending` must come before a new try."""
        is_there = self.links.load(seat, self._mending[seat])
        if not is_there:
            del self._mending[seat]
        return is_there

    def take_back(self, seat: int) -> None:
        """In core's thread, when `mend` is done: the copy answers again from the next question on."""
        del self._mending[seat]
        self.links.take_back(seat)

    def settle(self) -> bool:
        """While nobody decides, in any one thread: all have done what they were told, and missing ones are replaced.
        Whether all are there."""
        from monitor.engine.spread.links import LOAD_LIMIT_S, READY  # the array libraries are loaded late

        self.links.ask(dict.fromkeys(self.links.live, READY), LOAD_LIMIT_S)
        for seat in self.plan_mending(self.links.gone):
            if self.mend(seat):
                self.take_back(seat)
        return not self.links.gone

    def resize(self) -> None:
        """In core's thread: begins or ends with shards until there are as many as `wanted`."""
        links = self.links
        while len(links.blocks.ring) + len(links.blocks.joining) < self.wanted:
            links.join()
        while len(links.blocks.ring) > max(1, self.wanted):
            links.leave(max(links.blocks.ring))

    def move_some(self, most: int) -> int:
        """In core's thread: hands so many blocks to the shards where they should be. Says how many are left."""
        left = self._spread.move_some(most) if self._spread else 0
        groups = self._spread.by_shard() if self._spread else {}
        for place in [place for place in self.links.blocks.leaving if not groups.get(place)]:
            self.links.end(place)
        return left + len(self.links.blocks.leaving)

    def close(self) -> None:
        """Ends all shards."""
        self.links.shards.close()

    def find_all(self, group_ids: Iterable[str]) -> Iterator[GroupRecord]:
        ids = iter(group_ids)
        while some := list(islice(ids, MOST_FETCHED)):
            if self._spread is not None:
                from monitor.engine.spread.groups import fetch  # the array libraries are loaded late

                fetch(self._spread, (id_ for id_ in some if id_ not in self.fresh))
            yield from super().find_all(some)

    def put(self, record: GroupRecord) -> None:
        record.is_unwatched = False  # the head watches what changes, also where the group's shard was missing
        super().put(record)

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> Collection[str]:
        found = super().suspects(change, board)
        overdue, self._overdue = self._overdue, {}
        return [*found, *(id_ for id_ in overdue if self.find(id_) is not None)]

    def has_late(self, product: str, at: datetime) -> bool:
        return self.fresh.has_late(product, at) or (self._spread is not None and self._spread.has_late(product, at))

    def holders(self, assets: Collection[str], most: int) -> Collection[str]:
        fresh, spread = self.fresh.holders(assets), self._spread
        return fresh if spread is None else [*fresh, *spread.holders(assets, most)]

    def blocks_now(self, numbers: Sequence[int]) -> Iterator[tuple[int, CapturedBlock]]:
        assert self._spread is not None
        return self._spread.shelf.captured(numbers)

    def _take_out(self, record: GroupRecord, number: int) -> None:
        if record.is_unwatched:
            record.is_unwatched = False
            self._overdue[record.group.id] = None
        super()._take_out(record, number)

    @property
    def _spread(self) -> SpreadGroups | None:
        return cast("SpreadGroups | None", self.columnar)

    def _columns(self) -> ColumnarGroups:
        if self.columnar is None:
            from monitor.engine.spread.groups import SpreadGroups

            assert self._rules is not None, "the book was given no rules"
            self.columnar = SpreadGroups(self.names, *self._rules, self.links, self._how)
        return self.columnar
