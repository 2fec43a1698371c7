"""The history of groups: rows as they were committed, found by group."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from monitor.core.events.history import Row
from monitor.core.instants import micros_of
from monitor.stores._base import HistoryFilter
from monitor.stores.sqlite.rows import EACH, each, encode

_row = msgspec.json.Decoder(Row).decode


def write(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Adds rows in their order."""
    sql = "INSERT INTO history (group_id, kind, loan, at, body) VALUES (?, ?, ?, ?, ?)"
    db.executemany(sql, ((r.group, r.kind, r.loan, micros_of(r.at), encode(r)) for r in rows))


def page(db: sqlite3.Connection, wanted: HistoryFilter) -> list[tuple[int, Row]]:
    """A page of a group's rows."""
    conditions: list[str] = ["group_id = ?", "number > ?"]
    values: list[Any] = [wanted.group, wanted.after]
    if wanted.kinds:
        conditions.append(f"kind IN {EACH}")
        values.append(each(wanted.kinds))
    if wanted.loan is not None:
        conditions.append("loan = ?")
        values.append(wanted.loan)
    if wanted.since is not None:
        conditions.append("at >= ?")
        values.append(micros_of(wanted.since))
    where = " AND ".join(conditions)
    sql = f"SELECT number, body FROM history INDEXED BY history_look WHERE {where} ORDER BY number LIMIT ?"  # noqa: S608
    return [(number, _row(body)) for number, body in db.execute(sql, [*values, wanted.limit])]


def first_rows(db: sqlite3.Connection, group: str) -> list[tuple[int, Row]]:
    """The first row of each loan of a group."""
    first = "SELECT min(number) FROM history INDEXED BY history_look WHERE group_id = ? AND loan <> '' GROUP BY loan"
    sql = f"SELECT number, body FROM history WHERE number IN ({first}) ORDER BY number"  # noqa: S608
    return [(number, _row(body)) for number, body in db.execute(sql, [group])]
