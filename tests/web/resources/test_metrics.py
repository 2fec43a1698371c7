"""Metrics of the daemon."""

from __future__ import annotations

from datetime import timedelta

import aiohttp

from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_metrics_are_brought_up_to_date_when_they_are_asked_for(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    await ask(http, "PUT", "/v1/groups/G-2", line("G-2", btc="3.2"))
    desk.feeds["tape"].connected = True
    desk.feeds["tape"].refused["zero"] += 3
    desk.clock.now += timedelta(seconds=7)
    status, headers, text = await ask(http, "GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    for expected in (
        'monitor_groups{stage="normal"} 1.0',
        'monitor_groups{stage="margin_call"} 1.0',
        "monitor_groups_unknown 0.0",
        'monitor_price_age_seconds{asset="BTC"} 7.0',
        'monitor_price_untrusted{asset="BTC"} 0.0',
        'monitor_feed_connected{feed="tape"} 1.0',
        'monitor_feed_refused{feed="tape",reason="zero"} 3.0',
    ):
        assert expected in text.splitlines(), expected
