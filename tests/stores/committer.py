"""Commits in a loop and says each number once it is durable, until a test kills it."""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from monitor.stores import sqlite
from monitor.stores._base import Applied, Audit, Change, DeliveryFilter, HistoryFilter, Store
from tests.stores.examples import (
    AT,
    DESK,
    MINUTE,
    OPENED,
    PHONE,
    REMINDER,
    alert,
    core_state,
    ended,
    state,
    stored,
    told,
)

PARTS = 3


def change(n: int) -> Change:
    """Commit number n: something in every table."""
    id = f"G-{n}"
    said = [alert(OPENED, id, sequence=0), *(alert(REMINDER, id, sequence=s) for s in range(1, PARTS))]
    return Change(
        AT + n * MINUTE,
        groups=(stored(id),),
        states=(state(id),),
        alerts=tuple((a, (DESK, PHONE)) for a in said),
        entries=(Applied(id, "e", str(n), n, AT),),
        audits=(Audit(AT, "ops", "put", id, None, n),),
        desk=msgspec.structs.replace(core_state(), at=AT + n * MINUTE),
        history=(told(id), told(id, loan="")),
    )


async def check(store: Store, acknowledged: int) -> int:
    """Every acknowledged commit is there and none is half there; returns the number of the last one."""
    snapshot = await store.open()
    last = round((snapshot.desk.at - AT) / MINUTE) if snapshot.desk else 0
    assert acknowledged <= last <= acknowledged + 1, f"{acknowledged} were acknowledged, the store has {last}"
    ids = sorted(f"G-{n}" for n in range(1, last + 1))
    assert [g.group.id for g in snapshot.groups] == ids
    assert [s.group for s in snapshot.states] == ids
    assert snapshot.cursor == last * PARTS
    assert len(await store.audits(0, 10**6)) == last
    deliveries = await store.deliveries(DeliveryFilter(limit=10**6))
    assert len(deliveries) == last * PARTS * 2
    assert await store.entry(f"G-{last + 1}", "e") is None
    for n in (1, last, last + 1):
        assert len(await store.history(HistoryFilter(f"G-{n}"))) == (2 if 0 < n <= last else 0)
    for n in range(1, last + 1):
        entry = await store.entry(f"G-{n}", "e")
        assert entry is not None
        assert entry.digest == str(n)
    return last


async def run(path: str) -> None:
    store = sqlite.build(sqlite.Config(path=path))
    snapshot = await store.open()
    n = round((snapshot.desk.at - AT) / MINUTE) if snapshot.desk else 0
    while True:
        n += 1
        committed = await store.commit(change(n))
        os.write(1, f"{n}\n".encode())
        ids = await store.start_attempts([d.id for d in committed.deliveries], AT)
        await store.end_attempts([ended(id, "delivered") for id in ids[:3]])
        if n % 5 == 0:
            await store.checkpoint()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
