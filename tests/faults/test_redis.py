"""Fault test 23: the Redis behind a channel is restarted empty, full, read-only: nothing is lost, nothing spins.

A server that pauses and a command that is cut off are in tests/notifiers/test_redis_stream.py.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.book_lines import line
from tests.faults.house import Daemon, House, now_s, until
from tests.redis_server import RedisServer

STREAM = "monitor:alerts"
TRIGGERED = "loan_group.liquidation.triggered"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    yield server
    server.stop()


async def answers(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False


async def bodies(client: Redis) -> list[dict[str, Any]]:
    """What stands in the stream; each entry has the id of its own body."""
    found = []
    for _, fields in await client.xrange(STREAM):
        body = json.loads(fields[b"body"])
        assert (fields[b"id"].decode(), fields[b"type"].decode()) == (body["data"]["id"], body["type"])
        found.append(body)
    return found


async def groups(client: Redis) -> list[str]:
    """The groups whose liquidation stands in the stream, in order."""
    return [body["data"]["group"]["id"] for body in await bodies(client) if body["type"] == TRIGGERED]


async def full(client: Redis) -> None:
    await client.config_set("maxmemory-policy", "noeviction")
    await client.config_set("maxmemory", 1)


async def read_only(client: Redis) -> None:
    await client.execute_command("REPLICAOF", "127.0.0.1", "1")


async def well(client: Redis) -> None:
    await client.config_set("maxmemory", 0)
    await client.execute_command("REPLICAOF", "NO", "ONE")


TROUBLES: dict[str, tuple[Callable[[Redis], Awaitable[None]], str]] = {
    "full": (full, "OutOfMemory"),
    "read-only": (read_only, "ReadOnly"),
}
"""What is done to the server, and the word by which the record names it."""


async def test_whatever_happens_to_a_redis_every_alert_comes_in_the_end(house: House, server: RedisServer) -> None:
    server.start()
    house.write(
        f'[[notifier]]\nname = "bus"\nkind = "redis_stream"\nurl = "{server.url}"\n',
        '[[route]]\nmatch = { type = "loan_group.*" }\nto = ["bus"]\n[[route]]\nto = []\n',
        feed=False,
    )
    client = Redis.from_url(server.url, retry=None)
    await until(lambda: answers(client), "the server answers")
    began_s = now_s()
    async with Daemon(house) as daemon:
        await daemon.put(group("G-first"))
        await until(lambda: stands(client, "G-first"), "the first alert")
        server.stop()
        await daemon.put(group("G-down"))
        await until(lambda: failed(daemon, "G-down", "Connection"), "an attempt in vain")
        server.start()  # empty: the stream is gone with what was in it
        await until(lambda: answers(client), "the server answers again")
        await until(lambda: stands(client, "G-down"), "what came while it was away")
        for name, (spoil, word) in TROUBLES.items():
            await spoil(client)
            await daemon.put(group(f"G-{name}"))
            await until(
                lambda name=name, word=word: failed(daemon, f"G-{name}", word), f"an attempt while it is {name}"
            )
            await well(client)
            await until(lambda name=name: stands(client, f"G-{name}"), f"what came while it was {name}", 40)
        assert await groups(client) == ["G-down", "G-full", "G-read-only"]
        assert "G-first" in [a["data"]["group"]["id"] for a in await daemon.alerts(f"&type={TRIGGERED}")]
        lines = sum("notifier=bus" in text for text in daemon.said().splitlines())
        assert lines < 5 * (now_s() - began_s), f"{lines} lines about it"
        await until(lambda: all_delivered(daemon), "the last end is recorded")
    await client.aclose()


async def all_delivered(daemon: Daemon) -> bool:
    rows = (await daemon.get("/v1/deliveries?limit=1000"))["items"]
    return {row["state"] for row in rows} == {"delivered"}


def group(id_: str) -> dict[str, Any]:
    """A group that is in liquidation as it is put."""
    return line(id_, "100000", "96000", asset="USDT")


async def stands(client: Redis, id_: str) -> bool:
    return id_ in await groups(client)


async def failed(daemon: Daemon, id_: str, word: str) -> bool:
    """The record of a group's delivery says why an attempt failed."""
    rows = (await daemon.get("/v1/deliveries?limit=1000"))["items"]
    return any(row["subject"] == id_ and word in (row["detail"] or "") for row in rows)
