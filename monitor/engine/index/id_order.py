"""All rows in the order of their ids.

A block's arena holds, per group from `start` on, texts that each follow a byte with their length: the id and the receiving
account come first. Both are printable ASCII, so the order of their bytes is the order of the texts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, I64, U8, U32, U64, Bools
from monitor.engine.compiled import kernel

FEW = 1000
"""At most this many ids are compared one by one, at 1 us each. For more, all ids are put in order, which takes 0.1 s."""
WORD = 8
Blocks = Sequence[Block | None]


@kernel
def count_shared(arena: U8, start: U32, prefix: U8) -> int:
    """How many bytes of the prefix all ids of a block begin with."""
    shared = len(prefix)
    for i in range(len(start) - 1):
        at = np.int64(start[i])
        shared = min(shared, int(arena[at]))
        for j in range(shared):
            if arena[at + 1 + j] != prefix[j]:
                shared = j
                break
    return shared


@kernel
def take_words(arena: U8, start: U32, skip: int, words: U64) -> None:
    """Eight bytes of each id from `skip` on, as a number that rises with the text; zero where the id has ended."""
    for i in range(len(start) - 1):
        at = np.int64(start[i])
        end = at + 1 + arena[at]
        word = np.uint64(0)
        for j in range(at + 1 + skip, at + 1 + skip + WORD):
            word = (word << np.uint64(8)) | np.uint64(arena[j] if j < end else 0)
        words[i] = word


class IdOrder:
    """All rows of some blocks in the order of their ids: made when it is first needed, 4 bytes a row.

    Blocks never change, so the order holds until a block is put or dropped. Dead rows stay in it.
    """

    def __init__(self) -> None:
        self._blocks: Blocks = []
        self._rows: U32 = np.zeros(0, np.uint32)

    def of(self, blocks: Blocks) -> U32:
        """[rows] Row numbers by id. Two rows have the same id if a group left the first of them."""
        if not same_blocks(blocks, self._blocks):
            self._rows, self._blocks = rows_by_id(blocks), blocks
        return self._rows


class Ids:
    """The ids of some blocks, for one query."""

    def __init__(self, blocks: Blocks, order: IdOrder) -> None:
        self._blocks = blocks
        self._order = order

    def of(self, row: int) -> str:
        """The id of a row."""
        return id_at(self._blocks, row)

    def find(self, group_id: str) -> Iterable[int]:
        """The rows with an id."""
        rows = self._rows
        for row in rows[self._place(group_id) :]:
            if self.of(int(row)) != group_id:
                return
            yield int(row)

    def behind(self, rows: U32, group_id: str, is_reversed: bool) -> Bools:
        """[rows] Whether the row's id comes behind this one, in the order or in the reverse order."""
        if len(rows) <= FEW:
            ids = map(self.of, rows.tolist())
            return np.array([id_ < group_id if is_reversed else id_ > group_id for id_ in ids], bool)
        first = self._place(group_id)
        found: Bools = self._rank[rows] < first
        return found if is_reversed else self._rank[rows] >= first + sum(1 for _ in self.find(group_id))

    def first(self, rows: U32, number: int, is_reversed: bool) -> I64:
        """[number] Which of the rows come first, as places among them and in no order."""
        if len(rows) <= number:
            return np.arange(len(rows))
        if len(rows) <= FEW:
            ids = list(map(self.of, rows.tolist()))
            return np.array(sorted(range(len(ids)), key=ids.__getitem__, reverse=is_reversed)[:number], np.int64)
        rank = self._rank[rows]
        if is_reversed:
            return np.argpartition(rank, len(rows) - number)[len(rows) - number :]
        return np.argpartition(rank, number - 1)[:number]

    def _place(self, group_id: str) -> int:
        return bisect_left(self._rows, group_id, key=lambda row: self.of(int(row)))

    @cached_property
    def _rows(self) -> U32:
        return self._order.of(self._blocks)

    @cached_property
    def _rank(self) -> U32:
        """By row: how many come before it."""
        rank = np.zeros(len(self._blocks) * GROUPS, np.uint32)
        rank[self._rows] = np.arange(len(self._rows), dtype=np.uint32)
        return rank


def id_at(blocks: Blocks, row: int) -> str:
    """The id of a row."""
    block = blocks[row // GROUPS]
    assert block is not None, f"row {row} has no group"
    return block.id(row % GROUPS)


def same_blocks(some: Blocks, other: Blocks) -> bool:
    """The same blocks, by identity, in the same places."""
    return len(some) == len(other) and all(a is b for a, b in zip(some, other, strict=True))


def rows_by_id(blocks: Blocks) -> U32:
    """[rows] All rows by id: by the eight bytes behind what all ids begin with, ties by the next eight, and so on."""
    whole = [(number, block) for number, block in enumerate(blocks) if block is not None and len(block)]
    if not whole:
        return np.zeros(0, np.uint32)
    rows = np.concatenate([np.arange(len(b), dtype=np.uint32) + np.uint32(number * GROUPS) for number, b in whole])
    prefix = np.frombuffer(whole[0][1].id(0).encode(), np.uint8)
    skip = min(count_shared(b.columns.arena, b.columns.start, prefix) for _, b in whole)
    word = _words(whole, skip, len(rows))
    order = np.argsort(word)
    tied = _is_as_next(word[order])
    while tied.any():
        skip += WORD
        word = _words(whole, skip, len(rows))
        at = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        some, run = order[at], np.cumsum(np.append(True, ~tied))[at]
        if not word[some].any():
            break  # The ids have ended: they are equal.
        order[at] = some[np.lexsort((word[some], run))]
        tied &= _is_as_next(word[order])
    return rows[order]


def _words(whole: list[tuple[int, Block]], skip: int, count: int) -> U64:
    words, at = np.zeros(count, np.uint64), 0
    for _, block in whole:
        take_words(block.columns.arena, block.columns.start, skip, words[at : at + len(block)])
        at += len(block)
    return words


def _is_as_next(words: U64) -> Bools:
    same: Bools = words[1:] == words[:-1]
    return same
