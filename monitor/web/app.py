"""The HTTP server: admits or turns away each request, and answers every failure as a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from multidict import MultiDict

from monitor import descriptors
from monitor.ack_links import PATH
from monitor.addresses import networks_of
from monitor.core.portfolio.group_list import BadCursor
from monitor.core.schema import Invalid
from monitor.secret_files import BadSecret
from monitor.stores._base import StoreUnavailable
from monitor.telemetry import log
from monitor.web import borrowers
from monitor.web.ack_page import HEADERS, AckPage
from monitor.web.auth import LOOPBACK, NOBODY, OPEN, SAFE_METHODS, Caller, Tokens, is_local_host, is_same_origin
from monitor.web.connections import HEALTH_PATHS, GuardedConnection, Port, PortLimits
from monitor.web.contract import routes
from monitor.web.head import add_head
from monitor.web.http import MAX_BYTES, PROBLEM_MEDIA, Query, Rejected, check_no_body, invalid, json_response
from monitor.web.live import Limits
from monitor.web.packing import pack
from monitor.web.page import CACHE, POLICY, PageFiles
from monitor.web.peer_log import peer_logger
from monitor.web.proxy import asked_host, client_of
from monitor.web.sessions import COOKIE, CSRF_HEADER
from monitor.web.site import Call, Endpoint, Reply, Site, opened
from monitor.web.view import Daemon
from monitor.web_table import WebConfig, check_bind

HEALTH_CONNECTIONS = 64
"""On a port that only answers about health: a probe and a scraper have one each."""
SHUTDOWN_S = 2.0
"""Requests under way have this long at a stop; the daemon as a whole has 10 s."""
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
        self, config: WebConfig, daemon: Daemon, limits: Limits | None = None, page: PageFiles | None = None
    ) -> None:
        """Raises web_table.UnsafeBind, and schema.Invalid for tokens that cannot be used."""
        check_bind(config.host, config.tokens)
        self._config = config
        self._daemon = daemon
        self._page = page or PageFiles(languages=config.languages)
        self.site = Site(config, daemon, limits)
        self._runner: web.AppRunner | None = None
        self._listening: list[asyncio.Server] = []
        limits_of_port = PortLimits(most=descriptors.for_connections(config.max_connections))
        trusted = self.site.trusted_proxies
        self.port = Port(limits_of_port, daemon.clock, daemon.metrics, trusted)
        self._health = Port(PortLimits(most=HEALTH_CONNECTIONS), daemon.clock, daemon.metrics, trusted, is_health=True)
        self._tasks: list[asyncio.Task[None]] = []

    def use_tokens(self, tokens: Tokens) -> None:
        """Takes other tokens at once. Sessions and streams of those that are gone or changed end; all others go on."""
        if not tokens and not self.site.tokens:
            return
        stay = tokens.names_in(self.site.tokens)
        self.site.tokens = tokens
        self.site.sessions.end_without(tokens)
        self.site.hub.disconnect(lambda caller: not caller.is_person and caller.name not in stay)

    def use_proxies(self, config: WebConfig) -> None:
        """Goes by another public address, other trusted proxies, other quotas and another sign-in at once."""
        try:
            self.site.use_sign_in(config)  # also where the tables are as before: a secret in a file may be another
        except BadSecret as e:
            log.error("the sign-in goes on as it was; reload again", reason=str(e))
        if self._signs_in_by(config) != self._signs_in_by(self._config):
            self.site.hub.disconnect(lambda caller: caller.is_person)
        self._config = config
        self.site.trusted_proxies = networks_of(config.trusted_proxies)
        self.port.trusted = self._health.trusted = self.site.trusted_proxies
        self.site.quotas.config = config.quotas

    @staticmethod
    def _signs_in_by(config: WebConfig) -> tuple[Any, ...]:
        return config.oidc, config.proxy_auth, config.public_url, config.trusted_proxies

    async def start(self) -> tuple[str, int]:
        """Binds and serves. Returns the host and the port that it bound. Raises OSError."""
        await self.site.take_key()
        app = web.Application(middlewares=[self._answer], client_max_size=MAX_BYTES)
        for route in routes():
            # An id may hold any printable character; aiohttp's default would stop at braces.
            app.router.add_route(route.method, route.path.replace("{id}", "{id:[^/]+}"), self._guarded(route))
        self._page.add(app)
        AckPage(self.site).add(app)
        if self._daemon.head is not None:
            add_head(app, self._daemon.head)
        app.on_response_prepare.append(_finish)
        if self.port.limits.most < self._config.max_connections:
            most = {"wanted": self._config.max_connections, "most": self.port.limits.most}
            log.warning("web.max_connections is more than half of the descriptors; raise their limit", **most)
        logger = peer_logger(self._daemon.clock)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S, logger=logger
        )
        await self._runner.setup()
        address = await self._listen(self.port, self._config.port)
        parts = {
            "stream's heartbeat": self.site.hub.run(),
            "history of LTV": self.site.ltv.run(),
            "watch over connections": self.port.run(),
        }
        if self._config.health_port is not None:
            self.health_address = await self._listen(self._health, self._config.health_port)
            log.info("health and metrics have a port of their own", port=self.health_address[1])
            parts["watch over connections to the port of health"] = self._health.run()
        for name, work in parts.items():
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(self._part_ended)
            self._tasks.append(task)
        return address

    async def _listen(self, port: Port, number: int) -> tuple[str, int]:
        """Binds one port. Returns the host and the port that it bound. Raises OSError."""
        assert self._runner is not None
        assert self._runner.server is not None
        server = await port.listen(self._runner.server, self._config.host, number)
        self._listening.append(server)
        host, bound = server.sockets[0].getsockname()[:2]
        return host, bound

    async def stop(self) -> None:
        """Ends all streams, then closes what is open."""
        for task in self._tasks:
            task.cancel()
        self.site.hub.close()
        for server in self._listening:
            server.close()
        await self.site.ltv.flush()
        if self._runner is not None:
            await self._runner.cleanup()

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        """The daemon is not ready then: a stream without its heartbeat looks alive and is not, and neither is the history."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._daemon.health.set("web", f"the {task.get_name()} stopped: {error!r}; restart the daemon")
            log.error("web_part_stopped", part=task.get_name(), error=repr(error))

    def _guarded(self, route: Endpoint) -> _Handle:
        async def handle(request: web.Request) -> web.StreamResponse:
            caller = self._caller(request, route)
            request[_WHO] = caller.name
            call = Call(request, caller, self._query(request, route, caller), self.site)
            if not route.params:
                call.query.done()
            if route.body is None and request.can_read_body:
                await check_no_body(request, [param.name for param in route.params])
            return _response(_for_scope(await route.handler(call), call))

        return handle

    def _query(self, request: web.Request, route: Endpoint, caller: Caller) -> Query:
        """The query, with the cursor that a token with a scope sends as its list wrote it. Raises Rejected."""
        values = request.query
        if caller.scope and len(values.getall("after", ())) == 1:
            values = MultiDict(values)
            values["after"] = opened(values["after"], request, caller, self.site.seals)
        return Query(values, route.params)

    def _caller(self, request: web.Request, route: Endpoint) -> Caller:
        """Who asks. Raises Rejected for a caller who may not."""
        tokens = self.site.tokens
        if not tokens:
            return LOOPBACK
        header = request.headers.get("Authorization")
        if header is not None:
            caller = tokens.caller(header)
            if caller is None:
                self.site.failures.count(client_of(request, self.site.trusted_proxies))
        else:
            caller = self._browser(request, tokens)
        if route.needs == OPEN:
            return caller or NOBODY
        if caller is None:
            detail = "send the header Authorization: Bearer <token>, or sign in"
            raise Rejected("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
        if caller.is_browser and request.method not in SAFE_METHODS and CSRF_HEADER not in request.headers:
            raise Rejected("cross-origin", f"send the header {CSRF_HEADER}: monitor with every change by a cookie")
        if not caller.may(route.needs):
            raise Rejected("forbidden", f"role {caller.role} does not include {route.needs!r}, which this path needs")
        if caller.is_borrower and (route.method, route.path) not in borrowers.PATHS:
            raise Rejected("forbidden", "this is the desk's; a borrower's token reads groups, alerts, calls and prices")
        return caller

    def _browser(self, request: web.Request, tokens: Tokens) -> Caller | None:
        """Who asks without a token: by the word of the proxy, or by a cookie. Raises Rejected."""
        site = self.site
        if site.proxy_auth is not None:
            said = site.proxy_auth.caller(request, site.trusted_proxies, self._daemon.clock.utc())
            if said is not None:
                return said
        rows = () if site.oidc is None else site.oidc.config.groups
        return site.sessions.caller(request.cookies.get(COOKIE), tokens, rows)

    def _admit(self, request: web.Request) -> None:
        """Turns away what a full port has no room for, and what a page elsewhere makes a browser send. Raises Rejected."""
        guard = self._guard(request)
        if guard is not None and guard.is_for_health and request.path not in HEALTH_PATHS:
            why = "too many connections are open" if guard.is_spare else "this port answers only about health"
            raise Rejected("too-many-connections" if guard.is_spare else "not-found", why, after_s=5)
        host = request.headers.get("Host")
        if not self.site.tokens and not is_local_host(host):
            raise Rejected(
                "foreign-host", f"found Host {(host or '')[:60]!r}; without tokens only loopback names are answered"
            )
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        # Without tokens the Host header alone keeps a rebound name out, so what a browser says of itself does not count more.
        public_url = None
        said = site if site != "same-origin" else None
        if self.site.tokens:
            public_url, said = self._config.public_url, site
            host = asked_host(request, self.site.trusted_proxies) or host
        if request.method not in SAFE_METHODS and not is_same_origin(origin, said, host, public_url):
            raise Rejected("cross-origin", "a page of another origin may not change anything here")

    def _guard(self, request: web.Request) -> GuardedConnection | None:
        return self.port.guard_of(request) or self._health.guard_of(request)

    @web.middleware
    async def _answer(self, request: web.Request, handler: _Handle) -> web.StreamResponse:
        """Answers every failure with a problem, and logs each request in one line: its path, never its query."""
        start = self._daemon.clock.monotonic_s()
        status = 500
        guard = self._guard(request)
        if guard is not None:
            guard.begin()
        try:
            response = await self._answered(request, handler)
            pack(request, response)
            status = response.status
            if guard is not None and guard.is_spare:
                response.force_close()
            return response
        finally:
            if guard is not None:
                guard.end(request)
            log.debug(
                "request",
                method=request.method,
                path=PATH if request.path.startswith(PATH) else request.path,  # a link's token stands in no log
                status=status,
                who=request.get(_WHO),
                took_ms=round((self._daemon.clock.monotonic_s() - start) * 1000, 3),
            )

    async def _answered(self, request: web.Request, handler: _Handle) -> web.StreamResponse:
        try:
            self._admit(request)
            return await handler(request)
        except Rejected as e:
            rejected = e
        except Invalid as e:
            rejected = invalid(e.problems)
        except BadCursor as e:
            rejected = Rejected("bad-cursor", f"after {e}")
        except StoreUnavailable as e:
            rejected = Rejected("store-unavailable", f"{e}; try again", after_s=1)
        except web.HTTPMethodNotAllowed as e:
            # A path such as /v1/deliveries/retry reads as one with an id too, by which it is nothing.
            own = {route.method for route in routes() if route.path == request.path}
            allowed = ", ".join(sorted(own or e.allowed_methods))
            rejected = Rejected("method-not-allowed", f"this path takes {allowed}", headers={"Allow": allowed})
        except web.HTTPException as e:
            kind = "not-found" if e.status == 404 else "bad-request" if e.status < 500 else "internal"
            rejected = Rejected(kind, f"there is no path {request.path[:200]}" if e.status == 404 else e.reason)
        return rejected.response(request.path)


def _for_scope(answer: Any, call: Call) -> Any:
    """The answer as the caller gets it: where its list goes on, only a token of the same scope can read."""
    if not call.caller.scope:
        return answer
    body = answer.body if isinstance(answer, Reply) else answer
    following = getattr(body, "next", None)
    if following is None:
        return answer
    body = msgspec.structs.replace(body, next=call.seal(following))
    return answer._replace(body=body) if isinstance(answer, Reply) else body


def _response(answer: Any) -> web.StreamResponse:
    """What a handler returned, as it is sent."""
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, Reply):
        return json_response(*answer)
    return json_response(answer)


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """Sets the headers of every answer, and makes a problem of the answer that aiohttp gives to an unforeseen error."""
    response.headers.update(SECURITY_HEADERS)
    response.headers.update(request.get(HEADERS, {}))
    if (cache := request.get(CACHE)) is not None:
        response.headers.update({"Cache-Control": cache, "Content-Security-Policy": POLICY})
    if response.status == 500 and response.content_type == "text/plain" and isinstance(response, web.Response):
        made = Rejected("internal", "the log of the daemon says more").response(request.path)
        assert isinstance(made.body, bytes)
        response.content_type = PROBLEM_MEDIA
        response.charset = None
        response.body = made.body
        response.headers["Content-Length"] = str(len(made.body))
