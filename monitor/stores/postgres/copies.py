"""A backup of a store in PostgreSQL is a file of the SQLite store, which that store opens as its own (decision 140).

All of it is of one instant: one transaction reads. `pg_dump` would need a PostgreSQL to be looked at, and a file needs none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from monitor.core.instants import micros_of
from monitor.stores._base import StoreRefused, Subscription
from monitor.stores._rows import DELIVERY
from monitor.stores._staged import Forms
from monitor.stores.postgres.connection import Thread, connect, explained
from monitor.stores.sqlite import connection, file, staged
from monitor.stores.sqlite.engine import PLAIN

_AT_ONCE = 2000
"""Rows of one fetch: some megabytes."""
COPIED = {
    "groups": "id, body",
    "states": "id, stage, episode, body",
    "desk": "one, body, marks",
    "blocks": "number, body",
    "rates": "product, asset, body",
    "alerts": "cursor, id, at, type, subject, episode, group_id, body",
    "deliveries": DELIVERY,
    "attempts": "number, delivery, at, state, detail, due_at, took_ms",
    "audits": "number, at, subject, body, digest, key, mac",
    "audit_marks": "kind, number, at, digest, key, mac",
    "history": "number, group_id, kind, loan, at, body",
    "holders": "group_id, life, labels",
    "switched": "notifier, body",
    "keys": "name, body",
}
"""Tables that both stores have alike, with their columns."""
COUNTERS = ("alerts", "audits", "history")
"""What counts on though rows were pruned."""
_STAGED = {
    "staged": "number, program, first, last, first_row, last_row",
    "staged_forms": "number, rules, body",
    "staged_rules": "digest, body",
}
"""What figures are made of that nobody has worked out yet."""


def copy(config: Any, target: Path, recipients: Sequence[Any] = ()) -> None:
    """A whole, checked copy at `target`, encrypted for recipients of age where there are some.

    Raises StoreUnavailable, StoreRefused.
    """
    beside = Path(f"{target.absolute()}.plain")
    with connection.explained(target):
        file.publish(target, beside, recipients, partial(_write, config))


def _write(config: Any, new: Path) -> None:
    thread = Thread("backup")
    try:
        thread.call(partial(_copied, config, new))
    finally:
        thread.stop()


async def _copied(config: Any, new: Path) -> None:
    file.prepare(new)
    db = await connect(config)
    try:
        with closing(PLAIN.connect(new)) as to:
            async with db.transaction(isolation="repeatable_read", readonly=True):
                if await db.fetchval("SELECT to_regclass('fence')") is None:
                    raise StoreRefused(f"store {config.place} is not there: the first run makes it")
                to.execute("BEGIN")
                await _copy_tables(db, to)
                to.execute("COMMIT")
            # The file has whole rows: whoever opens it, and with whatever program, need work nothing out.
            staged.render_all(to, Forms())
            to.execute("DELETE FROM sqlite_sequence WHERE name = 'staged'")
            (verdict,) = to.execute("PRAGMA integrity_check").fetchone()
            if verdict != "ok":
                raise StoreRefused(f"the copy of store {config.place} is damaged: {verdict}")
    except Exception as e:  # all of it is raised again, in the desk's words
        raise explained(config.place, e) from e
    finally:
        await db.close(timeout=2)


async def _copy_tables(db: Any, to: sqlite3.Connection) -> None:
    for table, columns in COPIED.items():
        await _copy_rows(db, to, f"SELECT {columns} FROM {table}", table, columns)  # noqa: S608
    # An older monitor has no such tables.
    if await db.fetchval("SELECT to_regclass('staged')") is not None:
        for table, columns in _STAGED.items():
            await _copy_rows(db, to, f"SELECT {columns} FROM {table}", table, columns)  # noqa: S608
    columns = "group_id, id, digest, version, at, life, labels"
    await _copy_rows(db, to, f"SELECT {columns} FROM entries ORDER BY number", "entries", columns)  # noqa: S608
    for (body,) in await db.fetch("SELECT body FROM subscriptions"):
        kept = msgspec.json.decode(body, type=Subscription)
        row = (kept.name, kept.url, kept.is_enabled, micros_of(kept.created_at), body)
        to.execute("INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?)", row)
    # A point has the number of a set of labels there; 0 is nobody.
    owners = await db.fetch("SELECT labels FROM ltv WHERE labels <> '' GROUP BY labels ORDER BY labels")
    numbers = [(number, labels) for number, (labels,) in enumerate(owners, 1)]
    to.executemany("INSERT INTO owners VALUES (?, ?)", numbers)
    number_of = {"": 0, **{labels: number for number, labels in numbers}}
    sql = "SELECT group_id, step, at, low, high, last, flags, labels FROM ltv"
    columns = "group_id, step, at, low, high, last, flags, owner"
    await _copy_rows(db, to, sql, "ltv", columns, lambda row: (*row[:7], number_of[row[7]]))
    for table in COUNTERS:
        to.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        count = await db.fetchval(f"SELECT {table} FROM fence")  # noqa: S608
        to.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, count))


async def _copy_rows(db: Any, to: sqlite3.Connection, sql: str, table: str, columns: str, changed: Any = tuple) -> None:
    places = ", ".join("?" * len(columns.split(",")))
    insert = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608
    cursor = await db.cursor(sql)
    while rows := await cursor.fetch(_AT_ONCE):
        to.executemany(insert, map(changed, rows))
