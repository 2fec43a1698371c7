"""Compiles every kernel of the screen once, so that no tick waits for it: `python -m monitor.engine.warm` at set-up."""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fetching import fetched
from monitor.engine.columns.fields import F64, GROUPS, U8
from monitor.engine.columns.loan_kinds import LoanDates, find_maturing
from monitor.engine.queries import snapshot_kernels
from monitor.engine.screen import screen
from monitor.engine.screen.layout import BlockSide, Loans


def warm() -> None:
    """Takes a tiny book through every kernel. What is compiled is kept on disk beside the package."""
    fast = screen.FastScreen(threads=1)
    ladder = [(1.0, 1.0), (np.inf, 0.5)]
    fast.instruments(np.array([0, 1], np.uint16), [ladder, ladder])
    side = BlockSide(np.zeros(1, np.uint16), np.zeros(1, np.uint16), np.ones(1))
    rare = side._replace(instrument=np.ones(1, np.uint16))
    none = BlockSide(side.row[:0], side.instrument[:0], side.amount[:0])
    for number in range(screen.SHIFT_COST + 2):
        fast.put_block(number, 1, side, side, rare if number == 0 else none)
    fast.watch(np.zeros(1, np.int64), np.ones(1), np.ones(1))
    good, calm = np.zeros(2, np.uint8), np.ones(2)
    fast.suspects(None, calm, good)
    fast.owe(1, side, none)
    one = Loans(np.arange(2, dtype=np.uint32), np.zeros(1, np.uint16), np.ones(1, np.bool_), np.zeros(2, np.uint32))
    fast.owe_in_full(1, one, np.ones(1))
    fast.debt, fast.blind  # noqa: B018  reading compiles too
    fast.weighed(np.zeros(1, np.int64))
    fast.suspects([1], np.array([1.0, 1.1]), good)
    fast.holders([1])
    fast.suspects([1], np.array([1.0, 2.0]), good)
    fast.suspects([1], np.array([1.0, 0.1]), good)
    fast.instruments(np.array([0, 1], np.uint16), [ladder, ladder])
    _warm_snapshot(fast, calm, good)
    nothing = np.zeros(0, np.int64)
    find_maturing(LoanDates(nothing, nothing, nothing), nothing, nothing, np.zeros(0, np.bool_), 0)
    for kind in ("u1", "u2", "u4", "u8"):
        fetched(nothing, np.dtype(kind))


def _warm_snapshot(fast: screen.FastScreen, price: F64, flag: U8) -> None:
    (store, tiers), blocks = fast.copy(), np.zeros(1, np.int64)
    weighed = snapshot_kernels.Weighed.zeros(GROUPS)
    snapshot_kernels.weigh_book(blocks, store, tiers, price, flag, weighed)
    wanted, distance, debt = weighed.blind, weighed.recognised, weighed.debt
    snapshot_kernels.by_asset(blocks, store, tiers, price, wanted, distance, debt, np.zeros((2, 8)))
    snapshot_kernels.of_asset(blocks, store, tiers, price, 0, distance, debt)


if __name__ == "__main__":
    warm()
    print("The kernels of the screen are compiled.")
