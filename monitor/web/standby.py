"""The web of a daemon that waits: it says how it stands, and sends everybody else to the head that has the lease.

It has no book of its own, so it answers no question about one: what it could say would be old. It changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from monitor.addresses import networks_of
from monitor.clock import Clock
from monitor.core.text import stamp
from monitor.lease.peer import PATH as HEADZ
from monitor.lease.state import HeadState, LeaseHead
from monitor.telemetry import Metrics, log
from monitor.web.auth import SAFE_METHODS, is_local_host
from monitor.web.connections import Port, PortLimits
from monitor.web.http import Rejected, json_response
from monitor.web.peer_log import peer_logger
from monitor.web.resources.status import Alive
from monitor.web_table import WebConfig, check_bind

CONNECTIONS = 256
"""A standby answers probes, its peer, and people who asked the wrong head."""
ASK_AGAIN_S = 1
"""Who waits for a take-over asks again soon."""
TAKES_OVER = "this daemon takes over: it has the lease, and reads what the store has"
_HEADERS = {"Cache-Control": "no-store", "Server": "loan-monitor", "X-Content-Type-Options": "nosniff"}


class StandbyStatus(msgspec.Struct, frozen=True):
    """A daemon that waits: it is not ready, as no alert comes from it."""

    at: str
    name: str
    ready: bool
    reasons: dict[str, str | None]
    head: HeadState


class StandbyServer:
    """Serves on the ports of the daemon until it takes over. `start` binds."""

    def __init__(self, config: WebConfig, name: str, instance: str, head: LeaseHead, clock: Clock) -> None:
        """Raises web_table.UnsafeBind."""
        check_bind(config.host, config.tokens)
        self._config = config
        self._name = name
        self._instance = instance
        self._head = head
        self._clock = clock
        self._runner: web.AppRunner | None = None
        self._port = Port(PortLimits(most=CONNECTIONS), clock, Metrics(), networks_of(config.trusted_proxies))
        self._listening: list[asyncio.Server] = []
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> tuple[str, int]:
        """Binds and serves. Returns the host and the port that it bound. Raises OSError."""
        app = web.Application(middlewares=[self._answer])
        app.router.add_route("*", "/{path:.*}", self._say)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.5, logger=peer_logger(self._clock)
        )
        await self._runner.setup()
        assert self._runner.server is not None
        for number in (self._config.port, self._config.health_port):
            if number is not None:
                self._listening.append(await self._port.listen(self._runner.server, self._config.host, number))
        self._watch = asyncio.create_task(self._port.run(), name="watch over connections of a standby")
        host, bound = self._listening[0].sockets[0].getsockname()[:2]
        return host, bound

    async def stop(self) -> None:
        """Frees the ports."""
        if self._watch is not None:
            self._watch.cancel()
        for server in self._listening:
            server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        guard = self._port.guard_of(request)
        if guard is not None:
            guard.begin()
        try:
            response = await handler(request)
        except Rejected as e:
            response = e.response(request.path)
        finally:
            if guard is not None:
                guard.end(request)
        response.headers.update(_HEADERS)
        log.debug("request", method=request.method, path=request.path[:200], status=response.status)
        return response

    async def _say(self, request: web.Request) -> web.StreamResponse:
        host = request.headers.get("Host")
        if not self._config.tokens and not is_local_host(host):
            raise Rejected("foreign-host", "without tokens only loopback names are answered")
        if request.method in SAFE_METHODS:
            if request.path == "/healthz":
                return json_response(Alive(alive=True, instance=self._instance))
            if request.path == HEADZ:
                return json_response(self._head.answer())
            if request.path in ("/readyz", "/v1/status"):
                return json_response(self._status(), 503 if request.path == "/readyz" else 200)
        state = self._head.state
        detail = f"this daemon is the standby: {state.holder_named}; ask that one"
        if state.role == "active":
            detail = f"{TAKES_OVER}; ask again"
        raise Rejected("standby", detail, after_s=ASK_AGAIN_S)

    def _status(self) -> StandbyStatus:
        # Without a look at tokens, as nothing here is about the book.
        state = self._head.state.open
        return StandbyStatus(stamp(self._clock.utc()), self._name, False, {"head": state.silence or TAKES_OVER}, state)
