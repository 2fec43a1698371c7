"""How fresh the book is that a group comes from."""

from __future__ import annotations

import msgspec

from monitor.core.groups.watcher_states import BookState
from monitor.core.text import stamp_or_none


class BookShown(msgspec.Struct, frozen=True):
    """The book that a group comes from. `as_of` is the time of the book; `stale`: it is older than its limit."""

    source: str
    as_of: str | None
    version: str | None
    stale: bool


def book_shown(source: str, state: BookState) -> BookShown:
    """How fresh a book is."""
    return BookShown(source, stamp_or_none(state.as_of), state.version or None, state.told.last is not None)
