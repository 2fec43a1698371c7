"""Sends alerts while the store takes no commit: one attempt for each notice, not counted, under its final id.

When the store is back the notice goes out again under the same id, and receivers drop the second one. Nothing waits for
these attempts, as the outage may last.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from monitor import permit
from monitor.clock import Clock
from monitor.core.alerts.alert import LoggedAlert
from monitor.dispatch.notices import Render
from monitor.dispatch.slots import USUAL
from monitor.notifiers._base import DeliveryError, Notice, Notifier
from monitor.notifiers._borrowers import for_borrower
from monitor.stores._base import Target
from monitor.telemetry import log

TIMEOUT_S = 20.0
"""For one attempt. The time that a notice waits for its turn does not count."""
LAST_WORD = "monitor.degraded"
"""Where peer and database are both gone this one goes all the same, and nothing else."""
STOP_S = 1.0
"""At a stop, attempts under way have this long to end."""


class LastResort:
    """Asks for the notifiers at each attempt, as a reload changes them."""

    def __init__(self, notifiers: Callable[[], Mapping[str, Notifier]], render: Render, clock: Clock) -> None:
        self._clock = clock
        self._notifiers = notifiers
        self._render = render
        self._gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(USUAL))
        self._attempts: set[asyncio.Task[None]] = set()

    def send(self, logged: LoggedAlert, targets: Iterable[Target]) -> None:
        """Begins one attempt for each target and does not wait. What a quiet time holds is left to the commit."""
        whole, now = self._render(logged).notice, self._clock.utc()
        for target in (t for t in targets if t.until is None or t.until <= now):
            notice = whole
            if target.to:
                notice = for_borrower(notice, logged.alert.contacts, target.to)
            if logged.alert.type == LAST_WORD:
                with permit.last_word():
                    self._begin(self._attempt(target.notifier, notice))
            else:
                self._begin(self._in_turn(target.notifier, notice))

    async def stop(self) -> None:
        """Gives attempts under way a moment and cuts the rest off."""
        if self._attempts:
            await asyncio.wait(set(self._attempts), timeout=STOP_S)
        left = set(self._attempts)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _begin(self, attempt: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(attempt)
        self._attempts.add(task)
        task.add_done_callback(self._ended)

    async def _in_turn(self, name: str, notice: Notice) -> None:
        # Without a lease the first ones wait at the gate for as long as that lasts. The last word must not stand behind them.
        async with self._gates[name]:
            await self._attempt(name, notice)

    async def _attempt(self, name: str, notice: Notice) -> None:
        try:
            # Where the lease came back meanwhile, the store takes commits: the notice goes from there, in its order.
            if await permit.granted():
                async with asyncio.timeout(TIMEOUT_S):
                    await self._notifiers()[name].send(notice)
        except permit.Silent:
            log.warning("a notice of the last resort was held back", notifier=name, id=notice.id)
        except (DeliveryError, TimeoutError, KeyError) as e:
            log.error("a notice of the last resort was not delivered", notifier=name, id=notice.id, reason=str(e))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A notifier is a plug-in and may raise anything. Nothing awaits this task, so the log must name the error."""
        self._attempts.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a notifier raised what it should not", error=type(error).__name__)
