"""A SQLite connection on a thread of its own, its transactions, and its errors in the store's words."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite

from monitor.stores._base import StoreUnavailable
from monitor.stores.sqlite.engine import database_errors

T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """aiosqlite's thread, given whole functions instead of statements.

    A transaction awaited statement by statement could be cancelled in its middle, seen half done by another reader of
    the same connection, and would cost a change of threads for each of its ten statements.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        # An error that ends the daemon must end the process, even if nothing has closed the store. The work of the thread
        # is then cut off as by a kill, which the file survives.
        self._thread.daemon = True

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns or raises. It runs to its end even when the caller is cancelled."""
        # The thread keeps the last function and the last result until the next one: those of a storm would be freed then,
        # ten thousand alerts amid a commit. So it is given lists that are empty when it is done.
        given, found = [work], []

        def once() -> None:
            found.append(given.pop()(self._conn))

        await self._execute(once)  # type: ignore[no-untyped-call]
        result: T = found.pop()
        return result


class Job(Generic[T]):
    """A small write that goes with others."""

    def __init__(self, work: Callable[[sqlite3.Connection], T]) -> None:
        self.work = work
        self.result: list[T] = []
        """Empty until it is written."""
        self.is_wanted = True
        """False: its caller was told that it is not written."""


class Together:
    """Small writes of many callers: all that wait when the thread comes to them go in one transaction, and in one sync."""

    def __init__(self) -> None:
        self._waiting: deque[Job[Any]] = deque()

    def add(self, work: Callable[[sqlite3.Connection], T]) -> Job[T]:
        """Called on the event loop, before `write` on the connection's thread."""
        job = Job(work)
        self._waiting.append(job)
        return job

    def write(self, db: sqlite3.Connection) -> None:
        """Writes all that wait, in order. Where one of them fails, none is written, and the others have no result."""
        jobs = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not jobs:
            return
        with transaction(db):
            found = [(job, job.work(db)) for job in jobs if job.is_wanted]
        for job, result in found:
            job.result.append(result)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. When COMMIT itself fails (disk full) the transaction is rolled back as well.

    Within another one it is a part of that.
    """
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns errors of the disk and of the file into StoreUnavailable; mistakes in our own SQL stay as they are."""
    try:
        yield
    except OSError as e:
        raise StoreUnavailable(f"store {path}: {e.strerror or e}") from e
    except database_errors() as e:
        is_ours = type(e).__name__ not in ("OperationalError", "DatabaseError")
        if is_ours or getattr(e, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_ERROR:
            raise
        raise StoreUnavailable(f"store {path}: {e}") from e
