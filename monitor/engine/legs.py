"""What a block's groups hold and owe, as the screen adds it up: legs of (group, instrument, amount)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from monitor.core.product import Ladder, Version
from monitor.engine.block import Block
from monitor.engine.columns import F64, IRREGULAR, U16, Bools
from monitor.engine.layout import Leg
from monitor.engine.names import Names
from monitor.engine.screen import FastScreen

_NONE = 0xFFFF
"""No instrument: a coin that the product's ladders do not list."""
_OWED = -1
"""In place of the product of an instrument that is owed: a debt counts in full, whatever the product."""
Lines = tuple[tuple[float, float], ...]


class Instruments:
    """Numbers for (product, coin) pairs, each with the ladder in force. A number is never given twice."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._numbers: dict[tuple[int, int], int] = {}
        self._ladders: list[Lines] = []
        self._assets: list[int] = []
        self._table: U16 = np.full((0, 0), _NONE, np.uint16)
        """[products, assets] The instrument that a holding is; _NONE where it counts nothing."""
        self._listed: frozenset[tuple[int, int]] = frozenset()
        self._is_given = False
        self.none = Leg(np.zeros(0, np.uint16), np.zeros(0, np.uint16), np.zeros(0))

    def take(self, versions: Mapping[int, Version]) -> bool:
        """The ladders in force, by place of the product. True where other coins count than before."""
        ladders = {
            (product, self._names.assets.place(asset)): _lines(ladder)
            for product, version in versions.items()
            for asset, ladder in version.ladders.items()
        }
        for key, lines in ladders.items():
            self._ladders[self._number(key)] = lines
        before, self._listed = self._listed, frozenset(ladders)
        self._is_given = False
        self._table = np.full((0, 0), _NONE, np.uint16)
        return self._listed != before

    def give(self, screen: FastScreen) -> None:
        """Hands the ladders to a screen that does not have them all."""
        if not self._is_given:
            screen.instruments(np.array(self._assets, np.uint16), self._ladders)
            self._is_given = True

    def collateral(self, block: Block, alive: Bools) -> tuple[Leg, frozenset[str]]:
        """What the living groups hold that counts, and in which coins."""
        c = block.columns
        group = block.position_rows()
        instrument = self._of_holdings()[c.product[group], c.asset]
        counts = (instrument != _NONE) & alive[group]
        leg = Leg(group[counts].astype(np.uint16), instrument[counts], block.quantities()[counts])
        return leg, self._coins(c.asset[counts])

    def debts(self, block: Block, owed: F64, owing: Bools) -> tuple[Leg, frozenset[str]]:
        """What the groups owe, and in which coins. `owed` [l] amounts, `owing` [l] which of them count."""
        c = block.columns
        distinct = np.unique(c.loan_asset)
        numbers = np.zeros(int(distinct.max(initial=0)) + 1, np.uint16)
        numbers[distinct] = [self._number((_OWED, asset)) for asset in distinct.tolist()]
        leg = Leg(block.loan_rows()[owing].astype(np.uint16), numbers[c.loan_asset[owing]], owed[owing])
        return leg, self._coins(c.loan_asset[owing])

    def examples(self, block: Block) -> Iterable[int]:
        """Places of groups such that rules which fit these fit all of the block."""
        c = block.columns
        loans = c.product[block.loan_rows()].astype(np.int64) << 16 | c.loan_asset
        terms, inverse = np.unique(c.terms, return_inverse=True)
        flexible = np.array([self._names.terms[t].rate.daily is None for t in terms.tolist()], bool)
        chosen = np.flatnonzero(flexible[inverse]) if len(loans) else np.zeros(0, np.int64)
        _, first = np.unique(loans[chosen], return_index=True)
        by_loan = block.loan_rows()[chosen[first]].tolist()
        _, by_product = np.unique(c.product, return_index=True)
        return {*by_loan, *by_product.tolist(), *np.flatnonzero(c.flags & IRREGULAR).tolist()}

    def _number(self, key: tuple[int, int]) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._ladders)
            self._ladders.append(())
            self._assets.append(key[1])
            self._is_given = False
        return number

    def _of_holdings(self) -> U16:
        shape = len(self._names.products), len(self._names.assets)
        if self._table.shape != shape:
            self._table = np.full(shape, _NONE, np.uint16)
            for product, asset in self._listed:
                self._table[product, asset] = self._numbers[product, asset]
        return self._table

    def _coins(self, places: U16) -> frozenset[str]:
        return frozenset(self._names.assets[p] for p in np.unique(places).tolist())


def _lines(ladder: Ladder) -> Lines:
    return tuple((math.inf if bound is None else float(bound), float(share)) for bound, share in ladder)
