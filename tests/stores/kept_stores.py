"""Stores of both kinds that stage figures, by name, and the very rows of their tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Protocol

from monitor.stores import postgres, sqlite
from monitor.stores._base import Store
from tests.postgres_server import shared_server

STAGED = "staged", "staged_forms", "staged_rules", "later_states"
"""Tables that are empty again once all is worked out."""
_OWN = "fence", "keys", "schema_version", "sqlite_sequence"
"""Those in which two stores may differ whose records are the same."""

Rows = dict[str, list[str]]
"""By table, every row as text, sorted."""


class KeptStores(Protocol):
    """Stores of one kind."""

    kind: str

    def store(self, name: str) -> Store:
        """One of them, not opened yet."""

    def place(self, name: str) -> str:
        """Where it is, for `store_at`."""

    async def rows(self, name: str) -> Rows: ...


def recorded(rows: Rows) -> Rows:
    """Those of the tables that must be the same however a store has come to them."""
    return {table: some for table, some in rows.items() if table not in (*STAGED, *_OWN)}


def store_at(kind: str, place: str) -> Store:
    """A store by its place."""
    return sqlite.build(sqlite.Config(path=place)) if kind == "sqlite" else postgres.build(config_at(place))


def config_at(place: str) -> postgres.Config:
    """URL and schema."""
    url, _, schema = place.partition(" ")
    return postgres.Config(url, schema=schema, tls="off")


class KeptFiles:
    """Those of a folder."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, name: str) -> Store:
        return store_at(self.kind, self.place(name))

    def place(self, name: str) -> str:
        return str(self.folder / f"{name}.db")

    async def rows(self, name: str) -> Rows:
        return rows_of_file(Path(self.place(name)))


class KeptSchemas:
    """Those of the server of the tests."""

    kind = "postgres"

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def store(self, name: str) -> Store:
        return store_at(self.kind, self.place(name))

    def place(self, name: str) -> str:
        return f"{shared_server().url} s{self._prefix}_{name}"

    async def rows(self, name: str) -> Rows:
        db = await postgres.connect(config_at(self.place(name)))
        try:
            names = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema ORDER BY 1")
            found: Rows = {}
            for (table,) in names:
                # A block has another version in each store.
                columns = "number, body" if table == "blocks" else "*"
                found[table] = sorted(repr(tuple(row)) for row in await db.fetch(f"SELECT {columns} FROM {table}"))
            return found
        finally:
            await db.close()


def rows_of_file(path: Path) -> Rows:
    """Every row of every table of a file."""
    with sqlite3.connect(path) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(repr(tuple(row)) for row in db.execute(f"SELECT * FROM {name}")) for name in names}


def light_rows(rows: Rows, table: str) -> list[str]:
    """Those of a table that are not worked out yet."""
    return [row for row in rows[table] if r"b'\xc1" in row or r'b"\xc1' in row]
