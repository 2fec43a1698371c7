"""What every price source shares: the protocol, and the account of what came and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from monitor.core.prices import Quote


class FeedStats:
    """Counts of one feed, read by the API and the metrics. Written only by the feed."""

    def __init__(self) -> None:
        self.connected = False
        self.reason = "not started"
        """Why it is not connected, in words."""
        self.frames = 0
        self.quotes = 0
        self.reconnects = 0
        self.ignored: Counter[str] = Counter()
        """By reason: symbols that are known not to be wanted (delivery contracts, USDC twins)."""
        self.refused: Counter[str] = Counter()
        """By reason: frames and prices that could not be used."""
        self.last_frame_at: datetime | None = None


class Feed(Protocol):
    """A price source. `quotes` never ends by itself unless the source is finite, and survives every fault of its peer."""

    name: str
    stats: FeedStats

    def quotes(self) -> AsyncIterator[list[Quote]]:
        """Batches of quotes as they arrive; closing the iterator closes the connection."""
        ...
