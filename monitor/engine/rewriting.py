"""Writes the blocks of a book to its store again, one at a time, while core decides (decision 172).

A store keeps groups that have changed beside its blocks. Such a row wins over every block, and each group without one must
stand in exactly one stored block. So old blocks are written first, without what has left them. Then come those that hold
groups with a row, which goes with them. What leaves a block meanwhile keeps its row, or gets one. So whatever is durable at
any moment is the book.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import numpy as np

from monitor.core.groups.outcome import Outcome, StoredBlock
from monitor.engine.book import ColumnarBook
from monitor.engine.captured import CapturedBlock
from monitor.engine.columns.fields import GROUPS, NO_GROUP, Bools
from monitor.engine.columns.names import Names

AT_ONCE = 200
"""Groups of one step that get a row: some 10 ms of core and the store."""
CLOSED_AT_ONCE = 5_000
"""Rows of closed groups that go with one block."""


class BlockNow(NamedTuple):
    """A block as core has it."""

    number: int
    block: CapturedBlock | None
    """None where all of its groups have left."""
    dead: Bools
    candidates: Set[str] = frozenset()
    """Groups that the store keeps beside its blocks. Those that are in this block need that no longer."""
    closed: tuple[str, ...] = ()
    """Rows that say of groups that they were closed, and that no block holds any more."""

    def made(self, names: Names) -> BlockMade | None:
        """Its bytes, and who is in it: for a worker thread. None where the store has it as it is."""
        if self.block is None:
            return BlockMade(self.number, None, (), self.closed)
        ids: tuple[str, ...] = ()
        is_dead = bool(self.dead.any())
        if not is_dead and not self.candidates and not self.closed:
            return None
        whole = self.block.read()
        block = whole.without(self.dead) if is_dead else whole
        if self.candidates:
            ids = tuple(id_ for id_ in block.ids() if id_ in self.candidates)
            if not ids:
                return None
        return BlockMade(self.number, block.dump(names) if is_dead else self.block.body(), ids, self.closed)


class BlockMade(NamedTuple):
    """A block to be stored; without a body it goes."""

    number: int
    body: bytes | None
    ids: tuple[str, ...]
    closed: tuple[str, ...]


class BlockRewrite:
    """One pass over all blocks. `step` and `outcome` are core's, `BlockNow.made` is for another thread in between."""

    def __init__(self, book: ColumnarBook, stored: Collection[int], beside: Set[str], closed: Set[str]) -> None:
        """`stored`: the numbers of blocks in the store; `beside` and `closed`: what it kept beside them before the pass."""
        self._book = book
        self._beside = set(beside)
        self._closed = closed
        self.blocks = 0
        self.rows = 0
        self._book.left = set()
        self._steps = self._all(stored)

    def step(self) -> BlockNow | None:
        """What comes next; None at the end."""
        found = next(self._steps, None)
        if found is None:
            self._book.left = None
        return found

    def outcome(self, at: datetime, made: BlockMade) -> Outcome:
        """What is to be committed now: the block, and rows for groups that have come out of their blocks as they were."""
        out = self.owed(at, len(self._book.dissolved))
        left = self._book.left
        assert left is not None, "the pass is over"
        if made.body is None:
            out.dropped_blocks.append(made.number)
            return out
        ids = [id_ for id_ in made.ids if id_ not in left]
        ids += [id_ for id_ in made.closed if id_ not in left and id_ not in self._book]
        out.blocks.append(StoredBlock(made.number, made.body, tuple(ids)))
        self.blocks += 1
        self.rows += len(ids)
        return out

    def owed(self, at: datetime, most: int = AT_ONCE) -> Outcome:
        """Rows for so many groups that have come out of their blocks as they were: their old blocks are about to go."""
        out, dissolved = Outcome(at), self._book.dissolved
        for id_ in list(islice(dissolved, most)):
            del dissolved[id_]
            if id_ in self._book:
                out.changed.add(id_)
        self._beside |= out.changed
        return out

    @property
    def is_owing(self) -> bool:
        """More groups than one step takes have come out of their blocks as they were; `owed` is due."""
        return len(self._book.dissolved) > AT_ONCE

    def _all(self, stored: Collection[int]) -> Iterator[BlockNow]:
        # Also what was put or made since: a group may have come out of it as it was.
        for number in sorted({*stored, *range(len(self._book.columnar.rows.blocks) if self._book.columnar else 0)}):
            yield self._now(number)
        left = self._book.left
        assert left is not None
        candidates = frozenset(id_ for id_ in self._beside if id_ not in left)
        for number in self._numbers():
            yield self._now(number)._replace(candidates=candidates)
        gone = [id_ for id_ in self._closed if id_ not in left and id_ not in self._book]
        for first in range(0, len(gone), CLOSED_AT_ONCE):
            if numbers := self._numbers():
                yield self._now(numbers[-1])._replace(closed=tuple(gone[first : first + CLOSED_AT_ONCE]))

    def _numbers(self) -> list[int]:
        return self._book.columnar.rows.numbers() if self._book.columnar else []

    def _now(self, number: int) -> BlockNow:
        """Which of its groups are there, and the block itself, which never changes."""
        if number not in self._numbers():
            return BlockNow(number, None, np.zeros(0, np.bool_))
        _, block = next(self._book.blocks_now([number]))
        assert self._book.columnar is not None
        stage = self._book.columnar.rows.stage
        return BlockNow(number, block, stage[number * GROUPS : number * GROUPS + block.groups] == NO_GROUP)
