"""Prices, their ages and their trust."""

from __future__ import annotations

from datetime import timedelta

import aiohttp

from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_prices_tell_their_three_ages(desk: WebDesk, http: Session) -> None:
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
    stated = line(
        loans=[
            {
                **line()["loans"][0],
                "asset": "XRP",
                "rate": {"kind": "fixed", "daily": "0"},
                "term": "30d",
                "matures_at": "2026-03-31T10:00:00Z",
            }
        ]
    )
    assert (await ask(http, "PUT", "/v1/groups/G-1", stated))[0] == 201
    prices = {p["asset"]: p for p in (await ask(http, "GET", "/v1/prices"))[2]["items"]}
    assert (prices["XRP"]["trust"], prices["XRP"]["price"]) == ("missing", None)
    assert (await ask(http, "GET", "/v1/groups"))[2]["items"][0]["unknown"]


async def test_prices_are_paged_by_name(http: Session) -> None:
    page = (await ask(http, "GET", "/v1/prices?limit=3"))[2]
    assert ([p["asset"] for p in page["items"]], page["next"]) == (["BTC", "ETH", "SOL"], "SOL")
    page = (await ask(http, "GET", "/v1/prices?limit=3&after=SOL"))[2]
    assert ([p["asset"] for p in page["items"]], page["next"]) == (["USDC", "USDT"], None)
