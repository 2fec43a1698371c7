"""Rows that a standby has read before: the database hands over only what is new, and proves that nothing else differs.

A row says which transaction wrote it, so a reading asks for those of transactions that the one before cannot have seen. Then
number and sum of the digests of all rows are compared. They differ where a row is gone, or where a database has lost
commits at a fail-over; then all digests are compared one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class TableQuestions(NamedTuple):
    """The questions about one table."""

    new: str
    """Id, body and digest of what was written since a transaction."""
    sum: str
    whole: str
    digests: str
    some: str

    @staticmethod
    def of(name: str) -> TableQuestions:
        """`name` is one of ours. The id is part of the digest, as all tombstones have the same body."""
        digest = "hashtextextended(id || encode(body, 'hex'), 0)"
        return TableQuestions(
            f"SELECT id, body, {digest} FROM {name} WHERE age(xmin) <= age($1::bigint::text::xid)",  # noqa: S608
            f"SELECT count(*), coalesce(sum({digest}), 0) FROM {name}",  # noqa: S608
            f"SELECT id, body, {digest} FROM {name}",  # noqa: S608
            f"SELECT id, {digest} FROM {name}",  # noqa: S608
            f"SELECT id, body, {digest} FROM {name} WHERE id = ANY($1::text[])",  # noqa: S608
        )


GROUPS, STATES = TableQuestions.of("groups"), TableQuestions.of("states")
_OLDEST = "SELECT txid_snapshot_xmin(txid_current_snapshot())"
_XIDS = 1 << 32
_AT_ONCE = 20_000
"""Rows of one answer: some 10 MB."""


class SeenRows(NamedTuple):
    """A table as of a reading."""

    digests: Mapping[str, int]
    since: int
    """The oldest transaction that may have been under way then."""


class ReadRows(NamedTuple):
    """A table, and what in it is new since the last reading."""

    seen: SeenRows
    changed: dict[str, bytes]
    """Bodies by id."""
    gone: set[str]


async def read(db: Any, table: TableQuestions, before: SeenRows | None) -> ReadRows:
    """Within a transaction of the caller that sees all rows as of one moment."""
    since = await db.fetchval(_OLDEST) % _XIDS
    digests: dict[str, int] = {} if before is None else dict(before.digests)
    bodies: dict[str, bytes] = {}
    _take(await (db.fetch(table.whole) if before is None else db.fetch(table.new, before.since)), digests, bodies)
    if before is None or await _is_all(db, table, digests):
        return ReadRows(SeenRows(digests, since), bodies, set())
    now = dict(await db.fetch(table.digests))
    gone = digests.keys() - now.keys()
    other = [id_ for id_, digest in now.items() if digests.get(id_) != digest]
    for first in range(0, len(other), _AT_ONCE):
        _take(await db.fetch(table.some, other[first : first + _AT_ONCE]), digests, bodies)
    for id_ in gone:
        del digests[id_]
        bodies.pop(id_, None)
    return ReadRows(SeenRows(digests, since), bodies, gone)


async def _is_all(db: Any, table: TableQuestions, digests: Mapping[str, int]) -> bool:
    count, total = await db.fetchrow(table.sum)
    return (count, int(total)) == (len(digests), sum(digests.values()))


def _take(rows: list[tuple[str, bytes, int]], digests: dict[str, int], bodies: dict[str, bytes]) -> None:
    for id_, body, digest in rows:
        if digests.get(id_) != digest:
            digests[id_] = digest
            bodies[id_] = body
