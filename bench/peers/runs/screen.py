"""The fast screen: which of a million groups core must look at after prices moved. float64: it only selects.

There are two ways to the same answer: a *sweep* weighs everything from nothing, a *shift* adds the price steps of few assets
to the sums. The screen names every group within GUARD of a line. So a group that it does not name has not crossed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from bench.peers.runs import kernels
from bench.peers.runs.arrays import DEAD, UNWATCHED, LadderTiers, Positions, RowSums
from bench.peers.runs.layout import BlockSide, Layout
from bench.peers.runs.line_table import LineTable
from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32

SHIFT_COST = 8
"""A position costs this many times more to shift than to sweep, because the sums lie far apart in memory. Measured."""
SHARE_FROM = 20_000
SHARE_SWEEP_FROM = SHIFT_COST * SHARE_FROM
"""With this many positions to shift, and to sweep, a second thread is worth its waking, which takes 50 to 100 us."""
SHIFTS = 1000
DRIFT = 8.0
"""A sweep is due after SHIFTS shifts, or when a price is beyond a factor DRIFT of its value at the last sweep. A shift rounds
by 1e-16 of a sum that was at most DRIFT**2 times as large as it is now. 1000 shifts of 24 moved assets, each rounding three
times, add up to 5e-10 at worst, and the guard is wider."""
ROOM = 4
"""Room for the rows of this many blocks at the start. It doubles when full."""

T = TypeVar("T", bound=np.generic)
FloatLadder = Sequence[tuple[float, float]]
Part = Callable[[I64, U32], int]


class FastScreen:
    """Sums and lines by row. One thread at a time may call it.

    Any thread may read `debt`, `recognised` and `blind`: each figure is of the last call or of the one before.
    """

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(max(threads - 1, 1), thread_name_prefix="sweep")
        self._layout = Layout()
        self._table = LineTable()
        self._tiers = _tiers(np.zeros(0, np.uint16), ())
        self._rows = _rows(ROOM)
        self._dirty: set[int] = set()
        self._price = np.zeros(0)
        self._base = np.zeros(0)
        self._flag = np.zeros(0, np.uint8)
        self._held = np.zeros(0, np.int64)
        self._positions = 0
        self._shifts = SHIFTS

    def instruments(
        self, asset: U16, ladders: Sequence[FloatLadder], further: U8 | None = None, *, are_added: bool = False
    ) -> None:
        """Sets the instruments by number: the place of their asset, and their ladder of (upper bound, share).

        A ladder whose last bound is finite counts nothing above it. Shares fall (collateral) or rise from more than zero
        (liability). The next call weighs all groups from nothing, unless instruments were only added to those before.
        `further`: 1 where an instrument is a part of a coin, and not its first; None: none is.
        """
        assert len(asset) == len(ladders)
        laid = self._tiers.asset.size if self._layout.blocks.size else 0
        assert len(asset) >= laid, "instruments of blocks keep their numbers"
        self._tiers = _tiers(_plain(asset, np.uint16), ladders, further)
        if not are_added:
            self._dirty.update(self._layout.blocks.tolist())

    def put_block(
        self, number: int, rows: int, collateral: BlockSide, debts: BlockSide, liabilities: BlockSide
    ) -> None:
        """Takes a block, new or in place of the one before. Until `watch` gives its rows lines, they are always named."""
        assert 0 < rows <= GROUPS
        self._make_room(number)
        sides = _side(collateral), _side(debts), _side(liabilities)
        self._layout.put(number, rows, sides, self._tiers.asset.size)
        first, stop = number * GROUPS, number * GROUPS + rows
        self._rows.band[first : first + GROUPS] = DEAD
        self._rows.band[first:stop] = UNWATCHED
        for sums in (self._rows.debt, self._rows.recognised, self._rows.blind):
            sums[first : first + GROUPS] = 0
        self._dirty.add(number)

    def owe(self, number: int, debts: BlockSide, liabilities: BlockSide) -> None:
        """Takes what a block owes at another time: what `put_block` took, with other amounts."""
        self._layout.owe(number, _side(debts), _side(liabilities), self._tiers.asset.size)
        self._dirty.add(number)

    def drop_block(self, number: int) -> None:
        """Forgets a block and its rows."""
        self._layout.drop(number)
        self._dirty.discard(number)
        self._rows.band[number * GROUPS : (number + 1) * GROUPS] = DEAD

    def clear_row(self, row: int) -> None:
        """Never names a row again, until its block is put again."""
        self._rows.band[row] = DEAD

    def watch(self, rows: I64, low: F64, high: F64) -> None:
        """Gives rows their lines: suspect when debt / recognised <= low or >= high. A low of -1 and a high of inf are none.

        The next call that looks at a row names it if it is beyond them: one that moves an asset of it, or all assets.
        """
        rows, low, high = _plain(rows, np.int64), _plain(low, np.float64), _plain(high, np.float64)
        assert rows.size == low.size == high.size, "two lines for each row"
        assert 0 <= rows.min(initial=0) <= rows.max(initial=0) < max(self._end, 1), "a row of no block"
        self._table.watch(rows, low, high, self._rows.band)

    def suspects(self, moved: Sequence[int] | None, price: F64, flag: U8) -> I64:
        """Rows at or beyond a line, ascending, among those that these assets may have moved. None stands for all assets.

        `price` and `flag` (UNTRUSTED, MISSING) are by asset. Rows of blocks that were put or owe other amounts are looked
        at in any case, and so are all rows after a flag changed. A row with an untrusted asset is named for its high line
        only, and one with a missing asset where it is beyond that line even at best.
        """
        price, flag = _plain(price, np.float64), _plain(flag, np.uint8)
        assert np.isfinite(price).all(), "a price must be a number"
        self._take_stock(price.size)
        asked = np.zeros(price.size, np.uint8)
        asked[moved or []] = 1
        touched, is_far = self._compare(price, flag, asked)
        is_dear = touched * SHIFT_COST > self._positions
        if moved is None or is_far or is_dear or self._shifts >= SHIFTS:
            found = self._sweep(self._layout.blocks, price, flag)
            self._base, self._shifts = price.copy(), 0
        else:
            found = np.sort(np.concatenate(self._shift_and_sweep(asked, touched, price, flag)))
            self._shifts += 1
        self._dirty.clear()
        self._price, self._flag = price.copy(), flag.copy()
        return found

    def holders(self, assets: Sequence[int]) -> I64:
        """Rows that hold or owe something of any of these assets, ascending."""
        wanted = np.zeros(int(self._tiers.asset.max(initial=0)) + 1, np.uint8)
        wanted[[a for a in assets if a < wanted.size]] = 1
        blocks = self._layout.blocks
        named = np.empty(blocks.size * GROUPS, np.uint32)
        count = kernels.holders(blocks, wanted, self._layout.store, self._tiers, self._rows.band, named)
        return named[:count].astype(np.int64)

    @property
    def laid(self) -> tuple[Positions, LadderTiers]:
        """All positions and ladders; good until the next call."""
        return self._layout.store, self._tiers

    def room(self) -> Positions:
        """Memory for `copy`, made in any thread."""
        return self._layout.room()

    def copy(self, room: Positions | None = None) -> tuple[Positions, LadderTiers]:
        """All positions and ladders as they are now, for a reader in another thread; in `room` if it is large enough."""
        return self._layout.copy(room), self._tiers

    @property
    def debt(self) -> F64:
        """USD debt by row."""
        return self._rows.debt[: self._end]

    @property
    def recognised(self) -> F64:
        """USD recognised collateral by row, less liabilities."""
        return self._rows.recognised[: self._end]

    def weighed(self, rows: I64) -> tuple[F64, F64, U8]:
        """USD debt, USD recognised and flags of some rows."""
        return self.debt[rows], self.recognised[rows], self.blind[rows]

    @property
    def blind(self) -> U8:
        """Flags by row: those of all assets that the group holds or owes."""
        return self._rows.blind[: self._end]

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes in use by part."""
        rows = {name: self._end * column.itemsize for name, column in self._rows._asdict().items() if name != "owed"}
        tiers = sum(column.nbytes for column in self._tiers)
        return {**self._layout.nbytes(), **rows, "tiers": tiers, "lines": self._table.nbytes}

    @property
    def _end(self) -> int:
        blocks = self._layout.blocks
        return (int(blocks[-1]) + 1) * GROUPS if blocks.size else 0

    def _make_room(self, number: int) -> None:
        have = self._rows.debt.size // GROUPS
        if number < have:
            return
        old, self._rows = self._rows, _rows(max(2 * have, number + 1))
        columns: Any = zip(old, self._rows, strict=True)
        for before, after in columns:
            after[: before.size] = before

    def _take_stock(self, assets: int) -> None:
        """Counts the positions per asset after blocks changed, and makes room for new assets."""
        if not self._dirty and assets == self._held.size:
            return
        assert self._tiers.asset.max(initial=0) < max(assets, 1), "an instrument has no price"
        self._held = np.zeros(assets, np.int64)
        kernels.count_held(self._layout.blocks, self._layout.store, self._tiers, self._held)
        self._positions = int(self._held.sum())
        self._price, self._base = _longer(self._price, assets), _longer(self._base, assets)
        self._flag = _longer(self._flag, assets)

    def _compare(self, price: F64, flag: U8, asked: U8) -> tuple[int, bool]:
        """Marks assets that moved beside those that were asked for, and counts the positions of all of them.

        Also says whether all must be weighed from nothing: a price went far, or trust changed.
        """
        return kernels.compare(price, self._price, self._base, DRIFT, flag, self._flag, self._held, asked)

    def _sweep(self, blocks: I64, price: F64, flag: U8) -> I64:
        store, flagged = self._layout.store, bool(flag.any())

        def part(some: I64, named: U32) -> int:
            return kernels.sweep(some, store, self._tiers, price, flag, flagged, self._rows, self._table.lines, named)

        return self._run(part, blocks, is_small=self._positions < SHARE_SWEEP_FROM)

    def _shift_and_sweep(self, asked: U8, touched: int, price: F64, flag: U8) -> list[I64]:
        """Shifts what moved. Blocks that changed have no sums yet, so it sweeps them."""
        if not self._dirty:
            return [self._shift(self._layout.blocks, asked, price, touched)]
        dirty = np.array(sorted(self._dirty), np.int64)
        calm = np.setdiff1d(self._layout.blocks, dirty, assume_unique=True)
        return [self._sweep(dirty, price, flag), self._shift(calm, asked, price, touched)]

    def _shift(self, blocks: I64, asked: U8, price: F64, touched: int) -> I64:
        store, before = self._layout.store, self._price
        moved = np.flatnonzero(asked[self._tiers.asset]).astype(np.uint32)

        def part(some: I64, named: U32) -> int:
            return kernels.shift(some, moved, store, self._tiers, before, price, self._rows, self._table.lines, named)

        return self._run(part, blocks, is_small=touched < SHARE_FROM)

    def _run(self, part: Part, blocks: I64, is_small: bool) -> I64:
        """Runs a kernel over blocks, in shares of equal work. The calling thread does one of them."""
        if is_small or self._threads == 1 or blocks.size < self._threads:
            shares = [blocks]
        else:
            done = np.cumsum(self._layout.positions(blocks))
            shares = np.split(blocks, np.searchsorted(done, done[-1] * np.arange(1, self._threads) / self._threads))
        named = [np.empty(share.size * GROUPS, np.uint32) for share in shares]
        others = [self._pool.submit(part, s, n) for s, n in zip(shares[1:], named[1:], strict=True)]
        counts = [part(shares[0], named[0]), *(other.result() for other in others)]
        return np.concatenate([n[:c] for n, c in zip(named, counts, strict=True)]).astype(np.int64)


def _rows(blocks: int) -> RowSums:
    size = blocks * GROUPS
    return RowSums(np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size, np.uint8), np.zeros(size, np.uint32))


def _longer(column: NDArray[T], size: int) -> NDArray[T]:
    """The column, made longer with zeros."""
    longer = np.zeros(size, column.dtype)
    longer[: column.size] = column
    return longer


def _side(side: BlockSide) -> BlockSide:
    assert np.isfinite(side.amount).all(), "an amount must be a number"
    return BlockSide(_plain(side.row, np.uint16), _plain(side.instrument, np.uint32), _plain(side.amount, np.float64))


def _plain(array: NDArray[Any], kind: type[T]) -> NDArray[T]:
    """An array like those that the kernels were compiled for: other strides or a read-only one would compile them again."""
    return cast("NDArray[T]", np.require(array, kind, ("C", "W")))


def _tiers(asset: U16, ladders: Sequence[FloatLadder], further: U8 | None = None) -> LadderTiers:
    """Every ladder, closed by two tiers: nothing more counts above the last bound, and the last tier has a neighbour."""
    closed = [_closed(tuple(ladder)) for ladder in ladders]
    start = np.concatenate(([0], np.cumsum([len(each) for each in closed]))).astype(np.uint32)
    tiers = np.array(list(chain.from_iterable(closed)), np.float64).reshape(-1, 3).T.copy()
    parts = np.zeros(asset.size, np.uint8) if further is None else _plain(further, np.uint8)
    return LadderTiers(asset, parts, start, *tiers)


@lru_cache(maxsize=100_000)
def _closed(ladder: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float, float], ...]:
    """Bound, share and offset of each tier. Kept, as many instruments come one by one while a book is filled."""
    tiers = []
    floor = 0.0
    total = 0.0
    for top, part in (*ladder, (math.inf, 0.0), (math.inf, 0.0)):
        tiers.append((top, part, total - floor * part))
        if math.isfinite(top):
            total, floor = total + (top - floor) * part, top
    return tuple(tiers)
