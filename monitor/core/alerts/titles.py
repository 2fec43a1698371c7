"""What an alert tells of in a few words. `book.refused` stands for lines, whole books and rates; its facts say which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.core.alerts.catalogue import BOOK_REFUSED, CATALOGUE

UNREADABLE = "unreadable"
"""The reason of what is told of a file that is missing, empty or closed to us."""
NOT_READ = frozenset({UNREADABLE, "key"})
"""Reasons for which nothing of a source is read; `key`: a lender refuses ours."""


def title_of(type_: str, facts: Mapping[str, Any] | None = None) -> str:
    """The words for a type, or for one alert with its facts; a type that an older or a newer version knows is spelled out."""
    if type_ == BOOK_REFUSED and facts:
        return _refused(facts)
    row = CATALOGUE.get(type_)
    return type_.replace(".", " ").replace("_", " ") if row is None else row.title


def _refused(facts: Mapping[str, Any]) -> str:
    """The title of one alert by what it is about: a line, many, a book that is not there, or rates."""
    is_of_a_line = bool(facts.get("place") or facts.get("group"))
    if facts.get("count"):
        return "loan book lines refused"
    if facts.get("product") and not is_of_a_line:
        is_whole_file = "lines" in facts
        if is_whole_file and facts.get("reason") == UNREADABLE:
            return "rates file missing or unreadable"
        return "rates file refused" if is_whole_file else "rates refused"
    if is_of_a_line:
        return "loan book line refused"
    return "loan book missing or unreadable" if facts.get("reason") in NOT_READ else "loan book or rates refused"
