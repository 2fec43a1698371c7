"""Callers that want nothing good: rubbish, half requests, bodies without end, and connections that only stand there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

RUBBISH = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"x" * 20_000 + b"\r\n\r\n", b"\x00" * 5_000,
    b"PUT /v1/groups/G HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n{", b"GET http://[ HTTP/1.1\r\n\r\n",
    b"PUT /v1/groups/G HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /ack/\xff.\xff.\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET /v1/alerts?after=%ED%A0%80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /v1/stress HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 400000\r\n\r\n" + b'{"shocks":' + b"[" * 399_990,
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 500) for n in range(200)) + b"\r\n",
)  # fmt: skip


async def knock(address: tuple[str, int], rng: Random, times: int) -> None:
    """So many callers with rubbish, one after the other."""
    for _ in range(times):
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(rng.choice(RUBBISH))
            async with asyncio.timeout(0.2):
                await reader.read(65_536)
            writer.transport.abort()


async def stand(address: tuple[str, int], number: int, seconds: float) -> None:
    """So many callers who begin a request and say no more."""
    writers = []
    with suppress(OSError):
        for n in range(number):
            _, writer = await asyncio.open_connection(*address)
            writer.write(b"GET /v1/groups HTTP/1.1\r\nHost: 127.0.0.1\r\n" if n % 2 else b"G")
            writers.append(writer)
    await asyncio.sleep(seconds)
    for writer in writers:
        writer.transport.abort()
