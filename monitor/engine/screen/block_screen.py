"""The fast screen, told in the words of blocks and boards: what groups hold and owe, between which LTVs they are calm."""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal

import numpy as np

from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import F64, GROUPS, I64, U8, Bools
from monitor.engine.columns.floats import cents
from monitor.engine.columns.names import Names
from monitor.engine.screen.arrays import MISSING, LadderTiers, Positions
from monitor.engine.screen.exposures import Instruments
from monitor.engine.screen.screen import FastScreen

Living = Callable[[int], tuple[Block, Bools]]
"""A block by its number, and which of its groups are there."""


class BlockScreen:
    """Hands blocks to a FastScreen, which is `fast`. `owed` [l] is what each loan of a block owes now."""

    def __init__(self, names: Names, agreements: Agreements) -> None:
        self.fast = FastScreen()
        self._instruments = Instruments(names)
        self._instruments.take(agreements)
        self._board_prices = BoardPrices(names)
        self._flags: U8 = np.zeros(0, np.uint8)
        self._coins: dict[int, frozenset[str]] = {}
        """By block: what its groups hold and owe; of a block in `_thinned` also what groups did that are dead now."""
        self._thinned: set[int] = set()
        """Blocks that have lost groups since their coins were looked up."""
        self._room: Positions | None = None
        self._lines_due: dict[int, tuple[float, float]] = {}
        """By row: lines that the screen is told with the next prices. One by one would cost more than the decision."""

    # -- blocks --

    def take_versions(self, agreements: Agreements) -> bool:
        """The ladders in force. True where other coins count than before: put all blocks again."""
        return self._instruments.take(agreements)

    def put(self, number: int, block: Block, alive: Bools, owed: F64, kept: int = 0) -> None:
        """Takes a block, new or in place of the one before. Its groups have no lines until `watch`, but those of the one
        before, the first `kept`."""
        collateral, held = self._instruments.collateral(block, alive)
        # Loans of dead groups are included, so that they are the same loans at any time.
        debts = self._instruments.owed(block, owed, block.is_owed())
        self._instruments.give(self.fast)
        self.fast.put_block(number, len(block), collateral, debts.debts, debts.liabilities, kept=kept)
        self.fast.clear_rows(number * GROUPS + np.flatnonzero(~alive))
        self._coins[number] = held | debts.coins
        self._thinned.discard(number)
        if not alive.all():
            self._thinned.add(number)

    def lay(self, number: int, block: Block, owed: F64) -> frozenset[str]:
        """Takes a block that nobody is to see yet, and names none of its rows. Returns the coins that `show` is told."""
        self.put(number, block, np.ones(len(block), np.bool_), owed)
        self.fast.clear_rows(number * GROUPS + np.arange(len(block)))
        return self._coins.pop(number)

    def show(self, number: int, coins: frozenset[str]) -> None:
        """A block that was laid is there from now on. Its groups have no lines until `watch`."""
        self._coins[number] = coins

    def owe(self, number: int, block: Block, owed: F64) -> None:
        """Takes what the groups of a block owe at another time."""
        loans = self._instruments.loans(block)
        self._instruments.give(self.fast)
        if loans is not None and self.fast.owe_in_full(number, loans, owed):
            return
        debts = self._instruments.owed(block, owed, block.is_owed())
        self.fast.owe(number, debts.debts, debts.liabilities)

    def drop_block(self, number: int) -> None:
        """Forgets a block."""
        self.fast.drop_block(number)
        self._coins.pop(number, None)
        self._thinned.discard(number)
        for row in [row for row in self._lines_due if row // GROUPS == number]:
            del self._lines_due[row]

    def drop_row(self, row: int) -> None:
        """Never names a row again."""
        self.fast.clear_row(row)
        self._lines_due.pop(row, None)
        self._thinned.add(row // GROUPS)

    # -- lines --

    def watch(self, rows: I64, low: F64, high: F64) -> None:
        """Gives rows the LTVs between which nothing is to be decided."""
        self._tell_lines()  # older ones must not come after these
        self.fast.watch(rows, low, high)

    def watch_soon(self, row: int, lines: tuple[float, float]) -> None:
        """The same for one row, in time for the next prices."""
        self._lines_due[row] = lines

    def _tell_lines(self) -> None:
        if self._lines_due:
            rows = np.fromiter(self._lines_due, np.int64, len(self._lines_due))
            low, high = np.array(list(self._lines_due.values())).T.copy()
            self._lines_due.clear()
            self.fast.watch(rows, low, high)

    # -- answers --

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> tuple[list[int], bool]:
        """Rows at or beyond a line, and whether trust in some price changed. No change stands for all prices."""
        self._tell_lines()
        moved = None if change is None else self._board_prices.places(change.moved)
        before = self._flags
        price, self._flags = self._board_prices.prices(board)
        rows = self.fast.suspects(moved, price, self._flags).tolist()
        return rows, not np.array_equal(before, self._flags)

    def is_of(self, board: PriceBoard) -> bool:
        """The sums are of the prices that are in force."""
        return self.fast.is_of(*self._board_prices.prices(board))

    def holders(self, assets: Collection[str]) -> I64:
        """Rows that hold or owe any of these assets."""
        return self.fast.holders(self._board_prices.places(assets))

    def coins_of(self, number: int, living: Living) -> frozenset[str]:
        """Whose price decides about some group of a block."""
        if number in self._thinned:
            block, alive = living(number)
            owing = block.is_owed() & alive[block.loan_rows()]
            _, held = self._instruments.collateral(block, alive)
            self._coins[number] = held | self._instruments.coins(block.columns.loan_asset[owing])
            self._thinned.discard(number)
        return self._coins[number]

    def named_coins(self) -> frozenset[str]:
        """As `coins`, and perhaps coins that only dead groups held.

        Any thread may ask. Raises RuntimeError where blocks come or go meanwhile.
        """
        return frozenset().union(*self._coins.values())

    def coins(self, living: Living) -> frozenset[str]:
        """Whose price decides about some group. Blocks that lost groups are looked up until all coins are found."""
        sure: frozenset[str] = frozenset().union(*(c for n, c in self._coins.items() if n not in self._thinned))
        for number in sorted(self._thinned):
            if not self._coins[number] <= sure:
                sure |= self.coins_of(number, living)
        return sure

    def prepare_copy(self) -> None:
        """Takes memory for the next copy. Any thread may call it."""
        self._room = self.fast.room()

    def copy(self) -> tuple[Positions, LadderTiers]:
        """All positions and ladders as they are now, for a reader in another thread."""
        room, self._room = self._room, None
        return self.fast.copy(room)

    def debt_of(self, rows: I64) -> Decimal:
        """USD debt of these rows as of the last prices, up to the cent; a row with a missing price counts nothing."""
        debt, _, blind = self.fast.weighed(rows)
        return cents(float(debt[blind & MISSING == 0].sum()))

    def recognised_of(self, rows: I64) -> Decimal:
        """The same for USD recognised collateral."""
        _, recognised, blind = self.fast.weighed(rows)
        return cents(float(recognised[blind & MISSING == 0].sum()))

    def most_owing(self, rows: I64, number: int) -> list[int]:
        """The `number` of these rows that owe most, the largest debt first."""
        owed = -self.fast.weighed(rows)[0]
        most = np.argpartition(owed, number)[:number] if len(rows) > number else np.arange(len(rows))
        found: list[int] = rows[most[np.argsort(owed[most], kind="stable")]].tolist()
        return found


class BoardPrices:
    """The prices of a board in the places of the columns' coins.

    It remembers where each coin stands on the board, because a coin keeps its place there.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._on_board: I64 = np.zeros(0, np.int64)
        """[assets] Places on the price board; -1 for an asset that it does not know."""

    def places(self, assets: Collection[str]) -> list[int]:
        """The places of these assets; assets that no column has are left out."""
        return [p for asset in assets if (p := self._names.assets.find(asset)) is not None]

    def prices(self, board: PriceBoard) -> tuple[F64, U8]:
        """[assets] USD prices and flags (UNTRUSTED, MISSING). An asset that the board does not know is zero and missing."""
        known, assets = len(self._on_board), self._names.assets
        for place in [*np.flatnonzero(self._on_board < 0).tolist(), *range(known, len(assets))]:
            found = board.index.get(assets[place], -1)
            if place < len(self._on_board):
                self._on_board[place] = found
            else:
                self._on_board = np.append(self._on_board, found)
        is_known = self._on_board >= 0
        price = np.zeros(len(is_known))
        flag = np.full(len(is_known), MISSING, np.uint8)
        price[is_known] = np.array(board.floats)[self._on_board[is_known]]
        flag[is_known] = np.array(board.flags, np.uint8)[self._on_board[is_known]]
        return price, flag
