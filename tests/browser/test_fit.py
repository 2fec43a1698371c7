"""The page is fit for people: it may load nothing but itself, all can read it on any screen, and it is quick and stays so."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest

from monitor.web.page import FOLDER
from monitor.web_table import PAGE_DRAFTS
from tests.book_lines import one_btc
from tests.browser.reader import PAGES, Reader, expect
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue

if TYPE_CHECKING:
    from playwright.async_api import Browser

CALM = {"BTCUSDT": "100000", "ETHUSDT": "4000"}


async def filled(daemon: Daemon, venue: Venue) -> None:
    """A few groups; one is past a line."""
    await daemon.put(one_btc("G-1", owed="80000"), one_btc("G-2"), one_btc("G-3", owed="2000", asset="ETH"))
    await venue.marks(CALM)


async def test_the_page_keeps_its_policy_everywhere(house: House, venue: Venue, reader: Reader) -> None:
    """Nothing from elsewhere, no script or style in the document; no page makes the browser complain."""
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        asked: list[str] = []
        reader.page.on("request", lambda request: asked.append(request.url))
        response = await reader.page.goto(daemon.url)
        assert response is not None
        policy = response.headers["content-security-policy"]
        assert policy.startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
        )
        assert "unsafe" not in policy
        for page in PAGES:
            await reader.turn(page)
            await reader.page.wait_for_timeout(250)
        assert reader.complaints == []
        assert [url for url in asked if not url.startswith((daemon.url, "data:"))] == []


async def test_figures_and_times_are_the_reader_s_own(house: House, venue: Venue, browser: Browser) -> None:
    """Separators of the reader's language, times of the reader's zone, UTC and every digit on hover."""
    async with Daemon(house) as daemon, Reader.at(browser, locale="de-DE", timezone_id="Asia/Tokyo") as reader:
        await filled(daemon, venue)
        await reader.look(daemon.url, "#/group/G-1")
        debt = reader.page.locator(".facts dd").first
        await expect(debt).to_have_text("$80.000,00")
        valued = reader.page.locator(".facts time").last
        # At once: the next price may come between two questions.
        at, title, text = await valued.evaluate("e => [e.getAttribute('datetime'), e.title, e.innerText]")
        assert title.startswith(at.replace("T", " ").removesuffix("Z"))
        assert int(text[:2]) == (int(at[11:13]) + 9) % 24


async def test_the_theme_can_be_switched_and_is_remembered(house: House, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await reader.look(daemon.url)
        button = reader.page.get_by_role("button", name="Colours")
        grounds = []
        for _ in range(3):
            await button.click()
            grounds.append(await reader.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(set(grounds)) == 2
        await button.click()
        await reader.page.reload()
        assert await reader.page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.soak  # a figure of time: beside other tests it says how busy the machine is
async def test_the_first_paint_comes_within_a_second(house: House, venue: Venue, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        await reader.look(daemon.url)
        painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity"
        assert await reader.page.evaluate(painted) < 1000


def test_the_scripts_are_small() -> None:
    """All of them together, as a browser fetches them: with at most one of the languages."""
    scripts = {p.name: len(gzip.compress(p.read_bytes())) for p in FOLDER.rglob("*.js")}
    drafts = [scripts.pop(name) for name in list(scripts) if name.split("-")[0] in PAGE_DRAFTS]
    assert scripts
    assert len(drafts) == len(PAGE_DRAFTS)
    assert sum(scripts.values()) + max(drafts) < 150_000


async def updates(house: House, venue: Venue, reader: Reader, seconds: int) -> None:
    """Ten prices a second; the heap and the document are as large afterwards as they were."""
    async with Daemon(house) as daemon:
        await daemon.put(*(one_btc(f"G-{n}", owed=str(40_000 + n * 100)) for n in range(100)))
        await venue.marks(CALM)
        await reader.look(daemon.url)

        async def run(times: int) -> tuple[int, int]:
            for n in range(times):
                await venue.marks({"BTCUSDT": str(100_000 + n % 50)})
                await asyncio.sleep(0.1)
            await reader.cdp.send("HeapProfiler.collectGarbage")
            heap = await reader.cdp.send("Runtime.getHeapUsage")
            return int(heap["usedSize"]), int(await reader.page.evaluate("document.querySelectorAll('*').length"))

        before = await run(50)
        after = await run(seconds * 10)
        # Five minutes of samples of a hundred groups are what may come to it: 60 samples of 32 bytes each and their arrays.
        assert after[0] - before[0] < 1_500_000, (before, after)
        assert abs(after[1] - before[1]) < 100, (before, after)


@pytest.mark.soak
async def test_updates_do_not_make_the_page_grow(house: House, venue: Venue, reader: Reader) -> None:
    await updates(house, venue, reader, 10)


@pytest.mark.soak
async def test_a_minute_of_updates_does_not_make_the_page_grow(house: House, venue: Venue, reader: Reader) -> None:
    await updates(house, venue, reader, 60)
