"""Four kinds of sources at once in one daemon: an exchange, another one by cross rate, the desk's stream, a polled address."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from monitor.clock import SystemClock
from tests.book_lines import book_line
from tests.faults.house import Daemon, House, until
from tests.feeds.exchange import Exchange
from tests.redis_server import RedisServer

FEEDS = """
[[feed]]
kind = "coinbase"
url = "{coinbase}"
quotes = ["USD"]

[[feed]]
kind = "kraken"
url = "{kraken}"
quotes = ["BTC"]

[[feed]]
name = "desk"
kind = "redis_stream"
url = "{redis}"

[[feed]]
name = "custodian"
kind = "http_poll"
url = "{custodian}"
every = "200ms"
allow_private = true
prices = [
  {{ asset = "FUND", path = "data.nav", stale_after = "1s" }},
  {{ asset = "NAV", path = "data.nav", time = "data.as_of", stale_after = "72h" }},
  {{ asset = "OLDNAV", path = "data.nav", time = "data.as_of", stale_after = "1h" }},
]
"""


def now() -> str:
    return SystemClock().utc().isoformat().replace("+00:00", "Z")


async def nav(request: web.Request) -> web.Response:
    as_of = SystemClock().utc() - timedelta(hours=2)
    return web.json_response(text=f'{{"data": {{"nav": 0.998, "as_of": "{as_of:%Y-%m-%dT%H:00:00Z}"}}}}')


async def test_each_source_prices_its_coins_and_the_daemon_stops_at_once(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    app = web.Application()
    app.router.add_get("/", nav)
    try:
        async with Exchange() as coinbase, Exchange() as kraken, TestServer(app) as custodian:
            house = House(tmp_path / "house")
            house.write(
                FEEDS.format(
                    coinbase=coinbase.url, kraken=kraken.url, redis=server.url, custodian=custodian.make_url("/")
                )
            )
            async with Daemon(house) as daemon:
                await daemon.put(book_line("vip_loan", {"BTC": "1", "ETH": "10", "SOL": "100"}, {"USDT": "1000"}))
                redis = Redis.from_url(server.url)
                await coinbase.heard(1)
                await kraken.heard(1)

                async def prices() -> dict[str, Any]:
                    bid, ask = {"best_bid": "49999", "best_ask": "50001"}, {"bid": 0.0599, "ask": 0.0601}
                    await coinbase.send(
                        {"type": "ticker", "product_id": "BTC-USD", "price": "50000", "time": now(), **bid}
                    )
                    item = {"symbol": "ETH/BTC", "last": 0.06, "timestamp": now(), **ask}
                    await kraken.send({"channel": "ticker", "type": "update", "data": [item]})
                    await redis.xadd("prices", {"asset": "SOL", "price": "150.5"})
                    found = await daemon.get("/v1/prices")
                    return {row["asset"]: row for row in found["items"] if row.get("trust", "") == "good"}

                async def all_good() -> bool:
                    return {"BTC", "ETH", "SOL", "FUND"} <= (await prices()).keys()

                await until(
                    all_good, f"good prices, found {json.dumps(await daemon.get('/v1/prices'))[:3000]}", step_s=0.3
                )
                rows = await prices()
                assert [(a, rows[a]["source"]) for a in ("BTC", "ETH", "SOL", "FUND")] == [
                    ("BTC", "coinbase"),
                    ("ETH", "kraken"),
                    ("SOL", "desk"),
                    ("FUND", "custodian"),
                ]
                # A poll that repeats its value is life, and a value is as old as its own time says.
                await asyncio.sleep(2.5)
                found = {row["asset"]: row for row in (await daemon.get("/v1/prices"))["items"]}
                assert {a: found[a]["trust"] for a in ("FUND", "NAV", "OLDNAV")} == {
                    "FUND": "good",
                    "NAV": "good",
                    "OLDNAV": "stale",
                }, found
                await redis.aclose()
                code, seconds = await daemon.stop()
                assert (code, seconds < 5) == (0, True)
    finally:
        server.stop()
