"""Two real daemons and a storm whose figures are worked out in the background: the head dies amid that, the other goes on."""

from __future__ import annotations

import signal
from pathlib import Path

from monitor.stores import postgres
from tests.faults.house import SignedReceiver, Ticker, until
from tests.feeds.venue import Venue
from tests.lease.house import Pair
from tests.lease.proxy import Door
from tests.lease.storm import HIGH, LOW, are_normal, compare, items_of, write_book
from tests.lease.world import made_database
from tests.postgres_server import shared_server

ALERTS = 1_000
"""More groups than a book keeps fresh: these are decided by column."""
DIES = {"MONITOR_CRASH_AT": "amid figures:2"}
"""The first part of the figures is in their rows, the second is written and not committed."""


async def test_a_standby_works_out_the_figures_that_a_head_has_left_which_was_killed_amid_them(tmp_path: Path) -> None:
    """Each alert is in once and arrives, with the figures of the reference, whoever has worked them out."""
    server = shared_server()
    url = await made_database(server, has_tables=False)
    config = postgres.Config(url, tls="off")
    async with Venue() as venue, SignedReceiver() as receiver, Door(server.port) as a, Door(server.port) as b:
        pair = Pair(tmp_path, venue, url, receiver.url(), {"a": a, "b": b})
        await pair.write()
        write_book(pair, ALERTS)
        async with pair.daemon("a", DIES) as first, Ticker(venue, every_s=1.0, BTC=HIGH) as ticker:
            await first.serves(within_s=60.0)
            await until(lambda: are_normal(first, ALERTS), "all groups are watched", 60.0)
            async with pair.daemon("b") as second:
                await second.stands("standby")
                ticker.prices["BTC"] = LOW
                code, _ = await first.ended(60.0)
                assert code == -signal.SIGKILL
                left = await _light(config)
                assert 0 < left < ALERTS, "some were worked out, and some not"
                await second.serves(60.0)
                await until(lambda: len(items_of(receiver)) >= ALERTS, "every alert arrives", 60.0)
                await until(lambda: _is_all_worked_out(config), "all figures are in their rows", 60.0)
                log = await second.alerts()
    compare(receiver, log, ALERTS)


async def _light(config: postgres.Config) -> int:
    """Alerts whose figures are not in their rows."""
    db = await postgres.connect(config)
    try:
        return int(await db.fetchval("SELECT count(*) FROM alerts WHERE get_byte(body, 0) = 193"))
    finally:
        await db.close()


async def _is_all_worked_out(config: postgres.Config) -> bool:
    return await _light(config) == 0
