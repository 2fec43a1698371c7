"""A desk's own prices: read from a real server, which restarts, asks for passwords, and trims and remakes its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import RedisError

from monitor.core import schema
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import FeedTrust
from monitor.feeds import redis_stream
from monitor.feeds.redis_stream import Config, RedisStream
from tests.fakes import FakeClock
from tests.feeds.venue import Listener, until
from tests.redis_server import RedisServer

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ADDED_MS = 1_795_780_800_250
ADDED = datetime(2026, 11, 27, 12, 0, 0, 250_000, tzinfo=UTC)


def feed(**more: Any) -> RedisStream:
    return redis_stream.build("desk", Config(url="redis://127.0.0.1:1/0", **more), FakeClock(NOW))


def entry(*, id: str = f"{ADDED_MS}-0", **fields: str | bytes) -> tuple[bytes, list[bytes]]:
    pairs = [part if isinstance(part, bytes) else part.encode() for pair in fields.items() for part in pair]
    return id.encode(), pairs


def test_an_entry_is_a_price_with_the_time_that_it_states() -> None:
    desk = feed()
    at = datetime(2026, 11, 28, 11, 59, 58, 123_456, tzinfo=UTC)
    stated = entry(asset="GOLDX", price="1.000000000000000000000001", quote="USDT", at="2026-11-28T11:59:58.123456789Z")
    assert desk.parse([stated]) == [Quote("GOLDX", Decimal("1.000000000000000000000001"), "USDT", "desk", at)]


def test_an_entry_without_a_time_is_as_old_as_its_id() -> None:
    """What lay in the stream while nobody read must not look new when it is read."""
    assert feed().parse([entry(asset="GOLDX", price="7")]) == [Quote("GOLDX", Decimal("7"), "USD", "desk", ADDED)]


def test_a_name_that_stands_for_another_coin_gives_no_price() -> None:
    """LUNA is LUNA2 to this desk, so its LUNA is some other coin."""
    desk = feed(symbols={"LUNA": "LUNA2"})
    assert [
        (q.asset, str(q.price)) for q in desk.parse([entry(asset="LUNA2", price="7"), entry(asset="LUNA", price="1")])
    ] == [("LUNA", "7")]
    assert dict(desk.stats.ignored) == {"other_symbol": 1}


def test_an_id_of_the_desks_own_making_is_no_time() -> None:
    (quote,) = feed().parse([entry(id="17-3", asset="GOLDX", price="7")])
    assert (quote.at, quote.is_dated) == (NOW, False)


def test_of_several_entries_of_a_coin_the_latest_counts() -> None:
    desk = feed()
    entries = [entry(id=f"{ADDED_MS + i}-0", asset="GOLDX", price=str(10 + i)) for i in range(3)]
    entries.append(entry(id=f"{ADDED_MS + 9}-0", asset="GOLDX", price="1", at=str(ADDED_MS - 5)))
    assert [str(q.price) for q in desk.parse(entries)] == ["12"]
    assert desk.stats.ignored["conflated"] == 3


def test_names_of_the_desk_are_mapped_and_left_out() -> None:
    desk = feed(symbols={"GOLDX": "gold.token"}, exclude=("TEST",))
    assert [q.asset for q in desk.parse([entry(asset="gold.token", price="7"), entry(asset="TEST", price="1")])] == [
        "GOLDX"
    ]
    assert dict(desk.stats.ignored) == {"excluded": 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"asset": "GOLDX"}, "empty"),
        ({"asset": "GOLDX", "price": ""}, "empty"),
        ({"asset": "GOLDX", "price": "NaN"}, "not_finite"),
        ({"asset": "GOLDX", "price": "1e400"}, "out_of_range"),
        ({"asset": "GOLDX", "price": "-1"}, "negative"),
        ({"asset": "GOLDX", "price": "0"}, "zero"),
        ({"asset": "GOLDX", "price": "١٢"}, "not_a_number"),
        ({"asset": "GOLDX", "price": "1" * 100}, "too_large"),
        ({"asset": "GOLDX", "price": b"\xff"}, "not_utf8"),
        ({"price": "1"}, "symbol"),
        ({"asset": "gold x", "price": "1"}, "symbol"),
        ({"asset": "GOLDX", "price": "1", "quote": "us dollar"}, "symbol"),
        ({"asset": "GOLDX", "price": "1", "at": "soon"}, "time"),
    ],
)
def test_an_entry_that_is_no_price_costs_itself_alone(fields: dict[str, str], reason: str) -> None:
    desk = feed()
    assert [q.asset for q in desk.parse([entry(**fields), entry(asset="GOOD", price="1")])] == ["GOOD"]
    assert dict(desk.stats.refused) == {reason: 1}


def test_a_field_that_stands_twice_is_refused() -> None:
    desk = feed()
    assert desk.parse([(b"1-0", [b"asset", b"GOLDX", b"price", b"1", b"price", b"2"])]) == []
    assert dict(desk.stats.refused) == {"duplicate_key": 1}


@given(st.lists(st.tuples(st.sampled_from([b"asset", b"price", b"at", b"x"]), st.binary(max_size=70)), max_size=4))
@settings(max_examples=200)
def test_no_entry_raises(pairs: list[tuple[bytes, bytes]]) -> None:
    desk = feed()
    found = desk.parse([(b"1-0", [part for pair in pairs for part in pair])])
    assert len(found) + sum(desk.stats.refused.values()) == 1


def test_how_its_prices_are_judged() -> None:
    config = Config(url="redis://desk/0", stale_after=timedelta(minutes=2), changes_only=True)
    assert redis_stream.trust(config) == FeedTrust(stale_after=timedelta(minutes=2), sends_changes_only=True)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"url": "http://geheim@desk/0"}, "url: found 'http://desk', expected redis://host:port/db"),
        ({"url": "redis://desk:port/0"}, "url: found port 'port', expected a number from 1 to 65535"),
        ({"symbols": {"A": "X", "B": "X"}}, "symbols: 'X' stands for 2 coins"),
        ({"symbols": {"A": "X"}, "exclude": ["X"]}, "exclude: 'X' is left out here and mapped by symbols"),
    ],
)
def test_a_table_that_cannot_work_is_refused_by_name(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(schema.Invalid) as refused:
        schema.read(Config, {"url": "redis://desk/0", **table})
    assert problem in str(refused.value)
    assert "geheim" not in str(refused.value)


# Against a server.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    one = RedisServer(tmp_path).start()
    yield one
    one.stop()


@asynccontextmanager
async def client(server: RedisServer, password: str | None = None) -> AsyncIterator[Redis]:
    redis = Redis.from_url(server.url, password=password)
    for _ in range(500):
        try:
            await redis.ping()
            break
        except RedisError:
            await asyncio.sleep(0.02)
    yield redis
    await redis.aclose()


def reading(server: RedisServer, **more: Any) -> RedisStream:
    fast = {"retry_min": timedelta(milliseconds=50), "retry_max": timedelta(milliseconds=100)}
    return redis_stream.build("desk", Config(url=server.url, **(fast | more)))


async def put(redis: Redis, asset: str, price: str, id: str = "*") -> None:
    await redis.xadd("prices", {"asset": asset, "price": price}, id=id)


async def test_it_begins_with_the_newest_entries_and_goes_on_behind_them(server: RedisServer) -> None:
    async with client(server) as redis:
        for i in range(5):
            await put(redis, f"COIN{i}", "1")
        desk = reading(server, begin_with=2)
        async with Listener(desk.quotes()) as heard:
            await heard.heard("COIN4", "1")
            await put(redis, "COIN0", "2")
            await heard.heard("COIN0", "2")
            assert [q.asset for q in heard.quotes] == ["COIN3", "COIN4", "COIN0"]
            assert (desk.stats.connected, desk.stats.reason) == (True, "")


async def test_it_may_begin_with_what_comes(server: RedisServer) -> None:
    async with client(server) as redis:
        await put(redis, "OLD", "1")
        desk = reading(server, begin_with=0)
        async with Listener(desk.quotes()) as heard:
            await until(lambda: "no price yet" in desk.stats.reason, "a first read")
            await put(redis, "NEW", "1")
            await heard.heard("NEW", "1")
            assert [q.asset for q in heard.quotes] == ["NEW"]


async def test_it_survives_a_restart_that_lost_everything(server: RedisServer) -> None:
    desk = reading(server)
    async with Listener(desk.quotes()) as heard:
        async with client(server) as redis:
            await put(redis, "GOLDX", "1")
            await heard.heard("GOLDX", "1")
        server.stop()
        await until(lambda: not desk.stats.connected, "the fault is seen")
        assert desk.stats.reason.startswith("cannot read: ConnectionError")
        server.start()
        async with client(server) as redis:
            await put(redis, "GOLDX", "2")
            await heard.heard("GOLDX", "2")
            assert (desk.stats.connected, desk.stats.reason) == (True, "")


async def test_a_stream_that_was_made_again_with_lower_ids_is_read(server: RedisServer) -> None:
    async with client(server) as redis:
        desk = reading(server)
        async with Listener(desk.quotes()) as heard:
            await put(redis, "GOLDX", "1", id="500-0")
            await heard.heard("GOLDX", "1")
            await redis.delete("prices")
            await put(redis, "GOLDX", "2", id="3-0")
            await heard.heard("GOLDX", "2")


async def test_a_stream_that_is_trimmed_is_read_on(server: RedisServer) -> None:
    async with client(server) as redis:
        desk = reading(server)
        async with Listener(desk.quotes()) as heard:
            await put(redis, "GOLDX", "1")
            await heard.heard("GOLDX", "1")
            await redis.xtrim("prices", maxlen=0, approximate=False)
            await put(redis, "GOLDX", "2")
            await heard.heard("GOLDX", "2")
            assert heard.prices("GOLDX") == ["1", "2"]


async def test_a_missing_password_is_said_and_the_right_one_reads(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--requirepass", "geheim-7Qx").start()
    try:
        file = tmp_path / "password"
        file.write_text("geheim-7Qx\n")
        file.chmod(0o600)
        async with client(server, "geheim-7Qx") as redis:
            await put(redis, "GOLDX", "1")
            without = reading(server)
            async with Listener(without.quotes()):
                await until(lambda: "the password is missing or wrong" in without.stats.reason, "a cause")
            file.write_text("old\n")
            late = reading(server, password_file=file)
            async with Listener(late.quotes()) as heard:
                await until(lambda: "the password is missing or wrong" in late.stats.reason, "a cause")
                file.write_text("geheim-7Qx\n")  # and no restart
                await heard.heard("GOLDX", "1")
    finally:
        server.stop()


async def test_a_key_that_is_no_stream_is_said_and_mended(server: RedisServer) -> None:
    async with client(server) as redis:
        await redis.set("prices", "text")
        desk = reading(server)
        async with Listener(desk.quotes()) as heard:
            await until(lambda: "WRONGTYPE" in desk.stats.reason or "wrong kind" in desk.stats.reason, "a cause")
            await redis.delete("prices")
            await put(redis, "GOLDX", "1")
            await heard.heard("GOLDX", "1")


async def test_a_stream_in_which_nothing_comes_is_not_connected_and_says_so(server: RedisServer) -> None:
    async with client(server) as redis:
        desk = reading(server, silence=timedelta(milliseconds=500))
        async with Listener(desk.quotes()) as heard:
            await put(redis, "GOLDX", "1")
            await heard.heard("GOLDX", "1")
            await put(redis, "GOLDX", "none")
            await until(lambda: not desk.stats.connected, "silence is seen")
            assert desk.stats.reason.startswith(
                "no price in the stream 'prices' for 0.5 s; the last entry was refused: not a"
            )


async def test_a_desk_that_writes_changes_only_may_be_silent_while_redis_answers(server: RedisServer) -> None:
    async with client(server) as redis:
        desk = reading(server, silence=timedelta(milliseconds=200), changes_only=True)
        async with Listener(desk.quotes()) as heard:
            await until(lambda: desk.stats.reason.startswith("no price in the stream"), "nothing was ever written")
            await put(redis, "GOLDX", "1")
            await heard.heard("GOLDX", "1")
            await redis.ping()
            await asyncio.sleep(1.3)  # a whole read that gives nothing
            assert (desk.stats.connected, desk.stats.reason) == (True, "")
            server.stop()
            await until(lambda: not desk.stats.connected, "the fault is seen")
