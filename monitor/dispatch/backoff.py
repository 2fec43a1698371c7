"""When a failed delivery is tried again: the more urgent, the sooner, until a horizon.

The jitter comes from the delivery's id, not from a random number: two runs of one test wait alike, and ten thousand
deliveries that failed together still spread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from monitor.core.alerts.alert_type import CRITICAL, INFO, WARNING

_FIRST_S = (1, 2, 4, 8)
"""Most faults are over in seconds, whatever the notice is about."""
SCHEDULE_S: Mapping[str, tuple[float, ...]] = {
    CRITICAL: (*_FIRST_S, 15, 30, 60),
    WARNING: (*_FIRST_S, 30, 120, 300),
    INFO: (*_FIRST_S, 60, 300, 1800),
}
"""Seconds after the first, second, ... failure; the last one repeats."""

HORIZON: Mapping[str, timedelta] = {
    CRITICAL: timedelta(hours=72),
    WARNING: timedelta(hours=72),
    INFO: timedelta(hours=24),
}
"""A weekend and a day: an endpoint that was down for longer reads the alert log. Good news is old after a day."""

LONGEST_PAUSE_S: Mapping[str, float] = {CRITICAL: 60, WARNING: 600, INFO: 3600}
"""A peer may ask for a pause, and gets this much of it."""

LAST_TRY = timedelta(minutes=1)
"""Before a deadline that the notice names there is a try, whatever pause the peer asked for."""

JITTER = 0.2


def delay_s(severity: str, failures: int, delivery: str) -> float:
    """Seconds until the next try of a delivery after its failures so far, within a fifth of the schedule."""
    steps = SCHEDULE_S[severity]
    step = steps[min(max(failures, 1), len(steps)) - 1]
    digest = hashlib.sha256(f"{delivery}|{failures}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return step * (1 - JITTER + 2 * JITTER * share)


def longest_s(severity: str) -> float:
    """The longest wait between two tries of a delivery."""
    return SCHEDULE_S[severity][-1] * (1 + JITTER)


def pause_s(severity: str, asked_s: float | None, until_deadline: timedelta | None) -> float:
    """The pause that a peer gets which asked for one; `until_deadline`: what is left of the time to act."""
    pause_s = min(asked_s or 0.0, LONGEST_PAUSE_S[severity])
    if until_deadline is not None and until_deadline > LAST_TRY:
        pause_s = min(pause_s, (until_deadline - LAST_TRY).total_seconds())
    return pause_s


def is_given_up(severity: str, created_at: datetime, next_try: datetime) -> bool:
    """Whether the next try would lie beyond the horizon."""
    return next_try - created_at > HORIZON[severity]
