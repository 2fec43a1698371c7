"""People use the monitor through real proxies, configured as docs/proxy.md says: they sign in, act, and see the stream."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from yarl import URL

from monitor.web.guessing import MOST_FAILURES
from monitor.web.page import FOLDER
from monitor.web.sessions import COOKIE
from tests.web.proxies import BLOCKS, PLAIN, SECRET, Proxied, made_certificate, proxied, put
from tests.web.sse import Reader

ALL = [
    pytest.param("nginx", PLAIN, id="nginx-plain"),
    *(pytest.param(kind, text, id=f"{kind}-{i}") for i, (kind, text) in enumerate(BLOCKS)),
]


def test_the_page_of_documentation_has_a_configuration_with_and_without_a_path_for_both() -> None:
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
