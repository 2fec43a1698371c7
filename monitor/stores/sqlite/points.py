"""The history of LTV: points by group, resolution and time. LTV is whole units of 1e-8, so that the file can compare it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from monitor.core.instants import micros_of, time_at
from monitor.stores._base import LtvPoint
from monitor.stores._rows import labels_of, labels_text
from monitor.stores.sqlite.connection import transaction

_PRUNED_AT_ONCE = 5000
NOBODY = 0
"""The owner of a point whose labels are not known, or changed while it was made."""
_PLACES = 8
_LARGEST = 2**63 - 1
"""The most that a column holds; an LTV above ninety billion is shown as that."""


def keep(db: sqlite3.Connection, points: Sequence[LtvPoint]) -> None:
    """Adds points. One that is there already is merged with the newer one: a bucket may be written in parts."""
    owners = {"": NOBODY}
    with transaction(db):
        rows = (
            (
                *(p.group, p.step_s, micros_of(p.at), _units(p.low), _units(p.high), _units(p.last), p.flags),
                _owner(db, labels_text(p.labels), owners),
            )
            for p in sorted(points, key=lambda p: (p.group, p.step_s, p.at))
        )
        db.executemany(
            "INSERT INTO ltv VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " low = min(coalesce(low, excluded.low), coalesce(excluded.low, low)),"
            " high = max(coalesce(high, excluded.high), coalesce(excluded.high, high)),"
            " last = coalesce(excluded.last, last), flags = flags | excluded.flags,"
            " owner = iif(owner = excluded.owner, owner, 0)",
            list(rows),
        )


def _owner(db: sqlite3.Connection, labels: str, known: dict[str, int]) -> int:
    """The number of a set of labels: a point has that in place of a text that is longer than the point."""
    if labels not in known:
        db.execute("INSERT OR IGNORE INTO owners (labels) VALUES (?)", [labels])
        (known[labels],) = db.execute("SELECT number FROM owners WHERE labels = ?", [labels]).fetchone()
    return known[labels]


def of(db: sqlite3.Connection, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
    """The points of a group that begin in [start, end), in order."""
    sql = (
        "SELECT at, low, high, last, flags, labels FROM ltv LEFT JOIN owners ON owners.number = ltv.owner"
        " WHERE group_id = ? AND step = ? AND at >= ? AND at < ? ORDER BY at"
    )
    rows = db.execute(sql, (group, step_s, micros_of(start), micros_of(end)))
    return [
        LtvPoint(group, step_s, time_at(at), _ltv(low), _ltv(high), _ltv(last), flags, labels_of(labels))
        for at, low, high, last, flags, labels in rows
    ]


def prune(db: sqlite3.Connection, step_s: int, before: datetime) -> int:
    """One batch; 0 when nothing is left to delete."""
    old = "SELECT group_id, step, at FROM ltv WHERE step = ? AND at < ? LIMIT ?"
    with transaction(db):
        sql = f"DELETE FROM ltv WHERE (group_id, step, at) IN ({old})"  # noqa: S608
        return db.execute(sql, (step_s, micros_of(before), _PRUNED_AT_ONCE)).rowcount


def _units(ltv: Decimal | None) -> int | None:
    return None if ltv is None else min(int(ltv.scaleb(_PLACES)), _LARGEST)


def _ltv(units: int | None) -> Decimal | None:
    return None if units is None else Decimal(units).scaleb(-_PLACES)
