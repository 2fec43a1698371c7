"""A venue's websocket that stays up: a fault of the peer or of the environment is a cause in words and another attempt."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from monitor.addresses import is_inside, shown_url
from monitor.clock import Clock
from monitor.core.prices.quote import Batch, Frame, Quote
from monitor.feeds._base import FeedStats
from monitor.feeds._news import News
from monitor.feeds._socket import Conversation, End, Link, Venue, stop
from monitor.telemetry import BoundedLog

_RANDOM = random.SystemRandom()

# Batches that wait for a late consumer, before newer prices replace older ones of the same asset.
_BACKLOG = 64
# A venue's clock and ours may differ by this much before its times say nothing about their order.
_AHEAD = timedelta(seconds=5)
# A peer may ask for a pause of days; one header must not leave the desk blind that long.
_RETRY_AFTER_FACTOR = 10
# At most so many connects within a minute: venues ban addresses that do more. A peer inside the house bans nobody.
_CONNECTS = 30
# A market comes in several messages: the old socket may still hold one that the new socket missed.
_OVERLAP_S = 1.0


class LiveStream:
    """Batches of quotes from a venue's websocket, for ever: it reconnects after every fault of the peer.

    A socket counts as alive only while its frames give new quotes: pongs, chatter and repeated frames do not count. Before
    the venue cuts the first socket, and when a part of the market goes silent, it opens a second one, and closes the first
    only after the second has given quotes; there are never more than two.
    """

    def __init__(
        self, link: Link, venue: Venue, stats: FeedStats, clock: Clock, needs: Callable[[], Collection[str]]
    ) -> None:
        self._link = link
        self._venue = venue
        self._stats = stats
        self._clock = clock
        self._log = BoundedLog()
        self._needs = needs
        self._serving = 0
        self._opened = 0
        self._connects: deque[float] = deque(maxlen=_CONNECTS)
        self._news = News(stats, self._refuse)
        self._backlog: deque[Batch] = deque()
        self._wake = asyncio.Event()
        self._change = asyncio.Event()
        self._change_for = ""
        self._cause = ""
        """Why there is no price, by the last socket that heard a reason: a later one that hears nothing knows no better."""

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Quotes as they arrive. To close the iterator closes the sockets."""
        self._stats.reason = "connecting"
        keeper = asyncio.create_task(self._keep_connected())
        keeper.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._backlog:
                    yield self._backlog.popleft()
                if keeper.done():
                    keeper.result()  # only a fault of ours ends it: raise it
        finally:
            await stop(keeper)
            self._stats.reason = "closed"

    async def _keep_connected(self) -> None:
        old: asyncio.Task[End] | None = None
        new: asyncio.Task[End] | None = None
        failures = 0
        try:
            while True:
                await self._spare_the_venue()
                talk = Conversation(self._link, self._venue.for_socket(), self._stats, self._clock, self._log)
                new = asyncio.create_task(self._serve(talk))
                first: set[asyncio.Future[Any]] = {new, talk.ready}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                if old is not None:
                    await asyncio.wait({new}, timeout=_OVERLAP_S)
                if new.done():
                    await self._pause(failures, new.result())
                    failures += 1
                    continue
                if old is not None:
                    await stop(old)
                old, began_s = new, self._clock.monotonic_s()
                asked = await self._until_end_or_change(old)
                if self._clock.monotonic_s() - began_s >= self._link.retry_max_s:
                    failures = 0
                if asked or old.done():
                    await self._pause(failures, End(asked) if not old.done() else old.result())
                    failures += 1
                if old.done():
                    old = None
        finally:
            await stop(*(task for task in (old, new) if task is not None))

    async def _until_end_or_change(self, served: asyncio.Task[End]) -> str:
        """Waits until a socket has ended, is to be changed by plan, or is to be changed at once: then why."""
        self._change.clear()
        asked = asyncio.create_task(self._change.wait())
        try:
            # Spread, so that the feeds of many monitors do not all return in the same second.
            after_s = self._link.reconnect_after_s * _RANDOM.uniform(0.95, 1)
            await asyncio.wait({served, asked}, timeout=after_s, return_when=asyncio.FIRST_COMPLETED)
            return self._change_for if asked.done() else ""
        finally:
            asked.cancel()

    async def _spare_the_venue(self) -> None:
        """Waits where the last minute had too many connects, however short the pauses are that the desk states."""
        if len(self._connects) == _CONNECTS and not is_inside(urlsplit(self._link.url).hostname or ""):
            await asyncio.sleep(max(0.0, self._connects[0] + 60.0 - self._clock.monotonic_s()))
        self._connects.append(self._clock.monotonic_s())

    async def _pause(self, failures: int, end: End) -> None:
        """Waits before the next attempt: twice as long each time up to a cap, jittered, or as long as the peer asked."""
        ceiling_s = min(self._link.retry_max_s, self._link.retry_min_s * 2 ** min(failures + 1, 16))
        if end.waits:
            ceiling_s = self._link.retry_max_s
        wait_s = _RANDOM.uniform(ceiling_s / 2, ceiling_s)
        if end.retry_after_s is not None:
            wait_s = max(wait_s, min(end.retry_after_s, self._link.retry_max_s * _RETRY_AFTER_FACTOR))
        self._log.warning(
            self._clock.monotonic_s(),
            "connection",
            "price feed interrupted",
            url=shown_url(self._link.url),
            reason=end.reason,
            still_served=bool(self._serving),
            retry_in_s=round(wait_s, 1),
        )
        await asyncio.sleep(wait_s)

    async def _serve(self, talk: Conversation) -> End:
        """One socket from its handshake to its end, with its counts."""
        try:
            end = await talk.run(self)
        finally:
            if talk.ready.done():
                self._serving -= 1
                self._stats.connected = self._serving > 0
        if end.cause:
            self._cause = end.cause
        elif self._cause and end.is_silence:
            end = msgspec.structs.replace(end, reason=f"{end.reason}; before that: {self._cause}")
        if not self._serving:
            self._stats.reason = end.reason
        return end

    # What a conversation tells.

    @property
    def is_served(self) -> bool:
        """Some socket gives prices."""
        return self._serving > 0

    def needs(self) -> Collection[str]:
        """The coins that the book needs."""
        return self._needs()

    def change(self, why: str) -> None:
        """Opens another socket soon beside the one that serves: the venue will close it, or a part of it is silent."""
        if not self._change.is_set():
            self._change_for = self._stats.reason = why
            self._change.set()

    def connected(self) -> None:
        """A socket gives its first prices."""
        self._serving += 1
        self._opened += 1
        self._stats.reconnects = self._opened - 1
        self._stats.connected = True
        self._stats.reason = self._cause = ""
        now_s, facts = self._clock.monotonic_s(), {"url": shown_url(self._link.url)}
        self._log.info(now_s, "connected", "price feed connected", **facts, reconnects=self._stats.reconnects)

    def take(self, batch: Batch) -> Batch:
        """Hands prices over; if the consumer is far behind, newer prices replace older ones."""
        news = self._news.of(batch, self._clock.utc() + _AHEAD)
        if not news:
            return news
        self._backlog.append(news)
        if len(self._backlog) > _BACKLOG:
            self._conflate()
        self._wake.set()
        return news

    def _conflate(self) -> None:
        """Keeps the newest frame of each order of coins and the newest quote of each other coin."""
        before = sum(map(len, self._backlog))
        frames: dict[tuple[str, ...], Frame] = {}
        quotes: dict[str, Quote] = {}
        for batch in self._backlog:
            if isinstance(batch, Frame):
                frames.pop(batch.assets, None)
                frames[batch.assets] = batch
            else:
                quotes |= {quote.asset: quote for quote in batch}
        kept: list[Batch] = [*frames.values()]
        if len(kept) > _BACKLOG // 2:  # a peer that sends its coins in another order each time
            quotes = {quote.asset: quote for batch in self._backlog for quote in batch}
            kept = []
        if quotes:
            kept.append(list(quotes.values()))
        self._backlog = deque(kept)
        self._stats.ignored["conflated"] += before - sum(map(len, kept))

    def _refuse(self, reason: str, quote: Quote) -> None:
        self._stats.refuse(reason)
        what = {"feed": quote.source, "symbol": quote.asset, "value": quote.at.isoformat()}
        self._log.warning(self._clock.monotonic_s(), reason, "price refused", reason=reason, **what)
