"""Where the positions of all blocks lie, so that a sweep reads them once, in order, and hardly ever branches.

The groups of a block are seated by their number of positions. Eight neighbours make a slice, whose positions lie slot by
slot: the first holding of all eight, then the second of all eight, then their debts. What may be beyond its first tier is in
the side list of its block. docs/engine.md has a drawing.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32, Bools
from monitor.engine.screen import laying_kernels
from monitor.engine.screen.arena import Arena, each, joined, side_by_side
from monitor.engine.screen.arrays import (
    BLIND,
    FAR,
    FARS,
    HEAD,
    HELD,
    LIABILITIES,
    LIABLE,
    LINES,
    MIXED,
    OWED,
    POSITION,
    POSITIONS,
    ROWS,
    RUN,
    RUNS,
    SLICES,
    Entries,
    Far,
    LadderTiers,
    Positions,
    Runs,
    Seats,
    Slices,
    SlotColumns,
)
from monitor.engine.screen.copying import copied, room_for
from monitor.engine.screen.look_kernels import RISE

ROOM = 1 << 24
"""Address space at the start, in positions: 1.7 million groups fit without a copy. Memory is used when it is written."""
FAR_ROOM = 1 << 21
"""The same in places of the side list."""
RUNS_ROOM = 1 << 17
"""The same in runs. All of them lie in few large pages then."""
BLOCKS = 128
"""Room for slices and seats of this many blocks at the start: from there on memory comes in large pages."""
LAY_AGAIN = 16
"""One position in this many may leave its slot before its block is laid again, as an empty slot is still read."""
MOST_RUNS = 0xFFFF


class BlockSide(NamedTuple):
    """The collateral, the debts or the liabilities of a block: parallel arrays in any order. An amount is never negative.

    `row` is the place in the block. A row has an instrument with a ladder (collateral, liabilities) once at most, because
    the ladder takes the sum.
    """

    row: U16
    instrument: U32
    amount: F64


class Loans(NamedTuple):
    """The loans of a block by row. `owing` [l]: there is something to repay; `instrument_of` [assets]: as a debt."""

    first: U32
    asset: U16
    owing: Bools
    instrument_of: U32


Sides = tuple[BlockSide, BlockSide, BlockSide]


class _Stored(NamedTuple):
    """Slots, and entries of the index: these are never more."""

    amount: F64
    run: U16
    seat: U16
    slot: U8


class Layout:
    """The positions of the blocks. The kernels read `store`."""

    def __init__(self, room: int = ROOM, runs_room: int = RUNS_ROOM, far_room: int = FAR_ROOM) -> None:
        none16 = np.zeros(0, np.uint16)
        none32 = np.zeros(0, np.uint32)
        none8 = np.zeros(0, np.uint8)
        self._stored = Arena(_Stored(np.zeros(0), none16, none16, none8), room)
        self._runs = Arena(Runs(none32, none16, none8, np.zeros(0), none32), runs_room)
        self._far = Arena(Far(np.zeros(0), none32, none16, none8), far_room)
        self._slices = Slices(none32, none8, none8)
        self._seats = Seats(none16, none16)
        self._run_of = np.zeros((1, 0), np.uint32)
        self._far_of = np.zeros((1, 0), np.uint32)
        self._ceiling = np.zeros(0)
        self._head = np.zeros((0, HEAD), np.int64)
        self.blocks = np.zeros(0, np.int64)
        """Numbers of the blocks that are there, ascending."""
        self.store = self._take_stock()

    def put(self, number: int, rows: int, sides: Sides, tiers: LadderTiers) -> None:
        """Lays the collateral, debts and liabilities of a block, new or in place of the one before."""
        held, owed, _ = sides
        # The kernels check no index. A wrong one would overwrite something else.
        assert all(side.instrument.max(initial=0) < max(tiers.asset.size, 1) for side in sides), "no such instrument"
        assert all(side.row.max(initial=0) < rows for side in sides), "a row beyond the block's end"
        self._make_room(number, int(tiers.asset.max(initial=0)) + 1)
        far = np.zeros(held.row.size, np.bool_), np.zeros(owed.row.size, np.bool_)
        laying_kernels.mark_far(held.instrument, held.amount, tiers, self._ceiling, far[0])
        runs = self._lay_runs(number, (held, owed), far, tiers)
        slots = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        for side, beyond, count in zip((held, owed), far, slots, strict=True):
            laying_kernels.count_slots(side.row, beyond, count)
        size = laying_kernels.give_seats(*slots, number * SLICES, self._seats, number * GROUPS, self._slices)
        self._stored.take(number, size)
        self._head[number, [ROWS, POSITIONS, BLIND]] = rows, size, 1
        self.store = self._take_stock()
        here = self._stored.stretch(number, size)
        self.store.slots.amount[here], self.store.slots.run[here] = 0.0, 0
        for side, beyond, run_of, is_debt in zip((held, owed), far, runs, (False, True), strict=True):
            laying_kernels.fill(self.store, number, *side, beyond, run_of, is_debt)
        self._lay_index(number)
        aside = _far_side(sides, far)
        seat = self._seats.of_row[number * GROUPS + aside.seat.astype(np.int64)]
        self._write_far(number, aside._replace(seat=seat), tiers)

    def owe(self, number: int, debts: BlockSide, liabilities: BlockSide) -> None:
        """Lays other amounts of the same debts and liabilities, which come in the same order."""
        assert debts.row.max(initial=0) < self._head[number, ROWS], "a row beyond the block's end"
        far = np.zeros(debts.row.size, np.bool_)
        assert laying_kernels.owe(self.store, number, *debts, far), "other debts than those of the block"
        here = self._far.stretch(number, int(self._head[number, FARS]))
        stored = self._far.columns
        for kind, side in ((OWED, each(debts, lambda column: column[far])), (LIABLE, liabilities)):
            places = here.start + np.flatnonzero(stored.kind[here] == kind)
            seat = self._seats.of_row[number * GROUPS + side.row.astype(np.int64)]
            order = np.lexsort((seat, side.instrument, self._asset[side.instrument]))
            is_same = np.array_equal(stored.line[places] // LINES, side.instrument[order])
            is_same = is_same and np.array_equal(stored.seat[places], seat[order])
            assert is_same, "other debts than those of the block"
            stored.amount[places] = side.amount[order]

    def owe_in_full(self, number: int, loans: Loans, amount: F64) -> bool:
        """The same where a block has debts alone, and all of them in slots. False where it has not, and nothing is done."""
        if self._head[number, MIXED]:
            return False
        assert len(loans.first) == self._head[number, ROWS] + 1, "other groups than those of the block"
        is_same = laying_kernels.owe_in_full(self.store, number, *loans, amount)
        assert is_same, "other debts than those of the block"
        return True

    def lay_again(self, number: int, tiers: LadderTiers) -> None:
        """Lays a block by other ladders or a higher ceiling."""
        self.put(number, int(self._head[number, ROWS]), self._sides(number), tiers)

    def rise(self, price: F64, tiers: LadderTiers) -> list[int]:
        """Takes prices that may be above what the slots are laid for: moves what may be beyond its first tier now to the
        side lists. Returns the blocks in which that is so much that they should be laid again."""
        size = self._ceiling.size
        risen = np.flatnonzero(price[:size] > self._ceiling).astype(np.uint32)
        if not risen.size:
            return []
        self._ceiling[risen] = RISE * price[risen]
        return [number for number in self.blocks.tolist() if not self._move(number, risen, tiers)]

    def drop(self, number: int) -> None:
        """Forgets a block. Unless it was the last, its place is a hole until the next copy."""
        for arena in (self._stored, self._runs, self._far):
            arena.free(number)
        self._head[number] = 0
        self._run_of[:, number] = 0
        self._far_of[:, number] = 0
        self.store = self._take_stock()

    def room(self) -> Positions:
        """Memory for a copy. Any thread may call it."""
        return room_for(self.store, self._ends)

    def copy(self, room: Positions | None) -> Positions:
        """A copy of the store for a reader in another thread, because the store changes in place. It has no index."""
        return copied(self.store, self._ends, room)

    def positions(self, blocks: I64) -> I64:
        """How many positions each of these blocks has."""
        return cast("I64", self._head[blocks, POSITIONS] + self._head[blocks, FARS])

    def nbytes(self) -> dict[str, int]:
        """Bytes written to by part, holes included."""
        rows = (int(self.blocks[-1]) + 1) * GROUPS if self.blocks.size else 0
        tables = self._run_of.nbytes + self._far_of.nbytes + self._ceiling.nbytes + self._head.nbytes
        return {
            "amounts": self._stored.end * 8,
            "instruments": self._stored.end * 2,
            "index": self._stored.end * 3 + tables,
            "seats": rows * 4,
            "slices": rows // 8 * 6,
            "runs": self._runs.end * 19,
            "side": self._far.end * 15,
        }

    # -- within --

    @property
    def _ends(self) -> tuple[int, int, int]:
        return self._stored.end, self._runs.end, self._far.end

    def _take_stock(self) -> Positions:
        """The arrays as the kernels take them, and where each block begins in them."""
        for column, arena in ((POSITION, self._stored), (RUN, self._runs), (FAR, self._far)):
            self._head[:, column] = arena.first[: len(self._head)] if len(arena.first) >= len(self._head) else 0
        self.blocks = np.flatnonzero(self._head[:, ROWS])
        amount, run, seat, slot = self._stored.columns
        slots, entries, runs, far = SlotColumns(amount, run), Entries(seat, slot), self._runs.columns, self._far.columns
        tables = self._run_of, self._far_of, self._ceiling, self._head
        return Positions(slots, self._slices, self._seats, runs, entries, far, *tables)

    def _make_room(self, number: int, assets: int) -> None:
        """Room for the block's number, and for coins that came since."""
        if number >= len(self._head):
            blocks = max(BLOCKS, 2 * number)
            self._head = _grown(self._head, (blocks, HEAD))
            self._slices, self._seats = _longer(self._slices, self._seats, blocks)
            self._run_of, self._far_of = (_grown(table, (len(table), blocks)) for table in (self._run_of, self._far_of))
            for arena in (self._stored, self._runs, self._far):
                arena.make_room(blocks)
        if assets > self._ceiling.size:
            more = assets + 1 - len(self._run_of)
            self._run_of, self._far_of = (
                np.vstack((table, np.repeat(table[-1:], more, axis=0))) for table in (self._run_of, self._far_of)
            )
            self._ceiling = _grown(self._ceiling, (assets,))

    def _lay_runs(
        self, number: int, sides: tuple[BlockSide, BlockSide], far: tuple[Bools, Bools], tiers: LadderTiers
    ) -> tuple[I64, I64]:
        """Numbers the instruments of a block. Returns the run of each, as collateral and as a debt."""
        found = []
        room = MOST_RUNS - 1
        for side, beyond in reversed(list(zip(sides, far, strict=True))):
            met = np.flatnonzero(np.bincount(side.instrument[~beyond], minlength=tiers.asset.size))
            if len(met) > room:
                beyond |= side.instrument >= met[room]
                met = met[:room]
            room -= len(met)
            found.append(met)
        owed, held = found
        instrument = np.concatenate((held, owed))
        kind = np.repeat(np.array([HELD, OWED], np.uint8), (len(held), len(owed)))
        order = np.lexsort((instrument, kind, tiers.asset[instrument]))
        instrument, kind = instrument[order], kind[order]
        runs_of = np.zeros((2, tiers.asset.size), np.int64)
        runs_of[kind, instrument] = np.arange(1, len(order) + 1)
        self._runs.take(number, len(order) + 2)
        self._head[number, RUNS] = len(order) + 1
        runs, first = self._runs.columns, int(self._runs.first[number])
        here = slice(first + 1, first + 1 + len(order))
        runs.instrument[here], runs.asset[here], runs.kind[here] = instrument, tiers.asset[instrument], kind
        runs.share[here] = np.where(kind == HELD, tiers.share[tiers.start[instrument]], 1.0)
        runs.instrument[first], runs.asset[first], runs.kind[first], runs.share[first] = 0, 0, HELD, 0.0
        assets = np.arange(len(self._run_of))
        self._run_of[:, number] = 1 + np.searchsorted(tiers.asset[instrument], assets)
        return runs_of[0], runs_of[1]

    def _lay_index(self, number: int) -> None:
        here = self._stored.stretch(number, int(self._head[number, POSITIONS]))
        count = int(self._head[number, RUNS])
        sizes = np.bincount(self.store.slots.run[here], minlength=count)
        sizes[0] = 0
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.uint32)
        self._runs.columns.start[self._runs.stretch(number, count + 1)] = starts
        laying_kernels.enter(self.store, number, starts.copy())

    def _write_far(self, number: int, far: Far, tiers: LadderTiers) -> None:
        """Lays the side list."""
        instrument = far.line // LINES
        asset = tiers.asset[instrument]
        order = np.lexsort((far.seat, instrument, far.kind, asset))
        self._far.take(number, order.size)
        here = self._far.stretch(number, order.size)
        columns: Any = zip(self._far.columns, far, strict=True)
        for column, values in columns:
            column[here] = values[order]
        has_liabilities = bool((far.kind == LIABLE).any())
        self._head[number, [FARS, MIXED, LIABILITIES]] = order.size, bool((far.kind != HELD).any()), has_liabilities
        self._far_of[:, number] = np.searchsorted(asset[order], np.arange(len(self._far_of)))
        self._asset = tiers.asset
        self.store = self._take_stock()

    def _far_part(self, number: int) -> Far:
        here = self._far.stretch(number, int(self._head[number, FARS]))
        return each(self._far.columns, lambda column: column[here])

    def _move(self, number: int, risen: U32, tiers: LadderTiers) -> bool:
        """Moves what may be beyond its first tier to the side list. False where it is too much, and nothing was moved."""
        positions = int(self._head[number, POSITIONS])
        seat, instrument, amount = np.empty(positions, np.uint16), np.empty(positions, np.uint32), np.empty(positions)
        most = positions // LAY_AGAIN
        count = laying_kernels.move_far(self.store, number, risen, tiers, seat, instrument, amount, most)
        if count > most:
            return False
        if count:
            before = self._far_part(number)
            moved = Far(amount[:count], instrument[:count] * LINES, seat[:count], np.full(count, HELD, np.uint8))
            self._write_far(number, joined(before, moved), tiers)
        return True

    def _sides(self, number: int) -> Sides:
        """What `put` was told, with the debts of each group in their order."""
        size = int(self._head[number, POSITIONS])
        row, instrument, amount = np.empty(size, np.uint16), np.empty(size, np.uint32), np.empty(size)
        is_debt = np.empty(size, np.bool_)
        count = laying_kernels.take_out(self.store, number, row, instrument, amount, is_debt)
        row, instrument, amount, is_debt = row[:count], instrument[:count], amount[:count], is_debt[:count]
        far = self._far_part(number)
        far_row = self._seats.row[number * GROUPS + far.seat.astype(np.int64)]
        found = []
        for kind, mine in ((HELD, ~is_debt), (OWED, is_debt), (LIABLE, np.zeros(count, np.bool_))):
            more = far.kind == kind
            found.append(
                BlockSide(
                    np.concatenate((row[mine], far_row[more])),
                    np.concatenate((instrument[mine], far.line[more] // LINES)),
                    np.concatenate((amount[mine], far.amount[more])),
                )
            )
        return found[0], found[1], found[2]


def _far_side(sides: Sides, far: tuple[Bools, Bools]) -> Far:
    """What lies in the side list, with rows in place of seats."""
    held, owed, liable = sides
    parts = [(HELD, held, far[0]), (OWED, owed, far[1]), (LIABLE, liable, np.full(liable.row.size, True))]
    return Far(
        np.concatenate([side.amount[mine] for _, side, mine in parts]),
        np.concatenate([side.instrument[mine] * LINES for _, side, mine in parts]),
        np.concatenate([side.row[mine] for _, side, mine in parts]),
        np.concatenate([np.full(int(mine.sum()), kind, np.uint8) for kind, _, mine in parts]),
    )


def _longer(slices: Slices, seats: Seats, blocks: int) -> tuple[Slices, Seats]:
    """The same columns with room for so many blocks."""
    old: tuple[Any, ...] = (*slices, *seats)
    sizes = [blocks * SLICES] * len(slices) + [blocks * GROUPS] * len(seats)
    new = side_by_side(*((size, column.dtype) for size, column in zip(sizes, old, strict=True)), fill=np.zeros)
    for before, after in zip(old, new, strict=True):
        after[: before.size] = before
    return Slices(*new[: len(slices)]), Seats(*new[len(slices) :])


def _grown(array: Any, shape: tuple[int, ...]) -> Any:
    """The array in a larger one, filled up with zeros."""
    larger = np.zeros(shape, array.dtype)
    larger[tuple(slice(0, size) for size in array.shape)] = array
    return larger
