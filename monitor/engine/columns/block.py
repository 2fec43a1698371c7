"""An immutable block of groups in columns: how the book holds a million groups, exactly (docs/engine.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.groups.outcome import StoredGroup
from monitor.core.instants import DAY_MINUTES, DAY_US, day_at, time_at
from monitor.core.loans.group import Group, Loan
from monitor.core.money import EXACT
from monitor.engine.columns import codec, ragged
from monitor.engine.columns.extras import GroupExtras, read_extras
from monitor.engine.columns.fetching import place_of
from monitor.engine.columns.fields import (
    APART,
    DELAYED,
    DTYPES,
    F64,
    HAS_EXTRAS,
    I8,
    I64,
    NEVER,
    NO_VIP,
    OF_GROUPS,
    OF_LOANS,
    OF_POSITIONS,
    U8,
    WIDE,
    Bools,
    Columns,
)
from monitor.engine.columns.floats import floats
from monitor.engine.columns.loan_kinds import ITS_OWN, OPEN, LoanKinds, days_of_terms
from monitor.engine.columns.names import Names
from monitor.engine.columns.own_figures import read_lines, read_terms
from monitor.engine.columns.packing import pack

__all__ = ["Block", "Columns", "Names"]

MOST_GROUPS = 2**16
"""Local rows and places in `times` are u16."""
_NO_EXTRAS = GroupExtras()
_PARTS = {
    "texts": ("arena", "start"),
    "positions": ("positions", *OF_POSITIONS),
    "loans": ("loans", *OF_LOANS, "matures"),
}
_OFTEN_EQUAL = {*OF_GROUPS, "put", "interest_mantissa", "interest_exponent", "since"} - {"line"}
_scaleb = EXACT.scaleb


class Block:
    """Groups as columns. Rows, positions and loans are numbered from 0 within the block."""

    __slots__ = ("_places", "columns", "loan_kinds")

    def __init__(self, columns: Columns) -> None:
        assert len(columns.product) <= MOST_GROUPS, f"a block holds {MOST_GROUPS} groups at most"
        own: dict[str, Any] = {name: _kept(getattr(columns, name), name) for name in DTYPES}
        self.columns = columns._replace(**own)
        self.loan_kinds: LoanKinds | None = None
        """What `schedule.debts` found out about its loans last. It goes with the block."""
        self._places: I64 | None = None

    @property
    def places(self) -> I64:
        """[2, columns] Address and step of each column in the order of DTYPES, as long as the block lives (`cutting`)."""
        if self._places is None:
            self._places = np.array([place_of(getattr(self.columns, name)) for name in DTYPES], np.int64).T
        return self._places

    @staticmethod
    def of(records: Sequence[StoredGroup], names: Names) -> Block:
        """A block of these groups in this order; `record` gives them back. Raises NamesFull."""
        return Block(pack(records, names))

    def __len__(self) -> int:
        return len(self.columns.product)

    def id(self, i: int) -> str:
        """The id of a group."""
        return self.text(self.columns.start.item(i))

    def text(self, at: int) -> str:
        """The text that begins at a place of the arena, such as an account of `account_keys`."""
        arena = self.columns.arena
        return arena[at + 1 : at + 1 + arena.item(at)].tobytes().decode("latin-1")

    def ids(self) -> list[str]:
        """All ids."""
        c = self.columns
        text, at = c.arena.tobytes().decode("latin-1"), c.start[:-1]
        ends = at + 1 + c.arena[at]
        return [text[start + 1 : end] for start, end in zip(at.tolist(), ends.tolist(), strict=True)]

    def record(self, i: int, names: Names) -> StoredGroup:
        """The group as it was put, with its source, version and time."""
        c = self.columns
        flags, line, vip = c.flags.item(i), c.line.item(i), c.vip.item(i)
        id_, receiving, *texts = self._texts(i)
        extras = read_extras(c.extras[i]) if flags & HAS_EXTRAS else _NO_EXTRAS
        collateral = extras.collateral
        if collateral is None:
            collateral = {texts.pop(0) if flags & APART else receiving: self._held(i, names)}
        group = Group(
            id_,
            names.products[c.product.item(i)],
            receiving,
            collateral,
            self._loans(c.loans.item(i), c.loans.item(i + 1), texts, names),
            bool(flags & DELAYED),
            read_lines(names.own_lines[c.own_lines.item(i)]),
            names.labels[c.labels.item(i)],
            extras.balances,
            None if vip == NO_VIP else vip,
            extras.contacts,
            f"{line:016x}" if line else "",
            c.leverage.item(i) or None,
            read_terms(names.own_terms[c.own_terms.item(i)]),
        )
        return StoredGroup(
            group, names.sources[c.source.item(i)], c.version.item(i), time_at(c.times.item(c.put.item(i)))
        )

    def products(self) -> list[int]:
        """Places of the products of its groups."""
        product = self.columns.product
        if len(product) and product.strides == (0,):
            return [int(product[0])]
        return np.flatnonzero(np.bincount(product)).tolist()

    def coins(self, names: Names) -> frozenset[str]:
        """All coins that its groups hold, whether they count or not."""
        return frozenset(names.assets[place] for place in np.flatnonzero(np.bincount(self.columns.asset)).tolist())

    def quantities(self) -> F64:
        """[p] What is held, see floats."""
        c = self.columns
        return floats(c.mantissa, c.exponent, c.wide, 0)

    def principals(self) -> F64:
        """[l] What was lent and not repaid."""
        c = self.columns
        return floats(c.principal_mantissa, c.principal_exponent, c.wide, len(c.asset))

    def interests(self) -> F64:
        """[l] Interest as of each loan's `since`."""
        c = self.columns
        return floats(c.interest_mantissa, c.interest_exponent, c.wide, len(c.asset) + len(c.loan_asset))

    def position_rows(self) -> I64:
        """[p] The row of each position."""
        return ragged.owners(self.columns.positions)

    def loan_rows(self) -> I64:
        """[l] The row of each loan."""
        return ragged.owners(self.columns.loans)

    def matures(self, names: Names) -> I64:
        """[l] Maturities in microseconds; -1 for an open term."""
        c = self.columns
        days_of = np.zeros(int(c.terms.max(initial=0)) + 1, np.int64)
        for place in np.flatnonzero(np.bincount(c.terms)).tolist():
            days_of[place] = days_of_terms(names.terms[place])
        days: I64 = days_of[c.terms]
        matures = c.opened + days * DAY_US
        if len(c.matures):
            matures = np.where(days == ITS_OWN, c.matures, matures)
        return np.where(days == OPEN, -1, matures)

    def is_owed(self) -> Bools:
        """[l] Something was left to repay when the line was put."""
        c = self.columns
        is_owed: Bools = (c.principal_mantissa != 0) | (c.interest_mantissa != 0)
        is_owed |= (c.principal_exponent == WIDE) | (c.interest_exponent == WIDE)
        return is_owed

    def flexible_since(self, product: int, alive: Bools, names: Names) -> dict[int, int]:
        """By coin: the minute (since 1970) after which the first flexible loan of a product accrues, among `alive` groups."""
        c, rows = self.columns, self.loan_rows()
        used, which = np.unique(c.terms, return_inverse=True)
        flexible = np.array([names.terms[place].rate.daily is None for place in used.tolist()], bool)[which]
        mine = np.flatnonzero(flexible & alive[rows] & (c.product[rows] == product)) if len(rows) else rows
        coins, first = np.unique(c.loan_asset[mine], return_inverse=True)
        since = np.full(len(coins), NEVER)
        np.minimum.at(since, first, c.since[mine].astype(np.int64))
        return dict(zip(coins.tolist(), since.tolist(), strict=True))

    def id_keys(self) -> tuple[I64, I64]:
        """Where the ids stand in the arena, and their rows within the block. For Index.add_block."""
        return self.columns.start[:-1].astype(np.int64), np.arange(len(self))

    def account_keys(self) -> tuple[I64, I64]:
        """The same for receiving accounts, and for collateral accounts in the arena; `far_accounts` has the others."""
        c = self.columns
        receiving = _after(c.arena, c.start[:-1].astype(np.int64))
        apart = np.flatnonzero(c.flags & APART)
        at = np.concatenate([receiving, _after(c.arena, receiving[apart])])
        return at, np.concatenate([np.arange(len(self)), apart])

    def far_accounts(self) -> Iterator[tuple[int, str]]:
        """(row, account) of the collateral accounts that stand in extras. The receiving account is left out."""
        for row, raw in self.columns.extras.items():
            receiving = self._texts(row)[1]
            yield from ((row, account) for account in read_extras(raw).collateral or () if account != receiving)

    def without(self, dead: Bools) -> Block:
        """A block of the rows [n] that are not dead, in their order."""
        return Block(ragged.chosen(self.columns, np.flatnonzero(~dead)))

    @staticmethod
    def join(blocks: Sequence[Block]) -> Block:
        """One block of the groups of at least one block, in their order."""
        return Block(ragged.joined([block.columns for block in blocks]))

    def dump(self, names: Names) -> bytes:
        """The block as bytes, self-contained."""
        return codec.dump(self.columns, names)

    @staticmethod
    def load(raw: bytes, names: Names) -> Block:
        """A block that was dumped by this or an older monitor. Raises codec.UnreadableBlock, NamesFull."""
        return Block(codec.load(raw, names))

    def nbytes(self) -> dict[str, int]:
        """Bytes by part: those of the columns, and those of the objects for extras and wide quantities."""
        c = self.columns
        sizes = {part: sum(_size(getattr(c, name)) for name in names) for part, names in _PARTS.items()}
        sizes["groups"] = sum(_size(getattr(c, name)) for name in DTYPES) - sum(sizes.values())
        for part, entries in (("extras", c.extras), ("wide", c.wide)):
            objects = sum(sys.getsizeof(key) + sys.getsizeof(value) for key, value in entries.items())
            sizes[part] = sys.getsizeof(entries) + objects
        return sizes

    def _texts(self, i: int) -> list[str]:
        """Id, receiving account, the collateral account if APART, ids of the loans."""
        c = self.columns
        raw = c.arena[c.start.item(i) : c.start.item(i + 1)].tobytes()
        text, texts, at = raw.decode("latin-1"), [], 0
        while at < len(raw):
            end = at + 1 + raw[at]
            texts.append(text[at + 1 : end])
            at = end
        return texts

    def _held(self, i: int, names: Names) -> dict[str, Decimal]:
        c = self.columns
        a, b = c.positions.item(i), c.positions.item(i + 1)
        assets = map(names.assets.__getitem__, c.asset[a:b].tolist())
        return dict(zip(assets, self._exact(c.mantissa[a:b], c.exponent[a:b], a), strict=True))

    def _loans(self, a: int, b: int, ids: Sequence[str], names: Names) -> tuple[Loan, ...]:
        c, p = self.columns, len(self.columns.asset)
        columns = zip(
            ids,
            c.loan_asset[a:b].tolist(),
            self._exact(c.principal_mantissa[a:b], c.principal_exponent[a:b], p + a),
            self._exact(c.interest_mantissa[a:b], c.interest_exponent[a:b], p + len(c.loan_asset) + a),
            c.terms[a:b].tolist(),
            c.opened[a:b].tolist(),
            c.since[a:b].tolist(),
            strict=True,
        )
        loans = []
        for k, (id_, asset, principal, interest, terms, opened, since) in enumerate(columns, a):
            rate, term, days = names.terms[terms]
            at = time_at(opened)
            matures_at = (
                None if term == "open" else time_at(c.matures.item(k)) if days is None else at + timedelta(days)
            )
            day, minute = divmod(since, DAY_MINUTES)
            coin = names.assets[asset]
            loans.append(Loan(id_, coin, principal, interest, rate, term, at, matures_at, day_at(day), minute))
        return tuple(loans)

    def loans_at(self, places: Iterable[int], names: Names) -> Iterator[Loan]:
        """The loans in these places, without their ids."""
        return (self._loans(k, k + 1, ("",), names)[0] for k in places)

    def _exact(self, mantissa: I64, exponent: I8, slot: int) -> list[Decimal]:
        """Exact quantities. `slot` is the place of the first in `wide`."""
        powers = exponent.tolist()
        values = list(map(_scaleb, mantissa.tolist(), powers))
        if WIDE in powers:
            wide = self.columns.wide
            return [wide[slot + k] if power == WIDE else values[k] for k, power in enumerate(powers)]
        return values


def _kept(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """A read-only array of the block's own: a slice would keep the array alive that it was cut from.

    A column that says the same everywhere keeps one value: most books have one product, one source and one day.
    """
    assert array.dtype == np.dtype(DTYPES[name]), f"{name} has type {array.dtype}, expected {DTYPES[name]}"
    if name in _OFTEN_EQUAL and len(array) > 1 and (array == array[0]).all():
        return np.broadcast_to(array[:1].copy(), array.shape)
    own = np.require(array, requirements=["C", "O"])
    own.flags.writeable = False
    return own


def _size(array: npt.NDArray[Any]) -> int:
    """Bytes that the array takes. A column that says the same everywhere takes one value."""
    return array.itemsize if array.strides == (0,) else array.nbytes


def _after(arena: U8, at: I64) -> I64:
    """Where the texts after these texts of the arena begin."""
    return at + 1 + arena[at]
