"""The compiled loops that take the steps of few prices into sums that are there already.

The groups to visit lie far apart in memory. So the loops ask for what they need of a block some blocks before, step by step,
as each step says where the next lies. They take plain arrays: to hand over all `Positions` costs more than a visit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32
from monitor.engine.screen.arrays import (
    BLIND,
    FAR,
    HELD,
    LANES,
    LIABILITIES,
    OWED,
    POSITION,
    RUN,
    Far,
    LadderTiers,
    LinePairs,
    Positions,
    RowSums,
    ask_for,
    kernel,
)
from monitor.engine.screen.kernels import counted, crossed
from monitor.engine.screen.lanes import least_line


class Stretches(NamedTuple):
    """Entries of the index to visit: those of block number n of a call are `of_block[n]` to `of_block[n + 1]`."""

    of_block: I64
    begin: I64
    stop: I64
    step: F64
    """What a piece adds to the sum."""
    is_held: U8


class Visits(NamedTuple):
    """Where the entries of a block lead: to an amount, a row with its sums, and a seat with its lines."""

    amount: I64
    row: U32
    seat: U32


@kernel
def find_stretches(store: Positions, blocks: I64, moved: U32, step: F64) -> tuple[Stretches, int]:
    """The entries of the moved assets in these blocks. Also says how many a block has at most."""
    run_of, head, runs = store.run_of, store.head, store.runs
    start, kind, share = runs.start, runs.kind, runs.share
    size = np.int64(0)
    for n in range(blocks.size):
        first = head[blocks[n], RUN]
        for asset in moved:
            run = np.int64(run_of[asset, blocks[n]])
            size += np.int64(run_of[asset + 1, blocks[n]]) - run
            ask_for(start, first + run)
            ask_for(kind, first + run)
            ask_for(share, first + run)
    of_block = np.zeros(blocks.size + 1, np.int64)
    begin, stop = np.empty(size, np.int64), np.empty(size, np.int64)
    change, is_held = np.empty(size), np.empty(size, np.uint8)
    count, most = 0, 0
    for n in range(blocks.size):
        block = blocks[n]
        base, first, entries = head[block, POSITION], head[block, RUN], 0
        for asset in moved:
            for place in range(first + run_of[asset, block], first + run_of[asset + 1, block]):
                begin[count], stop[count] = base + np.int64(start[place]), base + np.int64(start[place + 1])
                change[count], is_held[count] = step[asset] * share[place], kind[place] == HELD
                entries += stop[count] - begin[count]
                count += 1
        of_block[n + 1] = count
        most = max(most, entries)
    return Stretches(of_block, begin, stop, change, is_held), most


@kernel
def ask_for_index(seats: U16, slots: U8, begin: I64, stop: I64) -> None:
    """Asks for the index."""
    for k in range(begin.size):
        for entry in range(begin[k], stop[k], 32):
            ask_for(seats, entry)
            ask_for(slots, entry)


@kernel
def ask_for_seats(seats: U16, begin: I64, stop: I64, rows: U16, first: U32, band: U32, origin: int) -> None:
    """Asks for what is kept by seat, and says where sums and amounts lie."""
    for k in range(begin.size):
        for entry in range(begin[k], stop[k]):
            seat = origin + np.int64(seats[entry])
            ask_for(rows, seat)
            ask_for(first, seat // LANES)
            ask_for(band, seat)


@kernel
def plan(
    seats: U16,
    slots: U8,
    begin: I64,
    stop: I64,
    rows: U16,
    first: U32,
    origin: int,
    base: int,
    to: Visits,
    amount: F64,
    debt: F64,
    recognised: F64,
) -> None:
    """Finds where amounts and sums lie, and asks for them."""
    to_amount, to_row, to_seat, count = to.amount, to.row, to.seat, 0
    for k in range(begin.size):
        for entry in range(begin[k], stop[k]):
            seat = origin + np.int64(seats[entry])
            at = base + np.int64(first[seat // LANES]) + LANES * np.int64(slots[entry]) + seat % LANES
            row = origin + np.int64(rows[seat])
            to_amount[count], to_row[count], to_seat[count] = at, row, seat
            count += 1
            ask_for(amount, at)
            ask_for(recognised, row)
            ask_for(debt, row)


@kernel
def shift_slots(stretches: Stretches, first: int, stop: int, to: Visits, amount: F64, debt: F64, held: F64) -> int:
    """Takes the steps into the sums of the groups that have a moved asset in a slot. Returns how many entries there are."""
    to_amount, to_row, count = to.amount, to.row, 0
    for k in range(first, stop):
        step, end = stretches.step[k], count + stretches.stop[k] - stretches.begin[k]
        sums = held if stretches.is_held[k] else debt
        for j in range(count, end):
            sums[to_row[j]] += amount[to_amount[j]] * step
        count = end
    return count


@kernel
def shift_far(
    far: Far,
    first: int,
    stop: int,
    origin: int,
    row_of: U16,
    tiers: LadderTiers,
    before: float,
    after: float,
    rows: RowSums,
) -> None:
    """The same for the side list."""
    for j in range(first, stop):
        i, row = np.int64(far.instrument[j]), origin + np.int64(row_of[origin + far.seat[j]])
        old, new = far.amount[j] * before, far.amount[j] * after
        if far.kind[j] == OWED:
            rows.debt[row] += new - old
            continue
        if tiers.is_falling[i]:
            more = least_line(tiers.slope, tiers.intercept, i, new) - least_line(tiers.slope, tiers.intercept, i, old)
        else:
            more = counted(tiers, int(i), new) - counted(tiers, int(i), old)
        if far.kind[j] == HELD:
            rows.recognised[row] += more
        else:
            rows.debt[row] += more
            rows.recognised[row] -= new - old
            rows.owed[row] += new - old


@kernel
def test_plain(
    to: Visits, size: int, rows: RowSums, lines: LinePairs, done: I64, turn: int, named: U32, count: int
) -> int:
    """Names the groups of these visits that are beyond a line, each once, in a block without liabilities and flags. It
    decides as `crossed` does. Returns how many are named so far."""
    to_row, to_seat, debt, recognised, band = to.row, to.seat, rows.debt, rows.recognised, rows.band
    low, high = lines.low, lines.high
    for j in range(size):
        row, pair = to_row[j], band[to_seat[j]]
        owed, held = debt[row], recognised[row]
        is_beyond = ((owed >= high[pair] * held) & (owed > 0.0)) | (owed <= low[pair] * held)
        if is_beyond and done[row % GROUPS] != turn:
            named[count] = row
            count += 1
            done[row % GROUPS] = turn
    return count


@kernel
def test_careful(
    to: Visits, size: int, rows: RowSums, lines: LinePairs, done: I64, turn: int, named: U32, count: int
) -> int:
    """The same in a block with liabilities or flags."""
    for j in range(size):
        row, pair = to.row[j], rows.band[to.seat[j]]
        debt, recognised, owed, blind = rows.debt[row], rows.recognised[row], rows.owed[row], int(rows.blind[row])
        is_beyond = crossed(debt, recognised, owed, lines.low[pair], lines.high[pair], blind)
        if is_beyond and done[row % GROUPS] != turn:
            named[count] = row
            count += 1
            done[row % GROUPS] = turn
    return count


@kernel
def visit_far(far_seat: U16, first: int, stop: int, origin: int, row_of: U16, to: Visits, count: int) -> int:
    """Adds the groups of a stretch of the side list to the visits. Returns how many these are now."""
    for j in range(first, stop):
        seat = origin + np.int64(far_seat[j])
        to.row[count], to.seat[count] = origin + np.int64(row_of[seat]), seat
        count += 1
    return count


@kernel
def shift_block(
    block: int,
    moved: U32,
    store: Positions,
    tiers: LadderTiers,
    before: F64,
    after: F64,
    rows: RowSums,
    to: Visits,
    size: int,
) -> int:
    """Takes the steps of the side list of a block, if it has any, and adds its groups to the visits."""
    far_of, far, row_of, base, origin = store.far_of, store.far, store.seats.row, store.head[block, FAR], block * GROUPS
    for asset in moved:
        first, stop = base + np.int64(far_of[asset, block]), base + np.int64(far_of[asset + 1, block])
        if first < stop:
            shift_far(far, first, stop, origin, row_of, tiers, before[asset], after[asset], rows)
            size = visit_far(far.seat, first, stop, origin, row_of, to, size)
    return size


@kernel
def most_far(blocks: I64, moved: U32, far_of: U32) -> int:
    """How many places of the side list of a block the moved assets have at most."""
    most = np.int64(0)
    for block in blocks:
        size = np.int64(0)
        for asset in moved:
            size += np.int64(far_of[asset + 1, block]) - np.int64(far_of[asset, block])
        most = max(most, size)
    return int(most)


@kernel
def room_for_visits(size: int) -> Visits:
    """Room for the visits of one block."""
    return Visits(np.empty(size, np.int64), np.empty(size, np.uint32), np.empty(size, np.uint32))


@kernel
def shift(
    blocks: I64,
    moved: U32,
    store: Positions,
    tiers: LadderTiers,
    before: F64,
    after: F64,
    rows: RowSums,
    lines: LinePairs,
    named: U32,
) -> int:
    """Takes new prices of the `moved` assets into the sums of these blocks, and writes the rows to look at into `named`.

    Returns how many. They ascend from block to block, but are in no order within one.
    """
    seats, slots, row_of, first, head = (
        store.entries.seat,
        store.entries.slot,
        store.seats.row,
        store.slices.first,
        store.head,
    )
    amount, debt, recognised, band = store.slots.amount, rows.debt, rows.recognised, rows.band
    stretches, most = find_stretches(store, blocks, moved, after - before)
    of, begin, stop = stretches.of_block, stretches.begin, stretches.stop
    most += most_far(blocks, moved, store.far_of)
    this, other = room_for_visits(most), room_for_visits(most)
    done, count, last = np.full(GROUPS, -1), 0, blocks.size
    for n in range(-3, last):
        if n + 3 < last:
            k, end = of[n + 3], of[n + 4]
            ask_for_index(seats, slots, begin[k:end], stop[k:end])
        if 0 <= n + 2 < last:
            k, end = of[n + 2], of[n + 3]
            ask_for_seats(seats, begin[k:end], stop[k:end], row_of, first, band, blocks[n + 2] * GROUPS)
        if 0 <= n + 1 < last:
            k, end, origin, base = of[n + 1], of[n + 2], blocks[n + 1] * GROUPS, head[blocks[n + 1], POSITION]
            plan(seats, slots, begin[k:end], stop[k:end], row_of, first, origin, base, other, amount, debt, recognised)
        if n >= 0:
            size = shift_slots(stretches, of[n], of[n + 1], this, amount, debt, recognised)
            size = shift_block(blocks[n], moved, store, tiers, before, after, rows, this, size)
            if head[blocks[n], LIABILITIES] or head[blocks[n], BLIND]:
                count = test_careful(this, size, rows, lines, done, n, named, count)
            else:
                count = test_plain(this, size, rows, lines, done, n, named, count)
        this, other = other, this
    return count
