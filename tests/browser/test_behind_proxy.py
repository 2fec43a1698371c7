"""The page through a real proxy, below a path of its own: a person signs in, it comes alive, and a notice's link opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.web.proxy import link_of
from tests.browser.conftest import FLAGS, chromium
from tests.browser.reader import LIVE, Reader, expect
from tests.fakes import alert
from tests.web.proxies import BLOCKS, SECRET, made_certificate, proxied, put

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, text in BLOCKS if "/monitor/" in text])
async def test_a_link_of_a_notice_opens_the_group_below_a_path(kind: str, text: str, tmp_path: Path) -> None:
    from playwright.async_api import async_playwright

    flags = [*FLAGS, "--host-resolver-rules=MAP * 127.0.0.1"]
    async with (
        proxied(kind, text, made_certificate(tmp_path), tmp_path) as (there, _),
        there.person() as http,
        async_playwright() as playwright,
    ):
        await put(http, "G/1#2")
        browser: Browser = await playwright.chromium.launch(executable_path=chromium(), args=flags)
        async with Reader.at(browser, ignore_https_errors=True) as reader:
            await reader.page.goto(link_of(there.url, alert(subject="G/1#2")))
            await reader.page.get_by_label("Token").fill(SECRET)
            await reader.page.keyboard.press("Enter")
            await reader.page.wait_for_selector(LIVE)
            await expect(reader.page.locator("main h1")).to_contain_text("G/1#2")
            await reader.page.reload()
            await reader.page.wait_for_selector(LIVE)
        await browser.close()
