"""A standby has the newest prices when it takes over, and goes on with the connection that brought them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.config import Part
from monitor.core.prices.quote import Batch, Frame
from monitor.daemon import feeds_ahead
from monitor.daemon.feeds_ahead import FeedAhead
from monitor.feeds import binance_futures
from tests.feeds.venue import Venue, until


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with Venue() as venue:
        yield venue


def listened(venue: Venue) -> tuple[Part, FeedAhead]:
    part = Part("binance_futures", "venue", binance_futures.Config(url=venue.url))
    config: Any = SimpleNamespace(feeds=(part,), state_dir=Path())
    return part, feeds_ahead.listen(config, SystemClock(), frozenset)["venue"]


def prices_of(batches: list[Batch]) -> list[tuple[str, str]]:
    return [(quote.asset, str(quote.price)) for batch in batches for quote in batch]


async def test_who_takes_over_has_the_newest_price_of_each_coin_and_goes_on_with_the_connection(venue: Venue) -> None:
    part, ahead = listened(venue)
    await venue.joined()
    for usd in ("50000", "50001"):
        await venue.marks({"BTCUSDT": usd, "ETHUSDT": "3000"})
    await until(lambda: ahead.feed.stats.frames >= 4, "both seconds")
    for usd in ("100", "101"):
        ahead._sink(Frame("venue", "USDT", ("SOL",), (usd,), 1))
    assert ahead.goes_on(part)
    taken: list[Batch] = []
    running = asyncio.create_task(ahead.run(taken.append, frozenset))
    await until(lambda: len(prices_of(taken)) >= 3, "what was kept")
    assert sorted(prices_of(taken)) == [("BTC", "50001"), ("ETH", "3000"), ("SOL", "101")]
    await venue.marks({"BTCUSDT": "50002"})
    await until(lambda: ("BTC", "50002") in prices_of(taken), "what comes from then on")
    assert venue.attempts == 1
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await until(lambda: not venue.sockets, "the end of the connection")


async def test_a_feed_that_is_over_or_another_one_is_begun_anew(venue: Venue) -> None:
    part, ahead = listened(venue)
    await venue.joined()
    assert not ahead.goes_on(Part("binance_futures", "venue", binance_futures.Config(url=venue.root)))
    await ahead.close()
    assert not ahead.goes_on(part)
    await until(lambda: not venue.sockets, "the end of the connection")


def test_what_plays_from_its_beginning_is_left_to_the_head() -> None:
    config: Any = SimpleNamespace(feeds=(Part("scenario", "day", None), Part("tape", "night", None)), state_dir=Path())
    assert feeds_ahead.listen(config, SystemClock(), frozenset) == {}
