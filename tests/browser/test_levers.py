"""The desk's own controls on the page: a lever is looked at before it is pulled, and another person approves it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.browser.reader import LIVE, Reader, expect
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue

WIDE = pytest.param(1440, "light", marks=pytest.mark.soak)
CALL = {"BTCUSDT": "64000"}


async def test_a_lever_is_pulled_as_it_was_looked_at(house: House, venue: Venue, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        await venue.marks(CALL)
        await reader.look(daemon.url, "#/group/G-1")
        page = reader.page
        await page.get_by_text("Pull a lever").click()
        await page.locator("select:has(option[value=margin_call])").select_option("margin_call")
        await page.get_by_label("Level, such as 0.93").fill("0.85")
        await page.get_by_label("Reason", exact=True).fill("as agreed")
        await page.get_by_role("button", name="See what it would do").click()
        await expect(page.locator(".maker .effects")).to_contain_text("next line liquidation 91%")
        assert (await daemon.get("/v1/levers"))["items"] == []
        await page.get_by_role("button", name="Pull it").click()
        await expect(page.locator(".lever")).to_contain_text("L-1 override: margin_call 0.85")
        await page.get_by_role("button", name="End it").click()
        await expect(page.locator(".lever")).to_have_count(0)
        assert (await daemon.get("/v1/levers"))["items"] == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), WIDE])
async def test_another_person_sees_a_proposal_then_and_now_and_approves_it(
    house: House, venue: Venue, browser: Any, width: int, scheme: Any
) -> None:
    """On a phone too, where nothing is wider than the screen."""
    people = "".join(f'[[person]]\nname = "{name}"\ntokens = ["{name}"]\n' for name in ("anna", "bo"))
    tokens = ", ".join(f'{{ name = "{name}", role = "admin", secret = "{name * 6}" }}' for name in ("anna", "bo"))
    house.write(f"[four_eyes]\nenabled = true\n{people}", web=f"port = 0\ntokens = [{tokens}]")
    anna = {"Authorization": f"Bearer {'anna' * 6}"}
    lever = {
        "type": "override",
        "thresholds": {"margin_call": "0.85"},
        "until": "2099-01-01T00:00:00Z",
        "reason": "as agreed",
    }
    async with Daemon(house) as daemon, Reader.at(browser, width, color_scheme=scheme) as reader:
        assert (await daemon.ask("PUT", "/v1/groups/G-1", one_btc("G-1"), **anna))[0] == 201
        await venue.marks(CALL)
        status, _ = await daemon.ask("POST", "/v1/levers", {"lever": lever, "groups": ["G-1"]}, **anna)
        assert status == 202
        page = reader.page
        await page.goto(f"{daemon.url}/#/proposals")
        await page.get_by_label("Token").fill("bo" * 6)
        await page.keyboard.press("Enter")
        await page.wait_for_selector(LIVE)
        await expect(page.locator(".proposal")).to_contain_text("Proposed by anna (anna): as agreed")
        await page.get_by_role("button", name="See what it does").click()
        await expect(page.locator(".proposal .effects")).to_have_count(2)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.get_by_role("button", name="Approve P-1").click()
        await expect(page.get_by_text("Nothing waits for another person.")).to_be_visible()
        await expect(page.locator("table")).to_contain_text("anna, approved by bo")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        _, group = await daemon.ask("GET", "/v1/groups/G-1", None, **anna)
        assert group["thresholds"]["margin_call"] == "0.85"
