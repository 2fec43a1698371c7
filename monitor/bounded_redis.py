"""How much a Redis may send in one answer. Nothing in its client counts that: a peer could fill the memory in seconds."""

from __future__ import annotations

from typing import Any

from redis.asyncio.connection import DefaultParser
from redis.exceptions import ConnectionError as LostConnection


class BoundedParser(DefaultParser):  # type: ignore[valid-type,misc]  # it is one of two classes, chosen by what is installed
    """For `Redis.from_url(parser_class=...)`: an answer that is longer ends the connection."""

    most_bytes = 16_000_000
    """A thousand prices with all that a desk writes beside them are a few hundred kilobytes."""
    _stream: Any

    def on_connect(self, connection: Any) -> None:
        """Called with each new connection."""
        super().on_connect(connection)
        self._stream = _Counted(self._stream, self.most_bytes)

    async def read_response(self, *args: Any, **more: Any) -> Any:
        """Reads one answer. Raises redis.exceptions.ConnectionError for one that is too long."""
        self._stream.left = self.most_bytes
        return await super().read_response(*args, **more)


class ShortAnswers(BoundedParser):
    """For commands whose answer is a word or a number."""

    most_bytes = 65_536


class _Counted:
    """A stream of which so many bytes may be read."""

    def __init__(self, stream: Any, most: int) -> None:
        self.left = most
        self._most = most
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, n: int = -1) -> bytes:
        found: bytes = await self._stream.read(n)
        self._count(len(found))
        return found

    async def readline(self) -> bytes:
        found: bytes = await self._stream.readline()
        self._count(len(found))
        return found

    async def readexactly(self, n: int) -> bytes:
        self._count(n)
        found: bytes = await self._stream.readexactly(n)
        return found

    def _count(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise LostConnection(f"the answer is longer than {self._most:,} bytes")
