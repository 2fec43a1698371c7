"""Liveness, readiness with reasons, metrics, prices and the status."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from monitor.core.events.events import MarkPrices
from monitor.core.prices.quote import Quote
from monitor.core.text import stamp
from monitor.notifiers._base import ChannelState
from tests.book_lines import line
from tests.looks import START
from tests.web.desk import CALM, Desk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_alive_is_not_ready(desk: Desk, http: Session) -> None:
    desk.health.set("store", "the disk is full")
    assert (await ask(http, "GET", "/healthz"))[0] == 200
    status, _, found = await ask(http, "GET", "/readyz")
    assert (status, found["ready"], found["reasons"]) == (503, False, {"store": "the disk is full"})
    desk.health.set("store", None)
    assert (await ask(http, "GET", "/readyz"))[0] == 200


async def test_not_ready_while_no_price_that_a_group_needs_is_trusted() -> None:
    """One stale coin is told; when all are, nothing can be decided any more."""
    desk = Desk(trust=True)
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        stated = line(collateral={"a": {"BTC": "5", "ETH": "10"}}, loans=[])
        await ask(http, "PUT", "/v1/groups/G-1", stated)
        desk.clock.now += timedelta(seconds=8)
        desk.prices({"BTC": "40000"})
        desk.pass_time(timedelta(seconds=4))
        status, _, found = await ask(http, "GET", "/readyz")
        assert (status, found["prices"]["untrusted_assets"], found["prices"]["oldest_asset"]) == (200, ["ETH"], "ETH")
        assert found["prices"]["oldest_age_s"] == 12.0
        desk.pass_time(timedelta(seconds=10))
        status, _, found = await ask(http, "GET", "/readyz")
        assert status == 503
        assert found["reasons"] == {
            "prices": "no price that a group needs is trusted (2: BTC, ETH); look at the feeds",
        }


@pytest.mark.parametrize("why", ["stale", "missing"])
async def test_a_rate_that_the_configuration_states_is_no_trusted_price(why: str) -> None:
    """Nearly every group owes USDT, which is worth the stated 1 whatever the feeds do: it must not keep us ready."""
    desk = Desk(trust=True, priced={a: p for a, p in CALM.items() if why == "stale" or a != "SOL"})
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        coin = "BTC" if why == "stale" else "SOL"
        await ask(http, "PUT", "/v1/groups/G-1", line(collateral={"a": {coin: "5"}}))
        if why == "stale":
            assert (await ask(http, "GET", "/readyz"))[0] == 200
            desk.pass_time(timedelta(seconds=11))
        status, _, found = await ask(http, "GET", "/readyz")
    assert (status, found["prices"]["needed"], found["prices"]["untrusted_assets"]) == (503, 2, [coin])
    assert found["reasons"]["prices"] == f"no price that a group needs is trusted (1: {coin}); look at the feeds"


async def test_a_desk_that_needs_only_the_stated_rate_is_ready(desk: Desk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line(collateral={"a": {}}))
    assert (await ask(http, "GET", "/readyz"))[0] == 200


async def test_the_oldest_undelivered_notice_is_told(desk: Desk, http: Session) -> None:
    desk.metrics.oldest_undelivered.labels("risk-desk").set(42.5)
    assert (await ask(http, "GET", "/readyz"))[2]["oldest_undelivered_s"] == {"risk-desk": 42.5}


async def test_metrics_are_brought_up_to_date_when_they_are_asked_for(desk: Desk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    await ask(http, "PUT", "/v1/groups/G-2", line("G-2", btc="3.2"))
    desk.feeds["tape"].connected = True
    desk.feeds["tape"].refused["zero"] += 3
    desk.clock.now += timedelta(seconds=7)
    status, headers, text = await ask(http, "GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    for expected in (
        'monitor_groups{stage="normal"} 1.0', 'monitor_groups{stage="margin_call"} 1.0', "monitor_groups_unknown 0.0",
        'monitor_price_age_seconds{asset="BTC"} 7.0', 'monitor_price_untrusted{asset="BTC"} 0.0',
        'monitor_feed_connected{feed="tape"} 1.0', 'monitor_feed_refused{feed="tape",reason="zero"} 3.0',
    ):  # fmt: skip
        assert expected in text.splitlines(), expected


async def test_prices_tell_their_three_ages(desk: Desk, http: Session) -> None:
    """The exchange's time, the receipt, and the last change."""
    desk.clock.now += timedelta(seconds=3)
    desk.prices({"BTC": "40000"})
    desk.clock.now += timedelta(seconds=2)
    prices = {p["asset"]: p for p in (await ask(http, "GET", "/v1/prices"))[2]["items"]}
    btc, usdt = prices["BTC"], prices["USDT"]
    assert (btc["receipt_age_s"], btc["change_age_s"], btc["exchange_age_s"]) == (2.0, 5.0, 2.0)
    assert (btc["price"], btc["quote"], btc["trust"], btc["source"]) == ("40000", "USDT", "good", "tape")
    assert (usdt["price"], usdt["source"], usdt["receipt_age_s"]) == ("1", "usdt_usd", None)


async def test_a_coin_that_a_group_needs_and_nobody_quotes_is_listed_as_missing(http: Session) -> None:
    stated = line(loans=[{**line()["loans"][0], "asset": "XRP", "rate": {"kind": "fixed", "daily": "0"},
                          "term": "30d", "matures_at": "2026-03-31T10:00:00Z"}])  # fmt: skip
    assert (await ask(http, "PUT", "/v1/groups/G-1", stated))[0] == 201
    prices = {p["asset"]: p for p in (await ask(http, "GET", "/v1/prices"))[2]["items"]}
    assert (prices["XRP"]["trust"], prices["XRP"]["price"]) == ("missing", None)
    assert (await ask(http, "GET", "/v1/groups"))[2]["items"][0]["unknown"]


async def test_prices_are_paged_by_name(http: Session) -> None:
    page = (await ask(http, "GET", "/v1/prices?limit=3"))[2]
    assert ([p["asset"] for p in page["items"]], page["next"]) == (["BTC", "ETH", "SOL"], "SOL")
    page = (await ask(http, "GET", "/v1/prices?limit=3&after=SOL"))[2]
    assert ([p["asset"] for p in page["items"]], page["next"]) == (["USDC", "USDT"], None)


async def test_the_status_shows_feeds_and_what_they_refused(desk: Desk, http: Session) -> None:
    stats = desk.feeds["tape"]
    stats.connected, stats.reason, stats.frames, stats.last_frame_at = False, "connection refused", 12, START
    stats.ignored["delivery contract"] += 2
    stats.refused["not_a_number"] += 1
    found = (await ask(http, "GET", "/v1/status"))[2]
    assert found["feeds"]["tape"] == {
        "connected": False, "reason": "connection refused", "frames": 12, "quotes": 0, "reconnects": 0,
        "ignored": {"delivery contract": 2}, "refused": {"not_a_number": 1}, "last_frame_at": "2026-03-02T12:00:00.000Z",
            "last_frame_age_s": 0.0, "lag_s": 0.0,
    }  # fmt: skip
    assert (found["name"], found["rules"], found["groups"]["total"]) == ("desk-1", ["vip_loan@2024-04-29"], 0)


async def test_a_stream_without_a_heartbeat_is_a_reason_not_to_be_ready(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that dies unseen would leave every page frozen and calm."""
    from monitor.web import stream

    async def broken(self: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(stream.Hub, "run", broken)
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        status, _, found = await ask(http, "GET", "/readyz")
    assert status == 503
    assert "the stream's heartbeat stopped" in found["reasons"]["web"]


async def test_channels_say_how_they_do(desk: Desk, http: aiohttp.ClientSession) -> None:
    at = desk.clock.now
    desk.channels = [
        ChannelState("risk-desk", "webhook", True, 3, at - timedelta(minutes=2), None, at, "HTTP 500"),
        ChannelState("desk-mail", "email", False, 0, None, at, None, None),
    ]
    found = (await ask(http, "GET", "/v1/channels"))[2]
    assert found["items"] == [
        {
            "name": "desk-mail", "kind": "email", "breaker": "closed", "queued": 0, "oldest_at": None, "oldest_age_s": None,
            "last_delivered_at": stamp(at), "last_failed_at": None, "last_failure": None,
        },
        {
            "name": "risk-desk", "kind": "webhook", "breaker": "open", "queued": 3, "oldest_at": "2026-03-02T11:58:00.000Z",
            "oldest_age_s": 120.0, "last_delivered_at": None, "last_failed_at": stamp(at), "last_failure": "HTTP 500",
        },
    ]  # fmt: skip
    assert (await ask(http, "GET", "/v1/channels?limit=1"))[2]["next"] == "desk-mail"


async def test_feeds_say_how_old_their_last_frame_is_and_how_late_it_came(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    stats = desk.feeds["tape"]
    stats.connected, stats.reason, stats.last_frame_at = True, "", desk.clock.now
    desk.clock.now += timedelta(seconds=3)
    quote = Quote("BTC", Decimal("40000"), "USDT", "tape", desk.clock.now - timedelta(seconds=1.5))
    desk.handle(MarkPrices(desk.clock.now, (quote,)))
    (feed,) = (await ask(http, "GET", "/v1/feeds"))[2]["items"]
    assert (feed["name"], feed["connected"], feed["last_frame_age_s"], feed["lag_s"]) == ("tape", True, 3.0, 1.5)
    assert (await ask(http, "GET", "/v1/status"))[2]["feeds"]["tape"]["lag_s"] == 1.5
