"""Metrics of the daemon."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import aiohttp
import pytest

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
    for name in ("monitor_feed_refused", "monitor_feed_refused_total"):
        rows = [row for row in await scraped(http) if row.startswith(name + "{")]
        assert len(rows) == 51
        assert f'{name}{{feed="tape",reason="other"}} {float(sum(range(1, 11)))}' in rows
    del desk.feeds["tape"]
    assert not [row for row in await scraped(http) if 'feed="tape"' in row]


async def test_a_coin_without_a_price_is_not_trusted(http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line(collateral={"a": {"BTC": "1"}}, loans=[loan_in("XRP")]))
    assert 'monitor_price_untrusted{asset="XRP"} 1.0' in await scraped(http)


def loan_in(coin: str) -> dict[str, Any]:
    fixed = {"rate": {"kind": "fixed", "daily": "0"}, "term": "30d", "matures_at": "2026-03-31T10:00:00Z"}
    return {**line()["loans"][0], "asset": coin, **fixed}


COUNTED = ("frames", "refused", "ignored", "dropped", "reconnects")


async def test_what_only_grows_is_a_counter_and_its_old_name_is_told_as_well(desk: WebDesk, http: Session) -> None:
    stats = desk.feeds["tape"]
    stats.frames, stats.reconnects = 7, 2
    stats.refused["zero"], stats.ignored["delivery"] = 3, 4
    desk.view.sources = {"tape": SourceView(refused={"ahead": 5})}
    _, _, text = await ask(http, "GET", "/metrics")
    rows = text.splitlines()
    for name in (*(f"monitor_feed_{name}" for name in COUNTED), "monitor_event_log_lost_events"):
        assert f"# TYPE {name}_total counter" in rows, name
        assert f"# TYPE {name} gauge" in rows, name
    for sample in ("frames_total{feed", "refused_total{feed", "refused{feed", "reconnects_total{feed"):
        assert [row for row in rows if row.startswith("monitor_feed_" + sample)], sample
    assert 'monitor_feed_dropped_total{feed="tape",reason="ahead"} 5.0' in rows
    assert "monitor_event_log_lost_events_total 0.0" in rows
    grows = [row.split()[2] for row in rows if row.startswith("# TYPE") and row.endswith("gauge")]
    assert not [name for name in grows if name.endswith(("_total", "_count"))]


async def test_a_reason_that_becomes_frequent_makes_no_counter_fall(desk: WebDesk, http: Session) -> None:
    """A counter that falls looks like a restart: Prometheus would count all of it again."""
    refused = desk.feeds["tape"].refused
    for n in range(55):
        refused[f"reason {n}"] = 10
    before = counts(await scraped(http))
    refused["reason 54"] += 1000
    after = counts(await scraped(http))
    assert before.keys() == after.keys()
    assert [key for key in before if after[key] < before[key]] == []
    assert after['{feed="tape",reason="other"}'] == 1050


def counts(rows: list[str]) -> dict[str, float]:
    found = [
        row.removeprefix("monitor_feed_refused_total") for row in rows if row.startswith("monitor_feed_refused_total{")
    ]
    return {row.rpartition(" ")[0]: float(row.rpartition(" ")[2]) for row in found}


async def test_debt_and_the_way_to_the_next_line_are_told_by_stage(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    await ask(http, "PUT", "/v1/groups/G-2", line("G-2", btc="3.2"))
    _, _, listed = await ask(http, "GET", "/v1/groups")
    rows = await scraped(http)
    nearest = {row.split('"')[1]: row.split()[-1] for row in rows if row.startswith("monitor_nearest_line_percent")}
    assert sorted(nearest) == ["margin_call", "normal"], "a stage without groups has no sample"
    for group in listed["items"]:
        assert f'monitor_debt_usd{{stage="{group["stage"]}"}} {float(int(float(group["debt_usd"])))}' in rows
        thresholds, ltv = group["thresholds"], float(group["ltv"])
        line_ahead = float(thresholds["liquidation" if group["stage"] == "margin_call" else "margin_call"])
        assert float(nearest[group["stage"]]) == pytest.approx(100 * (1 - ltv / line_ahead), abs=0.011)
    assert 'monitor_debt_usd{stage="liquidation"} 0.0' in rows


async def test_the_build_is_told(http: Session) -> None:
    (row,) = [row for row in await scraped(http) if row.startswith("monitor_build_info")]
    assert f'version="{version("loan-monitor")}"' in row
    assert row.endswith(" 1.0")
