"""The commit of one event, and the log of alerts and entries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from monitor import crashpoint
from monitor.audit_keys import AuditKeys
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.instants import micros_of, time_at
from monitor.core.stages.stages import NORMAL
from monitor.stores._base import AlertFilter, Applied, Change, Committed, Target
from monitor.stores._rows import labels_of, labels_text
from monitor.stores._staged import Forms, Staging
from monitor.stores.postgres import audits, book, bulk, deliveries, history, staged

PRUNED_AT_ONCE = 500
_ALERTS = (
    "INSERT INTO alerts (cursor, id, at, type, subject, episode, group_id, body) SELECT * FROM unnest($1::bigint[], "
    "$2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bytea[])"
)
_ENTRY = (
    "INSERT INTO entries (group_id, id, digest, version, at, life, labels) VALUES ($1, $2, $3, $4, $5, $6, $7) "
    "ON CONFLICT (group_id, id, life, labels) DO NOTHING"
)


async def commit(db: Any, change: Change, keys: AuditKeys, *, leaves_figures: bool) -> Committed:
    """Everything of one event, within the transaction of the caller. `keys` sign its audits.

    `leaves_figures`: those that nobody has worked out yet are staged.
    """
    staging = staged.begin(leaves_figures=leaves_figures)
    await book.write(db, change)
    committed = await _write_alerts(db, change, staging)
    for e in change.entries:
        values = (e.group_id, e.id, e.digest, e.version, micros_of(e.at), e.life, labels_text(e.labels))
        await db.execute(_ENTRY, *values)
    await history.write(db, change.history, staging)
    await staged.write(db, staging)
    await audits.write(db, change.audits, keys)
    crashpoint.reached("before commit", (a.type for a, _ in change.alerts))
    return committed


async def _write_alerts(db: Any, change: Change, staging: Staging) -> Committed:
    cursor = await last_cursor(db)
    if not change.alerts:
        return Committed(cursor)
    ids = [alert.id for alert, _ in change.alerts]
    known = "SELECT id FROM alerts WHERE id = ANY($1::text[])"
    seen = {id for some in bulk.parts(ids) for (id,) in await db.fetch(known, some)}
    fresh: dict[str, tuple[Alert, tuple[Target, ...]]] = {}
    for alert, targets in change.alerts:
        if alert.id not in seen:
            fresh.setdefault(alert.id, (staging.taken(alert), targets))
    if not fresh:
        return Committed(cursor)
    logged = [LoggedAlert(cursor + n, alert) for n, (alert, _) in enumerate(fresh.values(), 1)]
    await bulk.execute(db, _ALERTS, (_alert_row(each, staging) for each in logged))
    staging.note(logged)
    await db.execute("UPDATE fence SET alerts = $1", cursor + len(logged))
    box = await deliveries.outbox(db, change.at, [x.alert for x in logged])
    for one, (_, targets) in zip(logged, fresh.values(), strict=True):
        box.add(one, targets)
    await deliveries.write_outbox(db, box)
    due = tuple(d for d in box.made.values() if d.state == "pending")
    return Committed(cursor + len(logged), tuple(logged), due, tuple(box.cancelled))


def _alert_row(logged: LoggedAlert, staging: Staging) -> tuple[Any, ...]:
    a = logged.alert
    group = a.group.id if a.group else None
    return logged.cursor, a.id, micros_of(a.at), a.type, a.subject, a.episode, group, staging.alert_body(a)


async def last_cursor(db: Any) -> int:
    """The cursor of the newest alert ever logged, pruned or not."""
    return int(await db.fetchval("SELECT alerts FROM fence"))


async def alerts(db: Any, wanted: AlertFilter, forms: Forms) -> list[LoggedAlert]:
    """A page of the log, within a transaction of one instant."""
    found: list[LoggedAlert] = []
    after = wanted
    while True:
        page = await _page(db, after, forms)
        found += [logged for logged in page if wanted.keeps(logged.alert)]
        if len(page) < wanted.limit or len(found) >= wanted.limit:
            return found[: wanted.limit]
        after = msgspec.structs.replace(wanted, after=page[-1].cursor)


async def _page(db: Any, wanted: AlertFilter, forms: Forms) -> list[LoggedAlert]:
    values: list[Any] = [wanted.after]
    conditions = ["cursor < $1" if wanted.newest_first and wanted.after else "cursor > $1"]

    def where(condition: str, value: Any) -> None:
        if value is not None:
            values.append(value)
            conditions.append(condition.replace("?", f"${len(values)}"))

    since = None if wanted.since is None else micros_of(wanted.since)
    where("cursor >= (SELECT min(cursor) FROM alerts WHERE at >= ?)", since)
    until = None if wanted.until is None else micros_of(wanted.until)
    where(
        "cursor <= (SELECT max(cursor) FROM alerts WHERE at < ?)", until
    )  # clocks are set back: `keeps` looks at each
    types = wanted.types()
    where("type = ANY(?::text[])", None if types is None else list(types))
    where("group_id = ?", wanted.group)
    values.append(wanted.limit)
    order = "cursor DESC" if wanted.newest_first else "cursor"
    sql = f"SELECT cursor, body FROM alerts WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ${len(values)}"  # noqa: S608
    return await staged.alerts_of(db, forms, await db.fetch(sql, *values))


async def alert(db: Any, id: str, forms: Forms) -> LoggedAlert | None:
    """By its id, within a transaction of one instant."""
    rows = await db.fetch("SELECT cursor, body FROM alerts WHERE id = $1", id)
    return next(iter(await staged.alerts_of(db, forms, rows)), None)


async def entry(db: Any, group_id: str, id: str, scope: Scope) -> Applied | None:
    """The newest entry of this id that the scope may see."""
    sql = "SELECT digest, version, at, life, labels FROM entries WHERE group_id = $1 AND id = $2 ORDER BY number DESC"
    for digest, version, at, life, text in await db.fetch(sql, group_id, id):
        labels = labels_of(text)
        if sees(scope, labels):
            return Applied(group_id, id, digest, version, time_at(at), life, labels)
    return None


async def prune_alerts(db: Any, before: datetime) -> int:
    """One batch of alerts with their deliveries and attempts; 0 when nothing is left to delete."""
    rows = await db.fetch(
        "SELECT cursor FROM alerts AS a WHERE at < $1"
        " AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.cursor = a.cursor AND d.state = 'pending')"
        " AND NOT EXISTS (SELECT 1 FROM states AS s WHERE s.id = a.subject AND s.episode = a.episode AND s.stage <> $2)"
        " ORDER BY at LIMIT $3",
        *(micros_of(before), NORMAL, PRUNED_AT_ONCE),
    )
    cursors = [cursor for (cursor,) in rows]
    theirs = "SELECT id FROM deliveries WHERE cursor = ANY($1::bigint[])"
    total = 0
    for sql in (
        f"DELETE FROM attempts WHERE delivery IN ({theirs})",  # noqa: S608
        "DELETE FROM deliveries WHERE cursor = ANY($1::bigint[])",
        "DELETE FROM alerts WHERE cursor = ANY($1::bigint[])",
    ):
        total += count_of(await db.execute(sql, cursors))
    return total


async def prune(db: Any, table: str, before: datetime) -> int:
    """One batch of rows of a table; 0 when nothing is left to delete."""
    old = f"SELECT ctid FROM {table} WHERE at < $1 LIMIT $2"  # noqa: S608
    sql = f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({old}))"  # noqa: S608
    return count_of(await db.execute(sql, micros_of(before), PRUNED_AT_ONCE))


def count_of(answer: str) -> int:
    """The number of rows in an answer such as `DELETE 3`."""
    return int(answer.rpartition(" ")[2])
