"""The compiled loops of a snapshot: sums of a copied book at any prices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8
from monitor.engine.compiled import kernel
from monitor.engine.screen.arrays import (
    FAR,
    FARS,
    HELD,
    LANES,
    LINES,
    MISSING,
    POSITION,
    ROWS,
    RUN,
    RUNS,
    SLICES,
    UNTRUSTED,
    LadderTiers,
    Positions,
)
from monitor.engine.screen.bound_kernels import MOST_RUNS
from monitor.engine.screen.kernels import counted, price_runs, weigh_far, weigh_slices


class Weighed(NamedTuple):
    """All rows at some prices. Those of the k-th block begin at k * GROUPS."""

    debt: F64
    recognised: F64
    market: F64
    """The collateral without its ladders."""
    liable: F64
    """The value of liabilities, which is taken off `recognised`. Zero where loans are debts."""
    blind: U8

    @staticmethod
    def zeros(rows: int) -> Weighed:
        """Room for the rows, before they are weighed."""
        return Weighed(np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows, np.uint8))

    @property
    def owed(self) -> F64:
        """What it takes to repay. A group with liabilities has as debt what they require, so here they count themselves."""
        return np.where(self.liable > 0, self.liable, self.debt)

    @property
    def sums(self) -> tuple[F64, F64, F64]:
        """In the order of core.groups.snapshot.Sums."""
        return self.owed, self.recognised, self.market

    def of(self, rows: slice) -> Weighed:
        """Some rows."""
        sums = (self.debt[rows], self.recognised[rows], self.market[rows], self.liable[rows])
        return Weighed(*sums, self.blind[rows])


@kernel
def add_risen(store: Positions, tiers: LadderTiers, price: F64, block: int, unit: F64, recognised: F64) -> None:
    """Adds the collateral of coins that are above their ceiling at these prices, so that a slot says nothing of the tier.

    Their runs are then worth nothing in `unit`.
    """
    first, has_risen = store.head[block, RUN], False
    risen = np.zeros(store.head[block, RUNS], np.uint8)
    for run in range(risen.size):
        asset = store.runs.asset[first + run]
        if run and store.runs.kind[first + run] == HELD and price[asset] > store.ceiling[asset]:
            risen[run], unit[run], has_risen = 1, 0.0, True
    if not has_risen:
        return
    for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
        n = block * SLICES + s
        begin = store.head[block, POSITION] + np.int64(store.slices.first[n])
        for k in range(LANES * np.int64(store.slices.held[n])):
            place = first + np.int64(store.slots.run[begin + k])
            if risen[place - first]:
                value = store.slots.amount[begin + k] * price[store.runs.asset[place]]
                recognised[s * LANES + k % LANES] += counted(tiers, store.runs.instrument[place], value)


@kernel
def weigh_market(
    store: Positions, tiers: LadderTiers, price: F64, block: int, unit: F64, market: F64, aside: F64
) -> None:
    """Adds up the collateral by seat without its ladders. `aside` takes what is not asked for."""
    first, far = store.head[block, RUN], store.far
    for run in range(store.head[block, RUNS]):
        is_held = run and store.runs.kind[first + run] == HELD
        unit[run] = price[store.runs.asset[first + run]] if is_held else 0.0
    weigh_slices(store, unit, block, aside, market)
    for j in range(store.head[block, FAR], store.head[block, FAR] + store.head[block, FARS]):
        if far.kind[j] == HELD:
            market[far.seat[j]] += far.amount[j] * price[tiers.asset[far.line[j] // LINES]]


@kernel
def mark_seats(
    store: Positions, tiers: LadderTiers, flag: U8, bit: int, block: int, unit: F64, sums: F64, blind: U8
) -> None:
    """Adds a bit to the flags of the seats that hold or owe something of an asset that has it."""
    first, far = store.head[block, RUN], store.far
    sums[:] = 0.0
    for run in range(store.head[block, RUNS]):
        unit[run] = 1.0 if run and flag[store.runs.asset[first + run]] & bit else 0.0
    weigh_slices(store, unit, block, sums, sums)
    for j in range(store.head[block, FAR], store.head[block, FAR] + store.head[block, FARS]):
        if flag[tiers.asset[far.line[j] // LINES]] & bit:
            sums[far.seat[j]] += far.amount[j]
    for seat in range(sums.size):
        if sums[seat] > 0.0:
            blind[seat] |= bit


@kernel
def weigh_book(blocks: I64, store: Positions, tiers: LadderTiers, price: F64, flag: U8, into: Weighed) -> None:
    """Weighs blocks at these prices."""
    unit, blind = np.empty(MOST_RUNS), np.zeros(GROUPS, np.uint8)
    sums = np.empty((5, GROUPS))
    debt, recognised, market, liable, aside = sums[0], sums[1], sums[2], sums[3], sums[4]
    bits = 0
    for asset in range(flag.size):
        bits |= flag[asset]
    for k in range(blocks.size):
        block, first = blocks[k], k * GROUPS
        sums[:] = 0.0
        blind[:] = 0
        price_runs(store, price, block, unit)
        weigh_far(store, tiers, price, block, debt, recognised, liable)
        add_risen(store, tiers, price, block, unit, recognised)
        weigh_slices(store, unit, block, debt, recognised)
        weigh_market(store, tiers, price, block, unit, market, aside)
        for bit in (UNTRUSTED, MISSING):
            if bits & bit:
                mark_seats(store, tiers, flag, bit, block, unit, aside, blind)
        for i in range(store.head[block, ROWS]):
            seat = store.seats.of_row[block * GROUPS + i]
            into.debt[first + i], into.liable[first + i] = debt[seat], liable[seat]
            into.recognised[first + i] = recognised[seat] - liable[seat]
            into.market[first + i], into.blind[first + i] = market[seat], blind[seat]


@kernel
def add_position(
    sums: F64,
    tiers: LadderTiers,
    instrument: int,
    kind: int,
    amount: float,
    usd: float,
    row: np.int64,
    distance: F64,
    debt: F64,
) -> None:
    """Adds one position to the sums of its asset."""
    value = amount * usd
    if kind != HELD:
        sums[1] += value
        return
    sums[2] += counted(tiers, instrument, value)
    sums[3] += value
    sums[4] += amount
    if not tiers.further[instrument]:
        sums[0] += 1
        sums[5] = min(sums[5], distance[row])
        sums[6] += distance[row] * debt[row]
        sums[7] += debt[row]


@kernel
def by_asset(
    blocks: I64, store: Positions, tiers: LadderTiers, price: F64, wanted: U8, distance: F64, debt: F64, sums: F64
) -> None:
    """Adds up by asset, over the wanted rows (numbered as in `snapshot`), into `sums` [assets, 8]: groups that hold it, owed
    USD, recognised USD, market USD, quantity, least distance, distance times debt, debt of the groups that hold it."""
    runs, far = store.runs, store.far
    for k in range(blocks.size):
        block, first = blocks[k], k * GROUPS
        for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
            n = block * SLICES + s
            begin = store.head[block, POSITION] + np.int64(store.slices.first[n])
            for j in range(LANES * (np.int64(store.slices.held[n]) + np.int64(store.slices.owed[n]))):
                row = first + np.int64(store.seats.row[block * GROUPS + s * LANES + j % LANES])
                if store.slots.run[begin + j] and wanted[row]:
                    run = store.head[block, RUN] + np.int64(store.slots.run[begin + j])
                    asset, amount = runs.asset[run], store.slots.amount[begin + j]
                    i, kind = runs.instrument[run], runs.kind[run]
                    add_position(sums[asset], tiers, i, kind, amount, price[asset], row, distance, debt)
        for j in range(store.head[block, FAR], store.head[block, FAR] + store.head[block, FARS]):
            row = first + np.int64(store.seats.row[block * GROUPS + far.seat[j]])
            if wanted[row]:
                i = far.line[j] // LINES
                asset = tiers.asset[i]
                add_position(sums[asset], tiers, i, far.kind[j], far.amount[j], price[asset], row, distance, debt)


@kernel
def of_asset(blocks: I64, store: Positions, tiers: LadderTiers, price: F64, asset: int, held: F64, owed: F64) -> None:
    """By row (numbered as in `snapshot`) the USD value that it holds and that it owes of one asset."""
    held[:] = 0.0
    owed[:] = 0.0
    runs, far = store.runs, store.far
    for k in range(blocks.size):
        block, first = blocks[k], k * GROUPS
        for s in range((store.head[block, ROWS] + LANES - 1) // LANES):
            n = block * SLICES + s
            begin = store.head[block, POSITION] + np.int64(store.slices.first[n])
            for j in range(LANES * (np.int64(store.slices.held[n]) + np.int64(store.slices.owed[n]))):
                run = store.head[block, RUN] + np.int64(store.slots.run[begin + j])
                if store.slots.run[begin + j] and runs.asset[run] == asset:
                    row = first + np.int64(store.seats.row[block * GROUPS + s * LANES + j % LANES])
                    (held if runs.kind[run] == HELD else owed)[row] += store.slots.amount[begin + j] * price[asset]
        for j in range(store.head[block, FAR], store.head[block, FAR] + store.head[block, FARS]):
            if tiers.asset[far.line[j] // LINES] == asset:
                row = first + np.int64(store.seats.row[block * GROUPS + far.seat[j]])
                (held if far.kind[j] == HELD else owed)[row] += far.amount[j] * price[asset]
