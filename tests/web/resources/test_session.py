"""Sign-in with a token: a cookie that no script reads, that ends with its token, and that no other page can use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from monitor.core.schema import read
from monitor.web import sessions
from monitor.web.app import Server
from monitor.web.auth import Tokens
from monitor.web.guessing import MOST_FAILURES
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.sse import stream
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
CHANGE = {sessions.CSRF_HEADER: "monitor"}


def config(**secrets: str) -> WebConfig:
    named = secrets or {"ops": "s-ops", "acme": "s-acme"}
    tokens = [
        {"name": name, "role": "operator" if name == "ops" else "viewer", "secret": secret}
        | ({"scope": {"borrower": "ACME"}} if name == "acme" else {})
        for name, secret in named.items()
    ]
    return read(WebConfig, {"tokens": tokens, "port": 0})


@asynccontextmanager
async def daemon(desk: WebDesk, of: WebConfig) -> AsyncIterator[tuple[Server, str]]:
    server = Server(of, desk.handed_over())
    host, port = await server.start()
    try:
        yield server, f"http://{host}:{port}"
    finally:
        await server.stop()


def browser(url: str) -> Session:
    """A client that keeps cookies, also of an address without a name."""
    return Session(base_url=url, cookie_jar=aiohttp.CookieJar(unsafe=True))


async def sign_in(http: Session, token: str = "s-ops", **headers: str) -> tuple[int, dict[str, Any], Any]:
    return await ask(http, "POST", "/v1/session", {"token": token}, **headers)


async def test_a_cookie_stands_for_the_token(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (_, url), browser(url) as http:
        assert (await ask(http, "GET", "/v1/session"))[0] == 401
        status, headers, who = await sign_in(http)
        assert status == 200, who
        cookie = headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
            assert part in cookie
        assert "Secure" not in cookie
        assert "s-ops" not in cookie
        status, _, who = await ask(http, "GET", "/v1/session")
        assert who == {
            "name": "ops",
            "role": "operator",
            "may": ["operate", "read"],
            "scope": {},
            "zone": None,
            "tokens": True,
            "cookie": True,
            "until": "2026-03-03T00:00:00.000Z",
        }
        assert (await ask(http, "GET", "/v1/groups"))[0] == 200
        assert (await ask(http, "GET", "/v1/audit"))[0] == 403


async def test_the_cookie_is_secure_where_the_page_came_by_https(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (_, url), browser(url) as http:
        host = url.removeprefix("http://")
        status, headers, _ = await sign_in(http, Origin=f"https://{host}", Host=host)
        assert status == 200
        assert "Secure" in headers["Set-Cookie"]


async def test_a_change_by_cookie_needs_a_header_that_no_other_page_can_send(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (_, url), browser(url) as http:
        await sign_in(http)
        body = {"match": {"type": "price.*"}, "until": "2026-03-02T14:00:00Z", "reason": "x"}
        status, _, problem = await ask(http, "POST", "/v1/silences", body)
        assert (status, problem["type"]) == (403, "urn:loan-monitor:cross-origin")
        assert (await ask(http, "POST", "/v1/silences", body, **CHANGE, Origin="http://evil.example"))[0] == 403
        assert (await ask(http, "POST", "/v1/silences", body, **CHANGE))[0] == 201
        assert (await ask(http, "POST", "/v1/silences", body, Authorization="Bearer s-ops"))[0] == 201
        (by,) = {s.by for s in desk.risk.silences}
        assert by == "ops"


async def test_roles_and_scopes_hold_for_a_cookie_as_well(desk: WebDesk) -> None:
    async with daemon(desk, config(boss="s-boss", acme="s-acme")) as (_, url), browser(url) as http:
        for id_, borrower in (("G-1", "ACME"), ("G-2", "OTHER")):
            desk.handle(put(desk, id_, borrower))
        assert (await sign_in(http, "s-acme"))[2]["scope"] == {"borrower": "ACME"}
        assert [g["id"] for g in (await ask(http, "GET", "/v1/groups"))[2]["items"]] == ["G-1"]
        assert (await ask(http, "GET", "/v1/groups/G-2"))[0] == 404
        assert (await ask(http, "DELETE", "/v1/silences/x", **CHANGE))[0] == 403


def put(desk: WebDesk, id_: str, borrower: str) -> Any:
    from monitor.core.events.events import GroupPut
    from monitor.core.loans.group import parse_line

    stated = line(id_, labels={"borrower": borrower})
    return GroupPut(desk.clock.now, parse_line(stated, desk.clock.now, desk.rules.products), "api")


async def test_signing_out_ends_the_session_and_its_streams(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (server, url), browser(url) as http, browser(url) as other:
        await sign_in(http)
        await sign_in(other)
        cookie = http.cookie_jar.filter_cookies(URL(url))[sessions.COOKIE].value
        async with stream(http) as mine, stream(other):
            await mine.next()
            assert (await ask(http, "DELETE", "/v1/session"))[0] == 403
            status, headers, _ = await ask(http, "DELETE", "/v1/session", **CHANGE)
            assert status == 204
            assert sessions.COOKIE in headers["Set-Cookie"]
            await until(lambda: len(server.site.hub.clients) == 1)
        async with Session(base_url=url, cookies={sessions.COOKIE: cookie}) as thief:
            assert (await ask(thief, "GET", "/v1/session"))[0] == 401
        assert (await ask(other, "GET", "/v1/session"))[0] == 200


async def until(holds: Any) -> None:
    import asyncio

    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # what it waits for happens on the other side of a socket
            await asyncio.sleep(0.01)


async def test_a_session_ends_after_twelve_hours_and_so_do_its_streams(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (server, url), browser(url) as http:
        await sign_in(http)
        async with stream(http) as reader:
            await reader.next()
            desk.clock.now += timedelta(hours=12)
            await until(lambda: not server.site.hub.clients)
        assert (await ask(http, "GET", "/v1/groups"))[0] == 401


async def test_a_session_goes_with_its_token_and_follows_its_role(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (server, url), browser(url) as http:
        await sign_in(http)
        changed = [msgspec.structs.replace(t, role="admin") if t.name == "ops" else t for t in config().tokens]
        server.use_tokens(Tokens(changed))
        assert (await ask(http, "GET", "/v1/session"))[2]["role"] == "admin"
        server.use_tokens(Tokens(config(ops="another", acme="s-acme").tokens))
        assert (await ask(http, "GET", "/v1/session"))[0] == 401
        server.use_tokens(Tokens(config().tokens))
        assert (await ask(http, "GET", "/v1/session"))[0] == 401, "what was signed out stays so"


async def test_other_tokens_end_only_the_sessions_and_streams_of_what_changed(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (server, url), browser(url) as ops, browser(url) as acme:
        await sign_in(ops)
        await sign_in(acme, "s-acme")
        async with stream(ops) as gone, stream(acme) as stays:
            await gone.next()
            await stays.next()
            server.use_tokens(Tokens(config(ops="rotated", acme="s-acme").tokens))
            await until(lambda: len(server.site.hub.clients) == 1)
            assert [client.caller.name for client in server.site.hub.clients] == ["acme"]
            assert (await ask(acme, "GET", "/v1/session"))[0] == 200
            server.use_tokens(Tokens(config().tokens))
            assert (await ask(ops, "GET", "/v1/session"))[0] == 401, "what was signed out stays so, unasked too"
            narrower = [msgspec.structs.replace(t, scope={"borrower": "B"}) for t in config().tokens]
            server.use_tokens(Tokens(narrower))
            await until(lambda: not server.site.hub.clients)


async def test_without_tokens_a_reload_ends_no_stream(desk: WebDesk) -> None:
    async with daemon(desk, WebConfig(port=0)) as (server, url), browser(url) as http, stream(http) as reader:
        await reader.next()
        (client,) = server.site.hub.clients
        server.use_tokens(Tokens(()))
        assert not client.is_over
        server.use_tokens(Tokens(config().tokens))
        assert client.is_over


async def test_whoever_guesses_must_wait_and_the_right_token_passes(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (_, url), browser(url) as http:
        for _ in range(MOST_FAILURES):
            assert (await sign_in(http, "wrong"))[0] == 401
        status, headers, problem = await sign_in(http, "wrong")
        assert (status, problem["type"]) == (429, "urn:loan-monitor:too-many-failures")
        assert 0 < int(headers["Retry-After"]) <= 60
        assert problem["retry_after_s"] == int(headers["Retry-After"])
        assert (await sign_in(http))[0] == 200, "a stranger locks nobody out"
        desk.clock.now += timedelta(seconds=61)
        assert (await sign_in(http, "wrong"))[0] == 401


async def test_a_token_is_signed_in_at_a_bounded_number_of_browsers(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (_, url), browser(url) as first, browser(url) as http:
        await sign_in(first)
        for _ in range(sessions.MOST_PER_TOKEN - 1):
            await sign_in(http)
        assert (await ask(first, "GET", "/v1/session"))[0] == 200
        await sign_in(http)
        assert (await ask(first, "GET", "/v1/session"))[0] == 401
        assert (await ask(http, "GET", "/v1/session"))[0] == 200


async def test_without_tokens_nobody_needs_to_sign_in(desk: WebDesk) -> None:
    async with daemon(desk, WebConfig(port=0)) as (_, url), browser(url) as http:
        status, headers, who = await sign_in(http, "anything")
        assert (status, who["name"], who["tokens"]) == (200, "loopback", False)
        assert "Set-Cookie" not in headers
        assert (await ask(http, "GET", "/v1/session"))[2]["role"] == "admin"


async def test_a_sign_in_that_says_nothing_is_refused(desk: WebDesk) -> None:
    async with daemon(desk, config()) as (_, url), browser(url) as http:
        for body, status in (({}, 422), ({"token": 5}, 422), ([], 400)):
            assert (await ask(http, "POST", "/v1/session", body))[0] == status
