"""What every source of loans shares.

Groups that a client puts over HTTP come through the inbox of the web instead, as the client waits for the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, NamedTuple, Protocol

import msgspec

from monitor.books._line_memory import LineMemory, PlainLineMemory
from monitor.books._unchanged import KeptLines
from monitor.core.events.events import Event
from monitor.core.loans.group import Contact, Group, GroupBatch, parse_line, parse_without_dates
from monitor.core.loans.line_bounds import label_problems
from monitor.core.loans.loan_dates import line_problems
from monitor.core.rules.product import Product
from monitor.core.schema import Problem, Span

StaleAfter = Annotated[timedelta, Span("1s", "400d")]
"""`stale_after` of a [[book]]: how old it may be before the desk is told. A module's `stale_after(config)` is the default."""

ContactCheck = Callable[[Mapping[str, Sequence[Contact]]], list[Problem]]
"""Names the contacts of a line that nobody can be reached by."""


class Packed(NamedTuple):
    """Lines that were read together; `rest` are the places of the lines that must be parsed one by one."""

    batch: GroupBatch
    rest: list[int]


class Reader(Protocol):
    """Reads book lines by the rules in force. Its methods may run in any thread, but one at a time."""

    def parse(self, line: object, at: datetime) -> Group:
        """The group of a line's object, checked against its product. Raises schema.Invalid."""

    def left_out(self, line: object, at: datetime | None = None) -> list[Problem]:
        """What of a line's object is left out though its group is taken: dates that cannot be, too many labels, contacts
        nobody can use. `at`: when it was read."""

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed | None:
        """Up to 8192 lines at once, many times faster; None if the reader cannot. Two lines may have the same id."""

    def line_memory(self) -> LineMemory:
        """An empty memory of the lines of a large book."""

    def progress(self, done_bytes: int, total_bytes: int) -> None:
        """Hears how much of a book is read: often, on the event loop."""

    def product(self, name: str) -> Product | None:
        """The rules of a product as they are in force, for a source that holds the lender's against them."""

    def usd(self, asset: str) -> Decimal | None:
        """The price of a coin that is in force; None where there is none, or where it is not trusted."""


class PlainReader:
    """Reads line by line."""

    def __init__(
        self,
        products: Callable[[], Mapping[str, Product]],
        progress: Callable[[int, int], None] | None = None,
        contacts: ContactCheck | None = None,
        usd: Callable[[str], Decimal | None] | None = None,
        *,
        is_live: bool = False,
    ) -> None:
        """`is_live`: the lines are of now, so a loan that opens later cannot be."""
        self._is_live = is_live
        self._products = products
        self._progress = progress
        self._contacts = contacts or _all_good
        self._usd = usd

    def parse(self, line: object, at: datetime) -> Group:
        problems = line_problems(line, at if self._is_live else None)
        if problems and isinstance(line, dict):
            return parse_without_dates(line, problems, at, self._products())
        return parse_line(line, at, self._products())

    def left_out(self, line: object, at: datetime | None = None) -> list[Problem]:
        """See Reader."""
        of_dates = line_problems(line, at if self._is_live else None)
        if not isinstance(line, dict) or ("contacts" not in line and "labels" not in line):
            return of_dates
        try:
            stated = msgspec.convert(line, _Bounded)
        except msgspec.ValidationError:  # parse refuses such a line
            return []
        return of_dates + label_problems(stated.labels) + self._contacts(stated.contacts)

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed | None:
        """See Reader. It packs nothing."""
        return None

    def line_memory(self) -> LineMemory:
        return PlainLineMemory()

    def progress(self, done_bytes: int, total_bytes: int) -> None:
        if self._progress is not None:
            self._progress(done_bytes, total_bytes)

    def product(self, name: str) -> Product | None:
        """See Reader."""
        return self._products().get(name)

    def usd(self, asset: str) -> Decimal | None:
        """See Reader."""
        return None if self._usd is None else self._usd(asset)


class _Bounded(msgspec.Struct, frozen=True):
    """The part of a line of which some may be left out."""

    labels: dict[str, str] = {}
    contacts: dict[str, tuple[Contact, ...]] = {}


def _all_good(contacts: Mapping[str, Sequence[Contact]]) -> list[Problem]:
    return []


def _nothing() -> Iterable[str]:
    return ()


def _nothing_kept() -> None:
    return None


class BookProgress(Protocol):
    """Hears how far the reading of a large book is."""

    def step(self, book: str, done_bytes: int, total_bytes: int) -> None:
        """So much of a book is read."""

    def end(self, book: str) -> None:
        """The book is read, or its reading was given up."""


class Unshown:
    """For a daemon without a terminal or a log to show it on."""

    def step(self, book: str, done_bytes: int, total_bytes: int) -> None:
        """Shows nothing."""

    def end(self, book: str) -> None:
        """Shows nothing."""


class KeptBook(NamedTuple):
    """What the store has of a source, which shows the source what changed while the daemon was down."""

    groups: Callable[[], Iterable[str]] = _nothing
    """Lists the ids of the groups that it put and that are open now. May be called in any thread."""
    refused: tuple[str, ...] = ()
    """Subjects of all `book.refused` notices that still hold, also those of other sources."""
    left_out: tuple[str, ...] = ()
    """The same of `book.left_out`."""
    position: str = ""
    """What the source said last as the position of a `BookSeen`; "" where it said none yet."""
    lines: Callable[[], KeptLines | None] = _nothing_kept
    """The lines of this source that are in force now. May be called in any thread; None where nobody knows."""


class BookSource(Protocol):
    """A source of loan groups: batches of GroupPut, GroupsPut, GroupClosed, BookEntry, and Noticed for refused lines.

    A BookSeen ends each whole reading and each batch of changes: it has the time of the book, and the position from which the
    source goes on after a restart.

    Its module has `Config` and `build(name, config, reader, clock, kept) -> BookSource`.
    """

    name: str

    def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then changes as they come. A batch is applied and committed as one."""
