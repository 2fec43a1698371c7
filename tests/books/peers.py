"""What each kind of book reads from in the contract's tests: a file, a server, a database. A new kind adds a peer to PEERS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import msgspec
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from monitor.books import file, http, redis, sql
from monitor.books._base import KeptBook, Reader
from monitor.clock import Clock
from monitor.file_watch import Waits
from tests.books.sources import Module
from tests.books.test_file import stated
from tests.postgres_server import shared_server
from tests.redis_server import RedisServer

FAST = timedelta(milliseconds=60)


class Peer(Protocol):
    """The other side of a source, which a test steers."""

    module: Module
    config: Any

    async def holds(self, groups: Mapping[str, str], bad: tuple[str, ...] = ()) -> None:
        """From now on the book is these groups (BTC by id), in an order of its own, with those of `bad` unreadable."""

    async def breaks(self) -> None:
        """Readings fail, or break off in the middle."""

    async def mends(self) -> None:
        """They no longer do."""


def line(id: str, btc: str, is_bad: bool = False) -> dict[str, Any]:
    """The line of a group; a bad one has a key that nobody knows."""
    return {**stated(id, btc), "colour": "red"} if is_bad else stated(id, btc)


class _QuickFile:
    """The file book, quicker to believe than in production."""

    def build(self, name: str, config: Any, reader: Reader, clock: Clock, kept: KeptBook) -> file.FileBook:
        waits = Waits(settle_s=0.05, close_after_s=0.15, poll_s=0.06)
        return file.FileBook(name, config, reader, clock, kept, waits)


class FilePeer:
    """A file that a job replaces."""

    module: Module = _QuickFile()

    def __init__(self, folder: Path) -> None:
        self.config = file.Config(folder / "book.jsonl", watch=True, close_missing=True)
        self._good = b""
        self._is_broken = False

    async def holds(self, groups: Mapping[str, str], bad: tuple[str, ...] = ()) -> None:
        lines = [msgspec.json.encode(line(id, btc, id in bad)) for id, btc in groups.items()]
        self._good = b"\n".join(lines) + b"\n"
        await self._write()

    async def breaks(self) -> None:
        self._is_broken = True
        await self._write()

    async def mends(self) -> None:
        self._is_broken = False
        await self._write()

    async def _write(self) -> None:
        new = self.config.path.with_suffix(".new")
        new.write_bytes(b"" if self._is_broken else self._good)
        os.replace(new, self.config.path)


@asynccontextmanager
async def file_peer(folder: Path):  # type: ignore[no-untyped-def]
    yield FilePeer(folder)


class HttpPeer:
    """An address; while it is broken its answers end in the middle."""

    module: Module = http

    def __init__(self) -> None:
        self.config: Any = None
        self._body = b"[]"
        self._etag = 0
        self._is_broken = False

    async def holds(self, groups: Mapping[str, str], bad: tuple[str, ...] = ()) -> None:
        self._body = msgspec.json.encode([line(id, btc, id in bad) for id, btc in groups.items()])
        self._etag += 1

    async def breaks(self) -> None:
        self._is_broken = True

    async def mends(self) -> None:
        self._is_broken = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        etag = f'"{self._etag}"'
        if self._is_broken:
            response = web.StreamResponse(headers={"Content-Length": str(len(self._body) + 100)})
            await response.prepare(request)
            await response.write(self._body)
            assert request.transport is not None
            request.transport.close()
            return response
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(body=self._body, headers={"ETag": etag}, content_type="application/json")


@asynccontextmanager
async def http_peer(folder: Path):  # type: ignore[no-untyped-def]
    peer = HttpPeer()
    app = web.Application()
    app.router.add_get("/", peer.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer.config = http.Config(f"http://127.0.0.1:{runner.addresses[0][1]}/", every=FAST, allow_private=True)
    try:
        yield peer
    finally:
        await runner.cleanup()


class RedisPeer:
    """Hashes; while it is broken the server asks for a password that nobody has."""

    module: Module = redis

    def __init__(self, url: str, client: Redis) -> None:
        self.config = redis.Config(url, hashes="g:*", every=FAST)
        self._client = client

    async def holds(self, groups: Mapping[str, str], bad: tuple[str, ...] = ()) -> None:
        await self._client.connection_pool.disconnect()  # a fault has cut what lies there
        async with self._client.pipeline(transaction=True) as one:
            one.flushdb()
            for id, btc in groups.items():
                one.hset(f"g:{id}", "line", msgspec.json.encode(line(id, btc, id in bad)))
            await one.execute()

    async def breaks(self) -> None:
        await self._client.config_set("requirepass", "new")
        await self._client.client_kill_filter(_type="normal", skipme=True)

    async def mends(self) -> None:
        await self._client.config_set("requirepass", "")


@asynccontextmanager
async def redis_peer(folder: Path):  # type: ignore[no-untyped-def]
    server = RedisServer(folder).start()
    client: Redis = Redis.from_url(server.url, single_connection_client=True)
    for _ in range(200):
        try:
            await client.ping()
            break
        except RedisError:
            await asyncio.sleep(0.02)
    doubt, redis.DOUBT = redis.DOUBT, timedelta(0)
    try:
        yield RedisPeer(server.url, client)
    finally:
        redis.DOUBT = doubt
        await client.aclose()
        server.stop()


class SqlPeer:
    """A table; while it is broken the query fails behind its first rows."""

    module: Module = sql

    def __init__(self, url: str, client: asyncpg.Connection) -> None:
        query = "SELECT id, line, 1 / (SELECT divisor FROM fault) FROM book ORDER BY random()"
        self.config = sql.Config(url, snapshot=query, every=FAST, tls="off")
        self._client = client

    async def holds(self, groups: Mapping[str, str], bad: tuple[str, ...] = ()) -> None:
        rows = [(id, msgspec.json.encode(line(id, btc, id in bad)).decode()) for id, btc in groups.items()]
        async with self._client.transaction():
            await self._client.execute("DELETE FROM book")
            await self._client.executemany("INSERT INTO book VALUES ($1, $2)", rows)

    async def breaks(self) -> None:
        await self._client.execute("UPDATE fault SET divisor = 0")

    async def mends(self) -> None:
        await self._client.execute("UPDATE fault SET divisor = 1")


@asynccontextmanager
async def sql_peer(folder: Path):  # type: ignore[no-untyped-def]
    server = shared_server()
    for _ in range(100):
        try:
            client = await asyncpg.connect(server.url, ssl=False, timeout=5)
            break
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
    await client.execute("DROP TABLE IF EXISTS book, fault; CREATE TABLE book (id text, line text)")
    await client.execute("CREATE TABLE fault AS SELECT 1 AS divisor")
    try:
        yield SqlPeer(server.url, client)
    finally:
        client.terminate()


PEERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Peer]]] = {
    "file": file_peer,
    "http": http_peer,
    "redis": redis_peer,
    "sql": sql_peer,
}
"""By kind: opens a peer in a folder of the test's own. A kind without one is named by the contract's test."""
