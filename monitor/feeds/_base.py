"""What every price source shares: the protocol, the account of what came and was refused, and a websocket that stays up."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from operator import lt
from typing import Any, Protocol

import msgspec
from websockets import CloseCode
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from monitor.clock import Clock
from monitor.core.instants import time_at_ms
from monitor.core.prices.quote import Batch, Frame, Quote, assets_of
from monitor.telemetry import BoundedLog, log

_RANDOM = random.SystemRandom()


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

    def quotes(self) -> AsyncIterator[Batch]:
        """Batches of quotes as they arrive, or frames; closing the iterator closes the connection."""
        ...


class Link(msgspec.Struct, frozen=True):
    """How one live stream is reached and kept: deadlines, limits and pauses in seconds."""

    url: str
    subscribe: str | None
    """The message that asks for the data, where the address alone does not."""
    silence_s: float
    first_frame_s: float
    reconnect_after_s: float
    max_frame_bytes: int
    retry_min_s: float
    retry_max_s: float


class End(msgspec.Struct, frozen=True):
    """Why a socket's life ended, in words, and how long its peer asked to be left alone."""

    reason: str
    retry_after_s: float | None = None


# Batches kept for a consumer that is late, before newer prices replace older ones of the same asset.
_BACKLOG = 64
# A venue lists some 700 markets; a peer that invents more names than this is not a venue.
_MAX_ASSETS = 10_000
# A quote dated further ahead than any clock of ours can be wrong would make all later ones look old.
_AHEAD = timedelta(hours=24)
# A ban may be asked for in days; the desk is never left blind that long by one header.
_RETRY_AFTER_FACTOR = 10
# A market comes in several messages: the old socket may still hold one that the new socket came too late for.
_OVERLAP_S = 1.0
# Frames buffered inside the socket; a long queue there is a queue of old prices.
_SOCKET_FRAMES = 4
_CLOSE_S = 1.0

REPEATED = object()
"""Stands for a JSON object that holds a key twice: which of the two values was meant, nobody knows."""


class LiveStream:
    """Batches of quotes from a venue's websocket, for ever: it reconnects after every fault of the peer.

    A socket counts as alive only while its frames give quotes: pongs and other chatter do not count. Before the
    venue's own cut a second socket is opened, and the first is closed only after the second has given quotes; there
    are never more than two. Of one asset a quote older than the last, or equal to it, is dropped, so that the overlap
    repeats nothing.
    """

    def __init__(
        self, link: Link, parse: Callable[[bytes], Batch], stats: FeedStats, clock: Clock, limited: BoundedLog
    ) -> None:
        self._link, self._parse, self._stats, self._clock, self._log = link, parse, stats, clock, limited
        self._serving = 0
        self._opened = 0
        self._news = News(stats, self._refuse)
        self._backlog: deque[Batch] = deque()
        self._wake = asyncio.Event()

    async def batches(self) -> AsyncIterator[Batch]:
        """Quotes as they arrive. Closing the iterator closes the sockets."""
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
                    keeper.result()  # only an error of ours ends it, and that must be heard
        finally:
            await _stop(keeper)
            self._stats.reason = "closed"

    async def _keep_connected(self) -> None:
        old: asyncio.Task[End] | None = None
        new: asyncio.Task[End] | None = None
        failures = 0
        try:
            while True:
                ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                new = asyncio.create_task(self._serve(ready))
                first: set[asyncio.Future[Any]] = {new, ready}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                if old is not None:
                    await asyncio.wait({new}, timeout=_OVERLAP_S)
                if new.done():
                    await self._pause(failures, new.result())
                    failures += 1
                    continue
                if old is not None:
                    await _stop(old)
                old, began_s = new, self._clock.monotonic_s()
                # Spread, so that the feeds of many monitors do not all come back at the same second.
                await asyncio.wait({old}, timeout=self._link.reconnect_after_s * _RANDOM.uniform(0.95, 1))
                if self._clock.monotonic_s() - began_s >= self._link.retry_max_s:
                    failures = 0
                if old.done():
                    end, old = old.result(), None
                    await self._pause(failures, end)
                    failures += 1
        finally:
            await _stop(*(task for task in (old, new) if task is not None))

    async def _pause(self, failures: int, end: End) -> None:
        """Waits before the next attempt: doubling up to the cap, jittered, and as long as the peer asked within reason."""
        ceiling_s = min(self._link.retry_max_s, self._link.retry_min_s * 2 ** min(failures + 1, 16))
        wait_s = _RANDOM.uniform(ceiling_s / 2, ceiling_s)
        if end.retry_after_s is not None:
            wait_s = max(wait_s, min(end.retry_after_s, self._link.retry_max_s * _RETRY_AFTER_FACTOR))
        self._log.warning(
            self._clock.monotonic_s(), "connection", "price feed interrupted", url=self._link.url, reason=end.reason,
            still_served=bool(self._serving), retry_in_s=round(wait_s, 1),
        )  # fmt: skip
        await asyncio.sleep(wait_s)

    async def _serve(self, ready: asyncio.Future[None]) -> End:
        """One socket from its handshake to its end, kept account of; `ready` is set by its first quotes."""
        try:
            end = await self._converse(ready)
        finally:
            if ready.done():
                self._serving -= 1
                self._stats.connected = self._serving > 0
        if not self._serving:
            self._stats.reason = end.reason
        return end

    async def _converse(self, ready: asyncio.Future[None]) -> End:
        try:
            async with connect(
                self._link.url,
                compression=None,
                open_timeout=self._link.first_frame_s,
                ping_interval=None,  # the venue's pings are answered; whether data flows is watched below
                close_timeout=_CLOSE_S,
                max_size=self._link.max_frame_bytes * 4,  # above it the socket itself must go; below, parse refuses
                max_queue=_SOCKET_FRAMES,
            ) as socket:
                if self._link.subscribe is not None:
                    await socket.send(self._link.subscribe)
                return await self._read(socket, ready)
        except InvalidStatus as e:
            after = e.response.headers.get_all("Retry-After")
            seconds = _retry_after_s(after[0], self._clock.utc()) if after else None
            return End(f"refused with HTTP {e.response.status_code}", seconds)
        except ConnectionClosed as e:
            if e.sent is not None and e.sent.code == CloseCode.MESSAGE_TOO_BIG:
                self._stats.refused["too_large"] += 1
            return End(f"closed by the venue: {e}"[:200] if e.rcvd else f"connection lost: {e}"[:200])
        except (OSError, EOFError, UnicodeError, WebSocketException) as e:
            return End(f"cannot connect: {type(e).__name__}: {e}"[:200])

    async def _read(self, socket: ClientConnection, ready: asyncio.Future[None]) -> End:
        limit_s, heard_s = self._link.first_frame_s, self._clock.monotonic_s()
        while True:
            left_s = heard_s + limit_s - self._clock.monotonic_s()
            if left_s <= 0:  # asked even while frames are queued: a flood of rubbish is silence too
                return End(f"no price for {limit_s:g} s")
            try:
                async with asyncio.timeout(left_s):
                    frame = await socket.recv(decode=False)
            except TimeoutError:
                continue
            self._stats.last_frame_at = self._clock.utc()
            quotes = self._parse(frame)
            if not quotes:
                continue
            limit_s, heard_s = self._link.silence_s, self._clock.monotonic_s()
            if not ready.done():
                self._connected(ready)
            self._take(quotes)

    def _connected(self, ready: asyncio.Future[None]) -> None:
        ready.set_result(None)
        self._serving += 1
        self._opened += 1
        self._stats.reconnects = self._opened - 1
        self._stats.connected, self._stats.reason = True, ""
        log.info("price feed connected", url=self._link.url, reconnects=self._stats.reconnects)

    def _take(self, batch: Batch) -> None:
        """Hands prices over; for a consumer that is far behind, newer ones replace older ones."""
        news = self._news.of(batch, self._clock.utc() + _AHEAD)
        if not news:
            return
        self._backlog.append(news)
        if len(self._backlog) > _BACKLOG:
            kept = {quote.asset: quote for batch in self._backlog for quote in batch}
            self._stats.ignored["conflated"] += sum(map(len, self._backlog)) - len(kept)
            self._backlog = deque([list(kept.values())])
        self._wake.set()

    def _refuse(self, reason: str, quote: Quote) -> None:
        self._stats.refused[reason] += 1
        self._log.warning(
            self._clock.monotonic_s(), reason, "price refused", feed=quote.source, reason=reason, symbol=quote.asset,
            value=quote.at.isoformat(),
        )  # fmt: skip


class News:
    """What of a batch was not said before, and is not dated in the future; counts the rest.

    A frame whose assets are those of an earlier one, and all of whose prices are later, is news as a whole.
    """

    def __init__(self, stats: FeedStats, refuse: Callable[[str, Quote], None]) -> None:
        self._stats, self._refuse = stats, refuse
        self._last: dict[str, Quote] = {}
        self._frames: dict[tuple[str, ...], Frame] = {}
        """Whole frames that are the last word on all of their assets; no asset is in two of them."""

    def of(self, batch: Batch, horizon: datetime) -> Batch:
        if not isinstance(batch, Frame):
            self._look_up(batch)
            return [quote for quote in batch if self._is_news(quote, horizon)]
        last = self._frames.get(batch.assets)
        if last is None or not all(map(lt, last.times, batch.times)) or time_at_ms(max(batch.times)) > horizon:
            self._look_up(batch)
            news = [quote for quote in batch if self._is_news(quote, horizon)]
            if len(news) < len(batch):
                return news
        self._frames[batch.assets] = batch
        return batch

    def _look_up(self, batch: Batch) -> None:
        """Takes frames apart that were the last word on an asset of this batch."""
        named = frozenset(assets_of(batch))
        for assets in [assets for assets in self._frames if not named.isdisjoint(assets)]:
            self._last |= {quote.asset: quote for quote in self._frames.pop(assets)}

    def _is_news(self, quote: Quote, horizon: datetime) -> bool:
        last = self._last.get(quote.asset)
        if quote.at > horizon:
            self._refuse("future", quote)
        elif last is None and len(self._last) >= _MAX_ASSETS:
            self._refuse("too_many_assets", quote)
        elif last is not None and quote.at < last.at:
            self._stats.ignored["older"] += 1
        elif last is not None and quote.at == last.at and quote.price == last.price:
            self._stats.ignored["repeated"] += 1
        else:
            self._last[quote.asset] = quote
            return True
        return False


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits for their end. Raises what one of them died of, if that was an error of ours."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


def _retry_after_s(text: str, now: datetime) -> float | None:
    """Seconds from a Retry-After header, given as seconds or as an HTTP date; None when it is neither."""
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):  # not a date, or one without a zone
        return None


def loads(data: bytes) -> Any:
    """JSON as Python reads it: also NaN, numbers beyond all range, lone surrogates. Raises ValueError, RecursionError."""

    def unique(pairs: list[tuple[str, object]]) -> object:
        found = dict(pairs)
        return found if len(found) == len(pairs) else REPEATED

    # Python refuses to read integers of thousands of digits; they are no better than None here.
    return json.loads(data.decode(), object_pairs_hook=unique, parse_int=lambda t: int(t) if len(t) < 30 else None)
