"""Groups, states, rates and desk: what a restart needs, and how a commit changes it.

A group has a row of its own, or is in a block, whose body only the engine reads. An empty body in `groups` says that
the group is closed, though a block may still hold it.
"""

from __future__ import annotations

import sqlite3

from monitor import crashpoint
from monitor.core.groups.outcome import StoredBlock, StoredGroup
from monitor.stores import _bodies as bodies
from monitor.stores._base import Change, CoreState, StoredState
from monitor.stores._rows import encode
from monitor.stores.sqlite import later_states


def write(db: sqlite3.Connection, change: Change) -> None:
    """All of a change but its alerts and records."""
    _write_blocks(db, change)
    _write_groups(db, change)
    later_states.write(db, tuple({s.group: s for s in change.states}.values()))
    _write_rates(db, change)
    if change.desk is not None:
        _write_desk(db, change.desk)


def _write_blocks(db: sqlite3.Connection, change: Change) -> None:
    blocks = ((b.number, b.body) for b in change.blocks)
    db.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?)", blocks)
    crashpoint.reached("between block and rows")
    db.executemany("DELETE FROM groups WHERE id = ?", ((id,) for b in change.blocks for id in b.ids))
    db.executemany("DELETE FROM blocks WHERE number = ?", ((number,) for number in change.dropped_blocks))
    if change.dropped_blocks and not _has_blocks(db):
        db.execute("DELETE FROM groups WHERE body = x''")


def _write_groups(db: sqlite3.Connection, change: Change) -> None:
    groups = ((g.group.id, bodies.group_body(g)) for g in change.groups)
    db.executemany("INSERT OR REPLACE INTO groups VALUES (?, ?)", groups)
    if change.closed:
        closed = (
            "INSERT OR REPLACE INTO groups VALUES (?, x'')" if _has_blocks(db) else "DELETE FROM groups WHERE id = ?"
        )
        db.executemany(closed, ((id,) for id in change.closed))


def _has_blocks(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM blocks LIMIT 1").fetchone() is not None


def _write_rates(db: sqlite3.Connection, change: Change) -> None:
    newest = {(each.product, each.asset): each for each in change.rates}
    rows = ((*key, encode(each)) for key, each in newest.items() if each.rows)
    db.executemany("INSERT OR REPLACE INTO rates VALUES (?, ?, ?)", rows)
    gone = (key for key, each in newest.items() if not each.rows)
    db.executemany("DELETE FROM rates WHERE product = ? AND asset = ?", gone)


def _write_desk(db: sqlite3.Connection, desk: CoreState) -> None:
    db.execute("INSERT OR REPLACE INTO desk VALUES (1, ?, ?)", bodies.core_state_bodies(desk))


def snapshot(db: sqlite3.Connection, cursor: int) -> StoredState:
    """All that a restart needs. Puts the states that wait into their rows."""
    later_states.fold_all(db)
    groups: list[StoredGroup] = []
    closed: list[str] = []
    for id, body in db.execute("SELECT id, body FROM groups ORDER BY id"):
        if body:
            groups.append(bodies.group(body))
        else:
            closed.append(id)
    return StoredState(
        desk=_desk(db),
        groups=tuple(groups),
        states=tuple(bodies.state(body) for (body,) in db.execute("SELECT body FROM states ORDER BY id")),
        cursor=cursor,
        blocks=tuple(StoredBlock(*row) for row in db.execute("SELECT number, body FROM blocks ORDER BY number")),
        closed=tuple(closed),
        rates=tuple(bodies.rates(body) for (body,) in db.execute("SELECT body FROM rates ORDER BY product, asset")),
    )


def _desk(db: sqlite3.Connection) -> CoreState | None:
    row = db.execute("SELECT body, marks FROM desk").fetchone()
    return None if row is None else bodies.core_state(row[0], row[1])
