"""What the desk hears of a channel: that it fails, that one recipient refuses, that a notice is lost; each with its end.

One never hides another: a bad contact says nothing about the channel, and an outage is told whatever was lost before.
"""

from __future__ import annotations

from datetime import datetime

from monitor.core.alerts.catalogue import DELIVERY_FAILING, DELIVERY_LOST, RECIPIENT_REFUSED
from monitor.core.events.events import Noticed
from monitor.notifiers._base import Receipt, RefusedRecipient
from monitor.stores._base import Delivery

SAYS_AFTER = 3
"""Failures in a row: for a critical notice that is three seconds, and one lost packet is not yet an outage."""
HOLD_S = 60.0
"""A channel that takes every second notice is said to fail at most once a minute."""
MOST_REFUSING = 1_000
"""Recipients of a channel that are remembered as refusing."""


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
        self._refusing: set[str] = set()

    def failed(self, now_s: float, at: datetime, delivery: Delivery, reason: str, *, at_once: bool) -> Noticed | None:
        """Counts a failure of the channel; returns the event if it is time to tell.

        `at_once`: the channel refuses everything, which does not pass by itself.
        """
        self._failures += 1
        if self._is_said or not (at_once or self._failures >= SAYS_AFTER):
            return None
        self._is_said = True
        self._said_at_s = now_s
        facts = {
            "notifier": self._notifier,
            "reason": reason,
            "failures": self._failures,
            "alert": delivery.alert,
            "alert_type": delivery.type,
            "about": delivery.subject,
        }
        return Noticed(at, DELIVERY_FAILING, self._notifier, facts, fingerprint="failing")

    def delivered(self, now_s: float, at: datetime, receipt: Receipt) -> list[Noticed]:
        """Counts a success; returns the events that end an outage, or the refusal of a recipient, that the desk knows of."""
        self._failures = 0
        over = [
            Noticed(at, RECIPIENT_REFUSED, self._place(each), {}, clears=True)
            for each in receipt.took
            if each in self._refusing
        ]
        self._refusing.difference_update(receipt.took)
        if self._is_said is False or (self._is_said and now_s - self._said_at_s < HOLD_S):
            return over
        self._is_said = False
        return [Noticed(at, DELIVERY_FAILING, self._notifier, {"notifier": self._notifier}, clears=True), *over]

    def refused(self, at: datetime, delivery: Delivery, refusals: tuple[RefusedRecipient, ...]) -> list[Noticed]:
        """Recipients who refuse for good: each is said once until it takes a notice again."""
        told = []
        for each in refusals:
            if len(self._refusing) < MOST_REFUSING:
                self._refusing.add(each.recipient)
            facts = {"notifier": self._notifier, "recipient": each.recipient, "reason": each.reason, **_about(delivery)}
            told.append(Noticed(at, RECIPIENT_REFUSED, self._place(each.recipient), facts, fingerprint="refused"))
        return told

    def lost(self, at: datetime, delivery: Delivery, reason: str) -> Noticed:
        """A notice that is not tried again: told each time."""
        facts = {"notifier": self._notifier, "reason": reason, "severity": delivery.severity, **_about(delivery)}
        return Noticed(at, DELIVERY_LOST, delivery.subject, facts)

    def _place(self, recipient: str) -> str:
        return f"{self._notifier}: {recipient}"


def _about(delivery: Delivery) -> dict[str, str]:
    return {"alert": delivery.alert, "alert_type": delivery.type, "about": delivery.subject}
