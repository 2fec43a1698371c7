"""Which row each group in columns has, and in which state it is.

A row is block number * GROUPS + place in the block. A block never gives a row a second time: when a group leaves, its row is
dead until the whole block goes. A group whose state is still the initial one is *untouched*, and nothing is kept for it.

Only core's thread changes anything here. Lists read in other threads (engine/group_list.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from sys import getsizeof
from typing import TypeVar, cast

import msgspec
import numpy as np

from monitor.books._unchanged import LineSums
from monitor.core.groups.outcome import StoredBlock, StoredGroup
from monitor.core.loans.group import Group
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.stages.stages import NORMAL, STAGES, UNTOUCHED, GroupState, Stage
from monitor.engine.columns.block import Block
from monitor.engine.columns.cutting import CutRows
from monitor.engine.columns.fields import GROUPS, I64, NO_GROUP, U8, Bools
from monitor.engine.columns.line_sums import sums_of
from monitor.engine.columns.names import Names
from monitor.engine.index.index import Index

T = TypeVar("T")
_FEW_RETIRED = 2_000
"""Their hashes take a millisecond; of more each id of a block is looked up."""
_MANY = 16
"""So many rows are sooner named all at once."""

_unpacked = msgspec.msgpack.Decoder(GroupState).decode
_packed = msgspec.msgpack.Encoder().encode


def unpacked_state(packed: bytes | None, group_id: str) -> GroupState:
    """The state of a group, from what a RowIndex keeps of it."""
    state = UNTOUCHED if packed is None else _unpacked(packed)
    return msgspec.structs.replace(state, group=group_id) if group_id else state


class RowIndex:
    """The blocks, the rows of ids and accounts, and the state of each row."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.blocks: list[Block | None] = []
        self.stage: U8 = np.zeros(0, np.uint8)
        """[rows] Place in STAGES; NO_GROUP where there is none."""
        self.pending: dict[int, None] = {}
        """Rows whose state has a deadline that no date of a loan brings up: that of a stage, or of an overdue loan."""
        self.short: defaultdict[int, dict[int, tuple[str, ...]]] = defaultdict(dict)
        """By block and place: coins whose interest the Spot balances did not pay at the last look."""
        self._states: dict[int, bytes] = {}
        """By row, packed. An untouched group has no entry."""
        self.named: dict[str, int] = {}
        """Rows of the groups that were named last: core asks for them next."""
        self._ids = Index()
        self._accounts = Index()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, group_id: str) -> bool:
        return self.row_of(group_id) >= 0

    # -- groups --

    def ids(self) -> Iterator[str]:
        """All groups."""
        return (self.id(int(row)) for row in np.flatnonzero(self.stage != NO_GROUP))

    def ids_in(self, number: int) -> list[str]:
        """The living groups of a block."""
        block, alive = self.living_of(number)
        return [id_ for id_, is_alive in zip(block.ids(), alive.tolist(), strict=True) if is_alive]

    def of_source(self, source: str) -> list[str]:
        """Ids of the groups that a source put."""
        place = self.names.sources.find(source)
        found: list[str] = []
        for number, block in self.living() if place is not None else ():
            is_theirs = (block.columns.source == place) & self.alive(number, block)
            found += [block.id(i) for i in np.flatnonzero(is_theirs).tolist()]
        return found

    def lines_of(self, source: str) -> LineSums:
        """Of the lines that put the groups of a source."""
        place, found = self.names.sources.find(source), LineSums()
        for number, block in self.living() if place is not None else ():
            found = found.plus(sums_of(block.columns.line[(block.columns.source == place) & self.alive(number, block)]))
        return found

    def of_product(self, product: int | None) -> I64:
        """Rows of all groups of a product, which is given by its place."""
        found = [np.zeros(0, np.int64)]
        for number, block in self.living() if product is not None else ():
            is_theirs = (block.columns.product == product) & self.alive(number, block)
            found.append(number * GROUPS + np.flatnonzero(is_theirs))
        return np.concatenate(found)

    def id(self, row: int) -> str:
        """The id of a row's group."""
        return self.block(row // GROUPS).id(row % GROUPS)

    def has_id(self, row: int, group_id: str) -> bool:
        """A row's group has this id, or had it when it left."""
        block = self.blocks[row // GROUPS]
        return block is not None and block.id(row % GROUPS) == group_id

    def row_of(self, group_id: str) -> int:
        """The row of a group, or -1."""
        named = self.named.get(group_id)
        if named is not None:
            return named
        return self._ids.find(*self._id_key(group_id))

    def name(self, rows: Iterable[int]) -> list[str]:
        """The ids of some rows; until the next call these groups are found without a search."""
        some = list(rows)
        if len(some) < _MANY:
            self.named = {self.id(row): row for row in some}
        else:
            self.named = dict(zip(CutRows.of(np.array(some, np.int64), self.block).ids(), some, strict=True))
        return list(self.named)

    def owner(self, account: str) -> str | None:
        """The group that an account belongs to."""

        def same(row: int) -> bool:
            block = self.blocks[row // GROUPS]
            return block is not None and account in block.record(row % GROUPS, self.names).group.accounts()

        row = self._accounts.find(account.encode(), same)
        return None if row < 0 else self.id(row)

    def stored(self, row: int) -> StoredGroup:
        """The group of a row, as it was put. Raises LookupError where its block is gone, in a thread that looks on."""
        block = self.blocks[row // GROUPS]
        if block is None:
            raise LookupError(f"row {row} has no group any more")
        return block.record(row % GROUPS, self.names)

    # -- states --

    def state(self, row: int, group_id: str = "") -> GroupState:
        """The state of a row's group; the id in it is the one that is given."""
        return unpacked_state(self._states.get(row), group_id)

    def touched_state(self, base: int, place: int) -> GroupState | None:
        """The same for a place in the block that begins at row `base`; None for an untouched group."""
        return self.state(base + place) if base + place in self._states else None

    def set_state(self, row: int, state: GroupState) -> None:
        """Keeps the state of a row's group."""
        nameless = msgspec.structs.replace(state, group="")
        if nameless == UNTOUCHED:
            self._states.pop(row, None)
        else:
            self._states[row] = _packed(nameless)
        _mark(self.pending, row, None, state.stage != NORMAL or len(state.noted) > len(state.called))
        _mark(self.short[row // GROUPS], row % GROUPS, state.short, bool(state.short))
        self.stage[row] = STAGES.index(state.stage)

    def set_stage(self, row: int, state: GroupState) -> None:
        """As `set_state`, after a step that leads out of the normal stage and changes nothing but what a stage has."""
        self._states[row] = _packed(msgspec.structs.replace(state, group=""))
        self.pending[row] = None
        self.stage[row] = STAGES.index(state.stage)

    def set_states(self, states: Iterable[GroupState]) -> None:
        """Keeps those of the groups that are here."""
        for state in states:
            if (row := self.row_of(state.group)) >= 0:
                self.set_state(row, state)

    def states(self) -> Iterator[GroupState]:
        """The states of all groups that are not untouched."""
        return (self.state(row, self.id(row)) for row in list(self._states))

    def in_stages(self, stages: Collection[str]) -> list[str]:
        """The groups that are in one of these stages."""
        wanted = [STAGES.index(cast(Stage, stage)) for stage in stages]
        return [self.id(row) for row in np.flatnonzero(np.isin(self.stage, wanted)).tolist()]

    def packed_states(self) -> Mapping[int, bytes]:
        """The same by row, as MessagePack and without ids. It changes with the book."""
        return self._states

    def touched(self, number: int) -> list[int]:
        """Places in a block of the groups that are not untouched."""
        rows = np.fromiter(self._states, np.int64, len(self._states))
        return cast("list[int]", (rows[rows // GROUPS == number] % GROUPS).tolist())

    # -- blocks --

    def numbers(self) -> list[int]:
        """The blocks that are there."""
        return [number for number, _ in self.living()]

    def rows_of(self, number: int) -> list[int]:
        """The rows of a block that have a group."""
        base = number * GROUPS
        return (base + np.flatnonzero(self.stage[base : base + GROUPS] != NO_GROUP)).tolist()

    def living(self) -> Iterator[tuple[int, Block]]:
        """Blocks that are there, with their numbers."""
        return ((number, block) for number, block in enumerate(self.blocks) if block is not None)

    def block(self, number: int) -> Block:
        """A block that is there."""
        block = self.blocks[number]
        assert block is not None, f"block {number} is gone"
        return block

    def alive(self, number: int, block: Block) -> Bools:
        """[n] Which places of the block of this number have a group."""
        alive: Bools = self.stage[number * GROUPS : number * GROUPS + len(block)] != NO_GROUP
        return alive

    def living_of(self, number: int) -> tuple[Block, Bools]:
        """A block that is there, and which of its places have a group."""
        block = self.block(number)
        return block, self.alive(number, block)

    def dumped(self) -> tuple[StoredBlock, ...]:
        """All blocks as bytes, without their dead groups."""
        return tuple(self._dumped(number, block) for number, block in self.living())

    def _dumped(self, number: int, block: Block) -> StoredBlock:
        alive = self.alive(number, block)
        return StoredBlock(number, (block if alive.all() else block.without(~alive)).dump(self.names))

    def are_new(self, block: Block, fresh: PlainBook, retired: Collection[str]) -> Bools:
        """[n] Neither the id nor an account is in the book, is retired, or stands earlier in the block."""
        is_new = self._ids.absent(block.columns.arena, block.id_keys()[0])
        for row in np.flatnonzero(~is_new).tolist():  # a hash alone makes no group known
            is_new[row] = self._ids.find(*self._id_key(block.id(row))) < 0
        at, rows = block.account_keys()
        for place in np.flatnonzero(~self._accounts.absent(block.columns.arena, at)).tolist():
            row = rows.item(place)
            is_new[row] = is_new[row] and self.owner(block.text(at.item(place))) is None
        _drop_repeated(is_new, self._ids, self._accounts, block, fresh, retired)
        for row, account in block.far_accounts():
            is_new[row] &= self.owner(account) is None
        return is_new

    def reserve(self, number: int) -> None:
        """Makes room for the rows of a block."""
        missing = max(0, (number + 1) * GROUPS - len(self.stage))
        self.stage = np.append(self.stage, np.full(missing, NO_GROUP, np.uint8)) if missing else self.stage

    def install(self, number: int, block: Block, first: int, dead: Bools | None = None) -> None:
        """Takes a block whose groups are new from place `first` on. Those in `dead` [n] never come to life."""
        self.blocks.extend([None] * (number + 1 - len(self.blocks)))
        self.blocks[number] = block
        self.reserve(number)
        is_new = np.arange(len(block)) >= first
        if dead is not None:
            is_new &= ~dead
        base = number * GROUPS
        for index, (at, rows) in ((self._ids, block.id_keys()), (self._accounts, block.account_keys())):
            index.add_block(block.columns.arena, at[is_new[rows]], base + rows[is_new[rows]])
        for row, account in block.far_accounts():
            if is_new[row]:
                self._accounts.add(account.encode(), base + row)
        self.stage[base : base + len(block)][is_new] = 0

    def remove(self, row: int, group: Group) -> None:
        """Takes a group out of its row, which is dead from now on."""
        self.named.pop(group.id, None)
        self._ids.remove(group.id.encode(), row)
        for account in group.accounts():
            self._accounts.remove(account.encode(), row)
        self.stage[row] = NO_GROUP
        self._states.pop(row, None)
        self.pending.pop(row, None)
        self.short[row // GROUPS].pop(row % GROUPS, None)

    def nbytes(self) -> dict[str, int]:
        """Bytes by part; blocks are not counted."""
        states = getsizeof(self._states) + sum(map(getsizeof, self._states.values())) + 28 * len(self._states)
        return {
            "index of ids": self._ids.nbytes,
            "index of accounts": self._accounts.nbytes,
            "states": states + self.stage.nbytes,
        }

    def _id_key(self, group_id: str) -> tuple[bytes, Callable[[int], bool]]:
        """What `Index.find` looks for, and which row has it."""
        return group_id.encode(), lambda row: self.has_id(row, group_id)


def _mark(by_row: dict[int, T], row: int, value: T, is_there: bool) -> None:
    if is_there:
        by_row[row] = value
    else:
        by_row.pop(row, None)


def _drop_repeated(
    is_new: Bools, ids: Index, accounts: Index, block: Block, fresh: PlainBook, retired: Collection[str]
) -> None:
    """Marks rows whose id or account is retired, a fresh group's, or stands earlier in the block."""
    first_id: dict[str, int] = {}
    for row in _maybe_known(ids, block, fresh, retired):
        id_ = block.id(row)
        if first_id.setdefault(id_, row) != row or id_ in retired or fresh.find(id_) is not None:
            is_new[row] = False
    first_account: dict[str, int] = {}
    for row, account in _maybe_owned(accounts, block, fresh):
        if first_account.setdefault(account, row) != row or fresh.owner(account) is not None:
            is_new[row] = False


def _maybe_known(ids: Index, block: Block, fresh: PlainBook, retired: Collection[str]) -> list[int]:
    """Rows of a block whose ids may be retired, those of fresh groups, or stand in the block twice; by their hashes."""
    if len(retired) > _FEW_RETIRED:
        return list(range(len(block)))
    others = [id_.encode() for id_ in (*fresh.ids(), *retired)]
    return np.flatnonzero(ids.repeated(block.columns.arena, block.id_keys()[0], others)).tolist()


def _maybe_owned(accounts: Index, block: Block, fresh: PlainBook) -> Iterable[tuple[int, str]]:
    """(row, account) of the accounts that may be those of fresh groups, or stand in the block twice."""
    far = list(block.far_accounts())
    others = [account.encode() for record in fresh.records() for account in record.group.accounts()]
    others += [account.encode() for _, account in far]
    at, rows = block.account_keys()
    maybe = np.flatnonzero(accounts.repeated(block.columns.arena, at, others))
    near = [(rows.item(place), block.text(at.item(place))) for place in maybe.tolist()]
    return (*near, *far)
