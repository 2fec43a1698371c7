"""Two points of the history of LTV that are one."""

from __future__ import annotations

from monitor.stores._base import LtvPoint


def joined_points(old: LtvPoint, new: LtvPoint) -> LtvPoint:
    """One point for two of the same group, step and time."""
    lows = [v for v in (old.low, new.low) if v is not None]
    highs = [v for v in (old.high, new.high) if v is not None]
    last = old.last if new.last is None else new.last
    flags = old.flags | new.flags
    labels = old.labels if old.labels == new.labels else None
    return LtvPoint(
        old.group, old.step_s, old.at, min(lows, default=None), max(highs, default=None), last, flags, labels
    )
