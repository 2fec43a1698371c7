"""Somebody who looks at the page: a window of their own, and all that the browser complained of meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.faults.house import ROOT

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Page, expect
else:
    try:
        from playwright.async_api import expect
    except ImportError:
        # Every test skips then, and says so (conftest.py); its module must be readable for that.
        expect = None

__all__ = ["AXE", "LIVE", "PAGES", "RULES", "Reader", "expect"]

PAGES = (
    "#/",
    "#/group/G-1",
    "#/what-if/G-1",
    "#/stress",
    "#/alerts",
    "#/prices",
    "#/exposure",
    "#/books",
    "#/import",
    "#/proposals",
    "#/statement/G-1",
    "#/borrower/ACME",
    "#/channels",
    "#/audit",
    "#/wall",
)
HEIGHT = 900
LIVE = "main[data-live=true]"
AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


class Reader:
    """`complaints` are errors of scripts and of the page's policy."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self.page, self.cdp = page, cdp
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", lambda said: self._heard(said.type, said.text))

    @classmethod
    @asynccontextmanager
    async def at(cls, browser: Browser, width: int = 1440, **more: Any) -> AsyncIterator[Reader]:
        """A new window. `more`: color_scheme, locale, timezone_id, as playwright names them."""
        setting = {"locale": "en-US", "timezone_id": "Asia/Tokyo", **more}
        context = await browser.new_context(viewport={"width": width, "height": HEIGHT}, **setting)
        page = await context.new_page()
        yield cls(page, await context.new_cdp_session(page))
        await context.close()

    def _heard(self, kind: str, text: str) -> None:
        # What a monitor does not have, such as a fund, is a 404, and the page says so; that is no fault of the page.
        if kind in ("error", "warning") and "404 (Not Found)" not in text:
            self.complaints.append(f"{kind}: {text}")

    async def look(self, url: str, page: str = "#/") -> None:
        """Opens a page of the monitor, and waits until it is live."""
        await self.page.goto(f"{url}/{page}")
        await self.page.wait_for_selector(LIVE)

    async def turn(self, page: str) -> None:
        """Goes to another page of the one that is open, as a click on a link does."""
        await self.page.evaluate("hash => { location.hash = hash }", page)
        await self.page.wait_for_selector("main h1")

    async def text(self, selector: str) -> str:
        return (await self.page.inner_text(selector)).replace("\xa0", " ")

    async def barriers(self, rules: Sequence[str] = RULES) -> list[tuple[str, str, list[str]]]:
        """What axe-core finds on the page as it is: its rule, how bad it is, and a few of the places."""
        if not await self.run("'axe' in window"):
            await self.run(AXE.read_text("utf-8"))
        options = json.dumps({"runOnly": rules, "resultTypes": ["violations"]})
        violations = (await self.run(f"axe.run(document, {options})"))["violations"]
        return [(v["id"], v["impact"], [n["html"][:150] for n in v["nodes"]][:3]) for v in violations]

    async def run(self, expression: str) -> Any:
        """A script by way of the debugger, which the page's policy does not bind."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        found = await self.cdp.send("Runtime.evaluate", asked)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")
