"""A door between a head and its database that a test can shut, with an end (`cut`) or without a word (`hush`)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class Door:
    """Forwards every connection to a port of this machine while it is open."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._is_refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._opened, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """Ends all connections, and refuses new ones."""
        self._is_refusing = True
        for writer in list(self._writers):
            writer.transport.abort()

    def hush(self) -> None:
        """Carries nothing more, and says nothing of it: a network that is cut."""
        self._is_open.clear()

    def mend(self) -> None:
        self._is_refusing = False
        self._is_open.set()

    def _opened(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            writer.transport.abort()
            return
        self._writers.add(writer)
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers.add(back)
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
            self._writers.discard(back)
        self._writers.discard(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(65536):
                await self._is_open.wait()
                writer.write(some)
                await writer.drain()
        writer.close()
