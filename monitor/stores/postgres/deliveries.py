"""Deliveries and attempts. See the SQLite store's module of the same name for the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, CATALOGUE, STAGE_NEWS
from monitor.core.instants import micros_of
from monitor.stores._base import Attempt, Delivery, DeliveryFilter, Switched, Target, handed_over, moved
from monitor.stores._outbox import GROUP_NEWS, Outbox, key_of, subjects_of
from monitor.stores._rows import DELIVERY, attempt, delivery, delivery_row, encode, targets_of, targets_text
from monitor.stores.postgres import bulk

_TYPES = [
    "text",
    "bigint",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "bigint",
    "text",
    "bigint",
    "bigint",
    "bigint",
    "text",
    "text",
    "text",
]
_INSERT = f"INSERT INTO deliveries ({DELIVERY}) SELECT * FROM unnest(" + (  # noqa: S608
    ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES, 1)) + ")"
)
_OF = "FROM unnest($1::bigint[], $2::text[]) AS one(at_cursor, of_id) WHERE cursor = one.at_cursor AND id = one.of_id"


async def outbox(db: Any, at: datetime, alerts: Sequence[Alert]) -> Outbox:
    """What a commit owes and cancels, beside what is here already."""
    news, good = subjects_of(alerts)
    pending: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    told: defaultdict[tuple[str, int], list[Target]] = defaultdict(list)
    if news:
        sql = (
            "SELECT subject, cursor, id FROM deliveries WHERE state = 'pending' AND subject = ANY($1::text[]) "
            "AND starts_with(type, $2)"
        )
        for some in bulk.parts(news):
            for subject, cursor, id in await db.fetch(sql, some, GROUP_NEWS):
                pending[subject].append((cursor, id))
    if good:
        sql = (
            "SELECT subject, episode, notifier, targets FROM deliveries WHERE subject = ANY($1::text[]) "
            "AND type = ANY($2::text[]) AND attempts > 0 ORDER BY cursor, id"
        )
        for some in bulk.parts(good):
            for subject, episode, notifier, to in await db.fetch(sql, some, list(BAD_STAGE_NEWS)):
                target = Target(notifier, targets_of(to))
                if target not in told[subject, episode]:
                    told[subject, episode].append(target)
    return Outbox(at, pending, told)


async def write_outbox(db: Any, box: Outbox) -> None:
    """Inserts and cancels."""
    await _insert(db, box.rows())
    older = map(key_of, box.older_cancelled())
    await bulk.execute(db, f"UPDATE deliveries SET state = 'superseded' {_OF}", older)  # noqa: S608


async def _insert(db: Any, rows: Iterable[tuple[Any, ...]]) -> None:
    await bulk.execute(db, _INSERT, rows)


def _keys(ids: Iterable[str]) -> tuple[list[int], list[str]]:
    keys = [key_of(id) for id in ids]
    return [cursor for cursor, _ in keys], [id for _, id in keys]


def _text(words: str) -> str:
    """PostgreSQL holds no zero character, which a peer may say."""
    return words.replace("\0", "\ufffd")


async def pending(db: Any) -> list[Delivery]:
    """All that are to be delivered, by cursor."""
    sql = f"SELECT {DELIVERY} FROM deliveries WHERE state = 'pending' ORDER BY cursor, id"  # noqa: S608
    return [delivery(row) for row in await db.fetch(sql)]


async def start(db: Any, ids: Sequence[str], at: datetime) -> list[str]:
    """Counts an attempt for each that is still pending, and returns those."""
    wanted = dict.fromkeys(ids)
    sql = f"UPDATE deliveries SET attempts = attempts + 1, due_at = $3 {_OF} AND state = 'pending' RETURNING id"  # noqa: S608
    counted = {id for (id,) in await db.fetch(sql, *_keys(wanted), micros_of(at))}
    return [id for id in wanted if id in counted]


async def end(db: Any, attempts: Sequence[Attempt]) -> None:
    """Records outcomes, one by one: a second end of a delivery sees what the first one left."""
    for a in attempts:
        key = key_of(a.delivery)
        row = await db.fetchrow("SELECT state, due_at FROM deliveries WHERE cursor = $1 AND id = $2", *key)
        if row is None:
            continue
        is_taken = row[1] <= micros_of(a.at) if row[0] == "pending" else a.state == "delivered"
        values = (micros_of(a.at), a.state, _text(a.detail), micros_of(a.due_at), a.took_ms)
        await db.execute(
            "INSERT INTO attempts (delivery, at, state, detail, due_at, took_ms) VALUES ($1, $2, $3, $4, $5, $6)",
            a.delivery,
            *values,
        )
        state, due_at = (a.state, micros_of(a.due_at)) if is_taken else (row[0], row[1])
        sql = "UPDATE deliveries SET detail = $3, state = $4, due_at = $5 WHERE cursor = $1 AND id = $2"
        await db.execute(sql, *key, _text(a.detail), state, due_at)


async def listed(db: Any, wanted: DeliveryFilter) -> list[Delivery]:
    """A page of deliveries by cursor and id."""
    values: list[Any] = [*wanted.start()]
    conditions = ["(cursor, id) > ($1, $2)"]

    def where(condition: str, value: Any) -> None:
        if value is not None:
            values.append(value)
            conditions.append(condition.replace("?", f"${len(values)}"))

    where("cursor = (SELECT cursor FROM alerts WHERE id = ?)", wanted.alert)
    where("notifier = ?", wanted.notifier)
    where("state = ?", wanted.state)
    types = None if wanted.type is None else [t for t in CATALOGUE if fnmatchcase(t, wanted.type)]
    where("type = ANY(?::text[])", types)
    where("created_at >= ?", None if wanted.since is None else micros_of(wanted.since))
    where("created_at < ?", None if wanted.until is None else micros_of(wanted.until))
    values.append(wanted.limit)
    sql = f"SELECT {DELIVERY} FROM deliveries WHERE {' AND '.join(conditions)} ORDER BY cursor, id LIMIT ${len(values)}"  # noqa: S608
    return [delivery(row) for row in await db.fetch(sql, *values)]


async def attempts(db: Any, delivery: str) -> list[Attempt]:
    """Those of one delivery, in order."""
    sql = "SELECT delivery, at, state, detail, due_at, took_ms FROM attempts WHERE delivery = $1 ORDER BY number"
    return [attempt(row) for row in await db.fetch(sql, delivery)]


async def one(db: Any, id: str) -> Delivery | None:
    """By its id."""
    row = await db.fetchrow(f"SELECT {DELIVERY} FROM deliveries WHERE cursor = $1 AND id = $2", *key_of(id))  # noqa: S608
    return delivery(row) if row else None


async def move(db: Any, old: Delivery, targets: Sequence[Target], at: datetime) -> list[Delivery]:
    """Ends a delivery whose notifier is gone, and makes those to targets that its alert does not have yet."""
    ended, made = moved(old, targets, at)
    sql = (
        "UPDATE deliveries SET state = 'superseded', detail = $3 "
        "WHERE cursor = $1 AND id = $2 AND state = 'pending' RETURNING 1"
    )
    if await db.fetchval(sql, *key_of(old.id), ended.detail) is None:
        return []
    new = [d for d in made if await one(db, d.id) is None]
    await _insert(db, [delivery_row(d, micros_of(d.due_at), micros_of(d.created_at)) for d in new])
    return new


async def hand_over(db: Any, pairs: Sequence[tuple[Delivery, Target]], at: datetime) -> list[Delivery]:
    """Makes deliveries to fallbacks beside those that still wait, or have failed."""
    made: dict[str, Delivery] = {}
    for old, target in pairs:
        now = await one(db, old.id)
        if now is None or now.state not in ("pending", "failed"):
            continue
        new = handed_over(old, target, at)
        if new.id not in made and await one(db, new.id) is None:
            made[new.id] = new
    await _insert(db, [delivery_row(d, micros_of(at), micros_of(at)) for d in made.values()])
    return list(made.values())


async def hold(db: Any, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
    """Moves the ends of quiet times, or ends them; returns those that still wait and were never tried."""
    found = []
    for id, end_at in until.items():
        born = ", created_at = $3" if end_at is None else ""
        sql = f"UPDATE deliveries SET due_at = $3{born} WHERE cursor = $1 AND id = $2 AND state = 'pending' AND attempts = 0 RETURNING 1"  # noqa: S608, E501
        if await db.fetchval(sql, *key_of(id), micros_of(at if end_at is None else end_at)):
            found.append(id)
    return [d for id in found if (d := await one(db, id)) is not None]


async def switch_off(db: Any, switched: Switched) -> None:
    """A notifier sends no more."""
    sql = "INSERT INTO switched VALUES ($1, $2) ON CONFLICT (notifier) DO UPDATE SET body = $2"
    await db.execute(sql, switched.notifier, encode(switched))


async def switch_on(db: Any, notifier: str) -> None:
    """A notifier sends again."""
    await db.execute("DELETE FROM switched WHERE notifier = $1", notifier)


async def switched_off(db: Any) -> list[Switched]:
    """By name."""
    rows = await db.fetch("SELECT body FROM switched ORDER BY notifier")
    return [msgspec.json.decode(body, type=Switched) for (body,) in rows]


async def retry_all(db: Any, ids: Sequence[str], at: datetime) -> list[Delivery]:
    """Makes deliveries due at once; stage news goes only where the channel has had nothing newer of the group."""
    newer = (
        "SELECT 1 FROM deliveries WHERE subject = $1 AND notifier = $2 AND targets = $3 AND cursor > $4 "
        "AND attempts > 0 AND type = ANY($5::text[]) LIMIT 1"
    )
    found = []
    for id in dict.fromkeys(ids):
        d = await one(db, id)
        if d is None:
            continue
        key = (d.subject, d.notifier, targets_text(d.to), d.cursor, list(STAGE_NEWS))
        if d.type.startswith(GROUP_NEWS) and await db.fetchval(newer, *key):
            continue
        if (again := await retry(db, id, at)) is not None:
            found.append(again)
    return found


async def retry(db: Any, id: str, at: datetime) -> Delivery | None:
    """Makes a delivery due at once, in whatever state it is."""
    sql = "UPDATE deliveries SET state = 'pending', due_at = $3 WHERE cursor = $1 AND id = $2"
    await db.execute(sql, *key_of(id), micros_of(at))
    return await one(db, id)


async def send_again(db: Any, again: Sequence[Delivery]) -> list[Delivery]:
    """Makes each due: the one that is here already, or else a new one."""
    sql = "UPDATE deliveries SET state = 'pending', due_at = $3, created_at = $4 WHERE cursor = $1 AND id = $2 RETURNING 1"
    for d in again:
        times = (micros_of(d.due_at), micros_of(d.created_at))
        if await db.fetchval(sql, *key_of(d.id), *times) is None:
            await _insert(db, [delivery_row(d, *times)])
    return [found for d in again if (found := await one(db, d.id)) is not None]
