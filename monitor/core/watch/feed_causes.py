"""Why a price is not trusted, in words: what its feed says of itself, what the board says of the source, or plain silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.core.events.events import FeedSaid
from monitor.core.prices.quote import STALE
from monitor.core.watch.watcher import Ground

NEVER_SEEN = "no price was ever seen; check that a feed quotes it"


class FeedCauses:
    """What each feed said last, and what follows from it for a coin."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._said: dict[str, FeedSaid] = {}

    @property
    def said(self) -> tuple[FeedSaid, ...]:
        """The last word of each feed."""
        return tuple(self._said.values())

    def restore(self, said: Iterable[FeedSaid]) -> None:
        """Takes what was kept."""
        self._said = {each.source: each for each in said}

    def take(self, said: FeedSaid) -> None:
        """A feed says something else than it did."""
        self._said[said.source] = said

    def is_connected(self, feed: str) -> bool:
        """Nothing else is known of it."""
        said = self._said.get(feed)
        return said is None or said.connected

    def of_feed(self, feed: str) -> str | None:
        """Why a feed gives no price that counts; None where nothing is known of it."""
        said = self._said.get(feed)
        return said.cause or None if said is not None and not said.connected else self.troubles.get(feed)

    def feed_of(self, asset: str) -> str:
        """The feed that the blindness of a coin is laid upon: the one in force, or the one that ought to give a price."""
        mark = self._ground.board.marks.get(asset)
        feeds = self._ground.rules.trust.sources
        if mark is not None:
            return mark.source
        silent = (feed for feed in feeds if not self.is_connected(feed))
        return next(silent, feeds[0] if feeds else "")

    def of_asset(self, asset: str) -> str:
        """Why a coin has no trusted price."""
        mark = self._ground.board.marks.get(asset)
        if mark is not None and asset in self._ground.board.usd:
            feeds: tuple[str, ...] = (mark.source,)
            own = mark.reason
            if mark.trust != STALE:
                return own
        else:
            feeds = self._ground.rules.trust.sources
            own = NEVER_SEEN
        causes = [f"{feed}: {cause}" for feed in feeds if (cause := self._of_source(asset, feed)) is not None]
        if not causes:
            return own
        return "; ".join(causes) if own == NEVER_SEEN else "; ".join((own, *causes))

    @property
    def troubles(self) -> Mapping[str, str]:
        """By feed that is connected: why its prices do not count all the same."""
        return {}

    def _of_source(self, asset: str, feed: str) -> str | None:
        said = self._said.get(feed)
        if said is not None and asset in said.states:
            return said.states[asset]
        return self.of_feed(feed)
