"""Strangers on the port of the daemon, with real sockets, and a receiver that floods; each goes on until its block ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

HEAD = b"Host: 127.0.0.1\r\n"
GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /v1/groups HTTP/1.1\r\n" + HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
    b"PUT /v1/groups/G HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/groups HTTP/1.1\r\n" + HEAD + b"\r\n",
)
PEER = """
import socket, sys, threading
flood = sys.argv[1].encode().decode("unicode_escape").encode() * 2000
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(50)
print(listener.getsockname()[1], flush=True)
def go(peer):
    try:
        peer.recv(65536)
        while True:
            peer.sendall(flood)
    except OSError:
        pass
while True:
    threading.Thread(target=go, args=(listener.accept()[0],), daemon=True).start()
"""


@asynccontextmanager
async def flooding_peer(flood: str = r"HTTP/1.1 102 Processing\r\n\r\n") -> AsyncIterator[str]:
    """A receiver of webhooks, in a process of its own, that sends this for ever and as fast as it can. Gives its address."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PEER, flood, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        await process.wait()


class Strangers:
    """All that come from addresses 127.0.0.x to one port."""

    def __init__(self, port: int, seed: int = 1) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Strangers]:
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()

    async def idle(self, number: int, addresses: int) -> None:
        """Connections that never ask anything."""
        for n in range(number):
            with contextlib.suppress(ConnectionError):
                await self._open(11 + n % addresses)

    def slow_headers(self, number: int) -> None:
        """A byte of a header now and then."""
        for n in range(number):
            self._begin(self._drip(31 + n % 8, b"GET /v1/groups HTTP/1.1\r\n" + HEAD + b"X-Slow: "))

    def slow_bodies(self, number: int) -> None:
        """A byte of a body now and then."""
        for n in range(number):
            head = b"PUT /v1/groups/G HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{"
            self._begin(self._drip(41 + n % 8, head))

    def garbage(self, number: int) -> None:
        """Nonsense, again and again."""
        for n in range(number):
            self._begin(self._nonsense(51 + n % 8))

    def guessers(self, number: int) -> None:
        """Wrong tokens, again and again."""
        ask = b"GET /v1/groups HTTP/1.1\r\n" + HEAD + b"Authorization: Bearer guess\r\n\r\n"
        for _ in range(number):
            self._begin(self._repeat(61, ask))

    def deaf_readers(self, number: int, token: str) -> None:
        """Streams whose reader takes nothing."""
        ask = f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        for n in range(number):
            self._begin(self._hold(71 + n % 8, ask))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _open(self, last: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = (f"127.0.0.{last}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=source)
        self._writers.append(writer)
        return reader, writer

    async def _drip(self, last: int, head: bytes) -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                _, writer = await self._open(last)
                writer.write(head)
                while not writer.transport.is_closing():
                    writer.write(b"x")
                    await asyncio.sleep(0.5)
            await asyncio.sleep(0.2)

    async def _nonsense(self, last: int) -> None:
        while True:
            with contextlib.suppress(ConnectionError, TimeoutError):
                reader, writer = await self._open(last)
                writer.write(self._random.choice(GARBAGE))
                async with asyncio.timeout(5):
                    await reader.read(65536)
                writer.close()
            await asyncio.sleep(0.05)

    async def _repeat(self, last: int, ask: bytes) -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                reader, writer = await self._open(last)
                while not writer.transport.is_closing():
                    writer.write(ask)
                    head = await reader.read(65536)
                    if not head:
                        break
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)

    async def _hold(self, last: int, ask: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            reader, writer = await self._open(last)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(ask)
            await asyncio.sleep(3600)


def resident_mb(pid: int) -> float:
    """Memory of a process, as the system counts it."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) / 1000  # type: ignore[index]
