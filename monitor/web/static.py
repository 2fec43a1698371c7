"""The built page: its files are read once, and served with a policy that lets it load nothing but itself."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
"""Where `dashboard/` is built into; the folder is not under version control."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
KEPT_FOR_EVER = "public, max-age=31536000, immutable"
"""For files whose names hold a digest of their content."""
ABSENT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Loan monitor</title>
<h1>The page is not built</h1>
<p>The monitor runs, and its API answers under /v1. The page is made by <code>make setup</code> where node and npm are
installed; then restart the monitor. <a href="/openapi.json">The contract of the API</a>.</p></html>"""


def add_page(app: web.Application, folder: Path = FOLDER) -> None:
    """Serves `/` and what it loads. Files are read here, so that a request names a known file or none."""
    files = {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}
    app.router.add_get("/", _handler("index.html", files.pop("index.html", ABSENT), kept=False))
    for name, body in files.items():
        app.router.add_get(f"/{name}", _handler(name, body, kept=name.startswith("assets/")))


def _handler(name: str, body: bytes, *, kept: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
    kind, _ = mimetypes.guess_type(name)
    headers = {
        "Content-Type": (kind or "application/octet-stream") + ("; charset=utf-8" if kind == "text/html" else ""),
        "Content-Security-Policy": POLICY,
        "Cache-Control": KEPT_FOR_EVER if kept else "no-cache",
    }

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    return handle
