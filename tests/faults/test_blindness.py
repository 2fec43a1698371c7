"""A feed that goes is said once with its cause, in the words of readiness; its return is said once as well."""

from __future__ import annotations

from typing import Any

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, Ticker, until

COINS = {"BTC": "100000", "ETH": "5000", "SOL": "200"}


async def told(daemon: Daemon, *families: str) -> list[dict[str, Any]]:
    return [a for a in await daemon.alerts() if a["type"].partition(".")[0] in families]


async def put_all(daemon: Daemon) -> None:
    await daemon.put(*({**one_btc(f"G-{coin}"), "collateral": {f"{coin}-m": {coin: "1"}}} for coin in COINS))


async def trusts_all(daemon: Daemon) -> bool:
    items = (await daemon.get("/v1/prices"))["items"]
    return {item["asset"] for item in items if item["trust"] == "good"} >= COINS.keys()


async def test_a_feed_that_is_refused_is_one_alert_with_the_cause_and_one_when_it_is_back(house: House) -> None:
    assert house.venue is not None
    house.write(stale_after_s=2)
    async with Daemon(house) as daemon:
        await put_all(daemon)
        async with Ticker(house.venue, **COINS):
            await until(lambda: trusts_all(daemon), "prices")
        house.venue.refusals += [(451, {})] * 1000
        house.venue.drop()
        await until(lambda: told(daemon, "feed"), "the feed is said to be down")
        (down,) = await told(daemon, "feed")
        assert down["type"] == "feed.down"
        facts = down["data"]["facts"]
        assert (facts["assets"], facts["groups"]) == (sorted(COINS), 3)
        assert "HTTP 451" in facts["cause"]
        assert facts["cause"] in str(await daemon.reasons()), "readiness uses the same words"
        house.venue.refusals.clear()
        async with Ticker(house.venue, **COINS):
            await until(lambda: trusts_all(daemon), "prices again")
            await until(lambda: len_is(daemon, 2), "the feed is said to be up")
        words = [(alert["type"], alert["data"]["facts"]["assets"]) for alert in await told(daemon, "feed")]
        assert words == [("feed.down", sorted(COINS)), ("feed.up", sorted(COINS))]
        assert [a["type"] for a in await told(daemon, "price")] == []


async def len_is(daemon: Daemon, count: int) -> bool:
    return len(await told(daemon, "feed")) == count


async def test_a_feed_that_never_gave_a_price_is_said_with_its_cause(house: House) -> None:
    assert house.venue is not None
    house.write(stale_after_s=2)
    async with Daemon(house) as daemon:
        house.venue.refusals += [(403, {})] * 1000
        house.venue.drop()
        await daemon.put(one_btc("G-1"))
        await until(lambda: told(daemon, "price"), "the price is missing")
        (alert,) = await told(daemon, "price")
        assert (alert["type"], alert["data"]["facts"]["trust"]) == ("price.stale", "missing")
        assert "HTTP 403" in alert["data"]["facts"]["reason"]
