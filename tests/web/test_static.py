"""The page is served with a strict policy, and without it the daemon says how to build it."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from monitor.web import static
from tests.web.desk import Desk, serving


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(static.add_page, "__defaults__", (tmp_path,))
    return tmp_path


async def fetch(desk: Desk, path: str) -> tuple[int, str, aiohttp.typedefs.LooseHeaders]:
    async with serving(desk) as url, aiohttp.ClientSession() as session, session.get(url + path) as response:
        return response.status, await response.text(), response.headers


async def test_the_page_may_load_nothing_but_itself(desk: Desk, folder: Path) -> None:
    (folder / "index.html").write_text("<!doctype html>the page")
    status, text, headers = await fetch(desk, "/")
    assert (status, text, headers["Content-Type"]) == (200, "<!doctype html>the page", "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-cache", "nosniff")


async def test_files_named_by_their_content_are_kept_for_ever(desk: Desk, folder: Path) -> None:
    (folder / "assets").mkdir()
    (folder / "assets/index-1a2b.js").write_text("1")
    _, _, headers = await fetch(desk, "/assets/index-1a2b.js")
    assert headers["Cache-Control"] == static.KEPT_FOR_EVER
    assert headers["Content-Type"] == "text/javascript"


@pytest.mark.parametrize("path", ["/assets/../../static.py", "/assets/%2e%2e/%2e%2e/static.py", "/static.py"])
async def test_only_files_of_the_page_are_served(desk: Desk, folder: Path, path: str) -> None:
    status, _, _ = await fetch(desk, path)
    assert status == 404


async def test_without_a_page_the_daemon_says_how_to_build_it(desk: Desk, folder: Path) -> None:
    status, text, _ = await fetch(desk, "/")
    assert status == 200
    assert "make setup" in text
