"""Price sources and their ages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import aiohttp

from monitor.core.events.events import MarkPrices
from monitor.core.prices.quote import Quote
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_feeds_say_how_old_their_last_frame_is_and_how_late_it_came(
    desk: WebDesk, http: aiohttp.ClientSession
) -> None:
    stats = desk.feeds["tape"]
    stats.connected, stats.reason, stats.last_frame_at = True, "", desk.clock.now
    desk.clock.now += timedelta(seconds=3)
    quote = Quote("BTC", Decimal("40000"), "USDT", "tape", desk.clock.now - timedelta(seconds=1.5))
    desk.handle(MarkPrices(desk.clock.now, (quote,)))
    (feed,) = (await ask(http, "GET", "/v1/feeds"))[2]["items"]
    assert (feed["name"], feed["connected"], feed["last_frame_age_s"], feed["lag_s"]) == ("tape", True, 3.0, 1.5)
    assert (await ask(http, "GET", "/v1/status"))[2]["feeds"]["tape"]["lag_s"] == 1.5
