"""Fills what RLIMIT_FSIZE leaves, gets room again, goes on. `python -m tests.stores.fill_disk FILE`; speaks JSON."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

import msgspec

from monitor.stores import sqlite
from monitor.stores._base import AlertFilter, Store, StoreUnavailable
from tests.stores.examples import alert, say

ALERTS = 3  # to a commit


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


async def until_full(store: Store) -> tuple[int, str]:
    """How many commits went through, and what the first one that did not said."""
    for n in range(1000):
        try:
            await store.commit(say(*(alert(subject=f"G-{n}", sequence=s) for s in range(ALERTS))))
        except StoreUnavailable as e:
            return n, str(e)
    raise AssertionError("the disk never became full")


async def unavailable(store: Store) -> bool:
    try:
        await store.probe()
    except StoreUnavailable:
        return True
    return False


async def run(path: Path) -> None:
    store = sqlite.build(sqlite.Config(path=str(path)))
    await store.open()
    await store.probe()
    await store.checkpoint()
    limit(os.stat(path).st_size + 100_000)
    durable, said = await until_full(store)
    readable = len(await store.alerts(AlertFilter(limit=10**6)))
    probe_failed = await unavailable(store)
    limit(resource.RLIM_INFINITY)
    await store.probe()
    committed = await store.commit(say(*(alert(subject=f"G-{durable}", sequence=s) for s in range(ALERTS))))
    await store.close()
    facts = {
        "durable": durable,
        "said": said,
        "readable": readable,
        "probe_failed": probe_failed,
        "after": len(committed.alerts),
    }
    sys.stdout.write(msgspec.json.encode(facts).decode())


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
