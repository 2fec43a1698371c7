"""The prices of a board in the places of the columns' coins."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from monitor.core.prices.board import PriceBoard
from monitor.engine.columns.fields import F64, I64, U8
from monitor.engine.columns.names import Names
from monitor.engine.screen.arrays import MISSING


class BoardPrices:
    """Remembers where each coin stands on the board, because a coin keeps its place there."""

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
