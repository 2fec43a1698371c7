"""Many channels that fail together are one alert with a list: one cable takes them all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from monitor.core.alerts.catalogue import DELIVERY_FAILING
from monitor.core.events.events import Noticed

QUIET_S = 2.0
"""The alert waits until no other channel has failed for so long."""
LONGEST_S = 10.0
"""It waits no longer than this in all."""
SUBJECT = "channels"


class Outages:
    """Channels that fail and are not told of yet. In monotonic seconds."""

    def __init__(self, tell: Callable[[Noticed], None]) -> None:
        self._tell = tell
        self._failing: dict[str, Noticed] = {}
        self._first_s = 0.0
        self._last_s = 0.0

    def add(self, event: Noticed, now_s: float) -> bool:
        """A channel fails; True where it is the first, so that somebody must wait for the others."""
        is_first = not self._failing
        if is_first:
            self._first_s = now_s
        self._last_s = now_s
        self._failing[event.subject] = event
        return is_first

    def over(self, notifier: str) -> bool:
        """A channel is back; True where nobody was told that it was away."""
        return self._failing.pop(notifier, None) is not None

    def wait_s(self, now_s: float) -> float:
        """How long to wait for others; 0 when it is time to tell."""
        until_s = min(self._last_s + QUIET_S, self._first_s + LONGEST_S)
        return max(until_s - now_s, 0.0) if self._failing else 0.0

    def flush(self, at: datetime) -> None:
        """Tells of those that wait: one by itself, several in one list."""
        failing, self._failing = list(self._failing.values()), {}
        if len(failing) == 1:
            self._tell(failing[0])
        elif failing:
            self._tell(_listed(failing, at))


def _listed(failing: list[Noticed], at: datetime) -> Noticed:
    names = tuple(event.subject for event in failing)
    facts = {
        **failing[0].facts,
        "notifier": ", ".join(names),
        "channels": [{k: event.facts[k] for k in ("notifier", "reason", "failures")} for event in failing],
    }
    return Noticed(at, DELIVERY_FAILING, SUBJECT, facts, fingerprint="failing", members=names)
