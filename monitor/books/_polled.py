"""What sources share that ask a peer again and again: one round after the other, and what is said when rounds fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

from monitor.books._base import KeptBook
from monitor.clock import Clock
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.events import Event, Noticed
from monitor.core.schema import Span
from monitor.telemetry import BoundedLog

Every = Annotated[timedelta, Span("100ms", "7d")]
"""The time from the beginning of one round to that of the next."""
_RANDOM = random.SystemRandom()
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""Pauses after failures: a peer that restarts is back in seconds, and one that is gone is asked twice a minute."""
_TOLD_AFTER = 2
"""Failed rounds in a row: one that fails alone is in the log only."""
POLLS_TO_STALE = 3
"""Two rounds may fail before a book is stale."""


class Unreadable(Exception):
    """A round without a usable answer. The text says why, without secrets; `after_s` is the pause that the peer asks for."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Rounds:
    """Runs the rounds of one source. Whatever they meet is said and tried again."""

    def __init__(self, name: str, clock: Clock, every: timedelta, kept: KeptBook) -> None:
        self.name = name
        self._clock = clock
        self._every_s = every.total_seconds()
        self._subject = f"{name}: source"
        self._is_told = self._subject in kept.refused
        self._log = BoundedLog()

    async def run(self, round_: Callable[[], AsyncGenerator[list[Event], None]]) -> AsyncGenerator[list[Event], None]:
        """The batches of one round after the other. A round raises Unreadable; what it gave before that stands."""
        failures = 0
        while True:
            _end_if_cancelled()
            began_s = self._clock.monotonic_s()
            try:
                async with aclosing(round_()) as batches:
                    async for batch in batches:
                        if batch:
                            yield batch
            except Unreadable as e:
                failures += 1
                pause_s = self._paused(e, failures)
                if failures >= _TOLD_AFTER:
                    self._is_told = True
                    yield [self._notice(str(e))]
            else:
                failures = 0
                pause_s = began_s + self._every_s - self._clock.monotonic_s()
                if self._is_told:
                    self._is_told = False
                    yield [Noticed(self._clock.utc(), BOOK_REFUSED, self._subject, {}, clears=True)]
            _end_if_cancelled()
            await self._clock.sleep(max(pause_s, 0.0))

    def _notice(self, why: str) -> Event:
        """Said once for one reason: core knows what was said last."""
        problem = f"the book cannot be read: {why}; what was read before stays in force"
        facts = {"problem": problem, "reason": "unreadable", "source": self.name}
        return Noticed(self._clock.utc(), BOOK_REFUSED, self._subject, facts, fingerprint=problem)

    def _paused(self, e: Unreadable, failures: int) -> float:
        first_s = min(_FIRST_PAUSE_S, self._every_s)
        ceiling_s = min(_LONGEST_PAUSE_S, first_s * 2 ** min(failures, 10))
        pause_s = max(_RANDOM.uniform(ceiling_s / 2, ceiling_s), min(e.after_s, 3600.0))
        what = {"book": self.name, "reason": str(e), "retry_in_s": round(pause_s, 1)}
        self._log.warning(self._clock.monotonic_s(), "read", "a loan book could not be read", **what)
        return pause_s


def _end_if_cancelled() -> None:
    """Raises CancelledError if somebody has asked this task to end: the client of Redis may lose such a request."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
