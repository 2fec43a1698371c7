"""Groups, states, rates and desk: what a restart needs, and how a commit changes it. See the SQLite store's book."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from monitor import crashpoint
from monitor.core.groups.outcome import StoredBlock, StoredGroup
from monitor.core.rules.product import CoinRates
from monitor.stores import _bodies
from monitor.stores._base import Change, StoredState, is_untouched
from monitor.stores._rows import encode

_AT_ONCE = 16
"""Blocks of one answer: some 25 MB."""


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
    if change.blocks:
        bodies = {b.number: b.body for b in change.blocks}
        await db.execute(
            "INSERT INTO blocks (number, body) SELECT * FROM unnest($1::bigint[], $2::bytea[]) "
            "ON CONFLICT (number) DO UPDATE SET body = excluded.body, version = excluded.version",
            list(bodies),
            list(bodies.values()),
        )
    crashpoint.reached("between block and rows")
    if ids := [id for b in change.blocks for id in b.ids]:
        await db.execute("DELETE FROM groups WHERE id = ANY($1::text[])", ids)
    if change.dropped_blocks:
        await db.execute("DELETE FROM blocks WHERE number = ANY($1::bigint[])", list(change.dropped_blocks))
        await db.execute("DELETE FROM groups WHERE body = '' AND NOT EXISTS (SELECT 1 FROM blocks)")


async def _write_groups(db: Any, change: Change) -> None:
    bodies = {g.group.id: _bodies.group_body(g) for g in change.groups}
    if bodies:
        await db.execute(_GROUPS, list(bodies), list(bodies.values()))
    if not change.closed:
        return
    closed = list(dict.fromkeys(change.closed))
    if await db.fetchval("SELECT EXISTS (SELECT 1 FROM blocks)"):
        await db.execute(_GROUPS, closed, [b""] * len(closed))
    else:
        await db.execute("DELETE FROM groups WHERE id = ANY($1::text[])", closed)


async def _write_states(db: Any, change: Change) -> None:
    states = {s.group: s for s in change.states}
    kept = [s for s in states.values() if not is_untouched(s)]
    if kept:
        await db.execute(
            "INSERT INTO states SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) "
            "ON CONFLICT (id) DO UPDATE SET stage = excluded.stage, episode = excluded.episode, body = excluded.body",
            [s.group for s in kept],
            [s.stage for s in kept],
            [s.episode for s in kept],
            [encode(s) for s in kept],
        )
    if untouched := [id for id, s in states.items() if is_untouched(s)]:
        await db.execute("DELETE FROM states WHERE id = ANY($1::text[])", untouched)


async def _write_rates(db: Any, change: Change) -> None:
    for (product, asset), given in {(each.product, each.asset): each for each in change.rates}.items():
        if given.rows:
            sql = "INSERT INTO rates VALUES ($1, $2, $3) ON CONFLICT (product, asset) DO UPDATE SET body = $3"
            await db.execute(sql, product, asset, encode(given))
        else:
            await db.execute("DELETE FROM rates WHERE product = $1 AND asset = $2", product, asset)


class BlocksAhead(NamedTuple):
    """What a standby may take into its columns before it decides."""

    at: datetime
    blocks: tuple[StoredBlock, ...]
    beside: tuple[str, ...]
    """Groups that are kept beside the blocks, or were closed."""
    rates: tuple[CoinRates, ...]


async def ahead(db: Any, cache: BlockCache) -> BlocksAhead | None:
    """The part of a snapshot that seldom changes; None where there is nothing yet."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        if await db.fetchval("SELECT to_regclass('desk')") is None:
            return None
        desk = await db.fetchrow("SELECT body, marks FROM desk")
        if desk is None:
            return None
        return BlocksAhead(
            _bodies.core_state(desk[0], desk[1]).at,
            await cache.read(db),
            tuple(id for (id,) in await db.fetch("SELECT id FROM groups")),
            await _rates(db),
        )


async def _rates(db: Any) -> tuple[CoinRates, ...]:
    return tuple(_bodies.rates(body) for (body,) in await db.fetch("SELECT body FROM rates ORDER BY product, asset"))


async def snapshot(db: Any, cursor: int, cache: BlockCache) -> StoredState:
    """All that a restart needs."""
    groups: list[StoredGroup] = []
    closed: list[str] = []
    for id, body in await db.fetch("SELECT id, body FROM groups ORDER BY id"):
        if body:
            groups.append(_bodies.group(body))
        else:
            closed.append(id)
    desk = await db.fetchrow("SELECT body, marks FROM desk")
    states = await db.fetch("SELECT body FROM states ORDER BY id")
    return StoredState(
        desk=None if desk is None else _bodies.core_state(desk[0], desk[1]),
        groups=tuple(groups),
        states=tuple(_bodies.state(body) for (body,) in states),
        cursor=cursor,
        blocks=await cache.read(db),
        closed=tuple(closed),
        rates=await _rates(db),
    )
