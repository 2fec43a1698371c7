"""A book in a real Redis: hashes, a stream with its position in our store, kills, gaps and poison."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from monitor.books import redis
from monitor.core.schema import Invalid, read
from tests.books.sources import RunningBook
from tests.books.test_file import stated
from tests.redis_server import RedisServer

FAST = timedelta(milliseconds=100)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--requirepass", "pass").start()
    yield server
    server.stop()


@pytest.fixture
async def peer(server: RedisServer) -> AsyncIterator[Redis]:
    peer: Redis = Redis.from_url(server.url, password="pass")
    for _ in range(200):
        try:
            await peer.flushall()
            break
        except RedisError:
            await asyncio.sleep(0.02)
    yield peer
    await peer.aclose()


@pytest.fixture
async def book(
    server: RedisServer, peer: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningBook]:
    monkeypatch.setattr(redis, "DOUBT", timedelta(milliseconds=150))
    password = tmp_path / "password"
    password.write_text("pass\n")
    password.chmod(0o600)
    book = RunningBook(redis, redis.Config(server.url, stream="book", password_file=password, every=FAST))
    yield book
    await book.stop()


def of(book: RunningBook, **more: Any) -> None:
    book.config = msgspec.structs.replace(book.config, **more)


def line(id: str = "G-1", btc: str = "12.5") -> str:
    return msgspec.json.encode(stated(id, btc)).decode()


async def add(peer: Redis, id: str, group: str = "G-1", **more: str) -> None:
    fields = {"type": "deposit", "group": group, "account": f"acct-{group}", "asset": "BTC", "quantity": "1"}
    await peer.xadd("book", {**fields, "id": id, **more})


async def test_hashes_are_read_as_a_whole_and_what_is_gone_is_closed(peer: Redis, book: RunningBook) -> None:
    for n in range(1, 6):
        await peer.hset(f"group:G-{n}", mapping={"line": line(f"G-{n}")})
    of(book, stream=None, hashes="group:*")
    book.start()
    await book.until(lambda: len(book.groups) == 5)
    await peer.delete("group:G-1")
    await peer.hset("group:G-2", "line", line("G-2", "13"))
    await book.until(lambda: "G-1" not in book.groups and book.groups["G-2"] == "13")
    await book.rounds()
    assert len(book.events) - len(book.seen) == 7  # five puts, a change and a closing: nothing twice


async def test_fields_of_a_hash_are_mapped_to_a_line_and_a_bad_one_is_named(peer: Redis, book: RunningBook) -> None:
    whole = stated()
    names = ("collateral", "loans")
    fields = {name: msgspec.json.encode(whole[name]).decode() for name in names}
    await peer.hset("g:1", mapping={"no": "G-1", "acct": "acct-G-1", "client": "ACME", **fields})
    await peer.hset("g:2", mapping={"no": "G-2"})
    await peer.set("g:3", "no hash")
    await peer.sadd("all", "g:1", "g:2", "g:3")
    columns = {"id": "no", "receiving_account": "acct", "labels.borrower": "client", **{n: n for n in names}}
    of(book, stream=None, keys_of="all", columns=columns, constants={"product": "vip_loan"})
    book.start()
    await book.rounds()
    assert book.groups == {"G-1": "12.5"}
    assert sorted(book.notices) == ["desk: g:2", "desk: g:3"]
    assert book.notices["desk: g:2"] == "there is no column 'acct', which is mapped to receiving_account"
    assert book.notices["desk: g:3"] == "the key is no hash"


async def test_an_emptied_redis_closes_nothing_at_once(peer: Redis, book: RunningBook) -> None:
    await peer.hset("group:G-1", "line", line())
    of(book, stream=None, hashes="group:*")
    book.start()
    await book.until(lambda: book.groups)
    await peer.flushall()
    await book.until(lambda: "desk" in book.notices)
    assert book.groups
    await book.until(lambda: not book.groups and not book.notices)


async def test_a_kill_before_or_after_a_commit_neither_loses_nor_repeats_an_entry(
    peer: Redis, book: RunningBook
) -> None:
    await peer.xadd("book", {"line": msgspec.json.encode({"type": "put", "line": stated()})})
    book.start()
    for n in range(1, 31):
        await add(peer, f"e-{n}")
        if n % 10 == 0:
            await book.until(lambda n=n: len(book.entries) == n)
            await book.restart()
        if n % 10 == 5:  # what is read now is never committed
            book.is_cut = True
            await asyncio.sleep(0.15)
            await book.restart()
    await book.until(lambda: len(book.entries) >= 30)
    await book.rounds()
    assert book.entries == [f"e-{n}" for n in range(1, 31)]
    assert book.groups == {"G-1": "12.5"}


async def test_poison_is_refused_by_its_id_and_the_rest_goes_on(peer: Redis, book: RunningBook) -> None:
    await peer.xadd("book", {"type": "deposit"})
    poison = await peer.xadd("book", {"entry": "{nonsense"})
    await peer.execute_command("XADD", "book", "*", "type", "close", "type", "close")
    await peer.xadd("book", {b"\xff": b"\xff"})
    await add(peer, "e-1")
    book.start()
    await book.until(lambda: book.entries == ["e-1"])
    problems = [e.facts["problem"] for e in book.events if hasattr(e, "facts")]
    assert len(problems) == 4
    assert f"book {poison.decode()}" in problems[1]


async def test_a_trimmed_stream_is_a_gap_that_hashes_mend(peer: Redis, book: RunningBook) -> None:
    of(book, hashes="group:*")
    await peer.hset("group:G-1", "line", line())
    await add(peer, "e-0")
    book.start()
    await book.until(lambda: book.groups)
    await add(peer, "e-1")
    await book.until(lambda: book.entries == ["e-1"])  # what was there before the hashes is in them
    await book.stop()
    for n in range(2, 6):
        await add(peer, f"e-{n}")
    await peer.xtrim("book", maxlen=1, approximate=False)
    await peer.hset("group:G-1", "line", line("G-1", "17"))
    of(book, hashes=None)
    book.start()  # nothing to mend it with: it is said, and what is there is taken
    await book.until(lambda: "removed before they were read" in book.notices.get("desk", ""))
    await book.until(lambda: book.entries == ["e-1", "e-5"])
    await book.stop()
    of(book, hashes="group:*")
    book.start()
    await book.until(lambda: book.groups == {"G-1": "17"} and not book.notices)


async def test_a_gap_while_the_monitor_runs_is_mended_before_anything_behind_it_counts(
    peer: Redis, book: RunningBook, server: RedisServer
) -> None:
    of(book, hashes="group:*")
    await peer.hset("group:G-1", "line", line())
    await add(peer, "e-1")
    book.start()
    await book.until(lambda: book.groups)
    async with peer.pipeline(transaction=True) as both:
        both.delete("book")
        both.xadd("book", {"type": "deposit", "group": "G-1"}, id="1-1")
        both.hset("group:G-1", "line", line("G-1", "21"))
        await both.execute()
    await book.until(lambda: book.groups == {"G-1": "21"} and not book.notices)
    assert any("was made again" in getattr(e, "facts", {}).get("problem", "") for e in book.events)
    await add(peer, "e-2")
    await book.until(lambda: book.entries == ["e-2"])


async def test_a_redis_that_is_away_or_refuses_us_is_told_and_asked_again(
    peer: Redis, book: RunningBook, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wrong\n")
    book.start()
    await book.until(lambda: "password" in book.notices.get("desk: source", ""))
    (tmp_path / "password").write_text("pass\n")
    await add(peer, "e-1")
    await book.until(lambda: book.entries == ["e-1"] and not book.notices)
    await peer.client_kill_filter(_type="normal", skipme=True)
    await add(peer, "e-2")
    await book.until(lambda: book.entries == ["e-1", "e-2"])


@pytest.mark.parametrize(
    "stated",
    [
        {"url": "redis://localhost"},
        {"url": "http://localhost", "stream": "s"},
        {"url": "redis://localhost", "hashes": "a", "keys_of": "b"},
        {"url": "redis://localhost", "hashes": "a", "reread": "1m"},
    ],
)
def test_what_cannot_be_read_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read(redis.Config, stated)
