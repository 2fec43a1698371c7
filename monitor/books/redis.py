"""Reads a loan book from a Redis: groups as hashes, and messages about them from a stream, followed in order.

The position in the stream is kept in our own store, in the same commit as what the entries before it did. So a kill neither
loses an entry nor takes one twice, and Redis needs no consumer group. Hashes are read as a whole at the start, again every
`reread`, and where entries of the stream were removed before they were read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from monitor.addresses import check_certificates, check_redis, scrubbed, shown_url
from monitor.books._base import KeptBook, Reader, StaleAfter
from monitor.books._messages import Message, events_of, refused
from monitor.books._polled import POLLS_TO_STALE, Every, Rounds, Unreadable
from monitor.books._rows import RowColumns
from monitor.books._snapshots import BookRow, Snapshots
from monitor.bounded_redis import BoundedParser
from monitor.clock import Clock
from monitor.core.alerts.catalogue import BOOK_GAP
from monitor.core.events.events import BookSeen, Event, Noticed
from monitor.secret_files import BadSecret, read_secret

_AT_ONCE = 500
"""Entries of one read: with the time of the book they are one commit (`EVENTS_AT_ONCE` of daemon/book_batches.py)."""
_SCANNED = 500
"""Keys that one SCAN looks at, and hashes that one round trip reads."""
_MOST_KEYS = 2_000_000
"""More groups than one monitor holds; a pattern that matches more is a mistake."""
_SLOWEST_S = 5.0
"""A Redis in the same house answers in milliseconds. After this long it is paused or gone."""
DOUBT = timedelta(seconds=60)
"""A Redis that starts again without its data is empty until somebody fills it."""
_RESTLESS = 5
"""So often the hashes are read again where the stream went on meanwhile."""
_ID = re.compile(rb"(\d{1,20})-(\d{1,20})", re.ASCII)

_Id = tuple[int, int]
_Fields = Sequence[bytes]


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "redis". State `stream`, `hashes` or `keys_of`; hashes may stand beside a stream."""

    url: str
    """redis://host:port/db, rediss:// or unix://"""
    stream: str | None = None
    """The stream of messages. It is read from its first entry on."""
    hashes: str | None = None
    """The pattern of the keys of the groups, such as `group:*`."""
    keys_of: str | None = None
    """In its place: a set that holds the keys of the groups."""
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    """How the fields of a hash become a line; without `columns` one of them holds the line as JSON."""
    close_missing: bool = True
    """Closes a group whose hash is gone."""
    every: Every = timedelta(seconds=1)
    """How often the stream is read; without a stream, the hashes."""
    reread: Every | None = None
    """How often the hashes beside a stream are read again; without it only at the start and after a gap."""
    password: str | None = None
    password_file: Path | None = None
    certificates: Path | None = None
    """The authorities that rediss:// trusts; without it, those of the machine."""
    stale_after: StaleAfter | None = None
    """How old the book may be. Without it three times `every`, at least 30 s."""

    def __post_init__(self) -> None:
        check_redis("url", self.url)
        if self.stream is None and self.hashes is None and self.keys_of is None:
            raise ValueError('state "stream", "hashes" or "keys_of": there is nothing to read')
        if self.hashes is not None and self.keys_of is not None:
            raise ValueError("hashes and keys_of both say where the groups are; keep one of the two")
        if self.reread is not None and (self.stream is None or (self.hashes is None and self.keys_of is None)):
            raise ValueError("reread: is for hashes beside a stream; without a stream they are read by `every`")
        if self.password is not None and self.password_file is not None:
            raise ValueError("password: stands here, and a file for it too; state one of the two")
        if self.certificates is not None:
            check_certificates("certificates", self.certificates)

    def __repr__(self) -> str:
        return f"redis.Config({shown_url(self.url)})"


def stale_after(config: Config) -> timedelta:
    """Two rounds may fail before the book is stale. A Redis that fails over takes some seconds."""
    return max(POLLS_TO_STALE * config.every, timedelta(seconds=30))


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> RedisBook:
    """The book of a Redis."""
    return RedisBook(name, config, reader, clock, kept)


class _Position(msgspec.Struct, frozen=True):
    """The entry that was taken last, and whether those before it are known to be all."""

    after: str = ""
    gap: str = ""
    """What is said of a gap that no snapshot has closed yet."""


class RedisBook:
    """Reads for ever, round by round."""

    def __init__(self, name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> None:
        self.name = name
        self._config = config
        self._reader = reader
        self._clock = clock
        self._columns = RowColumns(config.columns, config.constants)
        self._snapshots = Snapshots(name, reader, kept, closes_missing=config.close_missing, doubts_for=DOUBT)
        self._rounds = Rounds(name, clock, config.every, kept)
        self._after: _Id | None = None
        """The id of the entry that was taken last; None before the first reading of all."""
        self._gap = ""
        with suppress(msgspec.DecodeError):  # another version of the monitor may have kept it in another form
            position = msgspec.json.decode(kept.position or "{}", type=_Position)
            self._after = _id(position.after) if position.after else None
            self._gap = position.gap
        self._is_read = False
        """The hashes were read since the start."""
        self._read_s = 0.0
        self._redis: Redis | None = None

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The hashes first, then what comes. To close the iterator closes the connection."""
        try:
            async with aclosing(self._rounds.run(self._round)) as rounds:
                async for batch in rounds:
                    yield batch
        finally:
            await self._hang_up()

    async def _round(self) -> AsyncGenerator[list[Event], None]:
        try:
            if self._redis is None:
                self._redis = await self._client()
            async with aclosing(self._read(self._redis)) as batches:
                async for batch in batches:
                    yield batch
        except Unreadable:
            raise
        # Whatever Redis, the network or the library makes of a reading is one failed round, never the end of the book.
        except Exception as e:  # noqa: BLE001
            await self._hang_up()
            raise Unreadable(self._cause(e)) from None

    async def _read(self, redis: Redis) -> AsyncGenerator[list[Event], None]:
        if self._config.stream is None:
            yield await self._snapshot(redis)
            return
        if self._must_read_hashes():
            yield await self._snapshot_at_rest(redis)
        async for batch in self._follow(redis, self._config.stream):
            yield batch
        if self._gap and self._has_hashes:
            yield await self._snapshot_at_rest(redis)

    @property
    def _has_hashes(self) -> bool:
        return self._config.hashes is not None or self._config.keys_of is not None

    def _must_read_hashes(self) -> bool:
        if not self._has_hashes:
            return False
        again = self._config.reread
        is_time = again is not None and self._clock.monotonic_s() - self._read_s >= again.total_seconds()
        return not self._is_read or is_time or bool(self._gap) or self._snapshots.is_in_doubt

    # -- the stream --

    async def _follow(self, redis: Redis, stream: str) -> AsyncGenerator[list[Event], None]:
        """Entries behind the position, batch by batch, until none is left."""
        while True:
            at = self._clock.utc()
            after = self._after or (0, 0)
            async with redis.pipeline(transaction=True) as both:  # one instant: nothing can be trimmed in between
                both.xrange(stream, _text(after), _text(after))
                both.xrange(stream, f"({_text(after)}", count=_AT_ONCE)
                both.xrange(stream, count=1)
                both.xrevrange(stream, count=1)
                here, entries, first, last = await both.execute()
            events: list[Event] = []
            if gap := self._gap_of(after, here, first, last):
                self._gap = gap
                events.append(self._gap_notice(gap))
                is_made_again = _id(last[0][0]) < after
                if is_made_again or self._has_hashes:
                    self._after = (0, 0) if is_made_again else after
                    yield [*events, self._book_seen()]
                    if self._has_hashes:  # which say what the missing entries did, and what those behind them do
                        return
                    continue
            for id, fields in entries:
                events += self._events(id, fields, at)
                self._after = _id(id)
            yield [*events, self._book_seen()]
            if len(entries) < _AT_ONCE:
                return

    def _gap_of(self, after: _Id, here: Any, first: Any, last: Any) -> str:
        """Whether entries behind the position were removed before they were read: the position itself is gone then."""
        if after == (0, 0) or here or not first:
            return ""
        if _id(last[0][0]) < after:
            return f"the stream was made again: it ends at {_text(_id(last[0][0]))}, and {_text(after)} was read before"
        return (
            f"the entries behind {_text(after)} were removed before they were read: the stream begins at "
            f"{_text(_id(first[0][0]))}; keep more of it (MAXLEN) than comes while the monitor is down"
        )

    def _gap_notice(self, gap: str) -> Event:
        resolved = "the groups are read again as a whole" if self._has_hashes else "state `hashes` to have it mended"
        facts = {"problem": f"{gap}; {resolved}", "source": self.name}
        return Noticed(self._clock.utc(), BOOK_GAP, self.name, facts, fingerprint=gap)

    def _events(self, id: bytes, fields: _Fields, at: Any) -> list[Event]:
        """What an entry says: a field of JSON with a message, or the parts of a message as fields."""
        place = f"{self._config.stream} {id.decode()}"
        found = dict(zip(fields[::2], fields[1::2], strict=False))
        if len(found) * 2 != len(fields):
            return [refused(self.name, Message(place, b""), "a field stands twice", "duplicate_key", at)]
        texts = [value for value in found.values() if value.lstrip()[:1] == b"{"]
        if len(texts) == 1 and b"type" not in found:
            return events_of(self.name, Message(place, texts[0]), at, self._reader)
        try:
            stated = {k.decode(): _stated(v) for k, v in found.items()}
        except (UnicodeDecodeError, msgspec.DecodeError) as e:
            return [refused(self.name, Message(place, b""), f"a field is no text: {e}", "not_utf8", at)]
        return events_of(self.name, Message(place, msgspec.json.encode(stated)), at, self._reader)

    def _book_seen(self) -> Event:
        now = self._clock.utc()
        if self._config.stream is None:
            return BookSeen(now, self.name, now)
        after = _text(self._after or (0, 0))
        position = msgspec.json.encode(_Position(after, self._gap)).decode()
        return BookSeen(now, self.name, now, position, after)

    # -- the hashes --

    async def _snapshot_at_rest(self, redis: Redis) -> list[Event]:
        """The hashes as they are at one entry of the stream, so that no entry counts twice or not at all."""
        for _ in range(_RESTLESS):
            before = await self._last(redis)
            rows = await self._rows(redis)
            if await self._last(redis) == before:
                events = await self._taken(rows)
                self._after = before
                if self._gap:
                    self._gap = ""
                    events.append(Noticed(self._clock.utc(), BOOK_GAP, self.name, {"source": self.name}, clears=True))
                self._read_s = self._clock.monotonic_s()
                return [*events, self._book_seen()]
        raise Unreadable(f"the stream went on during {_RESTLESS} readings of the hashes; they belong to no entry of it")

    async def _last(self, redis: Redis) -> _Id:
        newest: Any = await redis.xrevrange(self._config.stream or "", count=1)
        return _id(newest[0][0]) if newest else self._after or (0, 0)

    async def _snapshot(self, redis: Redis) -> list[Event]:
        return [*await self._taken(await self._rows(redis)), self._book_seen()]

    async def _taken(self, rows: list[BookRow]) -> list[Event]:
        events = await asyncio.to_thread(self._snapshots.take, rows, self._clock.utc(), is_whole=True)
        self._is_read = True
        return events

    async def _rows(self, redis: Redis) -> list[BookRow]:
        """All hashes. Each is read at one instant; one that goes away meanwhile is gone."""
        rows: list[BookRow] = []
        seen: set[bytes] = set()
        cursor: Any = 0
        while True:
            keys: list[Any]
            if self._config.keys_of is not None:
                cursor, keys = await redis.sscan(self._config.keys_of, cursor, count=_SCANNED)
            else:
                cursor, keys = await redis.scan(cursor, match=self._config.hashes, count=_SCANNED)
            fresh: list[Any] = list(dict.fromkeys(key for key in keys if key not in seen))
            seen.update(fresh)
            if len(seen) > _MOST_KEYS:
                raise Unreadable(f"more than {_MOST_KEYS:,} keys match; state a pattern of groups alone")
            for start in range(0, len(fresh), _SCANNED):
                rows += await self._hashes(redis, fresh[start : start + _SCANNED])
            if not int(cursor):
                return rows

    async def _hashes(self, redis: Redis, keys: list[bytes]) -> list[BookRow]:
        async with redis.pipeline(transaction=False) as many:
            for key in keys:
                many.hgetall(key)
            found: list[Any] = await many.execute(raise_on_error=False)
        rows = []
        for key, fields in zip(keys, found, strict=True):
            name = key.decode(errors="backslashreplace")
            if isinstance(fields, RedisError):
                if isinstance(fields, AuthenticationError) or "WRONGTYPE" not in str(fields):
                    raise fields
                rows.append(BookRow(name, {}, "the key is no hash"))
            elif fields:
                stated = {field.decode(errors="backslashreplace"): value for field, value in fields.items()}
                rows.append(self._columns.row(name, stated))
        return rows

    # -- the connection --

    async def _client(self) -> Redis:
        """A client with the password as its file has it now."""
        password = await asyncio.to_thread(_password, self._config)
        more: dict[str, Any] = {} if password is None else {"password": password}
        if self._config.certificates is not None:
            more["ssl_ca_certs"] = str(self._config.certificates)
        redis: Redis = Redis.from_url(
            self._config.url,
            socket_timeout=_SLOWEST_S,
            socket_connect_timeout=_SLOWEST_S,
            retry=Retry(NoBackoff(), 0),
            parser_class=BoundedParser,
            protocol=2,  # which every server speaks
            **more,
        )
        for command in ("XRANGE", "XREVRANGE"):  # as lists: a dict would hide a field that stands twice
            redis.set_response_callback(command, _as_it_is)
        return redis

    async def _hang_up(self) -> None:
        redis, self._redis = self._redis, None
        if redis is not None:
            with suppress(Exception):
                await redis.aclose()

    def _cause(self, e: Exception) -> str:
        """Redis's own words (NOAUTH, WRONGTYPE, LOADING) and those of a failed connection hold no secret."""
        if isinstance(e, BadSecret):
            return str(e)
        if isinstance(e, AuthenticationError):
            return "the password is missing or wrong"
        return f"{type(e).__name__}: {scrubbed(' '.join(str(e).split()), self._config.url)}"[:200]


def _password(config: Config) -> str | None:
    """Raises BadSecret."""
    has_password = config.password is not None or config.password_file is not None
    return read_secret(config.password, config.password_file) if has_password else None


def _stated(value: bytes) -> object:
    text = value.decode()
    return msgspec.json.decode(text) if text.lstrip()[:1] in ("{", "[") else text


def _as_it_is(response: Any, **_: Any) -> Any:
    return response


def _id(text: bytes | str) -> _Id:
    match = _ID.fullmatch(text if isinstance(text, bytes) else text.encode())
    assert match is not None, "Redis gives every entry two numbers"
    return int(match[1]), int(match[2])


def _text(id: _Id) -> str:
    return f"{id[0]}-{id[1]}"
