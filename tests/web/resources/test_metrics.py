"""Metrics of the daemon."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp

from monitor.core.events.events import MarkPrices
from monitor.core.groups.outcome import SourceView
from monitor.core.prices.quote import Quote
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
        'monitor_price_receipt_age_seconds{asset="BTC"} 7.0',
        'monitor_price_untrusted{asset="BTC"} 0.0',
        'monitor_feed_connected{feed="tape"} 1.0',
        'monitor_feed_refused{feed="tape",reason="zero"} 3.0',
    ):
        assert expected in text.splitlines(), expected


async def scraped(http: Session) -> list[str]:
    return [row for row in (await ask(http, "GET", "/metrics"))[2].splitlines() if not row.startswith("#")]


async def test_an_age_is_by_the_exchange_and_the_lag_and_the_clock_of_a_feed_are_told(
    desk: WebDesk, http: Session
) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.clock.now += timedelta(minutes=20)
    at = desk.clock.now - timedelta(minutes=10)
    desk.handle(MarkPrices(desk.clock.now, (Quote("BTC", Decimal(40_000), "USDT", "tape", at),)))
    desk.view.sources = {"tape": SourceView(timedelta(seconds=-600), refused={"ahead": 2})}
    rows = await scraped(http)
    for expected in (
        'monitor_price_age_seconds{asset="BTC"} 600.0',
        'monitor_price_receipt_age_seconds{asset="BTC"} 0.0',
        'monitor_feed_lag_seconds{feed="tape"} 600.0',
        'monitor_feed_clock_offset_seconds{feed="tape"} -600.0',
        'monitor_feed_dropped{feed="tape",reason="ahead"} 2.0',
    ):
        assert expected in rows, expected


async def test_coins_that_no_group_needs_have_one_sample_together(desk: WebDesk, http: Session) -> None:
    """A venue lists some 700 coins; each of them would be three series for ever."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.prices({f"C{n}": "1" for n in range(400)})
    desk.clock.now += timedelta(seconds=5)
    rows = [row for row in await scraped(http) if row.startswith("monitor_price_age_seconds")]
    assert [row.partition("{")[2] for row in rows] == ['asset="BTC"} 5.0', 'asset="other"} 5.0']


async def test_reasons_are_bounded_and_a_feed_that_is_gone_leaves_no_sample(desk: WebDesk, http: Session) -> None:
    for n in range(60):
        desk.feeds["tape"].refused[f"reason {n}"] = 60 - n
    rows = [row for row in await scraped(http) if row.startswith("monitor_feed_refused")]
    assert len(rows) == 51
    assert f'monitor_feed_refused{{feed="tape",reason="other"}} {float(sum(range(1, 11)))}' in rows
    del desk.feeds["tape"]
    assert not [row for row in await scraped(http) if 'feed="tape"' in row]


async def test_a_coin_without_a_price_is_not_trusted(http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line(collateral={"a": {"BTC": "1"}}, loans=[loan_in("XRP")]))
    assert 'monitor_price_untrusted{asset="XRP"} 1.0' in await scraped(http)


def loan_in(coin: str) -> dict[str, Any]:
    fixed = {"rate": {"kind": "fixed", "daily": "0"}, "term": "30d", "matures_at": "2026-03-31T10:00:00Z"}
    return {**line()["loans"][0], "asset": coin, **fixed}
