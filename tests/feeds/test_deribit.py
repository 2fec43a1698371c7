"""Deribit: JSON numbers to the last digit, states that are no price, heartbeats that must be answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from monitor.core import schema
from monitor.feeds import deribit
from monitor.feeds._base import Desk
from tests.feeds.exchange import Exchange
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until

AT_MS = 1_767_607_200_000


def feed(**keys: object) -> deribit.Deribit:
    return deribit.build("deribit", schema.read(deribit.Config, keys))


def ticker(symbol: str = "BTC-PERPETUAL", mark: str = "50000.10", index: str = "50003.5", **more: object) -> str:
    """Numbers are written as the test says, as a float would change some of them."""
    data = {
        "timestamp": AT_MS, "state": "open",
        "stats": {"high": 51000.0, "low": 48000.0, "price_change": 2.3, "volume": 11897.2, "volume_usd": 1092371540.0},
        "instrument_name": symbol, "last_price": 50002.5, "settlement_price": 49900.1, "min_price": 49000.5,
        "max_price": 51000.5, "open_interest": 1132329370.0, "interest_value": 0.0028213400122472977,
        "best_ask_price": 50002.0, "best_bid_price": 50001.5, "estimated_delivery_price": 50003.5, "current_funding": 0.0,
        "funding_8h": 0.00001742, "mark_price": "MARK", "index_price": "INDEX", **more,
    }  # fmt: skip
    message = {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {"channel": f"ticker.{symbol}.100ms", "data": data},
    }
    return json.dumps(message).replace('"MARK"', mark).replace('"INDEX"', index)


def test_a_ticker_as_documented() -> None:
    (quote,) = feed().parse(ticker())
    assert (quote.asset, str(quote.price), quote.quote, quote.source) == ("BTC", "50000.10", "USD", "deribit")
    assert quote.at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert quote.beside == Decimal("50003.5")


@pytest.mark.parametrize("mark", ["0.1000000000000000055511151231257827", "92281.780", "1.5e-7", "50000"])
def test_no_float_touches_a_number(mark: str) -> None:
    """Both ways of reading keep each digit: the fast one, and the one for messages of another form."""
    (fast,) = feed().parse(ticker(mark=mark))
    (slow,) = feed().parse(ticker(mark=mark, more="\\u0041"))
    assert fast.price == slow.price == Decimal(mark)
    assert str(fast.price) == str(slow.price) == str(Decimal(mark))


@pytest.mark.parametrize(
    ("symbol", "asset", "quote"),
    [
        ("ETH-PERPETUAL", "ETH", "USD"),
        ("SOL_USDC-PERPETUAL", "SOL", "USDC"),
        ("BTC_USDT", "BTC", "USDT"),
        ("BTC-26JUN26", "BTC-26JUN26", "USD"),  # a dated future is no price of its coin
    ],
)
def test_symbols(symbol: str, asset: str, quote: str) -> None:
    (found,) = feed().parse(ticker(symbol))
    assert (found.asset, found.quote) == (asset, quote)


@pytest.mark.parametrize(
    "symbol", ["BTC-26JUN26-100000-C", "BTC-FS-26JUN26_PERP", "BTC-STRD-26JUN26-90000", "BTC-CSR12-5JUN26-1_2"]
)
def test_an_option_and_a_combination_are_no_price_of_the_coin(symbol: str) -> None:
    deribit_feed = feed()
    assert not deribit_feed.parse(ticker(symbol, mark="0.0053"))
    assert deribit_feed.stats.ignored == {"option": 1}


@pytest.mark.parametrize("state", ["halted", "locked", "delivered", "inactive", "closed", "archivized"])
def test_a_market_that_is_not_open_gives_no_price_and_says_so(state: str) -> None:
    deribit_feed = feed()
    assert not deribit_feed.parse(ticker(state=state))
    assert deribit_feed.stats.ignored == {"not_open": 1}
    assert state in deribit_feed.stats.states["BTC"]
    assert deribit_feed.parse(ticker())
    assert not deribit_feed.stats.states, "it is over when prices come again"


def test_the_moment_of_settlement_is_no_state_of_the_coin() -> None:
    deribit_feed = feed()
    assert not deribit_feed.parse(ticker(state="settlement"))
    assert deribit_feed.stats.ignored == {"settlement": 1}
    assert not deribit_feed.stats.states


@pytest.mark.parametrize(
    ("mark", "reason"), [("null", "not_text"), ("0", "zero"), ("0.0", "zero"), ("-0.5", "negative")]
)
def test_marks_that_are_none(mark: str, reason: str) -> None:
    deribit_feed = feed()
    assert not deribit_feed.parse(ticker(mark=mark))
    assert deribit_feed.stats.refused == {reason: 1}


def test_an_index_that_is_none_leaves_the_mark() -> None:
    (quote,) = feed().parse(ticker(index="null"))
    assert quote.beside is None


def test_refusals_say_code_and_text() -> None:
    deribit_feed = feed()
    deribit_feed.parse(
        '{"jsonrpc":"2.0","id":101,"error":{"code":13778,"message":"raw_subscriptions_not_available_for_unauthorized"}}'
    )
    deribit_feed.parse(
        '{"jsonrpc":"2.0","id":101,"error":{"code":-32602,"message":"Invalid params","data":{"reason":"wrong format"}}}'
    )
    assert deribit_feed.stats.refused == {"subscription": 2}
    assert deribit_feed.stats.words["subscription"] == "subscription refused: -32602: Invalid params wrong format"


def test_a_venue_that_is_busy_is_not_asked_market_by_market() -> None:
    """That would be a hundred requests in place of the one that was too many."""
    deribit_feed = feed()
    deribit_feed.attach(Desk(needs=lambda: {"BTC", "ETH"}))
    socket = deribit_feed.for_socket()
    (_, first) = socket.ask(socket.topics())
    number = json.loads(first)["id"]
    busy = {
        "jsonrpc": "2.0",
        "id": number,
        "error": {"message": "too_many_requests", "code": 10028, "data": {"wait": 1}},
    }
    socket.parse(json.dumps(busy).encode())
    (again,) = socket.ask(socket.topics())
    assert json.loads(again)["params"] == json.loads(first)["params"]
    assert json.loads(again)["id"] != number


def test_the_list_of_markets_decides() -> None:
    listed: dict[str, Any] = {
        "jsonrpc": "2.0",
        "result": [
            {"instrument_name": "BTC-PERPETUAL", "kind": "future", "settlement_period": "perpetual", "is_active": True,
             "state": "open", "base_currency": "BTC", "quote_currency": "USD"},
            {"instrument_name": "BTC_USDC-PERPETUAL", "kind": "future", "settlement_period": "perpetual", "is_active": True,
             "base_currency": "BTC", "quote_currency": "USDC"},
            {"instrument_name": "OLD_USDC-PERPETUAL", "kind": "future", "settlement_period": "perpetual", "is_active": False,
             "base_currency": "OLD", "quote_currency": "USDC"},
            {"instrument_name": "BTC-26JUN26", "kind": "future", "settlement_period": "month", "is_active": True,
             "base_currency": "BTC", "quote_currency": "USD"},
        ],
    }  # fmt: skip
    deribit_feed = feed()
    deribit_feed.markets.take(deribit_feed.instruments(json.dumps(listed).encode()), "list")
    socket = deribit_feed.for_socket()
    assert [q.asset for q in socket.parse(ticker().encode())] == ["BTC"]
    for symbol in ("BTC_USDC-PERPETUAL", "OLD_USDC-PERPETUAL", "BTC-26JUN26"):
        assert not socket.parse(ticker(symbol).encode()), symbol
    assert deribit_feed.stats.ignored == {"other_market": 1, "settled": 1, "delivery": 1}


def venue(text: str) -> list[str]:
    """Answers as Deribit does: it lists the channels that it took."""
    request = json.loads(text)
    result: object = "ok"
    if request["method"] == "public/subscribe":
        result = [channel for channel in request["params"]["channels"] if "NONE" not in channel]
    if request["method"] == "public/test":
        result = {"version": "1.2.26"}
    return [json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result, "usIn": 1, "usOut": 2, "usDiff": 1})]


async def test_it_asks_for_heartbeats_and_answers_the_test() -> None:
    async with Exchange(venue) as exchange:
        deribit_feed = feed(url=exchange.url)
        deribit_feed.attach(Desk(needs=lambda: {"BTC", "SOL", "NONE"}))
        async with Listener(deribit_feed.quotes()) as listener:
            await exchange.heard(2)
            heartbeat, request = exchange.requests
            assert (heartbeat["method"], heartbeat["params"]) == ("public/set_heartbeat", {"interval": 30})
            assert request["method"] == "public/subscribe"
            assert request["params"]["channels"] == [
                "ticker.BTC-PERPETUAL.100ms", "ticker.NONE_USDC-PERPETUAL.100ms", "ticker.SOL_USDC-PERPETUAL.100ms",
            ]  # fmt: skip
            await exchange.send({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "heartbeat"}})
            await exchange.send({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}})
            await until(lambda: [r["method"] for r in exchange.requests[2:]] == ["public/test"], "one answer")
            await exchange.send(ticker())
            await listener.heard("BTC", "50000.10")
            assert deribit_feed.stats.states["NONE"].startswith("not_listed: ")
            assert set(deribit_feed.stats.states) == {"NONE"}


def test_trust_follows_the_interval() -> None:
    slow = deribit.trust(deribit.Config(interval="agg2"))
    assert slow.cadence is not None
    assert slow.stale_after is not None
    assert slow.cadence < slow.stale_after
    assert deribit.trust(deribit.Config()).stale_after is None, "as [prices] states"


@needs_shared
def test_single_messages_agree() -> None:
    lines = (SHARED / "data" / "ws" / "mapper_cases.jsonl").read_text().splitlines()
    cases = [c for c in map(json.loads, lines) if c["case"].startswith("map deribit")]
    quotes = [quote for case in cases for quote in feed().parse(json.dumps(case["message"]))]
    assert [(q.asset, str(q.price), str(q.beside), round(q.at.timestamp() * 1000)) for q in quotes] == [
        ("BTC", "10094.1", "10091.15", 1564617604229)
    ], "options and combinations are in the coin itself"
    (quote,) = feed().parse((SHARED / "data" / "ws" / "single" / "deribit__ws_ticker.json").read_bytes())
    assert (quote.asset, str(quote.price), str(quote.beside)) == ("BTC", "92281.78", "92263.55")
    assert not feed().parse((SHARED / "data" / "ws" / "single" / "deribit__ws_portfolio.json").read_bytes())
