"""What `book.refused` tells of, in a few words: one type stands for lines, whole books and rates, and its facts say which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNREADABLE = "unreadable"
"""The reason of what is told of a file that is missing, empty or closed to us."""
NOT_READ = frozenset({UNREADABLE, "key"})
"""Reasons for which nothing of a source is read; `key`: a lender refuses ours."""


def title_of_refused(facts: Mapping[str, Any]) -> str:
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
