"""When a failed delivery is tried again: the more urgent, the sooner, until a horizon.

The jitter comes from the delivery's id, not from a random number: two runs of one test wait alike, and ten thousand
deliveries that failed together still spread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from monitor.core.alerts.catalogue import CRITICAL, INFO, WARNING

SCHEDULE_S: Mapping[str, tuple[float, ...]] = {
    CRITICAL: (1, 2, 4, 8, 15, 30, 60),
    WARNING: (5, 15, 45, 120, 300),
    INFO: (30, 120, 600, 1800),
}
"""Seconds after the first, second, ... failure; the last one repeats."""

HORIZON = timedelta(hours=72)
"""A weekend and a day: an endpoint that was down for longer reads the alert log."""

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


def is_given_up(created_at: datetime, next_try: datetime) -> bool:
    """Whether the next try would lie beyond the horizon."""
    return next_try - created_at > HORIZON
