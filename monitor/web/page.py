"""The page: the files of the built dashboard, under a policy that lets nothing in from elsewhere.

They are read once, at the start: they are few and small, and no name from outside ever becomes a path. Everything but
index.html is in assets/ under a name with its hash, so that a browser may keep it for ever.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Files of other kinds are not served: source maps, and what a build leaves behind."""
_PACKED = frozenset({".css", ".html", ".js", ".json", ".svg"})
NOT_BUILT = (
    "The dashboard is not built.\n\nIn a checkout `make setup` builds it; it needs node and npm. Then restart the daemon.\n"
    "The API is there meanwhile: /openapi.json\n"
)
PATHS = frozenset({"/", "/assets/{name}"})
"""What is served here, and is no part of the API's contract."""
CACHE = web.RequestKey("cache", str)
"""Set on requests that a file answers: its Cache-Control; such an answer has POLICY."""


class _File(NamedTuple):
    media: str
    body: bytes
    packed: bytes | None


class PageFiles:
    """The files below a folder, as they were when the daemon started."""

    def __init__(self, folder: Path = FOLDER, languages: Sequence[str] = ()) -> None:
        """`languages` are drafts that a reader may choose beside English; the page reads them before anybody signed in."""
        index = folder / "index.html"
        self._index = _index(index, languages) if index.is_file() else None
        assets = folder / "assets"
        found = sorted(assets.iterdir()) if self._index is not None and assets.is_dir() else []
        self._assets = {f.name: _read(f) for f in found if f.is_file() and f.suffix in _TYPES}

    def add(self, app: web.Application) -> None:
        """Serves the page: no token is asked for, as it holds nothing of the desk."""
        app.router.add_get("/", self._root)
        app.router.add_get("/assets/{name}", self._asset)

    async def _root(self, request: web.Request) -> web.Response:
        request[CACHE] = "no-cache"
        if self._index is None:
            return web.Response(text=NOT_BUILT)
        return _answer(request, self._index)

    async def _asset(self, request: web.Request) -> web.Response:
        file = self._assets.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        request[CACHE] = "public, max-age=31536000, immutable"
        return _answer(request, file)


def _index(path: Path, languages: Sequence[str]) -> _File:
    said = f'<meta name="languages" content="{" ".join(languages)}" />\n  </head>'
    return _file(path, path.read_bytes().replace(b"</head>", said.encode(), 1))


def _read(path: Path) -> _File:
    return _file(path, path.read_bytes())


def _file(path: Path, body: bytes) -> _File:
    return _File(_TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0) if path.suffix in _PACKED else None)


def _answer(request: web.Request, file: _File) -> web.Response:
    headers = {"Content-Type": file.media, "Vary": "Accept-Encoding"}
    if file.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=file.packed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=file.body, headers=headers)
