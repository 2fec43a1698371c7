"""Says once that a channel fails, and forgets it once the channel delivers again."""

from __future__ import annotations

from datetime import datetime

from monitor.core.events.events import Noticed
from monitor.stores._base import Delivery

KIND = "delivery.failing"
SAYS_AFTER = 3
"""Failures in a row: for a critical notice that is three seconds, and one lost packet is not yet an outage."""
HOLD_S = 60.0
"""A channel that takes every second notice is said to fail at most once a minute."""


class Outage:
    """What the desk was told about one notifier.

    After a start it is unknown whether the desk was told before, so the first success clears an outage too. Saying or
    clearing twice changes nothing in core.
    """

    def __init__(self, notifier: str) -> None:
        self._notifier = notifier
        self._failures = 0
        self._is_said: bool | None = None
        self._said_at_s = 0.0

    def failed(self, now_s: float, at: datetime, delivery: Delivery, reason: str, *, for_good: bool) -> Noticed | None:
        """Counts a failure; returns the event if it is time to tell. A notice that is given up counts as time to tell."""
        self._failures += 1
        if self._is_said or not (for_good or self._failures >= SAYS_AFTER):
            return None
        self._is_said = True
        self._said_at_s = now_s
        facts = {
            "notifier": self._notifier,
            "reason": reason,
            "failures": self._failures,
            "gave_up": for_good,
            "alert": delivery.alert,
            "alert_type": delivery.type,
            "about": delivery.subject,
        }
        return Noticed(at, KIND, self._notifier, facts, fingerprint="failing")

    def delivered(self, now_s: float, at: datetime) -> Noticed | None:
        """Counts a success; returns the event that ends an outage the desk knows of."""
        self._failures = 0
        if self._is_said is False or (self._is_said and now_s - self._said_at_s < HOLD_S):
            return None
        self._is_said = False
        return Noticed(at, KIND, self._notifier, {"notifier": self._notifier}, clears=True)
