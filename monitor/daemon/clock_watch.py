"""Compares the wall clock with the monotonic one, and says to core when the wall jumps or our time stands still."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from monitor.clock import Clock
from monitor.core.events.events import ClockJumped, ClockSettled, ClockStood, PriceSilent
from monitor.core.watch.risk import RiskMonitor
from monitor.core.watch.watchers.noticed import JUMP_POLICY
from monitor.telemetry import log

JUMP_S = 0.5
"""Wall and monotonic clock may drift apart by this much between two looks; more is a jump."""
CALM_S = 60.0
"""A jump in the same direction within this time is not said again."""


ClockEvent = ClockJumped | ClockSettled | ClockStood | PriceSilent


class ClockWatch:
    """`wall` is the time of the last comparison. It only reads the monitor, and only between two events."""

    def __init__(self, monitor: RiskMonitor, clock: Clock) -> None:
        self._monitor = monitor
        self._clock = clock
        self._heard_s: dict[str, float] = {}
        self.wall = clock.utc()
        self._looked_s = clock.monotonic_s()
        # If the wall is behind the last event before a restart, it was set back meanwhile: the first look finds that jump.
        self._anchor = (self.wall if monitor.at is None else max(self.wall, monitor.at), self._looked_s)
        self._jumped_s: float | None = None

    def heard(self, assets: Iterable[str], now_s: float) -> None:
        """Feeds spoke of assets."""
        self._heard_s |= dict.fromkeys(assets, now_s)

    def now(self, last: datetime | None) -> datetime:
        """The wall clock as it was compared for this turn, but never before the last event.

        Looked at again within the turn it could have jumped, and deadlines would run before core hears of the jump.
        """
        return self.wall if last is None else max(self.wall, last)

    def compare(self) -> list[ClockEvent]:
        """A jump of the wall clock, the end of one, and prices that fall silent while our time stands still."""
        wall, mono_s = self._clock.utc(), self._clock.monotonic_s()
        since_look_s = mono_s - self._looked_s
        self.wall = wall
        self._looked_s = mono_s
        found = self._jump(wall, mono_s)
        last = self._monitor.at
        if last is not None and wall < last - timedelta(seconds=JUMP_S):
            found.append(ClockStood(wall, Decimal(f"{since_look_s:.6f}")))
            found += self._silent(wall, mono_s)
        return found

    def _jump(self, wall: datetime, mono_s: float) -> list[ClockEvent]:
        wall0, mono0_s = self._anchor
        drift_s = (wall - wall0).total_seconds() - (mono_s - mono0_s)
        if abs(drift_s) > JUMP_S:
            self._anchor = wall, mono_s
            self._jumped_s = mono_s
            log.warning("the wall clock jumped", seconds=f"{drift_s:.3f}", wall=wall.isoformat(), policy=JUMP_POLICY)
            return [ClockJumped(wall, Decimal(f"{drift_s:.3f}"), wall)]
        if self._jumped_s is not None and mono_s - self._jumped_s > CALM_S:
            self._jumped_s = None
            return [ClockSettled(wall)]
        return []

    def _silent(self, wall: datetime, mono_s: float) -> list[ClockEvent]:
        trust, marks = self._monitor.rules.trust, self._monitor.board.marks

        def is_silent(asset: str, heard_s: float) -> bool:
            if mono_s - heard_s <= trust.stale_after.total_seconds() or asset not in marks:
                return False
            source = marks[asset].source
            limit = trust.quiet_after if trust.of(source).sends_changes_only else trust.stale_after_of(source, asset)
            return mono_s - heard_s > limit.total_seconds()

        silent = [asset for asset, heard_s in self._heard_s.items() if is_silent(asset, heard_s)]
        for asset in silent:
            del self._heard_s[asset]
        return [PriceSilent(wall, asset) for asset in silent] if trust.enabled else []
