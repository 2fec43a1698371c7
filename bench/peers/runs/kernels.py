"""The compiled loops of the screen: plain functions of arrays, float64, without the GIL. They only select.

The positions of a block lie in one stretch of the flat arrays, in *runs*, one per instrument: first the collateral, then the
debts, then the liabilities. So price and ladder are constants of a loop, a position is ten bytes (amount, place of its group
in the block) that are read once and in order, and the sums stay in the cache. Runs with a ladder are sorted by amount, so the
tier only moves upwards.
"""

from __future__ import annotations

import numpy as np

from bench.peers.runs.arrays import (
    AHEAD,
    BLIND,
    BOTH,
    DEAD,
    DEBT,
    END,
    GUARD,
    LIABILITY,
    MISSING,
    POSITION,
    ROWS,
    RUN,
    UNTRUSTED,
    LadderTiers,
    LinePairs,
    Positions,
    RowSums,
    ask_for,
    kernel,
)
from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32


@kernel
def add_value(into: F64, amount: F64, member: U16, first: int, stop: int, price: float) -> None:
    """Adds the USD value of a run's positions to the sums of their groups."""
    for j in range(first, stop):
        ask_for(amount, j + AHEAD)
        into[member[j]] += amount[j] * price


@kernel
def add_laddered(
    into: F64, amount: F64, member: U16, first: int, stop: int, price: float, tiers: LadderTiers, tier: np.int64
) -> None:
    """Adds what the ladder makes of the values of a sorted run. `tier` is the first of the ladder.

    Most positions are in the first tier and are taken eight at a time. The others are taken in pairs of neighbouring tiers,
    without a branch: to leave a loop where the processor does not expect it costs as much as twenty positions. To look
    ahead for the place where the run leaves its first tier costs as much, so nothing here does.
    """
    share, offset, bound = tiers.share, tiers.offset, tiers.bound
    slope, here, j = price * share[tier], bound[tier], first
    while j + 8 <= stop and amount[j + 7] * price <= here:
        ask_for(amount, j + AHEAD)
        ask_for(member, j + AHEAD)
        for i in range(8):
            into[member[j + i]] += amount[j + i] * slope
        j += 8
    while j < stop:
        here, there = bound[tier], bound[tier + 1]
        slope, next_slope = price * share[tier], price * share[tier + 1]
        start, next_start = offset[tier], offset[tier + 1]
        while j < stop and amount[j] * price <= there:
            low, high = start + amount[j] * slope, next_start + amount[j] * next_slope
            into[member[j]] += low if amount[j] * price <= here else high
            j += 1
        tier += 1


@kernel
def shift_value(into: F64, amount: F64, member: U16, first: int, stop: int, step: float) -> None:
    """Adds what a price step changes in a run."""
    for j in range(first, stop):
        into[member[j]] += amount[j] * step


@kernel
def shift_laddered(
    into: F64,
    amount: F64,
    member: U16,
    first: int,
    stop: int,
    before: float,
    after: float,
    tiers: LadderTiers,
    tier: np.int64,
) -> None:
    """Adds what a new price changes in a sorted run with a ladder."""
    share, offset, bound = tiers.share, tiers.offset, tiers.bound
    dear, step = max(before, after), (after - before) * share[tier]
    j = first
    while j < stop and amount[j] * dear <= bound[tier]:
        into[member[j]] += amount[j] * step
        j += 1
    was, now = tier, tier
    while j < stop:
        old, new = amount[j] * before, amount[j] * after
        while old > bound[was]:
            was += 1
        while new > bound[now]:
            now += 1
        into[member[j]] += (offset[now] + new * share[now]) - (offset[was] + old * share[was])
        j += 1


@kernel
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


@kernel
def weigh_block(
    store: Positions, tiers: LadderTiers, price: F64, block: int, debt: F64, recognised: F64, owed: F64
) -> None:
    """Sums of one block from nothing. Adds the value of liabilities to `owed`."""
    head = store.head
    base = head[block, POSITION]
    debt[:] = 0.0
    recognised[:] = 0.0
    for run in range(head[block, RUN], head[block, END]):
        instrument = store.instrument[run]
        first, stop = base + np.int64(store.start[run]), base + np.int64(store.start[run + 1])
        usd, tier = price[tiers.asset[instrument]], np.int64(tiers.start[instrument])
        if run < head[block, DEBT]:
            add_laddered(recognised, store.amount, store.member, first, stop, usd, tiers, tier)
        elif run < head[block, LIABILITY]:
            add_value(debt, store.amount, store.member, first, stop, usd)
        else:
            add_laddered(debt, store.amount, store.member, first, stop, usd, tiers, tier)
            add_value(owed, store.amount, store.member, first, stop, usd)


@kernel
def add_room(store: Positions, tiers: LadderTiers, flag: U8, block: int, recognised: F64) -> None:
    """Adds what the ladders of missing coins may recognise at most to the sums of their groups: infinity for no end."""
    base = store.head[block, POSITION]
    for run in range(store.head[block, RUN], store.head[block, DEBT]):
        instrument = store.instrument[run]
        if flag[tiers.asset[instrument]] & MISSING:
            tier = np.int64(tiers.start[instrument])
            while tiers.bound[tier] < np.inf:
                tier += 1
            room = np.inf if tiers.share[tier] > 0.0 else tiers.offset[tier]
            for j in range(base + store.start[run], base + store.start[run + 1]):
                if store.amount[j] != 0.0:
                    recognised[store.member[j]] += room


@kernel
def mark_both(store: Positions, tiers: LadderTiers, block: int, run: int, blind: U8) -> None:
    """Marks the groups of a run of debts that hold the same coin."""
    base, asset = store.head[block, POSITION], tiers.asset[store.instrument[run]]
    for other in range(store.head[block, RUN], store.head[block, DEBT]):
        if tiers.asset[store.instrument[other]] == asset:
            holds = np.zeros(GROUPS, np.uint8)
            for j in range(base + store.start[other], base + store.start[other + 1]):
                holds[store.member[j]] = store.amount[j] != 0.0
            for j in range(base + store.start[run], base + store.start[run + 1]):
                if holds[store.member[j]] and store.amount[j] != 0.0:
                    blind[store.member[j]] |= BOTH


@kernel
def mark_block(store: Positions, tiers: LadderTiers, flag: U8, block: int, blind: U8) -> None:
    """Flags of the groups of one block: those of all assets that they hold or owe, and BOTH where they do both."""
    blind[:] = 0
    base = store.head[block, POSITION]
    for run in range(store.head[block, RUN], store.head[block, END]):
        bits = flag[tiers.asset[store.instrument[run]]]
        if bits:
            for j in range(base + store.start[run], base + store.start[run + 1]):
                if store.amount[j] != 0.0:
                    blind[store.member[j]] |= bits
        if bits & MISSING and run >= store.head[block, DEBT]:
            mark_both(store, tiers, block, run, blind)


@kernel
def test_plain(debt: F64, recognised: F64, band: U32, lines: LinePairs, hit: U8) -> bool:
    """Marks the rows beyond a line, in a block without liabilities and flags. Returns whether there is any.

    It decides as `crossed` does, but without a branch, so it runs on eight rows at a time.
    """
    low, high = lines.low, lines.high
    for i in range(band.size):
        above = (debt[i] >= high[band[i]] * recognised[i]) & (debt[i] > 0.0)
        hit[i] = above | (debt[i] <= low[band[i]] * recognised[i])
    any_hit = 0
    for i in range(band.size):
        any_hit |= hit[i]
    return any_hit != 0


@kernel
def test_careful(debt: F64, recognised: F64, owed: F64, blind: U8, band: U32, lines: LinePairs, hit: U8) -> bool:
    """The same for a block with liabilities or flags."""
    any_hit = False
    for i in range(band.size):
        found = crossed(debt[i], recognised[i], owed[i], lines.low[band[i]], lines.high[band[i]], blind[i])
        hit[i] = found
        any_hit |= found
    return any_hit


@kernel
def sweep(
    blocks: I64,
    store: Positions,
    tiers: LadderTiers,
    price: F64,
    flag: U8,
    flagged: bool,
    rows: RowSums,
    lines: LinePairs,
    named: U32,
) -> int:
    """Weighs these blocks from nothing, and writes the rows to look at into `named`. Returns how many.

    Sums are made aside and then copied, so a reader in another thread sees the old or the new figure, never a part.
    """
    debt, recognised, owed = np.empty(GROUPS), np.empty(GROUPS), np.zeros(GROUPS)
    blind, hit = np.zeros(GROUPS, np.uint8), np.empty(GROUPS, np.uint8)
    head, count = store.head, 0
    for block in blocks:
        first = block * GROUPS
        stop = first + head[block, ROWS]
        size = stop - first
        has_liabilities = head[block, LIABILITY] < head[block, END]
        weigh_block(store, tiers, price, block, debt, recognised, owed)
        if flagged:
            add_room(store, tiers, flag, block, recognised)
        if has_liabilities:
            recognised -= owed
            rows.owed[first:stop] = owed[:size]
        rows.debt[first:stop] = debt[:size]
        rows.recognised[first:stop] = recognised[:size]
        if flagged or head[block, BLIND]:
            mark_block(store, tiers, flag, block, blind)
            rows.blind[first:stop] = blind[:size]
            head[block, BLIND] = flagged and blind.any()
        if has_liabilities or head[block, BLIND]:
            found = test_careful(debt, recognised, owed, rows.blind[first:stop], rows.band[first:stop], lines, hit)
        else:
            found = test_plain(debt, recognised, rows.band[first:stop], lines, hit)
        if has_liabilities:
            owed[:] = 0.0
        if found:
            for i in range(size):
                if hit[i]:
                    named[count] = first + i
                    count += 1
    return count


@kernel
def compare(
    price: F64, before: F64, base: F64, drift: float, flag: U8, flag_before: U8, held: I64, asked: U8
) -> tuple[int, bool]:
    """Marks in `asked` the assets whose price moved. Returns how many positions the marked ones have, and whether all must
    be weighed from nothing: a price that a group holds is beyond a factor of `drift` of `base`, or a flag changed."""
    touched, is_far = 0, False
    for a in range(price.size):
        if price[a] != before[a]:
            asked[a] = 1
        if asked[a]:
            touched += held[a]
        if held[a] and (price[a] > base[a] * drift or price[a] * drift < base[a]):
            is_far = True
        is_far |= flag[a] != flag_before[a]
    return touched, is_far


@kernel
def find_run(instrument: U32, wanted: int, first: int, stop: int) -> int:
    """The run of an instrument among sorted runs, or -1."""
    end = stop
    while first < stop:
        middle = (first + stop) >> 1
        if instrument[middle] < wanted:
            first = middle + 1
        else:
            stop = middle
    return first if first < end and instrument[first] == wanted else -1


@kernel
def find_runs(blocks: I64, moved: U32, store: Positions, runs: I64, ends: I64) -> None:
    """Writes the runs of the moved instruments, block by block, and where those of each block end. Asks for their memory."""
    head, found = store.head, 0
    for n in range(blocks.size):
        coming = blocks[min(n + 1, blocks.size - 1)]
        for run in range(head[coming, RUN], head[coming, END], 32):
            ask_for(store.instrument, run)
        for part in (RUN, DEBT, LIABILITY):
            first, stop = head[blocks[n], part], head[blocks[n], part + 1]
            for i in range(moved.size if first < stop else 0):
                run = find_run(store.instrument, moved[i], first, stop)
                if run >= 0:
                    ask_for(store.amount, head[blocks[n], POSITION] + np.int64(store.start[run]))
                    ask_for(store.member, head[blocks[n], POSITION] + np.int64(store.start[run]))
                    runs[found] = run
                    found += 1
        ends[n] = found


@kernel
def ask_for_groups(store: Positions, block: int, run: int, rows: RowSums) -> None:
    """Asks for the sums of the groups of a run. They lie far apart in memory, so all at once is faster than in turn."""
    base, origin = store.head[block, POSITION], block * GROUPS
    for j in range(base + store.start[run], base + store.start[run + 1]):
        row = origin + store.member[j]
        ask_for(rows.recognised, row)
        ask_for(rows.debt, row)
        ask_for(rows.band, row)


@kernel
def shift_run(
    store: Positions, tiers: LadderTiers, before: F64, after: F64, block: int, run: int, rows: RowSums
) -> None:
    """Takes a new price into the sums of one run's groups."""
    head, base, origin = store.head, store.head[block, POSITION], block * GROUPS
    instrument = store.instrument[run]
    first, stop = base + np.int64(store.start[run]), base + np.int64(store.start[run + 1])
    asset, tier = tiers.asset[instrument], np.int64(tiers.start[instrument])
    old, new = before[asset], after[asset]
    debt, recognised = rows.debt[origin : origin + GROUPS], rows.recognised[origin : origin + GROUPS]
    if run < head[block, DEBT]:
        shift_laddered(recognised, store.amount, store.member, first, stop, old, new, tiers, tier)
    elif run < head[block, LIABILITY]:
        shift_value(debt, store.amount, store.member, first, stop, new - old)
    else:
        shift_laddered(debt, store.amount, store.member, first, stop, old, new, tiers, tier)
        shift_value(recognised, store.amount, store.member, first, stop, old - new)
        shift_value(rows.owed[origin : origin + GROUPS], store.amount, store.member, first, stop, new - old)


@kernel
def test_run(
    store: Positions,
    block: int,
    run: int,
    rows: RowSums,
    lines: LinePairs,
    done: I64,
    turn: int,
    named: U32,
    count: int,
) -> int:
    """Names the groups of a run that are beyond a line, each once a turn. Returns how many are named so far."""
    base, origin = store.head[block, POSITION], block * GROUPS
    has_liabilities = store.head[block, LIABILITY] < store.head[block, END]
    is_blind = store.head[block, BLIND] != 0
    for j in range(base + store.start[run], base + store.start[run + 1]):
        member = store.member[j]
        if done[member] != turn:
            done[member] = turn
            row = origin + member
            # Do not fetch from memory what is zero in the whole block.
            owed = rows.owed[row] if has_liabilities else 0.0
            blind = int(rows.blind[row]) if is_blind else 0
            low, high = lines.low[rows.band[row]], lines.high[rows.band[row]]
            if crossed(rows.debt[row], rows.recognised[row], owed, low, high, blind):
                named[count] = row
                count += 1
    return count


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
    """Takes new prices of the `moved` instruments into the sums of these blocks, and writes the rows to look at into `named`.

    Returns how many. They ascend from block to block, but are in no order within one.
    """
    runs, ends = np.empty(3 * moved.size * blocks.size, np.int64), np.zeros(blocks.size + 1, np.int64)
    find_runs(blocks, moved, store, runs, ends[1:])
    done, count = np.full(GROUPS, -1), 0
    for n in range(blocks.size):
        if n + 1 < blocks.size:
            for k in range(ends[n + 1], ends[n + 2]):
                ask_for_groups(store, blocks[n + 1], runs[k], rows)
        for k in range(ends[n], ends[n + 1]):
            shift_run(store, tiers, before, after, blocks[n], runs[k], rows)
        for k in range(ends[n], ends[n + 1]):
            count = test_run(store, blocks[n], runs[k], rows, lines, done, n, named, count)
    return count


@kernel
def count_held(blocks: I64, store: Positions, tiers: LadderTiers, held: I64) -> None:
    """Positions per asset."""
    held[:] = 0
    for block in blocks:
        for run in range(store.head[block, RUN], store.head[block, END]):
            held[tiers.asset[store.instrument[run]]] += np.int64(store.start[run + 1]) - np.int64(store.start[run])


@kernel
def holders(blocks: I64, wanted: U8, store: Positions, tiers: LadderTiers, band: U32, named: U32) -> int:
    """Writes the rows that hold or owe a wanted asset into `named`, ascending. Returns how many."""
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
def lay(
    order: I64,
    row: U16,
    instrument: U32,
    amount: F64,
    counts: I64,
    store: Positions,
    position: int,
    run: int,
    base: int,
) -> int:
    """Lays one side of a block as runs, from `position` and `run` on. Returns the run after the last.

    Positions are in `order` within a run. `counts` (positions per instrument) is used up.
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
def watch(rows: I64, low: F64, high: F64, done: int, band: U32, lines: LinePairs, slots: U32, used: I64) -> int:
    """Gives rows their lines. `slots` is an open hash of the pairs, by place + 1.

    Starts with row number `done` of the list, and returns how many are done: fewer than all if the table is full.
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
