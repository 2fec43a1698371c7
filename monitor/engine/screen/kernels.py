"""The compiled loops of the screen: plain functions of arrays, float64, without the GIL. They only select.

A block is weighed slice by slice, eight groups at a time, in the order of their seats (`layout.py` says how it lies). A
position in a slot is in its first tier, so it counts its amount times what a piece of its run is worth. The few positions
that may be beyond it are in the side list, and are weighed one by one.
"""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32
from monitor.engine.compiled import borrowing, kernel
from monitor.engine.screen.arrays import (
    BLIND,
    BOTH,
    DEAD,
    FAR,
    FARS,
    GUARD,
    HELD,
    LANES,
    LIABILITIES,
    LINES,
    MISSING,
    MIXED,
    OWED,
    POSITION,
    ROWS,
    RUN,
    RUNS,
    SLICES,
    STEP,
    UNTRUSTED,
    LadderTiers,
    LinePairs,
    Positions,
    ask_for,
    ask_soon,
)
from monitor.engine.screen.bound_kernels import at
from monitor.engine.screen.lanes import add_slots, finish_writes, least_line, weigh_slice

MOST_STEPS, A_LINE = 1 << 16, 8
"""The first lines of ladders, where most positions are, are asked for before they are met one by one, as far as a cache holds
them. Numbers of a cache line."""
AHEAD = 1024
"""So many positions before they are weighed, slots are asked for: the processor's own guesses end with each page."""


@borrowing
def counted(tiers: LadderTiers, instrument: int, value: float) -> float:
    """What a ladder makes of a value."""
    if tiers.is_falling[instrument]:
        least: float = least_line(tiers.slope, tiers.intercept, np.int64(instrument), value)
        return least
    tier = np.int64(tiers.start[instrument])
    while value > tiers.bound[tier]:
        tier += 1
    whole: float = tiers.offset[tier] + tiers.share[tier] * value
    return whole


@borrowing
def price_runs(store: Positions, price: F64, block: int, unit: F64) -> None:
    """What a piece of each run of a block counts, while it is in its first tier."""
    first = store.head[block, RUN]
    for run in range(store.head[block, RUNS]):
        unit[run] = price[store.runs.asset[first + run]] * store.runs.share[first + run]


@borrowing
def weigh_far(
    store: Positions, tiers: LadderTiers, price: F64, block: int, debt: F64, recognised: F64, owed: F64
) -> None:
    """Adds the side list of a block to the sums of its seats."""
    far, first = store.far, store.head[block, FAR]
    stop = first + store.head[block, FARS]
    if not store.head[block, MIXED]:
        # Not by `counted`: to hand over all tiers costs as much as the lines.
        slope, intercept, is_falling = tiers.slope, tiers.intercept, tiers.is_falling
        for j in range(first, stop):
            i, seat = far.line[j] // LINES, far.seat[j]
            value = far.amount[j] * price[tiers.asset[i]]
            if is_falling[i]:
                recognised[seat] += least_line(slope, intercept, np.int64(i), value)
            else:
                recognised[seat] += counted(tiers, i, value)
        return
    for j in range(first, stop):
        i, seat = far.line[j] // LINES, far.seat[j]
        value = far.amount[j] * price[tiers.asset[i]]
        if far.kind[j] == HELD:
            recognised[seat] += counted(tiers, i, value)
        elif far.kind[j] == OWED:
            debt[seat] += value
        else:
            debt[seat] += counted(tiers, i, value)
            owed[seat] += value


@borrowing
def weigh_slices(store: Positions, unit: F64, block: int, debt: F64, recognised: F64) -> None:
    """Adds the slots of a block to the sums of its seats."""
    base, slices, slots = store.head[block, POSITION], store.slices, store.slots
    for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
        n = block * SLICES + s
        first, held, owed = base + np.int64(slices.first[n]), np.int64(slices.held[n]), np.int64(slices.owed[n])
        add_slots(slots.amount, slots.run, unit, first, held, recognised, s * LANES)
        add_slots(slots.amount, slots.run, unit, first + LANES * held, owed, debt, s * LANES)


@borrowing
def line_of(steps: F64, line: int, value: float) -> int:
    """The line of the same ladder that holds for a value; -1 where its ladder has more than LINES."""
    first = line & -LINES
    for k in range(first, first + LINES):
        if steps[STEP * k] < value <= steps[STEP * k + 1]:
            return k
    return -1


@borrowing
def seed_far(store: Positions, tiers: LadderTiers, price: F64, block: int, seed: F64) -> None:
    """Sums the collateral of a side list by seat. From look to look few positions come to another line, so the one of before
    is tried first."""
    amount, line, seat, asset, steps = store.far.amount, store.far.line, store.far.seat, tiers.asset, tiers.steps
    seed[:] = 0.0
    first = store.head[block, FAR]
    for j in range(first, first + store.head[block, FARS]):
        k = int(line[j])
        value, at = amount[j] * price[asset[k // LINES]], STEP * k
        if value > steps[at + 1] or value <= steps[at]:
            k = line_of(steps, k, value)
            if k < 0:
                seed[seat[j]] += counted(tiers, int(line[j]) // LINES, value)
                continue
            line[j], at = k, STEP * k
        seed[seat[j]] += steps[at + 3] + steps[at + 2] * value


@borrowing
def weigh_and_test(address: int, block: int, named: U32, count: int) -> int:
    """Weighs the slices of a block that has neither liabilities nor flags, and names the rows that are beyond a line while
    their sums are at hand. Returns how many are named so far."""
    bound = at(address)
    store, seats, unit, seed = bound.store, bound.seats, bound.scratch.unit, bound.scratch.seed
    base, origin, row = store.head[block, POSITION], block * GROUPS, store.seats.row
    first_of, held, owed = store.slices.first, store.slices.held, store.slices.owed
    amount, run, sums, band = store.slots.amount, store.slots.run, seats.sums, seats.band
    low, high = bound.lines.low, bound.lines.high
    for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
        n, seat = block * SLICES + s, s * LANES
        first, holdings, debts = base + np.int64(first_of[n]), np.int64(held[n]), np.int64(owed[n])
        ahead = first + AHEAD
        stop = ahead + LANES * (holdings + debts)
        for place in range(ahead, stop, LANES):
            ask_soon(amount, place)
        for place in range(ahead, stop, 4 * LANES):
            ask_soon(run, place)
        found = weigh_slice(amount, run, unit, first, holdings, debts, seed, seat, sums, band, origin + seat, low, high)
        if found:
            for lane in range(LANES):
                if found >> lane & 1:
                    named[count] = origin + row[origin + seat + lane]
                    count += 1
    return count


@borrowing
def weigh_block(
    store: Positions, tiers: LadderTiers, price: F64, block: int, unit: F64, debt: F64, recognised: F64, owed: F64
) -> None:
    """Sums by seat of one block. Adds the value of liabilities to `owed`."""
    debt[:] = 0.0
    recognised[:] = 0.0
    price_runs(store, price, block, unit)
    weigh_far(store, tiers, price, block, debt, recognised, owed)
    weigh_slices(store, unit, block, debt, recognised)


@borrowing
def seat_and_amount(store: Positions, block: int, entry: int) -> tuple[np.int64, float]:
    """Whose position an entry of the index stands for, and how much it is."""
    seat = np.int64(store.entries.seat[entry])
    place = np.int64(store.slices.first[block * SLICES + seat // LANES]) + LANES * np.int64(store.entries.slot[entry])
    return seat, store.slots.amount[store.head[block, POSITION] + place + seat % LANES]


@borrowing
def entries_of(store: Positions, block: int, run: int) -> tuple[int, int]:
    """The first entry of a run, and the first of the next one."""
    base, start = store.head[block, POSITION], store.runs.start
    place = store.head[block, RUN] + run
    return base + np.int64(start[place]), base + np.int64(start[place + 1])


@borrowing
def most_of(tiers: LadderTiers, instrument: int) -> float:
    """The most that a ladder may recognise: infinity for no end."""
    tier = np.int64(tiers.start[instrument])
    while tiers.bound[tier] < np.inf:
        tier += 1
    return np.inf if tiers.share[tier] > 0.0 else tiers.offset[tier]


@borrowing
def add_room(store: Positions, tiers: LadderTiers, flag: U8, block: int, recognised: F64) -> None:
    """Adds what the ladders of missing coins may recognise at most to the sums of their groups."""
    runs, first = store.runs, store.head[block, RUN]
    for run in range(1, store.head[block, RUNS]):
        if flag[runs.asset[first + run]] & MISSING and runs.kind[first + run] == HELD:
            room = most_of(tiers, runs.instrument[first + run])
            begin, stop = entries_of(store, block, run)
            for entry in range(begin, stop):
                seat, amount = seat_and_amount(store, block, entry)
                if amount != 0.0:
                    recognised[seat] += room
    far = store.far
    for j in range(store.head[block, FAR], store.head[block, FAR] + store.head[block, FARS]):
        i = far.line[j] // LINES
        if flag[tiers.asset[i]] & MISSING and far.kind[j] == HELD and far.amount[j] != 0.0:
            recognised[far.seat[j]] += most_of(tiers, i)


@borrowing
def mark_asset(store: Positions, block: int, asset: int, is_debt: bool, only: U8, bits: int, blind: U8) -> None:
    """Adds bits to the flags of the seats that hold an asset, or that owe it; only those in `only`, unless that is empty."""
    runs, first = store.runs, store.head[block, RUN]
    for run in range(store.run_of[asset, block], store.run_of[asset + 1, block]):
        if (runs.kind[first + run] != HELD) == is_debt:
            begin, stop = entries_of(store, block, run)
            for entry in range(begin, stop):
                seat, amount = seat_and_amount(store, block, entry)
                if amount != 0.0 and (not only.size or only[seat]):
                    blind[seat] |= bits
    far, base = store.far, store.head[block, FAR]
    for j in range(base + store.far_of[asset, block], base + store.far_of[asset + 1, block]):
        if (far.kind[j] != HELD) == is_debt and far.amount[j] != 0.0 and (not only.size or only[far.seat[j]]):
            blind[far.seat[j]] |= bits


@kernel
def mark_block(store: Positions, flag: U8, block: int, blind: U8) -> None:
    """Flags of the seats of one block: those of all assets that they hold or owe, and BOTH where they do both."""
    blind[:] = 0
    everybody = np.zeros(0, np.uint8)
    for asset in range(min(flag.size, store.run_of.shape[0] - 1)):
        if flag[asset]:
            for is_debt in (False, True):
                mark_asset(store, block, asset, is_debt, everybody, flag[asset], blind)
        if flag[asset] & MISSING:
            holds = np.zeros(GROUPS, np.uint8)
            mark_asset(store, block, asset, False, everybody, 1, holds)
            mark_asset(store, block, asset, True, holds, BOTH, blind)


@borrowing
def crossed(debt: float, recognised: float, owed: float, low: float, high: float, blind: int) -> bool:
    """Core must look at the group: it is at or beyond a line, or within the guard of one.

    With liabilities `recognised` is a difference and may be small or negative. Its error is that of the sums before the
    subtraction, which are larger by twice what is owed. A group without debt is below every line. A group with debt and
    nothing recognised is above. Where a coin is missing the sums are the best that it may make of them (`add_room`), and
    nothing good may follow; what a missing coin does that is held and owed, only core can tell.
    """
    slack = 2.0 * GUARD * owed
    if blind & BOTH and debt > 0.0 and high < np.inf:
        return True
    if debt > 0.0 and high < np.inf and debt >= high * (recognised - slack):
        return True
    if blind & (UNTRUSTED | MISSING) or low < 0.0:
        return False
    return debt <= 0.0 or debt <= low * (recognised + slack)


@borrowing
def test_careful(
    debt: F64, recognised: F64, owed: F64, blind: U8, band: U32, lines: LinePairs, row: U32, named: U32, count: int
) -> int:
    """Names the rows beyond a line in a block with liabilities or flags."""
    for seat in range(band.size):
        low, high = lines.low[band[seat]], lines.high[band[seat]]
        if crossed(debt[seat], recognised[seat], owed[seat], low, high, blind[seat]):
            named[count] = row[seat]
            count += 1
    return count


@borrowing
def weigh_carefully(address: int, price: F64, flag: U8, flagged: bool, block: int, named: U32, count: int) -> int:
    """Weighs a block with liabilities or flags, or with debts in its side list, and names its rows."""
    bound = at(address)
    store, tiers, seats, scratch = bound.store, bound.tiers, bound.seats, bound.scratch
    debt, recognised, owed, blind, row = scratch.debt, scratch.recognised, scratch.owed, scratch.blind, scratch.row
    first, size = block * GROUPS, store.head[block, ROWS]
    owed[:] = 0.0
    weigh_block(store, tiers, price, block, scratch.unit, debt, recognised, owed)
    if flagged:
        add_room(store, tiers, flag, block, recognised)
    recognised -= owed
    for seat in range(size):
        row[seat] = first + store.seats.row[first + seat]
    band = seats.band[first : first + size]
    count = test_careful(debt, recognised, owed, blind, band, bound.lines, row, named, count)
    for seat in range(size):
        seats.sums[2 * (first + seat)], seats.sums[2 * (first + seat) + 1] = debt[seat], recognised[seat]
        seats.owed[first + seat] = owed[seat]
    blind[:] = 0
    return count


@borrowing
def mark_seats(address: int, flag: U8, flagged: bool, block: int) -> None:
    """Notes the flags of a block's seats."""
    bound = at(address)
    store, seats, blind, first = bound.store, bound.seats, bound.scratch.blind, block * GROUPS
    mark_block(store, flag, block, blind)
    for seat in range(store.head[block, ROWS]):
        seats.blind[first + seat] = blind[seat]
    store.head[block, BLIND] = flagged and blind.any()


@borrowing
def weigh_plainly(address: int, price: F64, block: int, named: U32, count: int) -> int:
    """Weighs a block without any of that."""
    bound = at(address)
    price_runs(bound.store, price, block, bound.scratch.unit)
    seed_far(bound.store, bound.tiers, price, block, bound.scratch.seed)
    return int(weigh_and_test(address, block, named, count))


@borrowing
def sweep(address: int, blocks: I64, price: F64, flag: U8, named: U32) -> int:
    """Weighs these blocks from nothing, and writes the rows to look at into `named`, block by block. Returns how many.

    Each sum is written once, so a reader in another thread sees the old or the new figure, never a part.
    """
    head, steps, count, flagged = at(address).store.head, at(address).tiers.steps, 0, bool(flag.any())
    for place in range(0, min(steps.size, MOST_STEPS), LINES * STEP):
        ask_for(steps, place)
        ask_for(steps, place + A_LINE)
    for block in blocks:
        if flagged or head[block, BLIND]:
            mark_seats(address, flag, flagged, block)
        if head[block, LIABILITIES] or head[block, BLIND] or head[block, MIXED]:
            count = weigh_carefully(address, price, flag, flagged, block, named, count)
        else:
            count = weigh_plainly(address, price, block, named, count)
    finish_writes()
    return count


@borrowing
def by_row(blocks: I64, store: Positions, sums: F64, part: int, into: F64) -> None:
    """Lays the debts of all rows (part 0), or what is recognised (1), in the order of the rows."""
    of_row = store.seats.of_row
    for block in blocks:
        first = block * GROUPS
        for i in range(first, first + store.head[block, ROWS]):
            into[i] = sums[2 * (first + of_row[i]) + part]


@borrowing
def flags_by_row(blocks: I64, store: Positions, blind: U8, into: U8) -> None:
    """The same for flags."""
    of_row = store.seats.of_row
    for block in blocks:
        first = block * GROUPS
        for i in range(first, first + store.head[block, ROWS]):
            into[i] = blind[first + of_row[i]]


@borrowing
def count_held(blocks: I64, store: Positions, held: I64) -> None:
    """Positions per asset."""
    held[:] = 0
    head, run_asset, start, far_of = store.head, store.runs.asset, store.runs.start, store.far_of
    for block in blocks:
        first = head[block, RUN]
        for place in range(first + 1, first + head[block, RUNS]):
            held[run_asset[place]] += np.int64(start[place + 1]) - np.int64(start[place])
    for asset in range(min(held.size, far_of.shape[0] - 1)):
        for block in blocks:
            held[asset] += np.int64(far_of[asset + 1, block]) - np.int64(far_of[asset, block])


@kernel
def holders(blocks: I64, wanted: U8, store: Positions, band: U32, named: U32) -> int:
    """Writes the rows that hold or owe a wanted asset into `named`, ascending. Returns how many."""
    mask = np.empty(GROUPS, np.uint8)
    count = 0
    for block in blocks:
        mark_block(store, wanted, block, mask)
        for row in range(block * GROUPS, block * GROUPS + store.head[block, ROWS]):
            seat = store.seats.of_row[row]
            if mask[seat] and band[block * GROUPS + seat] != DEAD:
                named[count] = row
                count += 1
    return count


@kernel
def place_of_pair(low: float, high: float, lines: LinePairs, slots: U32, used: I64) -> int:
    """The place of a pair of lines, which is added if it is new; -1 where the table is full. `slots` is an open hash of the
    pairs, by place + 1."""
    pair = np.empty(2)
    pair[0], pair[1] = low, high
    bits = pair.view(np.uint64)
    mixed = (bits[0] * np.uint64(0x9E3779B97F4A7C15)) ^ (bits[1] * np.uint64(0xC2B2AE3D27D4EB4F))
    slot = (mixed ^ (mixed >> np.uint64(29))) & np.uint64(slots.size - 1)
    while slots[slot] and (lines.low[slots[slot] - 1] != low or lines.high[slots[slot] - 1] != high):
        slot = (slot + np.uint64(1)) & np.uint64(slots.size - 1)
    if not slots[slot]:
        if used[0] == lines.low.size:
            return -1
        lines.low[used[0]], lines.high[used[0]] = low, high
        used[0] += 1
        slots[slot] = used[0]
    return int(slots[slot]) - 1


@borrowing
def enter_pairs(low: F64, high: F64, lines: LinePairs, slots: U32, used: I64) -> None:
    """Enters pairs into a table that has room for them."""
    for k in range(low.size):
        place_of_pair(low[k], high[k], lines, slots, used)


@borrowing
def watch(
    rows: I64, low: F64, high: F64, done: int, of_row: U16, band: U32, lines: LinePairs, slots: U32, used: I64
) -> int:
    """Gives rows their lines, widened by the guard; a low below zero is none.

    Starts with row number `done` of the list, and returns how many are done: fewer than all if the table is full.
    """
    for k in range(done, rows.size):
        least = -np.inf if low[k] < 0.0 else low[k] * (1.0 + GUARD)
        place = place_of_pair(least, high[k] * (1.0 - GUARD), lines, slots, used)
        if place < 0:
            return k
        band[rows[k] & -GROUPS | np.int64(of_row[rows[k]])] = place
    return rows.size
