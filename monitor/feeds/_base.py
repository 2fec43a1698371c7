"""What every price source shares: the protocol, counts of what it received and refused, a websocket that stays up."""

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
    """Counts of one feed. Only the feed writes them; the API and the metrics read them."""

    def __init__(self) -> None:
        self.connected = False
        self.reason = "not started"
        """Why it is not connected, in words."""
        self.frames = 0
        self.quotes = 0
        self.reconnects = 0
        self.ignored: Counter[str] = Counter()
        """By reason: symbols that a desk does not want (delivery contracts, USDC twins)."""
        self.refused: Counter[str] = Counter()
        """By reason: frames and prices that the feed could not use."""
        self.states: dict[str, str] = {}
        """By asset: why this feed gives no price of it, in words."""
        self.last_frame_at: datetime | None = None


class Feed(Protocol):
    """A price source. `quotes` survives every fault of its peer, and ends by itself only if the source is finite."""

    name: str
    stats: FeedStats

    def quotes(self) -> AsyncIterator[Batch]:
        """Batches of quotes, or frames, as they arrive. To close the iterator closes the connection."""


class Link(msgspec.Struct, frozen=True):
    """The address of a live stream, and its deadlines, limits and pauses."""

    url: str
    subscribe: str | None
    """The message that asks for the data, if the address alone does not."""
    silence_s: float
    first_frame_s: float
    reconnect_after_s: float
    max_frame_bytes: int
    retry_min_s: float
    retry_max_s: float


class End(msgspec.Struct, frozen=True):
    """Why a socket's life ended, in words, and how long its peer asked us to wait."""

    reason: str
    retry_after_s: float | None = None


# Batches that wait for a late consumer, before newer prices replace older ones of the same asset.
_BACKLOG = 64
# A venue lists some 700 markets; a peer that sends more names than this is not a venue.
_MAX_ASSETS = 10_000
# No clock of ours is further behind than this. A quote from later than that would make all others look old.
_AHEAD = timedelta(hours=24)
# A peer may ask for a pause of days; one header must not leave the desk blind that long.
_RETRY_AFTER_FACTOR = 10
# A market comes in several messages: the old socket may still hold one that the new socket missed.
_OVERLAP_S = 1.0
# Frames that the socket buffers; a long queue there is a queue of old prices.
_SOCKET_FRAMES = 4
_CLOSE_S = 1.0

REPEATED = object()
"""Stands for a JSON object that holds a key twice, as no reader can tell which of the two values was meant."""


class LiveStream:
    """Batches of quotes from a venue's websocket, for ever: it reconnects after every fault of the peer.

    A socket counts as alive only while its frames give quotes: pongs and other chatter do not count. Before the venue cuts
    the first socket, it opens a second one, and closes the first only after the second has given quotes; there are never
    more than two. It drops a quote that is older than the last of its asset, or equal to it, so the overlap repeats nothing.
    """

    def __init__(
        self, link: Link, parse: Callable[[bytes], Batch], stats: FeedStats, clock: Clock, limited: BoundedLog
    ) -> None:
        self._link = link
        self._parse = parse
        self._stats = stats
        self._clock = clock
        self._log = limited
        self._serving = 0
        self._opened = 0
        self._news = News(stats, self._refuse)
        self._backlog: deque[Batch] = deque()
        self._wake = asyncio.Event()

    async def batches(self) -> AsyncIterator[Batch]:
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
                # Spread, so that the feeds of many monitors do not all return in the same second.
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
        """Waits before the next attempt: twice as long each time up to a cap, jittered, or as long as the peer asked."""
        ceiling_s = min(self._link.retry_max_s, self._link.retry_min_s * 2 ** min(failures + 1, 16))
        wait_s = _RANDOM.uniform(ceiling_s / 2, ceiling_s)
        if end.retry_after_s is not None:
            wait_s = max(wait_s, min(end.retry_after_s, self._link.retry_max_s * _RETRY_AFTER_FACTOR))
        self._log.warning(
            self._clock.monotonic_s(),
            "connection",
            "price feed interrupted",
            url=self._link.url,
            reason=end.reason,
            still_served=bool(self._serving),
            retry_in_s=round(wait_s, 1),
        )
        await asyncio.sleep(wait_s)

    async def _serve(self, ready: asyncio.Future[None]) -> End:
        """One socket from its handshake to its end, with its counts; its first quotes set `ready`."""
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
                ping_interval=None,  # the venue's pings are answered; `_read` watches whether data flows
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
            if left_s <= 0:  # also while frames wait: a flood of rubbish is silence too
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
        self._stats.connected = True
        self._stats.reason = ""
        log.info("price feed connected", url=self._link.url, reconnects=self._stats.reconnects)

    def _take(self, batch: Batch) -> None:
        """Hands prices over; if the consumer is far behind, newer prices replace older ones."""
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
        what = {"feed": quote.source, "symbol": quote.asset, "value": quote.at.isoformat()}
        self._log.warning(self._clock.monotonic_s(), reason, "price refused", reason=reason, **what)


class News:
    """Finds the quotes of a batch that are new and not from the future, and counts the rest.

    A frame with the same assets as an earlier one is news as a whole if all its prices are later.
    """

    def __init__(self, stats: FeedStats, refuse: Callable[[str, Quote], None]) -> None:
        self._stats = stats
        self._refuse = refuse
        self._last: dict[str, Quote] = {}
        self._frames: dict[tuple[str, ...], Frame] = {}
        """Whole frames with the last price of each of their assets; no asset is in two of them."""

    def of(self, batch: Batch, horizon: datetime) -> Batch:
        """The news of a batch; no quote may be later than `horizon`."""
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
        """Takes frames apart that have the last price of an asset of this batch."""
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
    """Cancels tasks and waits for their end. Raises the error that a task died of."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


def _retry_after_s(text: str, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; None if it holds neither."""
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):  # not a date, or one without a zone
        return None


def loads(data: bytes) -> Any:
    """JSON as Python reads it, with NaN, huge numbers and lone surrogates. Raises ValueError, RecursionError."""

    def unique(pairs: list[tuple[str, object]]) -> object:
        found = dict(pairs)
        return found if len(found) == len(pairs) else REPEATED

    # Python refuses to read integers of thousands of digits; None does as well here.
    return json.loads(data.decode(), object_pairs_hook=unique, parse_int=lambda t: int(t) if len(t) < 30 else None)
