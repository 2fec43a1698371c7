"""Lets channels repeat what their receiver would forget: an Alertmanager takes silence for the end of an alert."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from monitor.clock import Clock
from monitor.notifiers._base import DeliveryError, Notifier
from monitor.running import Running, Task
from monitor.telemetry import BoundedLog

RETRY_S = 10.0
"""After a failure it is tried this soon again, so that a restart of the receiver ends no alert."""


@runtime_checkable
class KeptAlive(Protocol):
    """A notifier whose receiver forgets what is not said again."""

    every_s: float
    """How often it must be said again."""

    async def keep_alive(self) -> None:
        """Says all that is open again. Raises DeliveryError."""


async def refresh(name: str, notifier: KeptAlive, clock: Clock, log: BoundedLog) -> None:
    """Says it again at the start, as the time before it is unknown, and then as often as it must be; never ends."""
    while True:
        pause_s = notifier.every_s
        try:
            await notifier.keep_alive()
        except DeliveryError as e:
            pause_s = min(pause_s, RETRY_S)
            facts = {"notifier": name, "reason": e.reason}
            log.warning(clock.monotonic_s(), f"{name} refresh", "open alerts could not be told again", **facts)
        await clock.sleep(pause_s)


class Refreshers:
    """The repetitions of all channels of a dispatcher that need them."""

    def __init__(self, running: Running, log: BoundedLog) -> None:
        self._clock = running.clock
        self._tasks = running.tasks
        self._log = log
        self._at_work: dict[str, Task] = {}

    def begin(self, name: str, notifier: Notifier) -> None:
        """Repeats by this notifier from now on, in place of the one before."""
        self.end(name)
        if isinstance(notifier, KeptAlive):
            work = refresh(name, notifier, self._clock, self._log)
            self._at_work[name] = self._tasks.begin(f"repetitions to {name}", work)

    def end(self, name: str) -> None:
        """Repeats no longer."""
        if (task := self._at_work.pop(name, None)) is not None:
            task.cancel()

    def end_all(self) -> None:
        """The dispatcher stops."""
        for name in list(self._at_work):
            self.end(name)
