"""The history of groups, and that of LTV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from monitor.core.events.history import Row
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.instants import micros_of, time_at
from monitor.stores._base import HistoryFilter, LtvPoint
from monitor.stores._rows import labels_of, labels_text
from monitor.stores._staged import Forms, Staging, known_row
from monitor.stores.postgres import bulk, staged

_PRUNED_AT_ONCE = 5000
_PLACES = 8
_LARGEST = 2**63 - 1
"""The most that a column holds; an LTV above ninety billion is shown as that."""
_KEEP = (
    "INSERT INTO ltv AS old VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (group_id, step, at) DO UPDATE SET "
    "low = least(old.low, excluded.low), high = greatest(old.high, excluded.high), "
    "last = coalesce(excluded.last, old.last), flags = old.flags | excluded.flags, "
    "labels = CASE WHEN old.labels = excluded.labels THEN old.labels ELSE '' END"
)


async def write(db: Any, rows: Sequence[Row], staging: Staging) -> None:
    """Adds rows in their order."""
    if not rows:
        return
    number = await db.fetchval("UPDATE fence SET history = history + $1 RETURNING history", len(rows)) - len(rows)
    made = ((number + n, r.group, r.kind, r.loan, micros_of(r.at), staging.row_body(r)) for n, r in enumerate(rows, 1))
    sql = (
        "INSERT INTO history SELECT * FROM "
        "unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[])"
    )
    await bulk.execute(db, sql, made)
    staging.note_rows(number + 1, number + len(rows))
    holders = sorted({(r.group, r.life, labels_text(r.labels)) for r in rows if r.labels is not None})
    sql = (
        "INSERT INTO holders SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[]) "
        "ON CONFLICT (group_id, life, labels) DO NOTHING"
    )
    await bulk.execute(db, sql, holders)


async def page(db: Any, wanted: HistoryFilter, forms: Forms) -> list[tuple[int, Row]]:
    """A page of a group's rows, within a transaction of one instant."""
    return list(islice(await _kept(db, wanted, forms), wanted.limit))


async def first_rows(db: Any, wanted: HistoryFilter, forms: Forms) -> list[tuple[int, Row]]:
    """The first row of each loan of a group that is of the life and the scope, within a transaction of one instant."""
    first: dict[str, tuple[int, Row]] = {}
    of_life = HistoryFilter(wanted.group, life=wanted.life, scope=wanted.scope)
    for number, row in await _kept(db, of_life, forms, "loan <> ''"):
        first.setdefault(row.loan, (number, row))
    return list(first.values())


async def _kept(db: Any, wanted: HistoryFilter, forms: Forms, *more: str) -> Iterator[tuple[int, Row]]:
    """Rows in their order. Their bodies say of which life they are, and who may see them."""
    values: list[Any] = [wanted.group, wanted.after]
    conditions = ["group_id = $1", "number > $2", *more]

    def where(condition: str, value: Any) -> None:
        if value is not None:
            values.append(value)
            conditions.append(condition.replace("?", f"${len(values)}"))

    where("kind = ANY(?::text[])", list(wanted.kinds) or None)
    where("loan = ?", wanted.loan)
    where("at >= ?", None if wanted.since is None else micros_of(wanted.since))
    where("at <= ?", None if wanted.until is None else micros_of(wanted.until))
    order = "number DESC" if wanted.is_newest_first else "number"
    sql = f"SELECT number, body FROM history WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608
    rows = await staged.history_of(db, forms, await db.fetch(sql, *values))
    return ((number, row) for number, row in rows if wanted.keeps(row))


async def newest_life(db: Any, group: str, scope: Scope) -> int | None:
    """The newest life of a group of which there are rows that a scope may see."""
    body = await db.fetchval("SELECT body FROM history WHERE group_id = $1 ORDER BY number DESC LIMIT 1", group)
    if body is None or not scope:
        return None if body is None else known_row(body).life
    held_ = await db.fetch("SELECT life, labels FROM holders WHERE group_id = $1 ORDER BY life DESC", group)
    return next((life for life, labels in held_ if sees(scope, labels_of(labels))), None)


async def held(db: Any, scope: Scope, since: datetime, limit: int) -> list[str]:
    """The groups of which a scope may see rows, and which have a row at a time or later."""
    text = labels_text(dict(scope[:1]))[1:-1]
    newest = "(SELECT at FROM history AS r WHERE r.group_id = h.group_id ORDER BY number DESC LIMIT 1)"
    sql = f"SELECT group_id, labels FROM holders AS h WHERE strpos(labels, $1) > 0 AND {newest} >= $2 ORDER BY group_id"  # noqa: S608
    rows = await db.fetch(sql, text, micros_of(since))
    return list(dict.fromkeys(group for group, labels in rows if sees(scope, labels_of(labels))))[:limit]


async def keep_points(db: Any, points: Sequence[LtvPoint]) -> None:
    """Adds points. One that is there already is merged with the newer one."""
    await db.executemany(
        _KEEP,
        [
            (
                *(p.group, p.step_s, micros_of(p.at), _units(p.low), _units(p.high), _units(p.last), p.flags),
                labels_text(p.labels),
            )
            for p in points
        ],
    )


async def points(db: Any, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
    """The points of a group that begin in [start, end), in order."""
    sql = (
        "SELECT at, low, high, last, flags, labels FROM ltv "
        "WHERE group_id = $1 AND step = $2 AND at >= $3 AND at < $4 ORDER BY at"
    )
    return [
        LtvPoint(group, step_s, time_at(at), _ltv(low), _ltv(high), _ltv(last), flags, labels_of(labels))
        for at, low, high, last, flags, labels in await db.fetch(sql, group, step_s, micros_of(start), micros_of(end))
    ]


async def prune_points(db: Any, step_s: int, before: datetime) -> int:
    """One batch; 0 when nothing is left to delete."""
    old = "SELECT ctid FROM ltv WHERE step = $1 AND at < $2 LIMIT $3"
    answer = await db.execute(
        f"DELETE FROM ltv WHERE ctid = ANY(ARRAY({old}))",  # noqa: S608
        *(step_s, micros_of(before), _PRUNED_AT_ONCE),
    )
    return int(answer.rpartition(" ")[2])


def _units(ltv: Decimal | None) -> int | None:
    return None if ltv is None else min(int(ltv.scaleb(_PLACES)), _LARGEST)


def _ltv(units: int | None) -> Decimal | None:
    return None if units is None else Decimal(units).scaleb(-_PLACES)
