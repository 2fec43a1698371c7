"""What one token may take of what the desk shares; operators and admins of the whole desk share only the total."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.schema import read
from monitor.web.app import Server
from monitor.web.live import Limits
from monitor.web.quotas import open_to
from monitor.web_table import QuotaConfig, WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

NAMES = ("viewer", "viewer-2", "feeder", "operator", "admin")
SHOCKS = {"shocks": {"BTC": "-1%"}}


def config(**quotas: int) -> WebConfig:
    tokens = [{"name": n, "role": n.partition("-")[0], "secret": f"s-{n}"} for n in NAMES]
    scoped = {"name": "scoped", "role": "operator", "secret": "s-scoped", "scope": {"borrower": "ACME"}}
    return read(WebConfig, {"port": 0, "tokens": [*tokens, scoped], "quotas": quotas})


@asynccontextmanager
async def opened(
    desk: WebDesk, limits: Limits | None = None, **quotas: int
) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    server = Server(config(**quotas), desk.handed_over(), limits)
    host, port = await server.start()
    try:
        async with aiohttp.ClientSession(base_url=f"http://{host}:{port}") as http:
            admin = {"Authorization": "Bearer s-admin"}
            assert (await ask(http, "PUT", "/v1/groups/G-1", line(labels={"borrower": "ACME"}), **admin))[0] == 201
            yield server, http
    finally:
        await server.stop()


async def asks(http: aiohttp.ClientSession, who: str, path: str, body: Any, **headers: str) -> tuple[int, Any, Any]:
    return await ask(http, "POST", path, body, Authorization=f"Bearer s-{who}", **headers)


class Streams:
    """Streams that stay open until the block ends."""

    def __init__(self, http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        self._http, self._stack = http, stack

    async def open(self, who: str) -> tuple[int, Any]:
        """Its status, and the problem where there is one."""
        headers = {"Authorization": f"Bearer s-{who}"}
        found = await self._stack.enter_async_context(self._http.get("/v1/stream", headers=headers))
        return found.status, None if found.status == 200 else await found.json(content_type=None)


async def test_a_token_has_so_many_streams_and_gets_one_back_when_one_ends(desk: WebDesk) -> None:
    async with opened(desk, streams=2) as (server, http):
        async with AsyncExitStack() as stack:
            streams = Streams(http, stack)
            assert [(await streams.open("viewer"))[0] for _ in range(2)] == [200, 200]
            status, problem = await streams.open("viewer")
            assert (status, problem["type"]) == (429, "urn:loan-monitor:quota")
            assert problem["retry_after_s"] == 5
            assert "streams" in problem["detail"]
            assert [(await streams.open("viewer-2"))[0] for _ in range(2)] == [200, 200], "each token has its own"
            assert [(await streams.open("scoped"))[0] for _ in range(3)] == [200, 200, 429]
            assert [(await streams.open("operator"))[0] for _ in range(5)] == [200] * 5
        async with asyncio.timeout(5):
            while server.site.hub.clients:  # their ends happen on the other side of sockets
                await asyncio.sleep(0.01)
                server.site.hub.disconnect()
        async with AsyncExitStack() as stack:
            assert (await Streams(http, stack).open("viewer"))[0] == 200


async def test_a_fifth_of_all_streams_is_kept_for_operators_and_admins(desk: WebDesk) -> None:
    async with opened(desk, Limits(streams=5, tick_s=0.02)) as (_, http), AsyncExitStack() as stack:
        streams = Streams(http, stack)
        assert [(await streams.open(who))[0] for who in ("viewer", "viewer", "viewer-2", "feeder")] == [200] * 4
        status, problem = await streams.open("scoped")
        assert (status, problem["type"]) == (503, "urn:loan-monitor:too-many-streams")
        assert (await streams.open("admin"))[0] == 200
        assert (await streams.open("admin"))[0] == 503


class SlowDesk(WebDesk):
    """Its copy of the whole book waits until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.copies = 0

    async def whole_book(self) -> WholeBook:
        self.copies += 1
        await self.go.wait()
        return await super().whole_book()


async def test_a_token_has_one_stress_at_a_time() -> None:
    desk = SlowDesk()
    async with opened(desk) as (_, http):
        first = asyncio.create_task(asks(http, "viewer", "/v1/stress", SHOCKS))
        async with asyncio.timeout(5):
            while not desk.copies:  # noqa: ASYNC110  # the request is under way
                await asyncio.sleep(0.01)
        status, headers, problem = await asks(http, "viewer", "/v1/stress", SHOCKS)
        assert (status, problem["type"], headers["Retry-After"]) == (429, "urn:loan-monitor:quota", "5")
        others = [asyncio.create_task(asks(http, who, "/v1/stress", SHOCKS)) for who in ("viewer-2", "admin", "admin")]
        await asyncio.sleep(0.05)
        desk.go.set()
        assert [(await each)[0] for each in (first, *others)] == [200] * 4
        assert (await asks(http, "viewer", "/v1/stress", SHOCKS))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "headers", "quota"),
    [
        ("/v1/groups/G-1/what-if", {}, {}, {"what_ifs": 3}),
        ("/v1/stress", SHOCKS, {"Accept": "text/csv"}, {"exports": 3}),
    ],
    ids=["what-ifs", "exports"],
)
async def test_a_token_has_so_many_a_minute(
    desk: WebDesk, path: str, body: Any, headers: dict[str, str], quota: dict[str, int]
) -> None:
    async with opened(desk, **quota) as (_, http):
        desk.clock.now += timedelta(seconds=20)
        for who in ("viewer", "scoped"):
            assert [(await asks(http, who, path, body, **headers))[0] for _ in range(3)] == [200] * 3
            status, head, problem = await asks(http, who, path, body, **headers)
            assert (status, problem["type"]) == (429, "urn:loan-monitor:quota")
            assert (head["Retry-After"], problem["retry_after_s"]) == ("40", 40)
        assert [(await asks(http, "operator", path, body, **headers))[0] for _ in range(5)] == [200] * 5
        desk.clock.now += timedelta(seconds=40)
        assert (await asks(http, "viewer", path, body, **headers))[0] == 200


async def test_a_reload_changes_quotas_at_once(desk: WebDesk) -> None:
    async with opened(desk, what_ifs=1) as (server, http):
        path = "/v1/groups/G-1/what-if"
        assert [(await asks(http, "viewer", path, {}))[0] for _ in range(2)] == [200, 429]
        server.use_proxies(msgspec.structs.replace(config(), quotas=QuotaConfig(what_ifs=2)))
        assert [(await asks(http, "viewer", path, {}))[0] for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(("total", "left"), [(500, 400), (16, 12), (5, 4), (2, 1), (1, 1)])
def test_a_fifth_is_rounded_for_those_who_keep_it(total: int, left: int) -> None:
    from monitor.web.auth import Caller

    assert open_to(Caller("v", "viewer"), total) == left
    assert open_to(Caller("a", "operator", (("borrower", "ACME"),)), total) == left
    assert open_to(Caller("o", "operator"), total) == total
