"""A store in PostgreSQL: one transaction a commit, each fenced, and a number that says after a lost answer whether it is in.

`PostgresStore(config, fence=...)`: `fence` is awaited first in each transaction with the asyncpg connection, on the store's
own thread and loop, and raises where this head holds the lease no longer. The row `fence (one, epoch, sequence)` lies in
the schema of the configuration; every transaction adds one to `sequence`, under the epoch that the store saw at `open`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from monitor import crashpoint
from monitor.addresses import check_certificates, shown_url
from monitor.audit_chain import AuditHead, AuditTrail
from monitor.audit_keys import NO_KEYS, AuditKeys
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.events.history import Row
from monitor.core.groups.plain_moves import Rendered
from monitor.core.groups.snapshot import Scope
from monitor.core.schema import Span
from monitor.stores._base import (
    KEY_BYTES,
    AlertFilter,
    Applied,
    Attempt,
    Audit,
    Audited,
    AuditFilter,
    Backup,
    Change,
    Committed,
    Delivery,
    DeliveryFilter,
    HistoryFilter,
    LtvPoint,
    StoredState,
    StoreRefused,
    StoreUnavailable,
    Subscription,
    Switched,
    Target,
)
from monitor.stores._rows import encode
from monitor.stores._staged import Forms, has_light, work_out
from monitor.stores.postgres import audits, book, deliveries, history, log, schema, staged
from monitor.stores.postgres.book import Followed
from monitor.stores.postgres.connection import Thread, connect
from monitor.stores.postgres.copies import copy
from monitor.stores.postgres.writer import Fence, FencedWriter, Session, Work

T = TypeVar("T")
S = TypeVar("S", bound=Session)


class Config(msgspec.Struct, frozen=True):
    """[store] kind = "postgres". The password stands in a file."""

    url: str
    """postgresql://user@host:port/database, without a password; `?host=/run/postgresql` names a socket's folder."""
    schema: str = "monitor"
    """Where the tables are: each desk has its own."""
    password_file: Path | None = None
    tls: Literal["verify-full", "verify-ca", "off"] = "verify-full"
    """`verify-ca` checks no name. `off` is for a socket, or a network that nobody else is in."""
    certificates: Path | None = None
    """The authorities that are trusted; without it, those of the machine."""
    timeout: Annotated[timedelta, Span("1s", "1m")] = timedelta(seconds=5)
    """For each answer of the database."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise ValueError(f"url: found {shown_url(self.url)!r}, expected postgresql://user@host:port/database")
        if parts.password is not None or "password=" in parts.query:
            raise ValueError("url: holds a password, which anybody can read here; put it into a password_file")
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", self.schema):
            raise ValueError(f"schema: found {self.schema[:80]!r}, expected small letters, digits and _")
        if self.certificates is not None:
            check_certificates("certificates", self.certificates)

    def __repr__(self) -> str:
        return f"postgres.Config({self.place})"

    @property
    def place(self) -> str:
        """Database and schema, without what is secret."""
        return f"{shown_url(self.url)}, schema {self.schema}"


def build(config: Config, fence: Fence | None = None, followed: Followed | None = None) -> PostgresStore:
    """The store of a database; nothing is touched before `open`. `followed` is what a standby has read already."""
    return PostgresStore(config, fence=fence, followed=followed)


@contextmanager
def audit_trail(config: Config, backup: Backup | None = None) -> Iterator[AuditTrail]:
    """The audit record. Raises StoreUnavailable, StoreRefused."""
    if backup is not None:
        raise StoreRefused(
            f"store {config.place}: look at the record of a backup under a configuration of kind 'sqlite'"
        )
    thread = Thread("audit trail")

    async def read() -> AuditTrail:
        db = await connect(config)
        try:
            async with db.transaction(isolation="repeatable_read", readonly=True):
                return await audits.trail(db)
        finally:
            await db.close()

    try:
        yield thread.call(read)
    finally:
        thread.stop()


def condition(config: Config) -> tuple[str, list[str]]:
    """What database it is, and what in it makes commits unsafe. Raises StoreUnavailable, StoreRefused."""
    thread = Thread("doctor")
    try:
        return thread.call(partial(schema.condition, config))
    finally:
        thread.stop()


class PostgresStore:
    """One schema of a database. A writer and a reader, each with its thread; the order of writes is that of the calls."""

    def __init__(self, config: Config, *, fence: Fence | None = None, followed: Followed | None = None) -> None:
        self.config = config
        self._fence = fence
        self._followed = followed
        self._keys = NO_KEYS
        self._writer: FencedWriter | None = None
        self._reader: Session | None = None
        self._forms = Forms()
        self._read_forms = Forms()
        """Of the writer's thread, and of the reader's."""

    async def open(self) -> StoredState:
        """Makes the tables where there are none, and loads: for a standby, what is new since. What it has it may forget,
        and open again. Raises StoreRefused where only a person can help.
        """
        if self._writer is None:
            writer = FencedWriter(self.config, self._fence)
            try:
                await writer.run(writer.begin)
            except BaseException:  # a cancel too: the session must not outlive a start that failed
                await writer.close()
                raise
            self._writer, self._reader = writer, Session(self.config, "store reader")
        while await self._look_at(staged.are_older):
            await self._render(staged.AT_ONCE)
        return await self._write(partial(_snapshot, followed=self._followed or Followed()))

    async def commit(self, change: Change) -> Committed:
        writer = self._required(self._writer)
        if has_light(change) and not await writer.run(writer.leaves_figures):
            await work_out(change)
        committed = await writer.run(partial(writer.commit, change, self._keys))
        crashpoint.reached("after commit", (a.type for a, _ in change.alerts))
        return committed

    async def render(self, most: int) -> Rendered:
        done = await self._render(most) if await self._look_at(staged.are_left) else 0
        return Rendered(done, (*self._forms.disproofs(), *self._read_forms.disproofs()))

    async def _render(self, most: int) -> int:
        return await self._write(partial(staged.render, forms=self._forms, most=most))

    async def open_deliveries(self) -> list[Delivery]:
        async def pending(db: Any) -> list[Delivery]:
            return await staged.ordered(db, self._forms, await deliveries.pending(db))

        return await self._write(pending)

    async def start_attempts(self, ids: Sequence[str], at: datetime) -> list[str]:
        return await self._write(partial(deliveries.start, ids=ids, at=at))

    async def end_attempts(self, attempts: Sequence[Attempt]) -> None:
        await self._write(partial(deliveries.end, attempts=attempts))

    async def move(self, delivery: Delivery, targets: Sequence[Target], at: datetime) -> list[Delivery]:
        return await self._write(partial(deliveries.move, old=delivery, targets=targets, at=at))

    async def hand_over(self, pairs: Sequence[tuple[Delivery, Target]], at: datetime) -> list[Delivery]:
        return await self._write(partial(deliveries.hand_over, pairs=pairs, at=at))

    async def hold(self, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
        return await self._write(partial(deliveries.hold, until=until, at=at))

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        await self._audited(partial(deliveries.switch_off, switched=switched), lambda _: audit)

    async def switch_on(self, notifier: str, audit: Audit | None = None) -> None:
        await self._audited(partial(deliveries.switch_on, notifier=notifier), lambda _: audit)

    async def retry_all(self, ids: Sequence[str], at: datetime, audited: Audited | None = None) -> list[Delivery]:
        return await self._audited(partial(deliveries.retry_all, ids=ids, at=at), audited)

    async def retry(self, delivery: str, at: datetime, audited: Audited | None = None) -> Delivery | None:
        def audit(found: Delivery | None) -> Audit | None:
            return None if found is None or audited is None else audited([found])

        return await self._audited(partial(deliveries.retry, id=delivery, at=at), audit)

    async def send_again(self, again: Sequence[Delivery], audited: Audited | None = None) -> list[Delivery]:
        return await self._audited(partial(deliveries.send_again, again=again), audited)

    async def keep_subscription(self, kept: Subscription, audit: Audit | None = None) -> None:
        async def keep(db: Any) -> None:
            sql = "INSERT INTO subscriptions VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET body = $2"
            await db.execute(sql, kept.name, encode(kept))

        await self._audited(keep, lambda _: audit)

    async def drop_subscription(self, name: str, audit: Audit | None = None) -> None:
        async def drop(db: Any) -> None:
            await db.execute("DELETE FROM subscriptions WHERE name = $1", name)

        await self._audited(drop, lambda _: audit)

    async def key(self, name: str) -> bytes:
        async def made(db: Any) -> bytes:
            sql = "INSERT INTO keys VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
            await db.execute(sql, name, secrets.token_bytes(KEY_BYTES))
            return bytes(await db.fetchval("SELECT body FROM keys WHERE name = $1", name))

        return await self._write(made)

    async def keep_points(self, points: Sequence[LtvPoint]) -> None:
        for i in range(0, len(points), 1000):
            await self._write(partial(history.keep_points, points=points[i : i + 1000]))

    async def prune_points(self, step_s: int, before: datetime) -> int:
        return await self._until_done(partial(history.prune_points, step_s=step_s, before=before))

    async def prune(self, before: datetime) -> int:
        """Small batches, each a transaction of its own, between which commits go on."""
        total = await self._until_done(partial(log.prune_alerts, before=before))
        for table in ("entries", "history"):
            total += await self._until_done(partial(log.prune, table=table, before=before))
        return total + await self._until_done(partial(audits.prune, before=before, keys=self._keys))

    async def _until_done(self, batch: Work[int]) -> int:
        total = 0
        while count := await self._write(batch):
            total += count
        return total

    async def backup(self, path: Path) -> None:
        self._required(self._writer)
        await asyncio.to_thread(copy, self.config, path)

    async def probe(self) -> None:
        async def look(db: Any) -> None:
            await db.execute("INSERT INTO probe VALUES (1, $1)", bytes(64 << 10))
            await db.execute("DELETE FROM probe")

        await self._write(look)

    async def checkpoint(self) -> None:
        """The database does that by itself."""

    async def close(self) -> None:
        """Waits for work that has begun."""
        sessions = [s for s in (self._writer, self._reader) if s is not None]
        self._writer, self._reader = None, None
        for session in sessions:
            await session.close()

    # -- the questions --

    async def switched_off(self) -> list[Switched]:
        return await self._read(deliveries.switched_off)

    async def subscriptions(self) -> list[Subscription]:
        async def listed(db: Any) -> list[Subscription]:
            rows = await db.fetch("SELECT body FROM subscriptions ORDER BY name")
            return [msgspec.json.decode(body, type=Subscription) for (body,) in rows]

        return await self._read(listed)

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]:
        return await self._read_at_once(partial(log.alerts, wanted=wanted, forms=self._read_forms))

    async def alert(self, id: str) -> LoggedAlert | None:
        return await self._read_at_once(partial(log.alert, id=id, forms=self._read_forms))

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        return await self._read(partial(deliveries.listed, wanted=wanted))

    async def delivery(self, id: str) -> Delivery | None:
        return await self._read(partial(deliveries.one, id=id))

    async def attempts(self, delivery: str) -> list[Attempt]:
        return await self._read(partial(deliveries.attempts, delivery=delivery))

    async def entry(self, group_id: str, id: str, scope: Scope = ()) -> Applied | None:
        return await self._read(partial(log.entry, group_id=group_id, id=id, scope=scope))

    async def audits(
        self, after: int, limit: int, subject: str | None = None, since: datetime | None = None, scope: Scope = ()
    ) -> list[tuple[int, Audit]]:
        work = partial(audits.listed, after=after, limit=limit, subject=subject, since=since, scope=scope)
        return await self._read(work)

    async def audit_page(self, wanted: AuditFilter) -> list[tuple[int, Audit]]:
        return await self._read(partial(audits.page, wanted=wanted))

    def sign_audits(self, keys: AuditKeys) -> None:
        self._keys = keys

    async def audit_head(self) -> AuditHead:
        return await self._read(audits.head)

    async def points(self, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
        return await self._read(partial(history.points, group=group, step_s=step_s, start=start, end=end))

    async def history(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        return await self._read_at_once(partial(history.page, wanted=wanted, forms=self._read_forms))

    async def first_rows(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        return await self._read_at_once(partial(history.first_rows, wanted=wanted, forms=self._read_forms))

    async def newest_life(self, group: str, scope: Scope) -> int | None:
        return await self._read(partial(history.newest_life, group=group, scope=scope))

    async def held(self, scope: Scope, since: datetime, limit: int) -> list[str]:
        return await self._read(partial(history.held, scope=scope, since=since, limit=limit))

    async def _write(self, work: Work[T]) -> T:
        writer = self._required(self._writer)
        return await writer.run(partial(writer.transact, work))

    async def _audited(self, work: Work[T], audited: Callable[[T], Audit | None] | None) -> T:
        """What a person did, and the record of it: both or neither."""

        async def both(db: Any) -> T:
            result = await work(db)
            crashpoint.reached("before audit")
            audit = None if audited is None else audited(result)
            await audits.write(db, [] if audit is None else [audit], self._keys)
            return result

        return await self._write(both)

    async def _read(self, work: Work[T]) -> T:
        return await _looked(self._required(self._reader), work)

    async def _look_at(self, work: Work[T]) -> T:
        """What the writer sees, in the order of what it writes: without a transaction, for a question before one."""
        return await _looked(self._required(self._writer), work)

    async def _read_at_once(self, work: Work[T]) -> T:
        """All that is read is of one instant: between two, the background may work out what has been found to be light."""

        async def at_once(db: Any) -> T:
            try:
                await db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                found = await work(db)
                await db.execute("COMMIT")
            except BaseException:  # who says nothing will not answer a ROLLBACK either, and a reader is soon made again
                db.terminate()
                raise
            return found

        return await self._read(at_once)

    def _required(self, session: S | None) -> S:
        if session is None:
            raise StoreUnavailable(f"store {self.config.place} is not open")
        return session


async def _looked(session: Session, work: Work[T]) -> T:
    async def look() -> T:
        return await work(await session.connected())

    return await session.run(look)


async def _snapshot(db: Any, followed: Followed) -> StoredState:
    state, _ = await book.snapshot(db, await log.last_cursor(db), followed)
    return state
