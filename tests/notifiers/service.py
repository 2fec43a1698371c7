"""A service on loopback that keeps what it got and answers as told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web

from monitor.notifiers._base import DeliveryError, Notice, Notifier

HOSTILE = "<!channel> @here *x* [a](http://evil.example) </b>&{{DATE(2026)}}<at>all</at>"
"""A name of a group that means something to one chat or another."""


class Got(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw.decode(), strict_parsing=True))


class Service:
    """Answers each request with `status`, `body` and `headers`; `script` holds answers that come before."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.status = 200
        self.body: Any = {}
        self.headers: dict[str, str] = {}
        self.script: list[tuple[int, Any]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Got:
        return self.got[-1]

    async def handle(self, request: web.Request | web.BaseRequest) -> web.StreamResponse:
        headers = {k.lower(): v for k, v in request.headers.items()}
        self.got.append(Got(request.method, request.raw_path, headers, await request.read()))
        status, body = self.script.pop(0) if self.script else (self.status, self.body)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=self.headers)


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    """A service on a random port."""
    one = Service()
    runner = web.ServerRunner(web.Server(one.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.port = runner.addresses[0][1]
    try:
        yield one
    finally:
        await runner.cleanup()


async def failure(notifier: Notifier, notice: Notice) -> DeliveryError:
    """How an attempt fails; a success fails the test."""
    try:
        receipt = await notifier.send(notice)
    except DeliveryError as e:
        return e
    raise AssertionError(f"delivered: {receipt}")
