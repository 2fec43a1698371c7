"""Puts the deadlines of groups on the agenda.

The dates of a million loans would not all fit on it, so those of term loans are looked up some hours ahead.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.instants import micros_of
from monitor.core.stages.stages import GroupState, reminder_due
from monitor.core.watch.watcher import BookChange, Ground, Watcher

AHEAD = timedelta(hours=6)
"""How far ahead the dates of loans are planned. For a batch a book names those within a day (TakenBatch.look)."""


class PlainDeadline(NamedTuple):
    """When something is due for groups that stand alike, and of which kind."""

    at: datetime
    kind: int


class Schedule(Watcher):
    """Which deadlines of groups are on the agenda."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._until: datetime | None = None
        """Dates of loans up to here are on the agenda; see `look_ahead`."""

    @property
    def next_due(self) -> datetime | None:
        """When TimePassed must come if nothing else does."""
        due, ahead = self._ground.agenda.next_due, self._until
        return due if ahead is None or (due is not None and due < ahead) else ahead

    def begin(self, at: datetime) -> None:
        """The first event, or the memory of a restart."""
        self._until = at + AHEAD

    def look_ahead(self, at: datetime) -> None:
        """Puts the dates of the hours to come on the agenda."""
        since = self._until
        if since is not None and at >= since:
            self._until = at + AHEAD
            self._plan_all(self._ground.book.nearing(since, at + AHEAD))

    def restore(self, memory: Memory) -> None:
        """Plans all deadlines."""
        self.replan(memory.at)

    def replan(self, at: datetime) -> None:
        """After a restart or under new rules: plans all deadlines again."""
        # Not earlier than it was: an event that comes after months runs all that was due on the way.
        self._until = max(at + AHEAD, self._until or at)
        self._plan_all(dict.fromkeys(self._ground.book.waiting(at, self._until)))

    def observe(self, change: BookChange, out: Outcome) -> None:
        """A group that is closed has no deadlines."""
        if change.closed is not None:
            self._ground.agenda.set(deadlines.GROUP, change.closed, None)

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """Plans the groups that are new or other ones, or all of them under other rules."""
        for record in change.groups:
            self.plan(record)
        self._plan_all(change.of_block)
        if change.has_new_rules:
            self.replan(change.at)

    def plan(self, record: GroupRecord) -> None:
        """The group's deadlines; a date of a loan that is far away is put on the agenda when it comes near."""
        self._ground.weight(record)
        firm, late = record.deadlines(self._ground.rules.lifecycle)
        assert self._until is not None
        if firm is not None and firm.kind in deadlines.DATES and firm.at > self._until:
            firm = None
        self._ground.agenda.set(deadlines.GROUP, record.group.id, firm, late)

    def plain_deadline(self, state: GroupState) -> PlainDeadline | None:
        """The next deadline of a group of which the state says all but the dates of its loans."""
        due: PlainDeadline | None = None
        if (at := reminder_due(state, self._ground.rules.lifecycle)) is not None:
            due = PlainDeadline(at, deadlines.REMINDER)
        if state.deadline is not None:
            grace = PlainDeadline(state.deadline, deadlines.GRACE)
            due = grace if due is None else min(due, grace)
        return due

    def plan_plain(self, group_id: str, due: PlainDeadline | None, dated: int) -> None:
        """Plans a group by what `plain_deadline` says. `dated`: the first date of its loans, which is not near yet."""
        # The date would come first: the group is planned again when that is near.
        if due is None or (dated, deadlines.DATES[0]) < (micros_of(due.at), due.kind):
            self._ground.agenda.set(deadlines.GROUP, group_id, None)
        else:
            self._ground.agenda.set(deadlines.GROUP, group_id, Deadline(due.at, deadlines.GROUP, group_id, due.kind))

    def _plan_all(self, group_ids: Iterable[str]) -> None:
        for record in self._ground.book.find_all(group_ids):
            self.plan(record)
