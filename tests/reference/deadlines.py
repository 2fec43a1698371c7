"""What a group waits for: the deadlines of its loans, its grace period, reminders and the clear hold (DESIGN section 6)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.reference import state
from tests.reference.state import Deadline, Group
from tests.reference.terms import Version


def schedule(group: Group, version: Version) -> None:
    """Enter what has not run for the loans of this line; what is past already waits for the first evaluation."""
    deadlines = [
        deadline
        for number, loan in enumerate(group.line.loans)
        if loan.owes and loan.matures_at is not None
        for deadline in of_loan(group, number, loan.matures_at, version)
    ]
    # A loan that was repaid and comes back is overdue anew, so only the loans of this line are remembered.
    group.ran = group.ran & {state.loan_key(group, deadline) for deadline in deadlines}
    for deadline in deadlines:
        if state.loan_key(group, deadline) not in group.ran:
            insort(group.late if deadline.due <= group.put_at else group.calendar, deadline)


def of_loan(group: Group, number: int, matures_at: datetime, version: Version) -> list[Deadline]:
    """Maturity, and the liquidation expected 24 hours later (A12) or when a waiver ends."""
    overdue = max(matures_at + version.overdue_after, group.waived_until or matures_at)
    return [Deadline(matures_at, state.MATURITY, number), Deadline(overdue, state.OVERDUE, number)]


def first_of(
    group: Group, hold_end: datetime | None, grace_reminders: Sequence[timedelta], repeat: timedelta
) -> Deadline:
    """The deadline that comes first; reminders count back from the end of the grace period, repeats of a call forward."""
    waiting = group.calendar[:1]
    if group.deadline is not None:
        waiting.append(Deadline(group.deadline, state.GRACE))
        marks = [group.deadline - before for before in grace_reminders]
        waiting += [Deadline(mark, state.REMINDER) for mark in marks if mark > group.reminded]
    elif group.stage == state.MARGIN_CALL:
        waiting.append(Deadline(group.reminded + repeat, state.REMINDER))
    if hold_end is not None:
        waiting.append(Deadline(hold_end, state.HOLD))
    return min(waiting, default=state.NO_DEADLINE)
