"""Dates of a loan that cannot be (decision 100).

By API they are refused. A line of a book is watched by its LTV all the same: its dates are left out and named until they are
mended, so that nobody hears of a maturity that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor.core.schema import Problem, instant
from monitor.core.text import stamp

DATES = "dates"
"""The reason of such a problem."""
SLACK = timedelta(days=1)
"""A lender states a day in the zone of its office, so a term may look a day shorter than it is, and a loan of today may be
dated tomorrow."""

_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*", re.ASCII | re.DOTALL)
_TERM = re.compile(r"(\d{1,5})d", re.ASCII)


def line_problems(line: object, now: datetime | None) -> list[Problem]:
    """What cannot be among the dates of a line's loans, as it is written. `now` is None where nothing is live: a replay takes
    loans that open later than its tape."""
    loans = line.get("loans") if isinstance(line, dict) else None
    found = enumerate(loans) if isinstance(loans, list) else ()
    return [problem for i, loan in found for problem in loan_problems(loan, f"loans[{i}]", now)]


def loan_problems(loan: object, where: str, now: datetime | None) -> list[Problem]:
    """The same of one loan, an object of JSON; what has no date's form at all is not looked at here."""
    if not isinstance(loan, dict):
        return []
    opened, matures = _time(loan.get("opened_at")), _time(loan.get("matures_at"))
    words = [
        (name, f"found {loan[name][:40]!r}, which is no day of the calendar or no time of a day")
        for name, time in (("opened_at", opened), ("matures_at", matures))
        if time is _NO_DAY
    ]
    if isinstance(opened, datetime):
        if now is not None and opened > now + SLACK:
            words.append(("opened_at", f"found {stamp(opened)}, which is more than a day after now"))
        if isinstance(matures, datetime) and (what := unlike_term(opened, matures, loan.get("term"))) is not None:
            words.append(("matures_at", what))
    return [Problem(f"{where}.{name}", f"{what}; state when it was", DATES) for name, what in words]


def unlike_term(opened: datetime, matures: datetime, term: object) -> str | None:
    """What is wrong with a maturity. Renewals make a loan longer than its term, and nothing makes it shorter."""
    if matures <= opened:
        return f"found {stamp(matures)}, which is not after {stamp(opened)}, when the loan was opened"
    match = _TERM.fullmatch(term) if isinstance(term, str) else None
    if match is not None and matures - opened < timedelta(days=int(match[1])) - SLACK:
        return f"found {stamp(matures)}, which is less than {match[0]} after {stamp(opened)}, when the loan was opened"
    return None


def opened_unstated(loan: Mapping[str, Any], at: datetime) -> datetime:
    """When a loan was opened that does not say it: its term before its maturity, and never later than now."""
    matures, match = _time(loan.get("matures_at")), _TERM.fullmatch(str(loan.get("term")))
    if match is None or not isinstance(matures, datetime):
        return at
    return min(at, matures - timedelta(days=int(match[1])))


def with_usable_dates(line: Mapping[str, Any], problems: list[Problem], at: datetime) -> dict[str, Any]:
    """A line that can be read: dates of its loans that cannot be are those of now."""
    bad = set(places(problems))
    return {**line, "loans": [_usable(loan, at) if i in bad else loan for i, loan in enumerate(line["loans"])]}


def places(problems: list[Problem]) -> Iterator[int]:
    """The places of the loans whose dates cannot be."""
    return (int(problem.where.partition("[")[2].partition("]")[0]) for problem in problems)


def _usable(loan: dict[str, Any], at: datetime) -> dict[str, Any]:
    opened = _time(loan.get("opened_at"))
    usable = opened if isinstance(opened, datetime) and opened <= at else at
    matures = loan.get("matures_at")
    return {**loan, "opened_at": usable.isoformat(), "matures_at": None if matures is None else at.isoformat()}


_NO_DAY = object()


def _time(text: object) -> object:
    """A time; `_NO_DAY` where the text is written like one and is none; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        return instant(text)
    except ValueError:
        return _NO_DAY if _SHAPE.fullmatch(text) and "1970" <= text[:4] < "2200" else None
