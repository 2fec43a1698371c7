"""The compiled loops that take the steps of few prices into sums that are there already.

The groups to visit lie far apart in memory. So the loops ask for what they need of a block some blocks before, step by step,
as each step says where the next lies. They take plain arrays: to hand over all `Positions` costs more than a visit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32
from monitor.engine.compiled import borrowing, kernel
from monitor.engine.screen.arrays import (
    BLIND,
    FAR,
    HELD,
    LANES,
    LIABILITIES,
    LINES,
    OWED,
    POSITION,
    RUN,
    Far,
    LadderTiers,
    LinePairs,
    Positions,
    RowSums,
    ask_for,
)
from monitor.engine.screen.bound_kernels import at
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
    """Where the entries of a block lead: to an amount, and to a seat with its sums and lines, by its place among all."""

    amount: I64
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


@borrowing
def ask_for_index(seats: U16, slots: U8, begin: I64, stop: I64) -> None:
    """Asks for the index."""
    for k in range(begin.size):
        for entry in range(begin[k], stop[k], 32):
            ask_for(seats, entry)
            ask_for(slots, entry)


@borrowing
def ask_for_seats(seats: U16, begin: I64, stop: I64, first: U32, sums: F64, band: U32, origin: int) -> None:
    """Asks for what is kept by seat, and for what says where amounts lie."""
    for k in range(begin.size):
        for entry in range(begin[k], stop[k]):
            seat = origin + np.int64(seats[entry])
            ask_for(first, seat // LANES)
            ask_for(sums, 2 * seat)
            ask_for(band, seat)


@borrowing
def ask_for_far(store: Positions, block: int, moved: U32) -> None:
    """Asks for the places of the moved assets in the side list of a block."""
    far, far_of, base = store.far, store.far_of, store.head[block, FAR]
    for asset in moved:
        for j in range(base + np.int64(far_of[asset, block]), base + np.int64(far_of[asset + 1, block]), 8):
            ask_for(far.amount, j)
            ask_for(far.line, j)
            ask_for(far.seat, j)
            ask_for(far.kind, j)


@borrowing
def ask_for_far_seats(store: Positions, block: int, moved: U32, sums: F64, band: U32) -> None:
    """Asks for the sums and lines of these places."""
    far_of, base, seats = store.far_of, store.head[block, FAR], store.far.seat
    for asset in moved:
        for j in range(base + np.int64(far_of[asset, block]), base + np.int64(far_of[asset + 1, block])):
            seat = block * GROUPS + np.int64(seats[j])
            ask_for(sums, 2 * seat)
            ask_for(band, seat)


@borrowing
def plan(
    seats: U16, slots: U8, begin: I64, stop: I64, first: U32, origin: int, base: int, to: Visits, amount: F64
) -> None:
    """Finds where amounts lie, and asks for them."""
    to_amount, to_seat, count = to.amount, to.seat, 0
    for k in range(begin.size):
        for entry in range(begin[k], stop[k]):
            seat = origin + np.int64(seats[entry])
            at = base + np.int64(first[seat // LANES]) + LANES * np.int64(slots[entry]) + seat % LANES
            to_amount[count], to_seat[count] = at, seat
            count += 1
            ask_for(amount, at)


@borrowing
def shift_slots(stretches: Stretches, first: int, stop: int, to: Visits, amount: F64, sums: F64) -> int:
    """Takes the steps into the sums of the groups that have a moved asset in a slot. Returns how many entries there are."""
    to_amount, to_seat, count = to.amount, to.seat, 0
    for k in range(first, stop):
        step, end = stretches.step[k], count + stretches.stop[k] - stretches.begin[k]
        part = np.int64(stretches.is_held[k])
        for j in range(count, end):
            sums[2 * np.int64(to_seat[j]) + part] += amount[to_amount[j]] * step
        count = end
    return count


@borrowing
def shift_far(
    far: Far, first: int, stop: int, origin: int, tiers: LadderTiers, before: float, after: float, rows: RowSums
) -> None:
    """The same for the side list."""
    sums = rows.sums
    for j in range(first, stop):
        i, seat = np.int64(far.line[j] // LINES), origin + np.int64(far.seat[j])
        old, new = far.amount[j] * before, far.amount[j] * after
        if far.kind[j] == OWED:
            sums[2 * seat] += new - old
            continue
        if tiers.is_falling[i]:
            more = least_line(tiers.slope, tiers.intercept, i, new) - least_line(tiers.slope, tiers.intercept, i, old)
        else:
            more = counted(tiers, int(i), new) - counted(tiers, int(i), old)
        if far.kind[j] == HELD:
            sums[2 * seat + 1] += more
        else:
            sums[2 * seat] += more
            sums[2 * seat + 1] -= new - old
            rows.owed[seat] += new - old


@borrowing
def test_plain(
    to: Visits, size: int, seats: RowSums, lines: LinePairs, origin: int, row: U16, named: U32, count: int
) -> int:
    """Names the groups of these visits that are beyond a line, in a block without liabilities and flags; one that is visited
    twice may be named twice. It decides as `crossed` does. Returns how many are named so far."""
    to_seat, sums, band = to.seat, seats.sums, seats.band
    low, high = lines.low, lines.high
    for j in range(size):
        seat = np.int64(to_seat[j])
        pair, owed, held = band[seat], sums[2 * seat], sums[2 * seat + 1]
        if ((owed >= high[pair] * held) & (owed > 0.0)) | (owed <= low[pair] * held):
            named[count] = origin + np.int64(row[seat])
            count += 1
    return count


@borrowing
def test_careful(
    to: Visits, size: int, seats: RowSums, lines: LinePairs, origin: int, row: U16, named: U32, count: int
) -> int:
    """The same in a block with liabilities or flags."""
    for j in range(size):
        seat = np.int64(to.seat[j])
        pair, debt, recognised = seats.band[seat], seats.sums[2 * seat], seats.sums[2 * seat + 1]
        owed, blind = seats.owed[seat], int(seats.blind[seat])
        if crossed(debt, recognised, owed, lines.low[pair], lines.high[pair], blind):
            named[count] = origin + np.int64(row[seat])
            count += 1
    return count


@borrowing
def shift_block(
    block: int,
    moved: U32,
    store: Positions,
    tiers: LadderTiers,
    before: F64,
    after: F64,
    seats: RowSums,
    to: Visits,
    size: int,
) -> int:
    """Takes the steps of the side list of a block, if it has any, and adds its groups to the visits."""
    far_of, far, base, origin = store.far_of, store.far, store.head[block, FAR], block * GROUPS
    for asset in moved:
        first, stop = base + np.int64(far_of[asset, block]), base + np.int64(far_of[asset + 1, block])
        if first < stop:
            shift_far(far, first, stop, origin, tiers, before[asset], after[asset], seats)
            for j in range(first, stop):
                to.seat[size] = origin + np.int64(far.seat[j])
                size += 1
    return size


@borrowing
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
    return Visits(np.empty(size, np.int64), np.empty(size, np.uint32))


@kernel
def shift(address: int, blocks: I64, moved: U32, after: F64, named: U32) -> int:
    """Takes new prices of the `moved` assets into the sums of these blocks, and writes the rows to look at into `named`.

    Returns how many. They ascend from block to block, but are in no order within one, and some may be named twice.
    """
    bound = at(address)
    store, tiers, before, seats, lines = bound.store, bound.tiers, bound.last.before, bound.seats, bound.lines
    index, slots, row, first, head = (
        store.entries.seat,
        store.entries.slot,
        store.seats.row,
        store.slices.first,
        store.head,
    )
    amount, sums, band = store.slots.amount, seats.sums, seats.band
    stretches, most = find_stretches(store, blocks, moved, after - before)
    of, begin, stop = stretches.of_block, stretches.begin, stretches.stop
    most += most_far(blocks, moved, store.far_of)
    this, other = room_for_visits(most), room_for_visits(most)
    count, last = 0, blocks.size
    for n in range(-3, last):
        if n + 3 < last:
            k, end = of[n + 3], of[n + 4]
            ask_for_index(index, slots, begin[k:end], stop[k:end])
            ask_for_far(store, blocks[n + 3], moved)
        if 0 <= n + 2 < last:
            k, end = of[n + 2], of[n + 3]
            ask_for_seats(index, begin[k:end], stop[k:end], first, sums, band, blocks[n + 2] * GROUPS)
            ask_for_far_seats(store, blocks[n + 2], moved, sums, band)
        if 0 <= n + 1 < last:
            k, end, origin, base = of[n + 1], of[n + 2], blocks[n + 1] * GROUPS, head[blocks[n + 1], POSITION]
            plan(index, slots, begin[k:end], stop[k:end], first, origin, base, other, amount)
        if n >= 0:
            size = shift_slots(stretches, of[n], of[n + 1], this, amount, sums)
            size = shift_block(blocks[n], moved, store, tiers, before, after, seats, this, size)
            origin = blocks[n] * GROUPS
            if head[blocks[n], LIABILITIES] or head[blocks[n], BLIND]:
                count = test_careful(this, size, seats, lines, origin, row, named, count)
            else:
                count = test_plain(this, size, seats, lines, origin, row, named, count)
        this, other = other, this
    return count
