"""The history of LTV: points by group, resolution and time. LTV is whole units of 1e-8, so that the file can compare it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from monitor.core.instants import micros_of, time_at
from monitor.stores._base import LtvPoint
from monitor.stores.sqlite.connection import transaction

_PRUNED_AT_ONCE = 5000
_PLACES = 8
_LARGEST = 2**63 - 1
"""The most that a column holds; an LTV above ninety billion is shown as that."""


def keep(db: sqlite3.Connection, points: Sequence[LtvPoint]) -> None:
    """Adds points. One that is there already is merged with the newer one: a bucket may be written in parts."""
    rows = (
        (p.group, p.step_s, micros_of(p.at), _units(p.low), _units(p.high), _units(p.last), p.flags)
        for p in sorted(points, key=lambda p: (p.group, p.step_s, p.at))
    )
    with transaction(db):
        db.executemany(
            "INSERT INTO ltv VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " low = min(coalesce(low, excluded.low), coalesce(excluded.low, low)),"
            " high = max(coalesce(high, excluded.high), coalesce(excluded.high, high)),"
            " last = coalesce(excluded.last, last), flags = flags | excluded.flags",
            rows,
        )


def of(db: sqlite3.Connection, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
    """The points of a group that begin in [start, end), in order."""
    sql = (
        "SELECT at, low, high, last, flags FROM ltv WHERE group_id = ? AND step = ? AND at >= ? AND at < ? ORDER BY at"
    )
    rows = db.execute(sql, (group, step_s, micros_of(start), micros_of(end)))
    return [
        LtvPoint(group, step_s, time_at(at), _ltv(low), _ltv(high), _ltv(last), flags)
        for at, low, high, last, flags in rows
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
