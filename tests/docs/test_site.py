"""The documents as a site: every link holds, and no page needs a network to be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import FLAGS, chromium
from tests.browser.reader import expect
from tests.docs.blocks import ROOT
from tools import docs_site

HARMLESS = """\
<html xmlns="http://www.w3.org/1999/xhtml"><head><link rel="canonical" href="https://desk.example/"><link rel="stylesheet" href="a.css">
</head><body><a href="https://desk.example/">a link that people follow</a><img src="a.png"><script>let s = "see https://desk.example";</script>
"""
REACHING = {
    "a.html": '<script src="https://cdn.example/a.js"></script>',
    "b.html": '<link rel="stylesheet" href="//fonts.example/css?family=Roboto">',
    "c.html": '<link rel="preconnect" href="https://fonts.example" crossorigin>',
    "d.html": '<p style="background: url(https://cdn.example/a.png)">',
    "e.html": '<script>fetch("https://api.example/stars")</script>',
    "f.html": "<style>@import 'https://cdn.example/a.css';</style>",
    "g.html": '<img srcset="https://cdn.example/a.png 2x" src="a.png">',
    "h.css": "@font-face { src: url(https://fonts.example/a.woff2) }",
    "i.js": 'const at = "https://cdn.example/mermaid.js";',
    "j.html": '<meta http-equiv="refresh" content="0; url=https://desk.example/">',
}


@pytest.mark.parametrize("name", REACHING)
def test_a_page_that_asks_another_machine_is_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(HARMLESS)
    assert list(docs_site.reaches_out(tmp_path)) == []
    (tmp_path / name).write_text(REACHING[name])
    (found,) = docs_site.reaches_out(tmp_path)
    assert found.startswith(f"{name}: ")


def test_every_link_of_the_documents_leads_somewhere(tmp_path: Path) -> None:
    docs_site.stage(ROOT, tmp_path)
    assert (tmp_path / "project" / "README.md").is_file()
    text = (tmp_path / "your-own-book.md").read_text()
    assert "](project/README.md)" in text


def test_a_link_that_leads_nowhere_is_no_site(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for page in docs_site.BESIDE:
        (root / page).parent.mkdir(parents=True, exist_ok=True)
        (root / page).write_text("")
    (root / "docs").mkdir()
    (root / "docs/index.md").write_text("[a](operations.md) [b](https://desk.example) [c](#here)")
    with pytest.raises(docs_site.NoSite, match=r"docs/index.md: links to operations.md, which is not there"):
        docs_site.stage(root, tmp_path / "staged")


def test_every_page_is_in_the_navigation() -> None:
    """Decisions and venues have a page that lists them."""
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages <= named
    assert {name for name in named if not name.startswith("project/")} <= pages | {
        "venues/README.md",
        "decisions/README.md",
    }
    assert {name.removeprefix("project/") for name in named - pages if name.startswith("project/")} == set(
        docs_site.BESIDE
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real site, built as `make docs` does, so with a look at every page for what it would fetch."""
    pytest.importorskip("material", reason="mkdocs-material is not installed; run `make setup`")
    folder = tmp_path_factory.mktemp("site")
    docs_site.build(ROOT, folder)
    return folder


def test_the_built_site_asks_no_other_machine(site: Path) -> None:
    """Every page, style and script of it: a build that finds one that would ends with NoSite, which the fixture raises."""
    assert len(list(site.rglob("*.html"))) > 100
    shell = (site / "index.html").read_text()
    assert docs_site.SEARCH in shell
    assert "fonts.googleapis" not in shell


@pytest.mark.soak
async def test_the_site_is_read_and_searched_as_files_in_a_browser(site: Path) -> None:
    """A real browser asks nobody for anything, and finds a word of a page that it did not open."""
    if (path := chromium()) is None or expect is None:
        pytest.skip("no chromium on this machine, or no playwright")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = await browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "entries.html", "project/index.html", "decisions/index.html"):
            await page.goto((site / name).as_uri())
            assert await page.locator("article h1").count() == 1, name
        await page.goto((site / "index.html").as_uri())
        await page.locator("input.md-search__input").click()
        await page.keyboard.type("copytruncate")
        await page.locator(".md-search-result__link >> nth=0").wait_for(state="attached")
        found = await page.locator(".md-search-result__link").evaluate_all("all => all.map(each => each.href)")
        await browser.close()
    assert any("operations.html" in link for link in found), found
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
