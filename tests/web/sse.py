"""Reads server-sent events as a browser would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

WAIT_S = 10.0


class Event(NamedTuple):
    name: str
    id: str
    data: Any


class Reader:
    """The events of one stream, in order. `last_id` is what a browser would send as Last-Event-ID."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last_id = ""
        self.raw = bytearray()

    async def next(self, *names: str) -> Event:
        """The next event of these names (any where none is named); others are passed over."""
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self._read()
                if event is None:
                    raise EOFError
                if not names or event.name in names:
                    return event

    async def alerts(self, number: int) -> list[int]:
        """Cursors of the next so many alerts."""
        return [(await self.next("alert")).data["data"]["cursor"] for _ in range(number)]

    async def rest(self) -> list[Event]:
        """All events until the stream ends."""
        found = []
        async with asyncio.timeout(WAIT_S):
            while (event := await self._read()) is not None:
                found.append(event)
        return found

    async def _read(self) -> Event | None:
        name, data, event_id = "message", "", ""
        async for raw in self.response.content:
            self.raw += raw
            text = raw.decode().rstrip("\n")
            if not text:
                if data:
                    return Event(name, event_id, json.loads(data))
                name = "message"
                continue
            key, _, value = text.partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                self.last_id = event_id = value
            elif key == "data":
                data = value
        return None


@asynccontextmanager
async def stream(session: aiohttp.ClientSession, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    """An open stream."""
    async with session.get(f"/v1/stream?{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield Reader(response)
