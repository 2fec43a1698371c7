"""A trusted proxy says in headers who asks. Nobody else can, and a page elsewhere changes nothing in a person's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.core.schema import Invalid, read
from monitor.web.app import Server
from monitor.web.live import Limits
from monitor.web.people import LASTS
from monitor.web.sessions import CSRF_HEADER
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.sse import stream
from tests.web.test_admission import ask

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
BETWEEN = "what-the-proxy-and-the-monitor-share"
GROUPS = [
    {"name": "risk-admins", "role": "admin"},
    {"name": "risk-desk", "role": "operator"},
    {"name": "acme", "role": "viewer", "scope": {"borrower": "ACME"}},
]
ANNA = {"X-Forwarded-User": "anna", "X-Forwarded-Groups": "staff, risk-desk"}
PROXY, STRANGER = "127.0.0.1", "127.0.0.2"


def configured(folder: Path, **more: Any) -> WebConfig:
    tokens = [{"name": "anna", "role": "admin", "secret": SECRET}]
    stated = {"tokens": tokens, "trusted_proxies": [PROXY], "proxy_auth": {"groups": GROUPS, **more}}
    config: WebConfig = read(WebConfig, stated, "web", folder)
    return config


@asynccontextmanager
async def client(url: str, address: str = PROXY) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody at an address of this machine."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(base_url=url, connector=connector) as session:
        yield session


async def test_the_proxys_word_counts_and_its_groups_decide(desk: WebDesk, tmp_path: Path) -> None:
    async with serving(desk, configured(tmp_path, sign_out_url="/oauth2/sign_out")) as url, client(url) as http:
        for id_, borrower in (("G-1", "ACME"), ("G-2", "OTHER")):
            assert (await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, labels={"borrower": borrower}), **OPS))[
                0
            ] == 201
        who = (await ask(http, "GET", "/v1/session", **ANNA))[2]
        assert (who["name"], who["role"], who["cookie"]) == ("sso:anna", "operator", False)
        assert who["sign_out_url"] == "/oauth2/sign_out"
        assert (await ask(http, "GET", "/v1/audit", **ANNA))[0] == 403
        acme = ANNA | {"X-Forwarded-Groups": "acme"}
        assert [row["id"] for row in (await ask(http, "GET", "/v1/groups", **acme))[2]["items"]] == ["G-1"]
        status, _, problem = await ask(http, "GET", "/v1/groups", **(ANNA | {"X-Forwarded-Groups": "Risk-Desk"}))
        assert (status, "anna is in no group" in problem["detail"]) == (403, True)
        assert (await ask(http, "GET", "/v1/groups", **{"X-Forwarded-User": "anna"}))[0] == 403


OPS = {"Authorization": f"Bearer {SECRET}"}


async def test_nobody_else_says_who_asks(desk: WebDesk, tmp_path: Path) -> None:
    async with serving(desk, configured(tmp_path)) as url, client(url, STRANGER) as http:
        for said in (ANNA, ANNA | {"X-Forwarded-For": PROXY}):
            assert (await ask(http, "GET", "/v1/groups", **said))[0] == 401
        assert (await ask(http, "GET", "/v1/groups", **ANNA, **OPS))[0] == 200, "a token is one from wherever it comes"


async def test_a_secret_tells_the_proxy_from_others_at_its_address(desk: WebDesk, tmp_path: Path) -> None:
    (tmp_path / "between").write_text(BETWEEN)
    async with serving(desk, configured(tmp_path, secret_file="between")) as url, client(url) as http:
        for given in ({}, {"X-Proxy-Secret": "guess"}, {"X-Proxy-Secret": ""}):
            assert (await ask(http, "GET", "/v1/groups", **ANNA, **given))[0] == 401
        assert (await ask(http, "GET", "/v1/groups", **ANNA, **{"X-Proxy-Secret": BETWEEN}))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-User", "anna"), ("X-Forwarded-User", "root"), ("X-Forwarded-Groups", "risk-desk")],
        [("X-Forwarded-User", "anna"), ("X-Forwarded-Groups", "risk-desk"), ("X-Forwarded-Groups", "risk-admins")],
        [("X-Forwarded-User", " "), ("X-Forwarded-Groups", "risk-desk")],
        [("X-Forwarded-User", "a" * 129), ("X-Forwarded-Groups", "risk-desk")],
    ],
    ids=["two people", "groups twice", "nobody", "an endless name"],
)
async def test_a_word_that_is_not_plain_is_refused(
    desk: WebDesk, tmp_path: Path, headers: list[tuple[str, str]]
) -> None:
    """A proxy that adds its header to that of the browser would let everybody choose a name."""
    async with (
        serving(desk, configured(tmp_path)) as url,
        client(url) as http,
        http.get("/v1/groups", headers=headers) as answer,
    ):
        assert answer.status == 403


async def test_a_page_elsewhere_changes_nothing_in_a_persons_name(desk: WebDesk, tmp_path: Path) -> None:
    """The proxy knows the person by a cookie of its own, which a browser sends along whoever makes it ask."""
    body = {"match": {"type": "price.*"}, "until": "2026-03-02T14:00:00Z", "reason": "x"}
    mine = ANNA | {CSRF_HEADER: "monitor"}
    async with serving(desk, configured(tmp_path)) as url, client(url) as http:
        assert (await ask(http, "POST", "/v1/silences", body, **ANNA))[0] == 403
        assert (await ask(http, "POST", "/v1/silences", body, **mine, Origin="https://evil.example"))[0] == 403
        assert (await ask(http, "POST", "/v1/silences", body, **mine))[0] == 201
    assert [s.by for s in desk.risk.silences] == ["sso:anna"]


async def test_a_person_with_the_name_of_a_token_is_not_taken_for_it(desk: WebDesk, tmp_path: Path) -> None:
    """Four eyes go by whose a token is."""
    desk.owners = {"anna": "Anna"}
    async with serving(desk, configured(tmp_path)) as url, client(url) as http:
        names = {(await ask(http, "GET", "/v1/session", **who))[2]["name"] for who in (ANNA, OPS)}
    assert names == {"sso:anna", "anna"}


async def test_a_stream_asks_the_proxy_again_after_an_hour(desk: WebDesk, tmp_path: Path) -> None:
    """The proxy may have signed its reader out meanwhile."""
    async with serving(desk, configured(tmp_path), Limits(tick_s=0.01)) as url, client(url) as http:
        http.headers.update(ANNA)
        async with stream(http) as reader:
            await reader.next()
            desk.clock.now += LASTS
            async with asyncio.timeout(5):
                while await reader.response.content.readany():
                    pass


async def test_another_word_of_the_configuration_ends_streams_of_people(desk: WebDesk, tmp_path: Path) -> None:
    config = configured(tmp_path)
    server = Server(config, desk.handed_over())
    host, port = await server.start()
    try:
        async with client(f"http://{host}:{port}") as http:
            http.headers.update(ANNA)
            async with stream(http) as reader:
                await reader.next()
                server.use_proxies(config)
                assert not [c for c in server.site.hub.clients if c.is_over]
                server.use_proxies(configured(tmp_path, groups=GROUPS[:1]))
                assert all(c.is_over for c in server.site.hub.clients)
            assert (await ask(http, "GET", "/v1/groups"))[0] == 403
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"groups": []}, "nobody may do anything"),
        ({"user_header": "Authorization"}, "Authorization"),
        ({"user_header": "x-forwarded-groups"}, "different"),
        ({"user_header": "X Forwarded"}, "user_header"),
        ({"sign_out_url": "javascript:alert(1)"}, "sign_out_url"),
        ({"sign_out_url": "//evil.example"}, "sign_out_url"),
    ],
)
def test_a_table_that_could_not_work_is_refused(more: dict[str, Any], word: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=word):
        configured(tmp_path, **more)


def test_it_needs_a_proxy_that_is_trusted_and_a_token() -> None:
    tokens = [{"name": "ops", "role": "admin", "secret": SECRET}]
    with pytest.raises(Invalid, match="trusted_proxies"):
        read(WebConfig, {"tokens": tokens, "proxy_auth": {"groups": GROUPS}})
    with pytest.raises(Invalid, match="needs a token"):
        read(WebConfig, {"trusted_proxies": [PROXY], "proxy_auth": {"groups": GROUPS}})
