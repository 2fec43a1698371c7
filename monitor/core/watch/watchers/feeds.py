"""What feeds say of themselves: the cause of blindness, and clocks that are off (decision 44)."""

from __future__ import annotations

from datetime import datetime

from monitor.core.events.events import FeedSaid
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import FeedsState
from monitor.core.watch.feed_causes import FeedCauses
from monitor.core.watch.watcher import BookChange, Ground, Watcher


class FeedWatch(Watcher):
    """Hands what a feed says to the board and to the alerts."""

    def __init__(self, ground: Ground, causes: FeedCauses) -> None:
        self._ground = ground
        self._causes = causes

    def kept(self) -> FeedsState:
        """The last word of each feed."""
        return FeedsState(self._causes.said)

    def restore(self, memory: Memory) -> None:
        """Goes on where it was, as a recording does."""
        self._causes.restore(memory.watchers.feeds.said)

    def awaken(self, at: datetime) -> None:
        """No feed has said anything since the start."""
        self._causes.restore(())

    def take(self, said: FeedSaid, out: Outcome) -> BookChange:
        """A feed says something else than it did."""
        self._causes.take(said)
        return BookChange(said.at, self._ground.board.take_said(said))
