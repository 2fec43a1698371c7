"""The compiled loops that keep the screen's arrays: laying a block, who holds what, the table of lines."""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fields import F64, I64, U8, U16, U32
from monitor.engine.screen.arrays import DEAD, END, GROUPS, ROWS, RUN, LadderTiers, LinePairs, Positions, kernel
from monitor.engine.screen.kernels import mark_block


@kernel
def lay(
    order: I64,
    row: U16,
    instrument: U16,
    amount: F64,
    counts: I64,
    store: Positions,
    position: int,
    run: int,
    base: int,
) -> int:
    """Writes one leg as runs, positions in `order` within each, from `position` and `run` on; returns the run after the last.

    `counts` (positions per instrument) is used up.
    """
    at = position
    for i in range(counts.size):
        if counts[i]:
            store.instrument[run] = i
            store.start[run] = at - base
            run += 1
        at, counts[i] = at + counts[i], at
    store.start[run] = at - base
    for k in order:
        place = counts[instrument[k]]
        store.amount[place] = amount[k]
        store.member[place] = row[k]
        counts[instrument[k]] = place + 1
    return run


@kernel
def count_held(blocks: I64, store: Positions, tiers: LadderTiers, held: I64) -> None:
    """Positions per asset."""
    held[:] = 0
    for block in blocks:
        for run in range(store.head[block, RUN], store.head[block, END]):
            held[tiers.asset[store.instrument[run]]] += np.int64(store.start[run + 1]) - np.int64(store.start[run])


@kernel
def holders(blocks: I64, wanted: U8, store: Positions, tiers: LadderTiers, band: U32, named: U32) -> int:
    """Rows that hold or owe something of a wanted asset, ascending; returns how many."""
    mask = np.empty(GROUPS, np.uint8)
    count = 0
    for block in blocks:
        mark_block(store, tiers, wanted, block, mask)
        for i in range(store.head[block, ROWS]):
            row = block * GROUPS + i
            if mask[i] and band[row] != DEAD:
                named[count] = row
                count += 1
    return count


@kernel
def watch(rows: I64, low: F64, high: F64, done: int, band: U32, lines: LinePairs, slots: U32, used: I64) -> int:
    """Gives rows their lines, each distinct pair kept once, found by an open hash of places + 1.

    Starts with row number `done` of the list and returns how many are done: fewer than all when the table is half full.
    """
    pair = np.empty(2)
    bits = pair.view(np.uint64)
    for k in range(done, rows.size):
        pair[0], pair[1] = low[k], high[k]
        mixed = (bits[0] * np.uint64(0x9E3779B97F4A7C15)) ^ (bits[1] * np.uint64(0xC2B2AE3D27D4EB4F))
        slot = (mixed ^ (mixed >> np.uint64(29))) & np.uint64(slots.size - 1)
        while slots[slot] and (lines.low[slots[slot] - 1] != low[k] or lines.high[slots[slot] - 1] != high[k]):
            slot = (slot + np.uint64(1)) & np.uint64(slots.size - 1)
        if not slots[slot]:
            if used[0] == lines.low.size:
                return k
            lines.low[used[0]], lines.high[used[0]] = low[k], high[k]
            used[0] += 1
            slots[slot] = used[0]
        band[rows[k]] = slots[slot] - 1
    return rows.size
