"""Reads a loan book from PostgreSQL: rows of a query as groups, changes by a watermark, and a table of entries in order.

Rows commit late: a transaction may take its time or its id long before others, and commit long after them. So changes are
read back by an overlap, and entries count by their ids: one that appears below the last is new as long as it was not seen.

Each reading is one read-only transaction with one view of the data. Rows come through a cursor of the server, some thousand
at a time, so that a million of them do not fill the memory.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import msgspec

from monitor.addresses import check_certificates, shown_url
from monitor.books._base import KeptBook, Reader, StaleAfter
from monitor.books._ids import SeenIds
from monitor.books._messages import Message, events_of, refused
from monitor.books._polled import POLLS_TO_STALE, Every, Rounds, Unreadable
from monitor.books._rows import RowColumns
from monitor.books._snapshots import BookRow, Snapshots
from monitor.clock import Clock
from monitor.core.events.events import BookSeen, Event
from monitor.core.money import plain
from monitor.core.schema import Span
from monitor.secret_files import BadSecret, read_secret

_ROWS_AT_ONCE = 2000
"""Rows of one fetch: some megabytes."""
_ENTRIES_AT_ONCE = 500
"""Entries of one batch: with the time of the book they are one commit (`EVENTS_AT_ONCE` of daemon/book_batches.py)."""
_CONNECT_S = 10.0

_Pause = Annotated[timedelta, Span("0s", "1d")]


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "sql". State `snapshot`, and `changes` beside it where the table is large; or `entries`."""

    url: str
    """postgresql://user@host:port/database, without a password; `?host=/run/postgresql` names a socket's folder."""
    snapshot: str | None = None
    """A query that gives one row for each group: the whole book. What it does not give is closed."""
    every: Every = timedelta(seconds=10)
    """How often `changes` or `entries` are read; without them, the snapshot."""
    changes: str | None = None
    """A query with the rows that changed since a time, which is $1."""
    watermark: str = "updated_at"
    """The column of `changes` with that time, a timestamptz."""
    overlap: _Pause = timedelta(minutes=1)
    """So much is read back, as rows commit late."""
    snapshot_every: Every = timedelta(minutes=5)
    """How often the snapshot beside `changes` is read."""
    entries: str | None = None
    """A query with the entries whose `id` is above $1, in the order of their ids."""
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    """How the columns of a row become a line; without `columns` one of them holds the line as JSON."""
    close_missing: bool = True
    """A snapshot closes what it does not give."""
    password_file: Path | None = None
    tls: Literal["verify-full", "verify-ca", "off"] = "verify-full"
    """`verify-ca` checks no name. `off` is for a socket, or a network that nobody else is in."""
    certificates: Path | None = None
    """The authorities that are trusted; without it, those of the machine."""
    timeout: Annotated[timedelta, Span("1s", "1h")] = timedelta(seconds=30)
    """For each answer of the server; the server itself ends a statement after it."""
    stale_after: StaleAfter | None = None
    """How old the book may be. Without it three times `every` and once `timeout`."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise ValueError(f"url: found {shown_url(self.url)!r}, expected postgresql://user@host:port/database")
        if parts.password is not None or "password=" in parts.query:
            raise ValueError("url: holds a password, which anybody can read here; put it into a password_file")
        if (self.snapshot is None) == (self.entries is None):
            raise ValueError('state one of "snapshot" and "entries": a book is rows of groups, or entries in order')
        if self.changes is not None and self.snapshot is None:
            raise ValueError("changes: needs a snapshot beside it: changes never say that a row is gone")
        for key in ("changes", "entries"):
            if getattr(self, key) is not None and "$1" not in getattr(self, key):
                raise ValueError(f"{key}: has no $1, so that each reading would give all rows; add WHERE ... > $1")
        if self.certificates is not None:
            check_certificates("certificates", self.certificates)

    def __repr__(self) -> str:
        return f"sql.Config({shown_url(self.url)})"


def stale_after(config: Config) -> timedelta:
    """Two rounds may fail before the book is stale."""
    return POLLS_TO_STALE * config.every + config.timeout


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> SqlBook:
    """The book of a database."""
    return SqlBook(name, config, reader, clock, kept)


class _Position(msgspec.Struct, frozen=True):
    """How far changes or entries were taken: all up to the floor, and those seen above it."""

    watermark: datetime | None = None
    floor: int = 0
    seen: tuple[tuple[int, int], ...] = ()


class _Round(NamedTuple):
    """What one reading of entries saw: ids up to `last`, and all transactions below `xmax` that had ended."""

    last: int
    xmax: int
    read_s: float


class SqlBook:
    """Reads for ever, round by round."""

    def __init__(self, name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> None:
        self.name = name
        self._config = config
        self._reader = reader
        self._clock = clock
        self._columns = RowColumns(config.columns, config.constants)
        self._snapshots = Snapshots(name, reader, kept, closes_missing=config.close_missing)
        self._rounds = Rounds(name, clock, config.every, kept)
        position = _Position()
        with suppress(msgspec.DecodeError):  # another version of the monitor may have kept it in another form
            position = msgspec.json.decode(kept.position or "{}", type=_Position)
        self._watermark = position.watermark
        self._floor = position.floor
        self._seen = SeenIds(position.seen)
        self._past: deque[_Round] = deque()
        self._read_s: float | None = None
        """When the last snapshot was read."""
        self._connection: asyncpg.Connection | None = None

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then what comes. To close the iterator closes the connection."""
        try:
            async with aclosing(self._rounds.run(self._round)) as rounds:
                async for batch in rounds:
                    yield batch
        finally:
            self._hang_up()

    async def _round(self) -> AsyncGenerator[list[Event], None]:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            async with aclosing(self._read(self._connection)) as batches:
                async for batch in batches:
                    yield batch
        except Unreadable:
            self._hang_up()
            raise
        # Whatever the server, the network or the library makes of a reading is one failed round, never the end of the book.
        except Exception as e:  # noqa: BLE001
            self._hang_up()
            raise Unreadable(_cause(e)) from None

    def _read(self, connection: asyncpg.Connection) -> AsyncGenerator[list[Event], None]:
        if self._config.entries is not None:
            return self._entries(connection, self._config.entries)
        every_s = self._config.snapshot_every.total_seconds()
        is_time = self._read_s is None or self._clock.monotonic_s() - self._read_s >= every_s
        if self._config.changes is None or is_time or self._snapshots.is_in_doubt:
            assert self._config.snapshot is not None
            return self._snapshot(connection, self._config.snapshot)
        return self._changes(connection, self._config.changes)

    # -- groups --

    async def _snapshot(self, connection: asyncpg.Connection, query: str) -> AsyncGenerator[list[Event], None]:
        """All groups, page by page. Only a reading that came to its end closes anything."""
        at = self._clock.utc()
        is_whole = False
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                now = await connection.fetchval("SELECT now()")
                async with aclosing(self._pages(connection, query)) as pages:
                    async for rows in pages:
                        yield await asyncio.to_thread(self._snapshots.part, rows, at)
            is_whole = True
        finally:
            if not is_whole:
                self._snapshots.abandon()
        events = await asyncio.to_thread(self._snapshots.end, at)
        self._read_s = self._clock.monotonic_s()
        self._watermark = now
        yield [*events, self._book_seen(at)]

    async def _changes(self, connection: asyncpg.Connection, query: str) -> AsyncGenerator[list[Event], None]:
        """The rows since the watermark less the overlap. Those that are known already are no event."""
        at = self._clock.utc()
        assert self._watermark is not None, "a snapshot came first"
        newest = self._watermark
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            now = await connection.fetchval("SELECT now()")
            since = self._watermark - self._config.overlap
            times: list[datetime] = []
            async with aclosing(self._pages(connection, query, since, times=times)) as pages:
                async for rows in pages:
                    yield await asyncio.to_thread(self._snapshots.take, rows, at, is_whole=False)
            newest = max([newest, *times])
        # A row that is dated ahead must not hide those that come before its time.
        self._watermark = min(newest, now)
        yield [self._book_seen(at)]

    async def _pages(
        self, connection: asyncpg.Connection, query: str, *values: object, times: list[datetime] | None = None
    ) -> AsyncGenerator[list[BookRow], None]:
        rows: list[BookRow] = []
        number = 0
        async for record in connection.cursor(query, *values, prefetch=_ROWS_AT_ONCE):
            number += 1
            row = dict(record)
            if times is not None:
                times.append(self._time_of(row))
            rows.append(self._columns.row(_place_of(row, number), row))
            if len(rows) == _ROWS_AT_ONCE:
                yield rows
                rows = []
        yield rows

    def _time_of(self, row: dict[str, Any]) -> datetime:
        column = self._config.watermark
        time = row.pop(column, None)
        if not isinstance(time, datetime) or time.tzinfo is None:
            raise Unreadable(
                f"changes: the column {column!r} is no timestamptz; add it, or write {column} AT TIME ZONE 'UTC' AS {column}"
            )
        return time.astimezone(UTC)

    # -- entries --

    async def _entries(self, connection: asyncpg.Connection, query: str) -> AsyncGenerator[list[Event], None]:
        """Entries that were not seen yet. All above the floor are looked at, as some may have committed late."""
        at = self._clock.utc()
        events: list[Event] = []
        fresh: list[int] = []
        last = 0
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            xmin, xmax = await connection.fetchrow(_TRANSACTIONS)
            async for record in connection.cursor(query, self._floor, prefetch=_ROWS_AT_ONCE):
                row = dict(record)
                id = row.pop("id", None)
                if not isinstance(id, int):
                    raise Unreadable(f"entries: the column id is no whole number but {type(id).__name__}")
                last = max(last, id)
                if id <= self._floor or id in self._seen:
                    continue
                fresh.append(id)
                events += self._events(id, row, at)
                if len(fresh) == _ENTRIES_AT_ONCE:
                    yield self._handed_over(fresh, events, at)
                    fresh, events = [], []
        batch = self._handed_over(fresh, events, at)
        self._settle(last, xmin, xmax)
        yield [*batch[:-1], self._book_seen(at)]

    def _handed_over(self, ids: list[int], events: list[Event], at: datetime) -> list[Event]:
        """A batch. Its ids count as seen from here on, and no sooner: a connection may break while others are fetched."""
        for id in ids:
            self._seen.add(id)
        return [*events, self._book_seen(at)]

    def _settle(self, last: int, xmin: int, xmax: int) -> None:
        """Raises the floor to ids below which nothing can appear any more.

        Those who took an id before a reading have ended when all transactions that were under way then have. The overlap is
        for a transaction that has taken an id, and writes for the first time just afterwards.
        """
        now_s, overlap_s = self._clock.monotonic_s(), self._config.overlap.total_seconds()
        while self._past and self._past[0].xmax <= xmin and now_s - self._past[0].read_s >= overlap_s:
            self._floor = max(self._floor, self._past.popleft().last)
        self._seen.forget(self._floor)
        if last and (not self._past or self._past[-1].last < last):
            self._past.append(_Round(last, xmax, now_s))

    def _events(self, id: int, row: dict[str, Any], at: datetime) -> list[Event]:
        """What an entry says: a column of JSON with a message, or the parts of a message as columns."""
        place = f"entry {id}"
        texts = [v for v in row.values() if isinstance(v, str) and v.lstrip()[:1] == "{"]
        if "type" not in row:
            if len(texts) != 1:
                problem = f"expected one column of JSON, or a column `type`, found {', '.join(row)}"
                return [refused(self.name, Message(place, b""), problem, "no_message", at)]
            return events_of(self.name, Message(place, texts[0].encode()), at, self._reader)
        try:
            stated = {_NAMES.get(k, k): _stated(v) for k, v in row.items() if v is not None}
        except (msgspec.DecodeError, TypeError) as e:
            return [refused(self.name, Message(place, b""), str(e), "not_json", at)]
        return events_of(self.name, Message(place, msgspec.json.encode(stated)), at, self._reader)

    # -- both --

    def _book_seen(self, at: datetime) -> Event:
        watermark = self._watermark if self._config.changes is not None else None
        position = _Position(watermark, self._floor, tuple(self._seen.ranges()))
        if position == _Position():
            return BookSeen(at, self.name, at)
        if watermark is not None:
            version = watermark.isoformat()
        else:
            version = str(position.seen[-1][1] if position.seen else self._floor)
        return BookSeen(at, self.name, at, msgspec.json.encode(position).decode(), version)

    async def _connect(self) -> asyncpg.Connection:
        config = self._config
        password = None
        if config.password_file is not None:  # as it is now: passwords change
            password = await asyncio.to_thread(read_secret, None, config.password_file)
        return await asyncpg.connect(
            config.url,
            password=password,
            ssl=_tls(config),
            timeout=_CONNECT_S,
            command_timeout=config.timeout.total_seconds() + 1,
            server_settings={
                "application_name": "monitor",
                "default_transaction_read_only": "on",
                "statement_timeout": str(int(config.timeout.total_seconds() * 1000)),
            },
        )

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


_TRANSACTIONS = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""
"""The first transaction that was still under way, and the first that had not begun."""
_NAMES = {"group_id": "group", "entry_id": "id"}
"""RowColumns whose names SQL would have in quotation marks, or that stand for the row already."""


def _tls(config: Config) -> ssl.SSLContext | bool:
    if config.tls == "off":
        return False
    context = ssl.create_default_context(cafile=str(config.certificates) if config.certificates is not None else None)
    context.check_hostname = config.tls == "verify-full"
    return context


def _place_of(row: Mapping[str, Any], number: int) -> str:
    """The id of a row, which is the same in every reading, or else its number."""
    id = row.get("id")
    return f"row {id}" if isinstance(id, int | str) and len(str(id)) <= 128 else f"row number {number}"


def _stated(value: Any) -> object:
    if isinstance(value, str):
        return msgspec.json.decode(value) if value.lstrip()[:1] in ("{", "[") else value
    return plain(value) if hasattr(value, "is_finite") and value.is_finite() else value


def _cause(e: Exception) -> str:
    """PostgreSQL's own words hold no secret; of other errors only the kind and the system's words are shown."""
    if isinstance(e, BadSecret):
        return str(e)
    if isinstance(e, asyncpg.PostgresError):
        return f"{type(e).__name__}: {str(e)[:150]}"
    if isinstance(e, ssl.SSLError):
        return f"the certificate or the TLS of the server does not do: {e.reason}"
    # A server without TLS is a ConnectionError of the library's, whose words have the host and nothing else.
    text = getattr(e, "strerror", None) or (str(e) if type(e) is ConnectionError else None)
    return f"{type(e).__name__}: {text}" if text else type(e).__name__
