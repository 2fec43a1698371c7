"""The commit of one event, and the records of what was said and entered: alerts and entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from monitor import crashpoint
from monitor.audit_keys import AuditKeys
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.light import LightAlert
from monitor.core.groups.plain_moves import Rendered
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.instants import micros_of, time_at
from monitor.core.stages.stages import NORMAL
from monitor.stores._base import (
    AlertFilter,
    Applied,
    Change,
    Committed,
    StoredState,
    Target,
)
from monitor.stores._outbox import Outbox
from monitor.stores._rows import EACH, WHOLE, each, labels_of, labels_text
from monitor.stores._staged import Forms, Staging
from monitor.stores.sqlite import audits, book, history, later_states, staged
from monitor.stores.sqlite.audits import PRUNED_AT_ONCE
from monitor.stores.sqlite.connection import transaction
from monitor.stores.sqlite.deliveries import outbox, write_outbox
from monitor.stores.sqlite.pending_news import PendingNews
from monitor.stores.sqlite.staged import CURSOR_OF, SINCE_LIGHT


class Known(NamedTuple):
    """What the thread that writes knows of the file where no index says it."""

    light: set[str]
    """The ids of all light alerts."""
    news: PendingNews

    def load(self, db: sqlite3.Connection) -> None:
        """What the file says."""
        self.light.clear()
        self.light.update(staged.light_ids(db))
        self.news.load(db)

    def note(self, committed: Committed, box: Outbox) -> None:
        """What a commit has added, once it is durable."""
        self.light.update(x.alert.id for x in committed.alerts if isinstance(x.alert, LightAlert) and x.alert.of)
        self.news.committed(box)


def commit(db: sqlite3.Connection, change: Change, keys: AuditKeys, known: Known) -> Committed:
    """Everything of one event, or nothing of it. `keys` sign its audits."""
    with transaction(db):
        staging = staged.begin(db)
        book.write(db, change)
        committed, box = _write_alerts(db, change, staging, known)
        _write_records(db, change, staging)
        staged.write(db, staging)
        audits.write(db, change.audits, keys)
        crashpoint.reached("before commit", (a.type for a, _ in change.alerts))
    crashpoint.reached("after commit", (a.type for a, _ in change.alerts))
    known.note(committed, box)
    return committed


def render(db: sqlite3.Connection, forms: Forms, most: int, known: Known) -> Rendered:
    """What a commit has left for later, a part of it."""
    found = staged.render(db, forms, most, known.light)
    if not found.done:
        known.news.forget(db)
    return found


def _write_alerts(db: sqlite3.Connection, change: Change, staging: Staging, known: Known) -> tuple[Committed, Outbox]:
    cursor = _last_cursor(db)
    if not change.alerts:
        return Committed(cursor), outbox(db, change.at, (), known.news)
    seen = _seen(db, [alert.id for alert, _ in change.alerts], known.light)
    fresh: dict[str, tuple[Alert, tuple[Target, ...]]] = {}
    for alert, targets in change.alerts:
        if alert.id not in seen:
            fresh.setdefault(alert.id, (alert, targets))
    logged = [LoggedAlert(cursor + n, alert) for n, (alert, _) in enumerate(fresh.values(), 1)]
    db.executemany("INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _alert_rows(logged, staging))
    staging.note(logged)
    box = outbox(db, change.at, [x.alert for x in logged], known.news)
    for one, (_, targets) in zip(logged, fresh.values(), strict=True):
        box.add(one, targets)
    write_outbox(db, box)
    due = tuple(d for d in box.made.values() if d.state == "pending")
    return Committed(cursor + len(logged), tuple(logged), due, tuple(box.cancelled)), box


def _seen(db: sqlite3.Connection, ids: list[str], light: set[str]) -> set[str]:
    """The ids that are in the log, and some others that begin alike."""
    alike = f"SELECT id FROM alerts INDEXED BY alerts_id WHERE substr(id, 5, 8) IN {EACH} AND {WHOLE}"  # noqa: S608
    return {id for (id,) in db.execute(alike, [each(id[4:12] for id in ids)])} | light.intersection(ids)


def _alert_rows(logged: Sequence[LoggedAlert], staging: Staging) -> Iterator[tuple[Any, ...]]:
    at = logged[0].alert.at if logged else None
    at_us = 0 if at is None else micros_of(at)
    for each_ in logged:
        a = each_.alert
        if a.at is not at:  # nearly all are of one time
            at, at_us = a.at, micros_of(a.at)
        group = a.group.id if a.group else None
        yield each_.cursor, a.id, at_us, a.type, a.subject, a.episode, group, staging.alert_body(a)


def _last_cursor(db: sqlite3.Connection) -> int:
    """The cursor of the newest alert ever logged, pruned or not, so that no cursor is used twice."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'alerts'").fetchone()
    return int(row[0]) if row else 0


def _write_records(db: sqlite3.Connection, change: Change, staging: Staging) -> None:
    entries = (
        (e.group_id, e.id, e.digest, e.version, micros_of(e.at), e.life, labels_text(e.labels)) for e in change.entries
    )
    db.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", entries)
    history.write(db, change.history, staging)


def snapshot(db: sqlite3.Connection) -> StoredState:
    """All that a restart needs."""
    return book.snapshot(db, _last_cursor(db))


def alerts(db: sqlite3.Connection, wanted: AlertFilter, forms: Forms) -> list[LoggedAlert]:
    """A page of the log."""
    found: list[LoggedAlert] = []
    after = wanted
    while True:
        with staged.one_look(db):
            page = _page(db, after, forms)
        found += [logged for logged in page if wanted.keeps(logged.alert)]
        if len(page) < wanted.limit or len(found) >= wanted.limit:
            return found[: wanted.limit]
        after = msgspec.structs.replace(wanted, after=page[-1].cursor)


_ALL = ("alerts_look WHERE TRUE",)
_OF_GROUP = (
    f"alerts_group WHERE group_id = :group AND {WHOLE}",
    f"alerts_look WHERE group_id = :group AND {SINCE_LIGHT}",
)


def _page(db: sqlite3.Connection, wanted: AlertFilter, forms: Forms) -> list[LoggedAlert]:
    """The next alerts of the wanted types. The filters are decided in an index, the bodies of the page alone are read."""
    values: dict[str, Any] = {"after": wanted.after, "group": wanted.group, "limit": wanted.limit}
    conditions = ["cursor < :after" if wanted.newest_first and wanted.after else "cursor > :after"]
    if wanted.since is not None:
        conditions.append("cursor >= (SELECT min(cursor) FROM alerts WHERE at >= :since)")
        values["since"] = micros_of(wanted.since)
    if wanted.until is not None:  # clocks are set back: `keeps` looks at each
        conditions.append("cursor <= (SELECT max(cursor) FROM alerts WHERE at < :until)")
        values["until"] = micros_of(wanted.until)
    if (types := wanted.types()) is not None:
        conditions.append("type IN (SELECT value FROM json_each(:types))")
        values["types"] = each(types)
    order = "ORDER BY cursor DESC" if wanted.newest_first else "ORDER BY cursor"
    within = " AND ".join(conditions)
    found = (
        f"SELECT * FROM (SELECT cursor FROM alerts INDEXED BY {some} AND {within} {order} LIMIT :limit)"  # noqa: S608
        for some in (_ALL if wanted.group is None else _OF_GROUP)
    )
    rows = db.execute(
        f"SELECT cursor, body FROM alerts WHERE cursor IN ({' UNION '.join(found)}) {order} LIMIT :limit",  # noqa: S608
        values,
    )
    return [LoggedAlert(cursor, staged.alert(db, forms, body)) for cursor, body in rows]


def alert(db: sqlite3.Connection, id: str, forms: Forms) -> LoggedAlert | None:
    """By its id."""
    with staged.one_look(db):
        row = db.execute(f"SELECT cursor, body FROM alerts WHERE cursor = ({CURSOR_OF})", {"id": id}).fetchone()  # noqa: S608
        return LoggedAlert(row[0], staged.alert(db, forms, row[1])) if row else None


def entry(db: sqlite3.Connection, group_id: str, id: str, scope: Scope) -> Applied | None:
    """The newest entry of this id that the scope may see."""
    sql = "SELECT digest, version, at, life, labels FROM entries WHERE group_id = ? AND id = ? ORDER BY rowid DESC"
    for digest, version, at, life, text in db.execute(sql, (group_id, id)):
        labels = labels_of(text)
        if sees(scope, labels):
            return Applied(group_id, id, digest, version, time_at(at), life, labels)
    return None


def prune_alerts(db: sqlite3.Connection, before: datetime) -> int:
    """One batch of alerts with their deliveries and attempts; 0 when nothing is left to delete."""
    with transaction(db):
        later_states.fold_all(db)
        rows = db.execute(
            "SELECT cursor FROM alerts AS a WHERE at < ?"
            " AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.cursor = a.cursor AND +d.state = 'pending')"
            " AND NOT EXISTS (SELECT 1 FROM states AS s WHERE s.id = a.subject AND s.episode = a.episode"
            "   AND s.stage <> ?)"
            " ORDER BY at LIMIT ?",
            (micros_of(before), NORMAL, PRUNED_AT_ONCE),
        ).fetchall()
        cursors = [each(cursor for (cursor,) in rows)]
        theirs = f"SELECT id FROM deliveries WHERE cursor IN {EACH}"  # noqa: S608
        return sum(
            db.execute(sql, cursors).rowcount
            for sql in (
                f"DELETE FROM attempts WHERE delivery IN ({theirs})",  # noqa: S608
                f"DELETE FROM deliveries WHERE cursor IN {EACH}",  # noqa: S608
                f"DELETE FROM alerts WHERE cursor IN {EACH}",  # noqa: S608
            )
        )


def prune(db: sqlite3.Connection, table: str, before: datetime) -> int:
    """One batch of rows of a table; 0 when nothing is left to delete."""
    old = f"SELECT rowid FROM {table} WHERE at < ? LIMIT ?"  # noqa: S608
    with transaction(db):
        return db.execute(f"DELETE FROM {table} WHERE rowid IN ({old})", (micros_of(before), PRUNED_AT_ONCE)).rowcount  # noqa: S608
