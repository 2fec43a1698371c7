"""Messages of every venue, answers of an address that is polled, entries of a stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.prices.quote import Batch
from monitor.feeds import binance_futures, binance_spot, http_poll, redis_stream
from monitor.feeds._base import Desk, Unusable
from monitor.feeds.http_poll import PolledPrice
from tests.feeds import test_subscriptions, venue
from tests.fuzz.rubbish import bent, fuzz, spoilt

LEAST, MOST = Decimal("1e-18"), Decimal("1e15")
"""Prices that a coin can have, as `price` (core/prices/quote.py) takes them."""
SPOT = [{"e": "24hrMiniTicker", "E": 1_672_515_782_136, "s": "BTCUSDT", "c": "60000.10", "o": "1", "h": "1", "l": "1", "v": "1", "q": "1"}]  # fmt: skip
KEYS = (
    "data",
    "s",
    "p",
    "E",
    "e",
    "st",
    "c",
    "type",
    "channel",
    "params",
    "result",
    "error",
    "id",
    "event",
    "ts",
    "arg",
)


def _all() -> dict[str, tuple[Callable[[], Any], list[bytes]]]:
    found: dict[str, tuple[Callable[[], Any], list[bytes]]] = {
        kind: (build, [message('"50000.10"').encode(), message("50000.10").encode()])
        for kind, (build, message) in test_subscriptions.FEEDS.items()
    }
    mark = venue.frame([venue.mark("BTCUSDT", "50000.10"), venue.mark("ETHUSDT", "2500"), venue.mark("SOLUSDT", "1e2")])
    wrapped = f'{{"stream":"!markPrice@arr@1s","data":{mark}}}'
    found["binance_futures"] = (
        lambda: binance_futures.build("f", binance_futures.Config()),
        [mark.encode(), wrapped.encode()],
    )
    found["binance_spot"] = (lambda: binance_spot.build("f", binance_spot.Config()), [json.dumps(SPOT).encode()])
    return found


FEEDS = _all()
FRAMES = {
    kind: st.lists(
        spoilt(good) | bent([json.loads(each) for each in good], *KEYS) | st.binary(max_size=60), min_size=1, max_size=3
    )
    for kind, (_, good) in FEEDS.items()
}
every_venue = pytest.mark.parametrize("kind", sorted(FEEDS))


def sound(batch: Batch) -> None:
    """Every price is one that a coin can have, at a time with its zone."""
    for quote in batch:
        assert quote.price.is_finite()
        assert LEAST <= quote.price <= MOST, quote
        assert quote.beside is None or (quote.beside.is_finite() and quote.beside > 0), quote
        assert quote.at.tzinfo is not None


@every_venue
@fuzz(50)
@given(data=st.data())
def test_no_message_of_a_venue_raises_or_brings_a_price_that_is_none(kind: str, data: st.DataObject) -> None:
    """Good messages with rubbish in them, JSON of any shape, and bytes; then a good message still counts."""
    feed = FEEDS[kind][0]()
    feed.attach(Desk(needs=lambda: {"BTC", "ETH", "SOL"}))
    socket = feed.for_socket()
    for frame in data.draw(FRAMES[kind]):
        for hears in (feed, socket):
            sound(hears.parse(frame))
            answer = hears.answer(frame)
            assert answer is None or isinstance(answer, str)
    assert not feed.stats.refused["our_error"]
    assert feed.stats.reason.isprintable()


LISTS: list[Any] = [{"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING"}]},
         {"data": [{"instId": "BTC-USDT-SWAP", "ctType": "linear", "settleCcy": "USDT", "state": "live"}]},
         {"result": {"list": [{"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading"}]}},
         {"result": [{"instrument_name": "BTC_USDC-PERPETUAL", "base_currency": "BTC", "is_active": True}]},
         {"universe": [{"name": "BTC", "szDecimals": 5}]}, [{"id": "BTC-USD", "base_currency": "BTC"}]]  # fmt: skip
TEXTS = spoilt([json.dumps(each).encode() for each in LISTS]) | bent(
    LISTS, "symbols", "symbol", "list", "name", "status", "universe"
)


@every_venue
@fuzz(20)
@given(data=st.data())
def test_no_list_of_markets_is_more_than_refused(kind: str, data: st.DataObject) -> None:
    """The venue's list is read from an address, and its last copy from the disk."""
    feed = FEEDS[kind][0]()
    text = data.draw(TEXTS)
    with suppress(ValueError, Unusable, RecursionError):  # `InstrumentList` takes any error for a list that is none
        feed.markets.take(feed.instruments(text), "list")
    sound(feed.parse(FEEDS[kind][1][0]))


POLLED = {"data": {"nav": "50000.10", "as_of": "2026-01-05T10:00:00Z"}, "rows": [{"x": "1", "v": 7}]}


@fuzz(60)
@given(spoilt([json.dumps(POLLED).encode()]) | bent([POLLED], "data", "nav", "as_of", "rows", "x", "v"))
def test_no_answer_of_an_address_raises_or_brings_a_price_that_is_none(body: bytes) -> None:
    prices = (
        PolledPrice("NAV", "data.nav", time="data.as_of"),
        PolledPrice("ROW", "/rows/0/v"),
        PolledPrice("X", "rows[x=1].v"),
    )
    feed = http_poll.build("nav", http_poll.Config(url="https://nav.example/x", prices=prices))
    sound(feed.parse(body))
    assert feed.stats.reason.isprintable()


@fuzz(60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"1-0", b"1609459200000-0", b"x", b"", b"\xff-1", b"9" * 30 + b"-0"]),
            st.lists(st.sampled_from([b"asset", b"price", b"at", b"BTC", b"1", b"NaN", b"-1", b"1e400"]) | st.binary(max_size=20), max_size=8),
        ),
        max_size=3,
    )
)  # fmt: skip
def test_no_entry_of_a_stream_raises_or_brings_a_price_that_is_none(entries: list[tuple[bytes, list[bytes]]]) -> None:
    feed = redis_stream.build("desk", redis_stream.Config(url="redis://127.0.0.1:1/0"))
    sound(feed.parse(entries))
