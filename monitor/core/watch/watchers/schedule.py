"""Which deadlines stand on the agenda: of the groups, of accrual, and of versions of the rules to come.

The dates of a million loans would not all fit on it, so those of term loans are looked up some hours ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from monitor.core import deadlines
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.interest import next_accrual
from monitor.core.rules.settings import Rules

AHEAD = timedelta(hours=6)
"""How far ahead the dates of loans are planned. Of a batch a book names those that come within a day (Taken.look)."""


class Planner:
    """Plans on an agenda. `rules` is replaced by whoever changes the rules; `weigh` values a group that is not valued."""

    def __init__(self, rules: Rules, planned: Agenda, book: LoanBook, weigh: Callable[[GroupRecord], object]) -> None:
        self.rules = rules
        self._agenda, self._book, self._weigh = planned, book, weigh
        self._until: datetime | None = None
        """Dates of loans up to here are on the agenda; see `look_ahead`."""

    @property
    def next_due(self) -> datetime | None:
        """When TimePassed must come if nothing else does."""
        due, ahead = self._agenda.next_due, self._until
        return due if ahead is None or (due is not None and due < ahead) else ahead

    def begin(self, at: datetime) -> None:
        """The first event, or the memory of a restart."""
        self.accrual(at)
        self.versions(at)
        self._until = at + AHEAD

    def accrual(self, at: datetime) -> None:
        """The next instant at which some product adds interest."""
        due = next_accrual(self.rules.products.values(), at)
        self._agenda.set(deadlines.ACCRUAL, "", Deadline(due, deadlines.ACCRUAL, ""))

    def versions(self, at: datetime) -> None:
        """The next time at which a version of some product's rules comes into force."""
        due = self.rules.next_version(at)
        self._agenda.set(deadlines.RULES, "", Deadline(due, deadlines.RULES, "") if due else None)

    def look_ahead(self, at: datetime) -> None:
        """Puts the dates of the hours to come on the agenda."""
        since = self._until
        if since is not None and at >= since:
            self._until = at + AHEAD
            self.plan_all(self._book.nearing(since, at + AHEAD))

    def replan(self, at: datetime) -> None:
        """After a restart or under new rules: plans all deadlines anew."""
        # Not earlier than it was: an event that comes after months runs all that was due on the way.
        until = self._until = max(at + AHEAD, self._until or at)
        self.plan_all(dict.fromkeys(self._book.waiting(at, until)))

    def plan_all(self, group_ids: Iterable[str]) -> None:
        """Several groups."""
        for group_id in group_ids:
            record = self._book.find(group_id)
            assert record is not None, f"the book named group {group_id}, which it does not have"
            self.plan(record)

    def plan(self, record: GroupRecord) -> None:
        """The group's deadlines; a date of a loan that is far away is put on the agenda when it comes near."""
        self._weigh(record)
        firm, late = record.deadlines(self.rules.lifecycle)
        assert self._until is not None
        if firm is not None and firm.kind in deadlines.DATES and firm.at > self._until:
            firm = None
        self._agenda.set(deadlines.GROUP, record.group.id, firm, late)

    def forget(self, group_id: str) -> None:
        """The group is closed."""
        self._agenda.set(deadlines.GROUP, group_id, None)
