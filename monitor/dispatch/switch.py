"""When a channel is switched off: it says twice, a minute apart, that its address is gone for good."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.core.alerts.catalogue import CHANNEL_OFF
from monitor.core.events.events import Noticed
from monitor.stores._base import Switched

GONE = "410"
"""The answer of an address that is gone for good."""
APART_S = 59.0
"""The probe after a refusal goes out a minute later; a deployment that answers 410 for some seconds passes in between."""
REPEAT = timedelta(days=1)
LOOK_S = 600.0
"""How often it is looked whether a channel that is off must be told of again."""


class Gone:
    """Counts what one channel says of its own address. In monotonic seconds."""

    def __init__(self) -> None:
        self._first_s: float | None = None

    def answered(self, now_s: float, answer: str) -> bool:
        """Takes the answer of an attempt that failed; True where the channel is to be switched off."""
        if answer != GONE:
            return False
        if self._first_s is None:
            self._first_s = now_s
        return now_s - self._first_s >= APART_S

    def passed(self) -> None:
        """A notice went through, so the address is there."""
        self._first_s = None


def off_event(switched: Switched, at: datetime, waiting: int) -> Noticed:
    """Tells that a channel is off; core tells it once for each day that it is."""
    day = max(at - switched.at, timedelta()) // REPEAT
    facts = {"notifier": switched.notifier, "reason": switched.reason, "waiting": waiting, "days": day}
    return Noticed(at, CHANNEL_OFF, switched.notifier, facts, fingerprint=f"day {day}")


def on_event(notifier: str, at: datetime) -> Noticed:
    """Tells that it sends again."""
    return Noticed(at, CHANNEL_OFF, notifier, {"notifier": notifier}, clears=True)
