"""Groups, states, rates and desk: what a restart needs, and how a commit changes it. See the SQLite store's book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor import crashpoint
from monitor.core.groups.outcome import StoredBlock
from monitor.core.rules.product import CoinRates
from monitor.core.stages.stages import GroupState
from monitor.stores import _bodies
from monitor.stores._base import Change, StoredState, is_untouched
from monitor.stores._rows import encode
from monitor.stores.postgres import bulk, kept_rows
from monitor.stores.postgres.kept_rows import SeenRows

_AT_ONCE = 16
"""Blocks of one answer, or of one statement: some 25 MB."""


class BlockCache:
    """Bodies of blocks that were read before. What has not changed since is not read again."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, bytes]] = {}

    async def read(self, db: Any) -> tuple[StoredBlock, ...]:
        """All blocks, within the transaction of the caller."""
        versions = dict(await db.fetch("SELECT number, version FROM blocks ORDER BY number"))
        self._kept = {number: kept for number, kept in self._kept.items() if versions.get(number) == kept[0]}
        missing = [number for number in versions if number not in self._kept]
        for i in range(0, len(missing), _AT_ONCE):
            sql = "SELECT number, version, body FROM blocks WHERE number = ANY($1::bigint[])"
            for number, version, body in await db.fetch(sql, missing[i : i + _AT_ONCE]):
                self._kept[number] = version, body
        return tuple(StoredBlock(number, self._kept[number][1]) for number in versions)


_GROUPS = (
    "INSERT INTO groups SELECT * FROM unnest($1::text[], $2::bytea[]) "
    "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
)


async def write(db: Any, change: Change) -> None:
    """All of a change but its alerts and records."""
    await _write_blocks(db, change)
    await _write_groups(db, change)
    await _write_states(db, change)
    await _write_rates(db, change)
    if change.desk is not None:
        await db.execute(
            "INSERT INTO desk VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET body = $1, marks = $2",
            *_bodies.core_state_bodies(change.desk),
        )


async def _write_blocks(db: Any, change: Change) -> None:
    sql = (
        "INSERT INTO blocks (number, body) SELECT * FROM unnest($1::bigint[], $2::bytea[]) "
        "ON CONFLICT (number) DO UPDATE SET body = excluded.body, version = excluded.version"
    )
    await bulk.execute(db, sql, {b.number: b.body for b in change.blocks}.items(), _AT_ONCE)
    crashpoint.reached("between block and rows")
    for ids in bulk.parts(id for b in change.blocks for id in b.ids):
        await db.execute("DELETE FROM groups WHERE id = ANY($1::text[])", ids)
    if change.dropped_blocks:
        await db.execute("DELETE FROM blocks WHERE number = ANY($1::bigint[])", list(change.dropped_blocks))
        await db.execute("DELETE FROM groups WHERE body = '' AND NOT EXISTS (SELECT 1 FROM blocks)")


async def _write_groups(db: Any, change: Change) -> None:
    bodies = {g.group.id: _bodies.group_body(g) for g in change.groups}
    await bulk.execute(db, _GROUPS, bodies.items())
    if not change.closed:
        return
    closed = list(dict.fromkeys(change.closed))
    if await db.fetchval("SELECT EXISTS (SELECT 1 FROM blocks)"):
        await bulk.execute(db, _GROUPS, [(id, b"") for id in closed])
    else:
        await db.execute("DELETE FROM groups WHERE id = ANY($1::text[])", closed)


async def _write_states(db: Any, change: Change) -> None:
    states = {s.group: s for s in change.states}
    sql = (
        "INSERT INTO states SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) "
        "ON CONFLICT (id) DO UPDATE SET stage = excluded.stage, episode = excluded.episode, body = excluded.body"
    )
    kept = ((s.group, s.stage, s.episode, encode(s)) for s in states.values() if not is_untouched(s))
    await bulk.execute(db, sql, kept)
    if untouched := [id for id, s in states.items() if is_untouched(s)]:
        await db.execute("DELETE FROM states WHERE id = ANY($1::text[])", untouched)


async def _write_rates(db: Any, change: Change) -> None:
    for (product, asset), given in {(each.product, each.asset): each for each in change.rates}.items():
        if given.rows:
            sql = "INSERT INTO rates VALUES ($1, $2, $3) ON CONFLICT (product, asset) DO UPDATE SET body = $3"
            await db.execute(sql, product, asset, encode(given))
        else:
            await db.execute("DELETE FROM rates WHERE product = $1 AND asset = $2", product, asset)


class SeenBook(NamedTuple):
    """What was read of a book."""

    groups: SeenRows
    closed: frozenset[str]
    states: SeenRows
    state_of: Mapping[str, GroupState]


class Followed:
    """What a standby has read of a store, so that the store hands over only what has changed since.

    A reading changes `blocks` alone. `seen` is that of the last reading that the standby has taken into its book.
    """

    def __init__(self) -> None:
        self.blocks = BlockCache()
        self.seen: SeenBook | None = None

    def forget(self) -> None:
        """All of it is handed over the next time."""
        self.blocks, self.seen = BlockCache(), None


async def ahead(db: Any, followed: Followed) -> tuple[StoredState, SeenBook] | None:
    """What a restart would need now, and what of it was seen; None where there is nothing yet."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        if await db.fetchval("SELECT to_regclass('desk')") is None:
            return None
        return await snapshot(db, 0, followed)


async def _rates(db: Any) -> tuple[CoinRates, ...]:
    return tuple(_bodies.rates(body) for (body,) in await db.fetch("SELECT body FROM rates ORDER BY product, asset"))


async def snapshot(db: Any, cursor: int, followed: Followed) -> tuple[StoredState, SeenBook]:
    """All that a restart needs, and what of it was seen."""
    before = followed.seen
    groups = await kept_rows.read(db, kept_rows.GROUPS, before and before.groups)
    states = await kept_rows.read(db, kept_rows.STATES, before and before.states)
    was_closed = before.closed if before else frozenset()
    closed = {id_ for id_, body in groups.changed.items() if not body}
    closed |= was_closed - groups.gone - groups.changed.keys()
    state_of = dict(before.state_of) if before else {}
    state_of |= {id_: _bodies.state(body) for id_, body in states.changed.items()}
    for id_ in states.gone:
        state_of.pop(id_, None)
    desk = await db.fetchrow("SELECT body, marks FROM desk")
    state = StoredState(
        desk=None if desk is None else _bodies.core_state(desk[0], desk[1]),
        groups=tuple(_bodies.group(body) for _, body in sorted(groups.changed.items()) if body),
        states=tuple(state_of[id_] for id_ in sorted(state_of)),
        cursor=cursor,
        blocks=await followed.blocks.read(db),
        closed=tuple(sorted(closed)),
        rates=await _rates(db),
        known=frozenset(groups.seen.digests.keys() - groups.changed.keys() - closed),
    )
    return state, SeenBook(groups.seen, frozenset(closed), states.seen, state_of)
