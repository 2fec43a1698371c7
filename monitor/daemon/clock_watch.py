"""Compares the wall clock with the monotonic one, and says to core when the wall jumps or our time stands still."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.clock import Clock
from monitor.core.events.events import Noticed
from monitor.core.watch.risk import CLOCK_JUMP, CLOCK_STILL, RiskMonitor
from monitor.telemetry import log

JUMP_S = 0.5
"""Wall and monotonic clock may drift apart by this much between two looks; more is a jump."""
CALM_S = 60.0
"""A jump in the same direction within this time is not said again."""


class ClockWatch:
    """`wall` is the time of the last comparison. Of the monitor it only reads, and only between two events."""

    def __init__(self, monitor: RiskMonitor, clock: Clock) -> None:
        self._monitor, self._clock = monitor, clock
        self._heard_s: dict[str, float] = {}
        # Behind the last event before a restart, the wall was set back meanwhile: the first look finds that as a jump.
        self.wall, self._looked_s = clock.utc(), clock.monotonic_s()
        self._anchor = (self.wall if monitor.at is None else max(self.wall, monitor.at), clock.monotonic_s())
        self._jumped_s: float | None = None
        self._is_old_word = monitor.notices.get(f"{CLOCK_JUMP}|clock", (0, None))[1] is not None

    def heard(self, assets: Iterable[str], now_s: float) -> None:
        """Feeds spoke of assets."""
        self._heard_s |= dict.fromkeys(assets, now_s)

    def now(self, last: datetime | None) -> datetime:
        """The wall clock as it was compared for this turn, but never before the last event.

        Looked at again within the turn it could have jumped, and deadlines would run before core hears of the jump.
        """
        return self.wall if last is None else max(self.wall, last)

    def compare(self) -> list[Noticed]:
        """Notices of a jump of the wall clock, of its end, and of prices that fall silent while our time stands still."""
        wall, mono_s = self._clock.utc(), self._clock.monotonic_s()
        self.wall, looked_s, self._looked_s = wall, self._looked_s, mono_s
        wall0, mono0_s = self._anchor
        drift_s = (wall - wall0).total_seconds() - (mono_s - mono0_s)
        noticed: list[Noticed] = []
        if self._is_old_word:  # what was said before a restart must not hide what happens now
            self._is_old_word = False
            noticed.append(Noticed(wall, CLOCK_JUMP, "clock", {"seconds": "0"}, clears=True))
        if abs(drift_s) > JUMP_S:
            self._anchor, self._jumped_s = (wall, mono_s), mono_s
            facts = {"seconds": f"{drift_s:.3f}", "wall": wall.isoformat(), "policy": "deadlines follow the wall clock"}
            direction = "forward" if drift_s > 0 else "backward"
            noticed.append(Noticed(wall, CLOCK_JUMP, "clock", facts, fingerprint=direction))
            log.warning("the wall clock jumped", **facts)
        elif self._jumped_s is not None and mono_s - self._jumped_s > CALM_S:
            self._jumped_s = None
            noticed.append(Noticed(wall, CLOCK_JUMP, "clock", {"seconds": "0"}, clears=True))
        last = self._monitor.at
        if last is not None and wall < last - timedelta(seconds=JUMP_S):
            noticed.append(Noticed(wall, CLOCK_STILL, "clock", {"seconds": f"{mono_s - looked_s:.6f}"}))
            noticed += self._silent(wall, mono_s)
        return noticed

    def _silent(self, wall: datetime, mono_s: float) -> list[Noticed]:
        trust, marks = self._monitor.rules.trust, self._monitor.board.marks
        limit_s = trust.stale_after.total_seconds()
        silent = [a for a, heard_s in self._heard_s.items() if mono_s - heard_s > limit_s and a in marks]
        for asset in silent:
            del self._heard_s[asset]
        return [Noticed(wall, "price.stale", asset, {}) for asset in silent] if trust.enabled else []
