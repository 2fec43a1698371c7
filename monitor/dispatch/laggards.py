"""Notices that some recipients have and others do not yet: a newer one of the same subject ends the asking."""

from __future__ import annotations

from monitor.dispatch.queue import LaneKey, Waiting


class Laggards:
    """Those of one channel. A recipient who puts us off for an hour must not get an old notice after a new one."""

    def __init__(self) -> None:
        self._newest: dict[LaneKey, int] = {}
        """By lane that has such a notice: the newest one that went out."""
        self._lanes: dict[str, LaneKey] = {}
        """By delivery: the lane in which it was."""

    def begin(self, waiting: Waiting) -> None:
        """Called before the delivery leaves its lane."""
        self._lanes[waiting.delivery.id] = waiting.lane.key
        self._newest.setdefault(waiting.lane.key, waiting.delivery.cursor)

    def passed(self, waiting: Waiting) -> None:
        """A notice went out."""
        if waiting.lane.key in self._newest:
            self._newest[waiting.lane.key] = max(self._newest[waiting.lane.key], waiting.delivery.cursor)

    def is_overtaken(self, waiting: Waiting) -> bool:
        """A newer notice of its lane went out meanwhile."""
        key = self._lanes.get(waiting.delivery.id)
        return key is not None and self._newest[key] > waiting.delivery.cursor

    def over(self, waiting: Waiting) -> None:
        """It is not asked about any more."""
        key = self._lanes.pop(waiting.delivery.id, None)
        if key is not None and key not in self._lanes.values():
            self._newest.pop(key, None)
