"""What is not known or not in order, as a state: from when it is found until it is mended.

A refused line, a book that cannot be read, rates with errors, a contact that is lost, a reload that was refused. All of them
are one type, so that status, readiness, metrics and the page show the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from monitor.core.alerts.catalogue import (
    BOOK_GAP,
    BOOK_LEFT_OUT,
    BOOK_REFUSED,
    CHANNEL_OFF,
    DELIVERY_FAILING,
    RECIPIENT_REFUSED,
    RULES_DRIFT,
)
from monitor.core.alerts.state_alerts import CONFIG_REFUSED, RULES_HELD
from monitor.core.alerts.titles import UNREADABLE
from monitor.core.schema import Problem

STATES = frozenset(
    {
        BOOK_REFUSED,
        BOOK_LEFT_OUT,
        BOOK_GAP,
        RULES_DRIFT,
        CONFIG_REFUSED,
        RULES_HELD,
        DELIVERY_FAILING,
        RECIPIENT_REFUSED,
        CHANNEL_OFF,
    }
)
"""Types of what is noticed that are states. Of a book's age `BookWatch` knows."""
TOO_OLD = frozenset({"book.stale", "book.outdated"})
FEW = 10
"""So many at once are an alert each, so that each has its own words; more are one alert with a count."""
TEXT_CHARS = 300
CELLS = 10
"""Of one line; who mends these sees the next ones."""
_FOUND = re.compile(r"found (.*?), (?:expected|but|which) (.*)", re.DOTALL)
_SOURCES = ("source", "notifier")


class BadCell(msgspec.Struct, frozen=True):
    """One thing that is wrong with a line: where in it, what stands there (null where nothing does), and what mends it."""

    cell: str
    value: str | None
    remedy: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not known or not in order."""

    kind: str
    """The type of the alert that told of it."""
    subject: str
    since: datetime
    text: str
    reason: str = ""
    source: str | None = None
    """The book, the file of rates or the channel."""
    place: str | None = None
    """Where in its book, for people: `line 7`."""
    group: str | None = None
    cells: tuple[BadCell, ...] = ()

    @property
    def is_of_a_line(self) -> bool:
        """A group, or a line that may be of any group, is not as its book states it."""
        return self.kind == BOOK_REFUSED and (self.place is not None or self.group is not None)

    @property
    def is_of_a_file(self) -> bool:
        """A book or a file of rates cannot be read as a whole."""
        return self.kind == BOOK_REFUSED and self.reason == UNREADABLE and not self.is_of_a_line


def bad_cell(problem: Problem) -> BadCell:
    """A problem in its parts. Our sentences say what was found and what was expected."""
    if (found := _FOUND.fullmatch(problem.what)) is None:
        return BadCell(problem.where, None, problem.what[:TEXT_CHARS])
    return BadCell(problem.where, found[1].strip("'\"")[:TEXT_CHARS], found[2][:TEXT_CHARS])


def cells_of(facts: Mapping[str, Any]) -> tuple[BadCell, ...]:
    """Those that the facts of a notice name."""
    rows = facts.get("cells") or ()
    return tuple(BadCell(row["cell"], row["value"], row["remedy"]) for row in rows[:CELLS])


def trouble_of(kind: str, subject: str, facts: Mapping[str, Any], since: datetime) -> Trouble:
    """What a notice tells of, as a state."""
    text = str(facts.get("problem") or facts.get("reason") or kind)
    return Trouble(
        kind=kind,
        subject=subject,
        since=since,
        text=text[:TEXT_CHARS],
        reason=str(facts.get("reason", ""))[:TEXT_CHARS],
        source=next((str(facts[key]) for key in _SOURCES if facts.get(key)), None),
        place=facts.get("place"),
        group=facts.get("group"),
        cells=cells_of(facts),
    )
