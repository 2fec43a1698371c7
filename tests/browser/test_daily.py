"""What a desk does with the page all day: what-if as people type, the chart, lists, entries, channels, the record, the wall."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.conftest import missing
from tests.browser.reader import LIVE, Reader, expect
from tests.browser.standing import Standing, standing
from tests.faults.house import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Standing]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    async with standing() as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="module")
async def reader(desk: Standing) -> AsyncIterator[Reader]:
    async with Reader.at(desk.browser) as reader:
        yield reader
        assert reader.complaints == []


async def then(desk: Standing, group: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the monitor itself answers to a question of what-if."""
    status, found = await desk.daemon.ask("POST", f"/v1/groups/{group}/what-if", asked)
    assert status == 200, found
    return dict(found["after"])


@pytest.mark.parametrize(
    ("field", "typed", "read", "asked"),
    [
        ("Repay USDT", "1,000.5", "1,000.5 USDT", {"repay": {"USDT": "1000.5"}}),
        ("Repay USDT", "20 %", "20% of 70,000 is 14,000 USDT", {"repay": {"USDT": "14000"}}),
        ("Change or price of BTC", "-20", "falls by 20%", {"shock": {"BTC": "-20%"}}),
        ("Change or price of BTC", "95,000", "is $95,000", {"shock": {"BTC": "95000"}}),
    ],
)
async def test_what_if_answers_as_people_type(
    desk: Standing, reader: Reader, field: str, typed: str, read: str, asked: dict[str, Any]
) -> None:
    """While they type: nobody leaves the field or presses Enter."""
    await reader.look(desk.daemon.url, "#/what-if/G-1")
    await reader.page.get_by_label(field).press_sequentially(typed)
    await expect(reader.page.locator("output.read", has_text=read)).to_be_visible()
    after = await then(desk, "G-1", asked)
    await expect(reader.page.locator("td[data-after=LTV] [title]")).to_have_attribute("title", after["ltv"])


async def test_what_if_asks_where_it_cannot_know_and_shows_no_figure_meanwhile(desk: Standing, reader: Reader) -> None:
    await reader.look(desk.daemon.url, "#/what-if/G-1")
    page = reader.page
    await page.get_by_label("Change or price of BTC").press_sequentially("20")
    await expect(page.get_by_text("First say what you mean for BTC")).to_be_visible()
    await expect(page.locator("table.compare")).to_have_count(0)
    await page.get_by_role("button", name="a fall of 20%").click()
    after = await then(desk, "G-1", {"shock": {"BTC": "-20%"}})
    await expect(page.locator("td[data-after=LTV] [title]")).to_have_attribute("title", after["ltv"])


async def test_the_chart_tells_each_value_at_its_time_with_what_happened(desk: Standing, reader: Reader) -> None:
    """By pointer and by keyboard; what is saved has the same values, and its marks."""
    await reader.look(desk.daemon.url, "#/group/G-1")
    page = reader.page
    await page.wait_for_selector(".chart canvas")
    marks = page.get_by_role("list", name="Marks")
    for name in ("deposit", "repayment", "warning"):
        await expect(marks).to_contain_text(name)
    chart = page.get_by_role("slider", name="LTV of G-1 over time")
    await chart.focus()
    await page.keyboard.press("Home")
    first = await page.locator(".readout").inner_text()
    await page.keyboard.press("End")
    await expect(page.locator(".readout")).not_to_have_text(first)
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader((await (await saved.value).path()).read_text("utf-8-sig").splitlines()))
    shown = {row["ltv"] for row in rows}
    assert (await desk.daemon.get("/v1/groups/G-1"))["ltv"] in shown
    assert {"deposit", "repayment", "warning"} <= {row["mark"] for row in rows}
    assert [row["at_utc"] for row in rows] == sorted(row["at_utc"] for row in rows)
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save as PNG").click()
    assert (await (await saved.value).path()).read_bytes().startswith(b"\x89PNG")


async def test_the_chart_goes_to_any_range(desk: Standing, reader: Reader) -> None:
    """By drawing over it, by buttons, and by a date and a time."""
    await reader.look(desk.daemon.url, "#/group/G-1")
    page = reader.page
    begins = page.get_by_label("From", exact=True)
    hour = await begins.input_value()
    box = await page.locator(".chart .u-over").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 50)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 60, steps=3)
    await page.mouse.up()
    await expect(begins).not_to_have_value(hour)
    await page.get_by_role("button", name="Zoom out").click()
    zoomed = await begins.input_value()
    await page.get_by_role("button", name="Earlier").click()
    await expect(begins).not_to_have_value(zoomed)
    await begins.fill(hour)
    async with page.expect_request(lambda request: "/ltv?" in request.url and "to=" in request.url) as asked:
        await page.get_by_role("button", name="Show", exact=True).click()
    assert "points=600" in (await asked.value).url
    await expect(begins).to_have_value(hour)


async def test_lists_have_the_columns_labels_and_times_that_a_reader_chooses(desk: Standing, reader: Reader) -> None:
    """They are remembered, and what is saved has them."""
    await reader.look(desk.daemon.url)
    page = reader.page
    await page.get_by_text("Columns", exact=True).click()
    await page.get_by_label("Labels", exact=True).check()
    await page.get_by_label("Debt", exact=True).uncheck()
    await page.get_by_label("Only with this label").fill("borrower=BETA")
    await page.keyboard.press("Enter")
    await expect(page.locator(".vbody [role=row]")).to_have_count(2)
    await page.reload()
    await page.wait_for_selector(LIVE)
    heads = page.locator(".vhead [role=columnheader]")
    await expect(heads).to_have_text(["Group", "Stage", "LTV or level", "What counts next", "Deadline", "Labels"])
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader((await (await saved.value).path()).read_text("utf-8-sig").splitlines()))
    assert {row["Group"]: row["Labels"] for row in rows}["G-2"] == "borrower=BETA"


async def test_the_log_is_newest_first_and_goes_by_label_and_time(desk: Standing, reader: Reader) -> None:
    await reader.look(desk.daemon.url, "#/alerts")
    page = reader.page
    rows = page.locator("table.log tbody tr")
    await expect(rows.nth(1)).to_be_visible()
    times = await page.locator("table.log tbody td:first-child time").evaluate_all("all => all.map(t => t.dateTime)")
    assert times == sorted(times, reverse=True)
    assert len(set(times)) > 1
    await page.get_by_label("Only with this label").fill("borrower=ACME")
    await page.keyboard.press("Enter")
    await expect(rows.filter(has_text="G-2")).to_have_count(0)
    await expect(rows.filter(has_text="G-1").first).to_be_visible()
    await page.get_by_label("to", exact=True).fill("2020-01-01T00:00")
    await expect(page.get_by_text("No alert of this kind.")).to_be_visible()


async def test_a_top_up_and_a_repayment_are_looked_at_and_then_entered_once(desk: Standing, reader: Reader) -> None:
    await reader.look(desk.daemon.url, "#/group/G-3")
    page = reader.page
    before = await desk.daemon.get("/v1/groups/G-3")
    await page.get_by_label("Quantity that came in").fill("1.5")
    await page.get_by_role("button", name="See what it changes").click()
    after = await then(desk, "G-3", {"add": {"ETH": "1.5"}})
    await expect(page.locator("td[data-after=LTV] [title]")).to_have_attribute("title", after["ltv"])
    assert (await desk.daemon.get("/v1/groups/G-3"))["version"] == before["version"]
    await page.get_by_role("button", name="Enter it").click()
    await expect(page.get_by_text("Top-up of 1.5 ETH is entered.")).to_be_visible()
    assert (await desk.daemon.get("/v1/groups/G-3"))["ltv"] == after["ltv"]
    await page.get_by_label("Entry").select_option("repay")
    await page.get_by_label("Amount, or 100% for all").fill("100 %")
    await page.get_by_role("button", name="See what it changes").click()
    await page.get_by_role("button", name="Enter it").click()
    await expect(page.locator("[role=status]", has_text="is entered")).to_be_visible()
    assert (await desk.daemon.get("/v1/groups/G-3"))["debt_usd"] == "0"


async def test_what_was_looked_at_is_not_entered_into_another_group(desk: Standing, reader: Reader) -> None:
    """Somebody changed it meanwhile: nothing happens, and the page says why."""
    await reader.look(desk.daemon.url, "#/group/G-1")
    page = reader.page
    await page.get_by_label("Quantity that came in").fill("0.1")
    await page.get_by_role("button", name="See what it changes").click()
    await page.wait_for_selector("table.compare")
    other = {"id": "e-3", "type": "deposit", "account": "G-1-a", "asset": "BTC", "quantity": "0.001"}
    assert (await desk.daemon.ask("POST", "/v1/groups/G-1/entries", other))[0] == 200
    await page.get_by_role("button", name="Enter it").click()
    await expect(page.locator(".failure")).to_contain_text("another version now")
    reader.complaints.clear()  # the browser names the 412 too


async def test_a_grace_period_is_extended_after_a_look(desk: Standing, reader: Reader) -> None:
    await desk.venue.marks({"BTCUSDT": "86000"})
    await until(lambda: in_stage(desk, "G-2", "delayed_liquidation"), "the clock of G-2 runs")
    before = await desk.daemon.get("/v1/groups/G-2")
    await reader.look(desk.daemon.url, "#/group/G-2")
    page = reader.page
    await page.get_by_label("Entry").select_option("extend_grace")
    await page.get_by_label("Reason for the longer period").fill("they wire on Monday")
    await page.get_by_role("button", name="See what it changes").click()
    await expect(page.locator(".effects")).to_be_visible()
    await page.get_by_role("button", name="Extend it").click()
    await expect(page.get_by_text("is in force.")).to_be_visible()
    assert (await desk.daemon.get("/v1/groups/G-2"))["deadline"] > before["deadline"]


async def in_stage(desk: Standing, group: str, stage: str) -> bool:
    return bool((await desk.daemon.get(f"/v1/groups/{group}"))["stage"] == stage)


async def test_a_channel_is_tested_from_the_page(desk: Standing, reader: Reader) -> None:
    """The notice says that it is a test, arrives signed, and stands in the record under the name of who asked."""
    await reader.look(desk.daemon.url, "#/channels")
    page = reader.page
    await page.get_by_role("button", name="Send a test to pager").click()
    await expect(page.locator("td [role=status]")).to_contain_text("delivered after")
    tests = [body for body in desk.receiver.got if body["data"]["test"]]
    assert (len(tests), desk.receiver.bad) == (1, [])
    await reader.turn("#/audit")
    await page.get_by_label("What, such as *endpoint").fill("*channel")
    await page.keyboard.press("Enter")
    rows = page.get_by_label("Audit record").locator("tbody")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("test channel")


async def test_the_wall_shows_the_worst_without_a_touch(desk: Standing) -> None:
    """Dark on any screen, all in one window; and nothing on it has to be scrolled to."""
    await desk.venue.joined()  # on a slow machine the feed has heard nothing for so long that it began anew
    await desk.venue.marks({"BTCUSDT": "87000"})
    async with Reader.at(desk.browser, 1920, color_scheme="light") as reader:
        await reader.look(desk.daemon.url, "#/wall")
        page = reader.page
        rows = page.locator(".wallrow")
        await expect(rows).to_have_count(4)
        worst = (await desk.daemon.get("/v1/groups?limit=1"))["items"][0]
        await expect(rows.first).to_contain_text(worst["id"])
        await expect(page.locator(".walllist").first).to_contain_text("G-2")
        await expect(page.get_by_text("1 connected")).to_be_visible()
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(json.loads(ground.replace("rgb(", "[").replace(")", "]"))) < 150
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
