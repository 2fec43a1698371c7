"""A desk that stands for all tests of a module: one daemon, one browser, a few groups, and a past that people made."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.book_lines import one_btc
from tests.browser.conftest import FLAGS, chromium
from tests.faults.house import Daemon, House, SignedReceiver, webhook
from tests.feeds.venue import Venue

if TYPE_CHECKING:
    from playwright.async_api import Browser

CALM = {"BTCUSDT": "100000", "ETHUSDT": "4000"}
BOOK = '[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\n'
"""With a line that is refused."""
LONG = "a-group-with-an-id-that-is-longer-than-a-phone-is-wide-0123456789"
WEB = 'port = 0\nlanguages = ["pl", "pt", "ru", "sv"]'


class Standing(NamedTuple):
    daemon: Daemon
    venue: Venue
    browser: Browser
    receiver: SignedReceiver


@asynccontextmanager
async def standing(called: int = 0) -> AsyncIterator[Standing]:
    """So many groups in a margin call, each with its alert, and some with more of a life: G-1 had a margin call, a top-up and a repayment; the clock of G-2 runs; LONG has a name and figures of a long life."""
    from playwright.async_api import async_playwright

    with tempfile.TemporaryDirectory() as folder:
        async with Venue() as venue, SignedReceiver() as receiver, async_playwright() as playwright:
            house = House(Path(folder), venue)
            bad = {**one_btc("BAD"), "lables": {}, "collateral": {"x": {"BTC": "-1"}}}
            await asyncio.to_thread((house.folder / "book.jsonl").write_text, json.dumps(bad))
            house.write(webhook("pager", receiver.url()), '[[route]]\nto = ["pager"]\n', BOOK, web=WEB)
            async with Daemon(house) as daemon:
                browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
                await daemon.put(*(one_btc(f"N-{n}", owed="70000") for n in range(called)))
                await _filled(daemon, venue)
                yield Standing(daemon, venue, browser, receiver)
                await browser.close()


async def _filled(daemon: Daemon, venue: Venue) -> None:
    await daemon.put(
        one_btc("G-1", owed="78000", labels={"borrower": "ACME"}),
        one_btc("G-2", owed="80000", labels={"borrower": "BETA"}, delayed_liquidation=True),
        one_btc("G-3", owed="2000", asset="ETH", labels={"borrower": "BETA"}),
        one_btc(
            LONG, btc="1234.567890123456789012", owed="98765432.109", labels={"borrower": "A borrower of many words"}
        ),
    )
    await venue.marks(CALM)
    await venue.marks({"BTCUSDT": "87000"})
    entries = (
        {"id": "e-1", "type": "deposit", "account": "G-1-a", "asset": "BTC", "quantity": "0.5"},
        {"id": "e-2", "type": "repay", "asset": "USDT", "amount": "8000"},
    )
    for entry in entries:
        status, found = await daemon.ask("POST", "/v1/groups/G-1/entries", entry)
        assert status == 200, found
