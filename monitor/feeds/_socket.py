"""One connection to a venue: it is opened, asked for data, read until it ends, and why it ended is said in words."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Any, Protocol

import msgspec
from websockets import CloseCode
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from monitor.addresses import scrubbed, shown_url
from monitor.asking import retry_after_s
from monitor.clock import Clock
from monitor.core.prices.quote import Batch
from monitor.feeds._base import FeedStats
from monitor.feeds._handshake import LONGEST, WAITS, Proxy, cause, printable
from monitor.feeds._news import MarketSilence
from monitor.telemetry import BoundedLog

# The library's own lines would not be bounded, and would hold addresses with their secrets.
_QUIET = logging.getLogger("monitor.websocket")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

# Frames that the socket buffers; a long queue there is a queue of old prices.
_SOCKET_FRAMES = 4
_CLOSE_S = 1.0
# How old the account of refusals may be that the cause of a silence is told by.
_ACCOUNTS_S = 0.05


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


class Listener(Protocol):
    """Who takes what a conversation brings: the stream."""

    @property
    def is_served(self) -> bool:
        """Some socket gives prices."""

    def connected(self) -> None:
        """This socket gives prices from now on."""

    def take(self, batch: Batch) -> Batch:
        """Takes prices; gives back which of them are new."""

    def needs(self) -> Collection[str]:
        """The coins that the book needs."""

    def change(self, why: str) -> None:
        """Another socket is to take over."""


class End(msgspec.Struct, frozen=True):
    """Why a socket's life ended, in words, and how long its peer asked us to wait."""

    reason: str
    retry_after_s: float | None = None
    waits: bool = False
    """A quick retry is of no use."""
    cause: str = ""
    """What the venue's messages gave in place of prices, in words; part of the reason."""
    is_silence: bool = False


class Conversation:
    """What is said on one socket, from its handshake to its end. Its first prices set `ready`."""

    def __init__(self, link: Link, voice: Voice, stats: FeedStats, clock: Clock, limited: BoundedLog) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._link = link
        self._voice = voice
        self._stats = stats
        self._clock = clock
        self._log = limited
        self._silence = MarketSilence(link.silence_s, changes_only=link.changes_only)
        self._limit_s = link.first_frame_s
        self._heard_s = clock.monotonic_s()
        self._since = self._accounts()
        """What was refused and ignored when the last new price came, to tell why none has come since."""
        self._since_s = float("-inf")
        self._hears = False

    async def run(self, listener: Listener) -> End:
        """Until the socket ends, for whatever reason: a peer that finds a fault of ours costs this socket, not the daemon."""
        try:
            return await self._converse(listener)
        except Exception as e:  # noqa: BLE001  passed on, it would end the loop that connects again
            return End(self._fault(e))

    async def _converse(self, listener: Listener) -> End:
        socket = await self._open()
        if isinstance(socket, End):
            return socket
        try:
            async with socket:
                self._heard_s = self._clock.monotonic_s()
                work = (self._read(socket, listener), self._watch(listener), self._talk(socket))
                tasks = [asyncio.create_task(each) for each in work]
                try:
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    return next(iter(done)).result()
                finally:
                    await stop(*tasks)
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
        proxy = opening = None
        try:
            proxy = Proxy(self._link.url)
            if problem := proxy.problem():
                return End(f"cannot connect: {self._clean(problem)}", waits=True)
            opening = connect(
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
            return await opening
        except Exception as e:  # noqa: BLE001  whatever an answer or the environment makes the library raise is a retry
            seconds, waits = None, False
            if isinstance(e, InvalidStatus):
                after = e.response.headers.get_all("Retry-After")
                seconds = retry_after_s(after[0], self._clock.utc()) if after else None
                waits = e.response.status_code in WAITS
            to = opening.uri if opening is not None and opening.uri != self._link.url else ""
            via = f"after a redirect to {shown_url(to)}: " if to else ""
            return End(f"cannot connect: {via}{cause(e, self._link.url, proxy)}", seconds, waits)

    async def _talk(self, socket: ClientConnection) -> End:
        """Asks for the data, and later for what is new among the topics; says what keeps the connection alive."""
        asked: set[str] = set()
        pinged_s = self._clock.monotonic_s()
        while True:
            topics = [topic for topic in self._voice.topics() if topic not in asked]
            for message in self._voice.ask(topics) if topics else ():
                await socket.send(message)
                await asyncio.sleep(self._link.ask_every_s)
            asked.update(topics)
            now_s = self._clock.monotonic_s()
            if self._link.ping is not None and now_s - pinged_s >= self._link.ping_every_s:
                pinged_s = now_s
                await socket.send(self._link.ping)
            await asyncio.sleep(min(1.0, self._link.ping_every_s / 4))

    async def _read(self, socket: ClientConnection, listener: Listener) -> End:
        """Reads until the connection closes, which raises; `_watch` ends it where no price comes."""
        while True:
            frame = await socket.recv(decode=False)
            self._stats.last_frame_at = self._clock.utc()
            self._hears = True
            quotes = self._parsed(frame)
            if not quotes:
                if (answer := self._voice.answer(frame)) is not None:
                    await socket.send(answer)
                if not listener.is_served and (because := self._because()):
                    self._stats.reason = f"no price yet: {because}"
                continue
            is_first = not self.ready.done()
            if is_first:
                self.ready.set_result(None)
                listener.connected()
            news, now_s = listener.take(quotes), self._clock.monotonic_s()
            # What a new socket repeats of the old one's prices is a sign of life once.
            if self._silence.heard(news, now_s) or is_first:
                self._limit_s = self._link.silence_s
                self._heard_s = now_s
                if now_s - self._since_s >= _ACCOUNTS_S:
                    self._since = self._accounts()
                    self._since_s = now_s

    async def _watch(self, listener: Listener) -> End:
        """Ends when no new price has come for too long, also while messages come: a flood of rubbish is silence too."""
        while True:
            now_s = self._clock.monotonic_s()
            left_s = self._heard_s + self._limit_s - now_s
            if left_s <= 0:
                because = self._because()
                what = because or ("" if self._hears else "connected, but the venue sends nothing")
                reason = f"no price for {self._limit_s:g} s" + (f": {what}" if what else "")
                return End(reason, cause=because, is_silence=True)
            if words := self._silence.silent(now_s, listener.needs()):
                listener.change(words)
            await asyncio.sleep(min(left_s, self._link.silence_s / 4))

    def _parsed(self, frame: bytes) -> Batch:
        try:
            return self._voice.parse(frame)
        except Exception as e:  # noqa: BLE001  a message that our parser trips over must not end the daemon
            self._fault(e)
            return []

    def _fault(self, e: Exception) -> str:
        """Counts a fault of ours and logs where it happened. A whole traceback could show an address with its password."""
        places = [f"{Path(p.filename).name}:{p.lineno}" for p in extract_tb(e.__traceback__)[-3:]]
        words = self._clean(f"an error of the monitor's own: {type(e).__name__}: {e}")
        self._stats.refuse("our_error", words)
        self._log.warning(self._clock.monotonic_s(), "our_error", "price feed failed", reason=words, at=places)
        return words

    def _accounts(self) -> tuple[Counter[str], Counter[str]]:
        return Counter(self._stats.refused), Counter(self._stats.ignored)

    def _because(self) -> str:
        """The commonest reason why messages since the last new price gave none."""
        refused, ignored = self._since
        now_refused, now_ignored = self._accounts()
        for reason, _ in (now_refused - refused).most_common(1):
            return self._stats.words.get(reason) or reason.replace("_", " ")
        for reason, _ in (now_ignored - ignored).most_common(1):
            return _CHATTER.get(reason) or f"{reason.replace('_', ' ')} only"
        return ""

    def _clean(self, text: str) -> str:
        return printable(scrubbed(text, self._link.url))[:LONGEST]


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
