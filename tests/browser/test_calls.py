"""A margin call with an amount is on the page while it lives, and a statement prints what became of it."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from monitor.clock import SystemClock
from tests.book_lines import one_btc
from tests.browser.reader import AXE, Reader, expect
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue

if TYPE_CHECKING:
    from playwright.async_api import Locator

TERMS = 'grace = "24h"\nmargin_call_expiry = "24h"\nminimum_transfer = "100"'
MINUS = "\N{MINUS SIGN}"
STANDS = rf"called ([\d,.]+) USD {MINUS} received ([\d,.]+) USD = outstanding ([\d,.]+) USD"
A4 = {"width": 718, "height": 1047}
"""Its pixels at 96 dpi within margins of 10 mm."""


@pytest.fixture
def house(house: House) -> House:
    product = house.folder / "vip_loan.toml"
    product.write_text(product.read_text().replace('grace = "24h"', TERMS))
    return house


async def enter(daemon: Daemon, id_: str, **entry: Any) -> None:
    status, found = await daemon.ask("POST", "/v1/groups/G-1/entries", {"id": id_, **entry})
    assert status == 200, found


async def rows_of(table: Locator) -> list[list[str]]:
    return [await row.locator("td").all_inner_texts() for row in await table.locator("tbody tr").all()]


def number(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace(MINUS, "-"))


async def test_the_timeline_of_a_call_grows_by_itself_and_the_statement_prints_figures_that_recompute(
    house: House, venue: Venue, reader: Reader
) -> None:
    """G-1 owes 50,000 on 1 BTC: at 64,000 it is called for 50,000 / 0.72 - 64,000 = 5,444.45."""
    async with Daemon(house) as daemon:
        acme = {"borrower": "ACME"}
        await daemon.put(one_btc("G-1", labels=acme), one_btc("G-2", owed="20000", labels=acme), one_btc("G-3"))
        await venue.marks({"BTCUSDT": "100000"})
        await reader.look(daemon.url, "#/group/G-1")
        page = reader.page
        await venue.marks({"BTCUSDT": "64000"})
        timeline = page.get_by_label("What came of the calls")
        await expect(timeline.locator("tbody tr")).to_have_count(1)
        await enter(daemon, "d-1", type="deposit", account="G-1-a", asset="BTC", quantity="0.02")
        expected = (SystemClock().utc() + timedelta(hours=2)).astimezone(UTC).isoformat()
        await enter(daemon, "a-1", type="announce", kind="repayment", asset="USDT", amount="500", expected=expected)
        await enter(daemon, "x-1", type="dispute", amount_usd="100.5", reason="price of BTC", by="ACME")
        await expect(timeline.locator("tbody tr")).to_have_count(4)
        shown = await rows_of(timeline)
        assert [row[2:5] for row in reversed(shown)] == [
            ["opened", "$5,444.45", "$5,444.45"],
            ["payment", "$1,280.00", "$4,164.45"],
            ["announced", "$500.00", "$4,164.45"],
            ["disputed", "$100.50", "$4,164.45"],
        ]
        assert ("“price of BTC”, by ACME" in shown[0][5], "500 USDT as repayment" in shown[1][5]) == (True, True)

        await enter(daemon, "r-1", type="repay", asset="USDT", amount="1000")
        await reader.turn("#/borrower/ACME")
        await expect(page.get_by_role("heading", name="Statement of ACME")).to_be_visible()
        await expect(page.get_by_label("Balance by coin")).to_have_count(3)  # of all groups, and of each
        if AXE.is_file():
            assert await reader.barriers() == []
        await page.emulate_media(media="print")
        await page.set_viewport_size(A4)
        await expect(page.get_by_role("button", name="Print")).to_be_hidden()
        totals = page.get_by_label("Balance by coin")
        (usdt,) = await rows_of(totals.first)
        before, interest, borrowed, repaid, end = map(number, usdt[1:])
        assert before + interest + borrowed - repaid == end == 69_000
        said = await reader.text("main")
        called, received, outstanding = map(number, re.findall(STANDS, said)[0])
        assert called - received == outstanding == number("3164.45")
        assert "G-3" not in said
        assert await page.evaluate("document.documentElement.scrollWidth") <= A4["width"], "cut off on paper"
        cut = "[...document.querySelectorAll('.scroll')].filter(x => x.scrollWidth > x.clientWidth + 1).length"
        assert await page.evaluate(cut) == 0
        assert reader.complaints == []
