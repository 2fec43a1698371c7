"""A time limit of many tasks, by one timer of the event loop.

A timer of its own costs each of them 3 us. Those of one limit end in the order in which they began, so one timer waits for
the oldest.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimit:
    """`async with limit.begun():` raises TimeoutError after so many seconds, as `asyncio.timeout` does."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: dict[_Begun, float] = {}
        """The oldest first, with the time of the loop at which each is over."""
        self._timer: asyncio.TimerHandle | None = None

    def begun(self) -> _Begun:
        """For one use, by one task."""
        return _Begun(self)

    def open(self, begun: _Begun) -> None:
        """The time begins."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Those of another loop have ended with it.
            self._loop = loop
            self._open = {}
            self._timer = None
        self._open[begun] = loop.time() + self.after_s
        if self._timer is None:
            self._timer = loop.call_later(self.after_s, self._look)

    def close(self, begun: _Begun) -> None:
        """It ended by itself, or was cut off."""
        self._open.pop(begun, None)

    def _look(self) -> None:
        """Cuts off what is over, and waits for the next one. Where nothing is open, the next to begin sets a timer."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for begun, over in list(self._open.items()):
            if over > now:
                self._timer = loop.call_at(over, self._look)
                return
            del self._open[begun]
            begun.expire()


class _Begun:
    """As `asyncio.Timeout` has it."""

    __slots__ = ("_before", "_is_over", "_limit", "_task")

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self._is_over = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can be cut off"
        self._task = task
        self._before = task.cancelling()
        self._limit.open(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._limit.close(self)
        # Somebody else may have cancelled the task as well: then it stays cancelled.
        if self._is_over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cuts the task off."""
        self._is_over = True
        self._task.cancel()
