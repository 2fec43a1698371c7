"""The audit record: who did what, each record chained to the one before and signed (audit_chain.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from monitor.audit_chain import BEGUN, NO_HEAD, PRUNED, AuditHead, AuditLink, AuditMark, AuditTrail, linked, marked
from monitor.audit_keys import AuditKeys
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.instants import micros_of, time_at
from monitor.stores._base import Audit, AuditFilter
from monitor.stores._rows import encode

_PRUNED_AT_ONCE = 500
_decode = msgspec.json.Decoder(Audit).decode


async def write(db: Any, new: Sequence[Audit], keys: AuditKeys) -> None:
    """Puts records at the end of the chain, within the transaction of what they tell of."""
    if not new:
        return
    last = await head(db)
    if keys and await _mark(db, BEGUN) is None:
        await _set_mark(db, marked(BEGUN, last.number, new[0].at, last.digest, keys))
    links: list[AuditLink] = []
    for audit in new:
        link = linked(last.digest, last.number + 1, audit.at, audit.subject, encode(audit), keys)
        last = AuditHead(link.number, link.digest)
        links.append(link)
    await db.executemany("INSERT INTO audits VALUES ($1, $2, $3, $4, $5, $6, $7)", links)
    await db.execute("UPDATE fence SET audits = $1", last.number)


async def head(db: Any) -> AuditHead:
    """The last record. A number that was given once is never given again."""
    row = await db.fetchrow("SELECT number, digest FROM audits ORDER BY number DESC LIMIT 1")
    pruned = await _mark(db, PRUNED)
    last = NO_HEAD if pruned is None else AuditHead(pruned.number, pruned.digest)
    if row is not None:
        last = AuditHead(*row)
    return last._replace(number=max(last.number, await db.fetchval("SELECT audits FROM fence")))


async def listed(
    db: Any, after: int, limit: int, subject: str | None, since: datetime | None, scope: Scope
) -> list[tuple[int, Audit]]:
    """A page of the record, oldest first, as far as a scope sees it."""
    found = await _rows(db, AuditFilter(after=after, subject=subject, since=since))
    return list(islice(((number, each) for number, each in found if sees(scope, each.labels)), limit))


async def page(db: Any, wanted: AuditFilter) -> list[tuple[int, Audit]]:
    """A page of the record."""
    return list(islice((row for row in await _rows(db, wanted) if wanted.keeps(row[1])), wanted.limit))


async def _rows(db: Any, wanted: AuditFilter) -> Any:
    sign = "<" if wanted.newest_first and wanted.after else ">"
    order = "number DESC" if wanted.newest_first else "number"
    sql = f"SELECT number, body FROM audits WHERE number {sign} $1 AND ($2::text IS NULL OR subject = $2) ORDER BY {order}"  # noqa: S608
    rows = ((number, _decode(body)) for number, body in await db.fetch(sql, wanted.after, wanted.subject))
    return ((number, each) for number, each in rows if wanted.since is None or each.at >= wanted.since)


async def prune(db: Any, before: datetime, keys: AuditKeys) -> int:
    """One batch of old records from the first on, and the mark that says up to where."""
    rows = await db.fetch("SELECT number, at, digest FROM audits ORDER BY number LIMIT $1", _PRUNED_AT_ONCE)
    old: list[tuple[int, bytes]] = []
    for number, at, digest in rows:
        if at >= micros_of(before):
            break
        old.append((number, digest))
    if not old:
        return 0
    number, digest = old[-1]
    await _set_mark(db, marked(PRUNED, number, before, digest, keys))
    begun = await _mark(db, BEGUN)
    if begun is not None and begun.number <= number:
        await _set_mark(db, marked(BEGUN, number, time_at(begun.at), digest, keys))
    await db.execute("DELETE FROM audits WHERE number <= $1", number)
    return len(old)


async def trail(db: Any) -> AuditTrail:
    """All of it, in order."""
    rows = await db.fetch("SELECT number, at, subject, body, digest, key, mac FROM audits ORDER BY number")
    highest = await db.fetchval("SELECT audits FROM fence")
    return AuditTrail([AuditLink(*row) for row in rows], await _mark(db, BEGUN), await _mark(db, PRUNED), highest)


async def _mark(db: Any, kind: Any) -> AuditMark | None:
    row = await db.fetchrow("SELECT number, at, digest, key, mac FROM audit_marks WHERE kind = $1", kind)
    return None if row is None else AuditMark(kind, *row)


async def _set_mark(db: Any, mark: AuditMark) -> None:
    await db.execute("DELETE FROM audit_marks WHERE kind = $1", mark.kind)
    await db.execute("INSERT INTO audit_marks VALUES ($1, $2, $3, $4, $5, $6)", *mark)
