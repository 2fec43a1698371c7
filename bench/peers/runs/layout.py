"""Where the positions of all blocks lie: in flat arrays with room at their end, where a block can be replaced or dropped.

A block that no longer fits in its place moves to the end. When the end is reached, or a quarter of the arrays is holes, all
blocks are copied to fresh arrays.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from bench.peers.runs import kernels
from bench.peers.runs.arrays import (
    BLIND,
    DEBT,
    END,
    HEAD,
    LIABILITY,
    POSITION,
    POSITION_ROOM,
    ROWS,
    RUN,
    RUN_ROOM,
    Positions,
)
from monitor.engine.columns.fields import F64, I64, U16, U32

POSITIONS = 1 << 24
"""Address space at the start, in positions: 1.7 million groups fit without a copy. Memory is used when it is written."""
RUNS = 1 << 20
"""The same in run starts."""
SPARE = 1 << 16
"""A room has this many positions more than are in use, because groups may come before it is filled."""
HOLES = 4
"""One part in this many may be holes before all is copied. A copy of 100 MB takes 50 ms, so it must be rare."""


class BlockSide(NamedTuple):
    """The collateral, the debts or the liabilities of a block: parallel arrays in any order. An amount is never negative.

    `row` is the place in the block. A row has an instrument with a ladder (collateral, liabilities) once at most, because
    the ladder takes the sum.
    """

    row: U16
    instrument: U32
    amount: F64


class Layout:
    """The positions of the blocks. The kernels read `store`."""

    def __init__(self, positions: int = POSITIONS, runs: int = RUNS) -> None:
        self.store = _empty(positions, runs, np.zeros((0, HEAD), np.int64))
        self.blocks = np.zeros(0, np.int64)
        """Numbers of the blocks that are there, ascending."""
        self._position = 0
        self._run = 0

    def put(self, number: int, rows: int, sides: tuple[BlockSide, BlockSide, BlockSide], instruments: int) -> None:
        """Lays the collateral, debts and liabilities of a block, new or in place of the one before."""
        counts = [np.bincount(side.instrument, minlength=instruments) for side in sides]
        # The kernels check no index. A wrong one would overwrite something else.
        assert all(count.size == instruments for count in counts), "an instrument that was not set"
        assert all(side.row.max(initial=0) < rows for side in sides), "a row beyond the block's end"
        runs = sum(int(np.count_nonzero(c)) for c in counts)
        self._make_room(number, sum(side.row.size for side in sides), runs + 1)
        head, run = self.store.head[number], int(self.store.head[number, RUN])
        base = int(head[POSITION])
        position = base
        for part, side, count in zip((RUN, DEBT, LIABILITY), sides, counts, strict=True):
            head[part] = run
            run = kernels.lay(_order(side, part), *side, count, self.store, position, run, base)
            position += side.row.size
        head[END], head[ROWS], head[BLIND] = run, rows, 1
        self.blocks = np.flatnonzero(self.store.head[:, ROWS])

    def owe(self, number: int, debts: BlockSide, liabilities: BlockSide, instruments: int) -> None:
        """Lays other amounts of the same debts and liabilities."""
        head, store = self.store.head[number], self.store
        base = int(head[POSITION])
        for part, side in ((DEBT, debts), (LIABILITY, liabilities)):
            first, stop = int(head[part]), int(head[part + 1])
            position = base + int(store.start[first])
            counts = np.bincount(side.instrument, minlength=instruments)
            has_same_runs = np.array_equal(np.flatnonzero(counts), store.instrument[first:stop])
            assert has_same_runs, "other debts than those of the block"
            assert side.row.max(initial=0) < head[ROWS], "a row beyond the block's end"
            assert position + side.row.size == base + int(store.start[stop]), "more or fewer debts"
            kernels.lay(_order(side, part), *side, counts, store, position, first, base)

    def drop(self, number: int) -> None:
        """Forgets a block. Unless it was the last, its place is a hole until the next copy."""
        self._give_back(self.store.head[number])
        self.store.head[number] = 0
        self.blocks = np.flatnonzero(self.store.head[:, ROWS])

    def room(self) -> Positions:
        """Memory for a copy. Each page is touched, which takes five times as long as to fill it. Any thread may call it."""
        position, run = self._position + SPARE, self._run + SPARE
        return Positions(
            np.full(position, 0.0),
            np.full(position, 0, np.uint16),
            np.full(run, 0, np.uint32),
            np.full(run, 0, np.uint32),
            np.zeros((0, HEAD), np.int64),
        )

    def copy(self, room: Positions | None) -> Positions:
        """A copy of the store for a reader in another thread, because the store changes in place."""
        s, position, run = self.store, self._position, self._run
        if room is None or room.amount.size < position or room.start.size < run:
            room = self.room()
        room.amount[:position], room.member[:position] = s.amount[:position], s.member[:position]
        room.instrument[:run], room.start[:run] = s.instrument[:run], s.start[:run]
        return room._replace(head=s.head.copy())

    def positions(self, blocks: I64) -> I64:
        """How many positions each of these blocks has."""
        head, store = self.store.head, self.store
        return cast("I64", store.start[head[blocks, END]].astype(np.int64))

    def nbytes(self) -> dict[str, int]:
        """Bytes written to by part, holes included."""
        s = self.store
        return {
            "amounts": self._position * s.amount.itemsize,
            "members": self._position * s.member.itemsize,
            "runs": self._run * (s.instrument.itemsize + s.start.itemsize) + s.head.nbytes,
        }

    def _make_room(self, number: int, positions: int, runs: int) -> None:
        """Gives the block a place that is large enough: its own, or one at the end."""
        if number >= len(self.store.head):
            grown = np.zeros((max(64, 2 * number), HEAD), np.int64)
            grown[: len(self.store.head)] = self.store.head
            self.store = self.store._replace(head=grown)
        head = self.store.head[number]
        if positions <= head[POSITION_ROOM] and runs <= head[RUN_ROOM]:
            return
        self._give_back(head)
        head[:] = 0
        if not self._fits(positions, runs):
            self._copy(positions, runs)
            head = self.store.head[number]
        head[[POSITION, RUN, POSITION_ROOM, RUN_ROOM]] = self._position, self._run, positions, runs
        self._position += positions
        self._run += runs

    def _give_back(self, head: I64) -> None:
        """Frees the place of the last block, so that it may grow where it is: it is the one that grows."""
        if head[POSITION] + head[POSITION_ROOM] == self._position and head[RUN] + head[RUN_ROOM] == self._run:
            self._position, self._run = int(head[POSITION]), int(head[RUN])

    def _fits(self, positions: int, runs: int) -> bool:
        used = int(self.store.head[:, POSITION_ROOM].sum())
        are_few = self._position - used <= self._position // HOLES
        end = self._position + positions <= self.store.amount.size and self._run + runs <= self.store.start.size
        return end and are_few

    def _copy(self, positions: int, runs: int) -> None:
        """Moves all blocks to fresh arrays with at least this room at the end."""
        old = self.store
        head = old.head.copy()
        room = 2 * (int(head[:, POSITION_ROOM].sum()) + positions), 2 * (int(head[:, RUN_ROOM].sum()) + runs)
        new = _empty(max(old.amount.size, room[0]), max(old.start.size, room[1]), head)
        self.store = new
        self._position = 0
        self._run = 0
        for number in np.flatnonzero(head[:, ROWS]):
            at, was = head[number], old.head[number]
            at[[RUN, DEBT, LIABILITY, END]] += self._run - was[RUN]
            at[POSITION] = self._position
            here, there = _stretch(at, POSITION, POSITION_ROOM), _stretch(was, POSITION, POSITION_ROOM)
            new.amount[here], new.member[here] = old.amount[there], old.member[there]
            self._position = here.stop
            here, there = _stretch(at, RUN, RUN_ROOM), _stretch(was, RUN, RUN_ROOM)
            new.instrument[here], new.start[here] = old.instrument[there], old.start[there]
            self._run = here.stop


def _order(side: BlockSide, part: int) -> I64:
    """Debts are linear and go by row, in the order of the sums. What has a ladder goes by amount."""
    return np.argsort(side.row, kind="stable") if part == DEBT else np.argsort(side.amount)


def _empty(positions: int, runs: int, head: I64) -> Positions:
    return Positions(
        np.empty(positions), np.empty(positions, np.uint16), np.empty(runs, np.uint32), np.empty(runs, np.uint32), head
    )


def _stretch(head: I64, first: int, room: int) -> slice:
    return slice(int(head[first]), int(head[first] + head[room]))
