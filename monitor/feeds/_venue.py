"""What the feeds of exchanges share: their keys, and a feed that reads a websocket. A venue adds how its messages read.

A venue's module has a `Config(LiveConfig)` and a `LiveFeed` that gives `read` (one message to its prices), and where the
venue wants to be asked, `topics` and `ask`. `trust(config)` says how its prices are judged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from monitor.addresses import shown_url
from monitor.clock import Clock
from monitor.core import schema
from monitor.core.instants import time_at_ms
from monitor.core.prices.quote import BadPrice, Batch, Quote
from monitor.feeds._base import SETTLED, Desk, FeedStats, Unusable
from monitor.feeds._instruments import Instrument, InstrumentList, ListAddress
from monitor.feeds._live import LiveStream
from monitor.feeds._markets import Market, Markets, SymbolKeys
from monitor.feeds._multiples import per_coin
from monitor.feeds._socket import Link, Voice, stop
from monitor.telemetry import BoundedLog

Pause = Annotated[timedelta, schema.Span("10ms", "1h", old_places=6)]
Limit = Annotated[timedelta, schema.Span("10ms", "30d")]

EARLIEST_MS, LATEST_MS = 1_262_304_000_000, 4_102_444_800_000
"""Times of an exchange lie between 2010 and 2100, in milliseconds."""


class LiveConfig(SymbolKeys, frozen=True, kw_only=True):
    """The keys of every `[[feed]]` that reads a venue's websocket."""

    url: str = ""
    instruments_url: str | None = None
    """The venue's list of its markets; "" for none. Default: the venue's own list where `url` is the venue's own address."""
    quotes: tuple[str, ...] = ("USDT",)
    """Quote coins whose markets count, the preferred one first; a coin has one market of a venue."""
    stale_after: Limit | None = None
    """A price that is older is stale; default: as the kind of the feed states, or [prices]."""
    silence: Pause = timedelta(seconds=15)
    """Without a new price for this long it connects again."""
    first_frame: Pause = timedelta(seconds=10)
    """For the handshake, and again for the first price after it."""
    reconnect_after: Annotated[timedelta, schema.Span("1s", "24h")] = timedelta(hours=23)
    """Planned change of sockets, before the venue's own cut."""
    retry_min: Pause = timedelta(seconds=1)
    retry_max: Pause = timedelta(seconds=30)
    """Pauses between attempts grow from `retry_min` to `retry_max`; a Retry-After counts up to ten times `retry_max`."""
    max_frame_bytes: Annotated[int, range(1_000, 64_000_001)] = 1_048_576

    INSTRUMENTS: ClassVar[str] = ""
    """The address of the venue's own list."""
    INSTRUMENTS_BODY: ClassVar[str] = ""
    """What is sent there, where the venue wants to be asked by POST."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            parse_uri(self.url)
        except (InvalidURI, ValueError):
            expected = "expected a ws:// or wss:// address, its port at most 65535"
            raise ValueError(f"url: found {shown_url(self.url)!r}, {expected}") from None
        if self.retry_max < self.retry_min:
            found, least = schema.in_words(self.retry_max), schema.in_words(self.retry_min)
            raise ValueError(f'retry_max: found "{found}", expected at least retry_min = "{least}"')
        if self.instruments_url and not self.instruments_url.startswith(("http://", "https://")):
            found = shown_url(self.instruments_url)
            raise ValueError(f"instruments_url: found {found!r}, expected an http:// or https:// address")
        if not self.quotes:
            raise ValueError('quotes: found none, expected quote coins such as ["USDT"]')

    def __repr__(self) -> str:
        """Without what an address may hold: configurations end up in logs and tracebacks."""
        return f"{type(self).__module__}.Config({shown_url(self.url)})"

    def list_address(self) -> str:
        """Where the list of markets is read; empty where it is not."""
        if self.instruments_url is not None:
            return self.instruments_url
        own = next(f.default for f in msgspec.structs.fields(type(self)) if f.name == "url")
        return self.INSTRUMENTS if urlsplit(self.url).hostname == urlsplit(str(own)).hostname else ""


class LiveFeed:
    """A feed that reads a venue's websocket. `parse` never raises, and `quotes` keeps the connection up for ever."""

    PING: ClassVar[str | None] = None
    """A message that the venue wants to hear from time to time."""
    PING_EVERY_S: ClassVar[float] = 20.0
    ASK_EVERY_S: ClassVar[float] = 0.25
    """Pause between two requests for data."""
    CHANGES_ONLY: ClassVar[bool] = False
    """The venue sends only what changed: a coin that does not trade is absent."""

    def __init__(self, name: str, config: LiveConfig, clock: Clock) -> None:
        self.name = name
        self.stats = FeedStats()
        self.clock = clock
        self.markets = Markets(config, config.quotes, self.stats)
        self.desk = Desk()
        self._live_config = config
        self._log = BoundedLog()
        self._stream: LiveStream | None = None
        self._missing_told: set[str] = set()

    # What a venue gives.

    def read(self, data: bytes) -> Batch:
        """The prices of one message. Raises Unusable for a message that is of no use; refuses or ignores single items."""
        raise NotImplementedError

    def topics(self) -> Sequence[str]:
        """What to ask the venue for, now; none where the address alone says it."""
        return ()

    def ask(self, topics: Sequence[str]) -> Sequence[str]:
        """The messages that ask for these topics, each within the venue's limits."""
        return ()

    def answer(self, frame: bytes) -> str | None:
        """What the venue wants to hear in answer to a message that gave no price."""
        return None

    def for_socket(self) -> Voice:
        """The voice of a new socket; this feed, where nothing that it hears is of one socket alone."""
        return self

    def changes_only(self) -> bool:
        """Whether a coin that does not trade is absent."""
        return self.CHANGES_ONLY

    def instruments(self, data: bytes) -> Sequence[Instrument]:
        """The markets of the venue's list. Raises ValueError or Unusable where the text is none."""
        return ()

    # What it makes of that.

    def attach(self, desk: Desk) -> None:
        """What the daemon tells of the desk, before `quotes`."""
        self.desk = desk

    async def quotes(self) -> AsyncIterator[Batch]:
        """Frames, or batches of quotes, as they arrive. To close the iterator closes the connection."""
        self._stream = LiveStream(self._link(), self, self.stats, self.clock, self._needs)
        keeper = self._keep_list()
        try:
            async with aclosing(self._stream.batches()) as batches:
                async for batch in batches:
                    yield batch
        finally:
            if keeper is not None:
                await stop(keeper)

    def change_socket(self, why: str) -> None:
        """Another socket soon, beside the one that serves: the venue said that it will close it."""
        if self._stream is not None:
            self._stream.change(why)

    def parse(self, frame: str | bytes, read: Callable[[bytes], Batch] | None = None) -> Batch:
        """The prices of one message. `stats` counts what it ignores and refuses. `read`: in place of the feed's own."""
        self.stats.frames += 1
        try:
            quotes = (read or self.read)(self._text(frame))
        except Unusable as e:
            self.refuse(e)
            return []
        self.stats.quotes += len(quotes)
        return quotes

    def quote(self, symbol: object, text: object, at: datetime | None, beside: object = None) -> Quote | None:
        """One price of one symbol, or None where it is ignored or refused, which is counted.

        `at`: the venue's own time; None where it sends none. `beside`: the venue's index or last price in the same message.
        """
        return self.priced(self.markets.of(symbol), symbol, text, at, beside)

    def priced(
        self, market: Market, symbol: object, text: object, at: datetime | None, beside: object = None
    ) -> Quote | None:
        """The same, where the venue's module knows what the symbol means."""
        if market.ignored or market.refused:
            self.pass_over(market, symbol)
            return None
        try:
            value = per_coin(text, market.power)
        except BadPrice as e:
            self.refuse(Unusable(e.reason, text, f"{e.reason.replace('_', ' ')} price of {symbol}"), symbol)
            return None
        if market.asset in self.stats.states:
            self.markets.live((market.asset,))
        return Quote(
            market.asset,
            value,
            market.quote,
            self.name,
            at if at is not None else self.clock.utc(),
            at is not None,
            _beside(beside, market.power),
        )

    def pass_over(self, market: Market, symbol: object) -> None:
        """Counts a market that gives no price."""
        if market.ignored:
            self.stats.ignored[market.ignored] += 1
            if market.ignored == SETTLED and market.asset not in self.stats.states:
                self.markets.settled(market, str(symbol)[:40])
        else:
            words = f"the symbol {str(symbol)[:40]} is refused: {market.refused.replace('_', ' ')}"
            self.refuse(Unusable(market.refused, "", words), symbol)

    def refuse(self, e: Unusable, symbol: object = "") -> None:
        """Counts a refusal, and logs it at a bounded rate."""
        self.stats.refuse(e.reason, e.words)
        what = {"feed": self.name, "symbol": str(symbol)[:40], "value": e.shown}
        self._log.warning(self.clock.monotonic_s(), e.reason, "price refused", reason=e.reason, **what)

    def _text(self, frame: str | bytes) -> bytes:
        try:
            data = frame.encode() if isinstance(frame, str) else frame
            if not data.isascii():
                data.decode()
        except UnicodeError as e:
            raise Unusable("not_utf8", frame[:40], "a message that is not UTF-8") from e
        limit = self._live_config.max_frame_bytes
        if len(data) > limit:
            words = f"frame over the limit: {len(data)} bytes, max_frame_bytes is {limit}"
            raise Unusable("too_large", f"{len(data)} bytes", words)
        return data.strip()

    def _link(self) -> Link:
        c = self._live_config
        return Link(
            url=c.url,
            silence_s=c.silence.total_seconds(),
            first_frame_s=c.first_frame.total_seconds(),
            reconnect_after_s=c.reconnect_after.total_seconds(),
            max_frame_bytes=c.max_frame_bytes,
            retry_min_s=c.retry_min.total_seconds(),
            retry_max_s=c.retry_max.total_seconds(),
            changes_only=self.changes_only(),
            ping=self.PING,
            ping_every_s=self.PING_EVERY_S,
            ask_every_s=self.ASK_EVERY_S,
        )

    def _needs(self) -> Collection[str]:
        needs = self.desk.needs()
        self.markets.look_for(needs)
        return needs

    def _keep_list(self) -> asyncio.Task[None] | None:
        address = self._live_config.list_address()
        if not address:
            return None
        copy = self.desk.folder / f"instruments-{self.name}.json" if self.desk.folder is not None else None
        listed = InstrumentList(
            ListAddress(address, self._live_config.INSTRUMENTS_BODY),
            self.instruments,
            copy,
            self._take_list,
            self.clock,
        )
        self.markets.unlisted = listed.refresh
        return asyncio.create_task(listed.keep())

    def _take_list(self, instruments: Sequence[Instrument], origin: str) -> None:
        self.markets.take(instruments, origin)
        self._needs()
        missing = set(self.markets.missing()) - self._missing_told
        self._missing_told |= missing
        for words in sorted(missing):
            self._log.warning(self.clock.monotonic_s(), words, "no such market", feed=self.name, reason=words)


def instant_ms(value: object, *, as_text: bool = False) -> int:
    """Milliseconds since 1970 that a venue sends as a number (or as digits in a text). Raises Unusable with the unit."""
    if as_text and isinstance(value, str) and re.fullmatch(r"\d{1,20}", value, re.ASCII):
        value = int(value)
    if type(value) is int and EARLIEST_MS <= value <= LATEST_MS:
        return value
    raise Unusable("time", value, _unit(value))


def instant(value: object, *, as_text: bool = False) -> datetime:
    """The same as a time."""
    return time_at_ms(instant_ms(value, as_text=as_text))


def instant_iso(value: object) -> datetime:
    """A time as text, such as 2026-01-05T10:00:00.123456Z, with its zone. Raises Unusable."""
    try:
        if not isinstance(value, str):
            raise TypeError
        at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except (ValueError, TypeError):
        raise Unusable("time", value, f"a time that is none: {str(value)[:40]!r}") from None
    if at.tzinfo is None or not EARLIEST_MS <= at.timestamp() * 1000 <= LATEST_MS:
        raise Unusable("time", value, f"a time without its zone, or of another century: {value[:40]!r}")
    return at.astimezone(UTC)


def _unit(value: object) -> str:
    """What is wrong with a time, in words."""
    if isinstance(value, str):
        return "a time that is a text, and no number" if value.isdigit() else "a time that is none"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "a message without a time"
    for unit, per_ms in (("seconds", 0.001), ("microseconds", 1000), ("nanoseconds", 1_000_000)):
        if EARLIEST_MS * per_ms <= value <= LATEST_MS * per_ms:
            return f"times in {unit}, where the venue documents milliseconds"
    return "a time of another century"


def _beside(text: object, power: int) -> Decimal | None:
    """A price beside the mark only confirms it, so one that is none is none."""
    try:
        return per_coin(text, power) if text is not None else None
    except BadPrice:
        return None
