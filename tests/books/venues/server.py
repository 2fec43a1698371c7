"""A venue on loopback for tests of books: it serves what it is told, with faults, and logs what came with its weight.

`Venue(clock)`; `venue.on(path, handler)`: a handler gets the query as a dict and returns JSON, bytes, or an `Answer`. Faults
are put in a queue (`venue.fail(path, Answer(503))`), and each is served once before the handler is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from aiohttp import web

from monitor.clock import Clock


class Answer(NamedTuple):
    """What is served in place of a body: a status, and how it comes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}
    after_s: float = 0.0
    """It comes so late."""
    is_cut: bool = False
    """The connection breaks in the middle of the body."""


class Seen(NamedTuple):
    """A line of the venue's own log."""

    at_s: float
    path: str
    query: Mapping[str, str]
    key: str
    status: int
    raw_query: str


Handler = Callable[[dict[str, str]], Any]


class Venue:
    """Serves GET and POST on one port."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.log: list[Seen] = []
        self.clock_offset_ms = 0
        self.latency_s = 0.0
        self.keys_seen: list[str] = [""]
        """The key of the request that is served last."""
        self._handlers: dict[str, Handler] = {}
        self._faults: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self.url = ""

    def on(self, path: str, handler: Handler) -> None:
        """What a path answers."""
        self._handlers[path] = handler

    def fail(self, path: str, *answers: Answer) -> None:
        """The next answers of a path."""
        self._faults[path].extend(answers)

    def clear_faults(self) -> None:
        """From now on all is well."""
        self._faults.clear()

    def now_ms(self) -> int:
        """What the venue's clock shows."""
        return round(self.clock.utc().timestamp() * 1000) + self.clock_offset_ms

    def asked(self, path: str) -> list[Seen]:
        """What came to a path."""
        return [seen for seen in self.log if seen.path == path]

    def most_in(self, seconds: float, weight: Callable[[Seen], int], *, of: str) -> int:
        """The most weight that the venue counted in any window of so many seconds."""
        times = [(seen.at_s, weight(seen)) for seen in self.asked(of)]
        most, window, total = 0, deque[tuple[float, int]](), 0
        for at_s, cost in times:
            window.append((at_s, cost))
            total += cost
            while window[0][0] <= at_s - seconds:
                total -= window.popleft()[1]
            most = max(most, total)
        return most

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Venue]:
        """Listens while the block runs."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        query = dict(request.query)
        at_s = self.clock.monotonic_s()
        self.keys_seen[0] = request.headers.get("X-MBX-APIKEY", "")
        faults = self._faults[request.path]
        if faults:
            answer = faults.popleft()
        elif request.path not in self._handlers:
            answer = Answer(404, {"code": -1, "msg": "no such path"})
        else:
            made = self._handlers[request.path](query)
            answer = made if isinstance(made, Answer) else Answer(200, made)
        self.log.append(
            Seen(
                at_s, request.path, query, request.headers.get("X-MBX-APIKEY", ""), answer.status, request.query_string
            )
        )
        if answer.after_s:
            await asyncio.sleep(answer.after_s)
        raw = answer.body if isinstance(answer.body, bytes) else encoded(answer.body)
        if not answer.is_cut:
            return web.Response(status=answer.status, body=raw, headers=answer.headers, content_type="application/json")
        response = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(raw))})
        await response.prepare(request)
        await response.write(raw[: len(raw) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response


def encoded(body: Any) -> bytes:
    """JSON whose decimals are numbers as they stand."""
    return json.dumps(body, default=_number).encode()


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
