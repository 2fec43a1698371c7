"""What of the lease stands in PostgreSQL: the row of the beat, and the fence with which every transaction begins.

They are two rows. A commit holds the fence until its end, however large it is, and the beat must not wait for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from monitor.lease.fenced import Fenced
from monitor.lease.terms import Beat

_TABLES = """
SELECT pg_advisory_xact_lock(5207190317002);
CREATE TABLE IF NOT EXISTS head_lease (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch bigint NOT NULL,
  holder text NOT NULL,
  place text NOT NULL,
  version text NOT NULL,
  taken_at timestamptz,
  beat_at timestamptz,
  is_free boolean NOT NULL,
  ttl_s double precision NOT NULL
);
INSERT INTO head_lease VALUES (true, 0, '', '', '', NULL, NULL, true, 0) ON CONFLICT DO NOTHING;
"""
ASK_BLOCKERS_S = 0.1
"""A take-over that waits so long for the fence asks who holds it, and ends that."""


class HeadName(msgspec.Struct, frozen=True):
    """A head, as others know it."""

    holder: str
    """Tells it from every other: a digest of the machine and of where its configuration is."""
    place: str
    """Its host, for people."""
    version: str


class LeaseRow(msgspec.Struct, frozen=True):
    """The row of the lease, and what time it is in the database."""

    beat: Beat
    head: HeadName
    now: datetime


def server_settings(name: str, ttl_s: float) -> dict[str, str]:
    """What each connection of a head asks of the server: nothing that hangs may hold a lock for long.

    The server itself ends a transaction whose head is frozen, and a connection whose other end is gone.
    """
    ms = str(max(int(ttl_s * 1000), 1))
    return {
        "application_name": name,
        "idle_in_transaction_session_timeout": ms,
        "statement_timeout": ms,
        "lock_timeout": ms,
        "tcp_user_timeout": ms,
        # A beat that is lost with the server only looks older than it was. The take-over is synced, see `take`.
        "synchronous_commit": "off",
    }


async def prepare(db: Any) -> None:
    """Makes the row of the lease where it is not there. That of the fence is the store's own."""
    async with db.transaction():
        for statement in _TABLES.split(";\n"):
            if statement.strip():
                await db.execute(statement)


async def read(db: Any) -> LeaseRow:
    """The lease as it stands."""
    row = await db.fetchrow("SELECT *, clock_timestamp() AS now FROM head_lease")
    return _row(row)


async def beat(db: Any, epoch: int) -> datetime:
    """One beat; the database's time of it. Raises Fenced."""
    now = await db.fetchval(
        "UPDATE head_lease SET beat_at = clock_timestamp() WHERE epoch = $1 AND NOT is_free RETURNING beat_at", epoch
    )
    if now is None:
        raise Fenced(f"another head has the lease: epoch {epoch} is over")
    at: datetime = now
    return at


async def take(db: Any, helper: Any, seen: Beat, me: HeadName, ttl_s: float) -> int | None:
    """Takes the lease that was seen, and the fence with it; the new epoch. None where it was not to be had.

    The database's clock must say too that it has ended; a beat from its future says that this clock was set back. Who holds
    the fence is in a transaction of the former holder: `helper`, another connection, ends it.
    """
    taking = asyncio.ensure_future(_take(db, seen, me, ttl_s))
    try:
        while not (await asyncio.wait({taking}, timeout=ASK_BLOCKERS_S))[0]:
            # Not the number of a backend that somebody has written down: a record that is not committed nobody could read.
            await helper.execute("SELECT pg_terminate_backend(p) FROM unnest(pg_blocking_pids($1)) AS p", _pid(db))
        return await taking
    finally:
        if not taking.done():
            taking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await taking


async def _take(db: Any, seen: Beat, me: HeadName, ttl_s: float) -> int | None:
    async with db.transaction():
        await db.execute("SET LOCAL synchronous_commit = on")
        row = _row(await db.fetchrow("SELECT *, clock_timestamp() AS now FROM head_lease FOR UPDATE"))
        beaten_at = row.beat.at
        longest_s = max(ttl_s, row.beat.ttl_s)
        is_over = row.beat.is_free or beaten_at is None or not 0 <= (row.now - beaten_at).total_seconds() < longest_s
        if row.beat != seen or not is_over:
            return None
        # The store counts epochs too where a daemon without a lease opens it, so the next one is beyond both.
        take_fence = "UPDATE fence SET epoch = greatest(epoch, $1) + 1 RETURNING epoch"
        epoch: int = await db.fetchval(take_fence, row.beat.epoch)
        await db.execute(
            "UPDATE head_lease SET epoch = $1, holder = $2, place = $3, version = $4, taken_at = clock_timestamp(), "
            "beat_at = clock_timestamp(), is_free = false, ttl_s = $5",
            *(epoch, me.holder, me.place, me.version, ttl_s),
        )
    return epoch


async def release(db: Any, epoch: int) -> None:
    """Gives the lease back: the next head need not wait for its end."""
    await db.execute("UPDATE head_lease SET is_free = true WHERE epoch = $1", epoch)


async def check_fence(db: Any, epoch: int) -> None:
    """The first thing in a transaction: nobody takes over until its end. Raises Fenced."""
    found = await db.fetchval("SELECT epoch FROM fence FOR NO KEY UPDATE")
    if found != epoch:
        raise Fenced(f"another head has the lease: the store is at epoch {found}, this head at {epoch}")


def _row(row: Any) -> LeaseRow:
    head = HeadName(row["holder"], row["place"], row["version"])
    return LeaseRow(Beat(row["epoch"], row["beat_at"], row["is_free"], row["ttl_s"]), head, row["now"])


def _pid(db: Any) -> int:
    pid: int = db.get_server_pid()
    return pid


LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, EOFError)
"""What a database that is away, or too slow, raises. The library has an error of its own where it is ended in a question."""
