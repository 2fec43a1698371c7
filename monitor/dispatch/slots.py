"""How many attempts of one channel go on at a time, and how many are counted before it is their turn.

Each attempt is counted in the store before it is made, and a disk that has to sync takes longer than a receiver nearby. So
for a fast receiver a block of attempts is counted together, and the next block while these go out. A slow one gets no more
than a few: what is counted and waits can no longer make way for something more urgent.
"""

from __future__ import annotations

from monitor.notifiers._base import Fault

USUAL = 8
"""Attempts of one notifier under way together: a relay that takes a second serves a storm of 500 in a minute."""
AHEAD_S = 0.2
"""What is counted goes out within about this time, so nothing urgent waits longer behind it."""
MOST_AHEAD = 256
"""Bodies of 3 kB for most: 3 MB. In a large block each page of the store is written for several deliveries."""
QUICK_S = 0.25
"""A receiver that answers within this time may be asked by more at once, where its notifier permits that."""
_SHARE = 0.1
"""How much the newest attempt counts in the average."""
_LEAST_S = 0.001


class Slots:
    """Those of one channel: `at_once` that were begun and are not recorded, and `room` with those that are only counted."""

    def __init__(self, usual: int, most: int, *, is_limited: bool) -> None:
        """`most`: how many at once a fast receiver gets. `is_limited`: a rate is kept, so nothing is counted ahead."""
        self._usual = usual
        self._most = max(most, usual)
        self._is_limited = is_limited
        self._took_s = AHEAD_S
        self._quick = 0
        """Attempts in a row that were quick, since the last slot was added."""
        self.at_once = usual

    @property
    def room(self) -> int:
        """How many attempts may be counted and not be over in the store."""
        if self._is_limited:
            return self._usual
        return max(min(int(self.at_once * AHEAD_S / self._took_s), MOST_AHEAD), self.at_once)

    def ended(self, took_s: float, fault: Fault | None) -> None:
        """An attempt went through, or failed: then what the receiver could take before says nothing any more."""
        if fault is None:
            self._passed(took_s)
        elif fault is not Fault.NOTICE:
            self._took_s = AHEAD_S
            self._quick = 0
            self.at_once = self._usual

    def _passed(self, took_s: float) -> None:
        self._took_s += (max(took_s, _LEAST_S) - self._took_s) * _SHARE
        if took_s > QUICK_S:
            self._quick = 0
            self.at_once = max(self.at_once - 1, self._usual)
            return
        self._quick += 1
        if self._quick >= self.at_once:
            self._quick = 0
            self.at_once = min(self.at_once + 1, self._most)
