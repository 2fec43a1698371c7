"""One look of a screen as one compiled call: what moved, which way is cheaper, who is beyond a line.

Where a second thread pays, or something must be laid first, `look` only says so, and the screen goes step by step.
"""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U32
from monitor.engine.compiled import borrowing, kernel
from monitor.engine.screen import kernels
from monitor.engine.screen.arrays import LastPrices
from monitor.engine.screen.bound_kernels import at
from monitor.engine.screen.shift_kernels import shift

RISE = 1.25
"""A coin may rise by this factor before positions must be moved to the side list. A position there costs five times more to
weigh; one in ten is beyond 0.8 of its first tier, and one in eleven beyond it."""
DRIFT = 8.0
"""A sweep is due when a price is beyond a factor DRIFT of its value at the last sweep. A shift rounds by 1e-16 of a sum that
was at most DRIFT**2 times as large as it is now. 1000 shifts of 24 moved assets, each rounding three times, add up to 5e-10
at worst, and the guard is wider."""
SWEPT, SHIFTED, RISEN, NO_NUMBER, TO_SWEEP, TO_SHIFT = range(6)
"""What a look came to. The last four: a price is above what the slots are laid for, or no number; or it is to be done in
shares, or from nothing for some blocks."""


@borrowing
def judge(last: LastPrices, ceiling: F64, price: F64, flag: U8, moved: I64) -> tuple[int, int, bool]:
    """Marks the assets that moved beside those that were asked for, and counts the positions of all of them.

    Returns RISEN, NO_NUMBER or SHIFTED; the positions; and whether all must be weighed from nothing: a price that a group
    holds is beyond a factor of DRIFT of what it was then, or a flag changed.
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
        if held[a] and (price[a] > base[a] * DRIFT or price[a] * DRIFT < base[a]):
            is_far = True
        is_far |= flag[a] != last.flag[a]
    return RISEN if has_risen else SHIFTED, touched, is_far


@borrowing
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


@borrowing
def sweep_part(address: int, blocks: I64, price: F64, flag: U8, named: U32) -> int:
    """Sweeps some blocks."""
    return int(kernels.sweep(address, blocks, price, flag, named))


@kernel
def shift_part(address: int, blocks: I64, price: F64, moved: U32, named: U32) -> int:
    """Takes the steps of the moved assets into the sums of some blocks."""
    return int(shift(address, blocks, moved, price, named))


@kernel
def look(
    address: int,
    price: F64,
    flag: U8,
    moved: I64,
    is_all: bool,
    may_sweep: bool,
    most_shifted: int,
    most_alone: int,
) -> tuple[int, int, I64]:
    """Looks at all blocks by the cheaper way, unless another thread should help. Returns what it came to; for TO_SHIFT how
    many positions there are to visit; and the rows that are named, ascending.

    `is_all`: a sweep is asked for. A shift pays for `most_shifted` positions. At once is done a sweep if `may_sweep`, and a
    shift of `most_alone` positions.
    """
    bound = at(address)
    blocks, ceiling, last, named = bound.blocks, bound.store.ceiling, bound.last, bound.named
    nobody = np.empty(0, np.int64)
    way, touched, is_far = judge(last, ceiling, price, flag, moved)
    if way != SHIFTED:
        return way, 0, nobody
    is_swept = is_all or is_far or touched > most_shifted
    if is_swept and not may_sweep:
        return TO_SWEEP, 0, nobody
    if not is_swept and touched > most_alone:
        return TO_SHIFT, touched, nobody
    if is_swept:
        count = kernels.sweep(address, blocks, price, flag, named)
    else:
        count = shift(address, blocks, moved_assets(last.asked, ceiling.size), price, named)
    settle(last, ceiling, price, flag, is_swept)
    return SWEPT if is_swept else SHIFTED, 0, ascending(named, count)


@kernel
def ascending(named: U32, count: int) -> I64:
    """These rows in order, each once."""
    named[:count].sort()
    found = np.empty(count, np.int64)
    kept = 0
    for k in range(count):
        if k == 0 or named[k] != named[k - 1]:
            found[kept] = named[k]
            kept += 1
    return found[:kept]


@kernel
def weighed(address: int, rows: I64) -> tuple[F64, F64, U8]:
    """USD debt, USD recognised and flags of these rows."""
    bound = at(address)
    of_row, sums, flags = bound.store.seats.of_row, bound.seats.sums, bound.seats.blind
    debt, recognised, blind = np.empty(rows.size), np.empty(rows.size), np.empty(rows.size, np.uint8)
    for k in range(rows.size):
        seat = rows[k] & -GROUPS | np.int64(of_row[rows[k]])
        debt[k], recognised[k], blind[k] = sums[2 * seat], sums[2 * seat + 1], flags[seat]
    return debt, recognised, blind


@borrowing
def watch(address: int, rows: I64, low: F64, high: F64, done: int) -> int:
    """As `kernels.watch`. Returns -1 where a row is of no block."""
    bound = at(address)
    end = (bound.blocks[-1] + 1) * GROUPS if bound.blocks.size else 0
    for row in rows:
        if row < 0 or row >= end:
            return -1
    of_row, band, pairs = bound.store.seats.of_row, bound.seats.band, bound.pairs
    return kernels.watch(rows, low, high, done, of_row, band, bound.lines, pairs.slots, pairs.used)
