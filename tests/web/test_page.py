"""The files of the page: kept for ever by their hash, under a strict policy, and nothing else of the disk."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from monitor.web.page import POLICY, PageFiles
from monitor.web_table import PAGE_DRAFTS, WebConfig
from tests.web.desk import WebDesk, serving
from tests.web.resources.test_session import config

SCRIPT = "console.log('a script that is long enough to be worth packing')\n" * 20


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>WebDesk</title>")
    (folder / "assets" / "index-abc123.js").write_text(SCRIPT)
    (folder / "assets" / "index-abc123.js.map").write_text("{}")
    (tmp_path / "secret.html").write_text("secret")
    return folder


async def test_the_page_needs_no_token_and_lets_nothing_in_from_elsewhere(desk: WebDesk, built: Path) -> None:
    async with serving(desk, config(), page=PageFiles(built)) as url, aiohttp.ClientSession(url) as http:
        async with http.get("/?group=G-1") as r:
            assert (r.status, r.content_type) == (200, "text/html")
            assert r.headers["Content-Security-Policy"] == POLICY
            assert "unsafe" not in POLICY
            assert r.headers["Cache-Control"] == "no-cache"
            assert r.headers["X-Content-Type-Options"] == "nosniff"
            assert r.headers["Referrer-Policy"] == "no-referrer"
            assert "WebDesk" in await r.text()
        async with http.get("/assets/index-abc123.js") as r:
            assert r.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert r.headers["Content-Encoding"] == "gzip"
            assert int(r.headers["Content-Length"]) < len(SCRIPT) / 2
            assert await r.text() == SCRIPT
        async with http.get("/assets/index-abc123.js", headers={"Accept-Encoding": "identity"}) as r:
            assert "Content-Encoding" not in r.headers
            assert await r.text() == SCRIPT
        async with http.get("/v1/groups") as r:
            assert r.status == 401
            assert r.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    "path",
    ["/assets/none.js", "/assets/index-abc123.js.map", "/assets/..%2findex.html", "/assets/..%2f..%2fsecret.html"],
)
async def test_nothing_but_the_built_files_is_served(desk: WebDesk, built: Path, path: str) -> None:
    async with serving(desk, page=PageFiles(built)) as url, aiohttp.ClientSession(url) as http:
        from yarl import URL

        async with http.get(URL(url + path, encoded=True)) as r:
            assert (r.status, r.content_type) == (404, "application/problem+json")
            assert r.headers["Cache-Control"] == "no-store"


async def test_a_page_that_is_not_built_says_how(desk: WebDesk, tmp_path: Path) -> None:
    async with (
        serving(desk, page=PageFiles(tmp_path / "none")) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/") as r,
    ):
        assert (r.status, r.content_type) == (200, "text/plain")
        assert "make setup" in await r.text()


async def test_the_languages_that_are_offered_stand_in_the_page_itself(desk: WebDesk, built: Path) -> None:
    """Before anybody signed in, so that the sign-in speaks them too."""
    (built / "index.html").write_text("<!doctype html><html><head><title>WebDesk</title></head></html>")
    page = PageFiles(built, ("pl", "sv"))
    async with (
        serving(desk, config(), page=page) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/") as r,
    ):
        assert '<meta name="languages" content="pl sv" />' in await r.text()


def test_a_language_without_a_draft_is_refused() -> None:
    with pytest.raises(ValueError, match="languages: found 'de', expected one of: pl, pt, ru, sv"):
        WebConfig(languages=("de",))


def test_every_draft_of_the_page_can_be_offered() -> None:
    words = Path(__file__).parents[2] / "dashboard/src/words"
    files = {f.stem for f in words.glob("*.ts")}
    assert files - {"en", "say", "words.test"} == set(PAGE_DRAFTS)
