"""Deadlines in order (decision 5).

At one time accrual comes first, then new rules, the ends of operators' decisions about prices, of proposals and of levers,
then the groups in the order of their ids; within a group the grace period, then renewal, maturing, maturity, overdue, the
expiry of a margin call, reminders, what is said before a call is due, and the end of an acknowledgement. Groups that a
snapshot left out, and that come back no more, and ends of silences follow, then the look at exposures and the steps of
escalations. A firm deadline runs before an event of its own time. A late one (the clear hold, a price's staleness, a look
at the fund, the age of a book, and last of all what is said of blindness, of contradictions and of missing prices) runs
only before a strictly later event. So at one time all firm deadlines run before any late one, whether or not an event of
that very time stands between them. Otherwise telling time to pass would change the alerts.
"""

from __future__ import annotations

import heapq
from datetime import datetime
from typing import NamedTuple

from monitor.core.instants import MICROSECOND

(
    ACCRUAL,
    RULES,
    DECISION,
    PROPOSAL,
    LEVER,
    PRICE,
    GROUP,
    LEFT_OUT,
    SILENCE,
    EXPOSURE,
    FUND,
    BLINDNESS,
    CONTRADICTION,
    MISSING,
    UNKNOWN_COIN,
    ESCALATION,
    BOOK,
) = range(17)
GRACE, RENEWAL, MATURING, MATURITY, OVERDUE, EXPIRY, HOLD, REMINDER, DUE, ACKNOWLEDGED = range(10)
DATES = (RENEWAL, MATURING, MATURITY)
"""The dates of a term loan. They are known long before, so they are planned only when they come near."""


class Deadline(NamedTuple):
    """When, and in which order among deadlines of one time: the order of the fields."""

    at: datetime
    phase: int
    subject: str
    kind: int = 0


class Agenda:
    """Two heaps, firm and late, each with at most one live deadline per (phase, subject); replaced ones are skipped."""

    def __init__(self) -> None:
        self._heaps: tuple[list[Deadline], list[Deadline]] = ([], [])
        self._live: tuple[dict[tuple[int, str], Deadline], dict[tuple[int, str], Deadline]] = ({}, {})

    def set(self, phase: int, subject: str, firm: Deadline | None, late: Deadline | None = None) -> None:
        """Replaces the subject's deadlines."""
        key = phase, subject
        for live, heap, deadline in zip(self._live, self._heaps, (firm, late), strict=True):
            if deadline is None:
                live.pop(key, None)
            elif live.get(key) != deadline:
                live[key] = deadline
                heapq.heappush(heap, deadline)

    def has_late(self, phase: int, subject: str) -> bool:
        """A late deadline of the subject is waiting."""
        return (phase, subject) in self._live[1]

    def late(self, phase: int) -> dict[str, datetime]:
        """The late deadlines of a phase, by subject."""
        return {subject: d.at for (of, subject), d in self._live[1].items() if of == phase}

    def late_at(self, at: datetime) -> list[Deadline]:
        """Late deadlines of exactly this time, which an event of this time may decide before they run."""
        top = self._top(1)
        return [d for d in self._live[1].values() if d.at == at] if top is not None and top.at == at else []

    def pop_due(self, at: datetime) -> Deadline | None:
        """Takes the first deadline that runs before an event at this time, or None."""
        firm, late = self._top(0), self._top(1)
        if firm is not None and firm.at <= at and (late is None or firm.at <= late.at):
            first, side = firm, 0
        elif late is not None and late.at < at:
            first, side = late, 1
        else:
            return None
        heapq.heappop(self._heaps[side])
        del self._live[side][first.phase, first.subject]
        return first

    def pop_alike(self, first: Deadline) -> list[str]:
        """Takes the late deadlines that follow one of the same time and phase; their subjects in order."""
        subjects, (_, heap), (_, live) = [], self._heaps, self._live
        while (top := self._top(1)) is not None and (top.at, top.phase) == (first.at, first.phase):
            heapq.heappop(heap)
            del live[top.phase, top.subject]
            subjects.append(top.subject)
        return subjects

    @property
    def next_due(self) -> datetime | None:
        """The earliest time at which an event would make a deadline run."""
        firm, late = self._top(0), self._top(1)
        times = [t for t in (firm and firm.at, late and late.at + MICROSECOND) if t]
        return min(times, default=None)

    def _top(self, side: int) -> Deadline | None:
        heap, live = self._heaps[side], self._live[side]
        while heap and live.get((heap[0].phase, heap[0].subject)) != heap[0]:
            heapq.heappop(heap)
        return heap[0] if heap else None
