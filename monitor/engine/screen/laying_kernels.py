"""The compiled loops that lay a block: which group gets which seat, and which position which slot."""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U16, U32, Bools
from monitor.engine.screen.arrays import (
    LANES,
    POSITION,
    ROWS,
    RUN,
    SLICES,
    SLOTS,
    LadderTiers,
    Positions,
    Seats,
    Slices,
    kernel,
)


@kernel
def mark_far(instrument: U32, amount: F64, tiers: LadderTiers, ceiling: F64, far: Bools) -> None:
    """Marks the collateral that is beyond its first tier at the ceiling of its price."""
    for j in range(instrument.size):
        i = instrument[j]
        far[j] |= amount[j] * ceiling[tiers.asset[i]] > tiers.bound[tiers.start[i]]


@kernel
def count_slots(row: U16, far: Bools, slots: I64) -> None:
    """Counts the positions of each row. Those that are more than SLOTS are marked as far."""
    for j in range(row.size):
        if far[j]:
            continue
        if slots[row[j]] == SLOTS:
            far[j] = True
        else:
            slots[row[j]] += 1


@kernel
def give_seats(held: I64, owed: I64, first_slice: int, seats: Seats, origin: int, slices: Slices) -> int:
    """Seats rows by their number of slots, and sizes the slices. Returns how many positions these have."""
    size = SLOTS + 1
    places = np.zeros(size * size + 1, np.int64)
    for i in range(held.size):
        places[held[i] * size + owed[i] + 1] += 1
    for k in range(1, places.size):
        places[k] += places[k - 1]
    count = (held.size + LANES - 1) // LANES
    slices.held[first_slice : first_slice + count] = 0
    slices.owed[first_slice : first_slice + count] = 0
    for i in range(count * LANES):
        # The last slice is filled up with rows that are no groups.
        seat = i
        if i < held.size:
            key = held[i] * size + owed[i]
            seat = int(places[key])
            places[key] += 1
            n = first_slice + seat // LANES
            slices.held[n] = max(slices.held[n], held[i])
            slices.owed[n] = max(slices.owed[n], owed[i])
        seats.of_row[origin + i] = seat
        seats.row[origin + seat] = i
    at = np.int64(0)
    for s in range(first_slice, first_slice + count):
        slices.first[s] = at
        at += LANES * (np.int64(slices.held[s]) + np.int64(slices.owed[s]))
    return int(at)


@kernel
def place_of(store: Positions, block: int, seat: np.int64, slot: np.int64) -> np.int64:
    """Where the position of a slot lies."""
    s = block * SLICES + seat // LANES
    place: np.int64 = store.head[block, POSITION] + np.int64(store.slices.first[s]) + LANES * slot + seat % LANES
    return place


@kernel
def fill(
    store: Positions, block: int, row: U16, instrument: U32, amount: F64, far: Bools, run_of: I64, is_debt: bool
) -> None:
    """Puts positions into the slots of their groups, in the order in which they come."""
    used = np.zeros(GROUPS, np.int64)
    for j in range(row.size):
        if far[j]:
            continue
        seat = np.int64(store.seats.of_row[block * GROUPS + row[j]])
        slot = used[seat]
        used[seat] += 1
        if is_debt:
            slot += np.int64(store.slices.held[block * SLICES + seat // LANES])
        place = place_of(store, block, seat, slot)
        store.slots.amount[place] = amount[j]
        store.slots.run[place] = run_of[instrument[j]]


@kernel
def owe(store: Positions, block: int, row: U16, instrument: U32, amount: F64, far: Bools) -> bool:
    """Other amounts of the same debts, which come in the same order. False where they are others.

    Marks those that lie in the side list.
    """
    used = np.zeros(GROUPS, np.int64)
    first_run, count = store.head[block, RUN], 0
    for j in range(row.size):
        seat = np.int64(store.seats.of_row[block * GROUPS + row[j]])
        slot = used[seat]
        used[seat] += 1
        if slot >= SLOTS:
            far[j] = True
            continue
        s = block * SLICES + seat // LANES
        if slot >= store.slices.owed[s]:
            return False
        place = place_of(store, block, seat, slot + np.int64(store.slices.held[s]))
        run = store.slots.run[place]
        if not run or store.runs.instrument[first_run + run] != instrument[j]:
            return False
        store.slots.amount[place] = amount[j]
        count += 1
    return count == count_debts(store, block)


@kernel
def owe_in_full(
    store: Positions, block: int, loans: U32, asset: U16, owing: Bools, instrument_of: U32, amount: F64
) -> bool:
    """The same for all debts of a block, straight from the columns of its loans. `loans`: the first loan of each row;
    `owing`: which of them are debts; `instrument_of` their coins. Seat by seat, as slots are written in order then."""
    row, first_of, held, owed = store.seats.row, store.slices.first, store.slices.held, store.slices.owed
    run, amounts, instrument = store.slots.run, store.slots.amount, store.runs.instrument
    base, first_run, count = store.head[block, POSITION], store.head[block, RUN], 0
    for seat in range(store.head[block, ROWS]):
        i, s, slot = np.int64(row[block * GROUPS + seat]), block * SLICES + seat // LANES, 0
        first = base + np.int64(first_of[s]) + LANES * np.int64(held[s]) + seat % LANES
        for k in range(loans[i], loans[i + 1]):
            if not owing[k]:
                continue
            place = first + LANES * slot
            if slot >= owed[s] or not run[place] or instrument[first_run + run[place]] != instrument_of[asset[k]]:
                return False
            amounts[place] = amount[k]
            slot += 1
            count += 1
    return count == count_debts(store, block)


@kernel
def count_debts(store: Positions, block: int) -> int:
    """How many debts lie in the slots of a block."""
    count = 0
    for s in range(block * SLICES, block * SLICES + (store.head[block, ROWS] + LANES - 1) // LANES):
        first = store.head[block, POSITION] + np.int64(store.slices.first[s]) + LANES * np.int64(store.slices.held[s])
        for place in range(first, first + LANES * np.int64(store.slices.owed[s])):
            count += store.slots.run[place] != 0
    return count


@kernel
def enter(store: Positions, block: int, starts: U32) -> None:
    """Writes the index. `starts`: the first entry of each run, which is used up."""
    base = store.head[block, POSITION]
    for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
        n = block * SLICES + s
        first = base + np.int64(store.slices.first[n])
        for slot in range(np.int64(store.slices.held[n]) + np.int64(store.slices.owed[n])):
            for lane in range(LANES):
                run = store.slots.run[first + slot * LANES + lane]
                if run:
                    store.entries.seat[base + starts[run]] = s * LANES + lane
                    store.entries.slot[base + starts[run]] = slot
                    starts[run] += 1


@kernel
def take_out(store: Positions, block: int, row: U16, instrument: U32, amount: F64, is_debt: Bools) -> int:
    """Reads the positions of the slots of a block, those of each group in their order. Returns how many."""
    count = 0
    for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
        n = block * SLICES + s
        first, held = store.head[block, POSITION] + np.int64(store.slices.first[n]), np.int64(store.slices.held[n])
        for slot in range(held + np.int64(store.slices.owed[n])):
            for lane in range(LANES):
                place = first + slot * LANES + lane
                if store.slots.run[place]:
                    row[count] = store.seats.row[block * GROUPS + s * LANES + lane]
                    instrument[count] = store.runs.instrument[store.head[block, RUN] + store.slots.run[place]]
                    amount[count] = store.slots.amount[place]
                    is_debt[count] = slot >= held
                    count += 1
    return count


@kernel
def move_far(
    store: Positions, block: int, risen: U32, tiers: LadderTiers, seat: U16, instrument: U32, amount: F64, most: int
) -> int:
    """Takes the collateral that may be beyond its first tier now out of its slots. Returns how much there is of it; where
    that is more than `most`, nothing is taken out."""
    runs, first_run, count = store.runs, store.head[block, RUN], 0
    base = store.head[block, POSITION]
    for is_counted in (True, False):
        if not is_counted and count > most:
            break
        count = 0
        for asset in risen:
            for run in range(store.run_of[asset, block], store.run_of[asset + 1, block]):
                i = runs.instrument[first_run + run]
                if runs.kind[first_run + run] != 0:
                    continue
                bound, price = tiers.bound[tiers.start[i]], store.ceiling[asset]
                for e in range(base + runs.start[first_run + run], base + runs.start[first_run + run + 1]):
                    place = place_of(store, block, np.int64(store.entries.seat[e]), np.int64(store.entries.slot[e]))
                    if store.slots.amount[place] * price > bound and store.slots.run[place]:
                        if not is_counted:
                            seat[count], instrument[count] = store.entries.seat[e], i
                            amount[count] = store.slots.amount[place]
                            store.slots.amount[place] = 0.0
                            store.slots.run[place] = 0
                        count += 1
    return count
