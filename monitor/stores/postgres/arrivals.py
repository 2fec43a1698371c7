"""Takes a desk out of a SQLite file into an empty store: one transaction, which ends only where every row is the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

import asyncpg

from monitor.stores import sqlite
from monitor.stores._base import StoreRefused
from monitor.stores.postgres import schema
from monitor.stores.postgres.connection import Thread, connect, end, explained
from monitor.stores.postgres.copies import COPIED, COUNTERS
from monitor.stores.postgres.writer import HEAD_LOCK

_AT_ONCE = 2000
"""Rows that are read, written or compared in one go: some megabytes."""
_LONG = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
"""The whole copy is one transaction, which waits for the file between two batches."""
_POINTS = "group_id, step, at, low, high, last, flags"


class Rows(NamedTuple):
    """A table: how its rows are read there and here, in the same order."""

    name: str
    columns: str
    there: str
    here: str


def _rows(name: str, columns: str, there: str, here: str) -> Rows:
    """`there` and `here`: by which the rows are in one order."""
    sql = f"SELECT {columns} FROM {name} ORDER BY"  # noqa: S608
    return Rows(name, columns, f"{sql} {there}", f"{sql} {here}")


_OWNED = "ltv LEFT JOIN owners ON number = owner"
_KEYS = {
    "groups": "id",
    "states": "id",
    "desk": "one",
    "blocks": "number",
    "rates": "product, asset",
    "alerts": "cursor",
    "deliveries": "cursor, id",
    "attempts": "number",
    "audits": "number",
    "audit_marks": "number",
    "history": "number",
    "holders": "group_id, life, labels",
    "switched": "notifier",
    "keys": "name",
}
TABLES = (
    *(_rows(name, COPIED[name], key, key) for name, key in _KEYS.items()),
    _rows("entries", "group_id, id, digest, version, at, life, labels", "rowid", "number"),
    _rows("subscriptions", "name, body", "name", "name"),
    # A point has the number of a set of labels there.
    Rows(
        "ltv",
        f"{_POINTS}, labels",
        f"SELECT {_POINTS}, coalesce(labels, '') FROM {_OWNED} ORDER BY group_id, step, at",  # noqa: S608
        f"SELECT {_POINTS}, labels FROM ltv ORDER BY group_id, step, at",  # noqa: S608
    ),
)


def take(config: Any, source: sqlite.Config, counting: Callable[[int], Callable[[], None]]) -> dict[str, int]:
    """All of a file that no daemon uses; the rows of each table. `counting` is told of all, and gives what to call for each
    row that was written, and for each that was compared.

    Raises StoreUnavailable, and StoreRefused where the file is in use, the store is not empty, or a row came out otherwise.
    """
    thread = Thread("copy")
    try:
        return thread.call(partial(_take, config, source, counting))
    finally:
        thread.stop()


async def _take(config: Any, source: sqlite.Config, counting: Callable[[int], Callable[[], None]]) -> dict[str, int]:
    with sqlite.opened_alone(source) as file:
        db = await connect(config, _LONG)
        try:
            await schema.prepare(db, config.schema)
            await _claim(db, config)
            counts = {t.name: file.execute(f"SELECT count(*) FROM {t.name}").fetchone()[0] for t in TABLES}  # noqa: S608
            advance = counting(sum(counts.values()))
            await db.execute("BEGIN")
            await _check_empty(db, config)
            for table in TABLES:
                await _write(db, config.schema, file, table, advance)
            await _count_on(db, file)
            for table in TABLES:
                await _compare(db, file, table, advance)
            await end(db, config)
            return counts
        except Exception as e:  # all of it is raised again, in the desk's words
            raise explained(config.place, e) from e
        finally:
            db.terminate()


async def _claim(db: Any, config: Any) -> None:
    """No daemon may use the store, with a lease or without. The fence tells one that begins meanwhile."""
    in_use = f"store {config.place} is in use by another monitor: stop it first"
    if not await db.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", HEAD_LOCK, config.schema):
        raise StoreRefused(in_use)
    if await db.fetchval("SELECT to_regclass('head_lease')") is None:
        return
    alive = "NOT is_free AND clock_timestamp() < beat_at + ttl_s * interval '1 second'"
    if await db.fetchval(f"SELECT EXISTS (SELECT 1 FROM head_lease WHERE {alive})"):  # noqa: S608
        raise StoreRefused(in_use)


async def _check_empty(db: Any, config: Any) -> None:
    await db.execute("UPDATE fence SET epoch = epoch + 1, sequence = sequence + 1")
    for table in TABLES:
        if await db.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})"):  # noqa: S608
            text = f"store {config.place} is not empty (table {table.name}): nothing was copied; name another schema"
            raise StoreRefused(text)


async def _write(db: Any, name: str, file: sqlite3.Connection, table: Rows, advance: Callable[[], None]) -> None:
    columns = table.columns.split(", ")
    cursor = file.execute(table.there)
    while rows := cursor.fetchmany(_AT_ONCE):
        try:
            await db.copy_records_to_table(table.name, records=rows, columns=columns, schema_name=name)
        except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as e:
            raise StoreRefused(f"table {table.name}: PostgreSQL does not take a text of it: {e}") from None
        for _ in rows:
            advance()


async def _count_on(db: Any, file: sqlite3.Connection) -> None:
    """What counts goes on from where it was, though rows were pruned."""
    counted = dict(file.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for table in COUNTERS:
        await db.execute(f"UPDATE fence SET {table} = $1", counted.get(table, 0))  # noqa: S608
    await db.execute(
        "SELECT setval(pg_get_serial_sequence('attempts', 'number'), max(number)) FROM attempts HAVING max(number) > 0"
    )


async def _compare(db: Any, file: sqlite3.Connection, table: Rows, advance: Callable[[], None]) -> None:
    """Row by row. Raises StoreRefused with the first one that is another."""
    there = _each(file, table)
    cursor = await db.cursor(table.here)
    while rows := await cursor.fetch(_AT_ONCE):
        for row in rows:
            was = next(there, None)
            if was is None or tuple(row) != was:
                raise _differs(table, was, tuple(row))
            advance()
    if (was := next(there, None)) is not None:
        raise _differs(table, was, None)


def _each(file: sqlite3.Connection, table: Rows) -> Iterator[tuple[Any, ...]]:
    cursor = file.execute(table.there)
    while rows := cursor.fetchmany(_AT_ONCE):
        yield from rows


def _differs(table: Rows, was: tuple[Any, ...] | None, became: tuple[Any, ...] | None) -> StoreRefused:
    which = (was or became or ("?",))[0]
    column = next(
        (name for name, a, b in zip_longest(table.columns.split(", "), was or (), became or ()) if a != b), "row"
    )
    return StoreRefused(f"table {table.name}, row {which!r}: {column} came out otherwise; nothing was copied")
