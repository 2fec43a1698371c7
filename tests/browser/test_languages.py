"""The page in other languages than English: off until the configuration offers them, chosen by who looks, whole on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.conftest import missing
from tests.browser.reader import AXE, PAGES, RULES, Reader, expect
from tests.browser.standing import Standing, standing
from tests.browser.test_every_page import LAID_OUT
from tests.effort import IS_LONG, more_in_a_soak
from tests.faults.house import Daemon, House

WITH_DESK = pytest.mark.asyncio(loop_scope="module")
WITH_AXE = ("#/", "#/group/G-1", "#/alerts")
"""Words that are longer make other sizes and contrasts of what these pages have; all others are made of the same parts."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Standing]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    async with standing() as desk:
        yield desk


@WITH_DESK
@more_in_a_soak
async def test_russian_on_a_phone_has_no_barrier_and_nothing_stands_outside(desk: Standing) -> None:
    async with Reader.at(desk.browser, 320, reduced_motion="reduce") as reader:
        await reader.look(desk.daemon.url)
        await expect(reader.page.locator("html")).to_have_attribute("lang", "en")
        await reader.page.get_by_label("Language of the page").select_option("ru")
        await expect(reader.page.locator("h1")).to_have_text("Обзор")
        await expect(reader.page.locator("html")).to_have_attribute("lang", "ru")
        barriers, laid_out = {}, {}
        for page in PAGES if IS_LONG else WITH_AXE:
            await reader.turn(page)
            await reader.page.wait_for_timeout(150)
            found = await reader.run(LAID_OUT)
            if found["wide"] > 320 or found["cut"]:
                laid_out[page] = found
            if page in WITH_AXE and AXE.is_file() and (found := await reader.barriers(RULES)):
                barriers[page] = found
        assert (laid_out, barriers, reader.complaints) == ({}, {}, [])
        await reader.page.reload()
        await expect(reader.page.locator("html")).to_have_attribute("lang", "ru")


@WITH_DESK
async def test_a_draft_that_cannot_be_loaded_leaves_english(desk: Standing) -> None:
    async with Reader.at(desk.browser) as reader:
        await reader.page.route("**/assets/sv-*.js", lambda route: route.abort())
        await reader.look(desk.daemon.url)
        await reader.page.get_by_label("Language of the page").select_option("sv")
        await reader.page.wait_for_selector("html[lang=en] h1:has-text('Overview')")
        assert [c for c in reader.complaints if c.startswith("error: ") and "ERR_FAILED" not in c] == []


async def test_no_language_is_offered_until_the_configuration_does(house: House, reader: Reader) -> None:
    async with Daemon(house) as daemon:
        await reader.page.add_init_script("localStorage.setItem('loan-monitor', '{\"language\":\"pl\"}')")
        await reader.look(daemon.url)
        await expect(reader.page.locator("h1")).to_have_text("Overview")
        await expect(reader.page.locator("select.language")).to_have_count(0)
