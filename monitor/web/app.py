"""The HTTP server: admits or turns away each request, and answers every failure as a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from monitor.clock import Clock, SystemClock
from monitor.config import TokenConfig, WebConfig, check_bind
from monitor.core.queries.inbox import Inbox
from monitor.core.rules.settings import Rules
from monitor.feeds._base import FeedStats
from monitor.notifiers._base import ChannelState
from monitor.stores._base import Delivery, Store, StoreUnavailable
from monitor.telemetry import Health, Metrics, log
from monitor.web import problem
from monitor.web.api import Apis, routes
from monitor.web.auth import (
    LOOPBACK,
    SAFE_METHODS,
    Caller,
    Tokens,
    is_local_host,
    is_same_origin,
)
from monitor.web.body import MAX_BYTES
from monitor.web.contract import document
from monitor.web.http import OPEN, Endpoint, Parts, answer
from monitor.web.page import CACHE, POLICY, PageFiles
from monitor.web.problem import Rejected
from monitor.web.query import Values
from monitor.web.resources.alerts import AlertLog, RecordApi
from monitor.web.resources.exposure import ExposureApi
from monitor.web.resources.fund import FundApi
from monitor.web.resources.groups import GroupsApi
from monitor.web.resources.history import HistoryApi
from monitor.web.resources.ltv_history import Course
from monitor.web.resources.rates import RatesApi
from monitor.web.resources.session import COOKIE, CSRF_HEADER, SessionApi, Sessions
from monitor.web.resources.silences import OperateApi
from monitor.web.resources.status import StatusApi
from monitor.web.resources.stress import StressApi, Turns
from monitor.web.resources.timeline import TimelineApi
from monitor.web.stream import Hub, Limits
from monitor.web.view import View

SHUTDOWN_S = 2.0
"""For requests under way at a stop; the daemon as a whole has 10 s."""
NOBODY = Caller("nobody", "nobody")
"""Whoever asks an open path without a token."""
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "loan-monitor",
    "X-Content-Type-Options": "nosniff",
}
_Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
_WHO = web.RequestKey("who", str)


class Server:
    """The web of one daemon. `start` binds; `stop` ends streams and requests."""

    def __init__(
        self, config: WebConfig, view: View, inbox: Inbox, store: Store, health: Health, metrics: Metrics,
        feeds: Mapping[str, FeedStats], rules: Callable[[], Rules], clock: Clock | None = None,
        on_retry: Callable[[Delivery], None] = lambda _: None, limits: Limits | None = None,
        channels: Callable[[], Sequence[ChannelState]] = tuple, page: PageFiles | None = None,
        scenarios: Path = Path("scenarios"),
    ) -> None:  # fmt: skip
        """Raises config.UnsafeBind, and schema.Invalid for tokens that cannot be used."""
        check_bind(config.host, config.tokens)
        self._config, self._health = config, health
        self._clock = clock or SystemClock()
        self._tokens = Tokens(config.tokens)
        parts = Parts(view, inbox, store, health, metrics, feeds, rules, self._clock, on_retry, channels, scenarios)
        log_ = AlertLog(parts)
        status = StatusApi(parts)
        self.hub = Hub(parts, log_, status, limits)
        status.streams = lambda: len(self.hub.clients)
        self._sessions, self._page, turns = Sessions(self._clock), page or PageFiles(), Turns()
        session = SessionApi(self._clock, self._sessions, lambda: self._tokens, self.hub.disconnect)
        self.course = Course(view, store, self._clock)
        groups, timeline = GroupsApi(parts, self.course.opened), TimelineApi(parts, self.course)
        table = routes(
            Apis(
                groups, HistoryApi(parts), timeline, RatesApi(parts), RecordApi(parts, log_), OperateApi(parts),
                FundApi(parts), ExposureApi(parts, turns), StressApi(parts, turns), status, session, self.hub.handle,
            )
        )  # fmt: skip
        own = Endpoint("GET", "/openapi.json", self._contract, OPEN, "This document.", answers={200: dict[str, Any]})
        self.routes = (*table, own)
        self._document = msgspec.json.encode(document(self.routes))
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def change_tokens(self, configs: Sequence[TokenConfig]) -> None:
        """Takes other tokens at once, as after a reload. Raises UnsafeBind, schema.Invalid; the old ones stay then."""
        check_bind(self._config.host, configs)
        self.use_tokens(Tokens(configs))

    def use_tokens(self, tokens: Tokens) -> None:
        """Takes other tokens at once. Streams of the old ones end: whoever may stay comes back from where it was."""
        if tokens != self._tokens:
            self._tokens = tokens
            self.hub.disconnect()

    async def start(self) -> tuple[str, int]:
        """Binds and serves; the address that was bound. Raises OSError."""
        app = web.Application(middlewares=[self._answer], client_max_size=MAX_BYTES)
        for route in self.routes:
            # An id may hold any printable character; aiohttp's default would stop at braces.
            app.router.add_route(route.method, route.path.replace("{id}", "{id:[^/]+}"), self._guarded(route))
        self._page.add(app)
        app.on_response_prepare.append(_finish)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._config.host, self._config.port).start()
        for name, work in (("stream's heartbeat", self.hub.run()), ("history of LTV", self.course.run())):
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(self._part_ended)
            self._tasks.append(task)
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def stop(self) -> None:
        """Ends all streams, then closes what is open."""
        for task in self._tasks:
            task.cancel()
        self.hub.close()
        await self.course.flush()
        if self._runner is not None:
            await self._runner.cleanup()

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        """Streams without a heartbeat look alive and are not, and so does a history that ends: a reason not to be ready."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._health.set("web", f"the {task.get_name()} stopped: {error!r}; restart the daemon")
            log.error("web_part_stopped", part=task.get_name(), error=repr(error))

    async def _contract(self, _request: web.Request, _caller: Caller) -> web.StreamResponse:
        return answer(self._document)

    def _guarded(self, route: Endpoint) -> _Handle:
        async def handle(request: web.Request) -> web.StreamResponse:
            caller = self._caller(request, route)
            request[_WHO] = caller.name
            if not route.params:
                Values(request, ()).done()
            return await route.handler(request, caller)

        return handle

    def _caller(self, request: web.Request, route: Endpoint) -> Caller:
        """Who asks. Raises Rejected for whoever may not."""
        if not self._tokens:
            return LOOPBACK
        header = request.headers.get("Authorization")
        if header is not None:
            caller = self._tokens.caller(header)
        else:
            caller = self._sessions.caller(request.cookies.get(COOKIE), self._tokens)
        if route.needs == OPEN:
            return caller or NOBODY
        if caller is None:
            detail = "send the header Authorization: Bearer <token>, or sign in"
            raise Rejected("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
        if caller.session and request.method not in SAFE_METHODS and CSRF_HEADER not in request.headers:
            raise Rejected("cross-origin", f"send the header {CSRF_HEADER}: monitor with every change by a cookie")
        if not caller.may(route.needs):
            raise Rejected("forbidden", f"role {caller.role} does not include {route.needs!r}, which this path needs")
        return caller

    def _admit(self, request: web.Request) -> None:
        """Turns away what a web page elsewhere makes a browser send. Raises Rejected."""
        host = request.headers.get("Host")
        if not self._tokens and not is_local_host(host):
            raise Rejected(
                "foreign-host", f"found Host {(host or '')[:60]!r}; without tokens only loopback names are answered"
            )
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if request.method not in SAFE_METHODS and not is_same_origin(origin, site, host):
            raise Rejected("cross-origin", "a page of another origin may not change anything here")

    @web.middleware
    async def _answer(self, request: web.Request, handler: _Handle) -> web.StreamResponse:
        """Every failure becomes a problem, every request one line of the log (its path, never its query)."""
        start, status = self._clock.monotonic_s(), 500
        try:
            response = await self._answered(request, handler)
            status = response.status
            return response
        finally:
            log.debug(
                "request", method=request.method, path=request.path, status=status, who=request.get(_WHO),
                took_ms=round((self._clock.monotonic_s() - start) * 1000, 3),
            )  # fmt: skip

    async def _answered(self, request: web.Request, handler: _Handle) -> web.StreamResponse:
        try:
            self._admit(request)
            return await handler(request)
        except Rejected as e:
            rejected = e
        except StoreUnavailable as e:
            rejected = Rejected("store-unavailable", f"{e}; try again", headers={"Retry-After": "1"})
        except web.HTTPMethodNotAllowed as e:
            allowed = ", ".join(sorted(e.allowed_methods))
            rejected = Rejected("method-not-allowed", f"this path takes {allowed}", headers={"Allow": allowed})
        except web.HTTPException as e:
            kind = "not-found" if e.status == 404 else "bad-request" if e.status < 500 else "internal"
            rejected = Rejected(kind, f"there is no path {request.path[:200]}" if e.status == 404 else e.reason)
        return problem.response(rejected, request.path)


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """Sets the headers of every answer. An answer that aiohttp made of an unforeseen error becomes a problem too."""
    response.headers.update(SECURITY_HEADERS)
    if (cache := request.get(CACHE)) is not None:
        response.headers.update({"Cache-Control": cache, "Content-Security-Policy": POLICY})
    if response.status == 500 and response.content_type == "text/plain" and isinstance(response, web.Response):
        made = problem.response(Rejected("internal", "the log of the daemon says more"), request.path)
        assert isinstance(made.body, bytes)
        response.content_type, response.charset, response.body = problem.CONTENT_TYPE, None, made.body
        response.headers["Content-Length"] = str(len(made.body))
