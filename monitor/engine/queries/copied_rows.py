"""A copy of the rows of a book at one instant: who is there, of which product, with which coins; nothing is weighed yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Coins, Scope, within
from monitor.core.loans.group import Group
from monitor.core.portfolio.snapshot import PlainBookSnapshot
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, I64, NO_GROUP, U8, Bools
from monitor.engine.columns.names import Names
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.arrays import LadderTiers, Positions
from monitor.engine.screen.exposures import examples


class BookCopy(NamedTuple):
    """What a snapshot reads: all of one instant. Nothing of it changes."""

    blocks: list[tuple[int, Block]]
    stage: U8
    """By row of the book."""
    states: Mapping[int, bytes]
    """By row, packed. Untouched groups have none."""
    store: Positions
    tiers: LadderTiers
    names: Names
    in_force: InForce
    fresh: Sequence[Sight]
    now: datetime


class CopiedRows:
    """The rows of a BookCopy, and the fresh groups beside them."""

    is_partial = False

    def __init__(self, copy: BookCopy, fresh: PlainBookSnapshot) -> None:
        self._copy = copy
        self._fresh = fresh
        self._numbers: I64 = np.array([number for number, _ in copy.blocks], np.int64)
        self._stage = np.full(len(copy.blocks) * GROUPS, NO_GROUP, np.uint8)
        for k, (number, block) in enumerate(copy.blocks):
            stage = copy.stage[number * GROUPS : number * GROUPS + len(block)]
            self._stage[k * GROUPS : k * GROUPS + len(block)] = stage
        self._count = int(np.count_nonzero(self._stage != NO_GROUP))

    def __len__(self) -> int:
        return self._count + len(self._fresh)

    def coins(self, scope: Scope) -> Coins:
        names, fresh, wanted = self._copy.names, self._fresh.coins(scope), self._wanted(scope)
        held: set[int] = set()
        owed: set[int] = set()
        for k, (_, block) in enumerate(self._copy.blocks):
            mine = wanted[k * GROUPS : k * GROUPS + len(block)]
            held.update(np.unique(block.columns.asset[mine[block.position_rows()]]).tolist())
            owed.update(np.unique(block.columns.loan_asset[mine[block.loan_rows()]]).tolist())
        versions, coins = self._copy.in_force.agreements.met(), (names.assets[place] for place in held)
        counted = frozenset(coin for coin in coins if any(v.ladder(coin) is not None for v in versions))
        return Coins(counted | fresh.held, frozenset(names.assets[place] for place in owed) | fresh.owed)

    def examples(self) -> Iterator[Group]:
        yield from self._fresh.examples()
        names, seen = self._copy.names, set[tuple[int, ...]]()
        for _, block, alive in self._blocks():
            yield from (block.record(i, names).group for i in examples(block, names, alive, seen))

    def by_product(self) -> Mapping[str, int]:
        found = Counter(self._fresh.by_product())
        for _, block, alive in self._blocks():
            for place, count in enumerate(np.bincount(block.columns.product[alive]).tolist()):
                if count:
                    found[self._copy.names.products[place]] += count
        return found

    def _blocks(self) -> Iterator[tuple[int, Block, Bools]]:
        """Each block with its number, and which of its rows are groups."""
        for k, (number, block) in enumerate(self._copy.blocks):
            yield number, block, self._stage[k * GROUPS : k * GROUPS + len(block)] != NO_GROUP

    def _wanted(self, scope: Scope) -> Bools:
        wanted: Bools = self._stage != NO_GROUP
        if scope:
            matches = np.array([within(scope, labels) for labels in list(self._copy.names.labels)], bool)
            for k, (_, block) in enumerate(self._copy.blocks):
                wanted[k * GROUPS : k * GROUPS + len(block)] &= matches[block.columns.labels]
        return wanted
