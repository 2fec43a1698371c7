"""Turns at the whole book: who may copy and weigh it now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from monitor.web.http import Rejected

AT_ONCE = 1
"""Copies of the book that are weighed at a time: each is 100 MB for a million groups, and takes a core."""
WAITING = 16
"""Requests that wait for their turn; more are told to come again."""
LISTS = 2
"""Lists that are sent at a time."""
SEND_S = 300.0
"""Seconds that one of them may take."""


class Turns:
    """Who may look at the whole book: one at a time, and not too many in a queue."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._lists = asyncio.Semaphore(LISTS)

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A turn. Raises Rejected where too many wait."""
        if self._waiting >= WAITING:
            raise Rejected("busy", f"{WAITING} others wait for the whole book; try again", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._free:
                yield
        finally:
            self._waiting -= 1

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Sends a list, which keeps its copy of the book. Raises Rejected while too many do, TimeoutError after SEND_S."""
        if self._lists.locked():
            raise Rejected("busy", f"{LISTS} lists are being sent; try again", headers={"Retry-After": "5"})
        async with self._lists, asyncio.timeout(SEND_S):
            yield
