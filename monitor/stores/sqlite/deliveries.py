"""Deliveries: which a commit makes and cancels, and what became of them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, STAGE_NEWS
from monitor.core.instants import micros_of
from monitor.stores._base import (
    Attempt,
    Delivery,
    DeliveryFilter,
    Switched,
    Target,
    handed_over,
    moved,
)
from monitor.stores._outbox import GROUP_NEWS, Keys, Outbox, key_of, subjects_of
from monitor.stores._rows import (
    DELIVERY,
    EACH,
    attempt,
    delivery,
    delivery_row,
    each,
    encode,
    targets_of,
    targets_text,
)
from monitor.stores.sqlite.connection import transaction
from monitor.stores.sqlite.pending_news import PendingNews
from monitor.stores.sqlite.staged import CURSOR_OF

_BAD = ", ".join(f"'{t}'" for t in sorted(BAD_STAGE_NEWS))
_NEWS = ", ".join(f"'{t}'" for t in sorted(STAGE_NEWS))


def outbox(db: sqlite3.Connection, at: datetime, alerts: Sequence[Alert], known: PendingNews) -> Outbox:
    """What a commit owes and cancels. Cancels what is here already of groups with news of a stage."""
    news, good = subjects_of(alerts)
    return Outbox(at, _superseded(db, known.cursors(news)), _told(db, good))


def write_outbox(db: sqlite3.Connection, box: Outbox) -> None:
    """Inserts the new ones. Those that `outbox` found are cancelled already."""
    _insert(db, box.rows())


def _insert(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    db.executemany(f"INSERT INTO deliveries ({DELIVERY}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)  # noqa: S608


def _superseded(db: sqlite3.Connection, cursors: Sequence[int]) -> defaultdict[str, Keys]:
    """Cancels the undelivered notices of some alerts: by group, cursor and id of each."""
    found: defaultdict[str, Keys] = defaultdict(list)
    sql = (
        f"UPDATE deliveries SET state = 'superseded' WHERE state = 'pending' AND cursor IN {EACH} "  # noqa: S608
        "RETURNING subject, cursor, id"
    )
    for subject, cursor, id in db.execute(sql, [each(cursors)]).fetchall() if cursors else ():
        found[subject].append((cursor, id))
    return found


def _told(db: sqlite3.Connection, subjects: set[str]) -> defaultdict[tuple[str, int], list[Target]]:
    """By subject and episode: where bad news was attempted, in vain too, in the order of the log."""
    found: defaultdict[tuple[str, int], list[Target]] = defaultdict(list)
    sql = (
        f"SELECT subject, episode, notifier, targets FROM deliveries INDEXED BY deliveries_told "  # noqa: S608
        f"WHERE subject IN {EACH} AND type IN ({_BAD}) AND attempts > 0 ORDER BY cursor, id"
    )
    for subject, episode, notifier, to in db.execute(sql, [each(subjects)]) if subjects else ():
        target = Target(notifier, targets_of(to))
        if target not in found[subject, episode]:
            found[subject, episode].append(target)
    return found


def pending(db: sqlite3.Connection) -> list[Delivery]:
    """All that are to be delivered, by cursor."""
    # Without the hint SQLite reads the whole table.
    sql = f"SELECT {DELIVERY} FROM deliveries INDEXED BY deliveries_pending WHERE state = 'pending' ORDER BY cursor, id"  # noqa: S608
    return [delivery(row) for row in db.execute(sql)]


# One statement for all of a block: for each of many the thread would ask for the interpreter, which the loop has.
_START = """
UPDATE deliveries SET attempts = attempts + 1, due_at = ?
FROM (SELECT json_extract(value, '$[0]') AS at_cursor, json_extract(value, '$[1]') AS of_id FROM json_each(?)) AS one
WHERE cursor = one.at_cursor AND id = one.of_id AND state = 'pending'
RETURNING id
"""
_COLUMNS = ("at_cursor", "of_id", "at", "new_state", "words", "due", "took_ms")
_ENDED = (
    "(SELECT key AS place, "  # noqa: S608
    + ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(_COLUMNS))
    + " FROM json_each(?)) AS one"
)
_TAKES = "iif(state = 'pending', due_at <= one.at, one.new_state = 'delivered')"
ENDS = f"detail = one.words, due_at = iif({_TAKES}, one.due, due_at), state = iif({_TAKES}, one.new_state, state)"
"""What the end of an attempt, `one`, makes of its delivery."""
_END = f"UPDATE deliveries SET {ENDS} FROM {_ENDED} WHERE cursor = one.at_cursor AND id = one.of_id"  # noqa: S608
_ATTEMPTS = f"""
INSERT INTO attempts (delivery, at, state, detail, due_at, took_ms)
SELECT of_id, at, new_state, words, due, took_ms FROM {_ENDED} CROSS JOIN deliveries
WHERE cursor = at_cursor AND id = of_id ORDER BY place
"""  # noqa: S608


def start(db: sqlite3.Connection, ids: Sequence[str], at: datetime) -> list[str]:
    """Counts an attempt for each that is still pending, and returns those. Due later than `at` means: asked for again."""
    wanted = dict.fromkeys(ids)
    with transaction(db):
        counted = {id for (id,) in db.execute(_START, (micros_of(at), each(map(key_of, wanted)))).fetchall()}
    return [id for id in wanted if id in counted]


def end(db: sqlite3.Connection, attempts: Sequence[Attempt]) -> None:
    """Records outcomes. A delivery that is not pending any more takes only one new state: delivered.

    One that was made due after the attempt began was asked for again: it stays pending, however the attempt ended.
    """
    with transaction(db):
        for block in _without_repeats(attempts):
            ended = record(db, block)
            db.execute(_END, [ended])


def record(db: sqlite3.Connection, attempts: Sequence[Attempt]) -> str:
    """Adds outcomes to the record of attempts, and to nothing else; returns them as the statements here take them."""
    ended = each(
        (*key_of(a.delivery), micros_of(a.at), a.state, a.detail, micros_of(a.due_at), a.took_ms) for a in attempts
    )
    db.execute(_ATTEMPTS, [ended])
    return ended


def _without_repeats(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """In order, cut so that no block names a delivery twice: a second end sees what the first one left."""
    blocks: list[list[Attempt]] = [[]]
    named: set[str] = set()
    for one in attempts:
        if one.delivery in named:
            blocks.append([])
            named.clear()
        named.add(one.delivery)
        blocks[-1].append(one)
    return blocks


def listed(db: sqlite3.Connection, wanted: DeliveryFilter) -> list[Delivery]:
    """A page of deliveries by cursor and id."""
    cursor, place = wanted.start()
    values = {**msgspec.structs.asdict(wanted), "cursor": cursor, "place": place, "id": wanted.alert}
    conditions = ["(cursor, id) > (:cursor, :place)"]
    if wanted.alert is not None:
        conditions.append(f"cursor = ({CURSOR_OF})")
    if wanted.notifier is not None:
        conditions.append("notifier = :notifier")
    if wanted.state in ("pending", "failed"):
        conditions.append(f"state = '{wanted.state}'")  # literally, as the partial indices are only used so
    elif wanted.state is not None:
        conditions.append("state = :state")
    if wanted.type is not None:
        conditions.append("type GLOB :type")
    if wanted.since is not None:
        values["since"] = micros_of(wanted.since)
        conditions.append("created_at >= :since")
    if wanted.until is not None:
        values["until"] = micros_of(wanted.until)
        conditions.append("created_at < :until")
    hint = "INDEXED BY deliveries_pending" if wanted.state == "pending" and wanted.alert is None else ""
    sql = f"SELECT {DELIVERY} FROM deliveries {hint} WHERE {' AND '.join(conditions)} ORDER BY cursor, id LIMIT :limit"  # noqa: S608
    return [delivery(row) for row in db.execute(sql, values)]


def attempts(db: sqlite3.Connection, delivery: str) -> list[Attempt]:
    """Those of one delivery, in order."""
    sql = "SELECT delivery, at, state, detail, due_at, took_ms FROM attempts WHERE delivery = ? ORDER BY number"
    return [attempt(row) for row in db.execute(sql, [delivery])]


def move(
    db: sqlite3.Connection, old: Delivery, targets: Sequence[Target], at: datetime, known: PendingNews
) -> list[Delivery]:
    """Ends a delivery whose notifier is gone, and makes those to targets that its alert does not have yet."""
    ended, made = moved(old, targets, at)
    end_it = "UPDATE deliveries SET state = 'superseded', detail = ? WHERE cursor = ? AND id = ? AND state = 'pending'"
    with transaction(db):
        if not db.execute(end_it, (ended.detail, *key_of(old.id))).rowcount:
            return []
        (debt_usd,) = db.execute(
            "SELECT debt_usd FROM deliveries WHERE cursor = ? AND id = ?", key_of(old.id)
        ).fetchone()
        new = [msgspec.structs.replace(d, debt_usd=debt_usd) for d in made if one(db, d.id) is None]
        known.add(new)
        _insert(db, (delivery_row(d, micros_of(d.due_at), micros_of(d.created_at)) for d in new))
    return new


def hand_over(
    db: sqlite3.Connection, pairs: Sequence[tuple[Delivery, Target]], at: datetime, known: PendingNews
) -> list[Delivery]:
    """Makes deliveries to fallbacks beside those that still wait, or have failed; returns those that were not there yet."""
    made: dict[str, Delivery] = {}
    with transaction(db):
        for old, target in pairs:
            now = one(db, old.id)
            if now is None or now.state not in ("pending", "failed"):
                continue
            new = handed_over(msgspec.structs.replace(old, debt_usd=now.debt_usd), target, at)
            if new.id not in made and one(db, new.id) is None:
                made[new.id] = new
        known.add(made.values())
        _insert(db, (delivery_row(d, micros_of(at), micros_of(at)) for d in made.values()))
    return list(made.values())


def hold(db: sqlite3.Connection, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
    """Moves the ends of quiet times, or ends them; returns those that still wait and were never tried."""
    which = "WHERE cursor = :cursor AND id = :id AND state = 'pending' AND attempts = 0"
    move_it = f"UPDATE deliveries SET due_at = :due_at {which}"  # noqa: S608
    end_it = f"UPDATE deliveries SET due_at = :due_at, created_at = :due_at {which}"  # noqa: S608
    found = []
    with transaction(db):
        for id, end in until.items():
            cursor, _ = key_of(id)
            row = {"cursor": cursor, "id": id, "due_at": micros_of(at if end is None else end)}
            if db.execute(end_it if end is None else move_it, row).rowcount:
                found.append(id)
        return [d for id in found if (d := one(db, id)) is not None]


def switch_off(db: sqlite3.Connection, switched: Switched) -> None:
    """A notifier sends no more."""
    with transaction(db):
        db.execute("INSERT OR REPLACE INTO switched VALUES (?, ?)", (switched.notifier, encode(switched)))


def switch_on(db: sqlite3.Connection, notifier: str) -> None:
    """A notifier sends again."""
    with transaction(db):
        db.execute("DELETE FROM switched WHERE notifier = ?", [notifier])


def switched_off(db: sqlite3.Connection) -> list[Switched]:
    """By name."""
    rows = db.execute("SELECT body FROM switched ORDER BY notifier")
    return [msgspec.json.decode(body, type=Switched) for (body,) in rows]


def retry_all(db: sqlite3.Connection, ids: Sequence[str], at: datetime, known: PendingNews) -> list[Delivery]:
    """Makes deliveries due at once; stage news goes only where the channel has had nothing newer of the group."""
    newer = (
        f"SELECT 1 FROM deliveries AS n INDEXED BY deliveries_told WHERE n.subject = ? AND n.notifier = ? "  # noqa: S608
        f"AND n.targets = ? AND n.cursor > ? AND n.attempts > 0 AND n.type IN ({_NEWS}) LIMIT 1"
    )
    found = []
    with transaction(db):
        for id in dict.fromkeys(ids):
            d = one(db, id)
            if d is None:
                continue
            key = (d.subject, d.notifier, targets_text(d.to), d.cursor)
            if d.type.startswith(GROUP_NEWS) and db.execute(newer, key).fetchone():
                continue
            sql = "UPDATE deliveries SET state = 'pending', due_at = ? WHERE cursor = ? AND id = ?"
            db.execute(sql, (micros_of(at), *key_of(id)))
            found.append(msgspec.structs.replace(d, state="pending", due_at=at))
        known.add(found)
    return found


def retry(db: sqlite3.Connection, delivery: str, at: datetime, known: PendingNews) -> Delivery | None:
    """Makes a delivery due at once, in whatever state it is."""
    sql = "UPDATE deliveries SET state = 'pending', due_at = ? WHERE cursor = ? AND id = ?"
    with transaction(db):
        db.execute(sql, (micros_of(at), *key_of(delivery)))
        found = one(db, delivery)
        known.add([] if found is None else [found])
    return found


def send_again(db: sqlite3.Connection, again: Sequence[Delivery], known: PendingNews) -> list[Delivery]:
    """Makes each due: the one that is here already, or else a new one."""
    sql = "UPDATE deliveries SET state = 'pending', due_at = ?, created_at = ? WHERE cursor = ? AND id = ?"
    with transaction(db):
        new = []
        for each_ in again:
            times = (micros_of(each_.due_at), micros_of(each_.created_at))
            if not db.execute(sql, (*times, *key_of(each_.id))).rowcount:
                new.append(delivery_row(each_, *times))
        _insert(db, new)
        found = [d for each_ in again if (d := one(db, each_.id)) is not None]
        known.add(found)
    return found


def one(db: sqlite3.Connection, id: str) -> Delivery | None:
    """By its id."""
    row = db.execute(f"SELECT {DELIVERY} FROM deliveries WHERE cursor = ? AND id = ?", key_of(id)).fetchone()  # noqa: S608
    return delivery(row) if row else None
