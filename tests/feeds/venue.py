"""A local exchange: a real websocket server that speaks the mark-price protocol of domain section 4.4 and misbehaves on demand.

Usable by any test:

    async with Venue() as venue:
        feed = binance_futures.build("venue", binance_futures.Config(url=venue.url))
        await venue.joined()
        await venue.marks({"BTCUSDT": "50000", "ETHUSDT": "3000"})
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from monitor.clock import SystemClock
from monitor.core.prices.quote import Quote

STREAM = "!markPrice@arr@1s"


def mark(symbol: str, price: object, at_ms: int = 1_562_305_380_000, **more: Any) -> dict[str, Any]:
    """One item as the venue sends it; `more` replaces or adds fields, and None as a value takes a field away."""
    item = {
        "e": "markPriceUpdate",
        "E": at_ms,
        "s": symbol,
        "p": price,
        "ap": "1.00000000",
        "i": price,
        "P": "1.00000000",
        "r": "0.00010000",
        "T": at_ms + 3_600_000,
        "st": 1,
    }
    return {key: value for key, value in (item | more).items() if value is not None}


def frame(items: object) -> str:
    """The text of a message, written as the venue writes it: without spaces."""
    return json.dumps(items, separators=(",", ":"))


async def until(true: Callable[[], Any], what: str, within_s: float = 10.0) -> None:
    """Waits until something holds, and fails with its name where it does not in time."""
    for _ in range(int(within_s / 0.005)):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"not within {within_s} s: {what}")


class Venue:
    """The server. Every fault is an attribute or a method; all of them can be changed while it runs."""

    def __init__(
        self, *, ping_every_s: float | None = 20.0, life_s: float | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.life_s = life_s
        """The 24 h cut, scaled: each socket is closed after so long."""
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """HTTP status and headers with which the next connections are refused."""
        self.close_at_once = False
        self.deaf = False
        """Sockets are accepted and kept, and nothing is sent to those that join."""
        self.attempts = 0
        self.requests: list[Any] = []
        self.sockets: set[ServerConnection] = set()
        self.most_sockets = 0
        self._listening: dict[ServerConnection, bool] = {}
        self._ping_every_s = ping_every_s
        self._host = host
        self._port = 0
        self._server: Server | None = None
        self._clock = SystemClock()
        self._last_ms = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens, on the same port again after a stop."""
        self._server = await serve(
            self._serve,
            self._host,
            self._port,
            process_request=self._request,
            compression=None,
            close_timeout=0.2,
            ping_interval=self._ping_every_s,
            ping_timeout=self._ping_every_s,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Closes all sockets and the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def root(self) -> str:
        """The bare root, where streams are asked for by message."""
        return f"ws://{self._host}:{self._port}/market/ws"

    @property
    def url(self) -> str:
        """The raw form of the mark-price stream."""
        return f"{self.root}/{STREAM}"

    @property
    def combined_url(self) -> str:
        """The combined form, whose messages are wrapped."""
        return f"ws://{self._host}:{self._port}/market/stream?streams={STREAM}"

    @property
    def listening(self) -> int:
        """How many sockets listen to the stream."""
        return len(self._listening)

    async def joined(self, number: int = 1) -> None:
        """Waits until so many sockets listen to the stream."""
        await until(lambda: self.listening >= number, f"{number} sockets that listen")

    async def marks(self, prices: Mapping[str, object], *, messages: int = 2, at_ms: int | None = None) -> int:
        """Sends a second's prices to all that listen, spread over several messages. Returns their exchange time."""
        if at_ms is None:
            at_ms = self._last_ms = max(int(self._clock.utc().timestamp() * 1000), self._last_ms + 1)
        items = [mark(symbol, price, at_ms) for symbol, price in prices.items()]
        share = -(-len(items) // messages)
        for start in range(0, len(items), share):
            await self.send(items[start : start + share])
        return at_ms

    async def send(self, message: object, *, only: int | None = None) -> None:
        """Sends one message to all that listen, or to one of them by the order in which they joined.

        Bytes and text go as they are, anything else as the stream's JSON.
        """
        listening = list(self._listening.items())
        for socket, wrapped in listening if only is None else [listening[only]]:
            with suppress(ConnectionClosed):
                if isinstance(message, str | bytes):
                    await socket.send(message, text=True)
                else:
                    await socket.send(frame({"stream": STREAM, "data": message} if wrapped else message))

    async def send_binary(self, message: bytes) -> None:
        """Sends a binary frame to all that listen."""
        for socket in list(self._listening):
            await socket.send(message, text=False)

    def refuse(self, status: int, times: int = 1, **headers: str) -> None:
        """Refuses the next connections: `refuse(429, retry_after="2")`."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.refusals += [(status, named)] * times

    def drop(self) -> None:
        """Cuts all sockets off without a word, as a failing network does."""
        for socket in list(self.sockets):
            socket.transport.abort()

    async def close(self, code: int = 1001, *, only: int | None = None) -> None:
        """Closes all sockets properly, or one of those that listen."""
        for socket in list(self.sockets) if only is None else [list(self._listening)[only]]:
            await socket.close(code)

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts += 1
        if not self.refusals:
            return None
        status, headers = self.refusals.pop(0)
        response = connection.respond(status, "refused\n")
        for key, value in headers.items():
            response.headers[key] = value
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        self.sockets.add(socket)
        self.most_sockets = max(self.most_sockets, len(self.sockets))
        try:
            if self.close_at_once:
                return
            assert socket.request is not None
            path = socket.request.path
            if "markPrice" in path and not self.deaf:
                self._listening[socket] = "/stream" in path
            async with asyncio.timeout(self.life_s):
                async for message in socket:
                    await self._answer(socket, json.loads(message), wrapped="/stream" in path)
        except (TimeoutError, ConnectionClosed):
            return
        finally:
            self.sockets.discard(socket)
            self._listening.pop(socket, None)

    async def _answer(self, socket: ServerConnection, request: dict[str, Any], *, wrapped: bool) -> None:
        self.requests.append(request)
        if request.get("method") != "SUBSCRIBE":
            error = {"code": 2, "msg": "Invalid request"}
            await socket.send(frame({"error": error, "id": request.get("id")}))
            return
        await socket.send(frame({"result": None, "id": request["id"]}))
        if STREAM in request["params"] and not self.deaf:
            self._listening[socket] = wrapped


class Listener:
    """Takes a feed's quotes as the sequencer does: at once, in a task of its own, until the block is left."""

    def __init__(self, quotes: AsyncIterator[list[Quote]]) -> None:
        self.batches: list[list[Quote]] = []
        self._quotes = quotes
        self._task: asyncio.Task[None] | None = None

    @property
    def quotes(self) -> list[Quote]:
        return [quote for batch in self.batches for quote in batch]

    def prices(self, asset: str) -> list[str]:
        """All prices of an asset, in the order in which they came."""
        return [str(quote.price) for quote in self.quotes if quote.asset == asset]

    async def heard(self, asset: str, price: str) -> None:
        """Waits until a price has come."""
        await until(lambda: price in self.prices(asset), f"{asset} at {price}, got {self.prices(asset)[-3:]}")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._quotes.aclose()

    async def _listen(self) -> None:
        async for batch in self._quotes:
            self.batches.append(batch)


def assets(quotes: Sequence[Quote]) -> dict[str, str]:
    """Prices by asset, as text."""
    return {quote.asset: str(quote.price) for quote in quotes}
