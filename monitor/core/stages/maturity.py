"""The dates of a term loan: when it may be renewed, when it matures, what was said (rules 25 and 27, readings A12, A13).

Three pieces of news come in the order of their times, each once per loan and maturity. A later one makes those before it
void: if a loan is put late, only the latest is said. A renewal moves the maturity, so all of them come again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from monitor.core.deadlines import MATURING, MATURITY, OVERDUE, RENEWAL
from monitor.core.loans.group import Loan
from monitor.core.loans.interest import midnight
from monitor.core.rules.product import Version
from monitor.core.stages.stages import GroupState

NEWS = {RENEWAL: "loan.renewal_open", MATURING: "loan.maturing", MATURITY: "loan.overdue"}
Due = tuple[datetime, int, Loan]
"""(time, RENEWAL, MATURING, MATURITY or OVERDUE, loan)."""


def renewal_opens(matures_at: datetime, version: Version) -> datetime | None:
    """00:00 UTC, a set number of days before the maturity's day (reading A13); None where there are no renewals."""
    window = version.renewal_window
    return None if window is None else midnight(matures_at.date()) - window


def news_of(matures_at: datetime, version: Version) -> list[tuple[datetime, int]]:
    """(time, RENEWAL, MATURING or MATURITY) in order. Where two come at one time, only the later counts."""
    times = {matures_at: MATURITY}
    if version.maturity_notice is not None:
        times.setdefault(matures_at - version.maturity_notice, MATURING)
    opens = renewal_opens(matures_at, version)
    if opens is not None:
        times.setdefault(opens, RENEWAL)
    return sorted(times.items())


def dates(loans: Iterable[Loan], state: GroupState, version: Version, put_at: datetime) -> list[Due]:
    """The dates of all owed term loans that have not run, in order. If several were past at the put, only the latest."""
    found: list[Due] = []
    terms = [(x, x.matures_at) for x in loans if x.matures_at is not None and x.is_owed]
    for loan, matures_at in terms:
        key = (loan.id, matures_at)
        if key not in state.noted:
            found += ((at, kind, loan) for at, kind in _left(news_of(matures_at, version), state, key, put_at))
        if key not in state.called:
            found.append((overdue_at(matures_at, version, state.waived_until), OVERDUE, loan))
    return sorted(found, key=lambda due: due[:2]) if found else found


def _left(
    news: list[tuple[datetime, int]], state: GroupState, key: tuple[str, datetime], put_at: datetime
) -> list[tuple[datetime, int]]:
    # All that was said counts: a version without a notice does not open a renewal again.
    said = {kind for id_, matures_at, kind in state.neared if (id_, matures_at) == key}
    news = news[max((i + 1 for i, (_, kind) in enumerate(news) if NEWS[kind] in said), default=0) :]
    while len(news) > 1 and news[1][0] <= put_at:
        del news[0]
    return news


def ran(state: GroupState, loan: Loan, kind: int) -> GroupState:
    """The state in which a date of a loan has run."""
    assert loan.matures_at is not None
    key = (loan.id, loan.matures_at)
    if kind == OVERDUE:
        return msgspec.structs.replace(state, called=(*state.called, key))
    if kind == MATURITY:
        neared = tuple(mark for mark in state.neared if mark[:2] != key)
        return msgspec.structs.replace(state, neared=neared, noted=(*state.noted, key))
    return msgspec.structs.replace(state, neared=(*state.neared, (*key, NEWS[kind])))


def without_gone(state: GroupState, loans: Iterable[Loan]) -> GroupState:
    """Forgets the dates of loans that are repaid, renewed or gone.

    A loan that comes back can be overdue again, and the state of a group of many years stays small.
    """
    owed = {(loan.id, loan.matures_at) for loan in loans if loan.is_owed}
    noted, called = (tuple(key for key in keys if key in owed) for keys in (state.noted, state.called))
    neared = tuple(mark for mark in state.neared if mark[:2] in owed)
    if (noted, called, neared) == (state.noted, state.called, state.neared):
        return state
    return msgspec.structs.replace(state, noted=noted, called=called, neared=neared)


def overdue_at(matures_at: datetime, version: Version, waived_until: datetime | None) -> datetime:
    """When an unpaid loan is liquidated: a day after its maturity, or when a waiver ends."""
    due = matures_at + version.overdue_after
    return due if waived_until is None else max(due, waived_until)


def lead(version: Version) -> tuple[timedelta | None, timedelta | None]:
    """(renewal window, maturity notice): what `news_of` depends on."""
    return version.renewal_window, version.maturity_notice
