"""Two real daemons with a hundred thousand groups, and the one that decides is stopped in the commit of a hundred thousand alerts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.core.ids import alert_id
from tests.book_lines import one_btc
from tests.faults.house import PRODUCT, SignedReceiver, Ticker, now_s, until
from tests.feeds.venue import Venue
from tests.lease.house import SLACK_S, TTL_S, Head, Pair
from tests.lease.proxy import FreezeDoor
from tests.lease.world import made_database
from tests.postgres_server import shared_server
from tests.reference.model import Model
from tests.scenarios.agreement import flat

ALERTS = int(os.environ.get("STORM_ALERTS", "100000"))
HALF_BYTES = 500 * ALERTS
"""Of the commit: it is in the middle of its alerts by then."""
HIGH, LOW = "100000", "50000"
"""Prices of BTC: all is well, and every group is beyond its last line."""
TRIGGERED = "loan_group.liquidation.triggered"
HELD_TO_REFERENCE = 200
"""Groups whose alerts are compared field by field: all groups are the same but for their names."""
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
        _with_book(pair)
        async with pair.daemon("a") as first, Ticker(venue, every_s=1.0, BTC=HIGH) as ticker:
            began_s = now_s()
            await first.serves(within_s=LONG_S)
            await until(lambda: _are_normal(first), "all groups are watched", LONG_S, step_s=1.0)
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
                await until(lambda: len(_items(receiver)) >= ALERTS, "every alert arrives", LONG_S, step_s=1.0)
                arrived_s = now_s()
                log = await second.alerts()
    print(
        f"{ALERTS} alerts: stopped {stopped_s - watched_s:.1f} s after the fall, served after {took_s:.1f} s, "
        f"all arrived after {arrived_s - stopped_s:.0f} s, watched after {watched_s - began_s:.0f} s"
    )
    _compare(receiver, log)
    assert took_s < TTL_S + SLACK_S, took_s


def _with_book(pair: Pair) -> None:
    """The same book for both, and a channel that takes many alerts in one body."""
    lines = "".join(f"{json.dumps(one_btc(f'G-{n}'))}\n" for n in range(ALERTS))
    for name, house in pair.houses.items():
        (house.folder / "book.jsonl").write_text(lines)
        text = house.config.read_text().replace('timeout = "1s"', "").replace("/hook", f"/{name}")
        text = text.replace("allow_private = true\n", "allow_private = true\nbatch = true\n")
        house.config.write_text(text + '\n[[book]]\nname = "file"\nkind = "file"\npath = "book.jsonl"\n')


async def _are_normal(head: Head) -> bool:
    counts = (await head.get("/v1/status"))["groups"]
    return int(counts["stages"].get("normal", 0)) == ALERTS and not counts["blind"]


def _items(receiver: SignedReceiver) -> dict[str, list[dict[str, Any]]]:
    """By id, what arrived of groups."""
    found: dict[str, list[dict[str, Any]]] = {}
    for body in receiver.got:
        for item in body["data"]["items"] if body["type"] == "batch" else [body]:
            if item["type"].startswith("loan"):
                found.setdefault(item["data"]["id"], []).append(item)
    return found


def _compare(receiver: SignedReceiver, log: list[dict[str, Any]]) -> None:
    """Log and arrivals are what the reference expects, each once."""
    assert receiver.bad == []
    came = _items(receiver)
    wanted = {alert_id("desk-1", f"G-{n}", 1, 1, TRIGGERED): f"G-{n}" for n in range(ALERTS)}
    assert came.keys() == wanted.keys(), "lost or invented"
    # A receiver that answers too late gets the same again, and knows it by its id.
    assert all(item == items[0] for items in came.values() for item in items)
    logged = {item["data"]["id"]: item for item in log if item["type"].startswith("loan")}
    assert logged.keys() == wanted.keys()
    for id_ in list(wanted)[:: max(1, ALERTS // HELD_TO_REFERENCE)]:
        item = came[id_][0]
        assert item == logged[id_]
        assert flat(item) == _expected(wanted[id_], item)


def _expected(group: str, item: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(item["timestamp"])
    table = tomllib.loads(PRODUCT.format(initial="0.72", margin_call="0.77", grace="24h"))
    model = Model("desk-1", table)
    before = at - timedelta(seconds=1)
    model.put(before, one_btc(group))
    model.prices(before, {"BTC": HIGH})
    (alert,) = model.prices(at, {"BTC": LOW})
    return alert
