"""A local exchange that is asked by message: a real websocket server that hears each message and answers as a test says.

async with Exchange(lambda text: [...]) as exchange:
    feed = okx.build("okx", okx.Config(url=exchange.url))
    async with Listener(feed.quotes()) as listener:
        await exchange.heard(1)
        await exchange.send('{"arg": ...}')
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.feeds.venue import until

Reply = Callable[[str], Iterable[str]]


class Exchange:
    """The server. `said` has each message of each connection, in the order in which they came."""

    def __init__(self, reply: Reply = lambda text: ()) -> None:
        self.reply = reply
        self.said: list[list[str]] = []
        self.sockets: list[ServerConnection] = []
        self._server: Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, compression=None, close_timeout=0.2, ping_interval=None)
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def texts(self) -> list[str]:
        """What was said on all connections."""
        return [text for some in self.said for text in some]

    @property
    def requests(self) -> list[Any]:
        """The same as JSON, without the messages that are none."""
        return [json.loads(text) for text in self.texts if text.startswith("{")]

    async def heard(self, number: int, within_s: float = 3.0) -> None:
        """Waits until so many messages have come."""
        await until(lambda: len(self.texts) >= number, f"{number} messages, got {self.texts}", within_s)

    async def send(self, message: object) -> None:
        """Sends one message to all that are connected; text goes as it is, anything else as JSON."""
        for socket in list(self.sockets):
            with suppress(ConnectionClosed):
                await socket.send(message if isinstance(message, str) else json.dumps(message))

    def drop(self) -> None:
        """Cuts all connections off without a word."""
        for socket in list(self.sockets):
            socket.transport.abort()

    async def _serve(self, socket: ServerConnection) -> None:
        said: list[str] = []
        self.said.append(said)
        self.sockets.append(socket)
        try:
            async for message in socket:
                text = message if isinstance(message, str) else message.decode()
                said.append(text)
                for answer in self.reply(text):
                    await socket.send(answer)
        except ConnectionClosed:
            return
        finally:
            self.sockets.remove(socket)
