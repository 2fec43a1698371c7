"""Builds the documents as a site in `site/`, which needs no network to be read: no fonts, scripts or pictures from elsewhere.

    make docs

The pages are those of docs/, with README, CHANGELOG and their like beside them, so that every link between them holds. A link
that leads nowhere, or a page that a browser would need a network for, is an error.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
BESIDE = (
    "README.md",
    "CHANGELOG.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/RESULTS.md",
    "deploy/README.md",
)
"""Pages that stand outside docs/, and lie under project/ in the site."""
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)((?:#[^)\s]*)?)(?=\))")
_FETCHED = {
    "script": ("src",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",), "embed": ("src",),
    "object": ("data",), "video": ("src", "poster"), "audio": ("src",), "track": ("src",), "input": ("src",),
    "image": ("href",), "use": ("href",), "form": ("action",),
}  # fmt: skip
_FETCHING_LINKS = {
    "stylesheet", "icon", "shortcut", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest",
    "apple-touch-icon",
}  # fmt: skip
_ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
_IN_SCRIPTS = re.compile(r"[\"'`]((?:(?:https?|wss?):)?//[\w.-]+\.[a-z]{2,}[^\s\"'`)]*)", re.IGNORECASE)
"""An address at the beginning of a text. One in the middle of a sentence is for people."""
_NAMES = re.compile(r"https?://(?:www\.w3\.org/|localhost)")
"""Of namespaces, which nothing fetches."""
ABSENT = ("https://unpkg.com/", "https://api.github.com/")
"""Whom scripts of the theme would ask for diagrams and counts of stars, of which we have none."""
SHIM = "https://unpkg.com/iframe-worker/shim"
"""What the theme fetches to search in pages that are opened as files; ours does that in its place."""
SEARCH = "offline_search.js"


class NoSite(Exception):
    """Why there is no site, a sentence a line."""


def staged(path: str) -> str:
    """Where a file of the checkout lies among the sources of the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"project/{path}" if path in BESIDE else f"files/{path}"


def stage(root: Path, folder: Path) -> None:
    """Lays the pages out, with links that hold there. Raises NoSite."""
    shutil.copytree(root / "docs", folder, dirs_exist_ok=True)
    pages = [path.relative_to(root).as_posix() for path in sorted((root / "docs").rglob("*.md"))]
    wrong: list[str] = []
    for page in (*pages, *BESIDE):
        target = folder / staged(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_relinked(root, folder, page, wrong), encoding="utf-8")
    if wrong:
        raise NoSite("\n".join(wrong))


def _relinked(root: Path, folder: Path, page: str, wrong: list[str]) -> str:
    here = os.path.dirname(staged(page))

    def led(link: re.Match[str]) -> str:
        original = os.path.normpath(os.path.join(os.path.dirname(page), link[1]))
        path = root / original
        if path.is_dir() and (path / "README.md").is_file():
            original, path = f"{original}/README.md", path / "README.md"
        if not path.is_file():
            wrong.append(f"{page}: links to {link[1]}, which is not there; name a file of the checkout")
            return link[0]
        target = folder / staged(original)
        if not target.exists() and not original.startswith("docs/") and original not in BESIDE:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        return os.path.relpath(staged(original), here or ".") + link[2]

    return _LINK.sub(led, (root / page).read_text(encoding="utf-8"))


def build(root: Path, site: Path) -> str:
    """The site. Raises NoSite."""
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    try:
        from mkdocs.commands.build import build as build_pages
        from mkdocs.config import load_config
        from mkdocs.exceptions import Abort, ConfigurationError
    except ImportError:
        raise NoSite("mkdocs is not installed; run `make setup`, which installs what the lock names") from None
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with tempfile.TemporaryDirectory() as folder:
        stage(root, Path(folder))
        try:
            build_pages(load_config(str(root / "mkdocs.yml"), docs_dir=folder, site_dir=str(site), strict=True))
        except (Abort, ConfigurationError) as e:
            raise NoSite(f"mkdocs: {e}, as it says above") from None
    _take_home(site)
    if found := list(reaches_out(site)):
        raise NoSite("\n".join(["a reader would need a network:", *found]))
    return f"{sum(1 for _ in site.rglob('*.html'))} pages in {site}, which need no network; open {site}/index.html"


def _take_home(site: Path) -> None:
    """Puts files of the site in the place of what the theme would fetch."""
    shutil.copy(Path(__file__).parent / SEARCH, site / "assets" / "javascripts")
    for script in (site / "assets").rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        for address in ABSENT:
            text = text.replace(address, "./absent/")
        script.write_text(text, encoding="utf-8")
    for page in site.rglob("*.html"):
        ours = os.path.relpath(site / "assets" / "javascripts" / SEARCH, page.parent)
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(f'<script src="{SHIM}">', f'<script src="{ours}">'), encoding="utf-8")


class _Page(HTMLParser):
    """Collects what a browser fetches for a page, without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag if tag in ("script", "style") else ""
        stated = {name: value or "" for name, value in attrs}
        wanted = [stated[name] for name in _FETCHED.get(tag, ()) if name in stated]
        if tag == "link" and set(stated.get("rel", "").lower().split()) & _FETCHING_LINKS:
            wanted.append(stated.get("href", ""))
        if tag == "meta" and stated.get("http-equiv", "").lower() == "refresh":
            wanted.append(stated.get("content", "").partition("=")[2])
        self.fetched += [value for value in wanted if _ELSEWHERE.match(value)]
        self.fetched += _IN_STYLES.findall(stated.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "style":
            self.fetched += _IN_STYLES.findall(data)
        elif self._in == "script":
            self.fetched += _in_script(data)


def _in_script(text: str) -> list[str]:
    code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [found for found in _IN_SCRIPTS.findall(code) if not _NAMES.match(found)]


def reaches_out(site: Path) -> Iterator[str]:
    """Each place of a site for which a browser would ask another machine."""
    for path in sorted(site.rglob("*")):
        found: list[str] = []
        if path.suffix == ".html":
            page = _Page()
            page.feed(path.read_text(encoding="utf-8"))
            found = page.fetched
        elif path.suffix in (".css", ".svg"):
            found = _IN_STYLES.findall(path.read_text(encoding="utf-8"))
        elif path.suffix == ".js" and path.name != "search_index.js":  # the words of the pages themselves
            found = _in_script(path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(site)}: {address[:120]}" for address in found)


def main(root: Path = ROOT) -> int:
    """The command."""
    try:
        print(build(root, root / "site"))
    except NoSite as e:
        print(f"no site:\n{e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
