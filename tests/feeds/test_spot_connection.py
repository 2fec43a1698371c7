"""Connections to spot venues that fail: heartbeats without prices, sockets that are cut, tickers that come again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from monitor.core import schema
from monitor.feeds import coinbase, kraken
from monitor.feeds._subscriptions import AskedFeed
from tests.feeds import test_coinbase, test_kraken
from tests.feeds.exchange import Exchange
from tests.feeds.venue import Listener, until

FAST = {"retry_min": "10ms", "retry_max": "50ms"}


class Spoken(NamedTuple):
    """How a venue's feed is made, and what the venue says."""

    build: Callable[..., AskedFeed]
    ticker: Callable[[str, str, int], str]
    """A ticker of SOL: its quote coin, its price, and the second of its time."""
    heartbeat: str


def _feed(module: Any, api: str) -> Callable[..., AskedFeed]:
    return lambda **keys: module.build("venue", schema.read(module.Config, {"api": api, **FAST, **keys}))


def at(second: int) -> str:
    return f"2026-01-05T10:00:{second:02}.5Z"


VENUES = {
    "coinbase exchange": Spoken(
        _feed(coinbase, "exchange"),
        lambda quote, price, s: json.dumps(test_coinbase.ticker(f"SOL-{quote}", price, time=at(s))),
        '{"type": "heartbeat", "sequence": 1, "last_trade_id": 2, "product_id": "BTC-USD", "time": "2026-01-05T10:00:00Z"}',
    ),
    "coinbase advanced": Spoken(
        _feed(coinbase, "advanced"),
        lambda quote, price, s: json.dumps(
            test_coinbase.advanced(test_coinbase.of_advanced(f"SOL-{quote}", price), at=at(s))
        ),
        '{"channel": "heartbeats", "timestamp": "2026-01-05T10:00:00Z", "events": [{"heartbeat_counter": "3"}]}',
    ),
    "kraken v2": Spoken(
        _feed(kraken, "v2"),
        lambda quote, price, s: test_kraken.v2(test_kraken.item(f"SOL/{quote}", last=float(price), timestamp=at(s))),
        '{"channel": "heartbeat"}',
    ),
    "kraken v1": Spoken(
        _feed(kraken, "v1"), lambda quote, price, s: test_kraken.v1(f"SOL/{quote}", price), '{"event": "heartbeat"}'
    ),
}
every_venue = pytest.mark.parametrize("venue", VENUES.values(), ids=VENUES.keys())
dated = pytest.mark.parametrize("venue", [v for k, v in VENUES.items() if k != "kraken v1"], ids=lambda _: "")


async def beats(exchange: Exchange, text: str) -> None:
    while True:
        await exchange.send(text)
        await asyncio.sleep(0.03)


@every_venue
async def test_heartbeats_are_no_prices(venue: Spoken) -> None:
    """A connection on which only heartbeats come is given up, both before the first price and after it."""
    async with Exchange() as exchange:
        feed = venue.build(url=exchange.url, first_frame="300ms", silence="300ms")
        beating = asyncio.create_task(beats(exchange, venue.heartbeat))
        async with Listener(feed.quotes()) as heard:
            await until(lambda: len(exchange.said) >= 2, "a second connection before the first price")
            assert "no price" in feed.stats.reason
            assert "heartbeat only" in feed.stats.reason
            await until(lambda: exchange.said[-1], "a request on it")
            await exchange.send(venue.ticker("USD", "150.5", 1))
            await heard.heard("SOL", "150.5")
            number = len(exchange.said)
            await until(lambda: len(exchange.said) > number, "another connection after the silence")
        beating.cancel()


@every_venue
async def test_after_a_cut_the_new_connection_is_asked_for_the_same(venue: Spoken) -> None:
    async with Exchange() as exchange:
        feed = venue.build(url=exchange.url)
        async with Listener(feed.quotes()) as heard:
            await until(lambda: exchange.said and exchange.said[0], "the first request")
            await exchange.send(venue.ticker("USD", "150.5", 1))
            await heard.heard("SOL", "150.5")
            exchange.drop()
            await until(
                lambda: len(exchange.said) > 1 and len(exchange.said[1]) == len(exchange.said[0]), "the requests again"
            )
            await exchange.send(venue.ticker("USD", "151.5", 2))
            await heard.heard("SOL", "151.5")
            assert feed.stats.connected
            assert feed.stats.reconnects == 1

    def asked(texts: list[str]) -> list[str]:
        return sorted(
            str(json.loads(t).get("product_ids") or json.loads(t).get("pair") or json.loads(t).get("params"))
            for t in texts
        )

    assert asked(exchange.said[0]) == asked(exchange.said[1])


@dated
async def test_a_ticker_that_comes_again_after_a_cut_moves_nothing_back(venue: Spoken) -> None:
    async with Exchange() as exchange:
        feed = venue.build(url=exchange.url)
        async with Listener(feed.quotes()) as heard:
            await until(lambda: exchange.said and exchange.said[0], "the first request")
            await exchange.send(venue.ticker("USD", "150.5", 1))
            await exchange.send(venue.ticker("USD", "151.5", 2))
            await heard.heard("SOL", "151.5")
            exchange.drop()
            await until(lambda: len(exchange.said) > 1 and exchange.said[1], "the second request")
            await exchange.send(venue.ticker("USD", "150.5", 1))
            await exchange.send(venue.ticker("USD", "152.5", 3))
            await heard.heard("SOL", "152.5")
    assert heard.prices("SOL") == ["150.5", "151.5", "152.5"]
