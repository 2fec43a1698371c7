"""The page "Import": a file is dropped, its columns and groups are seen, and it is taken by an admin, on a phone too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.reader import Reader, expect
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue
from tests.imports.tables import HEADER, workbook

if TYPE_CHECKING:
    from playwright.async_api import Browser


async def test_a_file_is_seen_mended_and_taken_on_a_phone(
    house: House, venue: Venue, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "loans.xlsx"
    async with Daemon(house) as daemon, Reader.at(browser, 320) as reader:
        await venue.marks({"BTCUSDT": "40000"})
        await reader.look(daemon.url, "#/import")
        page = reader.page
        file.write_bytes(workbook(HEADER, ("acme", "USDT", 31000, "BTC", 1), ("beta", "USDT", "much", "BTC", 2)))
        await page.get_by_label("Table", exact=True).set_input_files(file)
        await expect(
            page.get_by_role("status").filter(has_text="1 new, 0 changed, 0 the same, 1 refused")
        ).to_be_visible()
        await expect(page.get_by_role("row").filter(has_text="Loans!C3")).to_contain_text("expected a number")
        await expect(page.get_by_role("button", name="Take 1 group")).to_be_disabled()
        await expect(page.get_by_label("What column C holds")).to_have_value("principal")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        assert (await daemon.get("/v1/groups"))["items"] == []

        file.write_bytes(workbook(HEADER, ("acme", "USDT", 31000, "BTC", 1), ("beta", "USDT", 5, "BTC", 2)))
        await page.get_by_label("Table", exact=True).set_input_files(file)
        acme = page.get_by_role("row").filter(has_text="Loans!A2")
        await expect(acme).to_contain_text("margin call", ignore_case=True)
        await page.get_by_role("button", name="Take 2 groups").click()
        await expect(page.get_by_role("status").filter(has_text="Taken into import:loans")).to_be_visible()
        assert {item["id"] for item in (await daemon.get("/v1/groups"))["items"]} == {"acme", "beta"}
        assert reader.complaints == []
