"""How long the page stands still while somebody scrolls through 100,000 rows: `python -m bench.scrolling [ROWS]`.

A real Chromium shows the built page. What answers it is a small server that has the rows ready, so that nothing but the page
is measured: a stream that changes all of its 500 rows four times a second, and pages of the list. What counts is the longest
task of the page's thread, scripts, styles and layout together, by the processor's time: others may use the machine as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from monitor.clock import SystemClock
from monitor.core.text import stamp
from monitor.web.page import FOLDER, PageFiles

ROWS = 100_000
FOLLOWED = 500
LINES = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WHEEL_PX = 4_000
"""A hard turn of the wheel: about ninety rows."""

CATEGORIES = ["toplevel", "devtools.timeline", "__metadata"]
MAIN = "CrRendererMain"
"""What Chromium calls the thread on which the page's scripts, styles and layout run."""


class Scrolled(NamedTuple):
    """The longest task while so many rows went by."""

    rows: int
    longest_ms: float


def missing() -> str | None:
    """Why it cannot be measured here."""
    if _chromium() is None:
        return "no chromium on this machine"
    return None if (FOLDER / "index.html").is_file() else "the page is not built"


def _chromium() -> str | None:
    named = os.environ.get("MONITOR_TEST_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class _Monitor:
    """Answers the page as a monitor with so many groups does."""

    def __init__(self, rows: int) -> None:
        self.clock = SystemClock()
        self.rows = [self.row(n, 0) for n in range(rows)]
        self.counts = {
            "total": rows, "unknown": 0, "blind": 0,
            "stages": {"liquidation": 0, "delayed_liquidation": 0, "margin_call": 0, "normal": rows},
            "debt_usd": {"liquidation": "0", "delayed_liquidation": "0", "margin_call": "0", "normal": "1000000"},
        }  # fmt: skip
        self.asked = 0

    def row(self, n: int, turn: int) -> dict[str, Any]:
        ltv = f"{0.76 - n / 300_000 + turn % 7 / 1e5:.8f}"
        return {
            "id": f"G-{n:06d}", "product": "vip_loan", "labels": {"borrower": f"B-{n % 997}", "desk": "one"}, "ltv": ltv,
            "stage": "normal", "band": "normal", "debt_usd": f"{90_000 + n * 13 % 70_000}.25", "recognised_usd": "150000.5",
            "deadline": None, "blind": False, "unknown": False, "version": 1, "thresholds": LINES,
            "next_line": {"name": "margin_call", "ltv": "0.77", "distance_percent": "1.25"},
        }  # fmt: skip

    def app(self) -> web.Application:
        app = web.Application()
        PageFiles().add(app)
        app.router.add_get("/v1/session", self._session)
        app.router.add_get("/v1/status", self._status)
        app.router.add_get("/v1/alerts", self._alerts)
        app.router.add_get("/v1/groups", self._groups)
        app.router.add_get("/v1/stream", self._stream)
        return app

    async def _session(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "bench", "role": "admin", "scope": {}, "may": ["read"], "cookie": False})

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response({"groups": self.counts, "rules": ["vip_loan@2024-04-29"], "cursor": 0})

    async def _alerts(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [], "next": None})

    async def _groups(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after") or 0)
        end = after + int(request.query.get("limit", 500))
        self.asked = max(self.asked, end)
        page = {"items": self.rows[after:end], "next": str(end) if end < len(self.rows) else None}
        return web.Response(body=msgspec.json.encode(page), content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            for turn in range(100_000):
                at = stamp(self.clock.utc())
                rows = [self.row(n, turn) for n in range(FOLLOWED)]
                await stream.write(_event("groups", {"at": at, "snapshot": turn == 0, "rows": rows, "gone": []}))
                await stream.write(_event("counts", {"at": at, "groups": self.counts}))
                status = {"at": at, "ready": True, "reasons": {}, "feeds": {}, "cursor": 0}
                await stream.write(_event("status", status))
                await asyncio.sleep(0.25)
        return stream


def _event(name: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))


async def scrolled(rows: int = ROWS) -> Scrolled:
    """Scrolls from the first row to the last by the wheel."""
    from playwright.async_api import async_playwright

    monitor = _Monitor(rows)
    runner = web.AppRunner(monitor.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1600, "height": 1000})
        await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        await page.wait_for_selector(".vbody [role=row]")
        await page.wait_for_timeout(2000)
        await browser.start_tracing(page=page, categories=CATEGORIES)
        await page.mouse.move(500, 600)
        last = page.locator(f".vbody [title='G-{rows - 1:06d}']")
        while await last.count() == 0:
            await page.mouse.wheel(0, WHEEL_PX)
            await page.wait_for_timeout(30)
        longest = longest_task(msgspec.json.decode(await browser.stop_tracing())["traceEvents"])
        await browser.close()
    await runner.cleanup()
    return Scrolled(rows, longest)


def longest_task(events: Sequence[dict[str, Any]]) -> float:
    """Milliseconds of the processor in the longest task of a page's thread."""
    mains = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == MAIN}
    tasks = [e for e in events if e["name"].endswith("RunTask") and (e["pid"], e["tid"]) in mains and "tdur" in e]
    return float(max(e["tdur"] for e in tasks)) / 1000


def measure(rows: int = ROWS) -> Scrolled | None:
    """None where there is no browser or no page."""
    return None if missing() else asyncio.run(scrolled(rows))


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
    print(f"{found.rows:,} rows, the longest task {found.longest_ms:.1f} ms" if found else f"not measured: {missing()}")
