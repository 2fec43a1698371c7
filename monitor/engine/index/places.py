"""Where a group in columns is: blocks of 8192, rows, the indexes of ids and accounts, and states that are not as new.

A row is block * 8192 + place. Rows are never given twice while a block lives: a group that leaves its row is dead there
until the block is dropped. Only core's thread changes anything; lists read in other threads (engine/queries/group_list.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from sys import getsizeof
from typing import TypeVar

import msgspec
import numpy as np

from monitor.core.groups.outcome import StoredBlock, StoredGroup
from monitor.core.loans.group import Group
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.stages.stages import NORMAL, STAGES, GroupState
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import U8, Bools
from monitor.engine.columns.names import Names
from monitor.engine.index.index import Index
from monitor.engine.screen.arrays import GROUPS

T = TypeVar("T")

NO_GROUP = 255

_AS_NEW = GroupState("")
_state = msgspec.msgpack.Decoder(GroupState)
_packed = msgspec.msgpack.Encoder().encode


class Places:
    """See the module."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.blocks: list[Block | None] = []
        self.stage: U8 = np.zeros(0, np.uint8)
        """[rows] Place in STAGES; NO_GROUP where there is none."""
        self.dead: list[int] = []
        """Groups that are dead, by block."""
        self._states: dict[int, bytes] = {}
        """States that are not as new, by row."""
        self._pending: dict[int, None] = {}
        """Rows whose state has a deadline that no date of a loan brings up: a stage's, or an overdue loan's."""
        self._short: defaultdict[int, dict[int, tuple[str, ...]]] = defaultdict(dict)
        """Coins whose interest Spot balances did not pay when last looked at, by block and place."""
        self._found: dict[str, int] = {}
        """Rows of the groups that were named last: they are asked for next."""
        self._ids, self._accounts = Index(), Index()

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Iterator[str]:
        """All groups."""
        return (self.id(int(row)) for row in np.flatnonzero(self.stage != NO_GROUP))

    def ids_of(self, number: int) -> list[str]:
        """The groups of a block."""
        block = self.blocks[number]
        assert block is not None
        dead = self.is_dead(number, len(block)).tolist()
        return [id_ for id_, is_dead in zip(block.ids(), dead, strict=True) if not is_dead]

    def of_source(self, source: str) -> list[str]:
        """Ids of the groups that a source put."""
        place, found = self.names.sources.find(source), []
        for number, block in enumerate(self.blocks):
            if block is not None and place is not None:
                stage = self.stage[number * GROUPS : number * GROUPS + len(block)]
                is_theirs = (block.columns.source == place) & (stage != NO_GROUP)
                found += [block.id(i) for i in np.flatnonzero(is_theirs).tolist()]
        return found

    def block_of(self, row: int) -> Block:
        """The block of a row that has a group."""
        block = self.blocks[row // GROUPS]
        assert block is not None
        return block

    def id(self, row: int) -> str:
        """The group's id."""
        return self.block_of(row).id(row % GROUPS)

    def __contains__(self, group_id: str) -> bool:
        return self.row_of(group_id) >= 0

    def row_of(self, group_id: str) -> int:
        """The group's row, or -1."""
        found = self._found.get(group_id)
        if found is not None:
            return found
        return self._ids.find(group_id.encode(), lambda row: self._has_id(row, group_id))

    def record(self, row: int) -> StoredGroup:
        """The group of a row, as it was put. Raises LookupError where its block is gone, in a thread that looks on."""
        block = self.blocks[row // GROUPS]
        if block is None:
            raise LookupError(f"row {row} has no group any more")
        return block.record(row % GROUPS, self.names)

    def state(self, row: int) -> GroupState:
        """The state of a row's group, without its id."""
        packed = self._states.get(row)
        return _AS_NEW if packed is None else _state.decode(packed)

    def set_state(self, row: int, state: GroupState) -> None:
        """Keeps the state of a row's group."""
        nameless = msgspec.structs.replace(state, group="")
        if nameless == _AS_NEW:
            self._states.pop(row, None)
        else:
            self._states[row] = _packed(nameless)
        _mark(self._pending, row, None, state.stage != NORMAL or len(state.noted) > len(state.called))
        _mark(self._short[row // GROUPS], row % GROUPS, state.short, bool(state.short))
        self.stage[row] = STAGES.index(state.stage)

    def owner(self, account: str) -> str | None:
        """The group that an account belongs to."""

        def same(row: int) -> bool:
            block = self.blocks[row // GROUPS]
            return block is not None and account in block.record(row % GROUPS, self.names).group.accounts()

        row = self._accounts.find(account.encode(), same)
        return None if row < 0 else self.id(row)

    def states(self) -> Iterator[GroupState]:
        """States that are not as new."""
        return (msgspec.structs.replace(self.state(row), group=self.id(row)) for row in list(self._states))

    def dumped(self) -> tuple[StoredBlock, ...]:
        """All blocks, without their dead groups."""
        return tuple(self.dump(number) for number, block in enumerate(self.blocks) if block is not None)

    def dump(self, number: int) -> StoredBlock:
        """One block as bytes, without its dead groups."""
        block = self.blocks[number]
        assert block is not None
        dead = self.is_dead(number, len(block))
        return StoredBlock(number, (block.without(dead) if dead.any() else block).dump(self.names))

    def changed(self, number: int) -> list[int]:
        """Places in a block of the groups whose state is not as new."""
        rows = np.fromiter(self._states, np.int64, len(self._states))
        return (rows[rows // GROUPS == number] % GROUPS).tolist()  # type: ignore[no-any-return]

    def is_dead(self, number: int, count: int) -> Bools:
        """[n] Rows of a block of so many groups that have none any more."""
        return self.stage[number * GROUPS : number * GROUPS + count] == NO_GROUP  # type: ignore[no-any-return]

    def are_new(self, block: Block, fresh: PlainBook, retired: Collection[str]) -> Bools:
        """[n] Surely neither the id nor an account is in the book, is retired, or stands earlier in the block."""
        ids, accounts = block.ids(), list(_accounts(block))
        is_new = self._ids.absent(block.columns.arena, block.id_keys()[0])
        at, rows = block.account_keys()
        is_new[rows[~self._accounts.absent(block.columns.arena, at)]] = False
        first_id: dict[str, int] = {}
        first_account: dict[str, int] = {}
        for row, id_ in enumerate(ids):
            if first_id.setdefault(id_, row) != row or id_ in retired or fresh.find(id_) is not None:
                is_new[row] = False
        for row, account in accounts:
            if first_account.setdefault(account, row) != row or fresh.owner(account) is not None:
                is_new[row] = False
        for row, account in block.far_accounts():
            is_new[row] &= self.owner(account) is None
        return is_new

    def install(self, number: int, block: Block, first: int, dead: Bools | None = None) -> None:
        """Takes a block of which the groups from `first` on are new; those that are dead from the start stay unlisted."""
        if number == len(self.blocks):
            self.blocks.append(None)
            self.dead.append(0)
        self.blocks[number] = block
        missing = (number + 1) * GROUPS - len(self.stage)
        if missing > 0:
            self.stage = np.append(self.stage, np.full(missing, NO_GROUP, np.uint8))
        is_new = np.arange(len(block)) >= first
        if dead is not None:
            is_new &= ~dead
            self.dead[number] += int(dead.sum())
        base = number * GROUPS
        for index, (at, rows) in ((self._ids, block.id_keys()), (self._accounts, block.account_keys())):
            index.add_block(block.columns.arena, at[is_new[rows]], base + rows[is_new[rows]])
        for row, account in block.far_accounts():
            if is_new[row]:
                self._accounts.add(account.encode(), base + row)
        self.stage[base : base + len(block)][is_new] = 0

    def unlist(self, row: int, group: Group) -> None:
        """Takes a group out of its row, which is dead from now on."""
        self._found.pop(group.id, None)
        self._ids.remove(group.id.encode(), row)
        for account in group.accounts():
            self._accounts.remove(account.encode(), row)
        self.stage[row] = NO_GROUP
        self._states.pop(row, None)
        self._pending.pop(row, None)
        self._short[row // GROUPS].pop(row % GROUPS, None)
        self.dead[row // GROUPS] += 1

    def _has_id(self, row: int, group_id: str) -> bool:
        block = self.blocks[row // GROUPS]
        return block is not None and block.id(row % GROUPS) == group_id

    def state_or_none(self, base: int, place: int) -> GroupState | None:
        """The state of a place in the block that begins at a row; None for one that is as new."""
        return self.state(base + place) if base + place in self._states else None

    def sizes(self) -> dict[str, int]:
        """Bytes by part; blocks are not counted."""
        states = getsizeof(self._states) + sum(map(getsizeof, self._states.values())) + 28 * len(self._states)
        return {
            "index of ids": self._ids.nbytes,
            "index of accounts": self._accounts.nbytes,
            "states": states + self.stage.nbytes,
        }


def _mark(by_row: dict[int, T], row: int, value: T, is_there: bool) -> None:
    if is_there:
        by_row[row] = value
    else:
        by_row.pop(row, None)


def _accounts(block: Block) -> Iterator[tuple[int, str]]:
    """(row, account) of all accounts of a block's groups."""
    at, rows = block.account_keys()
    raw = block.columns.arena.tobytes()
    text = raw.decode("latin-1")
    for start, row in zip(at.tolist(), rows.tolist(), strict=True):
        yield row, text[start + 1 : start + 1 + raw[start]]
    yield from block.far_accounts()
