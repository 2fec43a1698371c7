"""A door between a head and its database that a test can shut, with an end (`cut`) or without a word (`hush`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple, Self

Where = Literal["before", "in", "after"]
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""By this question the store ends each transaction. Nobody else asks it so: the lease says `COMMIT;`."""


class Link(NamedTuple):
    """One connection through a door: the end of who came, and the end of the server."""

    front: asyncio.StreamWriter
    back: asyncio.StreamWriter

    def cut(self) -> None:
        """Ends it without a word of the protocol."""
        for end in self:
            end.transport.abort()


class Door:
    """Forwards every connection to a port of this machine while it is open."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._is_refusing = False
        self._links: set[Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0
        self.ports: set[int] = set()
        """From which it ever came to the server."""

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
        for link in list(self._links):
            link.cut()

    def hush(self) -> None:
        """Carries nothing more, and says nothing of it: a network that is cut."""
        self._is_open.clear()

    def mend(self) -> None:
        self._is_refusing = False
        self._is_open.set()

    async def pass_on(self, some: bytes, link: Link, to: asyncio.StreamWriter) -> None:
        """Carries what came from one end of a connection to the other."""
        to.write(some)
        await to.drain()

    def _opened(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            writer.transport.abort()
            return
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            self.ports.add(back.get_extra_info("sockname")[1])
            link = Link(writer, back)
            self._links.add(link)
            if self._is_refusing:  # it was shut meanwhile
                link.cut()
            await asyncio.gather(self._carry(reader, back, link), self._carry(there, writer, link))
            self._links.discard(link)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        with suppress(OSError):
            while some := await reader.read(65536):
                await self._is_open.wait()
                await self.pass_on(some, link, writer)
        writer.close()


class CommitDoor(Door):
    """Cuts once at a COMMIT: before it goes to the server, when it went, or when its answer has come."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._where: Where = "before"
        self._left = 0
        self._is_for_good = False
        self._awaited: Link | None = None
        self.has_cut = asyncio.Event()

    def arm(self, where: Where, count: int = 1, *, is_for_good: bool = False) -> None:
        """At the COMMIT of this number, counted from now on. `is_for_good`: all connections, and nobody comes in again."""
        self._where, self._left, self._is_for_good = where, count, is_for_good
        self.has_cut.clear()

    async def pass_on(self, some: bytes, link: Link, to: asyncio.StreamWriter) -> None:
        """Carries, unless this is where it cuts."""
        is_it = False
        if to is link.back and some.endswith(COMMIT) and self._left:
            self._left -= 1
            is_it = not self._left
        if is_it and self._where == "before":
            self._cut_at(link)
            return
        await super().pass_on(some, link, to)
        if is_it and self._where == "after":
            self._awaited = link
        elif is_it or (link is self._awaited and to is link.front):
            self._awaited = None
            self._cut_at(link)

    def _cut_at(self, link: Link) -> None:
        if self._is_for_good:
            self.cut()
        else:
            link.cut()
        self.has_cut.set()


BEGIN = b"Q\x00\x00\x00\x0aBEGIN\x00"
"""By this question the store begins each transaction."""
Stop = Literal["fence", "storm", "commit"]


class FreezeDoor(Door):
    """Stops a head once inside a transaction: when it has asked for the fence, in the middle of its rows, or when it said COMMIT."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._freeze: Callable[[], None] | None = None
        self._where: Stop = "fence"
        self._bytes = 0
        self._told: dict[Link, int] = {}
        """Bytes since BEGIN, of each connection that is in a transaction."""
        self.has_frozen = asyncio.Event()

    def arm(self, where: Stop, freeze: Callable[[], None], after_bytes: int = 0) -> None:
        """In the next transaction, or the next one of so many bytes."""
        self._where = where
        self._bytes = after_bytes
        self._freeze = freeze
        self.has_frozen.clear()

    async def pass_on(self, some: bytes, link: Link, to: asyncio.StreamWriter) -> None:
        """Carries. The head stands still before it can hear what the server says to this."""
        is_it = to is link.back and self._is_there(some, link)
        if is_it and self._freeze is not None:
            self._freeze()
            self._freeze = None
            self.has_frozen.set()
        await super().pass_on(some, link, to)

    def _is_there(self, some: bytes, link: Link) -> bool:
        if some.endswith(BEGIN):
            self._told[link] = 0
            return False
        if link not in self._told:
            return False
        is_first = not self._told[link]
        self._told[link] += len(some)
        is_over = some.endswith(COMMIT)
        is_large = self._told[link] > self._bytes
        if is_over:
            del self._told[link]
        return {"fence": is_first, "storm": is_large and not is_over, "commit": is_large and is_over}[self._where]
