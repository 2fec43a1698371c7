"""Fault tests of what prices say: stalled, frozen, one bad tick, a true fall on two sources, against a running daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, but_stalls, now_s, until
from tests.feeds.venue import Venue, mark

STALE_S, CONFIRM_S = 1.5, 1.0
SECOND = '[[feed]]\nname = "second"\nkind = "binance_futures"\nurl = "{url}"\nretry_min = "50ms"\nretry_max = "500ms"\n'


class Market:
    """One or more venues that say a price ten times a second; what they say is changed at any time."""

    def __init__(self, *venues: Venue) -> None:
        self.prices: dict[Venue, dict[str, str]] = {venue: {} for venue in venues}
        self.at_ms: int | None = None
        """A time that stands still."""
        self.is_silent = False
        self._number = 0

    def set(self, price: str, *venues: Venue) -> None:
        for venue in venues or self.prices:
            self.prices[venue] = {"BTCUSDT": price}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._say())
        yield
        task.cancel()

    async def _say(self) -> None:
        while True:
            self._number += 1
            for venue, prices in self.prices.items():
                if not self.is_silent and prices:
                    # ETH moves all the time: a market where only one coin stands still.
                    await venue.marks(
                        prices | {"ETHUSDT": f"3000.{self._number % 100:02}"}, messages=1, at_ms=self.at_ms
                    )
            await asyncio.sleep(0.1)


async def kinds(daemon: Daemon) -> list[str]:
    return [item["type"] for item in but_stalls(await daemon.alerts())]


async def btc(daemon: Daemon) -> dict[str, object]:
    rows = (await daemon.get("/v1/prices"))["items"]
    return next((row for row in rows if row["asset"] == "BTC"), {"trust": "missing", "price": None})


async def until_btc(daemon: Daemon, price: str, trust: str = "good", within_s: float = 12) -> float:
    async def there() -> bool:
        row = await btc(daemon)
        return (row["trust"], row["price"]) == (trust, price)

    return await until(there, f"BTC at {price} is {trust}", within_s)


async def test_a_stalled_feed_makes_groups_blind_and_decides_nothing(house: House, venue: Venue) -> None:
    """The socket is open and pings are answered; G-1 would be cured by the next price, and G-2 is calm."""
    market = Market(venue)
    house.write(stale_after_s=STALE_S)
    async with Daemon(house) as daemon, market.open():
        await daemon.put(one_btc("G-1", owed="80000"), one_btc("G-2", owed="10000"))
        market.set("100000")
        await until_btc(daemon, "100000")
        await until(lambda: kinds(daemon), "the margin call of G-1")
        market.is_silent = True
        took_s = await until_btc(daemon, "100000", "stale")
        assert STALE_S - 0.3 < took_s < STALE_S + 3
        told = await kinds(daemon)
        blind = [(await daemon.get(f"/v1/groups/{id_}"))["blind"] for id_ in ("G-1", "G-2")]
        assert blind == [True, True]
        assert [kind for kind in told if kind.startswith("loan_group")] == ["loan_group.margin_call.opened"]
        assert len([kind for kind in told if kind in ("price.stale", "feed.down")]) == 1, told
        market.is_silent = False
        market.set("120000")
        await until_btc(daemon, "120000")
        await until(lambda: _has(daemon, "loan_group.margin_call.cured"), "the cure, with the first good price")


async def _has(daemon: Daemon, kind: str) -> bool:
    return kind in await kinds(daemon)


async def test_a_time_that_stands_still_is_stale_and_a_price_that_stands_still_is_not(
    house: House, venue: Venue
) -> None:
    market = Market(venue)
    house.write(stale_after_s=STALE_S)
    async with Daemon(house) as daemon, market.open():
        await daemon.put(one_btc("G-1", owed="10000"))
        market.set("100000")
        await until_btc(daemon, "100000")
        began_s = now_s()
        while now_s() - began_s < 2 * STALE_S:
            assert (await btc(daemon))["trust"] == "good", "the same price with a later time is a price"
            await asyncio.sleep(0.1)
        assert await kinds(daemon) == []
        market.at_ms = await venue.marks({"BTCUSDT": "100000"}, messages=1)
        took_s = await until_btc(daemon, "100000", "stale")
        assert took_s < STALE_S + 3


async def test_one_bad_tick_liquidates_nobody_and_is_one_alert(house: House, venue: Venue) -> None:
    market = Market(venue)
    house.write(stale_after_s=30, confirm_jump="0.15")
    async with Daemon(house) as daemon, market.open():
        await daemon.put(one_btc("G-1", owed="50000"))
        market.set("100000")
        await until_btc(daemon, "100000")
        await venue.send([mark("BTCUSDT", "40000", await venue.marks({"ETHUSDT": "3000"}) + 1)])
        await until(lambda: _told(daemon, 1), "the bad tick is told")
        await asyncio.sleep(2 * CONFIRM_S)
        told = await kinds(daemon)
        assert [kind for kind in told if kind.startswith("loan_group")] == []
        assert told.count("price.suspect") == 1, told
        assert (await btc(daemon))["price"] == "100000"


async def _told(daemon: Daemon, number: int) -> bool:
    return len(await kinds(daemon)) >= number


async def test_a_true_fall_on_two_sources_liquidates_within_the_window(house: House, venue: Venue) -> None:
    async with Venue() as second:
        market = Market(venue, second)
        house.write(stale_after_s=30, confirm_jump="0.15", more=SECOND.format(url=second.url))
        async with Daemon(house) as daemon, market.open():
            await second.joined()
            await daemon.put(one_btc("G-1", owed="50000"))
            market.set("100000")
            await until_btc(daemon, "100000")
            await asyncio.sleep(0.5)
            market.set("40000")
            took_s = await until(lambda: _has(daemon, "loan_group.liquidation.triggered"), "the liquidation")
            assert took_s < CONFIRM_S + 1
            group = await daemon.get("/v1/groups/G-1")
            assert group["ltv"] == "1.25"


@pytest.mark.parametrize("alone", ["venue", "second"])
async def test_a_lone_print_beside_a_live_source_never_becomes_good_by_lasting(
    house: House, venue: Venue, alone: str
) -> None:
    async with Venue() as second:
        market = Market(venue, second)
        house.write(stale_after_s=30, confirm_jump="0.15", more=SECOND.format(url=second.url))
        async with Daemon(house) as daemon, market.open():
            await second.joined()
            await daemon.put(one_btc("G-1", owed="50000"))
            market.set("100000")
            await until_btc(daemon, "100000")
            await asyncio.sleep(0.5)
            market.set("3", venue if alone == "venue" else second)
            await asyncio.sleep(4 * CONFIRM_S)
            told = await kinds(daemon)
            assert [kind for kind in told if kind.startswith("loan_group")] == [], told
            assert (await btc(daemon))["price"] == "100000"
