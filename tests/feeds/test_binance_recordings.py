"""Every recorded message of this venue parses, and gives the stated number of quotes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from monitor.core.prices.quote import Quote
from monitor.feeds.binance_futures import BinanceFutures, Config, build
from tests.feeds.shared import SHARED, needs_shared

pytestmark = needs_shared

WS = SHARED / "data" / "ws"
STREAMS = SHARED / "fixtures" / "binance_derivatives_trading_usds_futures" / "websocket_streams"


def feed() -> BinanceFutures:
    return build("binance-futures", Config())


def recorded(name: str) -> Iterator[str]:
    """The messages of a recording: its lines are `receive_time: payload`, but for the one that names the connection."""
    with gzip.open(WS / name, "rt") as lines:
        for line in lines:
            _, colon, payload = line.partition(": ")
            if colon and "<->" not in line:
                yield payload.rstrip("\n")


def first_and_last(quotes: list[Quote]) -> list[str]:
    return [f"{q.asset} {q.price} {q.at:%Y-%m-%dT%H:%M:%S}" for q in (quotes[0], quotes[-1])] if quotes else []


@pytest.mark.parametrize(
    ("name", "messages", "events"),
    [
        ("cryptofeed_BINANCE_FUTURES.ws.1.0.gz", 1535, {"other_event": 1535}),
        ("cryptofeed_BINANCE_DELIVERY.ws.1.0.gz", 4371, {"other_event": 4371}),
    ],
)
def test_recordings_of_trades_and_books_hold_no_mark_price(name: str, messages: int, events: dict[str, int]) -> None:
    binance = feed()
    quotes = [quote for message in recorded(name) for quote in binance.parse(message)]
    assert (binance.stats.frames, len(quotes)) == (messages, 0)
    assert (dict(binance.stats.ignored), dict(binance.stats.refused)) == (events, {})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (WS / "single" / "binance__futures_market_data_json_mark_price_stream.json", "11794.15000000"),
        (STREAMS / "mark_price_stream.json", "11794.15000000"),
        (STREAMS / "mark_price_stream_for_all_market.json", "11185.87786614"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_single_mark_price_message_is_one_quote(path: object, expected: str) -> None:
    body = json.loads(path.read_text())
    message = body.get("payload", body)
    binance = feed()
    quotes = binance.parse(json.dumps(message))
    assert first_and_last(quotes) == [f"BTC {expected} 2019-07-05T05:43:00"] * 2
    assert not binance.stats.refused


def test_every_other_documented_stream_is_another_event() -> None:
    others = [p for p in sorted(STREAMS.glob("*.json")) if not p.name.startswith("mark_price")]
    others += sorted((WS / "single").glob("binance__futures_market_data_json_[!m]*.json"))
    assert len(others) == 13
    for path in others:
        body = json.loads(path.read_text())
        message = body.get("payload", body) if isinstance(body, dict) else body
        binance = feed()
        assert binance.parse(json.dumps(message)) == []
        assert (dict(binance.stats.ignored), dict(binance.stats.refused)) == ({"other_event": 1}, {}), path.name


def test_another_projects_reading_of_the_mark_price_is_ours() -> None:
    """Of the 8 futures messages one is a mark price, and its expected normalised result names the price."""
    lines = (WS / "mapper_cases.jsonl").read_text().splitlines()
    cases = [case for case in map(json.loads, lines) if case["case"] == "map binance futures messages"]
    binance = feed()
    quotes: list[Quote] = []
    for case in cases:
        quotes += binance.parse(json.dumps(case["message"]))
        for expected in case["expected_normalized"]:
            if expected.get("markPrice") is not None and "markPriceUpdate" in json.dumps(case["message"]):
                assert quotes[-1].price == Decimal(str(expected["markPrice"]))
                assert (
                    f"{quotes[-1].at:%Y-%m-%dT%H:%M:%S}.{quotes[-1].at.microsecond // 1000:03}Z"
                    == expected["timestamp"]
                )
    assert len(cases) == 8
    assert first_and_last(quotes) == ["BTC 8291.34697815 2019-10-01T00:00:03"] * 2
