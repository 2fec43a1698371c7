"""What tests of real heads share: a database of their own on a real server, and how they connect."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import asyncpg

from monitor.lease.keeper import Connect
from tests.postgres_server import PostgresServer

TTL_S = 1.0
"""Half of the real one: a test waits for several of them, and a busy machine stands still for tenths of a second."""
SLACK_S = 2.0
"""A lease is taken within its length and this."""


def connected(url: str, port: int | None = None) -> Connect:
    """Opens connections; `port` is that of a door before the server."""

    async def connect(settings: dict[str, str]) -> Any:
        more = {} if port is None else {"host": "127.0.0.1", "port": port}
        return await asyncpg.connect(url, server_settings=settings, timeout=2.0, **more)

    return connect


async def made_database(server: PostgresServer, *, has_tables: bool = True) -> str:
    """The address of a new database, with a fence and a table for what heads commit where they are no daemons."""
    name = f"heads_{secrets.token_hex(4)}"
    while True:
        with suppress(asyncpg.CannotConnectNowError):  # the port answers a moment before the server does
            db = await asyncpg.connect(server.url)
            break
        await asyncio.sleep(0.05)
    await db.execute(f"CREATE DATABASE {name}")
    await db.close()
    url = server.url.rpartition("/")[0] + f"/{name}"
    if not has_tables:
        return url
    db = await asyncpg.connect(url)
    await db.execute("CREATE TABLE said (place bigserial, epoch bigint, number int)")
    await db.execute("CREATE TABLE fence (epoch bigint, sequence bigint)")
    await db.execute("INSERT INTO fence VALUES (0, 0)")
    await db.close()
    return url
