"""Two real daemons with a hundred thousand groups, and the one that decides is stopped in the commit of a hundred thousand alerts."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.faults.house import SignedReceiver, Ticker, now_s, until
from tests.feeds.venue import Venue
from tests.lease.house import SLACK_S, TTL_S, Pair
from tests.lease.proxy import FreezeDoor
from tests.lease.storm import HIGH, LOW, are_normal, compare, items_of, write_book
from tests.lease.world import made_database
from tests.postgres_server import shared_server

ALERTS = int(os.environ.get("STORM_ALERTS", "100000"))
HALF_BYTES = 500 * ALERTS
"""Of the commit: it is in the middle of its alerts by then."""
LONG_S = 1800.0


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_head_that_is_stopped_in_a_commit_of_a_hundred_thousand_alerts_loses_and_repeats_none(
    tmp_path: Path,
) -> None:
    server = shared_server()
    url = await made_database(server, has_tables=False)
    async with (
        Venue() as venue,
        SignedReceiver() as receiver,
        FreezeDoor(server.port) as a,
        FreezeDoor(server.port) as b,
    ):
        pair = Pair(tmp_path, venue, url, receiver.url(), {"a": a, "b": b})
        await pair.write()
        write_book(pair, ALERTS)
        async with pair.daemon("a") as first, Ticker(venue, every_s=1.0, BTC=HIGH) as ticker:
            began_s = now_s()
            await first.serves(within_s=LONG_S)
            await until(lambda: are_normal(first, ALERTS), "all groups are watched", LONG_S, step_s=1.0)
            async with pair.daemon("b") as second:
                await second.stands("standby", LONG_S)
                watched_s = now_s()
                a.arm("storm", lambda: first.signal(signal.SIGSTOP), HALF_BYTES)
                ticker.prices["BTC"] = LOW
                async with asyncio.timeout(LONG_S):
                    await a.has_frozen.wait()
                stopped_s = now_s()
                sent = len(receiver.bodies)
                took_s = await second.serves(LONG_S)
                await asyncio.sleep(max(0.0, stopped_s + 2 * TTL_S - now_s()))
                first.signal(signal.SIGCONT)
                code, _ = await first.ended(60.0)
                assert code == 1
                assert "has the lease" in first.said()
                assert "Traceback" not in first.said()
                assert sent == 0, "the head had committed nothing of the storm, and had nothing to send"
                await until(lambda: len(items_of(receiver)) >= ALERTS, "every alert arrives", LONG_S, step_s=1.0)
                arrived_s = now_s()
                log = await second.alerts()
    print(
        f"{ALERTS} alerts: stopped {stopped_s - watched_s:.1f} s after the fall, served after {took_s:.1f} s, "
        f"all arrived after {arrived_s - stopped_s:.0f} s, watched after {watched_s - began_s:.0f} s"
    )
    compare(receiver, log, ALERTS)
    assert took_s < TTL_S + SLACK_S, took_s
