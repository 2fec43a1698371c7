"""The connection that writes: each transaction is fenced and has a number, by which a lost answer is found out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from monitor.audit_keys import AuditKeys
from monitor.stores._base import Change, Committed, StoreRefused, StoreUnavailable
from monitor.stores.postgres import log, schema
from monitor.stores.postgres.connection import Lost, Thread, connect, end, explained

T = TypeVar("T")
Work = Callable[[Any], Coroutine[Any, Any, T]]
Fence = Callable[[Any], Awaitable[None]]
HEAD_LOCK = 0x4C4D4845
"""Held by the connection of a head without a lease: two daemons never write into one schema."""


class Session:
    """A connection that is made again when it was lost. `run` takes one job at a time, in the order of the calls."""

    def __init__(self, config: Any, name: str) -> None:
        self.config = config
        self._thread = Thread(name)
        self._db: Any = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """On the thread of the connection. Raises errors in the store's words."""
        try:
            return await self._thread.run(work)
        except Exception as e:  # all of it is raised again, in the desk's words
            raise explained(self.config.place, e) from e

    async def connected(self) -> Any:
        """The connection."""
        if self._db is None or self._db.is_closed():
            self._db = await connect(self.config)
        return self._db

    def cut(self) -> None:
        """Ends the work under way at once, with an error: only what reads may be cut."""
        self._thread.soon(lambda: None if self._db is None else self._db.terminate())

    async def close(self) -> None:
        """Waits for the work that has begun."""

        async def cut() -> None:
            db, self._db = self._db, None
            if db is not None:
                with suppress(Exception):
                    await db.close(timeout=2)

        await self._thread.run(cut)
        self._thread.stop()


class FencedWriter(Session):
    """Makes every change. Its methods are called by `run`."""

    def __init__(self, config: Any, fence: Fence | None) -> None:
        super().__init__(config, "store writer")
        self._fence = fence
        self._server_pid = 0
        self._epoch = 0
        self._sequence = 0
        self._in_doubt: tuple[Change | None, Any] | None = None
        """A transaction whose answer was lost, and what it has done if it is in."""
        self._leaves_figures = False
        self._settled: list[tuple[Change | None, Any]] = []
        """Such ones that were found to be in, and of which nobody has heard."""

    async def begin(self) -> None:
        """Makes the tables where there are none, and takes the store. Raises StoreRefused where another one has it."""
        db = self._db = await connect(self.config)
        self._server_pid = db.get_server_pid()
        await schema.prepare(db, self.config.schema)
        await self._claim(db)
        await db.execute("BEGIN")
        if self._fence is None:
            await db.execute("UPDATE fence SET epoch = epoch + 1")
        self._epoch, self._sequence = await self._position(db)

    async def _claim(self, db: Any) -> None:
        if self._fence is None and not await db.fetchval(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", HEAD_LOCK, self.config.schema
        ):
            raise StoreRefused(f"store {self.config.place} is in use by another monitor: stop it first")

    async def _position(self, db: Any) -> tuple[int, int]:
        """Epoch and sequence. The end of this waits for a synchronous standby, which then has what came before as well."""
        if self._fence is not None:
            await self._fence(db)
        epoch, sequence = await db.fetchrow("SELECT epoch, sequence FROM fence FOR UPDATE")
        await end(db, self.config)
        return epoch, sequence

    async def connected(self) -> Any:
        """The connection; a new one where it was lost, once the fence says that nobody else has written."""
        if self._db is not None and not self._db.is_closed():
            return self._db
        db = await connect(self.config)
        try:
            # The old one may still wait inside its COMMIT, and has the lock of the head.
            await db.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity "
                "WHERE pid = $1 AND application_name = 'loan-monitor' AND usename = current_user",
                self._server_pid,
            )
            await self._claim(db)
            await db.execute("BEGIN")
            self._settle(*await self._position(db))
        except BaseException:  # a cancel too: nobody else knows this connection yet
            db.terminate()
            raise
        self._db, self._server_pid = db, db.get_server_pid()
        return db

    def _settle(self, epoch: int, sequence: int) -> None:
        """Whether the commit whose answer was lost is in. Raises StoreRefused where somebody else has written."""
        doubt, self._in_doubt = self._in_doubt, None
        if epoch == self._epoch and doubt is not None and sequence == self._sequence + 1:
            self._sequence = sequence
            self._settled.append(doubt)
        elif (epoch, sequence) != (self._epoch, self._sequence):
            raise StoreRefused(f"store {self.config.place}: another monitor has written to it: stop one of the two")

    async def transact(self, work: Work[T], change: Change | None = None) -> T:
        """What `work` returns, once it is durable. Raises StoreUnavailable where nothing was changed, or nobody knows."""
        db = await self.connected()
        try:
            await db.execute("BEGIN")
            if self._fence is not None:
                await self._fence(db)
            sql = "UPDATE fence SET sequence = sequence + 1 WHERE epoch = $1 AND sequence = $2 RETURNING 1"
            if await db.fetchval(sql, self._epoch, self._sequence) is None:
                raise StoreRefused(f"store {self.config.place}: another monitor has written to it: stop one of the two")
            result = await work(db)
        except TimeoutError:  # who says nothing will not answer a ROLLBACK either, and alerts wait meanwhile
            db.terminate()
            raise
        except BaseException:  # a cancel too: a transaction must not stay open behind it
            await _rolled_back(db)
            raise
        try:
            await end(db, self.config)
        except Lost:
            doubt = self._in_doubt = change, result
        else:
            self._sequence += 1
            return result
        await self.connected()  # which finds out
        if self._settled and self._settled[-1] is doubt:
            self._settled.pop()
            return result
        raise StoreUnavailable(f"store {self.config.place}: the connection broke, and nothing was changed")

    async def leaves_figures(self) -> bool:
        """Whether commits stage figures: no monitor may read the store any more that does not know staging forms.

        Once that is so it stays so. An upgrade may be finished while this monitor runs.
        """
        if not self._leaves_figures:
            self._leaves_figures = await schema.is_finished(await self.connected(), schema.STAGING)
        return self._leaves_figures

    async def commit(self, change: Change, keys: AuditKeys) -> Committed:
        """A change, and what earlier tries of it have done of which nobody has heard."""
        await self.connected()
        settled = [(was, done) for was, done in self._settled if was is not None]
        rest = change
        for was, _ in settled:
            rest = _without(rest, was)
        work = partial(log.commit, change=rest, keys=keys, leaves_figures=self._leaves_figures)
        committed = await self.transact(work, change)
        self._settled.clear()
        for _, done in reversed(settled):
            committed = _joined(done, committed)
        return committed


async def _rolled_back(db: Any) -> None:
    try:
        await db.execute("ROLLBACK")
    except Exception:  # noqa: BLE001 - a connection that cannot even do this is no use
        db.terminate()


def _without(change: Change, was: Change) -> Change:
    """What is not in yet: rows that a commit adds must not be added twice; the rest may be written again."""
    audits_in, rows_in = set(map(id, was.audits)), set(map(id, was.history))
    return msgspec.structs.replace(
        change,
        audits=tuple(a for a in change.audits if id(a) not in audits_in),
        history=tuple(r for r in change.history if id(r) not in rows_in),
    )


def _joined(first: Committed, then: Committed) -> Committed:
    """Both commits as one: nobody has heard of the first."""
    gone = set(then.cancelled)
    due = (*(d for d in first.deliveries if d.id not in gone), *then.deliveries)
    return Committed(then.cursor, (*first.alerts, *then.alerts), due, (*first.cancelled, *then.cancelled))
