"""How fast a channel may send: at most so many notices in any stretch of time."""

from __future__ import annotations

from collections import deque

from monitor.channel_rules import Limit


class Pace:
    """Counts the attempts of one channel. In monotonic seconds; without a limit there is always room."""

    def __init__(self, limit: Limit | None) -> None:
        self._limit = limit
        self._begun: deque[float] = deque(maxlen=limit.count if limit is not None else 1)

    @property
    def is_limited(self) -> bool:
        """There is a limit to keep."""
        return self._limit is not None

    def next_s(self) -> float:
        """When the next attempt may begin; it may be past."""
        if self._limit is None or len(self._begun) < self._limit.count:
            return 0.0
        return self._begun[0] + self._limit.seconds

    def began(self, now_s: float) -> None:
        """An attempt begins."""
        if self._limit is not None:
            self._begun.append(now_s)
