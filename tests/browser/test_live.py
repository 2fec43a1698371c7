"""The page shows what is, while it is: alerts and figures by themselves, and no old figure as if it were new."""

from __future__ import annotations

import json
import signal
import socket

import pytest

from tests.book_lines import one_btc
from tests.browser.reader import Reader, expect
from tests.faults.house import Daemon, House, Ticker, now_s, until
from tests.feeds.venue import Venue

CALM = {"BTCUSDT": "100000"}
ROW = "[role=row]:has(a[title='{}'])"


async def test_an_alert_appears_within_a_second_without_a_reload(house: House, venue: Venue, reader: Reader) -> None:
    """Measured from the price that caused it, which is before the commit."""
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        await venue.marks(CALM)
        await reader.look(daemon.url)
        await expect(reader.page.locator(ROW.format("G-1"))).to_contain_text("50.00%")
        await reader.page.evaluate("window.stays = true")
        began = now_s()
        await venue.marks({"BTCUSDT": "64000"})
        await reader.page.wait_for_selector(".alertfeed li.severity-warning:has-text('Margin call')", timeout=1000)
        assert now_s() - began < 1
        row = reader.page.locator(ROW.format("G-1"))
        await expect(row).to_contain_text("Margin call")
        await expect(row).to_contain_text("78.12%")
        await expect(reader.page.locator(".tile.stage-margin_call .count")).to_have_text("1")
        await expect(reader.page.locator(".tile.risk")).to_contain_text("$50,000")
        assert await reader.page.evaluate("window.stays") is True


async def test_a_cut_greys_the_page_out_and_it_recovers(house: House, venue: Venue, reader: Reader) -> None:
    """What was shown stays, grey and with the reason; what happened meanwhile is there afterwards, each alert once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    house.write(web=f"port = {port}")
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        await venue.marks(CALM)
        await reader.look(daemon.url)
        row = reader.page.locator(ROW.format("G-1"))
        await expect(row).to_contain_text("50.00%")
        daemon.signal(signal.SIGKILL)
        await daemon.ended()
        await reader.page.wait_for_selector("main[data-live=false]")
        await expect(reader.page.locator(".banner")).to_contain_text("not live")
        await expect(reader.page.locator("main")).to_have_css("filter", "grayscale(1)")
        await reader.page.set_viewport_size({"width": 320, "height": 500})
        await reader.page.evaluate("scrollTo(0, 1e6)")
        await expect(reader.page.locator(".banner")).to_be_in_viewport(ratio=1)
        assert await reader.page.evaluate("scrollY") > 0
        await reader.page.set_viewport_size({"width": 1440, "height": 900})
        await daemon.again()
        await venue.marks({"BTCUSDT": "64000"})
        await reader.page.wait_for_selector("main[data-live=true]", timeout=20_000)
        await expect(row).to_contain_text("78.12%")
        await expect(reader.page.locator(".banner")).to_have_count(0)
        opened = reader.page.locator(".alertfeed li:has-text('Margin call')")
        await expect(opened).to_have_count(1)


async def test_a_price_that_goes_stale_is_said_and_marked(house: House, venue: Venue, reader: Reader) -> None:
    house.write(stale_after_s=1)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        async with Ticker(venue, BTC="100000"):
            await reader.look(daemon.url)
            await expect(reader.page.locator(ROW.format("G-1"))).to_contain_text("50.00%")
            await expect(reader.page.locator(".tile.prices")).to_contain_text("all good")
        await expect(reader.page.locator(".tile.prices")).to_contain_text("BTC stale")
        await expect(reader.page.locator(f"{ROW.format('G-1')} .pill.blind")).to_have_text("blind")
        await reader.turn("#/prices")
        await expect(reader.page.locator("tr.untrusted")).to_contain_text("BTC")


async def test_a_long_list_draws_what_is_in_sight_and_pages_on(house: House, venue: Venue, reader: Reader) -> None:
    """700 groups: the stream follows 500, the rest is read as one scrolls; a few dozen rows are ever in the document."""
    lines = [json.dumps(one_btc(f"G-{n:03}", owed=str(30_000 + n * 50))) for n in range(700)]
    (house.folder / "book.jsonl").write_text("\n".join(lines))
    house.write('[[book]]\nname = "b"\nkind = "file"\npath = "book.jsonl"\n')
    async with Daemon(house) as daemon, Ticker(venue, BTC="200000"):
        await reader.look(daemon.url)
        # The book is folded into columns, whose libraries take seconds to load on a machine that does much else.
        await expect(reader.page.locator(".toolbar output")).to_contain_text("of 700", timeout=30_000)
        first = reader.page.locator(".vbody [role=row] >> nth=0")
        await expect(first).to_contain_text("G-699")
        best = reader.page.locator(ROW.format("G-000"))

        async def reached() -> bool:
            await reader.page.evaluate("document.querySelector('.virtual').scrollTop = 1e9")
            return await best.count() == 1

        await until(reached, "the last row is read as one scrolls", step_s=0.2)
        assert await reader.page.locator(".vbody [role=row]").count() < 60
        await reader.page.fill("#search", "G-123")
        await expect(reader.page.locator(".vbody [role=row]")).to_have_count(1)


async def test_groups_are_found_and_opened_by_keyboard(house: House, venue: Venue, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"), one_btc("G-2", owed="60000"), one_btc("H-3", owed="10000"))
        await venue.marks(CALM)
        await reader.look(daemon.url)
        await expect(reader.page.locator(".vbody [role=row]")).to_have_count(3)
        keys = reader.page.keyboard
        await keys.press("/")
        await keys.type("g-")
        await expect(reader.page.locator(".vbody [role=row]")).to_have_count(2)
        await keys.press("Escape")
        await keys.press("j")
        await keys.press("j")
        assert await reader.page.evaluate("document.activeElement.title") == "G-1"
        await keys.press("Enter")
        await expect(reader.page.locator("h1")).to_have_text("G-1")
        await expect(reader.page.locator(".headline")).to_contain_text("50.00%")


NOTICED = """
window.told = []; window.tones = 0;
window.Notification = class {
  static permission = 'granted';
  static async requestPermission() { return 'granted'; }
  constructor(title, { body }) { window.told.push([title, body]); }
};
const make = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () { window.tones += 1; return make.call(this); };
"""


async def test_sound_and_notices_are_for_critical_alerts_and_for_who_asked(
    house: House, venue: Venue, reader: Reader
) -> None:
    """Off until they are switched on; an alert of less weight makes none."""
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"), one_btc("G-2", owed="40000"))
        await venue.marks(CALM)
        await reader.page.add_init_script(NOTICED)
        await reader.look(daemon.url)
        page = reader.page
        critical = page.locator(".alertfeed li.severity-critical")
        await venue.marks({"BTCUSDT": "52000"})
        await expect(critical).to_have_count(1)
        assert await page.evaluate("[told.length, tones]") == [0, 0]
        await page.get_by_role("button", name="Desktop notices").click()
        await page.get_by_role("button", name="Sound for critical").click()
        await expect(page.get_by_role("button", name="Sound for critical")).to_have_attribute("aria-pressed", "true")
        tried = await page.evaluate("tones")
        assert tried > 0
        await venue.marks({"BTCUSDT": "51000"})
        await expect(page.locator(".alertfeed li:has-text('G-2')")).to_have_count(1)
        assert await page.evaluate("told.length") == 0
        await venue.marks({"BTCUSDT": "43000"})
        await expect(critical).to_have_count(2)
        assert await page.evaluate("told") == [["G-2", "Liquidation"]]
        assert await page.evaluate("tones") == 2 * tried


@pytest.mark.soak
async def test_a_monitor_that_says_nothing_is_not_taken_for_live(house: House, venue: Venue, reader: Reader) -> None:
    """The line is open, and nothing comes: twelve seconds are too long."""
    async with Daemon(house) as daemon:
        await venue.marks(CALM)
        await reader.look(daemon.url)
        daemon.signal(signal.SIGSTOP)
        try:
            await reader.page.wait_for_selector("main[data-live=false]", timeout=20_000)
            await expect(reader.page.locator(".banner")).to_contain_text("said nothing")
        finally:
            daemon.signal(signal.SIGCONT)
        await reader.page.wait_for_selector("main[data-live=true]", timeout=20_000)
