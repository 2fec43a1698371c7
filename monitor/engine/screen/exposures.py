"""What the groups of a block hold and owe, as the screen adds it up: (group, instrument, amount)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from monitor.core.money import ZERO
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import Ladder
from monitor.engine.columns.agreements import FIRST, Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import DELAYED, F64, I64, U16, U32, Bools
from monitor.engine.columns.names import Names
from monitor.engine.screen.layout import BlockSide, Loans
from monitor.engine.screen.screen import FastScreen, FloatLadder

_NONE = 0xFFFFFFFF
"""No instrument: a coin that counts nothing."""
_HELD, _OWED, _LIABLE, _FURTHER = range(4)
"""Kinds of instruments. A debt is the same in every product, so its product is 0. A coin with tiers by its amount is one
instrument a tier, each of which counts one share whatever the price: the first as _HELD, the others from _FURTHER on."""
_ANY = -1
"""In place of a coin: the product also counts coins that it does not list."""
_Key = tuple[int, int, int]
"""Kind, place of the product or of one by other terms (Agreements), place of the coin."""


class OwedSides(NamedTuple):
    """What the groups of a block owe, and in which coins."""

    debts: BlockSide
    liabilities: BlockSide
    coins: frozenset[str]


class AmountTiers(NamedTuple):
    """Where an amount of a coin goes over from one instrument to the next."""

    bounds: tuple[float, ...]
    """The last is infinite."""
    instruments: tuple[int, ...]

    def parts(self, amount: F64) -> Iterator[tuple[int, F64]]:
        """For each instrument the part of each amount that is its own."""
        floor = 0.0
        for bound, instrument in zip(self.bounds, self.instruments, strict=True):
            yield instrument, np.clip(amount, floor, bound) - floor
            floor = bound


class Instruments:
    """Numbers pairs of a product and a coin, and keeps the ladder in force of each. No number is given twice."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._numbers: dict[_Key, int] = {}
        self._ladders: list[FloatLadder] = []
        self._assets: list[int] = []
        self._further: list[bool] = []
        """The instrument is a part of a coin, and not its first."""
        self._by_amount: dict[int, AmountTiers] = {}
        """By the first instrument of the coin."""
        self._table: U32 = np.full((0, 0), _NONE, np.uint32)
        """[products, assets] The instrument of a holding; _NONE if it counts nothing, or has not come yet."""
        self._listed: frozenset[_Key] = frozenset()
        self._unlisted: dict[int, FloatLadder] = {}
        """By product: the ladder of all coins that it does not list."""
        self._liable: frozenset[int] = frozenset()
        """Products whose loans are liabilities."""
        self._debts: U32 = np.zeros(0, np.uint32)
        self._debts_of = 0
        """How many instruments there were when `_debts` was made."""
        self._is_given = False
        self._are_others = True
        """Ladders that were given before are others now."""
        self._by_terms: dict[_Key, int | None] = {}
        """Instruments of holdings under other terms, numbered when they are met; None for a coin that counts nothing."""

    def take(self, agreements: Agreements) -> bool:
        """Takes the versions in force. True if other coins count than before."""
        self._agreements = agreements
        given = [*self._ladders]
        place, versions = self._names.assets.place, agreements.versions
        ladders: dict[_Key, Ladder] = {}
        for product, version in versions.items():
            ladders |= {(_HELD, product, place(asset)): ladder for asset, ladder in version.ladders.items()}
            tiers = version.liability_tiers or {}
            ladders |= {(_LIABLE, product, place(asset)): t.maintenance for asset, t in tiers.items()}
        self._unlisted = {p: _floats(v.unlisted) for p, v in versions.items() if v.unlisted is not None}
        self._liable = frozenset(p for p, v in versions.items() if v.liability_tiers is not None)
        for key, number in self._numbers.items():
            if key[0] == _HELD and key[1] in self._unlisted:
                self._ladders[number] = self._unlisted[key[1]]
        split, self._by_amount = self._by_amount, {}
        for key, ladder in ladders.items():
            self._state(key, ladder)
        whole = {(_HELD, p, _ANY) for p in self._unlisted} | {(_LIABLE, p, _ANY) for p in self._liable}
        before, self._listed = self._listed, frozenset(ladders) | whole
        for key in [*self._numbers]:
            if key[1] >= FIRST and key[0] == _HELD:
                self._state(key, self._ladder_by_terms(key) or ())
        self._by_terms = {}
        if self._ladders != given:
            self._is_given = False
            self._are_others |= self._ladders[: len(given)] != given
        self._table = np.full((0, 0), _NONE, np.uint32)
        return self._listed != before or self._by_amount != split

    def give(self, screen: FastScreen) -> None:
        """Hands the ladders to the screen, unless it has them all."""
        if not self._is_given:
            assets = np.array(self._assets, np.uint16)
            further = np.array(self._further, np.uint8)
            screen.instruments(assets, self._ladders, further, are_added=not self._are_others)
            self._is_given = True
            self._are_others = False

    def collateral(self, block: Block, alive: Bools) -> tuple[BlockSide, frozenset[str]]:
        """What the living groups hold that counts, and in which coins."""
        c = block.columns
        group = block.position_rows()
        instrument = self._held(block, group)
        counts = (instrument != _NONE) & alive[group]
        side = BlockSide(group[counts].astype(np.uint16), instrument[counts], block.quantities()[counts])
        return self._in_parts(side) if self._by_amount else side, self.coins(c.asset[counts])

    def _in_parts(self, side: BlockSide) -> BlockSide:
        """With each coin that has tiers by its amount as one position a tier that the amount reaches."""
        split = [number for number in np.unique(side.instrument).tolist() if number in self._by_amount]
        if not split:
            return side
        whole = ~np.isin(side.instrument, split)
        sides = [BlockSide(side.row[whole], side.instrument[whole], side.amount[whole])]
        for number in split:
            mine = np.flatnonzero(side.instrument == number)
            for instrument, part in self._by_amount[number].parts(side.amount[mine]):
                has = part > 0 if instrument != number else np.full(len(mine), True)
                found = np.full(int(has.sum()), instrument, np.uint32)
                sides.append(BlockSide(side.row[mine][has], found, part[has]))
        return BlockSide(*(np.concatenate(parts) for parts in zip(*sides, strict=True)))

    def _held(self, block: Block, group: I64) -> U32:
        """[p] The instrument of each position, whose row is `group` [p]; _NONE where it counts nothing."""
        c, under = block.columns, self._agreements.under(block)
        ladders = under.mapped(self._agreements.ladders_at) if under.places else under.of
        by_terms = (ladders >= FIRST)[group]
        plain = np.flatnonzero(~by_terms)
        product, asset = c.product[group[plain]], c.asset[plain]
        self._meet(product, asset)
        found = np.full(len(group), _NONE, np.uint32)
        found[plain] = self._of_holdings()[product, asset]
        others = np.flatnonzero(by_terms)
        pairs, which = np.unique(ladders[group[others]] << 16 | c.asset[others], return_inverse=True)
        numbers = [self._number_by_terms((_HELD, pair >> 16, pair & 0xFFFF)) for pair in pairs.tolist()]
        found[others] = np.array([_NONE if n is None else n for n in numbers], np.uint32)[which]
        return found

    def _number_by_terms(self, key: _Key) -> int | None:
        if key not in self._by_terms:
            ladder = self._ladder_by_terms(key)
            number = None if ladder is None else self._number(key)
            if ladder is not None:
                self._state(key, ladder)
            self._by_terms[key] = number
        return self._by_terms[key]

    def _state(self, key: _Key, ladder: Ladder) -> None:
        """The ladder of an instrument; of tiers by amount that of each."""
        if type(ladder) is not ByAmount:
            self._ladders[self._number(key)] = _floats(ladder)
            return
        tiers = ladder.tiers if ladder[-1][0] is None else (*ladder, (None, ZERO))
        numbers = [self._number((_FURTHER + k - 1 if k else key[0], *key[1:])) for k in range(len(tiers))]
        for number, (_, share) in zip(numbers, tiers, strict=True):
            self._ladders[number] = ((math.inf, float(share)),)
        bounds = tuple(math.inf if bound is None else float(bound) for bound, _ in tiers)
        self._by_amount[numbers[0]] = AmountTiers(bounds, tuple(numbers))

    def _ladder_by_terms(self, key: _Key) -> Ladder | None:
        version = self._agreements.version(key[1])
        return None if version is None else version.ladder(self._names.assets[key[2]])

    def owed(self, block: Block, amounts: F64, owing: Bools) -> OwedSides:
        """What the groups owe. `amounts` [l], `owing` [l]: which of them count.

        Liabilities of a group in one coin are one position, because the tiers take their sum.
        """
        c, rows = block.columns, block.loan_rows()
        product = c.product[rows]
        liable = np.isin(product, list(self._liable)) & owing if self._liable else np.zeros(len(rows), np.bool_)
        in_full = owing & ~liable
        debts = BlockSide(
            rows[in_full].astype(np.uint16), self._numbered(_OWED, 0, c.loan_asset[in_full]), amounts[in_full]
        )
        pairs, places = np.unique(rows[liable] << 16 | c.loan_asset[liable], return_inverse=True)
        row, coin = (pairs >> 16).astype(np.uint16), (pairs & 0xFFFF).astype(np.uint16)
        numbers, kinds = np.zeros(len(pairs), np.uint32), c.product[row]
        for kind in np.unique(kinds).tolist():
            numbers[kinds == kind] = self._numbered(_LIABLE, kind, coin[kinds == kind])
        liabilities = BlockSide(row, numbers, np.bincount(places, amounts[liable], len(pairs)).astype(np.float64))
        return OwedSides(debts, liabilities, self.coins(c.loan_asset[owing]))

    def loans(self, block: Block) -> Loans | None:
        """The loans of a block where all of them are debts; None where some are liabilities."""
        c = block.columns
        if self._liable and not self._liable.isdisjoint(block.products()):
            return None
        return Loans(c.loans, c.loan_asset, block.is_owed(), self._of_debts())

    def _of_debts(self) -> U32:
        """[assets] The instrument of a debt; _NONE for what nobody owes."""
        if len(self._debts) != len(self._names.assets) or self._debts_of != len(self._ladders):
            self._debts = np.full(len(self._names.assets), _NONE, np.uint32)
            for (kind, _, asset), number in self._numbers.items():
                if kind == _OWED:
                    self._debts[asset] = number
            self._debts_of = len(self._ladders)
        return self._debts

    def _numbered(self, kind: int, product: int, assets: U16) -> U32:
        """The instruments of these coins, which are of one kind and product."""
        distinct = _used(assets)
        number = np.zeros(int(distinct.max(initial=0)) + 1, np.uint32)
        number[distinct] = [self._number((kind, product, a)) for a in distinct.tolist()]
        return number[assets]

    def _meet(self, product: U16, asset: U16) -> None:
        """Numbers unlisted coins: those that are held, not all that there might be."""
        if not self._unlisted:
            return
        mine = np.isin(product, list(self._unlisted))
        for pair in np.unique(product[mine].astype(np.int64) << 16 | asset[mine]).tolist():
            key = (_HELD, pair >> 16, pair & 0xFFFF)
            if key not in self._numbers:
                self._ladders[self._number(key)] = self._unlisted[key[1]]
                self._table = np.full((0, 0), _NONE, np.uint32)

    def _number(self, key: _Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            # Without a ladder it counts nothing. Core refuses a liability without a ladder, so its group is dead.
            number = len(self._ladders)
            self._numbers[key] = number
            self._ladders.append(())
            self._assets.append(key[2])
            self._further.append(key[0] >= _FURTHER)
            self._is_given = False
        return number

    def _of_holdings(self) -> U32:
        shape = len(self._names.products), len(self._names.assets)
        if self._table.shape != shape:
            self._table = np.full(shape, _NONE, np.uint32)
            for key, number in self._numbers.items():
                kind, product, asset = key
                if kind == _HELD and product < FIRST and (key in self._listed or product in self._unlisted):
                    self._table[product, asset] = number
        return self._table

    def coins(self, places: U16) -> frozenset[str]:
        """The coins at these places."""
        return frozenset(self._names.assets[p] for p in _used(places).tolist())


def examples(block: Block, names: Names, alive: Bools, seen: set[tuple[int, ...]]) -> Iterable[int]:
    """Places of living groups that stand for all: rules that fit these fit every group of the block.

    For each product: one group a coin that is owed, flexibly or not; one a leverage, enrolled or not; and one with the most
    coins. And one a set of labels and of lines and terms of its own, as whether these fit depends on the terms of the labels:
    those that are not `seen` yet, in a block before.
    """
    c, rows = block.columns, block.loan_rows()
    living = np.flatnonzero(alive)
    flexible = np.array([names.terms[t].rate.daily is None for t in range(len(names.terms))], np.bool_)[c.terms]
    owed = np.flatnonzero(alive[rows])
    loans = (c.product[rows].astype(np.int64) << 17 | c.loan_asset.astype(np.int64) << 1 | flexible)[owed]
    _, by_loan = np.unique(loans, return_index=True)
    kinds = (c.product.astype(np.int64) << 16 | c.leverage.astype(np.int64) << 8 | c.flags & DELAYED)[living]
    _, by_kind = np.unique(kinds, return_index=True)
    coins = np.diff(c.positions.astype(np.int64))[living]
    order = np.lexsort((-coins, c.product[living]))
    _, fullest = np.unique(c.product[living][order], return_index=True)
    own = living[(c.own_lines[living] != 0) | (c.own_terms[living] != 0)]
    figures = np.stack([c.product[own], c.labels[own], c.own_lines[own], c.own_terms[own], c.leverage[own]])
    _, by_figures = np.unique(figures, axis=1, return_index=True)
    new = {tuple(figures[:, k].tolist()): own.item(k) for k in by_figures.tolist()}
    odd = [row for key, row in new.items() if key not in seen]
    seen.update(new)
    return {*rows[owed[by_loan]].tolist(), *living[by_kind].tolist(), *living[order[fullest]].tolist(), *odd}


def _used(places: U16) -> I64:
    """The distinct ones, ascending: to count is several times faster than to sort."""
    return np.flatnonzero(np.bincount(places))


def _floats(ladder: Ladder) -> FloatLadder:
    return tuple((math.inf if bound is None else float(bound), float(share)) for bound, share in ladder)
