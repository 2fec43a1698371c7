"""The compiled loops of the screen: plain functions of arrays, float64, without the GIL. They only select, never decide.

Positions of a block lie in *runs*, one per instrument, first those of the collateral, then the debts, then the liabilities,
all in one stretch of the flat arrays. So price and ladder are constants of a loop, a position is ten bytes (amount, place of
its group in the block) that are read once and in order, and the sums that they go to stay in the cache. Runs that have a
ladder are sorted by amount: the tier then only moves upwards.
"""

from __future__ import annotations

import numpy as np

from monitor.engine.arrays import (
    AHEAD,
    BLIND,
    DEAD,
    DEBT,
    END,
    F64,
    GROUPS,
    GUARD,
    I64,
    LIABILITY,
    MISSING,
    POSITION,
    ROWS,
    RUN,
    U8,
    U16,
    U32,
    UNTRUSTED,
    Lines,
    Rows,
    Store,
    Tiers,
    ask_for,
    kernel,
)


@kernel
def add_value(into: F64, amount: F64, member: U16, first: int, stop: int, price: float) -> None:
    """Adds the USD value of a run's positions to the sums of their groups."""
    j = first
    while j + 8 <= stop:
        ask_for(amount, j + AHEAD)
        ask_for(member, j + AHEAD)
        for i in range(8):
            into[member[j + i]] += amount[j + i] * price
        j += 8
    while j < stop:
        into[member[j]] += amount[j] * price
        j += 1


@kernel
def add_laddered(
    into: F64, amount: F64, member: U16, first: int, stop: int, price: float, tiers: Tiers, tier: np.int64
) -> None:
    """Adds what the ladder makes of the values of a sorted run, `tier` being the ladder's first.

    Most positions are in the first tier and take eight at a time. The rest goes in pairs of neighbouring tiers, chosen
    without a branch, because a branch that the processor cannot foresee costs more than the line not taken.
    """
    share, offset, bound = tiers.share, tiers.offset, tiers.bound
    slope = price * share[tier]
    j = first
    while j + 8 <= stop and amount[j + 7] * price <= bound[tier]:
        ask_for(amount, j + AHEAD)
        ask_for(member, j + AHEAD)
        for i in range(8):
            into[member[j + i]] += amount[j + i] * slope
        j += 8
    while j < stop:
        here, there = bound[tier], bound[tier + 1]
        while j < stop and amount[j] * price <= there:
            value = amount[j] * price
            low = offset[tier] + value * share[tier]
            high = offset[tier + 1] + value * share[tier + 1]
            into[member[j]] += low if value <= here else high
            j += 1
        tier += 1


@kernel
def shift_value(into: F64, amount: F64, member: U16, first: int, stop: int, step: float) -> None:
    """Adds what a price step changes."""
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
    tiers: Tiers,
    tier: np.int64,
) -> None:
    """Adds what a new price changes in what the ladder makes of a sorted run."""
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
    """Whether a group is to be looked at exactly: at or beyond a line, or within the guard of one.

    With liabilities `recognised` is a difference and may be small or negative; its error is that of the sums before the
    subtraction, which are larger by twice what is owed. Without debt a group is below every line; with debt and nothing
    recognised it is above.
    """
    if blind & MISSING:
        return False
    slack = 2.0 * GUARD * owed
    if debt > 0.0 and high < np.inf and debt >= high * (recognised - slack):
        return True
    if blind & UNTRUSTED or low < 0.0:
        return False
    return debt <= 0.0 or debt <= low * (recognised + slack)


@kernel
def weigh_block(store: Store, tiers: Tiers, price: F64, block: int, debt: F64, recognised: F64, owed: F64) -> None:
    """Sums of one block: debt and recognised from nothing; the value of liabilities is added to `owed`."""
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
def mark_block(store: Store, tiers: Tiers, flag: U8, block: int, blind: U8) -> None:
    """Flags of the groups of one block: those of all assets of which they hold or owe something."""
    blind[:] = 0
    base = store.head[block, POSITION]
    for run in range(store.head[block, RUN], store.head[block, END]):
        bits = flag[tiers.asset[store.instrument[run]]]
        if bits:
            for j in range(base + store.start[run], base + store.start[run + 1]):
                if store.amount[j] != 0.0:
                    blind[store.member[j]] |= bits


@kernel
def test_plain(debt: F64, recognised: F64, band: U32, lines: Lines, hit: U8) -> bool:
    """Which rows of a block without liabilities and without flags are beyond a line; whether any is.

    The same decision as `crossed`, without a branch, so that it runs on eight rows at a time.
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
def test_careful(debt: F64, recognised: F64, owed: F64, blind: U8, band: U32, lines: Lines, hit: U8) -> bool:
    """The same for a block with liabilities or flags."""
    any_hit = False
    for i in range(band.size):
        found = crossed(debt[i], recognised[i], owed[i], lines.low[band[i]], lines.high[band[i]], blind[i])
        hit[i] = found
        any_hit |= found
    return any_hit


@kernel
def sweep(
    blocks: I64, store: Store, tiers: Tiers, price: F64, flag: U8, flagged: bool, rows: Rows, lines: Lines, named: U32
) -> int:
    """Weighs these blocks from nothing and writes the rows to look at into `named`; returns how many.

    Sums are made aside and copied, so that a reader in another thread sees the old or the new figure of a group, never half.
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
def find_run(instrument: U16, wanted: int, first: int, stop: int) -> int:
    """Place of an instrument among the sorted instruments of some runs, or -1."""
    end = stop
    while first < stop:
        middle = (first + stop) >> 1
        if instrument[middle] < wanted:
            first = middle + 1
        else:
            stop = middle
    return first if first < end and instrument[first] == wanted else -1


@kernel
def shift_run(store: Store, tiers: Tiers, before: F64, after: F64, block: int, run: int, rows: Rows, seen: U8) -> None:
    """Takes a new price into the sums of one run's groups, and marks them as seen."""
    head, base, origin = store.head, store.head[block, POSITION], block * GROUPS
    instrument = store.instrument[run]
    first, stop = base + np.int64(store.start[run]), base + np.int64(store.start[run + 1])
    for j in range(first, stop):
        seen[store.member[j]] = 1
    asset, tier = tiers.asset[instrument], np.int64(tiers.start[instrument])
    old, new = before[asset], after[asset]
    if old == new:
        return
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
def shift(
    blocks: I64,
    moved: U16,
    store: Store,
    tiers: Tiers,
    before: F64,
    after: F64,
    rows: Rows,
    lines: Lines,
    named: U32,
) -> int:
    """Takes new prices of the `moved` instruments into the sums of these blocks; the touched rows to look at go into `named`.

    Returns how many; ascending from block to block, in no order within one.
    """
    seen = np.zeros(GROUPS, np.uint8)
    runs = np.empty(3 * moved.size, np.int64)
    head, count = store.head, 0
    for block in blocks:
        found = 0
        for part in (RUN, DEBT, LIABILITY):
            first, stop = head[block, part], head[block, part + 1]
            for i in range(moved.size if first < stop else 0):
                run = find_run(store.instrument, moved[i], first, stop)
                if run >= 0:
                    shift_run(store, tiers, before, after, block, run, rows, seen)
                    runs[found] = run
                    found += 1
        base = head[block, POSITION]
        for k in range(found):
            for j in range(base + store.start[runs[k]], base + store.start[runs[k] + 1]):
                if seen[store.member[j]]:
                    seen[store.member[j]] = 0
                    row = block * GROUPS + store.member[j]
                    low, high = lines.low[rows.band[row]], lines.high[rows.band[row]]
                    if crossed(rows.debt[row], rows.recognised[row], rows.owed[row], low, high, rows.blind[row]):
                        named[count] = row
                        count += 1
    return count


@kernel
def lay(
    order: I64, row: U16, instrument: U16, amount: F64, counts: I64, store: Store, position: int, run: int, base: int
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
def count_held(blocks: I64, store: Store, tiers: Tiers, held: I64) -> None:
    """Positions per asset."""
    held[:] = 0
    for block in blocks:
        for run in range(store.head[block, RUN], store.head[block, END]):
            held[tiers.asset[store.instrument[run]]] += np.int64(store.start[run + 1]) - np.int64(store.start[run])


@kernel
def holders(blocks: I64, wanted: U8, store: Store, tiers: Tiers, band: U32, named: U32) -> int:
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
def watch(rows: I64, low: F64, high: F64, done: int, band: U32, lines: Lines, slots: U32, used: I64) -> int:
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
