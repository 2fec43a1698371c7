"""One shard: a part of the blocks in columns. A pure function of the blocks, rules, time and prices that it was given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from monitor.core.groups.outcome import Sight, StoredGroup
from monitor.core.groups.snapshot import Movers, Prices, Scope, Swept
from monitor.core.loans.group import Group
from monitor.core.money import exact
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import Stage
from monitor.engine.columnar_groups import ColumnarGroups
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, NO_GROUP
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import unpacked_state
from monitor.engine.queries.listing import Listings
from monitor.engine.queries.snapshot import ColumnarBookSnapshot
from monitor.engine.screen.arrays import MISSING
from monitor.engine.spread.memory import ProcessMemory, memory_of_this_process
from monitor.engine.warm import warm

MOST_SWEPT = 64
"""Sweeps of copies whose movers may still be asked for."""
MOST_SENT = 2_000
"""Groups that go along with their columns; what more are named the head reads from its shelf."""

warm_once = cache(warm)
"""Once a process; what is forked from one that did it needs no more."""

_OF_RULES = ("nearest", "held")
"""Questions of a list that need the rules in force."""

Call = tuple[str, tuple[Any, ...]]
"""A method of Shard and its arguments."""


class Vector(NamedTuple):
    """The prices of a board: one object for all shards."""

    floats: np.ndarray[Any, np.dtype[np.float64]]
    flags: np.ndarray[Any, np.dtype[np.uint8]]


class NamedRows(NamedTuple):
    """Groups that a shard names, by their rows in the book; the first of them as MessagePack."""

    rows: list[int]
    groups: bytes
    debt: float = 0.0
    """USD that all groups of the shard owe, where prices were told; a group with a missing price counts nothing."""


class ShardSums(NamedTuple):
    """Groups that need a price: how many, the screen's sums, the rows that owe most, and all rows where they are few."""

    groups: int
    debt: Any
    recognised: Any
    largest: list[tuple[float, int]]
    rows: list[int]


class _Board:
    """What a screen reads of a PriceBoard."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.floats: Any = np.zeros(0)
        self.flags: Any = np.zeros(0, np.uint8)


class ShardGroups(ColumnarGroups):
    """Groups in columns whose blocks come whole and go whole."""

    def load(self, number: int, block: Block, first: int, dead: Any, states: Mapping[int, bytes]) -> None:
        """Takes a block whose groups are new from place `first` on, with the packed states of those that have one."""
        self._install(number, block, first, dead)
        for place, packed in states.items():
            row = number * GROUPS + place
            if self.rows.stage[row] != NO_GROUP:
                self.rows.set_state(row, unpacked_state(packed, block.id(place)))
        self._watch(number)
        self.agenda.take_stored(number, block, self.now)

    def cut(self, row: int) -> None:
        """Takes a group out. The head says when a block goes."""
        self._remove(row, self.record_at(row).group)

    def unload(self, number: int) -> None:
        """Forgets a block and its living groups."""
        block = self.rows.block(number)
        for i in np.flatnonzero(self.rows.alive(number, block)).tolist():
            self.cut(number * GROUPS + i)
        self.screen.drop_block(number)
        self.agenda.drop_block(number)
        self.rows.blocks[number] = None

    def keep_state(self, row: int, packed: bytes) -> None:
        """The head has decided about a group."""
        record = self.record_at(row)
        record.keep(unpacked_state(packed, record.group.id))
        self.keep(record)


def _stored(sight: Sight) -> StoredGroup:
    return StoredGroup(sight.group, sight.source, sight.version, sight.put_at)


class Shard:
    """Its methods are all that a head may ask. Rows are those of the book; the shard's own lie close together."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> bool:
        """All that it was told: it is a new shard."""
        self._names = Names()
        self._groups: ShardGroups | None = None
        self._board = _Board()
        self._local: dict[int, int] = {}
        """By number of a block in the book: its number here."""
        self._number: dict[int, int] = {}
        self._free: list[int] = []
        self._listings = Listings()
        self._copies: dict[int, ColumnarBookSnapshot] = {}
        self._newly: OrderedDict[tuple[int, int], Mapping[Stage, Movers]] = OrderedDict()
        return True

    def do(self, calls: list[Call], vector: Vector | None = None) -> Any:
        """Runs calls in order; the answer of the last one."""
        answer: Any = None
        with exact():
            for name, args in calls:
                answer = getattr(self, name)(*args, vector) if name == "suspects" else getattr(self, name)(*args)
        return answer

    # -- what it is given --

    def ready(self) -> bool:
        """It is there. What it is told next does not wait for a compiler."""
        warm_once()
        return True

    def renew(self, at: datetime, rules: Rules | None) -> None:
        """Another time, and other rules: None where they are those of before."""
        if self._groups is not None:
            self._groups.renew(at, rules or self._groups.now.rules)
        else:
            assert rules is not None, "the shard was given no rules"
            self._groups = ShardGroups(self._names, at, rules)

    def accrue(self, at: datetime, kinds: Collection[str]) -> None:
        self._own.accrue(at, kinds)

    def load(self, number: int, body: bytes, first: int, dead: bytes | None, states: Mapping[int, bytes]) -> None:
        if number not in self._local:
            local = self._free.pop() if self._free else len(self._local)
            self._local[number], self._number[local] = local, number
            first = 0
        is_dead = None if dead is None else np.frombuffer(dead, np.bool_)
        self._own.load(self._local[number], Block.load(body, self._names), first, is_dead, states)

    def unload(self, number: int) -> None:
        local = self._local.pop(number)
        del self._number[local]
        self._own.unload(local)
        self._free.append(local)

    def cut(self, row: int) -> None:
        self._own.cut(self._here(row))

    def keep(self, row: int, packed: bytes) -> None:
        self._own.keep_state(self._here(row), packed)

    def take_copy(self, key: int, at: datetime) -> bool:
        """Copies all rows as they are now, for questions that are asked aside."""
        self._copies[key] = cast("ColumnarBookSnapshot", self._own.snapshot(at, PlainBook(), is_kept=True))
        return True

    def drop_copy(self, key: int) -> None:
        self._copies.pop(key, None)
        for gone in [each for each in self._newly if each[0] == key]:
            self._newly.pop(gone, None)

    def assets(self, names: list[str]) -> None:
        for name in names:
            self._board.index[name] = len(self._board.index)

    # -- what it answers --

    def suspects(self, moved: Collection[str] | None, vector: Vector) -> NamedRows:
        self._board.floats, self._board.flags = vector
        change = None if moved is None else PriceChange(moved=frozenset(moved))
        self._own.suspects(change, cast("PriceBoard", self._board))
        fast = self._own.screen.fast
        debt, stage = fast.debt, self._own.rows.stage
        known = (stage[: len(debt)] != NO_GROUP) & (fast.blind[: len(stage)] & MISSING == 0)
        return self._named(list(self._own.rows.named.values()))._replace(debt=float(debt[: len(known)][known].sum()))

    def stored(self, rows: list[int]) -> bytes:
        """The groups of these rows, as they were put."""
        return msgspec.msgpack.encode([self._own.rows.stored(self._here(row)) for row in rows])

    def waiting(self, at: datetime, until: datetime) -> NamedRows:
        return self._of_ids(self._own.waiting(at, until))

    def nearing(self, after: datetime, until: datetime) -> NamedRows:
        return self._of_ids(self._own.nearing(after, until))

    def spare(self, kinds: Collection[str]) -> NamedRows:
        return self._of_ids(self._own.spare(kinds))

    def holders(self, assets: Collection[str], most: int) -> ShardSums:
        screen = self._own.screen
        rows = screen.holders(assets)
        owing = screen.most_owing(rows, most) if len(rows) else []
        owed = screen.fast.weighed(np.array(owing, np.int64))[0].tolist()
        largest = [(debt, self._there(row)) for debt, row in zip(owed, owing, strict=True)]
        few = [self._there(row) for row in rows.tolist()] if len(rows) <= MOST_SENT else []
        return ShardSums(len(rows), screen.debt_of(rows), screen.recognised_of(rows), largest, few)

    def counted(self, kind: str) -> ShardSums:
        rows = self._own.rows.of_product(self._names.products.find(kind))
        few = [self._there(row) for row in rows.tolist()] if len(rows) <= MOST_SENT else []
        return ShardSums(len(rows), 0, self._own.screen.recognised_of(rows), [], few)

    def has_late(self, product: str, at: datetime) -> bool:
        return self._own.agenda.has_late(product, at)

    def counted_since(self, product: str) -> dict[str, datetime]:
        return self._own.counted_since(product)

    def listed(self, name: str, *args: Any) -> Any:
        """What a Listing answers of these rows."""
        own = self._own
        answer: Any = getattr(own.listing(self._listings), name)(
            *args, *([own.agreements] if name in _OF_RULES else [])
        )
        match name:
            case "find":
                return None if answer is None else self._there(answer)
            case "first":
                return [(key, self._there(row)) for key, row in answer]
            case "nearest" | "held":
                found, rows = answer
                return found, [self._there(row) for row in rows]
        return answer

    def coins(self) -> frozenset[str]:
        return self._own.screen.coins(self._own.rows.living_of)

    def named_coins(self) -> frozenset[str]:
        return self._own.screen.named_coins()

    # -- what it answers beside all prices, in a thread of its own --

    def aside(self, name: str, args: tuple[Any, ...]) -> Any:
        """Another answer than to `do`: it reads copies alone. None where it has not got that copy."""
        with exact():
            return getattr(self, name)(*args)

    def memory(self, limit: int | None) -> ProcessMemory:
        return memory_of_this_process(limit)

    def prepare_copy(self) -> bool:
        if self._groups is not None:
            self._groups.prepare_snapshot()
        return True

    def of_copy(self, key: int, name: str, args: tuple[Any, ...]) -> Any:
        """What a snapshot answers."""
        copy = self._copies.get(key)
        if copy is None:
            return None
        if name == "exposures":
            by, on, scope, has_distances = args
            return copy.exposures(by, on, scope, has_distances=has_distances)
        return getattr(copy, name)(*args)

    def examples_of_copy(self, key: int) -> list[Group] | None:
        copy = self._copies.get(key)
        return None if copy is None else list(copy.examples())

    def sweep_copy(self, key: int, number: int, on: Prices, scope: Scope) -> Swept | None:
        """A sweep of this number, without its movers: `movers` tells those."""
        copy = self._copies.get(key)
        if copy is None:
            return None
        swept = copy.sweep(on, scope)
        self._newly[key, number] = swept.newly
        while len(self._newly) > MOST_SWEPT:
            self._newly.popitem(last=False)
        return swept._replace(newly={})

    def movers(self, key: int, number: int, stage: Stage, first: int, most: int) -> bytes | None:
        """A page of the groups that enter a stage by a sweep, worst first: each with its state, as MessagePack."""
        newly = self._newly.get((key, number))
        if newly is None:
            return None
        page = islice(newly[stage](), first, first + most) if stage in newly else ()
        return msgspec.msgpack.encode([(_stored(sight), sight.state) for sight in page])

    def copy_under(self, key: int, new: int, rules: Rules) -> bool | None:
        """A copy of a copy, as a reload would leave it."""
        copy = self._copies.get(key)
        if copy is None:
            return None
        self._copies[new] = copy.under(rules)
        return True

    # -- within --

    @property
    def _own(self) -> ShardGroups:
        assert self._groups is not None, "the shard was given no rules"
        return self._groups

    def _here(self, row: int) -> int:
        return self._local[row // GROUPS] * GROUPS + row % GROUPS

    def _there(self, row: int) -> int:
        return self._number[row // GROUPS] * GROUPS + row % GROUPS

    def _of_ids(self, ids: Any) -> NamedRows:
        rows = self._own.rows
        return self._named([rows.row_of(id_) for id_ in ids])

    def _named(self, rows: list[int]) -> NamedRows:
        groups: list[StoredGroup] = [self._own.rows.stored(row) for row in rows[:MOST_SENT]]
        return NamedRows([self._there(row) for row in rows], msgspec.msgpack.encode(groups))
