"""What a group waits for: the dates of its loans, its grace period, reminders and the clear hold (decision 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from tests.reference import state
from tests.reference.state import Deadline, Group
from tests.reference.terms import Loan, Version


def schedule(group: Group, version: Version) -> None:
    """Enter what has not run for the loans of this line; what is past already waits for the first evaluation."""
    dates = [date for number, loan in enumerate(group.line.loans) for date in of_loan(group, number, loan, version)]
    group.calendar = sorted(date for date in dates if date.due > group.put_at)
    group.late = sorted(date for date in dates if date.due <= group.put_at)


def forget_gone(group: Group) -> None:
    """A loan that was repaid and comes back is overdue again, so only the loans of this line are remembered."""
    owed = {(loan.id, loan.matures_at) for loan in group.line.loans if loan.owes}
    group.ran = {key for key in group.ran if key[1:] in owed}


def of_loan(group: Group, number: int, loan: Loan, version: Version) -> list[Deadline]:
    """Its news and the liquidation expected 24 hours after maturity (reading A12), or when a waiver ends: what has not run."""
    if loan.matures_at is None or not loan.owes:
        return []
    ran = {kind for kind, *key in group.ran if key == [loan.id, loan.matures_at]}
    dates = [Deadline(due, kind, number) for due, kind in _news(loan.matures_at, version, ran, group.put_at)]
    if state.OVERDUE not in ran:
        expected = max(loan.matures_at + version.overdue_after, group.waived_until or loan.matures_at)
        dates.append(Deadline(expected, state.OVERDUE, number))
    return dates


def _news(matures_at: datetime, version: Version, ran: set[int], put_at: datetime) -> list[tuple[datetime, int]]:
    """The opening of its renewal (rule 27, reading A13), its maturity's notice, its maturity: what is still news of it.

    Later news makes earlier void: a loan put late is not told of from the beginning. Of two at one time the later one stays.
    """
    news = news_times(matures_at, version)
    said = [place for place, (_, kind) in enumerate(news) if kind in ran]
    news = news[max(said) + 1 :] if said else news
    past = sum(due <= put_at for due, _ in news)
    return news[max(past - 1, 0) :]


def news_times(matures_at: datetime, version: Version) -> list[tuple[datetime, int]]:
    """All news of a loan, in order; of two at one time the later one."""
    times = {}
    if version.window:
        times[datetime.combine(matures_at.astimezone(UTC).date(), time(), UTC) - version.window] = state.RENEWAL
    if version.notice:
        times[matures_at - version.notice] = state.MATURING
    return sorted((times | {matures_at: state.MATURITY}).items())


def first_of(
    group: Group,
    hold_end: datetime | None,
    grace_reminders: Sequence[timedelta],
    repeat: timedelta,
    of_call: Sequence[Deadline] = (),
) -> Deadline:
    """The deadline that comes first; reminders count back from the end of the grace period, repeats of a call forward."""
    waiting = [*group.calendar[:1], *of_call]
    if group.deadline is not None:
        waiting.append(Deadline(group.deadline, state.GRACE))
        marks = [group.deadline - before for before in grace_reminders]
        waiting += [Deadline(mark, state.REMINDER) for mark in marks if mark > group.reminded]
    elif group.stage == state.MARGIN_CALL:
        waiting.append(Deadline(group.reminded + repeat, state.REMINDER))
    if hold_end is not None:
        waiting.append(Deadline(hold_end, state.HOLD))
    return min(waiting, default=state.NO_DEADLINE)
