"""A commit behind the fence of a lease, in PostgreSQL, beside one in SQLite: a single alert, and a storm of them.

Both stores are new in each round, synced, and take turns, in the folder for temporary files, which must be on a disk. The
database is on this machine: what a network adds is a way there and back for each commit.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
import uvloop

from bench import desk
from bench.book import Market, market
from bench.durable import journal, journal_over
from bench.progress import Advance
from bench.rounds import Seconds, medians
from bench.storm import commit, crash, part, single
from monitor.clock import SystemClock
from monitor.core.groups.outcome import Outcome
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal
from monitor.lease.keeper import Keeper, Settings
from monitor.lease.rows import HeadName
from monitor.stores import postgres
from monitor.stores.postgres import schema
from monitor.stores.postgres.connection import connect
from tests.lease.world import made_database
from tests.postgres_server import PostgresServer

SINGLES = 50
"""Commits of one alert each a round, whose median counts."""
TTL_S = 2.0
STORES = ("SQLite", "PostgreSQL, fenced")


class Figures(NamedTuple):
    """What commits took, by store and round."""

    alerts: int
    single: Seconds
    """A commit of one alert."""
    storm: Seconds
    """An alert's share of one commit of `alerts`."""

    @property
    def results(self) -> dict[str, Any]:
        """Under the keys of results.json."""
        return {
            "alerts": self.alerts,
            "single_ms": {name: s * 1e3 for name, s in medians(self.single).items()},
            "storm_us": {name: s * 1e6 for name, s in medians(self.storm).items()},
        }


def run(of: Market, alerts: int, rounds: int, advance: Advance) -> Figures | None:
    """None where there is no PostgreSQL."""
    try:
        with TemporaryDirectory() as place:
            # As root the server runs as somebody else, who must find his folder.
            Path(place).chmod(0o755)
            server = PostgresServer(Path(place))
            try:
                server.start("-c", "fsync=on", "-c", "shared_buffers=128MB", "-c", "max_wal_size=1GB")
                return _run(of, alerts, rounds, Path(place), server, advance)
            finally:
                server.remove()
    except pytest.skip.Exception as e:
        print(f"not measured: {e}")
        return None


def _run(of: Market, alerts: int, rounds: int, folder: Path, server: PostgresServer, advance: Advance) -> Figures:
    monitor = desk.new_monitor(of)
    outcome, _ = crash(monitor, of, 2 * (alerts + SINGLES))
    assert len(outcome.alerts) >= alerts + SINGLES, f"only {len(outcome.alerts)} groups crossed a line"
    storm = part(outcome, 0, alerts)
    singles = [single(outcome, i) for i in range(alerts, alerts + SINGLES)]
    found = Figures(alerts, {name: [] for name in STORES}, {name: [] for name in STORES})
    toss = random.Random(7)  # noqa: S311  an order, no secret
    for i in range(rounds + 1):
        for name in toss.sample(STORES, len(STORES)):
            single_s, storm_s = uvloop.run(_round(name, monitor, storm, singles, folder, server))
            # The first round saves what the monitor had not saved before, such as its groups.
            if i:
                found.single[name].append(single_s)
                found.storm[name].append(storm_s / alerts)
        advance()
    return found


async def _round(
    name: str, monitor: RiskMonitor, storm: Outcome, singles: list[Outcome], folder: Path, server: PostgresServer
) -> tuple[float, float]:
    """(median seconds of a single commit, seconds of the storm's)."""
    async with journal(folder) if name == STORES[0] else _fenced(server) as log:
        single_s = statistics.median([await commit(log, monitor, single) for single in singles])
        return single_s, await commit(log, monitor, storm)


@asynccontextmanager
async def _fenced(server: PostgresServer) -> AsyncIterator[Journal]:
    """A journal in a database of its own, of a head that has and keeps the lease."""
    config = postgres.Config(await made_database(server, has_tables=False), tls="off")

    async def connected(settings: dict[str, str]) -> Any:
        db = await connect(config, settings)
        await schema.prepare(db, config.schema)
        return db

    keeper = Keeper(connected, Settings(HeadName("bench", "here", "1"), TTL_S), SystemClock())
    await keeper.wait()
    holding = asyncio.create_task(keeper.hold())
    store = postgres.build(config, fence=keeper.fence)
    try:
        await store.open()
        yield journal_over(store)
    finally:
        await store.close()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await keeper.release()


def main(alerts: int, rounds: int) -> None:
    """Prints a line a store."""
    found = run(market(), alerts, rounds, lambda: None)
    for name in STORES if found is not None else ():
        assert found is not None
        shown = found.results
        print(
            f"{name}: a commit {shown['single_ms'][name]:.2f} ms, an alert of a storm {shown['storm_us'][name]:.1f} us"
        )


if __name__ == "__main__":
    main(10_000, 5)
