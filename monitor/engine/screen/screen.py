"""The fast screen: which of a million groups core must look at after prices moved. float64: it only selects.

There are two ways to the same answer: a *sweep* weighs everything from nothing, a *shift* adds the price steps of few assets
to the sums. The screen names every group within GUARD of a line. So a group that it does not name has not crossed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32
from monitor.engine.screen import kernels, look_kernels
from monitor.engine.screen.arena import each
from monitor.engine.screen.arrays import DEAD, LINES, LadderTiers, Positions
from monitor.engine.screen.bound_kernels import no_prices
from monitor.engine.screen.figures import SeatedFigures
from monitor.engine.screen.layout import BlockSide, Layout, Loans
from monitor.engine.screen.line_table import LineTable
from monitor.engine.screen.look_kernels import NO_NUMBER, RISEN, SHIFTED, TO_SHIFT, TO_SWEEP
from monitor.engine.screen.threads import AT_ONCE, Threads

SHIFT_COST = 20
"""A position costs this many times more to shift than to sweep, because the sums lie far apart in memory. Measured where both
cost the same: with one asset that a third of all groups hold, or a hundred that one group in a hundred holds."""
SHARE_FROM = 20_000
SHARE_SWEEP_FROM = 160_000
"""With this many positions to shift, and to sweep, a second thread is worth its waking, which takes 50 to 100 us."""
SHIFTS = 1000
"""A sweep is due after so many shifts, or when a price has drifted (`look_kernels.DRIFT`)."""

ALL: I64 = np.zeros(0, np.int64)
"""In place of the assets that moved, where all are asked for."""

_TYPES: dict[type[Any], Any] = {kind: np.dtype(kind) for kind in (np.float64, np.int64, np.uint8, np.uint16, np.uint32)}
NEVER_HOLDS = (math.inf, -math.inf, 0.0, 0.0)
"""A line of no ladder."""

T = TypeVar("T", bound=np.generic)
FloatLadder = Sequence[tuple[float, float]]


class FastScreen:
    """Sums and lines by row. One thread at a time may call it.

    Any thread may read `debt`, `recognised` and `blind`: each figure is of the last call or of the one before.
    """

    def __init__(self, threads: int = 2) -> None:
        self._threads = Threads(threads)
        self._layout = Layout()
        self._table = LineTable()
        self._tiers = _tiers(np.zeros(0, np.uint16), ())
        self._figures = SeatedFigures(self._layout)
        self._dirty: set[int] = set()
        self._last = no_prices(0)
        self._positions = 0
        self._alone = self._what_is_done_alone()
        """As of the last time that positions were counted: blocks that were dropped since make it less."""
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
        known = self._tiers.asset.size if are_added else 0
        parts = None if further is None else further[known:]
        added = _tiers(_plain(asset, np.uint16)[known:], ladders[known:], parts)
        self._tiers = _joined(self._tiers, added) if known else added
        if not are_added:
            self._lay_again(self._layout.blocks.tolist())

    def put_block(
        self, number: int, rows: int, collateral: BlockSide, debts: BlockSide, liabilities: BlockSide, *, kept: int = 0
    ) -> None:
        """Takes a block, new or in place of the one before, of which the first rows are `kept`: they have their lines. Until
        `watch` gives the others theirs, they are always named."""
        assert 0 < rows <= GROUPS
        self._figures.make_room(number)
        sides = _side(collateral), _side(debts), _side(liabilities)
        self._figures.begin(number, rows, kept, lambda: self._layout.put(number, rows, sides, self._tiers))
        self._dirty.add(number)

    def owe(self, number: int, debts: BlockSide, liabilities: BlockSide) -> None:
        """Takes what a block owes at another time: what `put_block` took, with other amounts."""
        self._layout.owe(number, _side(debts), _side(liabilities))
        self._dirty.add(number)

    def owe_in_full(self, number: int, loans: Loans, amount: F64) -> bool:
        """The same by loan, if a block has no liabilities and its debts are in slots. False, and nothing is done, if not."""
        assert np.isfinite(amount).all(), "an amount must be a number"
        is_done = self._layout.owe_in_full(number, each(loans, _writable), _plain(amount, np.float64))
        if is_done:
            self._dirty.add(number)
        return is_done

    def drop_block(self, number: int) -> None:
        """Forgets a block and its rows."""
        self._layout.drop(number)
        self._dirty.discard(number)
        self._figures.seats.band[number * GROUPS : (number + 1) * GROUPS] = DEAD

    def clear_row(self, row: int) -> None:
        """Never names a row again, until its block is put again."""
        self.clear_rows(np.array([row]))

    def clear_rows(self, rows: I64) -> None:
        """The same for many rows."""
        self._figures.seats.band[self._figures.place(rows)] = DEAD

    def watch(self, rows: I64, low: F64, high: F64) -> None:
        """Gives rows their lines: suspect when debt / recognised <= low or >= high. A low of -1 and a high of inf are none.

        The next call that looks at a row names it if it is beyond them: one that moves an asset of it, or all assets.
        """
        rows, low, high = _plain(rows, np.int64), _plain(low, np.float64), _plain(high, np.float64)
        assert rows.size == low.size == high.size, "two lines for each row"

        done = look_kernels.watch(self._bound(), rows, low, high, 0)
        while done < rows.size:
            assert done >= 0, "a row of no block"
            self._table.grow()
            done = look_kernels.watch(self._bound(), rows, low, high, done)

    def suspects(self, moved: Sequence[int] | None, price: F64, flag: U8) -> I64:
        """Rows at or beyond a line, ascending, among those that these assets may have moved. None stands for all assets.

        `price` and `flag` (UNTRUSTED, MISSING) are by asset. Rows of blocks that were put or owe other amounts are looked
        at in any case, and so are all rows after a flag changed. A row with an untrusted asset is named for its high line
        only, and one with a missing asset where it is beyond that line even at best.
        """
        price, flag = _plain(price, np.float64), _plain(flag, np.uint8)
        asked = ALL if moved is None else np.array(moved, np.int64)
        if self._dirty or price.size != self._last.held.size:
            self._take_stock(price.size)
        is_all = moved is None or self._shifts >= SHIFTS
        way, touched, found = self._look(price, flag, asked, is_all)
        while way == RISEN:
            self._lay_again(self._layout.rise(price, self._tiers))
            self._take_stock(price.size)
            way, touched, found = self._look(price, flag, asked, is_all)
        assert way != NO_NUMBER, "a price must be a number"
        if way in (TO_SWEEP, TO_SHIFT):
            found = self._in_shares(price, flag, touched if way == TO_SHIFT else None)
        self._shifts = self._shifts + 1 if way in (SHIFTED, TO_SHIFT) else 0
        self._dirty.clear()
        return found

    def is_of(self, price: F64, flag: U8) -> bool:
        """The sums are of these prices."""
        return np.array_equal(price, self._last.before) and np.array_equal(flag, self._last.flag)

    @property
    def prices(self) -> F64:
        """By asset, those of the last call; good until the next."""
        return self._last.before

    def is_weighed(self, number: int) -> bool:
        """The sums of a block are of what its groups hold and owe now."""
        return number not in self._dirty

    def holders(self, assets: Sequence[int]) -> I64:
        """Rows that hold or owe something of any of these assets, ascending."""
        wanted = np.zeros(int(self._tiers.asset.max(initial=0)) + 1, np.uint8)
        wanted[[a for a in assets if a < wanted.size]] = 1
        blocks = self._layout.blocks
        named = np.empty(blocks.size * GROUPS, np.uint32)
        count = kernels.holders(blocks, wanted, self._layout.store, self._figures.seats.band, named)
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
        return self._figures.debt()

    @property
    def recognised(self) -> F64:
        """USD recognised collateral by row, less liabilities."""
        return self._figures.recognised()

    @property
    def blind(self) -> U8:
        """Flags by row: those of all assets that the group holds or owes."""
        return self._figures.blind()

    def weighed(self, rows: I64) -> tuple[F64, F64, U8]:
        """USD debt, USD recognised and flags of some rows. Not for other threads."""
        found: tuple[F64, F64, U8] = look_kernels.weighed(self._bound(), _plain(rows, np.int64))
        return found

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes in use by part."""
        end = self._figures.end
        rows = {"sums": end * 16, "blind": end, "band": end * 4}
        tiers = sum(column.nbytes for column in self._tiers)
        return {**self._layout.nbytes(), **rows, "tiers": tiers, "lines": self._table.nbytes}

    def _lay_again(self, blocks: Sequence[int]) -> None:
        """Lays blocks by other ladders or higher prices."""
        for number in blocks:
            self._figures.move(number, partial(self._layout.lay_again, number, self._tiers))
            self._dirty.add(number)

    def _take_stock(self, assets: int) -> None:
        """Counts the positions per asset after blocks changed, and makes room for new assets."""
        assert self._tiers.asset.max(initial=0) < max(assets, 1), "an instrument has no price"
        if assets != self._last.held.size:
            self._last = each(self._last, lambda column: _longer(column, assets))
        kernels.count_held(self._layout.blocks, self._layout.store, self._last.held)
        self._positions = int(self._last.held.sum())
        self._alone = self._what_is_done_alone()

    def _bound(self) -> int:
        """Where the arrays are as they are now, for the thread that calls."""
        return self._threads.bind(self._layout, self._tiers, self._figures.seats, self._table, self._last)

    def _look(self, price: F64, flag: U8, asked: I64, is_all: bool) -> tuple[int, int, I64]:
        """Looks at all blocks in one call if that is the cheapest."""
        may_sweep, most_shifted, most_alone = self._alone
        if self._dirty:
            most_alone = -1
        found: tuple[int, int, I64] = look_kernels.look(
            self._bound(), price, flag, asked, is_all, may_sweep, most_shifted, most_alone
        )
        return found

    def _what_is_done_alone(self) -> tuple[bool, int, int]:
        """Whether a sweep is done in one call; for how many positions a shift pays, and how many are shifted in one call."""
        blocks, is_alone = self._layout.blocks, self._threads.are_idle_for(self._layout.blocks)
        may_sweep = blocks.size * GROUPS <= AT_ONCE and (is_alone or self._positions < SHARE_SWEEP_FROM)
        most_shifted = self._positions // SHIFT_COST if SHIFT_COST else self._positions
        return may_sweep, most_shifted, AT_ONCE if is_alone else min(SHARE_FROM - 1, AT_ONCE)

    def _in_shares(self, price: F64, flag: U8, touched: int | None) -> I64:
        """The same in shares, for other threads or for blocks that have no sums yet; `touched`: the positions to shift."""

        def sweep(address: int, some: I64, named: U32) -> int:
            return look_kernels.sweep_part(address, some, price, flag, named)

        def shift(address: int, some: I64, named: U32) -> int:
            return look_kernels.shift_part(address, some, price, moved, named)

        blocks, run = self._layout.blocks, self._threads.run
        rows = blocks.size * GROUPS
        if touched is None:
            found = run(sweep, self._parts(blocks, is_small=self._positions < SHARE_SWEEP_FROM), rows)
        else:
            moved = look_kernels.moved_assets(self._last.asked, self._layout.store.ceiling.size)
            dirty = np.array(sorted(self._dirty), np.int64)
            calm = np.setdiff1d(blocks, dirty, assume_unique=True) if dirty.size else blocks
            shifted = run(shift, self._parts(calm, is_small=touched < SHARE_FROM), touched)
            swept = run(sweep, self._parts(dirty, is_small=self._positions < SHARE_SWEEP_FROM), rows)
            found = np.unique(np.concatenate((shifted, swept)))
        look_kernels.settle(self._last, self._layout.store.ceiling, price, flag, touched is None)
        return found.astype(np.int64)

    def _parts(self, blocks: I64, *, is_small: bool) -> list[I64]:
        """Blocks in shares of equal work."""
        return [blocks] if is_small else self._threads.shares(blocks, self._layout.positions(blocks))


def _longer(column: NDArray[T], size: int) -> NDArray[T]:
    """The column, made longer with zeros."""
    longer = np.zeros(size, column.dtype)
    longer[: column.size] = column
    return longer


def _side(side: BlockSide) -> BlockSide:
    assert np.isfinite(side.amount).all(), "an amount must be a number"
    return BlockSide(_plain(side.row, np.uint16), _plain(side.instrument, np.uint32), _plain(side.amount, np.float64))


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    """Columns of a block are read-only; the kernels are compiled for those that are not."""
    return array if array.flags.carray else np.array(array)


def _plain(array: NDArray[Any], kind: type[T]) -> NDArray[T]:
    """An array like those that the kernels were compiled for: other strides or a read-only one would compile them again."""
    if type(array) is np.ndarray and array.dtype == _TYPES[kind] and array.flags.carray:
        return cast("NDArray[T]", array)
    return cast("NDArray[T]", np.require(array, kind, ("C", "W")))


def _tiers(asset: U16, ladders: Sequence[FloatLadder], further: U8 | None = None) -> LadderTiers:
    """Every ladder, closed by two tiers: nothing more counts above the last bound, and the last tier has a neighbour."""
    closed = [_closed(tuple(ladder)) for ladder in ladders]
    start = np.concatenate(([0], np.cumsum([len(each.tiers) for each in closed]))).astype(np.uint32)
    tiers = np.array(list(chain.from_iterable(each.tiers for each in closed)), np.float64).reshape(-1, 3).T.copy()
    lines = np.array([each.lines for each in closed], np.float64).reshape(-1, 2, LINES)
    falling = np.array([each.is_falling for each in closed], np.uint8)
    parts = np.zeros(asset.size, np.uint8) if further is None else _plain(further, np.uint8)
    steps = np.array([each.steps for each in closed], np.float64).ravel()
    return LadderTiers(
        asset, parts, start, tiers[0], tiers[1], tiers[2], falling, lines[:, 0].ravel(), lines[:, 1].ravel(), steps
    )


def _joined(before: LadderTiers, added: LadderTiers) -> LadderTiers:
    """The ladders of instruments that came since, behind those that were there."""
    start = np.concatenate((before.start, before.start[-1] + added.start[1:]))
    columns: Any = zip(before, added, strict=True)
    return LadderTiers(*map(np.concatenate, columns))._replace(start=start)


class _Closed(NamedTuple):
    tiers: tuple[tuple[float, float, float], ...]
    """Bound, share and offset of each."""
    lines: tuple[tuple[float, ...], tuple[float, ...]]
    """Share and offset again, the last repeated until there are LINES."""
    is_falling: bool
    """The shares never rise, and there are no more than LINES tiers."""
    steps: tuple[tuple[float, float, float, float], ...]
    """LINES of `LadderTiers.steps`."""


@lru_cache(maxsize=100_000)
def _closed(ladder: tuple[tuple[float, float], ...]) -> _Closed:
    """A ladder with its end. Kept, as many instruments come one by one while a book is filled."""
    tiers = []
    floor = 0.0
    total = 0.0
    before, offset = -1.0, 0.0
    for top, part in (*ladder, (math.inf, 0.0), (math.inf, 0.0)):
        # A tier that goes on as the one before has its very line: another rounding would count of small values.
        offset = offset if part == before else total - floor * part
        before = part
        tiers.append((top, part, offset))
        if math.isfinite(top):
            total, floor = total + (top - floor) * part, top
    last = next(k for k, (top, _, _) in enumerate(tiers) if top == math.inf)
    shares = [part for _, part, _ in tiers[: last + 1]]
    offsets = [offset for _, _, offset in tiers[: last + 1]]
    more = LINES - len(shares)
    is_falling = more >= 0 and shares == sorted(shares, reverse=True)
    padded = tuple(tuple([*column, *[column[-1]] * more][:LINES]) for column in (shares, offsets))
    floors = (-1.0, *(top for top, _, _ in tiers))
    steps = [(floor, *tier) for floor, tier in zip(floors, tiers[: last + 1], strict=False)] if more >= 0 else []
    steps += [NEVER_HOLDS] * (LINES - len(steps))
    return _Closed(tuple(tiers), (padded[0], padded[1]), is_falling, tuple(steps))
