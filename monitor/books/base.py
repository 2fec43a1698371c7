"""What every source of loans shares.

Groups that are put over HTTP come through the inbox of the web instead: their sender waits for the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from monitor.core.events import Event


class BookSource(Protocol):
    """A source of loan groups: batches of GroupPut, GroupClosed, BookEntry, and Noticed for what it refused."""

    name: str

    def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then changes as they come. A batch is applied and committed as one."""
        ...
