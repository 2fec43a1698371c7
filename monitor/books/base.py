"""What every source of loans shares.

Groups that are put over HTTP come through the inbox of the web instead: their sender waits for the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from monitor.core.book import Group
from monitor.core.events import Event

Parse = Callable[[object, datetime], Group]
"""A group of a line's object, checked against its product; raises wire.Invalid. May run in any thread."""


class Kept(NamedTuple):
    """What the store has of a source: so that what changed while the daemon was down is noticed at the next start."""

    groups: tuple[str, ...] = ()
    """Ids of the groups that it put."""
    refused: tuple[str, ...] = ()
    """Subjects of all `book.refused` notices that still hold, also those of other sources."""


class BookSource(Protocol):
    """A source of loan groups: batches of GroupPut, GroupClosed, BookEntry, and Noticed for what it refused.

    Its module has `Config` and `build(name, config, parse, clock, kept) -> BookSource`.
    """

    name: str

    def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then changes as they come. A batch is applied and committed as one."""
        ...
