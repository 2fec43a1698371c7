"""Pictures of every page, in both schemes and three widths: `python -m tests.browser.pictures [FOLDER] [PAGE ...]`.

They are made of a book that is made up, in a real Chromium, and kept small: docs/images holds what was looked at last.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from monitor.clock import SystemClock
from monitor.stores import sqlite
from monitor.stores._base import LtvPoint
from tests.book_lines import book_line, one_btc
from tests.browser.conftest import FLAGS, chromium
from tests.browser.reader import LIVE, Reader
from tests.faults.house import ROOT, Daemon, House, SignedReceiver, Ticker, webhook
from tests.feeds.venue import Venue

WIDTHS = (320, 768, 1600)
SCHEMES = ("light", "dark")
PAGES = {
    "overview": "#/",
    "group": "#/group/L-1007",
    "what-if": "#/what-if/L-1007",
    "statement": "#/statement/L-1007",
    "borrower": "#/borrower/Borealis",
    "alerts": "#/alerts",
    "stress": "#/stress",
    "exposure": "#/exposure",
    "prices": "#/prices",
    "channels": "#/channels",
    "books": "#/books",
    "import": "#/import",
    "proposals": "#/proposals",
    "audit": "#/audit",
    "wall": "#/wall",
}
SIGN_IN = "sign-in"
"""What somebody sees who has not signed in: it is taken of a daemon with tokens."""
TOKENS = 'port = 0\ntokens = [{ name = "desk", role = "admin", secret = "a-secret-of-the-desk-alone" }]'
SOURCES = """[[book]]
name = "agency"
kind = "file"
path = "agency.jsonl"
[[book]]
name = "custody"
kind = "file"
path = "custody.jsonl"
[[rates]]
name = "flexible"
kind = "file"
product = "vip_loan"
path = "rates.csv"
"""
TALLEST = 2400
"""A phone's page may be very long: so much of it is shown."""
QUALITY = 0.6
SMALLER = """async ([png, quality]) => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext("2d").drawImage(image, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({type: "image/webp", quality})).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
}"""
"""Makes a WebP of a PNG; the browser is at hand, a library for it is not."""
BORROWERS = ("Aurora Capital", "Borealis", "Cobalt Trading", "Delta Nord", "Elm Street", "Fjord Digital")


def book() -> list[dict[str, Any]]:
    """Forty groups; at 100,000 USD a bitcoin the first are close to their lines."""
    lines = []
    for n in range(40):
        btc = Decimal(2 + n * 7 % 23)
        owed = (btc * 100_000 * Decimal(76 - n)) / 100
        labels = {"borrower": BORROWERS[n % len(BORROWERS)], "desk": "ldn" if n % 3 else "sto"}
        holds = {"BTC": str(btc)} | ({"ETH": str(n)} if n % 4 == 0 else {})
        line = book_line("vip_loan", holds, {"USDT": f"{owed:.2f}"}, f"L-{1000 + n}", labels=labels)
        lines.append(line | {"delayed_liquidation": n % 2 == 1})
    return lines


def troubled(folder: Path) -> None:
    """A book two of whose lines are refused, another that is missing, and rates with a line that cannot be used."""
    lines = [one_btc(f"A-{n}", owed="40000" if n < 3 else "-1") for n in range(5)]
    (folder / "agency.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "rates.csv").write_text("effective,asset,rate\n2026-01-05,USDT,often\n")


async def fallen(daemon: Daemon, venue: Venue) -> None:
    """Prices fall and come back a little; people do what they do each day."""
    for price in (*range(100_000, 81_000, -1000), *range(81_000, 88_000, 700)):
        await venue.marks({"BTCUSDT": str(price), "ETHUSDT": str(price // 25)})
        await asyncio.sleep(0.12)
    await asyncio.sleep(1)
    account = "L-1007-a"
    entries = (
        {"id": "p-1", "type": "deposit", "account": account, "asset": "BTC", "quantity": "0.4"},
        {"id": "p-2", "type": "repay", "asset": "USDT", "amount": "20000"},
    )
    for entry in entries:
        assert (await daemon.ask("POST", "/v1/groups/L-1007/entries", entry))[0] == 200
    until = (SystemClock().utc() + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    silence = {
        "match": {"labels": {"desk": "sto"}, "type": "loan_group.*"},
        "until": until,
        "reason": "moved to another desk",
    }
    lever = {"type": "override", "thresholds": {"liquidation": "0.93"}, "until": until, "reason": "agreed by mail"}
    await daemon.ask("POST", "/v1/silences", silence)
    await daemon.ask("POST", "/v1/levers", {"lever": lever, "groups": ["L-1009"]})
    await daemon.ask("POST", "/v1/channels/pager/test", {})


async def past(house: House) -> None:
    """Half a day of LTV that the monitor would have kept."""
    store = sqlite.build(sqlite.Config(path=str(house.folder / "var/monitor.db")))
    await store.open()
    now = SystemClock().utc().replace(second=0, microsecond=0)
    points = []
    for n in range(720):
        wave = Decimal((n * 37) % 97 - 48) / 10_000 + Decimal(n) / 12_000
        ltv = Decimal("0.66") + wave
        spread = Decimal(n % 9) / 3000
        points.append(LtvPoint("L-1007", 60, now - timedelta(minutes=720 - n), ltv - spread, ltv + spread, ltv, 0, {}))
    await store.keep_points(points)
    await store.close()


async def taken(browser: Browser, daemon: Daemon, folder: Path, wanted: Sequence[str]) -> None:
    """One window for each scheme and width, as a reader has one."""
    empty = await browser.new_page()
    for scheme in SCHEMES:
        for width in WIDTHS:
            async with Reader.at(browser, width, color_scheme=scheme, timezone_id="Europe/Stockholm") as reader:
                await reader.look(daemon.url)
                await reader.page.evaluate("localStorage.setItem('loan-monitor', JSON.stringify({hintSeen: true}))")
                await reader.page.reload()
                for name in wanted:
                    await reader.turn(PAGES[name])
                    await reader.page.wait_for_selector(LIVE)
                    await asked(reader, name)
                    await reader.page.wait_for_timeout(700)
                    height = await reader.page.evaluate("document.documentElement.scrollHeight")
                    await reader.page.set_viewport_size({"width": width, "height": max(900, min(TALLEST, height))})
                    await reader.page.evaluate("scrollTo(0, 0)")
                    await reader.page.wait_for_timeout(250)
                    await small(empty, await reader.page.screenshot(), folder / f"{name}-{width}-{scheme}.webp")
                    await reader.page.set_viewport_size({"width": width, "height": 900})
                assert reader.complaints == [], reader.complaints


async def signed_out(browser: Browser, folder: Path) -> None:
    """The page before somebody signs in, of a daemon of its own."""
    empty = await browser.new_page()
    with tempfile.TemporaryDirectory() as place:
        house = House(Path(place))
        house.write(web=TOKENS, feed=False)
        async with Daemon(house) as daemon:
            for scheme in SCHEMES:
                for width in WIDTHS:
                    async with Reader.at(browser, width, color_scheme=scheme) as reader:
                        await reader.page.goto(f"{daemon.url}/")
                        await reader.page.wait_for_selector("main.signin")
                        await reader.page.wait_for_timeout(400)
                        await small(empty, await reader.page.screenshot(), folder / f"{SIGN_IN}-{width}-{scheme}.webp")


async def asked(reader: Reader, name: str) -> None:
    """What a page shows only when it is asked."""
    page = reader.page
    if name == "what-if":
        await page.get_by_label("Change or price of BTC").fill("-12")
        await page.get_by_label("Repay USDT").fill("20 %")
    elif name == "stress":
        await page.get_by_role("button", name="Stress the book").click()
        await page.get_by_role("button", name="Draw the matrix").click()
        await page.get_by_role("button", name="Search").click()
        await page.wait_for_selector("table.heatmap")
    elif name == "group":
        await page.wait_for_selector(".chart canvas")
        await page.get_by_role("button", name="24 h").click()


async def small(empty: Page, png: bytes, path: Path) -> None:
    webp = await empty.evaluate(SMALLER, [base64.b64encode(png).decode(), QUALITY])
    await asyncio.to_thread(path.write_bytes, base64.b64decode(webp))


async def main(folder: Path, wanted: Sequence[str]) -> None:
    """Makes the pictures of the wanted pages, all where none is named."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        async with Venue() as venue, SignedReceiver() as receiver, async_playwright() as playwright:
            house = House(Path(place), venue)
            house.write(
                webhook("pager", receiver.url()),
                webhook("archive", "http://127.0.0.1:9/none"),
                '[[notifier]]\nname = "desk"\nkind = "console"\n[[route]]\nto = ["pager", "archive", "desk"]\n',
                SOURCES,
            )
            await asyncio.to_thread(troubled, house.folder)
            async with Daemon(house) as daemon:
                await daemon.put(*book())
                await daemon.stop()
                await past(house)
                await daemon.again()
                await fallen(daemon, venue)
                browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
                async with Ticker(venue, BTC="88000", ETH="3500"):
                    await taken(browser, daemon, folder, [name for name in wanted or PAGES if name != SIGN_IN])
                if not wanted or SIGN_IN in wanted:
                    await signed_out(browser, folder)
                await browser.close()


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images"
    asyncio.run(main(where, sys.argv[2:]))
