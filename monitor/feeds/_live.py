"""A venue's websocket that stays up: a fault of the peer or of the environment is a cause in words and another attempt."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any, Protocol

import msgspec
from websockets import CloseCode
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from monitor.addresses import scrubbed, shown_url
from monitor.clock import Clock
from monitor.core.prices.quote import Batch, Frame, Quote
from monitor.feeds._base import FeedStats
from monitor.feeds._handshake import WAITS, Proxy, cause
from monitor.feeds._news import News, Silence
from monitor.telemetry import BoundedLog

_RANDOM = random.SystemRandom()

# The library's own lines would not be bounded, and would hold addresses with their secrets.
_QUIET = logging.getLogger("monitor.websocket")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Link(msgspec.Struct, frozen=True):
    """The address of a live stream, and its deadlines, limits and pauses."""

    url: str
    silence_s: float
    first_frame_s: float
    reconnect_after_s: float
    max_frame_bytes: int
    retry_min_s: float
    retry_max_s: float
    changes_only: bool = False
    """The venue sends only what changed: a coin that does not trade is absent."""
    ping: str | None = None
    """A message that the venue wants to hear from time to time."""
    ping_every_s: float = 20.0
    ask_every_s: float = 0.25
    """Pause between two requests for data: venues count them."""


class Voice(Protocol):
    """What is said and read on one socket. None of it waits."""

    def parse(self, frame: bytes) -> Batch:
        """The prices of one message."""

    def topics(self) -> Sequence[str]:
        """What to ask the venue for, now. What comes to it later is asked for on the same socket."""

    def ask(self, topics: Sequence[str]) -> Sequence[str]:
        """The messages that ask for these topics."""

    def answer(self, frame: bytes) -> str | None:
        """What the venue wants to hear in answer to a message that gave no price."""


class Venue(Protocol):
    """What a stream asks of the feed that it serves."""

    def for_socket(self) -> Voice:
        """The voice of a new socket: what it has heard may be its own."""


class End(msgspec.Struct, frozen=True):
    """Why a socket's life ended, in words, and how long its peer asked us to wait."""

    reason: str
    retry_after_s: float | None = None
    waits: bool = False
    """A quick retry is of no use."""


# Batches that wait for a late consumer, before newer prices replace older ones of the same asset.
_BACKLOG = 64
# A venue's clock and ours may differ by this much before its times say nothing about their order.
_AHEAD = timedelta(seconds=5)
# A peer may ask for a pause of days; one header must not leave the desk blind that long.
_RETRY_AFTER_FACTOR = 10
# At most so many connects within a minute (or twice `retry_max`, if that is shorter): venues ban addresses that do more.
_CONNECTS = 30
# A market comes in several messages: the old socket may still hold one that the new socket missed.
_OVERLAP_S = 1.0
# Frames that the socket buffers; a long queue there is a queue of old prices.
_SOCKET_FRAMES = 4
_CLOSE_S = 1.0


class LiveStream:
    """Batches of quotes from a venue's websocket, for ever: it reconnects after every fault of the peer.

    A socket counts as alive only while its frames give new quotes: pongs, chatter and repeated frames do not count. Before
    the venue cuts the first socket, and when a part of the market goes silent, it opens a second one, and closes the first
    only after the second has given quotes; there are never more than two.
    """

    def __init__(self, link: Link, venue: Venue, stats: FeedStats, clock: Clock, limited: BoundedLog) -> None:
        self._link = link
        self._venue = venue
        self._stats = stats
        self._clock = clock
        self._log = limited
        self.needs: Callable[[], Collection[str]] = frozenset
        self._serving = 0
        self._opened = 0
        self._connects: deque[float] = deque(maxlen=_CONNECTS)
        self._news = News(stats, self._refuse)
        self._backlog: deque[Batch] = deque()
        self._wake = asyncio.Event()
        self._change = asyncio.Event()
        self._change_for = ""

    def change(self, why: str) -> None:
        """Opens another socket soon beside the one that serves: the venue will close it, or a part of it is silent."""
        self._change_for = why
        self._change.set()

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
        """Waits where the last connects were too many for the time."""
        now_s, within_s = self._clock.monotonic_s(), min(60.0, 2 * self._link.retry_max_s)
        if len(self._connects) == _CONNECTS and now_s - self._connects[0] < within_s:
            await asyncio.sleep(within_s - (now_s - self._connects[0]))
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

    async def _serve(self, ready: asyncio.Future[None]) -> End:
        """One socket from its handshake to its end, with its counts; its first quotes set `ready`."""
        try:
            end = await self._converse(ready)
        except Exception as e:  # noqa: BLE001  a peer found a fault of ours: it costs this socket, not the daemon
            end = End(self._fault("our_error", e))
        finally:
            if ready.done():
                self._serving -= 1
                self._stats.connected = self._serving > 0
        if not self._serving:
            self._stats.reason = end.reason
        return end

    async def _converse(self, ready: asyncio.Future[None]) -> End:
        socket, voice = await self._open(), self._venue.for_socket()
        if isinstance(socket, End):
            return socket
        try:
            async with socket:
                talk = asyncio.create_task(self._talk(socket, voice))
                try:
                    return await self._read(socket, ready, voice)
                finally:
                    await stop(talk)
        except ConnectionClosed as e:
            if e.sent is not None and e.sent.code == CloseCode.MESSAGE_TOO_BIG:
                words = f"frame over the limit: more than {self._link.max_frame_bytes * 4} bytes (max_frame_bytes)"
                self._stats.refuse("too_large", words)
                return End(words)
            return End(self._clean(f"closed by the venue: {e}" if e.rcvd else f"connection lost: {e}"))
        except OSError as e:
            return End(self._clean(f"connection lost: {type(e).__name__}: {e}"))

    async def _open(self) -> ClientConnection | End:
        """A socket, or why there is none. The library raises errors of many kinds for what a peer or a variable may say."""
        proxy = None
        try:
            proxy = Proxy(self._link.url)
            if problem := proxy.problem():
                return End(f"cannot connect: {self._clean(problem)}", waits=True)
            return await connect(
                self._link.url,
                compression=None,
                proxy=proxy.address,
                open_timeout=self._link.first_frame_s,
                ping_interval=None,  # the venue's pings are answered; `_read` watches whether data flows
                close_timeout=_CLOSE_S,
                max_size=self._link.max_frame_bytes * 4,  # above it the socket itself must go; below, parse refuses
                max_queue=_SOCKET_FRAMES,
                logger=_QUIET,
            )
        except Exception as e:  # noqa: BLE001  whatever an answer or the environment makes the library raise is a retry
            seconds, waits = None, False
            if isinstance(e, InvalidStatus):
                after = e.response.headers.get_all("Retry-After")
                seconds = _retry_after_s(after[0], self._clock.utc()) if after else None
                waits = e.response.status_code in WAITS
            return End(f"cannot connect: {cause(e, self._link.url, proxy)}", seconds, waits)

    async def _talk(self, socket: ClientConnection, voice: Voice) -> None:
        """Asks for the data, and later for what is new among the topics; says what keeps the connection alive."""
        asked: set[str] = set()
        pinged_s = self._clock.monotonic_s()
        while True:
            topics = [topic for topic in voice.topics() if topic not in asked]
            for message in voice.ask(topics) if topics else ():
                await socket.send(message)
                await asyncio.sleep(self._link.ask_every_s)
            asked.update(topics)
            now_s = self._clock.monotonic_s()
            if self._link.ping is not None and now_s - pinged_s >= self._link.ping_every_s:
                pinged_s = now_s
                await socket.send(self._link.ping)
            await asyncio.sleep(min(1.0, self._link.ping_every_s / 4))

    async def _read(self, socket: ClientConnection, ready: asyncio.Future[None], voice: Voice) -> End:
        limit_s, heard_s, looked_s = self._link.first_frame_s, self._clock.monotonic_s(), self._clock.monotonic_s()
        silence = Silence(self._link.silence_s, changes_only=self._link.changes_only)
        since = self._accounts()
        while True:
            now_s = self._clock.monotonic_s()
            left_s = heard_s + limit_s - now_s
            if left_s <= 0:  # also while frames wait: a flood of rubbish is silence too
                return End(f"no price for {limit_s:g} s" + self._because(since))
            if now_s - looked_s >= self._link.silence_s / 4:
                looked_s = now_s
                self._look_for_silence(silence, now_s)
            try:
                async with asyncio.timeout(min(left_s, self._link.silence_s / 4)):
                    frame = await socket.recv(decode=False)
            except TimeoutError:
                continue
            self._stats.last_frame_at = self._clock.utc()
            quotes = self._parsed(voice, frame)
            if not quotes:
                if (answer := voice.answer(frame)) is not None:
                    await socket.send(answer)
                if not self._serving and (because := self._because(since)):
                    self._stats.reason = f"no price yet{because}"
                continue
            is_first = not ready.done()
            if is_first:
                self._connected(ready)
            news = self._take(quotes)
            # What a new socket repeats of the old one's prices is a sign of life once.
            if silence.heard(news, self._clock.monotonic_s()) or is_first:
                limit_s, heard_s, since = self._link.silence_s, self._clock.monotonic_s(), self._accounts()

    def _parsed(self, voice: Voice, frame: bytes) -> Batch:
        try:
            return voice.parse(frame)
        except Exception as e:  # noqa: BLE001  a message that our parser trips over must not end the daemon
            self._fault("our_error", e)
            return []

    def _fault(self, reason: str, e: Exception) -> str:
        """Counts a fault of ours and logs where it happened. A whole traceback could show an address with its password."""
        places = [f"{Path(p.filename).name}:{p.lineno}" for p in extract_tb(e.__traceback__)[-3:]]
        words = self._clean(f"an error of the monitor's own: {type(e).__name__}: {e}")
        self._stats.refuse(reason, words)
        self._log.warning(self._clock.monotonic_s(), reason, "price feed failed", reason=words, at=places)
        return words

    def _accounts(self) -> tuple[Counter[str], Counter[str]]:
        return Counter(self._stats.refused), Counter(self._stats.ignored)

    def _because(self, since: tuple[Counter[str], Counter[str]]) -> str:
        """The commonest reason why messages since then gave no price."""
        refused, ignored = since
        now_refused, now_ignored = self._accounts()
        for reason, _ in (now_refused - refused).most_common(1):
            return f": {self._stats.words.get(reason) or reason.replace('_', ' ')}"
        for reason, _ in (now_ignored - ignored).most_common(1):
            return f": {_CHATTER.get(reason, reason.replace('_', ' ') + ' only')}"
        return ""

    def _look_for_silence(self, silence: Silence, now_s: float) -> None:
        words = silence.silent(now_s, self.needs())
        if words and not self._change.is_set():
            self._stats.reason = words
            self.change(words)

    def _connected(self, ready: asyncio.Future[None]) -> None:
        ready.set_result(None)
        self._serving += 1
        self._opened += 1
        self._stats.reconnects = self._opened - 1
        self._stats.connected = True
        self._stats.reason = ""
        now_s, facts = self._clock.monotonic_s(), {"url": shown_url(self._link.url)}
        self._log.info(now_s, "connected", "price feed connected", **facts, reconnects=self._stats.reconnects)

    def _take(self, batch: Batch) -> Batch:
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

    def _clean(self, text: str) -> str:
        return scrubbed(text, self._link.url)[:240]


_CHATTER = {
    "repeated": "the venue sends the same message again and again",
    "older": "the venue sends only prices that are older than those it sent before",
    "empty": "the venue acknowledges the request and sends nothing; its address may be retired",
}


async def stop(*tasks: asyncio.Task[Any]) -> None:
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
