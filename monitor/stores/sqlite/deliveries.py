"""Deliveries: which a commit makes and cancels, and what became of them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from monitor.core.alerts import BAD_STAGE_NEWS, GOOD_STAGE_NEWS, STAGE_NEWS, Alert, LoggedAlert
from monitor.stores.base import Attempt, Delivery, DeliveryFilter, Target, delivery_id
from monitor.stores.sqlite.connection import transaction
from monitor.stores.sqlite.rows import DELIVERY, EACH, attempt, delivery, delivery_row, each, micros

_GROUP_NEWS = "loan_group."
_BAD = ", ".join(f"'{t}'" for t in sorted(BAD_STAGE_NEWS))


class Outbox:
    """The deliveries that a commit makes and cancels, decided alert by alert in memory and written as one.

    Stage news cancels all that its group has not been told yet, on every channel. Good news goes only where the bad
    news of the episode was attempted: whoever heard nothing is owed nothing.
    """

    def __init__(self, db: sqlite3.Connection, at: datetime, alerts: Iterable[Alert]) -> None:
        self.at = at
        self.made: dict[str, Delivery] = {}
        self.cancelled: dict[str, None] = {}
        news = [a for a in alerts if a.type in STAGE_NEWS]
        self._pending = _pending_by_subject(db, {a.subject for a in news})
        self._told = _told(db, {a.subject for a in news if a.type in GOOD_STAGE_NEWS})

    def add(self, logged: LoggedAlert, targets: Iterable[Target]) -> None:
        """What one alert does; alerts come in the order of the log."""
        alert = logged.alert
        if alert.type in STAGE_NEWS:
            self._supersede(alert.subject)
        for target in targets:
            if alert.type in GOOD_STAGE_NEWS and (alert.subject, alert.episode, target.notifier) not in self._told:
                continue
            self._make(logged, target)

    def _supersede(self, subject: str) -> None:
        for _, id in sorted(self._pending.pop(subject, ())):
            self.cancelled[id] = None
            if id in self.made:
                self.made[id] = msgspec.structs.replace(self.made[id], state="superseded")

    def _make(self, logged: LoggedAlert, target: Target) -> None:
        alert, id = logged.alert, delivery_id(logged.alert.id, target)
        if id in self.made:
            return
        self.made[id] = Delivery(
            id, logged.cursor, alert.id, target.notifier, target.to, alert.subject, alert.type, alert.severity,
            alert.episode, "pending", 0, self.at, self.at,
        )  # fmt: skip
        if alert.type.startswith(_GROUP_NEWS):
            self._pending[alert.subject].append((logged.cursor, id))

    def write(self, db: sqlite3.Connection) -> None:
        """Inserts and cancels."""
        rows = (delivery_row(d) for d in self.made.values())
        db.executemany(f"INSERT INTO deliveries ({DELIVERY}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)  # noqa: S608
        older = ((id,) for id in self.cancelled if id not in self.made)
        db.executemany("UPDATE deliveries SET state = 'superseded' WHERE id = ?", older)


def _pending_by_subject(db: sqlite3.Connection, subjects: set[str]) -> defaultdict[str, list[tuple[int, str]]]:
    """Cursor and id of the undelivered `loan_group.*` notices of each subject."""
    found: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    sql = (
        f"SELECT subject, cursor, id FROM deliveries WHERE state = 'pending' AND subject IN {EACH} "  # noqa: S608
        f"AND type GLOB '{_GROUP_NEWS}*'"
    )
    for subject, cursor, id in db.execute(sql, [each(subjects)]) if subjects else ():
        found[subject].append((cursor, id))
    return found


def _told(db: sqlite3.Connection, subjects: set[str]) -> set[tuple[str, int, str]]:
    """Subject, episode and notifier wherever bad news was attempted, whatever came of it."""
    sql = (
        f"SELECT DISTINCT subject, episode, notifier FROM deliveries WHERE subject IN {EACH} "  # noqa: S608
        f"AND type IN ({_BAD}) AND attempts > 0"
    )
    return set(db.execute(sql, [each(subjects)])) if subjects else set()


def pending(db: sqlite3.Connection) -> list[Delivery]:
    """All that are to be delivered, by cursor."""
    # Without the hint SQLite reads the whole record, to save itself the sorting of a few rows.
    sql = f"SELECT {DELIVERY} FROM deliveries INDEXED BY deliveries_pending WHERE state = 'pending' ORDER BY cursor, id"  # noqa: S608
    return [delivery(row) for row in db.execute(sql)]


def start(db: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """Counts an attempt for each that is still pending, and returns those."""
    sql = f"SELECT id FROM deliveries WHERE state = 'pending' AND id IN {EACH}"  # noqa: S608
    with transaction(db):
        still = {id for (id,) in db.execute(sql, [each(ids)])}
        started = [id for id in dict.fromkeys(ids) if id in still]
        db.executemany("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?", ((id,) for id in started))
    return started


def end(db: sqlite3.Connection, attempts: Sequence[Attempt]) -> None:
    """Records outcomes. Only a pending delivery takes any new state; delivered is delivered from whichever state."""
    with transaction(db):
        for a in attempts:
            takes = "(state = 'pending' OR :state = 'delivered')"
            changed = db.execute(
                f"UPDATE deliveries SET detail = :detail, due_at = iif({takes}, :due_at, due_at), "  # noqa: S608
                f"state = iif({takes}, :state, state) WHERE id = :id",
                {"id": a.delivery, "state": a.state, "detail": a.detail, "due_at": micros(a.due_at)},
            ).rowcount
            if changed:
                db.execute(
                    "INSERT INTO attempts (delivery, at, state, detail, due_at, took_ms) VALUES (?,?,?,?,?,?)",
                    (a.delivery, micros(a.at), a.state, a.detail, micros(a.due_at), a.took_ms),
                )


def listed(db: sqlite3.Connection, wanted: DeliveryFilter) -> list[Delivery]:
    """A page of deliveries by cursor and id."""
    cursor, id = wanted.start()
    conditions, values = ["(cursor, id) > (?, ?)"], [cursor, id]
    if wanted.alert is not None:
        conditions.append("cursor = (SELECT cursor FROM alerts WHERE id = ?)")
        values.append(wanted.alert)
    if wanted.notifier is not None:
        conditions.append("notifier = ?")
        values.append(wanted.notifier)
    if wanted.state in ("pending", "failed"):
        conditions.append(f"state = '{wanted.state}'")  # literally, as the partial indices are only used so
    elif wanted.state is not None:
        conditions.append("state = ?")
        values.append(wanted.state)
    hint = "INDEXED BY deliveries_pending" if wanted.state == "pending" and wanted.alert is None else ""
    sql = f"SELECT {DELIVERY} FROM deliveries {hint} WHERE {' AND '.join(conditions)} ORDER BY cursor, id LIMIT ?"  # noqa: S608
    return [delivery(row) for row in db.execute(sql, [*values, wanted.limit])]


def attempts(db: sqlite3.Connection, delivery: str) -> list[Attempt]:
    """Those of one delivery, in order."""
    sql = "SELECT delivery, at, state, detail, due_at, took_ms FROM attempts WHERE delivery = ? ORDER BY number"
    return [attempt(row) for row in db.execute(sql, [delivery])]


def retry(db: sqlite3.Connection, delivery: str, at: datetime) -> Delivery | None:
    """Due at once, whatever became of it."""
    sql = "UPDATE deliveries SET state = 'pending', due_at = ? WHERE id = ?"
    with transaction(db):
        db.execute(sql, (micros(at), delivery))
    return one(db, delivery)


def one(db: sqlite3.Connection, id: str) -> Delivery | None:
    """By its id."""
    row = db.execute(f"SELECT {DELIVERY} FROM deliveries WHERE id = ?", [id]).fetchone()  # noqa: S608
    return delivery(row) if row else None
