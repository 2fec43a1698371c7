"""What goes out while the store takes nothing: one attempt for each notice, uncounted, under the id that it keeps.

Receivers drop by that id what comes again once the store is back. Nobody waits for these attempts: the outage may last.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitor.core.alerts.alert import LoggedAlert
from monitor.notifiers._base import DeliveryError, Notice, Notifier
from monitor.stores._base import Target
from monitor.telemetry import log

AT_ONCE = 8
"""Attempts of one notifier under way together, as many as the dispatcher makes."""
TIMEOUT_S = 20.0
"""For one attempt from its beginning; a notice that waits for its turn is not yet late."""
LAST_WORD_S = 1.0
"""For the attempts under way at a stop."""


class LastResort:
    """`notifiers` is asked at each attempt, as a reload changes them."""

    def __init__(
        self, notifiers: Callable[[], Mapping[str, Notifier]], render: Callable[[LoggedAlert], dict[str, Any]]
    ) -> None:
        self._notifiers, self._render = notifiers, render
        self._gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._attempts: set[asyncio.Task[None]] = set()

    def send(self, logged: LoggedAlert, targets: Iterable[Target]) -> None:
        """Begins one attempt for each target and does not wait."""
        shown = self._render(logged)
        for target in targets:
            notice = Notice(shown["type"], shown["timestamp"], shown["data"], target.to)
            task = asyncio.create_task(self._attempt(target.notifier, notice))
            self._attempts.add(task)
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Gives attempts under way a moment and cuts the rest off."""
        if self._attempts:
            await asyncio.wait(set(self._attempts), timeout=LAST_WORD_S)
        left = set(self._attempts)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _attempt(self, name: str, notice: Notice) -> None:
        async with self._gates[name]:
            try:
                await asyncio.wait_for(self._notifiers()[name].send(notice), TIMEOUT_S)
            except (DeliveryError, TimeoutError, KeyError) as e:
                log.error("a notice of the last resort was not delivered", notifier=name, id=notice.id, reason=str(e))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A notifier is a plug-in and may raise anything; here nobody awaits it, and it must not be lost in silence."""
        self._attempts.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a notifier raised what it should not", error=type(error).__name__)
