"""What the fault tests share: an exchange and a house in a folder of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.house import House, SignedReceiver
from tests.feeds.venue import Venue
from tests.signatures import every_delivery_verifies as every_delivery_verifies


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with Venue() as venue:
        yield venue


@pytest.fixture
async def receiver() -> AsyncIterator[SignedReceiver]:
    async with SignedReceiver() as receiver:
        yield receiver


@pytest.fixture
def house(tmp_path: Path, venue: Venue) -> House:
    return House(tmp_path, venue)
