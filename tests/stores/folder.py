"""Puts groups and folds them into blocks, in a loop that says each number once it is durable, until a test kills it.

A body here is the ids of its groups, one a line.
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from monitor.core.groups.outcome import StoredBlock
from monitor.stores import sqlite
from monitor.stores._base import Change, StoredState
from tests.stores.examples import AT, MINUTE, core_state, stored

AT_ONCE, IN_A_BLOCK = 5, 20


def number(snapshot: StoredState) -> int:
    """How many commits the store holds."""
    return round((snapshot.desk.at - AT) / MINUTE) if snapshot.desk else 0


def folded(snapshot: StoredState) -> list[str]:
    """Ids of the groups that are in blocks."""
    return [id for block in snapshot.blocks for id in block.body.decode().split()]


def check(snapshot: StoredState) -> None:
    """Each group that was put is there once: in a row or in a block."""
    rows = [g.group.id for g in snapshot.groups]
    last = number(snapshot)
    assert sorted(rows + folded(snapshot)) == sorted(f"G-{n}" for n in range((last + 1) // 2 * AT_ONCE))


def change(snapshot: StoredState) -> Change:
    """Puts groups with every odd number; with every even one the tail block takes in all that has a row."""
    n = number(snapshot) + 1
    now = msgspec.structs.replace(core_state(), at=AT + n * MINUTE)
    if n % 2:
        first = n // 2 * AT_ONCE
        return Change(now.at, groups=tuple(stored(f"G-{i}") for i in range(first, first + AT_ONCE)), desk=now)
    ids = tuple(g.group.id for g in snapshot.groups)
    tail = max((b.number for b in snapshot.blocks), default=0)
    held = next((b.body.decode().split() for b in snapshot.blocks if b.number == tail), [])
    if len(held) >= IN_A_BLOCK:
        tail, held = tail + 1, []
    return Change(now.at, blocks=(StoredBlock(tail, "\n".join([*held, *ids]).encode(), ids),), desk=now)


async def run(path: str) -> None:
    store = sqlite.build(sqlite.Config(path=path))
    while True:
        snapshot = await store.open()
        await store.commit(change(snapshot))
        os.write(1, f"{number(snapshot) + 1}\n".encode())


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
