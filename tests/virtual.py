"""An event loop whose time jumps to the next timer while all of its sockets are at rest: a day of a feed in a second.

Real sockets of the same process work as ever: what one end sends is there for the other at the next look. Anything that
waits for another thread or process would be overtaken by the clock, so tests with those do not use it.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_LOOKS = 3
"""So often it looks for messages before time jumps. On loopback one is there at once, or after others had the processor."""


class _Jumping(selectors.DefaultSelector):
    """Selects without waiting, and moves the time of the loop instead."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        for _ in range(_LOOKS):
            if found := super().select(0):
                return found
            os.sched_yield()
        self.jumped_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.jumped_s


class LoopClock:
    """The clock of the loop that runs: both the wall and the monotonic one, beginning on a day long past."""

    def __init__(self, begins: datetime = datetime(2026, 1, 5, tzinfo=UTC)) -> None:
        self._begins = begins
        self._began_s: float | None = None

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self) -> datetime:
        now_s = self.monotonic_s()
        if self._began_s is None:
            self._began_s = now_s
        return self._begins + timedelta(seconds=now_s - self._began_s)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs to the end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
