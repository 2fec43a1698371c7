"""What the parts of one running monitor share: the store, the clocks, the figures for readiness, and their tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple

from monitor.clock import Clock
from monitor.stores._base import Store
from monitor.telemetry import Health, Metrics, log

Task = asyncio.Task[None]


class Tasks:
    """Work that goes on beside its caller. One that breaks ends the monitor: a part that is silently gone is worse."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        """What broke first."""
        self._running: set[Task] = set()
        self._is_broken = asyncio.Event()

    def begin(self, name: str, work: Coroutine[Any, Any, None], group: set[Task] | None = None) -> Task:
        """Starts a task. `group` holds it as well while it runs."""
        task = asyncio.create_task(work, name=name)
        for holder in (self._running, *([] if group is None else [group])):
            holder.add(task)
            task.add_done_callback(holder.discard)
        task.add_done_callback(self._ended)
        return task

    async def watch(self) -> None:
        """Never returns; raises what breaks first."""
        await self._is_broken.wait()
        assert self.error is not None
        raise self.error

    async def cancel(self) -> None:
        """Cancels all that still runs, and waits until it has ended."""
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, task: Task) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a part of the monitor broke", part=task.get_name(), error=repr(error))
            self.error = self.error or error
            self._is_broken.set()


class Running(NamedTuple):
    """One running monitor. Every part gets it whole."""

    store: Store
    clock: Clock
    metrics: Metrics
    health: Health
    tasks: Tasks
