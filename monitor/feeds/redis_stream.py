"""Reads a desk's own prices from a Redis stream (docs/venues/redis-stream.md).

An entry has `asset` and `price`, and may have `quote` and `at`. Without `at` its time is that of its id, by which Redis says
when the entry was added: so what lay in the stream while nobody read is as old as it is. It begins with the newest entries,
and goes on behind the last one after every fault: a restart, a password that is refused, a stream that was trimmed or made
again.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from monitor.addresses import check_redis, scrubbed, shown_url
from monitor.bounded_redis import BoundedParser
from monitor.clock import Clock, SystemClock
from monitor.core import schema
from monitor.core.prices.quote import BadPrice, Batch, Quote, price
from monitor.core.rules.settings import FeedTrust
from monitor.core.schema import is_asset
from monitor.feeds._base import FeedStats, Unusable
from monitor.feeds._messages import time_in_any_form
from monitor.secret_files import BadSecret, read_secret
from monitor.telemetry import BoundedLog

_RANDOM = random.SystemRandom()
_AT_ONCE = 1000
"""Entries of one read: a few hundred kilobytes, and parsed in some ten milliseconds."""
_BLOCK_MS = 1000
"""How long one read waits. Between two of them it looks whether the stream was made again."""
_SLOWEST_S = 5.0
"""A Redis in the same house answers in milliseconds. After this long it is paused or gone."""
_LONGEST_TEXT = 64
_ID = re.compile(rb"(\d{1,20})-(\d{1,20})", re.ASCII)

_Pause = Annotated[timedelta, schema.Span("0s", "1h", above=True)]

Entry = tuple[bytes, Sequence[bytes]]
"""The id of an entry, and its fields and values in turn."""


class Config(msgspec.Struct, frozen=True):
    """Keys of a `[[feed]]` of kind redis_stream."""

    url: str
    """redis://host:port/db, rediss:// or unix://"""
    stream: str = "prices"
    password: str | None = None
    password_file: Path | None = None
    quote: schema.Asset = "USD"
    """What a price is stated in whose entry has no `quote`."""
    begin_with: Annotated[int, range(0, 100_001)] = 1000
    """So many of the newest entries are read first; 0 waits for the next one."""
    symbols: dict[schema.Asset, str] = {}
    """Coins by the name that the desk's entries give them, where it is another."""
    exclude: tuple[str, ...] = ()
    """Names whose entries do not count."""
    silence: _Pause = timedelta(seconds=60)
    """Without a price for this long the feed is not connected, and says so; not with `changes_only`."""
    stale_after: Annotated[timedelta, schema.Span("1s", "400d")] | None = None
    changes_only: bool = False
    """The desk writes a price only when it has changed; [prices] `quiet_after` says how long one lives."""
    retry_min: _Pause = timedelta(seconds=1)
    retry_max: _Pause = timedelta(seconds=30)

    def __post_init__(self) -> None:
        check_redis("url", self.url)
        if self.retry_max < self.retry_min:
            found, least = schema.in_words(self.retry_max), schema.in_words(self.retry_min)
            raise ValueError(f'retry_max: found "{found}", expected at least retry_min = "{least}"')
        for name, count in Counter(self.symbols.values()).items():
            if count > 1:
                raise ValueError(f"symbols: {name!r} stands for {count} coins; one name is one coin")
        for name in self.exclude:
            if name in self.symbols.values():
                raise ValueError(f"exclude: {name!r} is left out here and mapped by symbols; keep one of the two")

    def __repr__(self) -> str:
        return f"redis_stream.Config({shown_url(self.url)}, {self.stream!r})"


def trust(config: Config) -> FeedTrust:
    """As the desk states it: nothing is known of how often it writes."""
    return FeedTrust(stale_after=config.stale_after, sends_changes_only=config.changes_only)


class RedisStream:
    """The feed. `parse` turns entries into quotes and never raises; `quotes` reads for ever."""

    def __init__(self, name: str, config: Config, clock: Clock, password: str | None) -> None:
        self.name = name
        self.stats = FeedStats()
        self._config = config
        self._clock = clock
        self._log = BoundedLog()
        self._password = password
        self._coins = {symbol: asset for asset, symbol in config.symbols.items()}
        self._excluded = frozenset(config.exclude)
        self._after: tuple[int, int] | None = None
        """The id of the last entry that was read; None before the first."""
        self._heard_s = 0.0
        self._has_priced = False
        self._refused_last = ""

    async def quotes(self) -> AsyncIterator[Batch]:
        """The prices of new entries, the newest of each coin. To close the iterator closes the connection."""
        self.stats.reason = "connecting"
        self._heard_s = self._clock.monotonic_s()
        failures = 0
        redis = self._client()
        try:
            while True:
                _end_if_cancelled()
                try:
                    entries = await self._read(redis)
                    failures = 0
                # Whatever Redis, the network or the library makes of a read is one failed read, never the end of the feed.
                except Exception as e:  # noqa: BLE001
                    failures += 1
                    await self._clock.sleep(self._failed(e, failures))
                    if isinstance(e, AuthenticationError):
                        await redis.aclose()
                        redis = self._client()
                    continue
                if entries:
                    self.stats.last_frame_at = self._clock.utc()
                found = self.parse(entries)
                self._judge_silence(found)
                if found:
                    yield found
        finally:
            await redis.aclose()
            self.stats.connected = False
            self.stats.reason = "closed"

    def parse(self, entries: Sequence[Entry]) -> list[Quote]:
        """The latest price of each coin among entries in their order. `stats` counts what it ignores and refuses."""
        found: dict[str, Quote] = {}
        for entry in entries:
            self.stats.frames += 1
            try:
                quote = self._quote(entry)
            except (BadPrice, Unusable) as e:
                self._refuse(e.reason, entry)
                continue
            if quote is None:
                continue
            last = found.get(quote.asset)
            if last is not None:
                self.stats.ignored["conflated"] += 1
            if last is None or quote.at >= last.at:
                found[quote.asset] = quote
        self.stats.quotes += len(found)
        return list(found.values())

    def _quote(self, entry: Entry) -> Quote | None:
        """The price of an entry; None if the desk leaves it out. Raises BadPrice and Unusable."""
        id, pairs = entry
        fields = dict(zip(pairs[::2], pairs[1::2], strict=False))
        if len(fields) * 2 != len(pairs):
            raise Unusable("duplicate_key", id)
        symbol = _text(fields, b"asset")
        if symbol in self._excluded:
            self.stats.ignored["excluded"] += 1
            return None
        if symbol in self._config.symbols and symbol not in self._coins:
            self.stats.ignored["other_symbol"] += 1  # the coin of this name goes by another one here
            return None
        asset, quote = self._coins.get(symbol, symbol), _text(fields, b"quote") or self._config.quote
        if not is_asset(asset) or not is_asset(quote):
            raise Unusable("symbol", symbol)
        value: Decimal = price(_text(fields, b"price"))
        at, is_dated = self._time(id, _text(fields, b"at"))
        return Quote(asset, value, quote, self.name, at, is_dated)

    def _time(self, id: bytes, stated: str) -> tuple[datetime, bool]:
        """The time of an entry, and whether anybody stated it: an id of a desk's own making is no time."""
        if stated:
            return time_in_any_form(stated), True
        millis = id.partition(b"-")[0].decode()
        try:
            if len(millis) == 13:
                return time_in_any_form(millis), True
        except Unusable:
            pass
        return self._clock.utc(), False

    def _client(self) -> Redis:
        """A client with the password as its file has it now."""
        with suppress(BadSecret):  # it is being written: the old one serves, and the next refusal looks again
            self._password = _password(self._config)
        secret: dict[str, Any] = {} if self._password is None else {"password": self._password}
        redis: Redis = Redis.from_url(
            self._config.url,
            socket_timeout=_BLOCK_MS / 1000 + _SLOWEST_S,
            socket_connect_timeout=_SLOWEST_S,
            retry=Retry(NoBackoff(), 0),
            parser_class=BoundedParser,
            protocol=2,  # which every server speaks
            **secret,
        )
        for command in ("XREAD", "XREVRANGE"):  # as lists: a dict would hide a field that stands twice
            redis.set_response_callback(command, _as_it_is)
        return redis

    async def _read(self, redis: Redis) -> list[Entry]:
        """The entries behind the last one; those that it begins with at first, and again where the stream was made again."""
        stream = self._config.stream
        if self._after is None:
            newest: Any = await redis.xrevrange(stream, count=max(self._config.begin_with, 1))
            self._after = _id(newest[0][0]) if newest else (0, 0)
            return [(id, fields) for id, fields in reversed(newest)] if self._config.begin_with else []
        ms, number = self._after
        answer: Any = await redis.xread({stream: f"{ms}-{number}"}, count=_AT_ONCE, block=_BLOCK_MS)
        if not answer:
            if await self._was_made_again(redis):
                self.stats.ignored["stream_made_again"] += 1
                self._after = None
            return []
        ((_, entries),) = answer
        self._after = _id(entries[-1][0])
        return [(id, fields) for id, fields in entries]

    async def _was_made_again(self, redis: Redis) -> bool:
        """Whether the stream ends before the entry that was read last: then nothing new would ever be behind it."""
        try:
            about: Any = await redis.xinfo_stream(self._config.stream)
        except RedisError:  # there is no stream now, or this user may not ask
            return False
        last = about.get("last-generated-id", about.get(b"last-generated-id", b""))
        return bool(last) and self._after is not None and _id(last) < self._after

    def _judge_silence(self, found: list[Quote]) -> None:
        """Whether the feed is connected. A desk that writes changes only may be silent for as long as Redis answers."""
        now_s, limit_s = self._clock.monotonic_s(), self._config.silence.total_seconds()
        if found:
            self._heard_s = now_s
            self._has_priced = True
            self._refused_last = ""
        if found or (self._config.changes_only and self._has_priced):
            self.stats.connected = True
            self.stats.reason = ""
        elif now_s - self._heard_s >= limit_s:
            self.stats.connected = False
            why = f"; the last entry was refused: {self._refused_last}" if self._refused_last else ""
            self.stats.reason = f"no price in the stream {self._config.stream!r} for {limit_s:g} s{why}"
        elif not self.stats.connected:
            self.stats.reason = f"no price yet in the stream {self._config.stream!r}"

    def _failed(self, e: Exception, failures: int) -> float:
        """Counts and logs a failed read. Returns the pause before the next one."""
        self.stats.connected = False
        # Redis's own words (NOAUTH, WRONGTYPE, LOADING) and those of a failed connection hold no secret.
        kind = "the password is missing or wrong" if isinstance(e, AuthenticationError) else type(e).__name__
        words = scrubbed(" ".join(str(e).split()), self._config.url)
        self.stats.reason = f"cannot read: {kind}: {words}"[:200]
        self.stats.refuse("read", self.stats.reason)
        first_s, most_s = self._config.retry_min.total_seconds(), self._config.retry_max.total_seconds()
        ceiling_s: float = min(most_s, first_s * 2 ** min(failures, 16))
        pause_s = _RANDOM.uniform(ceiling_s / 2, ceiling_s)
        what = {"feed": self.name, "url": shown_url(self._config.url), "reason": self.stats.reason}
        self._log.warning(
            self._clock.monotonic_s(), "read", "price stream interrupted", retry_in_s=round(pause_s, 1), **what
        )
        return pause_s

    def _refuse(self, reason: str, entry: Entry) -> None:
        shown = b" ".join(entry[1])[:120].decode(errors="backslashreplace")
        self._refused_last = f"{reason.replace('_', ' ')} ({shown})"
        self.stats.refuse(reason, self._refused_last)
        what = {"feed": self.name, "symbol": entry[0].decode(errors="backslashreplace"), "value": shown}
        self._log.warning(self._clock.monotonic_s(), reason, "price refused", reason=reason, **what)


def build(name: str, config: Config, clock: Clock | None = None) -> RedisStream:
    """The feed of that name. Raises ValueError for a password that cannot be read."""
    return RedisStream(name, config, clock or SystemClock(), _password(config))


def _password(config: Config) -> str | None:
    """Raises BadSecret."""
    has_password = config.password is not None or config.password_file is not None
    return read_secret(config.password, config.password_file) if has_password else None


def _end_if_cancelled() -> None:
    """Raises CancelledError if somebody has asked this task to end: the library loses a request that comes while it sends."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _as_it_is(response: Any, **_: Any) -> Any:
    return response


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    """A field as text, "" where there is none. Raises Unusable."""
    value = fields.get(name, b"")
    if len(value) > _LONGEST_TEXT:
        raise Unusable("too_large", value)
    try:
        return value.decode()
    except UnicodeError as e:
        raise Unusable("not_utf8", value) from e


def _id(text: bytes | str) -> tuple[int, int]:
    match = _ID.fullmatch(text if isinstance(text, bytes) else text.encode())
    assert match is not None, "Redis gives every entry two numbers"
    return int(match[1]), int(match[2])
