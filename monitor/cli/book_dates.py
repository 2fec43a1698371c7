"""Dates of loans that cannot be, in the books that a configuration names: the daemon would leave them out (decision 100)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from monitor.books._lines import decoded, lines_of
from monitor.config import Config
from monitor.core.loans.loan_dates import line_problems
from monitor.core.schema import Invalid

NAMED = 20
"""So many are named; all are counted."""


def impossible_dates(config: Config, now: datetime) -> list[str]:
    """A sentence for each line of a book in a file, the first ones, and how many there are."""
    found = [note for part in config.books if part.kind == "file" for note in dates_of(part.config.path, now)]
    more = len(found) - NAMED
    return found[:NAMED] + ([f"{more:,} more lines of books have dates that cannot be"] if more > 0 else [])


def dates_of(book: Path, now: datetime) -> Iterator[str]:
    """The lines of a book whose loans are watched without their dates."""
    for number, raw in lines_of(book):
        try:
            line = decoded(raw)
        except (Invalid, RecursionError):
            continue  # a line that cannot be read is refused whole
        if problems := line_problems(line, now):
            said = "; ".join(map(str, problems))
            who = line.get("id") if isinstance(line, dict) else None
            yield f"{book}:{number}: group {str(who)[:128]} is watched without these dates: {said}"
