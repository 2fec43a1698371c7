"""What looks at the whole book, not at one group: a `Watcher`, what all of them read, and what they are shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from monitor.core.deadlines import Agenda, Deadline
from monitor.core.groups.loan_book import LoanBook, weigh_now
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.settings import Rules
from monitor.core.valuation.valuation import Weight

NO_CAUSE: Mapping[str, str] = MappingProxyType({})


class Ground:
    """What the whole of `watch` reads. Only `RulesWatch` replaces the rules in force, and hands them to the book as well.

    The book of the engine keeps those that it was renewed with last: it works out the holdings of blocks under them.
    """

    def __init__(self, rules: Rules, board: PriceBoard, book: LoanBook) -> None:
        self.rules = rules
        self.board = board
        self.book = book
        self.agenda = Agenda()
        self.decides_by_column = True
        """Until exact figures contradict a decision that was made so."""

    def known(self, group_id: str) -> GroupRecord:
        """A group that a deadline or the book itself has named."""
        record = self.book.find(group_id)
        assert record is not None, f"group {group_id} was named, but is not in the book"
        return record

    def weight(self, record: GroupRecord) -> Weight | None:
        """What a group weighs on the prices in force; None while one is missing."""
        if record.weight is None:
            weigh_now(record, self.board)
        return record.weight

    def decisive(self, record: GroupRecord) -> Weight | None:
        """The same, or while a price is missing the best that it may weigh; None where that has no end."""
        self.weight(record)
        return record.decisive


class BookChange(NamedTuple):
    """What an event or a deadline did to prices, groups or rules, and which groups must be decided for it."""

    at: datetime
    prices: PriceChange = PriceChange()
    groups: tuple[GroupRecord, ...] = ()
    """Put singly, or changed by an entry; they are decided first."""
    of_block: Collection[str] = ()
    """Groups of a block that must be planned, and whose interest must be looked at."""
    closed: str | None = None
    """The group that was closed."""
    suspects: Collection[str] = ()
    """Other groups to decide: a superset. Those that `prices` concerns are not among them; the book names them later."""
    priced: frozenset[str] = frozenset()
    """Assets whose prices are of this very time: a clear hold may end on them."""
    renewed: Collection[str] = ()
    """Products whose holdings were worked out again: interest was added, or other rules are in force."""
    interest: Collection[str] = ()
    """Products whose groups may hold less on their Spot accounts than they must pay in interest."""
    has_new_rules: bool = False
    """Deadlines may lie elsewhere now."""
    needed: Collection[str] = ()
    """Assets whose price some group may need for the first time."""
    coins: Collection[str] = ()
    """All coins that the groups of a block hold, whether they count or not."""
    cause: Mapping[str, str] = NO_CAUSE
    """What the alerts of `groups` say of why, where a lever was pulled or has ended."""
    left_at: datetime | None = None
    """When a snapshot left out the group of `groups`, which goes on now as it was."""


class Watcher:
    """Looks at the whole book. Every method may be left out; the monitor calls those from `configure` on in this order."""

    phases: tuple[int, ...] = ()
    """Those of its deadlines."""

    def kept(self) -> object:
        """What it must remember over a restart, of a type of its own (core.groups.watcher_states)."""

    def restore(self, memory: Memory) -> None:
        """After a restart: takes what it kept, when the groups are in the book again."""

    def configure(self, at: datetime) -> None:
        """Other rules are in force, but the groups are still held under the old ones."""

    def due(self, deadline: Deadline, out: Outcome) -> BookChange | None:
        """A deadline of its phase has come. Returns what that changed, for all watchers to see."""

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Something changed; the groups that it concerns are not decided yet."""

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """The groups that the change concerns are decided."""

    def awaken(self, at: datetime) -> None:
        """The daemon has just started: what was known before counts, but has its full time to be confirmed."""
