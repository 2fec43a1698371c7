"""Spares a dead channel: after some failures, or one refusal of the channel itself, only one probe at a time goes out.

A channel that refuses a single notice has answered: it is alive.
"""

from __future__ import annotations

OPENS_AFTER = 10
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""A probe a minute: as often as a critical notice would be tried."""
REFUSED_PAUSE_S = 60.0
"""Where the channel refuses us, a second try at once would not help, and mail providers lock accounts."""


class Breaker:
    """Closed: all may go. Open: none may go until the pause is over, then one probe decides. In monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._opens_at_s: float | None = None
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        return self._opens_at_s is not None

    def room(self, now_s: float, slots: int) -> int:
        """How many of the free slots may be used now."""
        if self._opens_at_s is None:
            return slots
        return min(slots, 1) if not self._is_probing and now_s >= self._opens_at_s else 0

    @property
    def next_probe_s(self) -> float | None:
        """When a probe may go out; None while closed or while one is under way."""
        return None if self._is_probing else self._opens_at_s

    def started(self) -> bool:
        """An attempt begins; True if it is the probe. The end of the attempt must say so."""
        self._is_probing = self.is_open
        return self._is_probing

    def abandoned(self, is_probe: bool) -> None:
        """An attempt did not take place after all."""
        if is_probe:
            self._is_probing = False

    def answered(self) -> bool:
        """The channel took a notice or refused it for good; True if it was open until now."""
        was_open = self.is_open
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._opens_at_s = None
        self._is_probing = False
        return was_open

    def failed(self, now_s: float, is_probe: bool) -> None:
        """An attempt failed in a way that may pass. Only a probe makes the pause longer."""
        self._failures += 1
        if is_probe:
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._open(now_s)
        elif self._failures >= OPENS_AFTER and not self.is_open:
            self._open(now_s)

    def refused(self, now_s: float) -> None:
        """The channel refuses everything: the next probe is a minute away."""
        self._failures += 1
        self._pause_s = REFUSED_PAUSE_S
        self._open(now_s)

    def doubted(self, now_s: float, is_probe: bool) -> None:
        """The channel answered, but it is not clear whether it refuses everything. It opens or closes nothing."""
        if is_probe:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self._opens_at_s = now_s + self._pause_s
        self._is_probing = False
