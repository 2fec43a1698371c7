"""What feeds say of themselves, and clocks that are off: a venue's, or our own (decision 44)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from monitor.core.events.events import FeedSaid
from monitor.core.groups.outcome import Memory, Outcome, SourceView
from monitor.core.groups.watcher_states import FeedsState, Told
from monitor.core.money import plain
from monitor.core.prices.sources import BoardMemory
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.feed_causes import FeedCauses
from monitor.core.watch.watcher import Ground, Watcher

FEED_OFF, FEED_RIGHT = "feed.clock", "feed.clock_restored"
OURS_OFF, OURS_RIGHT = "monitor.clock_off", "monitor.clock_restored"
CLOCK = "clock"
_OURS = ""
"""The name of our own clock among those of the feeds."""


class FeedWatch(Watcher):
    """Keeps the last word of each feed, and says whose clock is off."""

    def __init__(self, ground: Ground, causes: FeedCauses) -> None:
        self._ground = ground
        self._board = ground.board
        self._causes = causes
        self._clocks: dict[str, Told] = {}
        self.views: Mapping[str, SourceView] = {}
        """What core finds of each feed; replaced as a whole, so that any thread may read it."""

    def kept(self) -> FeedsState:
        """What was said of clocks."""
        return FeedsState(dict(self._clocks))

    def restore(self, memory: Memory) -> None:
        """Goes on where it was, as a recording does."""
        self._causes.restore(memory.board)
        self._clocks = dict(memory.watchers.feeds.clocks)

    def awaken(self, at: datetime) -> None:
        """No feed has said anything since the start."""
        self._causes.restore(BoardMemory())

    def take(self, said: FeedSaid) -> None:
        """A feed says something else than it did."""
        self._causes.take(said)

    def look(self, at: datetime, out: Outcome) -> None:
        """Looks at the clocks after an event, as any message may have told of them."""
        if self._ground.rules.trust.enabled:
            self._look_at_clocks(at, out)
            self.views = self._viewed()

    def _look_at_clocks(self, at: datetime, out: Outcome) -> None:
        ours = self._board.own_offset
        if ours is not None:
            self._say(_OURS, ours, at, out)
        elif self._is_told(_OURS):
            self._say_right(_OURS, timedelta(0), at, out)
        for feed, clock in self._board.clocks.items():
            offset = clock.offset
            if clock.is_off and offset is not None:
                self._say(feed, offset, at, out)
            # A new connection forgets what was known of the clock: only a message that agrees says that it is right.
            elif self._is_told(feed) and clock.agreed_at is not None and not clock.is_doubted:
                self._say_right(feed, offset or timedelta(0), at, out)

    def _is_told(self, name: str) -> bool:
        return self._clocks.get(name, Told()).last is not None

    def _say(self, name: str, offset: timedelta, at: datetime, out: Outcome) -> None:
        """Once while it is off."""
        if not self._is_told(name):
            self._raise(OURS_OFF if name == _OURS else FEED_OFF, name, "off", offset, at, out)

    def _say_right(self, name: str, offset: timedelta, at: datetime, out: Outcome) -> None:
        self._raise(OURS_RIGHT if name == _OURS else FEED_RIGHT, name, None, offset, at, out)

    def _raise(self, type_: str, name: str, last: str | None, offset: timedelta, at: datetime, out: Outcome) -> None:
        times = self._clocks.get(name, Told()).times + 1
        self._clocks[name] = Told(times, last)
        seconds = Decimal(round(offset.total_seconds() * 1000)).scaleb(-3)
        facts = {"offset_s": plain(seconds)}
        raise_alert(out, self._ground.rules.name, Statement(type_, name or CLOCK, times, facts), at)

    def _viewed(self) -> dict[str, SourceView]:
        refused: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (feed, reason), count in self._board.refused.items():
            refused[feed][reason] = count
        troubles = self._causes.troubles
        return {
            feed: SourceView(clock.offset, clock.is_off, troubles.get(feed, ""), refused.get(feed, {}))
            for feed, clock in self._board.clocks.items()
        }
