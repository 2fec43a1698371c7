"""The reader looks at the whole book: under shocks, as a matrix, how far it may fall, and what it depends on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.book_lines import one_btc
from tests.browser.reader import Reader, expect
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue

CALM = {"BTCUSDT": "100000", "ETHUSDT": "4000"}
EXPOSURE = '[exposure]\nmax_share = { borrower = "0.5" }\ndaily_volume_usd = { BTC = "1000000" }\n'


async def filled(daemon: Daemon, venue: Venue) -> None:
    """Two borrowers: one owes 110,000 of 112,000 USDT. At 80,000 its groups are bankrupt and in margin call."""
    await daemon.put(
        one_btc("G-1", owed="90000", labels={"borrower": "ACME"}),
        one_btc("G-2", owed="20000", btc="0.32", labels={"borrower": "ACME"}),
        one_btc("G-3", owed="2000", asset="ETH", labels={"borrower": "BETA"}),
    )
    await venue.marks(CALM)


async def stressed(daemon: Daemon, question: dict[str, Any]) -> Any:
    status, answer = await daemon.ask("POST", "/v1/stress", question)
    assert status == 200, answer
    return answer


async def test_a_stress_shows_what_the_api_says(house: House, venue: Venue, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        await reader.look(daemon.url, "#/stress")
        page = reader.page
        await page.get_by_label("Change or price of BTC").fill("-20%")
        await page.get_by_label("Change or price of BTC").press("Tab")
        await page.get_by_role("button", name="Stress the book").click()
        answer = await stressed(daemon, {"shocks": {"BTC": "-20%", "ETH": "-25%"}})
        assert (answer["bankrupt"], answer["shortfall_usd"]) == (1, "10000")
        for name, key in (
            ("Shortfall", "shortfall_usd"),
            ("Liquidation fees", "fees_usd"),
        ):
            shown = page.locator("dl.facts > div", has=page.get_by_text(name, exact=True)).locator("dd [title]")
            await expect(shown).to_have_attribute("title", f"{answer[key]} USD")
        assert "fund_draw_usd" not in answer, "no fund is configured"
        await expect(page.get_by_text("Draw on the fund")).to_have_count(0)
        ((moved,), cut) = answer["newly"]["margin_call"]["items"], answer["newly"]["margin_call"]["cut"]
        assert (moved["id"], cut) == ("G-2", 0)
        await page.get_by_role("button", name="Margin call (1)").click()
        row = page.get_by_label("Groups that move").locator("tbody tr")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("G-2")
        await expect(row.locator(f"[title='{moved['ltv']}']")).to_be_visible()
        async with page.expect_download() as saved:
            await page.get_by_role("button", name="Save the list as CSV").click()
        lines = (await (await saved.value).path()).read_text().splitlines()
        assert len(lines) == 1 + sum(len(newly["items"]) for newly in answer["newly"].values())
        assert reader.complaints == []


async def test_a_coin_that_nobody_knows_is_named_and_no_answer_stands_beside_it(
    house: House, venue: Venue, reader: Reader
) -> None:
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        await reader.look(daemon.url, "#/stress")
        page = reader.page
        await page.get_by_role("button", name="Stress the book").click()
        await expect(page.get_by_label("Stages before and after")).to_be_visible()
        await page.get_by_role("button", name="30%").click()
        await page.get_by_role("button", name="Stress the book").click()
        await expect(page.locator(".failure")).to_contain_text("shocks.SOL")
        await expect(page.get_by_label("Stages before and after")).to_have_count(0)


async def test_a_matrix_and_the_fall_that_it_takes(house: House, venue: Venue, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        await reader.look(daemon.url, "#/stress")
        page = reader.page
        await page.get_by_role("button", name="Draw the matrix").click()
        cells = page.locator("table.heatmap td")
        await expect(cells).to_have_count(81)
        axis = [f"{n}%" for n in range(-60, 21, 10)]
        asked = {"matrix": {name: {"asset": a, "shocks": axis} for name, a in (("x", "BTC"), ("y", "ETH"))}}
        worst = (await stressed(daemon, asked))["cells"][0][0]
        groups = worst["stages"]["liquidation"] + worst["stages"]["delayed_liquidation"]
        debt, shortfall = (f"{Decimal(worst[key]):,}" for key in ("liquidation_debt_usd", "shortfall_usd"))
        title = f"{debt} USD of {groups} groups; shortfall {shortfall} USD"
        await expect(cells.first).to_have_attribute("title", title)
        await page.get_by_label("% of the debt is at its liquidation line").fill("100")
        await page.get_by_role("button", name="Search").click()
        answer = await stressed(daemon, {"reverse": {"share": "1"}})
        await expect(page.locator("p.answer")).to_contain_text(f"{answer['fall_percent']}%")
        await expect(page.locator("p.answer")).to_contain_text("BTC, ETH")


async def test_exposure_shows_who_and_what_the_book_depends_on(house: House, venue: Venue, reader: Reader) -> None:
    """The borrower above the limit is marked; a coin has its days to sell; without a fund the page says so."""
    house.write(EXPOSURE)
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        await reader.look(daemon.url, "#/exposure")
        page = reader.page
        rows = page.get_by_label("Exposure", exact=True).locator("tbody tr")
        await expect(rows).to_have_count(2)
        found = (await daemon.get("/v1/exposure?by=label.borrower"))["items"]
        assert [(i["key"], i["is_above"]) for i in found] == [("ACME", True), ("BETA", False)]
        await expect(rows.first).to_contain_text("above 50%")
        await expect(rows.first.locator(f"[title='{found[0]['share']}']")).to_be_visible()
        await expect(page.get_by_text("fund", exact=False)).to_have_count(0)
        await page.get_by_role("button", name="Coin", exact=True).click()
        (btc,) = [i for i in (await daemon.get("/v1/exposure?by=asset"))["items"] if i["key"] == "BTC"]
        assert (btc["quantity"], btc["days_to_sell"]) == ("1.32", "1.32")
        row = rows.filter(has=page.get_by_role("rowheader", name="BTC"))
        await expect(row.locator("td").last).to_have_text("1.3")
        await expect(row.locator("td").last).to_have_attribute("title", "at a daily volume of 1000000 USD")
        await expect(page.get_by_text("There are none.")).to_be_visible()
        assert reader.complaints == []


async def test_exposure_shows_the_fund_that_is_behind_the_book(house: House, venue: Venue, reader: Reader) -> None:
    house.write('[fund]\nbalance_usd = "9000"\n')
    async with Daemon(house) as daemon:
        await filled(daemon, venue)
        await venue.marks({"BTCUSDT": "80000"})
        await reader.look(daemon.url, "#/exposure")
        await expect(reader.page.locator(".failure")).to_contain_text("more than it has", timeout=20_000)
        fund = reader.page.locator("dl.facts")
        await expect(fund.locator("[title='9000 USD']")).to_be_visible()
        await expect(fund.locator("[title='10000 USD']")).to_be_visible()
