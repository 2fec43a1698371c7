"""What the tests of the web share: a desk, a server on a free port, and a client without cookies or retries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.web.desk import WebDesk, serving


@pytest.fixture
async def desk() -> WebDesk:
    return WebDesk()


@pytest.fixture
async def five_refusals(desk: WebDesk) -> None:
    """Five lines of a book that were refused: five alerts, each with its deliveries."""
    for i in range(5):
        desk.notice("book.refused", f"line {i}")


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a desk without tokens: loopback is admin."""
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as session:
        yield session
