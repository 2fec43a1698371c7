"""People use the monitor through real proxies, configured by the files of `deploy/`: they sign in, act, and see the stream."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from monitor.web.guessing import MOST_FAILURES
from monitor.web.page import FOLDER
from monitor.web.sessions import COOKIE
from tests.faults.house import ROOT
from tests.web.proxies import BLOCKS, PLAIN, SECRET, SIGNED_IN, Proxied, made_certificate, proxied, put
from tests.web.sse import Reader

PAGE = (ROOT / "docs" / "proxy.md").read_text()
ALL = [
    pytest.param("nginx", PLAIN, id="nginx-plain"),
    *(pytest.param(kind, text, id=f"{kind}-{i}") for i, (kind, text) in enumerate(BLOCKS)),
]


def test_the_page_of_documentation_shows_what_is_tried_here() -> None:
    """And Traefik's, which no test can try. Spaces at the beginning of a line, and the words at the head of a file, may differ."""
    told = [block for _, block in re.findall(r"```(nginx|caddy|yaml)\n(.*?)```", PAGE, re.DOTALL)]
    traefik = (ROOT / "deploy" / "traefik" / "loan-monitor.yml").read_text()
    tried = [text for _, text in BLOCKS] + [*SIGNED_IN.values(), traefik]
    assert sorted(map(bare, told)) == sorted(map(bare, tried))


def bare(text: str) -> list[str]:
    lines = [line.strip() for line in text.strip().splitlines()]
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    return lines[first:]


def test_there_is_a_configuration_with_and_without_a_path_for_both() -> None:
    assert [(kind, "/monitor/" in text) for kind, text in BLOCKS] == [
        ("nginx", False),
        ("nginx", True),
        ("caddy", False),
        ("caddy", True),
    ]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return made_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(("kind", "text"), ALL)
@pytest.mark.parametrize("of_today", [True, False], ids=["of-today", "older"])
async def test_people_sign_in_act_and_sign_out(
    kind: str, text: str, of_today: bool, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """A browser of today says `Sec-Fetch-Site`; for an older one the configuration names the address."""
    async with (
        proxied(kind, text, certificate, tmp_path, public_url=not of_today) as (there, _),
        there.person() as http,
    ):
        headers = {"Origin": there.origin} | ({"Sec-Fetch-Site": "same-origin"} if of_today else {})
        async with http.post("v1/session", json={"token": SECRET}, headers=headers) as signed_in:
            assert signed_in.status == 200, await signed_in.text()
            cookie = signed_in.cookies[COOKIE]
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Strict", "/")
        acting = {**headers, "X-Requested-With": "monitor"}
        async with http.get("v1/session") as who:
            assert (await who.json())["name"] == "ops"
        evil = {**acting, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        async with http.delete("v1/session", headers=evil) as elsewhere:
            assert elsewhere.status == 403
        async with http.delete("v1/session", headers=headers) as forged:
            assert forged.status == 403, "a change by a cookie needs the header that no other page can send"
        async with http.delete("v1/session", headers=acting) as signed_out:
            assert signed_out.status == 204
        async with http.get("v1/session") as who:
            assert who.status == 401


@pytest.mark.parametrize(("kind", "text"), ALL)
async def test_an_id_of_any_characters_comes_through(
    kind: str, text: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    async with proxied(kind, text, certificate, tmp_path) as (there, _), there.person() as http:
        for id_ in ("G/1#2", "a//b", "50%25", "x?&+;=", "{a}^~|"):
            await put(http, id_)
            path = URL(f"v1/groups/{quote(id_, safe='')}", encoded=True)
            async with http.get(path, headers={"Authorization": f"Bearer {SECRET}"}) as found:
                assert (await found.json())["id"] == id_
        async with http.get("v1/groups?limit=2&q=a//b", headers={"Authorization": f"Bearer {SECRET}"}) as listed:
            assert [row["id"] for row in (await listed.json())["items"]] == ["a//b"]


@pytest.mark.parametrize(("kind", "text"), ALL)
async def test_the_stream_arrives_while_it_is_written(
    kind: str, text: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """Every event comes within a second, and something comes before a proxy takes the line for dead."""
    async with proxied(kind, text, certificate, tmp_path) as (there, desk), there.person() as http:
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with http.get("v1/stream?after=0", headers=headers) as response:
            assert response.status == 200
            reader = Reader(response)
            await reader.next("status")
            for i in range(3):
                desk.notice("book.refused", f"line {i}")
                async with asyncio.timeout(1):
                    told = await reader.next("alert")
                assert told.data["data"]["subject"] == f"line {i}"
            for _ in range(2):
                async with asyncio.timeout(3):
                    await reader.next("status")


@pytest.mark.parametrize(("kind", "text"), ALL)
async def test_the_page_and_what_it_needs_are_there(
    kind: str, text: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    if not (FOLDER / "index.html").is_file():
        pytest.skip("the page is not built; make setup does it where node and npm are")
    async with proxied(kind, text, certificate, tmp_path) as (there, _), there.person() as http:
        async with http.get(there.url) as page:
            assert page.status == 200
            html = await page.text()
        needed = re.findall(r'(?:src|href)="([^"]+)"', html)
        assert {Path(each).suffix for each in needed} == {".svg", ".js", ".css"}
        for each in needed:
            async with http.get(urljoin(str(page.url), each)) as asset:
                assert asset.status == 200, each


@pytest.mark.parametrize(("kind", "text"), [p for p in ALL if p.id != "nginx-plain"])
async def test_a_guesser_behind_a_trusted_proxy_locks_nobody_else_out(
    kind: str, text: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    async def tried(there: Proxied, address: str, token: str, **headers: str) -> int:
        said = {"Origin": there.origin, **headers}
        async with (
            there.person(address) as http,
            http.post("v1/session", json={"token": token}, headers=said) as answer,
        ):
            return answer.status

    async with proxied(kind, text, certificate, tmp_path, trusted_proxies=["127.0.0.1"]) as (there, _):
        guesses = [await tried(there, "127.0.0.2", "guess") for _ in range(MOST_FAILURES + 1)]
        assert guesses == [401] * MOST_FAILURES + [429]
        assert await tried(there, "127.0.0.2", "guess", **{"X-Forwarded-For": "203.0.113.9"}) == 429
        assert await tried(there, "127.0.0.3", "guess") == 401
        assert await tried(there, "127.0.0.2", SECRET) == 200, "the right token passes from there too"


async def test_over_http_2_the_same(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """By curl, as aiohttp does not speak it."""
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    kind, text = BLOCKS[0]
    async with proxied(kind, text, certificate, tmp_path, public_url=False) as (there, _):
        host = urlsplit(there.url)
        command = ["curl", "-sS", "--http2", "--noproxy", "*", "--cacert", str(certificate[0])]
        command += ["--resolve", f"{host.hostname}:{host.port}:127.0.0.1", "-H", f"Origin: {there.origin}"]
        command += ["-H", "Content-Type: application/json", "-d", f'{{"token": "{SECRET}"}}']
        command += ["-o", os.devnull, "-w", "%{http_version} %{http_code}", f"{there.url}/v1/session"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
    assert out.decode() == "2 200"


BETWEEN = "what-the-proxy-and-the-monitor-share"


@asynccontextmanager
async def service() -> AsyncIterator[str]:
    """A service that signs people in, as oauth2-proxy answers: whose cookie it knows it names, with their groups."""

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path != "/oauth2/auth":
            return web.Response(text=f"sign in at {request.path}")
        if request.cookies.get("_oauth2_proxy") != "anna":
            return web.Response(status=401)
        return web.Response(
            status=202,
            headers={"X-Auth-Request-Email": "anna@desk.example", "X-Auth-Request-Groups": "staff,risk-desk"},
        )

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", SIGNED_IN)
async def test_a_service_before_the_proxy_says_who_asks_and_nobody_else_does(
    kind: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    assert BETWEEN in SIGNED_IN[kind]
    (tmp_path / "between").write_text(BETWEEN)
    table = {"secret_file": "between", "groups": [{"name": "risk-desk", "role": "operator"}]}
    forged = {
        "X-Forwarded-User": "root",
        "X-Forwarded-Groups": "risk-desk",
        "X-Proxy-Secret": BETWEEN,
        "X-Auth-Request-Email": "root@desk.example",
    }
    quiet = {"match": {"type": "price.*"}, "until": "2026-03-02T14:00:00Z", "reason": "x"}
    async with (
        service() as there,
        proxied(
            kind,
            SIGNED_IN[kind],
            certificate,
            tmp_path,
            service=there,
            trusted_proxies=["127.0.0.1"],
            proxy_auth=table,
        ) as (proxy, desk),
        proxy.person() as http,
        aiohttp.ClientSession(base_url=proxy.upstream) as past,
    ):
        for headers in ({}, forged):
            async with http.get("v1/session", headers=headers, allow_redirects=False) as answer:
                assert answer.status == 401, "the service knows nobody"
            async with http.get(proxy.url + "/", headers=headers, allow_redirects=False) as page:
                assert (page.status, urlsplit(page.headers["Location"]).path) == (302, "/oauth2/start")
        async with http.get("oauth2/start") as start:
            assert await start.text() == "sign in at /oauth2/start"
        http.cookie_jar.update_cookies({"_oauth2_proxy": "anna"}, URL(proxy.url))
        for headers in ({}, forged):
            async with http.get("v1/session", headers=headers) as answer:
                who = await answer.json()
                assert (who["name"], who["role"]) == ("sso:anna@desk.example", "operator")
        for headers, status in (({}, 403), ({"X-Requested-With": "monitor", "Origin": proxy.origin}, 201)):
            async with http.post("v1/silences", json=quiet, headers=headers) as answer:
                assert answer.status == status, await answer.text()
        assert [s.by for s in desk.risk.silences] == ["sso:anna@desk.example"]
        async with past.get("/v1/session", headers=forged | {"X-Proxy-Secret": "guess"}) as answer:
            assert answer.status == 401, "past the proxy a name alone says nothing"
