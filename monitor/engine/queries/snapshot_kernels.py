"""The compiled loops of a snapshot: sums of a copied book at any prices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.engine.columns.fields import F64, GROUPS, I64, U8
from monitor.engine.screen.arrays import DEBT, END, POSITION, RUN, LadderTiers, Positions, kernel
from monitor.engine.screen.kernels import add_value, mark_block, weigh_block


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
def weigh_book(blocks: I64, store: Positions, tiers: LadderTiers, price: F64, flag: U8, into: Weighed) -> None:
    """Weighs blocks at these prices."""
    debt, recognised, liable = into.debt, into.recognised, into.liable
    for k in range(blocks.size):
        block, first = blocks[k], k * GROUPS
        stop = first + GROUPS
        liable[first:stop] = 0.0
        weigh_block(store, tiers, price, block, debt[first:stop], recognised[first:stop], liable[first:stop])
        for i in range(first, stop):
            recognised[i] -= liable[i]
        mark_block(store, tiers, flag, block, into.blind[first:stop])
        market, base = into.market[first:stop], store.head[block, POSITION]
        market[:] = 0.0
        for run in range(store.head[block, RUN], store.head[block, DEBT]):
            usd = price[tiers.asset[store.instrument[run]]]
            add_value(market, store.amount, store.member, base + store.start[run], base + store.start[run + 1], usd)


@kernel
def by_asset(
    blocks: I64, store: Positions, tiers: LadderTiers, price: F64, wanted: U8, distance: F64, debt: F64, sums: F64
) -> None:
    """Adds up by asset, over the wanted rows (numbered as in `snapshot`), into `sums` [assets, 8]: groups that hold it, owed
    USD, recognised USD, market USD, quantity, least distance, distance times debt, debt of the groups that hold it."""
    for k in range(blocks.size):
        block, first = blocks[k], k * GROUPS
        base = store.head[block, POSITION]
        for run in range(store.head[block, RUN], store.head[block, END]):
            instrument = store.instrument[run]
            asset = tiers.asset[instrument]
            usd, into = price[asset], sums[asset]
            is_debt = run >= store.head[block, DEBT]
            is_further = tiers.further[instrument] != 0
            tier = np.int64(tiers.start[instrument])
            for j in range(base + store.start[run], base + store.start[run + 1]):
                row = first + store.member[j]
                value = store.amount[j] * usd
                if is_debt:
                    if wanted[row]:
                        into[1] += value
                    continue
                while value > tiers.bound[tier]:
                    tier += 1
                if wanted[row]:
                    into[2] += tiers.offset[tier] + tiers.share[tier] * value
                    into[3] += value
                    into[4] += store.amount[j]
                if wanted[row] and not is_further:
                    into[0] += 1
                    into[5] = min(into[5], distance[row])
                    into[6] += distance[row] * debt[row]
                    into[7] += debt[row]


@kernel
def of_asset(blocks: I64, store: Positions, tiers: LadderTiers, price: F64, asset: int, held: F64, owed: F64) -> None:
    """By row (numbered as in `snapshot`) the USD value that it holds and that it owes of one asset."""
    held[:] = 0.0
    owed[:] = 0.0
    for k in range(blocks.size):
        block, first = blocks[k], k * GROUPS
        base = store.head[block, POSITION]
        for run in range(store.head[block, RUN], store.head[block, END]):
            if tiers.asset[store.instrument[run]] == asset:
                into = (held if run < store.head[block, DEBT] else owed)[first : first + GROUPS]
                begin, stop = base + store.start[run], base + store.start[run + 1]
                add_value(into, store.amount, store.member, begin, stop, price[asset])
