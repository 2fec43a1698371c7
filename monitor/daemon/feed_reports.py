"""What the feeds say of themselves, as events for core: it judges prices by it, and alerts give it as the cause."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from monitor.core.events.events import FeedSaid
from monitor.feeds._base import FeedStats

AT_MOST_EVERY_S = 1.0
"""A feed that comes and goes is told of this often: each time is an event and a line of the event log."""
_LONGEST = 300
"""Characters of a cause: it goes into alerts, and a peer may have worded it."""
_MOST_STATES = 2_000
"""Coins of which a feed says why it gives no price: a venue lists some 700 markets."""
GONE = "it stands no longer in the configuration"


class FeedReports:
    """Remembers what core was told of each feed, and when."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[FeedSaid, float]] = {}

    def changes(self, feeds: Mapping[str, FeedStats], at: datetime, now_s: float) -> list[FeedSaid]:
        """What core must hear now: feeds that say something else than they did, and those that are gone."""
        found = []
        for name, stats in feeds.items():
            said = _said(name, stats, at)
            told, told_s = self._told.get(name, (None, 0.0))
            if told is None or (_differ(said, told) and now_s - told_s >= AT_MOST_EVERY_S):
                self._told[name] = said, now_s
                found.append(said)
        for name in self._told.keys() - feeds.keys():
            del self._told[name]
            found.append(FeedSaid(at, name, connected=False, cause=GONE))
        return found


def _said(name: str, stats: FeedStats, at: datetime) -> FeedSaid:
    states = {asset: state[:_LONGEST] for asset, state in sorted(stats.states.items())[:_MOST_STATES]}
    return FeedSaid(at, name, stats.connected, stats.cause[:_LONGEST], states)


def _differ(said: FeedSaid, told: FeedSaid) -> bool:
    return (said.connected, said.cause, said.states) != (told.connected, told.cause, told.states)
