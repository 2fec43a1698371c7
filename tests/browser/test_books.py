"""The page says how many loans nobody watches, which lines they are of, and what mends them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.browser.reader import Reader, expect
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue

BOOK = '[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\nwatch = true\n'
WIDE = pytest.param(1440, "light", marks=pytest.mark.soak)


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), WIDE])
async def test_refused_lines_are_on_the_first_page_and_on_the_page_of_books(
    house: House, venue: Venue, browser: Any, width: int, scheme: Any
) -> None:
    lines = [one_btc(f"G-{n}", owed="1000" if n < 3 else "-1") for n in range(100)]
    (house.folder / "book.jsonl").write_text("\n".join(map(json.dumps, lines)))
    house.write(BOOK)
    async with Daemon(house) as daemon, Reader.at(browser, width, color_scheme=scheme) as reader:
        await venue.marks({"BTCUSDT": "64000"})
        await reader.look(daemon.url, "#/")
        page = reader.page
        await expect(page.locator(".notinorder")).to_contain_text("97 loan groups are not watched")
        await page.locator(".notinorder a").click()
        await expect(page.locator("h1")).to_contain_text("Books")
        row = page.locator("tr, .troubles li", has_text="line 4").first
        await expect(row).to_contain_text("G-3 not watched")
        await expect(row).to_contain_text("loans[0].principal")
        await expect(row).to_contain_text("a number from 0")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
