"""A person signs in at a provider of another site, in a real browser with its rules for cookies, and out again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.reader import LIVE, Reader, expect
from tests.web.desk import WebDesk
from tests.web.provider import providing
from tests.web.test_oidc import desk_before

if TYPE_CHECKING:
    from playwright.async_api import Browser


async def test_a_person_comes_back_from_the_provider_signed_in_and_goes_there_to_sign_out(
    browser: Browser, tmp_path: Path
) -> None:
    desk = WebDesk()
    async with (
        providing(desk, "localhost") as provider,
        desk_before(provider, tmp_path) as at,
        Reader.at(browser) as reader,
    ):
        page, provider.asks = reader.page, True
        await page.goto(at.url + "/")
        await page.get_by_role("link", name="Sign in with your desk account").click()
        # From here on the other site leads: the cookie of the sign-in has to come along all the same.
        await page.get_by_role("link", name="I am Anna").click()
        await page.wait_for_selector(LIVE)
        assert page.url == at.url + "/", "nothing of the way back stays in the address"
        await page.reload()
        await page.wait_for_selector(LIVE)
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(provider.issuer + "/out?*")
        await page.goto(at.url + "/")
        await expect(page.get_by_label("Or a token")).to_be_visible()
