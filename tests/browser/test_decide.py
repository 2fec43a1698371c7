"""What the reader decides with: the same figures as the API gives, acknowledgement by keyboard, and sign-in."""

from __future__ import annotations

from typing import Any

from tests.book_lines import one_btc
from tests.browser.reader import LIVE, Reader, expect
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook
from tests.feeds.venue import Venue

CALM = {"BTCUSDT": "100000"}
SECRET = "a-secret-of-the-tests"


async def test_what_if_says_what_the_api_says(house: House, venue: Venue, reader: Reader) -> None:
    """Every figure to its last digit: the page asks the monitor and computes nothing."""
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1", btc="1.23456789"))
        await venue.marks(CALM)
        await reader.look(daemon.url, "#/what-if/G-1")
        page = reader.page
        await page.get_by_label("Change of BTC in percent").fill("-37")
        await page.get_by_label("Repay USDT").fill("1234.56")
        asked = {"shock": {"BTC": "-37%"}, "repay": {"USDT": "1234.56"}}
        status, found = await daemon.ask("POST", "/v1/groups/G-1/what-if", asked)
        assert status == 200
        after: dict[str, Any] = found["after"]
        shown = {
            "LTV": after["ltv"],
            "Debt": f"{after['debt_usd']} USD",
            "Recognised": f"{after['recognised_usd']} USD",
        }
        for name, text in shown.items():
            await expect(page.locator(f"td[data-after='{name}'] [title]")).to_have_attribute("title", text)
        await expect(page.locator("td[data-after=Stage]")).to_have_text("Normal")
        await page.get_by_label("Change of BTC in percent").fill("-60")
        await expect(page.locator("td[data-after=Stage]")).to_have_text("Liquidation")
        await expect(page.locator("[aria-live=polite]")).to_contain_text("It would raise: Liquidation")


async def test_what_cannot_be_asked_is_named_and_no_figure_stands_beside_it(
    house: House, venue: Venue, reader: Reader
) -> None:
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        await venue.marks(CALM)
        await reader.look(daemon.url, "#/what-if/G-1")
        await reader.page.get_by_label("Withdraw BTC").fill("7")
        await expect(reader.page.locator(".failure")).to_contain_text("remove.BTC")
        await expect(reader.page.locator(".failure")).to_contain_text("remove at most 1")
        await expect(reader.page.locator("table.compare")).to_have_count(0)


async def test_a_stage_is_acknowledged_by_keyboard_alone(house: House, venue: Venue, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        await venue.marks({"BTCUSDT": "64000"})
        await reader.look(daemon.url, "#/group/G-1")
        await expect(reader.page.locator("button", has_text="Acknowledge")).to_be_visible()
        keys = reader.page.keyboard
        await keys.press("a")
        await expect(reader.page.locator("dialog")).to_be_visible()
        await keys.type("called the borrower")
        await keys.press("Enter")
        await expect(reader.page.locator(".acknowledged")).to_contain_text("called the borrower")
        group = await daemon.get("/v1/groups/G-1")
        assert group["acknowledged"]["note"] == "called the borrower"
        await reader.turn("#/")
        await expect(reader.page.locator(".pill.ack")).to_be_visible()


async def test_a_reader_signs_in_and_sees_the_own_groups_alone(house: House, venue: Venue, reader: Reader) -> None:
    """The token is sent once; afterwards a cookie that no script can read says who it is."""
    (house.folder / "acme").write_text(SECRET)
    (house.folder / "boss").write_text("another-secret")
    tokens = (
        'tokens = [{ name = "acme", role = "viewer", secret_file = "acme", scope = { borrower = "ACME" } },'
        ' { name = "boss", role = "admin", secret_file = "boss" }]'
    )
    house.write(web=f"port = 0\n{tokens}")
    async with Daemon(house) as daemon:
        boss = {"Authorization": "Bearer another-secret"}
        for group in (one_btc("G-1", labels={"borrower": "ACME"}), one_btc("G-2", labels={"borrower": "BETA"})):
            status, _ = await daemon.ask("PUT", f"/v1/groups/{group['id']}", group, **boss)
            assert status == 201
        await venue.marks(CALM)
        page = reader.page
        await page.goto(daemon.url)
        await page.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator(".failure")).to_contain_text("not known")
        await page.get_by_label("Token").fill(SECRET)
        await page.keyboard.press("Enter")
        await page.wait_for_selector(LIVE)
        await expect(page.locator(".vbody [role=row]")).to_have_count(1)
        await expect(page.locator(".vbody")).to_contain_text("G-1")
        assert await page.evaluate("document.cookie") == ""
        assert SECRET not in await page.evaluate("JSON.stringify(localStorage)")
        await page.reload()
        await page.wait_for_selector(LIVE)
        await page.get_by_text("Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()


async def test_a_silence_is_made_of_what_was_looked_at(house: House, venue: Venue, reader: Reader) -> None:
    """The first press shows what it would hide; only the second makes it, and it can be ended."""
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        await venue.marks({"BTCUSDT": "64000"})
        await reader.look(daemon.url, "#/alerts")
        page = reader.page
        await page.get_by_text("New silence").click()
        await page.get_by_label("Group (may have *)").fill("G-*")
        await page.get_by_label("Why").fill("maintenance")
        await page.get_by_role("button", name="See what it would hide").click()
        await expect(page.locator(".maker [role=status]")).to_contain_text("1 groups that are past a line")
        assert (await daemon.get("/v1/silences"))["items"] == []
        await page.get_by_role("button", name="Silence it").click()
        await expect(page.get_by_role("button", name="End it")).to_be_visible()
        assert [s["reason"] for s in (await daemon.get("/v1/silences"))["items"]] == ["maintenance"]
        await page.get_by_role("button", name="End it").click()
        await expect(page.get_by_text("Nothing is silenced.")).to_be_visible()


async def test_a_notice_is_sent_again_from_the_log(house: House, venue: Venue, reader: Reader) -> None:
    async with SignedReceiver() as receiver:
        house.write(webhook("hook", receiver.url()), '[[route]]\nto = ["hook"]\n')
        async with Daemon(house) as daemon:
            await daemon.put(one_btc("G-1"))
            await venue.marks({"BTCUSDT": "64000"})
            await until(lambda: receiver.of("loan_group.margin_call.opened"), "the alert is delivered")
            await reader.look(daemon.url, "#/alerts")
            row = reader.page.locator("table.log tr:has-text('Margin call')")
            await row.get_by_role("button", name="Who was told").click()
            await expect(reader.page.locator(".deliveries li")).to_contain_text("delivered")
            await reader.page.get_by_role("button", name="Send again").click()
            await until(lambda: len(receiver.of("loan_group.margin_call.opened")) == 2, "it is sent again")
