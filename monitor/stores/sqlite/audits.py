"""The audit record: who did what, each record chained to the one before and signed (audit_chain.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from monitor.audit_chain import (
    BEGUN,
    NO_HEAD,
    PRUNED,
    AuditHead,
    AuditLink,
    AuditMark,
    AuditTrail,
    MarkKind,
    joined,
    linked,
    marked,
)
from monitor.audit_keys import AuditKeys
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.instants import micros_of, time_at
from monitor.stores._base import Audit, AuditFilter
from monitor.stores._rows import encode
from monitor.stores.sqlite.connection import transaction

CHAINED_FROM = 10
"""The schema from which records have digests."""
_ADOPTED_AT_ONCE = 5000
PRUNED_AT_ONCE = 500
"""Deleted in one transaction: some ten milliseconds, which a commit may have to wait."""
_decode = msgspec.json.Decoder(Audit).decode


def write(db: sqlite3.Connection, new: Sequence[Audit], keys: AuditKeys) -> None:
    """Puts records at the end of the chain, within the transaction of what they tell of."""
    if not new:
        return
    with transaction(db):
        last = head(db)
        if keys and _mark(db, BEGUN) is None:
            _set_mark(db, marked(BEGUN, last.number, new[0].at, last.digest, keys))
        links: list[AuditLink] = []
        for audit in new:
            link = linked(last.digest, last.number + 1, audit.at, audit.subject, encode(audit), keys)
            last = AuditHead(link.number, link.digest)
            links.append(link)
        db.executemany(
            "INSERT INTO audits (number, at, subject, body, digest, key, mac) VALUES (?, ?, ?, ?, ?, ?, ?)", links
        )


def head(db: sqlite3.Connection) -> AuditHead:
    """The last record. A number that was given once is never given again, also where somebody cut off the tail."""
    row = db.execute("SELECT number, digest FROM audits ORDER BY number DESC LIMIT 1").fetchone()
    pruned = _mark(db, PRUNED)
    if row is not None:
        last = AuditHead(row[0], bytes(row[1]))
    else:
        last = NO_HEAD if pruned is None else AuditHead(pruned.number, pruned.digest)
    return last._replace(number=max(last.number, _highest(db)))


def adopt(db: sqlite3.Connection) -> None:
    """Works out the digests of records from before the chain. What a kill cuts off the next start goes on with."""
    unlinked = "SELECT number, body FROM audits INDEXED BY audits_unlinked WHERE digest IS NULL ORDER BY number LIMIT ?"
    while rows := db.execute(unlinked, [_ADOPTED_AT_ONCE]).fetchall():
        sql = "SELECT number, digest FROM audits WHERE number < ? ORDER BY number DESC LIMIT 1"
        before = db.execute(sql, [rows[0][0]]).fetchone()
        found = joined(NO_HEAD if before is None else AuditHead(before[0], bytes(before[1])), rows)
        with transaction(db):
            db.executemany("UPDATE audits SET digest = ? WHERE number = ?", ((h.digest, h.number) for h in found))


def listed(
    db: sqlite3.Connection, after: int, limit: int, subject: str | None, since: datetime | None, scope: Scope
) -> list[tuple[int, Audit]]:
    """A page of the record, oldest first, as far as a scope sees it."""
    found = _rows(db, AuditFilter(after=after, subject=subject, since=since))
    return list(islice(((number, each) for number, each in found if sees(scope, each.labels)), limit))


def page(db: sqlite3.Connection, wanted: AuditFilter) -> list[tuple[int, Audit]]:
    """A page of the record."""
    return list(islice((row for row in _rows(db, wanted) if wanted.keeps(row[1])), wanted.limit))


def _rows(db: sqlite3.Connection, wanted: AuditFilter) -> Iterator[tuple[int, Audit]]:
    """What the columns leave of the record, in order; the other filters look at each."""
    conditions = ["number < :after" if wanted.newest_first and wanted.after else "number > :after"]
    values: dict[str, Any] = {"after": wanted.after, "subject": wanted.subject}
    if wanted.subject is not None:
        conditions.append("subject = :subject")
    for name, sign in (("since", ">="), ("until", "<")):
        if (time := getattr(wanted, name)) is not None:
            conditions.append(f"at {sign} :{name}")
            values[name] = micros_of(time)
    index = "NOT INDEXED" if wanted.subject is None else "INDEXED BY audits_subject"
    order = "ORDER BY number DESC" if wanted.newest_first else "ORDER BY number"
    sql = f"SELECT number, body FROM audits {index} WHERE {' AND '.join(conditions)} {order}"  # noqa: S608
    return ((number, _decode(body)) for number, body in db.execute(sql, values))


def prune(db: sqlite3.Connection, before: datetime, keys: AuditKeys) -> int:
    """One batch of old records from the first on, and the mark that says up to where; 0 when nothing is left to delete."""
    with transaction(db):
        rows = db.execute("SELECT number, at, digest FROM audits ORDER BY number LIMIT ?", [PRUNED_AT_ONCE]).fetchall()
        old: list[tuple[int, bytes]] = []
        for number, at, digest in rows:
            if at >= micros_of(before):
                break
            old.append((number, bytes(digest)))
        if not old:
            return 0
        number, digest = old[-1]
        _set_mark(db, marked(PRUNED, number, before, digest, keys))
        begun = _mark(db, BEGUN)
        if begun is not None and begun.number <= number:
            # No record that it speaks of is left: signed by the key of now, it does not keep an older key from going.
            _set_mark(db, marked(BEGUN, number, time_at(begun.at), digest, keys))
        db.execute("DELETE FROM audits WHERE number <= ?", [number])
    return len(old)


def trail(db: sqlite3.Connection) -> AuditTrail:
    """All of it, in order. Of an older file its records without digests."""
    if db.execute("PRAGMA user_version").fetchone()[0] < CHAINED_FROM:
        rows = db.execute("SELECT number, at, subject, body, NULL, '', NULL FROM audits ORDER BY number")
        return AuditTrail(map(_link, rows), None, None, _highest(db))
    rows = db.execute("SELECT number, at, subject, body, digest, key, mac FROM audits ORDER BY number")
    return AuditTrail(map(_link, rows), _mark(db, BEGUN), _mark(db, PRUNED), _highest(db))


def _link(row: tuple[Any, ...]) -> AuditLink:
    number, at, subject, body, digest, key, mac = row
    return AuditLink(number, at, subject, _raw(body), _raw(digest), str(key), _raw(mac))


def _raw(value: object) -> bytes:
    """The bytes of a column, whatever another hand put there: that it is another than was written is for the look to say."""
    return value if isinstance(value, bytes) else b"" if value is None else str(value).encode()


def _highest(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audits'").fetchone()
    return int(row[0]) if row else 0


def _mark(db: sqlite3.Connection, kind: MarkKind) -> AuditMark | None:
    row = db.execute("SELECT number, at, digest, key, mac FROM audit_marks WHERE kind = ?", [kind]).fetchone()
    return None if row is None else AuditMark(kind, row[0], row[1], _raw(row[2]), str(row[3]), _raw(row[4]))


def _set_mark(db: sqlite3.Connection, mark: AuditMark) -> None:
    db.execute("INSERT OR REPLACE INTO audit_marks VALUES (?, ?, ?, ?, ?, ?)", mark)
