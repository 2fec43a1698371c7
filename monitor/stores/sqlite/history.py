"""The history of groups: rows as they were committed, found by group."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from monitor.core.events.history import Row
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.instants import micros_of
from monitor.stores._base import HistoryFilter
from monitor.stores._rows import EACH, each, labels_of, labels_text
from monitor.stores._staged import Forms, Staging, known_row
from monitor.stores.sqlite import staged

_row = msgspec.json.Decoder(Row).decode


def write(db: sqlite3.Connection, rows: Sequence[Row], staging: Staging) -> None:
    """Adds rows in their order."""
    if not rows:
        return
    sql = "INSERT INTO history (group_id, kind, loan, at, body) VALUES (?, ?, ?, ?, ?)"
    db.executemany(sql, ((r.group, r.kind, r.loan, micros_of(r.at), staging.row_body(r)) for r in rows))
    (last,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'history'").fetchone()
    staging.note_rows(last - len(rows) + 1, last)
    holders = {(r.group, r.life, labels_text(r.labels)) for r in rows if r.labels is not None}
    db.executemany("INSERT OR IGNORE INTO holders VALUES (?, ?, ?)", sorted(holders))


def page(db: sqlite3.Connection, wanted: HistoryFilter, forms: Forms) -> list[tuple[int, Row]]:
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
    if wanted.until is not None:
        conditions.append("at <= ?")
        values.append(micros_of(wanted.until))
    with staged.one_look(db):
        return list(islice(_kept(db, " AND ".join(conditions), values, wanted, forms), wanted.limit))


def first_rows(db: sqlite3.Connection, wanted: HistoryFilter, forms: Forms) -> list[tuple[int, Row]]:
    """The first row of each loan of a group that is of the life and the scope."""
    first: dict[str, tuple[int, Row]] = {}
    with staged.one_look(db):
        for number, row in _kept(db, "group_id = ? AND loan <> ''", [wanted.group], wanted, forms):
            first.setdefault(row.loan, (number, row))
    return list(first.values())


def newest_life(db: sqlite3.Connection, group: str, scope: Scope) -> int | None:
    """The newest life of a group of which there are rows that a scope may see."""
    newest = "SELECT body FROM history INDEXED BY history_look WHERE group_id = ? ORDER BY number DESC LIMIT 1"
    row = db.execute(newest, [group]).fetchone()
    if row is None or not scope:
        return None if row is None else known_row(row[0]).life
    held = db.execute("SELECT life, labels FROM holders WHERE group_id = ? ORDER BY life DESC", [group])
    return next((life for life, labels in held if sees(scope, labels_of(labels))), None)


def held(db: sqlite3.Connection, scope: Scope, since: datetime, limit: int) -> list[str]:
    """The groups of which a scope may see rows, and which have a row at a time or later."""
    # Only the labels say who may see; the text of one of them leaves few of a million groups to be read.
    text = labels_text(dict(scope[:1]))[1:-1]
    found: dict[str, None] = {}
    sql = "SELECT group_id, labels FROM holders WHERE instr(labels, ?) > 0 ORDER BY group_id"
    for group, labels in db.execute(sql, [text]):
        if group not in found and sees(scope, labels_of(labels)) and _newest_at(db, group) >= micros_of(since):
            found[group] = None
            if len(found) == limit:
                break
    return list(found)


def _newest_at(db: sqlite3.Connection, group: str) -> int:
    newest = "SELECT at FROM history INDEXED BY history_look WHERE group_id = ? ORDER BY number DESC LIMIT 1"
    row = db.execute(newest, [group]).fetchone()
    return -1 if row is None else int(row[0])


def _kept(
    db: sqlite3.Connection, where: str, values: Sequence[Any], wanted: HistoryFilter, forms: Forms
) -> Iterator[tuple[int, Row]]:
    """Rows in their order. Their bodies say of which life they are, and who may see them."""
    order = "number DESC" if wanted.is_newest_first else "number"
    sql = f"SELECT number, body FROM history INDEXED BY history_look WHERE {where} ORDER BY {order}"  # noqa: S608
    rows = ((number, staged.row(db, forms, body) or _row(body)) for number, body in db.execute(sql, values))
    return ((number, row) for number, row in rows if wanted.keeps(row))
