"""Lets channels repeat what their receiver would forget: an Alertmanager takes silence for the end of an alert."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from monitor.clock import Clock
from monitor.notifiers._base import DeliveryError
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
