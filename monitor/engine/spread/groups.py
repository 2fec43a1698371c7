"""The groups in columns as the head has them: ids, states and a shelf of blocks. The positions are with the shards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import nlargest, nsmallest
from itertools import chain
from operator import attrgetter
from typing import Any, cast

import msgspec
import numpy as np

from monitor.core.groups.loan_book import EXACT_SUMS, Counted, Exposure, counted_of, exposure_of
from monitor.core.groups.outcome import Sight, StoredBlock, StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import BookSnapshot
from monitor.core.money import ZERO, exact
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import UNTOUCHED, GroupState
from monitor.core.text import MOST_NAMED
from monitor.engine.columnar_groups import ColumnarGroups, counted_since
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, NO_GROUP, Bools
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex
from monitor.engine.queries.copied_rows import BookCopy
from monitor.engine.queries.listing import Listing, Listings
from monitor.engine.queries.snapshot import ColumnarBookSnapshot
from monitor.engine.schedule.agenda import ColumnarAgenda
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.block_screen import BlockScreen, Living
from monitor.engine.screen.exposures import Instruments
from monitor.engine.spread.links import LOAD_LIMIT_S, Links
from monitor.engine.spread.listing import SpreadListing
from monitor.engine.spread.memory import ProcessMemory
from monitor.engine.spread.missing import SomeRows, UnwatchedHolders, agenda_of
from monitor.engine.spread.shard import Call, NamedRows, ShardSums, Vector
from monitor.engine.spread.shelf import ShelvedBlocks, ShelvedRows
from monitor.engine.spread.snapshot import CORE_LIMIT_S, LIMIT_S, SpreadCopy, SpreadSnapshot, new_key
from monitor.engine.spread.spreading import Spreading

_groups = msgspec.msgpack.Decoder(list[StoredGroup]).decode
_packed = msgspec.msgpack.Encoder().encode


MOST_KEPT = 10_000
"""Groups that shards have sent: some 10 MB."""


class SpreadGroups(ColumnarGroups):
    """What ColumnarGroups does, with the screen and the agenda of the blocks in shards."""

    def __init__(self, names: Names, at: datetime, rules: Rules, links: Links, how: Spreading) -> None:
        super().__init__(names, at, rules)
        self.arrivals.is_off = True
        self.links = links
        self.shelf = ShelvedBlocks(names, how.folder)
        self.rows = ShelvedRows(names, self.shelf)
        self.agenda = ColumnarAgenda(self.rows)
        self.screen = cast("BlockScreen", _FarScreen(names, self.now.agreements, self))
        self._memory_call: Call = ("memory", (how.most_bytes,))
        self._sent: dict[int, StoredGroup] = {}
        """By row: groups that shards have named last, with their columns."""
        self._coins_told: list[str] = []
        self._holders = UnwatchedHolders()
        self.debt_of: dict[int, float] = {}
        """By shard: USD that its groups owed when it saw prices last."""
        links.tell_all("renew", at, rules)

    def record_at(self, row: int) -> GroupRecord:
        """A group whose shard is missing is unwatched: nothing good is decided about it."""
        stored = self._sent.get(row) or self.rows.stored(row)
        state = self.rows.state(row, stored.group.id)
        with exact():
            record = GroupRecord(stored, state, self.now.rules.product_of(stored.group), self.now.at)
        record.is_unwatched = self.links.place(row // GROUPS) in self.links.missing
        return record

    def keep(self, record: GroupRecord) -> None:
        row = self.rows.row_of(record.group.id)
        assert row >= 0, f"group {record.group.id} is not in columns"
        self._set_state(row, record)

    # -- blocks --

    def restore(self, blocks: Iterable[StoredBlock], superseded: Collection[str], states: Iterable[GroupState]) -> None:
        numbers: list[int] = []
        for stored in sorted(blocks, key=attrgetter("number")):
            block = Block.load(stored.body, self.names)
            gone = [id_ in superseded for id_ in block.ids()] if superseded else []
            self.rows.install(stored.number, block, 0, np.array(gone, bool) if any(gone) else None)
            numbers.append(stored.number)
        self.rows.set_states(states)
        packed = _packed_by_block(self.rows)
        some = 4 * len(self.links.blocks.ring)
        for first in range(0, len(numbers), some):
            # Some at a time: all shards load at once, no queue of bodies fills the memory, and each says what room is left.
            for number in numbers[first : first + some]:
                self.links.tell(self._placed(number), *_flat(self._load_call(number, packed.get(number, {}))))
            self.take_rooms(self.links.ask(dict.fromkeys(self.links.live, self._memory_call), LOAD_LIMIT_S))

    def take_rooms(self, memories: Mapping[int, ProcessMemory]) -> None:
        """What shards say of their memory. The groups of each are counted anew."""
        self.links.blocks.groups = dict(self.by_shard())
        for place, memory in memories.items():
            self.links.blocks.room |= dict.fromkeys(self.links.blocks.seats(place), memory.room)

    def fold(self, records: Sequence[GroupRecord]) -> bool:
        """Where no shard has room, or the one of the last block is missing, groups stay with the head, which watches them."""
        last = len(self.rows.blocks) - 1
        has_room = any(map(self.links.blocks.has_room, self.links.blocks.ring))
        return has_room and self.links.blocks.holder(last) not in self.links.missing and super().fold(records)

    def mending(self, place: int) -> Iterator[Call]:
        """All that a replacement of a copy of a shard must be told, as of now. Any one thread may go through it."""
        packed = _packed_by_block(self.rows)
        mine = [number for number in self.shelf.numbers() if self.links.place(number) == place]
        told: list[Call] = [("renew", (self.now.at, self.now.rules)), ("assets", (list(self._coins_told),))]
        rest = [(number, _dead(self, number), packed.get(number, {})) for number in mine]
        return chain(told, _loads(rest, self.shelf.bodies(mine)))

    def move_some(self, most: int) -> int:
        """Hands blocks over to the shards where they should be: at most so many. Says how many are left."""
        moves = self.links.blocks.moves(self.shelf.numbers())
        packed = _packed_by_block(self.rows) if moves else {}
        for number, place in moves[:most]:
            before, size = self.links.place(number), self.shelf.size(number)
            load = self._load_call(number, packed.get(number, {}))
            self.links.move(number, place, load)
            # Shards say themselves what room they have only once a second.
            self.links.blocks.loaded(before, -size, 0)
            self.links.blocks.loaded(place, size, len(load[1][1]))
        return max(0, len(moves) - most)

    def by_shard(self) -> dict[int, int]:
        """How many groups each shard has. Any thread may ask."""
        found: dict[int, int] = defaultdict(int)
        for number in self.shelf.numbers():
            stage = self.rows.stage[number * GROUPS : (number + 1) * GROUPS]
            if (place := self.links.blocks.holder(number)) is not None:
                found[place] += int(np.count_nonzero(stage != NO_GROUP))
        return found

    def _load_call(self, number: int, states: Mapping[int, bytes]) -> Call:
        return "load", (number, self.shelf.body(number), 0, _dead(self, number), states)

    # -- rules and time --

    def renew(self, at: datetime, rules: Rules) -> None:
        is_same = rules is self.now.rules
        self.now = InForce.of(at, rules, self.names)
        self.screen.take_versions(self.now.agreements)
        # At a midnight the rules are mostly those of before: shards go on with theirs, and what they worked out of them.
        self.links.tell_all("renew", at, None if is_same else rules)

    def accrue(self, at: datetime, kinds: Collection[str]) -> None:
        self.now = self.now.later(at, self.names)
        self.links.accrue(at, kinds)

    def waiting(self, at: datetime, until: datetime) -> list[str]:
        here = self.links.ask_all("waiting", at, until)
        return [*self._name(here), *self._unwatched().waiting(at, until, self.now)]

    def nearing(self, after: datetime, until: datetime) -> Iterator[str]:
        here = self._name(self.links.ask_all("nearing", after, until))
        return chain(here, self._unwatched().nearing(after, until, self.now))

    def spare(self, kinds: Collection[str]) -> Iterator[str]:
        here = self._name(self.links.ask_all("spare", list(kinds)))
        return chain(here, self._unwatched().spare(kinds, self.now))

    def has_late(self, product: str, at: datetime) -> bool:
        """Some loan of the product matured before a time and is owed."""
        return any(self.links.ask_all("has_late", product, at)) or self._unwatched().has_late(product, at)

    # -- answers about all groups --

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> list[str]:
        if new := list(board.index)[len(self._coins_told) :]:
            self._coins_told += new
            self.links.tell_all("assets", new)
        vector = Vector(np.array(board.floats), np.array(board.flags, np.uint8))
        moved = None if change is None else list(change.moved)
        answers: dict[int, NamedRows] = self.links.tick(moved, vector)
        self.debt_of |= {place: answer.debt for place, answer in answers.items()}
        return self._name(answers.values())

    def counted(self, kind: str, version: Version, board: PriceBoard, fresh: Counted) -> Counted:
        parts: list[ShardSums] = self.links.ask_all("counted", kind)
        count = sum(part.groups for part in parts)
        if count <= EXACT_SUMS:
            rows = sorted(row for part in parts for row in part.rows)
            own = counted_of(map(self.record_at, rows), version, board.usd)
        else:
            own = Counted(count, sum((part.recognised for part in parts), ZERO), is_exact=False)
        own = own._replace(is_exact=own.is_exact and not self.links.missing)
        return Counted(fresh.groups + own.groups, fresh.recognised + own.recognised, own.is_exact)

    def counted_since(self, product: str) -> dict[str, datetime]:
        parts = self.links.ask_all("counted_since", product)
        since: dict[str, datetime] = {}
        for part in (*parts, counted_since(product, self.rows, self._unwatched_blocks())):
            for asset, at in part.items():
                since[asset] = min(at, since.get(asset, at))
        return since

    def exposure(self, assets: Collection[str], board: PriceBoard, fresh: PlainBook, exact_to: int) -> Exposure:
        parts: list[ShardSums] = self.links.ask_all("holders", list(assets), MOST_NAMED)
        away = self._holders.rows(self.rows, self._unwatched_blocks(), self.names, self.now, assets)
        count = sum(part.groups for part in parts) + len(singles := fresh.holders(assets)) + len(away)
        if count <= exact_to:
            row_of = {self.rows.id(row): row for row in sorted([*away, *(row for part in parts for row in part.rows)])}
            named = nsmallest(MOST_NAMED, [*singles, *row_of])
            found = (fresh.find(id_) or self.record_at(row_of[id_]) for id_ in (*singles, *row_of))
            return exposure_of(found, count, named, board.usd)._replace(is_exact=not self.links.missing)
        part = fresh.exposure(assets, board, exact_to)
        debt = part.debt + sum((p.debt for p in parts), ZERO)
        recognised = part.recognised + sum((p.recognised for p in parts), ZERO)
        ids = (*self.most_owing(parts, MOST_NAMED), *part.ids)[:MOST_NAMED]
        return Exposure(count, debt, recognised, ids, is_exact=False)

    def holders(self, assets: Collection[str], most: int) -> list[str]:
        """Those that owe most, of the groups that need one of these prices."""
        return self.most_owing(self.links.ask_all("holders", list(assets), most), most)

    def most_owing(self, parts: Iterable[ShardSums], most: int) -> list[str]:
        """The largest debts of all shards."""
        return [self.rows.id(row) for _, row in nlargest(most, (each for part in parts for each in part.largest))]

    def listing(self, kept: Listings) -> Listing:
        return cast("Listing", SpreadListing(self.rows, self.links, kept))

    def prepare_snapshot(self) -> None:
        self.links.ask_each_aside(CORE_LIMIT_S, "prepare_copy")

    def snapshot(self, at: datetime, fresh: PlainBook, *, is_kept: bool) -> BookSnapshot:
        """Few groups are looked at in the head, each exactly. What more there are the shards copy."""
        if len(self.rows) + len(fresh) <= EXACT_SUMS:
            return _of_few(self.rows, self.names, self.now, fresh.sights(), at)
        key, sights = new_key(), fresh.sights()
        places = frozenset(self.links.ask(dict.fromkeys(self.links.live, ("take_copy", (key, at)))))
        limit_s = LIMIT_S if is_kept else CORE_LIMIT_S
        copy = SpreadCopy(key, places, self.by_shard(), sights, self.now.rules, self.now.at, at, limit_s)
        return SpreadSnapshot(self.links, copy)

    def nbytes(self) -> dict[str, int]:
        return self.rows.nbytes()

    # -- within --

    def _unwatched_blocks(self) -> Iterator[tuple[int, Block]]:
        """The blocks of missing shards. Asked after a question, as that is where a shard goes missing."""
        numbers = [n for n in self.shelf.numbers() if self.links.place(n) in self.links.missing]
        return SomeRows(self.rows, numbers).living()

    def _unwatched(self) -> ColumnarAgenda:
        return agenda_of(self.rows, [number for number, _ in self._unwatched_blocks()], self.now)

    def _name(self, parts: Iterable[NamedRows]) -> list[str]:
        self._sent = {}
        named: dict[str, int] = {}
        for part in parts:
            groups = _groups(part.groups)
            for row, stored in zip(part.rows, groups, strict=False):
                self._sent[row] = stored
                named[stored.group.id] = row
            for row in part.rows[len(groups) :]:
                named[self.rows.id(row)] = row
        self.rows.named = named
        return list(named)

    def _install(self, number: int, block: Block, first: int, dead: Bools | None = None) -> None:
        self.rows.install(number, block, first, dead)
        states = _packed_by_block(self.rows).get(number, {}) if first else {}
        _, (_, body, _, gone, _) = self._load_call(number, {})
        self.links.tell(self._placed(number, first), "load", number, body, first, gone, states)

    def _placed(self, number: int, first: int = 0) -> int:
        """The shard of a block whose groups are new there from place `first` on."""
        place = self.links.place(number)
        self.links.blocks.loaded(place, self.shelf.size(number) - first, len(self.shelf.body(number)))
        return place

    # A shard does these when it loads the block.
    def _watch(self, *_: object) -> None: ...
    def _watch_part(self, *_: object) -> None: ...

    def _set_state(self, row: int, record: GroupRecord) -> None:
        was = self.rows.packed_states().get(row)
        super()._set_state(row, record)
        packed = self.rows.packed_states().get(row)
        if was is not None or packed is not None:
            state = packed or _packed(msgspec.structs.replace(UNTOUCHED, group=""))
            self.links.tell(self.links.place(row // GROUPS), "keep", row, state)


def _packed_by_block(rows: RowIndex) -> dict[int, dict[int, bytes]]:
    """States by block and place."""
    found: dict[int, dict[int, bytes]] = defaultdict(dict)
    for row, packed in rows.packed_states().items():
        found[row // GROUPS][row % GROUPS] = packed
    return found


def fetch(groups: SpreadGroups, ids: Iterable[str]) -> None:
    """Asks the shards for groups that `find` is to give next: from the shelf it would read a block for each."""
    by_place: dict[int, list[int]] = defaultdict(list)
    for id_ in ids:
        if (row := groups.rows.row_of(id_)) >= 0 and row not in groups._sent:
            by_place[groups.links.place(row // GROUPS)].append(row)
    groups._sent = groups._sent if len(groups._sent) < MOST_KEPT else {}
    for place, packed in groups.links.ask({place: ("stored", (rows,)) for place, rows in by_place.items()}).items():
        groups._sent |= zip(by_place[place], _groups(packed), strict=True)


def _dead(groups: SpreadGroups, number: int) -> bytes | None:
    stage = groups.rows.stage[number * GROUPS : number * GROUPS + groups.shelf.size(number)]
    return None if (stage != NO_GROUP).all() else (stage == NO_GROUP).tobytes()


def _flat(call: Call) -> tuple[Any, ...]:
    name, args = call
    return name, *args


def _loads(rest: list[tuple[int, bytes | None, dict[int, bytes]]], bodies: Iterator[bytes]) -> Iterator[Call]:
    for (number, dead, states), body in zip(rest, bodies, strict=True):
        yield "load", (number, body, 0, dead, states)


def _of_few(rows: RowIndex, names: Names, now: InForce, fresh: Sequence[Sight], at: datetime) -> ColumnarBookSnapshot:
    """Out of the shelf: whole also while a shard is missing."""
    blocks, screen = list(rows.living()), BlockScreen(names, now.agreements)
    for number, block in blocks:
        screen.put(number, block, rows.alive(number, block), now.debts.owed(block))
    store, tiers = screen.fast.laid
    states, stage = dict(rows.packed_states()), rows.stage.copy()
    return ColumnarBookSnapshot(BookCopy(blocks, stage, states, store, tiers, names, now, fresh, at))


class _FarScreen:
    """What ColumnarGroups tells its screen, told to shards."""

    def __init__(self, names: Names, agreements: Agreements, groups: SpreadGroups) -> None:
        self._instruments = Instruments(names)
        self._instruments.take(agreements)
        self._groups = groups

    def take_versions(self, agreements: Agreements) -> bool:
        return self._instruments.take(agreements)

    def coins_of(self, number: int, living: Living) -> frozenset[str]:
        block, alive = living(number)
        _, held = self._instruments.collateral(block, alive)
        owing = block.is_owed() & alive[block.loan_rows()]
        return held | self._instruments.coins(block.columns.loan_asset[owing])

    def coins(self, living: Living) -> frozenset[str]:
        return self._joined("coins", living)

    def named_coins(self) -> frozenset[str]:
        return self._joined("named_coins", self._groups.rows.living_of)

    def _joined(self, name: str, living: Living) -> frozenset[str]:
        groups = self._groups
        parts = groups.links.ask_all(name)
        unwatched = [n for n in groups.shelf.numbers() if groups.links.place(n) in groups.links.missing]
        return frozenset().union(*parts, *(self.coins_of(number, living) for number in unwatched))

    def watch_soon(self, row: int, lines: Any) -> None:
        """A shard finds the lines itself."""

    def drop_row(self, row: int) -> None:
        self._groups.links.tell(self._groups.links.place(row // GROUPS), "cut", row)

    def drop_block(self, number: int) -> None:
        links = self._groups.links
        links.tell(links.place(number), "unload", number)
        links.forget(number)
