"""The daemon is killed while it takes entries of a stream: none is lost, and none counts twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.book_lines import one_btc
from tests.effort import examples, more_in_a_soak
from tests.faults.house import Daemon, House, until
from tests.redis_server import RedisServer

KILLS = ("before commit:4", "after commit:3", "after tick:5", "before commit:2", "after commit:5")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis").start()
    yield server
    server.stop()


async def connected(server: RedisServer) -> Redis:
    client: Redis = Redis.from_url(server.url)

    async def answers() -> bool:
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False

    await until(answers, "Redis answers")
    return client


def book(server: RedisServer, **more: str) -> str:
    keys = "".join(f'{key} = "{value}"\n' for key, value in more.items())
    return f'[[book]]\nname = "desk"\nkind = "redis"\nurl = "{server.url}"\nstream = "book"\nevery = "100ms"\n{keys}'


async def deposit(client: Redis, number: int) -> None:
    entry = {"type": "deposit", "group": "G", "id": f"e-{number}", "account": "G-a", "asset": "BTC", "quantity": "1"}
    await client.xadd("book", {"message": json.dumps(entry)})


async def held(daemon: Daemon) -> Decimal:
    status, group = await daemon.ask("GET", "/v1/groups/G")
    return Decimal(group["contributions"][0]["quantity"]) if status == 200 else Decimal(0)


@more_in_a_soak
async def test_kills_lose_and_repeat_no_entry_and_a_source_that_is_away_is_told(
    house: House, server: RedisServer
) -> None:
    client = await connected(server)
    await client.xadd("book", {"message": json.dumps({"type": "put", "line": one_btc("G")})})
    house.write(book(server, stale_after="2s"), feed=False)
    count = 0
    for place in KILLS[: examples(1, 5)]:
        daemon = Daemon(house, env={"MONITOR_CRASH_AT": place})
        await daemon.launch()
        while daemon.process.returncode is None:
            count += 1
            await deposit(client, count)
            await deposit(client, count)  # a producer that was not sure gives it once more
            await asyncio.sleep(0.1)
        await daemon.http.close()
    assert count > 2
    async with Daemon(house) as daemon:
        await every_deposit_counts_once(daemon, count)
        await a_book_that_is_away_is_told(daemon, server)
    await client.aclose()


async def every_deposit_counts_once(daemon: Daemon, count: int) -> None:
    async def all_there() -> bool:
        return await held(daemon) == 1 + count

    await until(all_there, f"{count} deposits count once each")
    await asyncio.sleep(0.3)
    assert await held(daemon) == 1 + count
    group: dict[str, Any] = await daemon.get("/v1/groups/G")
    assert (group["book"]["source"], group["book"]["stale"]) == ("desk", False)
    status = await daemon.get("/v1/status")
    assert status["books"]["desk"]["version"] == group["book"]["version"]


async def a_book_that_is_away_is_told(daemon: Daemon, server: RedisServer) -> None:
    async def reason() -> str:
        _, ready = await daemon.ask("GET", "/readyz")
        assert ready["reasons"].keys() <= {"prices"}, "alerts go out all the same; this desk has no feed"
        return "; ".join(each["text"] for each in ready["degraded"] if each["source"] == "desk")

    async def told() -> set[str]:
        return {a["type"] for a in await daemon.alerts()}

    async def is_stale() -> bool:
        return "book.stale" in await told() and "cannot be read" in await reason()

    async def is_fresh() -> bool:
        return "book.refreshed" in await told() and not await reason()

    assert not await reason()
    server.stop()
    await until(is_stale, "the desk is told")
    assert (await daemon.get("/v1/groups/G"))["book"]["stale"]
    server.start()
    await until(is_fresh, "the desk is told that it is over")
