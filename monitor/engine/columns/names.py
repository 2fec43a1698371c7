"""Words that many groups share, each kept once: columns hold the places of coins, products, sources, labels and terms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from monitor.core.loans.group import Rate

T = TypeVar("T")

_U16, _U32 = 2**16, 2**32


class NamesFull(Exception):
    """A column cannot number one more distinct value. The group that brings it stays out of the columns."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"this process has met {limit} distinct {what}, no more of them fit the columns; restart it")
        self.what = what
        self.limit = limit


class LoanTerms(NamedTuple):
    """What loans of one kind share. `days` are those from opening to maturity.

    `days` is None for an open term, and for a maturity that is not whole days after the opening (Columns.matures).
    """

    rate: Rate
    term: str
    days: int | None


class Interned(list[T], Generic[T]):
    """Distinct values by their place; a place never changes and is never given twice. Read it in any thread."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__()
        self.what = what
        self.limit = limit
        self._places: dict[Hashable, int] = {}
        self._lock = Lock()

    def place(self, value: T) -> int:
        """The place of a value. A value that is new gets the next one. Raises NamesFull."""
        key = self._key(value)
        found = self._places.get(key)
        if found is None:
            with self._lock:
                found = self._places.get(key)
                if found is None:
                    found = self._append(key, value)
        return found

    def find(self, value: T) -> int | None:
        """The place of a value, or None if it is new."""
        return self._places.get(self._key(value))

    def copied(self) -> Interned[T]:
        """The same values at the same places; what is placed in the copy is not placed here."""
        copy: Interned[T] = Interned(self.what, self.limit)
        for value in list(self):
            copy.place(value)
        return copy

    def _append(self, key: Hashable, value: T) -> int:
        if len(self) == self.limit:
            raise NamesFull(self.what, self.limit)
        self.append(value)
        # The value is readable before its place is known, so that no thread ever finds a place without a value.
        place = len(self) - 1
        self._places[key] = place
        return place

    def _key(self, value: T) -> Hashable:
        return value


class OtherTerms(NamedTuple):
    """An agreement, by its place, by other terms and lines (own_figures)."""

    product: int
    terms: bytes
    lines: bytes


class LabelSets(Interned[Mapping[str, str]]):
    """Label sets; two with the same labels are one, in any order. The first is the empty one."""

    def __init__(self) -> None:
        super().__init__("label sets", _U32)
        self.place({})

    def _key(self, value: Mapping[str, str]) -> Hashable:
        return frozenset(value.items())


class Names:
    """One per process, shared by all blocks. Nothing is ever taken out, so that places stay good."""

    def __init__(self) -> None:
        self.assets: Interned[str] = Interned("coins", _U16)
        self.products: Interned[str] = Interned("products", _U16)
        self.sources: Interned[str] = Interned("sources", _U16)
        self.labels = LabelSets()
        self.terms: Interned[LoanTerms] = Interned("loan terms", _U32)
        self.own_lines: Interned[bytes] = Interned("lines of groups", _U32)
        self.own_terms: Interned[bytes] = Interned("terms of groups", _U32)
        self.others: Interned[OtherTerms] = Interned("terms of agreements", _U32)
        for own in (self.own_lines, self.own_terms):
            own.place(b"")

    def beside(self) -> Names:
        """For rules that are only tried out: their products and coins take no place here. All else is shared."""
        names = Names()
        names.assets = self.assets.copied()
        names.products = self.products.copied()
        names.sources = self.sources
        names.labels = self.labels
        names.own_lines = self.own_lines
        names.own_terms = self.own_terms
        names.terms = self.terms
        return names
