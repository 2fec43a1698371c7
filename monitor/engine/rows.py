"""The groups that are in columns: blocks of 8192, where to find an id in them, their states, and the screen over them.

A row is block * 8192 + place. Rows are never given twice while a block lives: a group that leaves its row is dead there
until the block is dropped. Only core's thread changes anything; lists read in other threads (engine/roster.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import nsmallest

import msgspec
import numpy as np

from monitor.core.board import PriceBoard
from monitor.core.book import Group, GroupBatch
from monitor.core.lifecycle import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL, GroupState
from monitor.core.loanbook import NAMED_GROUPS, Exposure, PlainBook, Taken, exposure_of
from monitor.core.money import CENT, round_up
from monitor.core.outcome import BlockPut, Restored
from monitor.core.prices import Change
from monitor.core.product import Rules
from monitor.core.verdict import calm, calm_between
from monitor.core.watched import Watched
from monitor.engine.block import Block
from monitor.engine.columns import APART, I64, IRREGULAR, U8, Bools
from monitor.engine.debts import DayOfDebts
from monitor.engine.index import Index
from monitor.engine.ingest import PackedBatch
from monitor.engine.legs import Instruments
from monitor.engine.names import Names, NamesFull
from monitor.engine.screen import FastScreen

GROUPS = 8192
"""Groups in a block: their sums stay in the second-level cache while a sweep adds to them (PERFORMANCE section 2)."""
NO_GROUP = 255
STAGES = (NORMAL, MARGIN_CALL, DELAYED, LIQUIDATION)
EXACT_SUMS = 1_000
"""Up to so many exposed groups the sums of an alert about a price are exact, which takes 20 ms; beyond, the screen's."""
UNTRUSTED, MISSING = 1, 2
NO_LINE = -1.0

_EPOCH_US = datetime(1970, 1, 1)
_state = msgspec.msgpack.Decoder(GroupState)
_packed = msgspec.msgpack.Encoder().encode


class Rows:
    """See the module. `renew` comes before anything else."""

    def __init__(self) -> None:
        self.names = Names()
        self.screen = FastScreen()
        self.blocks: list[Block | None] = []
        self.stage: U8 = np.zeros(0, np.uint8)
        """[rows] Place in STAGES; NO_GROUP where there is none."""
        self._states: dict[int, bytes] = {}
        """States that are not as new, by row."""
        self._restless: dict[int, None] = {}
        """Rows of groups in a clear hold, and of those whose loans were past when they were put: what becomes of them
        depends also on whether their prices are believed."""
        self._ids, self._accounts = Index(), Index()
        self._dead: list[int] = []
        """Groups that are dead, by block."""
        self._instruments = Instruments(self.names)
        self._prices = np.zeros(0)
        self._flags: U8 = np.zeros(0, np.uint8)
        self._needed: dict[int, frozenset[str]] = {}

    # -- groups --

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Iterator[str]:
        """All groups."""
        return (self.id(int(row)) for row in np.flatnonzero(self.stage != NO_GROUP))

    def id(self, row: int) -> str:
        """The group's id."""
        block = self.blocks[row // GROUPS]
        assert block is not None
        return block.id(row % GROUPS)

    def find(self, group_id: str) -> Watched | None:
        """A group, made anew from its columns, or None."""
        row = self._row(group_id)
        return None if row < 0 else self.watched(row)

    def watched(self, row: int) -> Watched:
        """The group of a row."""
        block = self.blocks[row // GROUPS]
        assert block is not None
        group, source, version, put_at = block.record(row % GROUPS, self.names)
        state = self._state(row, group.id)
        return Watched(group, source, version, put_at, state, self._rules.products[group.product], self._at)

    def owner(self, account: str) -> str | None:
        """The group that an account belongs to."""

        def same(row: int) -> bool:
            block = self.blocks[row // GROUPS]
            return block is not None and account in block.accounts(row % GROUPS)

        row = self._accounts.find(account.encode(), same)
        return None if row < 0 else self.id(row)

    def keep(self, w: Watched) -> None:
        """Writes back the state of a group that is here."""
        row = self._row(w.group.id)
        assert row >= 0, f"group {w.group.id} is not in columns"
        self._keep(row, w)
        low, high = self._lines(w)
        self.screen.watch(np.array([row]), np.array([low]), np.array([high]))

    def drop(self, group_id: str) -> list[Watched]:
        """Takes a group out. Returns what is left of its block where that is mostly dead: it is not here any more then."""
        row = self._row(group_id)
        self._unlist(row, self.watched(row).group)
        self.screen.clear_row(row)
        number = row // GROUPS
        self._dead[number] += 1
        block = self.blocks[number]
        assert block is not None
        return self._dissolve(number) if self._dead[number] * 2 > len(block) else []

    def fold(self, watched: Sequence[Watched]) -> bool:
        """Takes groups as a part of the last block, or as a new one. False where names do not fit the columns any more."""
        try:
            part = Block.of([Restored(w.group, w.source, w.version, w.put_at) for w in watched], self.names)
        except NamesFull:
            return False
        number = len(self.blocks) - 1
        last = self.blocks[number] if number >= 0 else None
        if last is None or len(last) + len(part) > GROUPS:
            self._install(len(self.blocks), part, 0)
        else:
            self._install(number, Block.join([last, part]), len(last))
        base = (len(self.blocks) - 1) * GROUPS + len(self._tail()) - len(part)
        for i, w in enumerate(watched):
            self._keep(base + i, w)
        self._watch(base, len(part))
        return True

    def put_all(
        self, batch: GroupBatch, source: str, at: datetime, fresh: PlainBook, retired: Collection[str]
    ) -> Taken:
        """A new block of those groups of a batch whose ids and accounts are new; the others are left to the exact path."""
        if not isinstance(batch, PackedBatch) or not batch.fits(self._rules, at, self.names):
            return Taken(None, range(len(batch)))
        block = batch.block(source, at)
        is_new = self._are_new(block, fresh, retired)
        rest = np.flatnonzero(~is_new).tolist()
        if len(rest) == len(block):
            return Taken(None, rest)
        block = block.without(~is_new) if rest else block
        number = len(self.blocks)
        self._install(number, block, 0)
        self._watch(number * GROUPS, len(block))
        due = block.due(self.names, -1)
        near = np.flatnonzero((due >= 0) & (due <= _micros(at + timedelta(days=1))))
        past = near[due[near] <= _micros(at)]
        self._restless.update(dict.fromkeys((number * GROUPS + past).tolist()))
        look = [block.id(i) for i in near.tolist()]
        return Taken(BlockPut(number, block.dump(self.names)), rest, look, self._needed[number])

    def restore(self, blocks: Iterable[BlockPut], superseded: Collection[str], states: Iterable[GroupState]) -> None:
        """Takes blocks as they were dumped, but for the groups that are kept elsewhere or were closed since."""
        for put in sorted(blocks):
            block = Block.load(put.body, self.names)
            while len(self.blocks) < put.number:
                self.blocks.append(None)
                self._dead.append(0)
            gone = [id_ in superseded for id_ in block.ids()] if superseded else []
            self._install(put.number, block, 0, np.array(gone, bool) if any(gone) else None)
        for state in states:
            row = self._row(state.group)
            if row >= 0:
                self._set_state(row, state)
        for number, found in enumerate(self.blocks):
            if found is not None:
                self._watch(number * GROUPS, len(found))
                self._note_past(number, found)

    def states(self) -> Iterator[GroupState]:
        """States that are not as new."""
        return (self._state(row, self.id(row)) for row in list(self._states))

    def dumped(self) -> tuple[BlockPut, ...]:
        """All blocks, without their dead groups."""
        return tuple(self.dump(number) for number, block in enumerate(self.blocks) if block is not None)

    def dump(self, number: int) -> BlockPut:
        """One block as bytes, without its dead groups."""
        block = self.blocks[number]
        assert block is not None
        dead = self._is_dead(number, len(block))
        return BlockPut(number, (block.without(dead) if dead.any() else block).dump(self.names))

    # -- what is to be decided --

    def renew(self, at: datetime, rules: Rules) -> None:
        """Another day or other rules. Debts of the day and lines are taken anew; blocks only where other coins count."""
        is_first = not hasattr(self, "_rules")
        before = None if is_first else (self._versions, self._rules.lifecycle, self._debts.day)
        self._at, self._rules = at, rules
        products = {self.names.products.place(kind): p for kind, p in rules.products.items()}
        self._versions = {place: p.version_at(at) for place, p in products.items()}
        if is_first or before is None or before[2] != at.date() or before[0] != self._versions:
            self._debts = DayOfDebts(at.date(), products, self.names)
        has_other_coins = self._instruments.take(self._versions)
        if is_first or before is None:
            return
        is_other = before[:2] != (self._versions, rules.lifecycle)
        for number, block in enumerate(self.blocks):
            if block is None:
                continue
            if has_other_coins:
                self._put_legs(number, block)
            else:
                owed = self._debts.owed(block)
                self.screen.owe(number, owed[self._owing(number, block)])
            if is_other:
                self._watch(number * GROUPS, len(block))
        self._instruments.give(self.screen)

    def suspects(self, change: Change | None, board: PriceBoard) -> list[str]:
        """See LoanBook."""
        is_trust, moved = self._take_prices(None if change is None else change.moved, board)
        rows = self.screen.suspects(moved, self._prices, self._flags).tolist()
        if is_trust or change is None:
            rows = list(dict.fromkeys((*rows, *self._restless)))
        return [self.id(row) for row in rows]

    def stirred(self) -> Iterable[str]:
        """See LoanBook."""
        return [self.id(row) for row in {**dict.fromkeys(self._states), **self._restless}]

    def maturing(self, after: datetime, until: datetime) -> Iterable[str]:
        """See LoanBook."""
        since, last = _micros(after), _micros(until)
        for number, block in enumerate(self.blocks):
            if block is not None:
                for i in block.maturing(self.names, since, last).tolist():
                    if self.stage[number * GROUPS + i] != NO_GROUP:
                        yield block.id(i)

    def needed(self) -> frozenset[str]:
        """Assets whose price decides about some group; one that only dead groups held may be among them."""
        return frozenset().union(*self._needed.values())

    def examples(self) -> Iterator[Group]:
        """One group for each product and each coin that a flexible loan of the product is in; all with lines of their own."""
        for number, block in enumerate(self.blocks):
            if block is not None:
                for i in self._instruments.examples(block):
                    if self.stage[number * GROUPS + i] != NO_GROUP:
                        yield block.record(i, self.names).group

    def exposure(self, assets: Collection[str], board: PriceBoard, fresh: PlainBook) -> Exposure:
        """Exact while few are exposed; otherwise the screen's sums, and the ids of those that owe most."""
        self._take_prices((), board)
        places = [p for asset in assets if (p := self.names.assets.find(asset)) is not None]
        rows = self.screen.holders(places)
        singles = fresh.holders(assets)
        count = len(rows) + len(singles)
        if count <= EXACT_SUMS:
            watched = {self.id(row): row for row in rows.tolist()}
            named = nsmallest(NAMED_GROUPS, [*singles, *watched])
            found = (fresh.find(id_) or self.watched(watched[id_]) for id_ in (*singles, *watched))
            return exposure_of((w for w in found if w is not None), count, named, board.usd)
        part = fresh.exposure(assets, board)
        known = rows[self.screen.blind[rows] & MISSING == 0]
        debt, recognised = (_cents(float(x[known].sum())) for x in (self.screen.debt, self.screen.recognised))
        most = known[np.argsort(-self.screen.debt[known], kind="stable")[:NAMED_GROUPS]].tolist()
        ids = tuple(self.id(row) for row in most)
        return Exposure(count, part.debt + debt, part.recognised + recognised, ids, is_exact=False)

    # -- within --

    def _row(self, group_id: str) -> int:
        key = group_id.encode()
        return self._ids.find(key, lambda row: self._has_id(row, group_id))

    def _has_id(self, row: int, group_id: str) -> bool:
        block = self.blocks[row // GROUPS]
        return block is not None and block.id(row % GROUPS) == group_id

    def _tail(self) -> Block:
        block = self.blocks[-1]
        assert block is not None
        return block

    def _state(self, row: int, group_id: str) -> GroupState:
        packed = self._states.get(row)
        return (
            GroupState(group_id) if packed is None else msgspec.structs.replace(_state.decode(packed), group=group_id)
        )

    def _set_state(self, row: int, state: GroupState) -> None:
        nameless = msgspec.structs.replace(state, group="")
        if nameless == _AS_NEW:
            self._states.pop(row, None)
        else:
            self._states[row] = _packed(nameless)
        self.stage[row] = STAGES.index(state.stage)

    def _keep(self, row: int, w: Watched) -> None:
        self._set_state(row, w.state)
        if w.has_past or w.state.below_since is not None:
            self._restless[row] = None
        else:
            self._restless.pop(row, None)

    def _lines(self, w: Watched) -> tuple[float, float]:
        """The LTVs between which nothing is to be decided, as the screen takes them."""
        return calm(w.state, w.held, self._rules.lifecycle).bounds

    def _install(self, number: int, block: Block, first: int, dead: Bools | None = None) -> None:
        """Takes a block of which the groups from `first` on are new; those that are dead from the start stay unlisted."""
        if number == len(self.blocks):
            self.blocks.append(None)
            self._dead.append(0)
        self.blocks[number] = block
        missing = (number + 1) * GROUPS - len(self.stage)
        if missing > 0:
            self.stage = np.append(self.stage, np.full(missing, NO_GROUP, np.uint8))
        at = block.columns.start[:-1].astype(np.int64)
        new = np.arange(first, len(block)) if dead is None else np.flatnonzero(~dead)
        rows = number * GROUPS + new
        self._ids.add_block(block.columns.arena, at[new], rows)
        self._list_accounts(block, new, rows, at)
        self.stage[rows] = 0
        self._dead[number] += 0 if dead is None else int(dead.sum())
        self._put_legs(number, block)

    def _list_accounts(self, block: Block, new: I64, rows: I64, at: I64) -> None:
        arena, flags = block.columns.arena, block.columns.flags
        account = at + 1 + arena[at]
        self._accounts.add_block(arena, account[new], rows)
        apart = flags[new] & APART != 0
        if apart.any():
            other = account + 1 + arena[account]
            self._accounts.add_block(arena, other[new][apart], rows[apart])
        for i in np.flatnonzero(flags[new] & IRREGULAR).tolist():
            for text in block.accounts(int(new[i]))[1:]:
                self._accounts.add(text.encode(), int(rows[i]))

    def _unlist(self, row: int, group: Group) -> None:
        self._ids.remove(group.id.encode(), row)
        block = self.blocks[row // GROUPS]
        assert block is not None
        for account in block.accounts(row % GROUPS):
            self._accounts.remove(account.encode(), row)
        self.stage[row] = NO_GROUP
        self._states.pop(row, None)
        self._restless.pop(row, None)

    def _dissolve(self, number: int) -> list[Watched]:
        """The groups of a block that is no more."""
        block = self.blocks[number]
        assert block is not None
        left = []
        for i in np.flatnonzero(~self._is_dead(number, len(block))).tolist():
            w = self.watched(number * GROUPS + i)
            left.append(w)
        for i, w in zip(np.flatnonzero(~self._is_dead(number, len(block))).tolist(), left, strict=True):
            self._unlist(number * GROUPS + i, w.group)
        self.screen.drop_block(number)
        self.blocks[number] = None
        self._needed.pop(number, None)
        return left

    def _is_dead(self, number: int, count: int) -> Bools:
        return self.stage[number * GROUPS : number * GROUPS + count] == NO_GROUP  # type: ignore[no-any-return]

    def _are_new(self, block: Block, fresh: PlainBook, retired: Collection[str]) -> Bools:
        """[n] Neither the id nor an account is in the book, or earlier in the block."""
        at = block.columns.start[:-1].astype(np.int64)
        arena = block.columns.arena
        surely = self._ids.absent(arena, at) & self._accounts.absent(arena, at + 1 + arena[at])
        seen_ids: set[str] = set()
        seen_accounts: set[str] = set()
        is_new = np.zeros(len(block), bool)
        for i, sure in enumerate(surely.tolist()):
            id_, accounts = block.id(i), block.accounts(i)
            if id_ in seen_ids or id_ in retired or not seen_accounts.isdisjoint(accounts):
                continue
            known = not sure and (self._row(id_) >= 0 or any(self.owner(a) for a in accounts))
            if known or fresh.find(id_) is not None or any(fresh.owner(a) for a in accounts):
                continue
            is_new[i] = True
            seen_ids.add(id_)
            seen_accounts.update(accounts)
        return is_new

    def _put_legs(self, number: int, block: Block) -> None:
        """Hands the block's holdings and debts of the day to the screen."""
        alive = ~self._is_dead(number, len(block))
        collateral, assets = self._instruments.collateral(block, alive)
        debts, owed_assets = self._instruments.debts(block, self._debts.owed(block), self._owing(number, block))
        self._instruments.give(self.screen)
        self.screen.put_block(number, len(block), collateral, debts, self._instruments.none)
        self._needed[number] = assets | owed_assets

    def _owing(self, number: int, block: Block) -> Bools:
        """[l] Loans of living groups of which anything is owed; the same ones on every day."""
        group = np.repeat(np.arange(len(block)), np.diff(block.columns.loans))
        is_owed = (block.columns.principal_mantissa != 0) | (block.columns.interest_mantissa != 0) | block.is_wide_loan
        return is_owed & ~self._is_dead(number, len(block))[group]  # type: ignore[no-any-return]

    def _watch(self, base: int, count: int) -> None:
        """Sets the lines of all rows of a part: by their product where they are as new, one by one otherwise."""
        number = base // GROUPS
        block = self.blocks[number]
        assert block is not None
        first = base % GROUPS
        lines = np.array([self._default_lines(p) for p in range(len(self.names.products))])
        low, high = lines[block.columns.product[first : first + count]].T.copy()
        special = np.flatnonzero(block.columns.flags[first : first + count] & IRREGULAR).tolist()
        changed = [row - base for row in self._states if base <= row < base + count] if self._states else []
        for i in {*special, *changed}:
            if self.stage[base + i] != NO_GROUP:
                low[i], high[i] = self._lines(self.watched(base + i))
        alive = np.flatnonzero(self.stage[base : base + count] != NO_GROUP)
        self.screen.watch(base + alive, low[alive], high[alive])

    def _default_lines(self, product: int) -> tuple[float, float]:
        version = self._versions.get(product)
        if version is None:
            return NO_LINE, np.inf
        return calm_between(_AS_NEW, version.thresholds, version.warnings, self._rules.lifecycle).bounds

    def _note_past(self, number: int, block: Block) -> None:
        """Groups whose loans were past when they were put, and those in a clear hold, after a restart."""
        base = number * GROUPS
        due, put = block.due(self.names, -1), block.columns.times[block.columns.put]
        rows = base + np.flatnonzero((due >= 0) & (due <= put))
        held = [row for row in self._states if base <= row < base + len(block)]
        for row in {*rows.tolist(), *held}:
            if self.stage[row] != NO_GROUP:
                self._keep(row, self.watched(row))

    def _take_prices(self, moved: Collection[str] | None, board: PriceBoard) -> tuple[bool, list[int] | None]:
        """Brings prices and flags up to date; whether a flag changed, and the places that moved (None: all)."""
        assets, first = self.names.assets, len(self._flags)
        if len(assets) > first:
            self._prices = np.append(self._prices, np.zeros(len(assets) - first))
            self._flags = np.append(self._flags, np.full(len(assets) - first, MISSING, np.uint8))
        places = list(range(len(assets)) if moved is None else range(first, len(assets)))
        if moved:
            places += [p for asset in moved if (p := assets.find(asset)) is not None and p < first]
        is_trust, usd, untrusted = False, board.usd, board.untrusted
        for place in places:
            asset = assets[place]
            price = usd.get(asset)
            flag = MISSING if price is None else UNTRUSTED if asset in untrusted else 0
            is_trust |= flag != self._flags[place]
            self._prices[place], self._flags[place] = price or 0, flag
        return is_trust, None if moved is None else places


_AS_NEW = GroupState("")


def _micros(at: datetime) -> int:
    return (at.replace(tzinfo=None) - _EPOCH_US) // timedelta(microseconds=1)


def _cents(value: float) -> Decimal:
    return round_up(Decimal(value), CENT)
