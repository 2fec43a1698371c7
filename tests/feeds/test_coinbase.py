"""Coinbase: tickers of both interfaces by the documented messages, what it asks for and answers, and a recording."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from monitor.core import schema
from monitor.core.rules.settings import FeedTrust
from monitor.feeds import coinbase
from monitor.feeds._base import Desk
from monitor.feeds._instruments import LIVE, OTHER, OVER, SPOT
from tests.feeds.exchange import Exchange
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until

AT = datetime(2026, 1, 5, 10, 0, 0, 123_456, tzinfo=UTC)
WS = SHARED / "data" / "ws"


def feed(**keys: object) -> coinbase.Coinbase:
    return coinbase.build("coinbase", schema.read(coinbase.Config, keys))


def ticker(product: object = "BTC-USD", price: object = "50000.10", **more: object) -> dict[str, Any]:
    """A ticker of Exchange."""
    item = {
        "type": "ticker", "sequence": 7, "product_id": product, "price": price, "open_24h": "49000",
        "volume_24h": "3000.1", "low_24h": "48000", "high_24h": "51000", "volume_30d": "90000", "best_bid": "50000.00",
        "best_bid_size": "0.5", "best_ask": "50000.50", "best_ask_size": "0.25", "side": "buy",
        "time": "2026-01-05T10:00:00.123456Z", "trade_id": 9, "last_size": "0.01",
    }  # fmt: skip
    return {key: value for key, value in (item | more).items() if value is not None}


def advanced(
    *tickers: object, at: object = "2026-01-05T10:00:00.123456789Z", channel: str = "ticker"
) -> dict[str, Any]:
    """A message of Advanced Trade."""
    events = [{"type": "update", "tickers": list(tickers)}]
    return {"channel": channel, "client_id": "", "timestamp": at, "sequence_num": 3, "events": events}


def of_advanced(product: object = "BTC-USD", price: object = "50000.10") -> dict[str, Any]:
    return {
        "type": "ticker", "product_id": product, "price": price, "volume_24_h": "1", "low_24_h": "1",
        "high_24_h": "1", "low_52_w": "1", "high_52_w": "1", "price_percent_chg_24_h": "1", "best_bid": "50000.00",
        "best_bid_quantity": "1", "best_ask": "50000.50", "best_ask_quantity": "1",
    }  # fmt: skip


def test_a_ticker_of_exchange_is_the_last_price_with_the_middle_beside_it() -> None:
    (quote,) = feed().parse(json.dumps(ticker()))
    assert (quote.asset, str(quote.price), quote.quote, quote.source) == ("BTC", "50000.10", "USD", "coinbase")
    assert (quote.at, quote.is_dated, quote.beside) == (AT, True, Decimal("50000.25"))


@pytest.mark.parametrize("channel", ["ticker", "ticker_batch"])
def test_tickers_of_advanced_trade_have_the_time_of_their_message(channel: str) -> None:
    message = advanced(of_advanced(), of_advanced("ETH-USD", "3000"), channel=channel)
    quotes = feed(api="advanced").parse(json.dumps(message))
    assert [(q.asset, str(q.price), q.at, q.beside) for q in quotes] == [
        ("BTC", "50000.10", AT, Decimal("50000.25")),
        ("ETH", "3000", AT, Decimal("50000.25")),
    ]


def test_each_form_is_read_whatever_was_asked() -> None:
    assert feed(api="advanced").parse(json.dumps(ticker()))
    assert feed(api="exchange").parse(json.dumps(advanced(of_advanced())))


@pytest.mark.parametrize(
    ("bid", "ask"), [("0", "50001"), ("49000", "0"), ("", ""), ("none", "50001"), (None, None), ("30000", "60000")]
)
def test_offers_that_say_nothing_of_the_price_are_no_middle(bid: object, ask: object) -> None:
    (quote,) = feed().parse(json.dumps(ticker(best_bid=bid, best_ask=ask)))
    assert quote.beside is None


@pytest.mark.parametrize(
    ("product", "asset", "quote"),
    [
        ("BTC-USD", "BTC", "USD"),
        ("USDT-USD", "USDT", "USD"),
        ("1INCH-USD", "1INCH", "USD"),
        ("CGLD-USD", "CELO", "USD"),
        ("BAND-GBP", "BAND", "GBP"),
        ("ETH-BTC", "ETH", "BTC"),
    ],
)
def test_a_product_is_a_coin_and_what_it_is_priced_in(product: str, asset: str, quote: str) -> None:
    (found,) = feed().parse(json.dumps(ticker(product)))
    assert (found.asset, found.quote) == (asset, quote)


@pytest.mark.parametrize(
    ("product", "ignored", "refused"),
    [
        ("BTC-PERP", "derivative", ""),
        ("BTC-PERP-INTX", "derivative", ""),
        ("BIT-28JUN26-CDE", "derivative", ""),
        ("btc-usd", "", "symbol"),
        ("BTC", "", "symbol"),
        ("BTC\N{EN DASH}USD", "", "symbol"),
        (None, "", "symbol"),
        (5, "", "symbol"),
        ("1000PEPE-USD", "", "unknown_multiplier"),
    ],
)
def test_a_product_that_is_no_coin_gives_no_price(product: object, ignored: str, refused: str) -> None:
    one = feed()
    assert one.parse(json.dumps(ticker(product))) == []
    assert (dict(one.stats.ignored), dict(one.stats.refused)) == (
        {ignored: 1} if ignored else {},
        {refused: 1} if refused else {},
    )


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("NaN", "not_finite"),
        ("1e400", "out_of_range"),
        ("-1", "negative"),
        ("0", "zero"),
        ("", "empty"),
        (None, "not_text"),
        (True, "not_text"),
        ({}, "not_text"),
    ],
)
def test_a_price_that_is_none_is_refused_by_name(price: object, reason: str) -> None:
    one = feed()
    assert one.parse(json.dumps(ticker(price=price))) == []
    assert dict(one.stats.refused) == {reason: 1}
    both = advanced(of_advanced(price=price), of_advanced("ETH-USD", "3000"))
    assert [q.asset for q in one.parse(json.dumps(both))] == ["ETH"]


def test_a_price_that_is_a_number_is_read_to_its_last_digit() -> None:
    (quote,) = feed().parse(json.dumps(ticker()).replace('"50000.10"', "0.1000000000000000000000000000001"))
    assert str(quote.price) == "0.1000000000000000000000000000001"


@pytest.mark.parametrize("at", ["", "yesterday", "2026-01-05T10:00:00", 1_767_607_200_000_000, "3026-01-05T10:00:00Z"])
def test_a_time_that_is_none_is_refused_in_both_forms(at: object) -> None:
    one = feed()
    assert one.parse(json.dumps(ticker(time=at))) == []
    assert one.parse(json.dumps(advanced(of_advanced(), at=at))) == []
    assert dict(one.stats.refused) == {"time": 2}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"type": "ticker", "product_id": "BTC', "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b"5", "wrong_type"),
        (b"[]", "wrong_type"),
        (b"{}", "wrong_type"),
        (b'{"type": null}', "wrong_type"),
        (b'{"channel": "ticker"}', "wrong_type"),
        (b'{"channel": "ticker", "events": {}}', "wrong_type"),
        (b'{"channel": "ticker", "events": [5]}', "malformed_item"),
        (b'{"channel": "ticker", "events": [{"tickers": {}}]}', "malformed_item"),
        (b'{"channel": "ticker", "events": [{"tickers": [5]}]}', "malformed_item"),
        (b'{"type": "ticker", "price": "1", "price": "2"}', "duplicate_key"),
        (b'{"channel": "ticker", "events": [{"tickers": [{"price": "1", "price": "2"}]}]}', "duplicate_key"),
        (b'{"type": "' + b"x" * 1_100_000 + b'"}', "too_large"),
    ],
)
def test_rubbish_is_counted_by_its_reason(message: bytes, reason: str) -> None:
    one = feed()
    assert one.parse(message) == []
    assert dict(one.stats.refused) == {reason: 1}


def test_a_ticker_without_a_time_is_as_new_as_its_receipt() -> None:
    """As the venue once sent the first one of a product."""
    message = advanced(of_advanced())
    del message["timestamp"]
    for text in (ticker(time=None), message):
        (quote,) = feed().parse(json.dumps(text))
        assert (str(quote.price), quote.is_dated) == ("50000.10", False)


def test_other_messages_are_ignored() -> None:
    one = feed()
    for text in (
        '{"type": "heartbeat", "sequence": 90, "last_trade_id": 20, "product_id": "BTC-USD", "time": "2026-01-05T10:00:00.1Z"}',
        '{"channel": "heartbeats", "events": [{"current_time": "x", "heartbeat_counter": "3"}]}',
        '{"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "1", "2"]]}',
        '{"channel": "l2_data", "events": []}',
        '{"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": ["BTC-USD"]}]}',
        '{"channel": "subscriptions", "events": [{"subscriptions": {"ticker": ["BTC-USD"]}}]}',
        '{"type": "subscriptions", "channels": {}}',
        '{"channel": "subscriptions", "events": [{"subscriptions": {"ticker": 5}}, 7]}',
    ):
        assert one.parse(text) == []
    assert dict(one.stats.ignored) == {"heartbeat": 2, "other_event": 2, "acknowledged": 4}
    assert not one.stats.refused


def test_the_list_of_exchange_names_what_trades() -> None:
    listed = [
        {
            "id": "BTC-USD",
            "base_currency": "BTC",
            "quote_currency": "USD",
            "status": "online",
            "trading_disabled": False,
        },
        {"id": "CGLD-USD", "base_currency": "CGLD", "quote_currency": "USD", "status": "online"},
        {"id": "OLD-USD", "base_currency": "OLD", "quote_currency": "USD", "status": "delisted"},
        {
            "id": "OFF-USD",
            "base_currency": "OFF",
            "quote_currency": "USD",
            "status": "online",
            "trading_disabled": True,
        },
        {"id": "NEW-USD", "base_currency": "NEW", "quote_currency": "USD", "status": "online", "post_only": True},
        {"id": 5},
        "rubbish",
    ]
    found = feed().instruments(json.dumps(listed).encode())
    assert [(i.symbol, i.base, i.quote, i.kind, i.status) for i in found] == [
        ("BTC-USD", "BTC", "USD", SPOT, LIVE),
        ("CGLD-USD", "CELO", "USD", SPOT, LIVE),
        ("OLD-USD", "OLD", "USD", SPOT, OVER),
        ("OFF-USD", "OFF", "USD", SPOT, OVER),
        ("NEW-USD", "NEW", "USD", SPOT, OVER),
    ]


def test_the_list_of_advanced_trade_tells_futures_apart() -> None:
    coin = {"product_type": "SPOT", "base_currency_id": "BTC", "quote_currency_id": "USD", "status": "online"}
    listed = {
        "products": [
            {"product_id": "BTC-USD", **coin, "is_disabled": False},
            {"product_id": "BTC-USDC", **coin, "quote_currency_id": "USDC", "is_disabled": True},
            {"product_id": "BTC-PERP-INTX", **coin, "product_type": "FUTURE", "status": ""},
        ]
    }
    found = feed(api="advanced").instruments(json.dumps(listed).encode())
    assert [(i.symbol, i.kind, i.status) for i in found] == [
        ("BTC-USD", SPOT, LIVE),
        ("BTC-USDC", SPOT, OVER),
        ("BTC-PERP-INTX", OTHER, LIVE),
    ]


def test_the_address_and_the_list_follow_the_interface() -> None:
    exchange, other = coinbase.Config(), coinbase.Config(api="advanced")
    assert (exchange.url, exchange.list_address()) == (
        "wss://ws-feed.exchange.coinbase.com",
        "https://api.exchange.coinbase.com/products",
    )
    assert (other.url, other.list_address()) == (
        "wss://advanced-trade-ws.coinbase.com",
        "https://api.coinbase.com/api/v3/brokerage/market/products",
    )
    assert coinbase.Config(url="ws://127.0.0.1:9/").list_address() == ""


def test_how_its_prices_are_judged() -> None:
    assert coinbase.trust(coinbase.Config()) == FeedTrust(sends_changes_only=True)
    batch = coinbase.Config(channel="ticker_batch", stale_after=timedelta(minutes=1))
    assert coinbase.trust(batch) == FeedTrust(
        timedelta(minutes=1), cadence=timedelta(seconds=5), sends_changes_only=True
    )


# Against a server.


async def test_it_asks_for_the_coins_of_the_book_and_for_those_that_others_are_priced_in() -> None:
    async with Exchange() as exchange:
        one = feed(url=exchange.url, symbols={"LUNA": "LUNA2-USD"}, exclude=["DOGE-USD"])
        one.attach(Desk(needs=lambda: {"SOL", "LUNA", "DOGE", "USD"}))
        async with Listener(one.quotes()):
            await exchange.heard(1)
    (asked,) = exchange.requests
    assert (asked["type"], asked["channels"]) == ("subscribe", ["ticker"])
    assert sorted(asked["product_ids"]) == ["BTC-USD", "ETH-USD", "LUNA2-USD", "SOL-USD"]


async def test_of_advanced_trade_it_asks_for_heartbeats_first() -> None:
    async with Exchange() as exchange:
        one = feed(url=exchange.url, api="advanced")
        one.attach(Desk(needs=lambda: {"SOL"}))
        async with Listener(one.quotes()):
            await exchange.heard(2)
    assert exchange.requests[0] == {"type": "subscribe", "channel": "heartbeats"}
    assert (exchange.requests[1]["channel"], sorted(exchange.requests[1]["product_ids"])) == (
        "ticker",
        ["BTC-USD", "ETH-USD", "SOL-USD"],
    )


async def test_a_product_that_is_not_there_is_named_and_the_others_are_asked_for_again() -> None:
    """The venue refuses the whole request, and says which product it was."""

    def reply(text: str) -> list[str]:
        asked = json.loads(text)["product_ids"]
        if "NONE-USD" in asked:
            return [
                json.dumps(
                    {"type": "error", "message": "Failed to subscribe", "reason": "NONE-USD is not a valid product"}
                )
            ]
        return [json.dumps({"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": asked}]})]

    async with Exchange(reply) as exchange:
        one = feed(url=exchange.url)
        one.attach(Desk(needs=lambda: {"SOL", "NONE"}))
        async with Listener(one.quotes()) as heard:
            await exchange.heard(2)
            await until(lambda: "NONE" in one.stats.states, "the state of NONE")
            assert one.stats.states["NONE"].startswith(
                "not_listed: the venue refuses NONE-USD: Failed to subscribe: NONE-USD"
            )
            await exchange.send(ticker("SOL-USD", "150.5"))
            await heard.heard("SOL", "150.5")
    assert sorted(exchange.requests[1]["product_ids"]) == ["BTC-USD", "ETH-USD", "SOL-USD"]


async def test_a_refusal_of_everything_is_the_cause_that_is_shown() -> None:
    refusal = json.dumps({"type": "error", "message": "Failed to subscribe", "reason": "no access from your country"})
    async with Exchange(lambda text: [refusal]) as exchange:
        one = feed(url=exchange.url)
        one.attach(Desk(needs=lambda: set()))
        async with Listener(one.quotes()):
            await until(lambda: "subscription refused" in one.stats.reason, f"a cause, found {one.stats.reason}")
            assert "Failed to subscribe: no access from your country" in one.stats.reason


async def test_a_connection_gives_one_market_of_each_coin() -> None:
    async with Exchange() as exchange:
        one = feed(url=exchange.url)
        async with Listener(one.quotes()) as heard:
            await exchange.heard(1)
            await exchange.send(ticker("SOL-BTC", "0.002", time="2026-01-05T10:00:00.1Z"))
            await exchange.send(ticker("SOL-USD", "150", time="2026-01-05T10:00:00.2Z"))
            await heard.heard("SOL", "150")
            await exchange.send(ticker("SOL-BTC", "0.003", time="2026-01-05T10:00:00.3Z"))
            await exchange.send(ticker("SOL-USD", "151", time="2026-01-05T10:00:00.4Z"))
            await heard.heard("SOL", "151")
    assert [(str(q.price), q.quote) for q in heard.quotes] == [("0.002", "BTC"), ("150", "USD"), ("151", "USD")]


async def test_with_the_venues_list_it_asks_for_markets_that_trade_and_says_which_do_not() -> None:
    def row(product: str, **more: object) -> dict[str, object]:
        base, quote = product.split("-")
        return {"id": product, "base_currency": base, "quote_currency": quote, "status": "online", **more}

    async def products(request: web.Request) -> web.Response:
        names = ["BTC-USD", "BTC-EUR", "ETH-USD", "SOL-BTC", "SOL-USDC", "NEW-BTC"]
        over = [row("OLD-USD", status="delisted"), row("SOL-USD", trading_disabled=True)]
        return web.json_response([*map(row, names), *over])

    app = web.Application()
    app.router.add_get("/products", products)
    async with TestServer(app) as server, Exchange() as exchange:
        one = feed(url=exchange.url, instruments_url=str(server.make_url("/products")))
        one.attach(Desk(needs=lambda: {"SOL", "OLD", "NEW"} if one.stats.instruments == "list" else set()))
        async with Listener(one.quotes()):
            await until(lambda: one.stats.instruments == "list", "the list was read")
            await until(lambda: any("SOL-USDC" in r["product_ids"] for r in exchange.requests), f"{exchange.requests}")
            asked = {product for request in exchange.requests for product in request["product_ids"]}
            assert {"SOL-USDC", "NEW-BTC"} <= asked
            assert not asked & {"SOL-BTC", "OLD-USD", "BTC-EUR"}
            assert one.stats.states == {"OLD": "settled: OLD-USD is settled by the venue's list"}


# Recordings, read here with plain json, apart from the feed.


@needs_shared
def test_every_ticker_of_the_recording_comes_out() -> None:
    one = feed()
    expected, found = [], []
    with gzip.open(WS / "cryptofeed_COINBASE.ws.28.0.gz", "rt") as recording:
        for line in recording:
            received, _, payload = line.rstrip("\n").partition(": ")
            if received.startswith("wss:") or not payload:
                continue
            message = json.loads(payload)
            if message["type"] == "ticker":
                base, quote = message["product_id"].split("-")
                at = datetime.fromisoformat(message["time"])
                expected.append((base, quote, Decimal(message["price"]), at))
            found += one.parse(payload)
    assert [(q.asset, q.quote, q.price, q.at) for q in found] == expected
    assert len(found) == 107
    assert (str(found[0].price), str(found[-1].price)) == ("14.7775", "0.7902")
    counts = {"SKL": 64, "DASH": 16, "BAND": 14, "NMR": 9, "NU": 2, "YFI": 1, "CRV": 1}
    assert Counter(q.asset for q in found) == counts
    assert not one.stats.refused


@needs_shared
def test_single_messages_agree() -> None:
    (quote,) = feed().parse((WS / "single" / "coinbase__ws_ticker.json").read_bytes())
    assert (quote.asset, str(quote.price), quote.at.isoformat()) == ("BTC", "68900.50", "2026-04-07T14:30:03+00:00")
    for name in ("heartbeats", "subscriptions"):
        assert feed().parse((WS / "single" / f"coinbase__ws_{name}.json").read_bytes()) == []
    seen = 0
    for case in map(json.loads, (WS / "mapper_cases.jsonl").read_text().splitlines()):
        if case["case"] == "map coinbase messages":
            quotes = feed().parse(json.dumps(case["message"]))
            if case["message"]["type"] != "ticker":
                assert quotes == []
                continue
            (quote,) = quotes
            assert (f"{quote.asset}-{quote.quote}", str(quote.price)) == ("BTC-USD", case["message"]["price"])
            assert quote.at == datetime.fromisoformat(case["expected_normalized"][0]["timestamp"])
            seen += 1
    assert seen == 2
