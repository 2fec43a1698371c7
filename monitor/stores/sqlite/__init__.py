"""The default store: one SQLite file in WAL mode, synced at every commit, written by one connection and one process.

Two connections, each with its thread. The writer makes every change, and it alone checkpoints: SQLite up to 3.51.2 can
corrupt a file whose log two connections reset at once (decision 17). The reader serves the API's queries, so that a
long read never delays a commit; it is open `mode=ro`, which neither commits nor checkpoints.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from monitor import crashpoint
from monitor.audit_chain import AuditHead, AuditTrail
from monitor.audit_keys import NO_KEYS, AuditKeys
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.events.history import Row
from monitor.core.groups.plain_moves import Rendered
from monitor.core.groups.snapshot import Scope
from monitor.secret_files import BadSecret, read_secret
from monitor.stores._base import (
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
from monitor.stores._staged import Forms
from monitor.stores.sqlite import (
    audits,
    deliveries,
    file,
    history,
    late_ends,
    later_states,
    lock,
    log,
    restoring,
    staged,
    subscriptions,
)
from monitor.stores.sqlite import points as ltv
from monitor.stores.sqlite.connection import Connection, Together, explained, transaction
from monitor.stores.sqlite.engine import EXTRA, PLAIN, Engine, has_cipher
from monitor.stores.sqlite.pending_news import PendingNews
from monitor.stores.sqlite.restoring import Restored

T = TypeVar("T")
_POINTS_AT_ONCE = 1000  # in one transaction: some ten milliseconds, which a commit may have to wait


class Config(msgspec.Struct, frozen=True):
    """[store] kind = "sqlite". `path` is relative to the working directory."""

    path: str = "var/monitor.db"
    allow_network_fs: bool = False
    """The file may be on a network file system, where nothing but the one daemon that you start uses it."""
    key: str | None = None
    key_file: Path | None = None
    """Encrypts the file: the key, or the file that holds it."""

    def __post_init__(self) -> None:
        if self.key is not None and self.key_file is not None:
            raise ValueError('state either "key_file" or "key"')
        if self.is_encrypted and not has_cipher():
            raise ValueError(f"key_file: needs SQLCipher, which is not installed: {EXTRA}")

    def __repr__(self) -> str:
        return f"Config({self.path!r}, encrypted={self.is_encrypted})"

    @property
    def is_encrypted(self) -> bool:
        """The store has a key."""
        return self.key is not None or self.key_file is not None

    def engine(self) -> Engine:
        """What opens the file. Raises StoreRefused where the key cannot be read."""
        try:
            return Engine(read_secret(self.key, self.key_file) if self.is_encrypted else None)
        except BadSecret as e:
            raise StoreRefused(f"store {self.path}: {e}") from None


def copy(config: Config, target: Path, recipients: Sequence[Any] = ()) -> None:
    """An online copy of a store that a daemon may be writing just now, encrypted for recipients of age where there are some.

    Raises StoreUnavailable, StoreRefused.
    """
    with explained(target):
        file.backup(Path(config.path), target, config.engine(), recipients)


def restore(config: Config, wanted: Backup, at: datetime | None) -> Restored:
    """Puts a backup in the place of the store, whole or not at all; only checks it where `at` is None.

    Raises StoreUnavailable, StoreRefused.
    """
    with explained(Path(config.path)):
        return restoring.restore(Path(config.path), config.engine(), wanted, at)


@contextmanager
def audit_trail(config: Config, backup: Backup | None = None) -> Iterator[AuditTrail]:
    """The audit record of a store that a daemon may be writing just now, or of a backup of it; nothing of either is changed.

    Raises as `copy` does.
    """
    path = lock.real(Path(config.path))
    with explained(path), ExitStack() as opened:
        if backup is not None:
            db = opened.enter_context(restoring.looked_into(path, config.engine(), backup))
        elif not path.is_file():
            raise StoreRefused(f"store {path} is not there; name the configuration whose store it is, or --backup FILE")
        else:
            db = opened.enter_context(closing(config.engine().connect_read_only(path)))
        db.execute("BEGIN")  # all of it is of one instant
        yield audits.trail(db)


@contextmanager
def opened_alone(config: Config) -> Iterator[sqlite3.Connection]:
    """A store that no daemon uses, with the schema of today, for reading all of it. Raises as `copy` does."""
    path = lock.real(Path(config.path))
    with explained(path), ExitStack() as opened:
        if not path.is_file():
            raise StoreRefused(f"store {path} is not there")
        opened.enter_context(lock.claimed(path))
        held = opened.enter_context(lock.held(path, is_local=lock.network_kind(path.parent) is None))
        engine = config.engine()
        file.check_header(path, held, engine)
        db = opened.enter_context(closing(file.connect(path, engine)))
        file.migrate(db)
        audits.adopt(db)
        late_ends.fold(db)
        staged.render_all(db, Forms())
        later_states.fold_all(db)
        yield db


def damage(config: Config) -> str | None:
    """What is wrong with the store's file, by its own quick check; None where it is whole. Raises as `copy` does."""
    path = lock.real(Path(config.path))
    with explained(path), closing(config.engine().connect_read_only(path)) as db:
        (verdict,) = db.execute("PRAGMA quick_check").fetchone()
        return None if verdict == "ok" else str(verdict)


def library(config: Config) -> tuple[tuple[int, ...], bool]:
    """The version of the SQLite that opens the store, and whether it has the WAL-reset bug. Raises StoreRefused."""
    version = config.engine().version
    return version, file.has_wal_reset_bug(version)


def build(config: Config) -> SqliteStore:
    """The store of a file; nothing is touched before `open`."""
    return SqliteStore(config)


class SqliteStore:
    """One file. Every change is one function on the writer's thread: no await and no cancellation can cut it in two."""

    def __init__(self, config: Config) -> None:
        self.path = Path(config.path)
        self._config = config
        self._engine = PLAIN
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._file_id: tuple[int, int] | None = None
        self._keys = NO_KEYS
        self._opened = AsyncExitStack()
        self._together = Together()
        self._forms = Forms()
        self._read_forms = Forms()
        """Of the writer's thread, and of the reader's."""
        self._late = late_ends.LateEnds()
        self._news = PendingNews()
        self._known = log.Known(set(), self._news)

    async def open(self) -> StoredState:
        """Takes the lock, creates or migrates the file, loads. Raises StoreRefused where only a person can help."""
        if self._writer is not None:
            return await self._write(log.snapshot)
        self.path = lock.real(self.path)
        async with AsyncExitStack() as opening:
            with explained(self.path):
                taken, self._engine = await asyncio.to_thread(_taken, self.path, self._config)
                opening.enter_context(taken)
                writer = Connection(partial(file.connect, self.path, self._engine))
                await opening.enter_async_context(writer)
                older = partial(staged.render_older, forms=self._forms)
                for work in (file.migrate, audits.adopt, late_ends.fold, older, self._known.load):
                    await writer.run(work)
                reader = Connection(partial(file.connect_read_only, self.path, self._engine))
                await opening.enter_async_context(reader)
                self._file_id = _file_id(self.path)
                snapshot = await writer.run(log.snapshot)
            file.say_version(self.path, self._engine)
            self._writer = writer
            self._reader = reader
            self._opened = opening.pop_all()
        return snapshot

    async def commit(self, change: Change) -> Committed:
        return await self._write(partial(log.commit, change=change, keys=self._keys, known=self._known))

    async def render(self, most: int) -> Rendered:
        found = await self._write_beside(partial(log.render, forms=self._forms, most=most, known=self._known))
        return found._replace(disproofs=(*found.disproofs, *self._read_forms.disproofs()))

    async def open_deliveries(self) -> list[Delivery]:
        return await self._write(lambda db: staged.ordered(db, self._forms, deliveries.pending(db)))

    async def start_attempts(self, ids: Sequence[str], at: datetime) -> list[str]:
        return await self._write_together(partial(deliveries.start, ids=ids, at=at))

    async def end_attempts(self, attempts: Sequence[Attempt]) -> None:
        await self._write_together(partial(self._late.end, attempts=attempts))
        self._late.fold_soon(self._fold)

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]:
        return await self._read(partial(log.alerts, wanted=wanted, forms=self._read_forms))

    async def alert(self, id: str) -> LoggedAlert | None:
        return await self._read(partial(log.alert, id=id, forms=self._read_forms))

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        await self._fold()
        return await self._read(partial(deliveries.listed, wanted=wanted))

    async def delivery(self, id: str) -> Delivery | None:
        await self._fold()
        return await self._read(partial(deliveries.one, id=id))

    async def attempts(self, delivery: str) -> list[Attempt]:
        return await self._read(partial(deliveries.attempts, delivery=delivery))

    async def move(self, delivery: Delivery, targets: Sequence[Target], at: datetime) -> list[Delivery]:
        return await self._write(partial(deliveries.move, old=delivery, targets=targets, at=at, known=self._news))

    async def hand_over(self, pairs: Sequence[tuple[Delivery, Target]], at: datetime) -> list[Delivery]:
        return await self._write(partial(deliveries.hand_over, pairs=pairs, at=at, known=self._news))

    async def hold(self, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
        return await self._write(partial(deliveries.hold, until=until, at=at))

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        await self._write_audited(partial(deliveries.switch_off, switched=switched), lambda _: audit)

    async def switch_on(self, notifier: str, audit: Audit | None = None) -> None:
        await self._write_audited(partial(deliveries.switch_on, notifier=notifier), lambda _: audit)

    async def switched_off(self) -> list[Switched]:
        return await self._write(deliveries.switched_off)

    async def retry_all(self, ids: Sequence[str], at: datetime, audited: Audited | None = None) -> list[Delivery]:
        return await self._write_audited(partial(deliveries.retry_all, ids=ids, at=at, known=self._news), audited)

    async def retry(self, delivery: str, at: datetime, audited: Audited | None = None) -> Delivery | None:
        def audit(found: Delivery | None) -> Audit | None:
            return None if found is None or audited is None else audited([found])

        return await self._write_audited(partial(deliveries.retry, delivery=delivery, at=at, known=self._news), audit)

    async def send_again(self, again: Sequence[Delivery], audited: Audited | None = None) -> list[Delivery]:
        return await self._write_audited(partial(deliveries.send_again, again=again, known=self._news), audited)

    async def subscriptions(self) -> list[Subscription]:
        return await self._write(subscriptions.listed)

    async def keep_subscription(self, kept: Subscription, audit: Audit | None = None) -> None:
        await self._write_audited(partial(subscriptions.keep, kept=kept), lambda _: audit)

    async def drop_subscription(self, name: str, audit: Audit | None = None) -> None:
        await self._write_audited(partial(subscriptions.drop, name=name), lambda _: audit)

    async def entry(self, group_id: str, id: str, scope: Scope = ()) -> Applied | None:
        # Asked before an entry is applied, so it must not stand behind a long list.
        return await self._write(partial(log.entry, group_id=group_id, id=id, scope=scope))

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
        # A heartbeat asks, and must not stand behind a long list.
        return await self._write(audits.head)

    async def key(self, name: str) -> bytes:
        return await self._write(partial(file.key, name=name))

    async def keep_points(self, points: Sequence[LtvPoint]) -> None:
        for i in range(0, len(points), _POINTS_AT_ONCE):
            await self._write(partial(ltv.keep, points=points[i : i + _POINTS_AT_ONCE]))

    async def points(self, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
        return await self._read(partial(ltv.of, group=group, step_s=step_s, start=start, end=end))

    async def prune_points(self, step_s: int, before: datetime) -> int:
        total = 0
        while count := await self._write(partial(ltv.prune, step_s=step_s, before=before)):
            total += count
        return total

    async def history(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        return await self._read(partial(history.page, wanted=wanted, forms=self._read_forms))

    async def first_rows(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        return await self._read(partial(history.first_rows, wanted=wanted, forms=self._read_forms))

    async def newest_life(self, group: str, scope: Scope) -> int | None:
        return await self._read(partial(history.newest_life, group=group, scope=scope))

    async def held(self, scope: Scope, since: datetime, limit: int) -> list[str]:
        return await self._read(partial(history.held, scope=scope, since=since, limit=limit))

    async def prune(self, before: datetime) -> int:
        """Small batches, each a transaction of its own, between which commits go on."""
        total = 0
        batches: list[Callable[..., int]] = [log.prune_alerts]
        batches += [partial(log.prune, table=table) for table in ("entries", "history")]
        batches += [partial(audits.prune, keys=self._keys)]
        for batch in batches:
            while count := await self._write(partial(batch, before=before)):
                total += count
        return total

    async def backup(self, path: Path) -> None:
        with explained(path):
            self._required(self._writer)
            await asyncio.to_thread(file.backup, self.path, path, self._engine)

    async def probe(self) -> None:
        await self._write(file.probe)

    async def checkpoint(self) -> None:
        await self._write(file.checkpoint)

    async def close(self) -> None:
        """Waits for work that has begun, moves the log into the file, gives up the lock."""
        await self._fold()
        self._writer = None
        self._reader = None
        with explained(self.path):
            await self._opened.aclose()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._write_beside(self._late.before(work))

    async def _write_beside(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work that needs no delivery to say how it ended."""
        with explained(self.path):
            return await self._required(self._writer).run(partial(self._in_place, work))

    async def _fold(self) -> None:
        """Has all deliveries say how they ended. Where the store fails, the next one to write tries again."""
        if self._late.are_there:
            with suppress(StoreUnavailable):
                await self._write(lambda _: None)

    async def _write_audited(
        self, work: Callable[[sqlite3.Connection], T], audited: Callable[[T], Audit | None] | None
    ) -> T:
        """What a person did, and the record of it: both or neither."""

        def both(db: sqlite3.Connection) -> T:
            with transaction(db):
                result = work(db)
                crashpoint.reached("before audit")
                audit = None if audited is None else audited(result)
                audits.write(db, [] if audit is None else [audit], self._keys)
            return result

        return await self._write(both)

    async def _write_together(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Writes with all that waits for the thread just now: one sync of the disk for them all."""
        job = self._together.add(work)
        try:
            await self._write_beside(self._together.write)
        except StoreUnavailable:
            self._late.failed()
            job.is_wanted = False
            raise
        # Without a result another one failed, in the same transaction.
        return job.result[0] if job.result else await self._write(work)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with explained(self.path):
            return await self._required(self._reader).run(work)

    def _in_place(self, work: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
        """Refuses to write into a file that was deleted or replaced: the commit would succeed and be lost."""
        if _file_id(self.path) != self._file_id:
            raise StoreUnavailable(f"store {self.path} was replaced while it was open")
        return work(db)

    def _required(self, connection: Connection | None) -> Connection:
        if connection is None:
            raise StoreUnavailable(f"store {self.path} is not open")
        return connection


def _taken(path: Path, config: Config) -> tuple[ExitStack, Engine]:
    """Takes the locks, makes the file where there is none, and looks that it is ours. Closing gives the locks up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    network = lock.network_kind(path.parent)
    if network is not None and not config.allow_network_fs:
        raise StoreRefused(
            f"store {path} is on a network file system ({network}), where locks and the write-ahead log are not "
            "safe: put it on a local disk, or state allow_network_fs = true under [store] if one machine alone uses it"
        )
    with ExitStack() as taking:
        taking.enter_context(lock.claimed(path))
        engine = config.engine()
        file.prepare(path, engine)
        held = taking.enter_context(lock.held(path, is_local=network is None))
        file.check_header(path, held, engine)
        return taking.pop_all(), engine


def _file_id(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
