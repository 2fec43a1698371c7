"""Why a price is not trusted, in words: what its feed says of itself, what the board says of the source, or plain silence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.core.events.events import FeedSaid
from monitor.core.instants import MICROSECOND
from monitor.core.prices.judgement import span_in_words
from monitor.core.prices.quote import STALE
from monitor.core.prices.sources import BoardMemory
from monitor.core.watch.watcher import Ground

_SPEAKS = ("live", "suspect", "outlier")
"""States of a source that is there, whether its price counts or not."""
NEVER_SEEN = "no price was ever seen; check that a feed quotes it"


class FeedCauses:
    """What each feed said last, and what follows from it for a coin."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._said: dict[str, tuple[bool, str]] = {}
        """Whether it is connected, and the cause."""

    def restore(self, board: BoardMemory) -> None:
        """Takes what the board kept of the feeds: in a recording. After a restart no feed has said anything yet."""
        self._said = {each.clock.source: (each.connected, each.cause) for each in board.sources}

    def take(self, said: FeedSaid) -> None:
        """A feed says something else than it did."""
        self._said[said.source] = said.connected, said.cause

    def is_connected(self, feed: str) -> bool:
        """Nothing else is known of it."""
        return self._said.get(feed, (True, ""))[0]

    def of_feed(self, feed: str) -> str | None:
        """Why a feed gives no price that counts; None where nothing is known of it."""
        is_connected, cause = self._said.get(feed, (True, ""))
        return self.troubles.get(feed) if is_connected else cause or None

    def feed_of(self, asset: str, at: datetime) -> str:
        """The feed that the blindness of a coin is laid upon: the one in force, or the one that ought to give a price."""
        board = self._ground.board
        mark = board.marks.get(asset)
        feeds = self._ground.rules.trust.sources
        if mark is None:
            silent = (feed for feed in feeds if not self.is_connected(feed))
            return next(silent, feeds[0] if feeds else "")
        if mark.differ_since is not None:
            # Too few are left: that is the fault of one that is gone, not of one that is still there.
            # At its last instant a source still counts as live, so the look is a moment later.
            said_by = board.sources(asset, at + MICROSECOND)
            gone = (said.source for said in said_by if said.state not in _SPEAKS)
            return next(gone, mark.source)
        return mark.source

    def feeds(self, assets: Iterable[str], at: datetime) -> dict[str, set[str]]:
        """By feed: those of the coins that it gives prices of, or that are laid upon it."""
        board = self._ground.board
        found: dict[str, set[str]] = {}
        for asset in assets:
            names = {self.feed_of(asset, at), *board.priced_by(asset)}
            for name in names:
                found.setdefault(name, set()).add(asset)
        return found

    def of_asset(self, asset: str) -> str:
        """Why a coin has no trusted price."""
        board = self._ground.board
        mark = board.marks.get(asset)
        if mark is not None and asset in board.usd:
            return mark.reason if mark.trust != STALE else _with(mark.reason, mark.source, self.of_feed(mark.source))
        why = board.why_missing(asset)
        if why is None and mark is not None:
            why = f"{mark.quote} has no price in USD, and {asset} is quoted in it"
        feeds = self._ground.rules.trust.sources
        if why is None:
            causes = [f"{feed}: {cause}" for feed in feeds if (cause := self.of_feed(feed)) is not None]
            return "; ".join(causes) or NEVER_SEEN
        for feed in feeds:
            why = _with(why, feed, self.troubles.get(feed))
        return why

    @property
    def troubles(self) -> dict[str, str]:
        """By feed that is connected: why its prices do not count all the same."""
        board = self._ground.board
        ours = board.own_offset
        if ours is not None:
            return {}
        return {feed: _off(feed, clock.offset) for feed, clock in board.clocks.items() if clock.is_off and clock.offset}


def _with(reason: str, feed: str, cause: str | None) -> str:
    """A reason with the cause that the feed has, unless it says so itself."""
    return reason if cause is None or cause in reason else f"{reason}; {feed}: {cause}"


def _off(feed: str, offset: timedelta) -> str:
    where = (
        "ahead of ours: its prices are refused" if offset > timedelta(0) else "behind ours: its prices count as late"
    )
    return f"the clock of {feed} is {span_in_words(abs(offset))} {where}"
