"""Book entries of past days from a file of JSON Lines: `monitor replay --entries` applies them among the rows of a tape.

A line is the body of POST /v1/groups/{id}/entries with the group's id: `{"group":"G-1","id":"E-1","at":"...","type":...}`.
Each line states `at`, which must not fall from line to line. It names the lines that it cannot use, and applies the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.books._lines import decoded, lines_of, repeated_key
from monitor.core.events.entries import Entry
from monitor.core.events.events import BookEntry
from monitor.core.loans.loan_dates import loan_problems
from monitor.core.schema import Id, Invalid, Problem, read_or_note
from monitor.core.text import stamp


class Head(msgspec.Struct, frozen=True):
    """The keys of a line beside the content of the entry."""

    group: Id
    id: Id
    at: datetime


class Placed(NamedTuple):
    """An entry and the place where it stands."""

    where: str
    event: BookEntry


class EntryTape:
    """Hands out the entries of a file as time goes on. Calls `on_refused` with each that it cannot use, and why."""

    def __init__(self, path: Path, on_refused: Callable[[str], None]) -> None:
        self._on_refused = on_refused
        self._applied: dict[tuple[str, str], BookEntry] = {}
        self._coming = self._read(path)
        self._next = next(self._coming, None)

    def until(self, at: datetime) -> Iterator[Placed]:
        """The next entries up to a time, in the order of the file."""
        while self._next is not None and self._next.event.at <= at:
            placed, self._next = self._next, next(self._coming, None)
            if self._is_new(placed):
                yield placed

    def rest(self) -> Iterator[Placed]:
        """All entries that are left."""
        while self._next is not None:
            yield self._next
            self._next = next(self._coming, None)

    def refuse(self, placed: Placed, why: str) -> None:
        """Names an entry that does not apply; another entry may use its id."""
        self._applied.pop(_key(placed.event), None)
        self._on_refused(f"{placed.where}: {why}")

    def _is_new(self, placed: Placed) -> bool:
        """An id that stands twice for one group is the same entry, or a mistake if the content differs."""
        known = self._applied.setdefault(_key(placed.event), placed.event)
        if known is not placed.event and known != placed.event:
            what = f"found {placed.event.id!r}, the id of another entry of group {placed.event.group_id}"
            self._on_refused(f"{placed.where}: id: {what}; each entry has an id of its own")
        return known is placed.event

    def _read(self, path: Path) -> Iterator[Placed]:
        last: datetime | None = None
        for number, raw in lines_of(path):
            where = f"{path}:{number}"
            try:
                event = read_entry(raw)
                if last is not None and event.at < last:
                    what = f"found {stamp(event.at)}, older than {stamp(last)} before it; sort the lines"
                    raise Invalid([Problem("at", what, "unordered")])
            except Invalid as e:
                self._on_refused(f"{where}: {e}")
                continue
            last = event.at
            yield Placed(where, event)


def _key(event: BookEntry) -> tuple[str, str]:
    return event.group_id, event.id


def read_entry(raw: bytes) -> BookEntry:
    """The entry of a line. Raises schema.Invalid with every problem."""
    stated = decoded(raw)
    if not isinstance(stated, dict):
        raise Invalid([Problem("", "the line is no object; expected an entry with its group, id, at and type")])
    if (key := repeated_key(raw, stated)) is not None:
        raise Invalid([Problem("", f"the key {key!r} appears twice in one object", "repeated_key")])
    names = Head.__struct_fields__
    problems: list[Problem] = []
    head = read_or_note(Head, {k: v for k, v in stated.items() if k in names}, problems)
    entry = read_or_note(Entry, {k: v for k, v in stated.items() if k not in names}, problems)
    known = {problem.where for problem in problems}
    problems += [each for each in loan_problems(stated.get("loan"), "loan", None) if each.where not in known]
    if problems:
        raise Invalid(problems)
    # As by API: a grace period is extended, never cut short.
    return BookEntry(head.at.astimezone(UTC), head.group, head.id, entry, may_shorten=False)
