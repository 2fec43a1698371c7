"""What the tests of the page share: a real Chromium, a daemon in a house of its own, and an exchange that tests move.

They need Debian's chromium (or one that $MONITOR_TEST_CHROMIUM names), the package playwright, and the page built by
`make setup`. Where one of these is not there, all of them skip and say which.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.web.page import FOLDER
from tests.browser.reader import Reader, expect
from tests.faults.house import House
from tests.feeds.venue import Venue

if TYPE_CHECKING:
    from playwright.async_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """The path of a browser, or None."""
    named = os.environ.get("MONITOR_TEST_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def missing() -> str | None:
    """What is not there of all that these tests need."""
    if chromium() is None:
        return "no chromium on this machine; install it, or name one by MONITOR_TEST_CHROMIUM"
    if expect is None:
        return "the package playwright is not installed"
    if not (FOLDER / "index.html").is_file():
        return "the page is not built; make setup does it where node and npm are"
    return None


@pytest.fixture(autouse=True)
def _needs() -> Iterator[None]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    yield


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with Venue() as venue:
        yield venue


@pytest.fixture
def house(tmp_path: Path, venue: Venue) -> House:
    house = House(tmp_path, venue)
    house.write()
    return house


@pytest.fixture
async def reader(browser: Browser) -> AsyncIterator[Reader]:
    """Somebody at a wide screen, in English, whose zone is not UTC."""
    async with Reader.at(browser) as reader:
        yield reader
