"""One look of a screen as one compiled call: what moved, which way is cheaper, who is beyond a line.

Where a second thread pays, or something must be laid first, `look` only says so, and the screen goes step by step.
"""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U32
from monitor.engine.screen import kernels
from monitor.engine.screen.arrays import LastPrices, kernel
from monitor.engine.screen.bound_kernels import Bound
from monitor.engine.screen.shift_kernels import shift

RISE = 1.25
"""A coin may rise by this factor before positions must be moved to the side list. A position there costs five times more to
weigh; one in ten is beyond 0.8 of its first tier, and one in eleven beyond it."""
SWEPT, SHIFTED, RISEN, NO_NUMBER, TO_SWEEP, TO_SHIFT = range(6)
"""What a look came to. The last four: a price is above what the slots are laid for, or no number; or it is to be done in
shares, or from nothing for some blocks."""


@kernel
def judge(last: LastPrices, ceiling: F64, price: F64, flag: U8, moved: I64, drift: float) -> tuple[int, int, bool]:
    """Marks the assets that moved beside those that were asked for, and counts the positions of all of them.

    Returns RISEN, NO_NUMBER or SHIFTED; the positions; and whether all must be weighed from nothing: a price that a group
    holds is beyond a factor of `drift` of what it was then, or a flag changed.
    """
    before, base, held, asked = last.before, last.base, last.held, last.asked
    asked[:] = 0
    for asset in moved:
        asked[asset] = 1
    touched, is_far, has_risen = 0, False, False
    for a in range(price.size):
        if not np.isfinite(price[a]):
            return NO_NUMBER, 0, False
        has_risen |= a < ceiling.size and price[a] > ceiling[a]
        if price[a] != before[a]:
            asked[a] = 1
        if asked[a]:
            touched += held[a]
        if held[a] and (price[a] > base[a] * drift or price[a] * drift < base[a]):
            is_far = True
        is_far |= flag[a] != last.flag[a]
    return RISEN if has_risen else SHIFTED, touched, is_far


@kernel
def settle(last: LastPrices, ceiling: F64, price: F64, flag: U8, is_swept: bool) -> None:
    """Notes the prices that the sums are of now. Lowers what the slots are laid for where a price fell far, so that a block
    which comes has a shorter side list."""
    for a in range(price.size):
        last.before[a], last.flag[a] = price[a], flag[a]
        if is_swept:
            last.base[a] = price[a]
        if a < ceiling.size and 2 * RISE * price[a] < ceiling[a]:
            ceiling[a] = RISE * price[a]


@kernel
def moved_assets(asked: U8, known: int) -> U32:
    """Those that the last look has marked, as far as any block knows them."""
    found = np.empty(known, np.uint32)
    count = 0
    for asset in range(min(known, asked.size)):
        if asked[asset]:
            found[count] = asset
            count += 1
    return found[:count]


@kernel
def sweep_part(bound: Bound, blocks: I64, price: F64, flag: U8, named: U32) -> int:
    """Sweeps some blocks."""
    store, tiers, seats, lines, scratch = bound.store, bound.tiers, bound.seats, bound.lines, bound.scratch
    return kernels.sweep(blocks, store, tiers, price, flag, bool(flag.any()), seats, lines, scratch, named)


@kernel
def shift_part(bound: Bound, blocks: I64, price: F64, moved: U32, named: U32) -> int:
    """Takes the steps of the moved assets into the sums of some blocks."""
    store, tiers, seats, lines, last = bound.store, bound.tiers, bound.seats, bound.lines, bound.last
    return shift(blocks, moved, store, tiers, last.before, price, seats, lines, named)


@kernel
def look(
    bound: Bound,
    blocks: I64,
    price: F64,
    flag: U8,
    moved: I64,
    is_all: bool,
    drift: float,
    may_sweep: bool,
    most_shifted: int,
    most_alone: int,
) -> tuple[int, int]:
    """Looks at all blocks by the cheaper way, unless another thread should help. Returns what it came to, and how many rows
    are in `bound.named`, ascending; for TO_SHIFT how many positions there are to visit.

    `is_all`: a sweep is asked for. A shift pays for `most_shifted` positions. At once is done a sweep if `may_sweep`, and a
    shift of `most_alone` positions.
    """
    store, tiers, seats, lines = bound.store, bound.tiers, bound.seats, bound.lines
    last, scratch, named = bound.last, bound.scratch, bound.named
    way, touched, is_far = judge(last, store.ceiling, price, flag, moved, drift)
    if way != SHIFTED:
        return way, 0
    is_swept = is_all or is_far or touched > most_shifted
    if is_swept and not may_sweep:
        return TO_SWEEP, 0
    if not is_swept and touched > most_alone:
        return TO_SHIFT, touched
    if is_swept:
        count = kernels.sweep(blocks, store, tiers, price, flag, bool(flag.any()), seats, lines, scratch, named)
    else:
        some = moved_assets(last.asked, store.ceiling.size)
        count = shift(blocks, some, store, tiers, last.before, price, seats, lines, named)
    settle(last, store.ceiling, price, flag, is_swept)
    return SWEPT if is_swept else SHIFTED, ascending(named, count)


@kernel
def ascending(named: U32, count: int) -> int:
    """Puts rows in order, each once. Returns how many these are."""
    named[:count].sort()
    kept = 0
    for k in range(count):
        if k == 0 or named[k] != named[k - 1]:
            named[kept] = named[k]
            kept += 1
    return kept


@kernel
def weighed(bound: Bound, rows: I64) -> tuple[F64, F64, U8]:
    """USD debt, USD recognised and flags of these rows."""
    store, seats = bound.store, bound.seats
    of_row, sums, flags = store.seats.of_row, seats.sums, seats.blind
    debt, recognised, blind = np.empty(rows.size), np.empty(rows.size), np.empty(rows.size, np.uint8)
    for k in range(rows.size):
        seat = rows[k] & -GROUPS | np.int64(of_row[rows[k]])
        debt[k], recognised[k], blind[k] = sums[2 * seat], sums[2 * seat + 1], flags[seat]
    return debt, recognised, blind


@kernel
def watch(bound: Bound, rows: I64, low: F64, high: F64, done: int, end: int, slots: U32, used: I64) -> int:
    """As `kernels.watch`. Returns -1 where a row is not below `end`."""
    store, seats, lines = bound.store, bound.seats, bound.lines
    for row in rows:
        if row < 0 or row >= end:
            return -1
    return kernels.watch(rows, low, high, done, store.seats.of_row, seats.band, lines, slots, used)
