"""Kraken: tickers of both versions by the documented messages, what it asks for and answers, and a recording."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core import schema
from monitor.core.rules.settings import FeedTrust
from monitor.feeds import kraken
from monitor.feeds._base import Desk
from monitor.feeds._instruments import LIVE, NOT_A_COIN, OVER, SPOT
from tests.fakes import FakeClock
from tests.feeds.exchange import Exchange
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until

NOW = datetime(2026, 1, 5, 10, 0, 3, tzinfo=UTC)
AT = datetime(2026, 1, 5, 10, 0, 0, 123_456, tzinfo=UTC)
WS = SHARED / "data" / "ws"


def feed(**keys: object) -> kraken.Kraken:
    return kraken.build("kraken", schema.read(kraken.Config, keys), FakeClock(NOW))


def v1(pair: object = "XBT/USD", last: object = "50000.10", bid: object = "50000.00", ask: object = "50000.50") -> str:
    fields = {
        "a": [ask, 1, "1.000"], "b": [bid, 1, "1.000"], "c": [last, "0.004"], "v": ["2634.1", "3591.2"],
        "p": ["49000.1", "49500.2"], "t": [11493, 16346], "l": ["48000.1", "48000.1"], "h": ["51000.1", "51000.1"],
        "o": ["49100.1", "49200.1"],
    }  # fmt: skip
    return json.dumps([0, fields, "ticker", pair])


def item(symbol: object = "BTC/USD", **more: object) -> dict[str, Any]:
    fields = {
        "symbol": symbol, "bid": 50000.0, "bid_qty": 0.1, "ask": 50000.5, "ask_qty": 2, "last": 50000.25, "volume": 997.1,
        "vwap": 49500.1, "low": 48000.1, "high": 51000.1, "change": -10.5, "change_pct": -0.02,
        "timestamp": "2026-01-05T10:00:00.123456Z",
    }  # fmt: skip
    return {key: value for key, value in (fields | more).items() if value is not None}


def v2(*items: object, kind: str = "update") -> str:
    return json.dumps({"channel": "ticker", "type": kind, "data": list(items)})


def test_a_ticker_of_version_1_has_no_time_so_the_receipt_stands_for_it() -> None:
    (quote,) = feed().parse(v1())
    assert (quote.asset, str(quote.price), quote.quote, quote.source) == ("BTC", "50000.10", "USD", "kraken")
    assert (quote.at, quote.is_dated, quote.beside) == (NOW, False, Decimal("50000.25"))


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_tickers_of_version_2_have_a_time(kind: str) -> None:
    quotes = feed().parse(v2(item(), item("DOGE/USD", bid=0.3, ask=0.3, last=0.3), kind=kind))
    assert [(q.asset, str(q.price), q.at, q.is_dated, q.beside) for q in quotes] == [
        ("BTC", "50000.25", AT, True, Decimal("50000.25")),
        ("DOGE", "0.3", AT, True, Decimal("0.3")),
    ]


def test_an_older_ticker_of_version_2_has_no_time_either() -> None:
    (quote,) = feed().parse(v2(item(timestamp=None)))
    assert (quote.at, quote.is_dated) == (NOW, False)


@pytest.mark.parametrize("text", ["0.10", "1e-05", "0.1000000000000000000000000000001", "60000", "6E4"])
def test_a_number_of_version_2_is_read_to_its_last_digit(text: str) -> None:
    (quote,) = feed().parse(v2(item(last=12345.5)).replace("12345.5", text))
    assert quote.price.as_tuple() == Decimal(text).as_tuple()


def test_a_pair_that_did_not_trade_for_a_day_is_priced_between_near_offers_only() -> None:
    one = feed()
    (quote,) = one.parse(v2(item(last=None, bid=99.5, ask=100.5)))
    assert (str(quote.price), quote.beside) == ("100", None)
    assert one.parse(v2(item(last=None, bid=50, ask=150))) == []
    assert one.parse(v2(item(last=None, bid=0, ask=150))) == []
    assert dict(one.stats.ignored) == {"no_trade": 2}


@pytest.mark.parametrize(
    ("symbol", "asset", "quote"),
    [
        ("XBT/USD", "BTC", "USD"),
        ("BTC/USD", "BTC", "USD"),
        ("XDG/USD", "DOGE", "USD"),
        ("ETH/XBT", "ETH", "BTC"),
        ("WAVES/EUR", "WAVES", "EUR"),
        ("LUNA/USD", "LUNC", "USD"),
        ("LUNA2/USD", "LUNA", "USD"),
        ("UST/USD", "USTC", "USD"),
        ("USDT/USD", "USDT", "USD"),
    ],
)
def test_a_pair_is_a_coin_and_what_it_is_priced_in(symbol: str, asset: str, quote: str) -> None:
    """LUNA and UST are the coins that fell in 2022; elsewhere they are called LUNC and USTC, and LUNA is another coin."""
    (found,) = feed().parse(v1(symbol))
    assert (found.asset, found.quote) == (asset, quote)
    assert feed().parse(v2(item(symbol)))[0].asset == asset


@pytest.mark.parametrize(
    ("symbol", "ignored", "refused"),
    [
        ("TSLAx/USD", "not_a_coin", ""),
        ("BTCUSD", "", "symbol"),
        ("btc/usd", "", "symbol"),
        (None, "", "symbol"),
        (7, "", "symbol"),
    ],
)
def test_a_pair_that_is_no_coin_gives_no_price(symbol: object, ignored: str, refused: str) -> None:
    for text in (v1(symbol), v2(item(symbol))):
        one = feed()
        assert one.parse(text) == []
        assert (dict(one.stats.ignored), dict(one.stats.refused)) == (
            {ignored: 1} if ignored else {},
            {refused: 1} if refused else {},
        )


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("1e400", "out_of_range"),
        ("-1", "negative"),
        ("0", "zero"),
        ('""', "empty"),
        ("true", "not_text"),
        ("{}", "not_text"),
    ],
)
def test_a_price_that_is_none_is_refused_by_name(price: str, reason: str) -> None:
    one = feed()
    text = v2(item(last=12345.5), item("ETH/USD", last=3000)).replace("12345.5", price)
    assert [q.asset for q in one.parse(text)] == ["ETH"]
    assert dict(one.stats.refused) == {reason: 1}
    two = feed()
    assert two.parse(v1(last=12345.5).replace("12345.5", price)) == []
    assert dict(two.stats.refused) == {reason: 1}


@pytest.mark.parametrize("at", ["", "now", "2026-01-05T10:00:00", 1_767_607_200_000_000])
def test_a_time_that_is_none_is_refused(at: object) -> None:
    one = feed()
    assert one.parse(v2(item(timestamp=at))) == []
    assert dict(one.stats.refused) == {"time": 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'[0, {"a": ["1"', "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b"5", "wrong_type"),
        (b"[]", "wrong_type"),
        (b"[1, 2, {}, 4]", "wrong_type"),
        (b'[0, 5, "ticker", "XBT/USD"]', "malformed_item"),
        (b'[0, {"c": 5}, "ticker", "XBT/USD"]', "not_text"),
        (b'[0, {"c": ["1"], "c": ["2"]}, "ticker", "XBT/USD"]', "duplicate_key"),
        (b"{}", "wrong_type"),
        (b'{"channel": "ticker"}', "wrong_type"),
        (b'{"channel": "ticker", "data": {}}', "wrong_type"),
        (b'{"channel": "ticker", "data": [5]}', "malformed_item"),
        (b'{"channel": "ticker", "data": [{"last": 1, "last": 2}]}', "duplicate_key"),
        (b'{"channel": "ticker", "channel": "ticker", "data": []}', "duplicate_key"),
        (b'"' + b"x" * 1_100_000 + b'"', "too_large"),
    ],
)
def test_rubbish_is_counted_by_its_reason(message: bytes, reason: str) -> None:
    one = feed()
    assert one.parse(message) == []
    assert dict(one.stats.refused) == {reason: 1}


def test_other_messages_are_ignored() -> None:
    one = feed()
    for text in (
        '{"event": "heartbeat"}',
        '{"event": "pong", "reqid": 1}',
        '{"channel": "heartbeat"}',
        '{"method": "pong", "req_id": 1, "time_in": "x", "time_out": "y"}',
        '{"event": "systemStatus", "connectionID": 13834774380200032777, "status": "online", "version": "1.9.0"}',
        '{"channel": "status", "type": "update", "data": [{"api_version": "v2", "system": "online", "version": "2.0.0"}]}',
        '[325, ["1", "2", "1.5", "1", "1"], "spread", "XBT/USD"]',
        '[0, {"as": []}, {"bs": []}, "book-10", "XBT/USD"]',
        '{"channel": "trade", "type": "update", "data": []}',
        '{"event": "subscriptionStatus", "channelName": "ticker", "pair": "XBT/USD", "status": "subscribed", "reqid": 1}',
        '{"method": "subscribe", "success": true, "result": {"channel": "ticker", "symbol": "BTC/USD"}, "req_id": 1}',
    ):
        assert one.parse(text) == []
    assert dict(one.stats.ignored) == {"heartbeat": 4, "status": 2, "other_event": 3, "acknowledged": 2}
    assert not one.stats.refused


@pytest.mark.parametrize(
    "text",
    [
        '{"event": "systemStatus", "status": "maintenance"}',
        '{"channel": "status", "type": "update", "data": [{"system": "maintenance"}]}',
    ],
)
def test_a_venue_that_is_not_open_says_so(text: str) -> None:
    one = feed()
    assert one.parse(text) == []
    assert one.stats.words == {"not_open": "the venue says that its market is not open: maintenance"}


PAIRS = {
    "error": [],
    "result": {
        "XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT", "quote": "ZUSD", "status": "online"},
        "XETHXXBT": {"wsname": "ETH/XBT", "aclass_base": "currency", "status": "online"},
        "LUNAUSD": {"wsname": "LUNA/USD", "status": "online"},
        "OLDUSD": {"wsname": "OLD/USD", "status": "cancel_only"},
        "TSLAxUSD": {"wsname": "TSLAX/USD", "aclass_base": "tokenized_asset", "status": "online"},
        "rubbish": 5,
        "nameless": {"altname": "X"},
    },
}  # fmt: skip


@pytest.mark.parametrize(("api", "names"), [("v1", ("XBT/USD", "ETH/XBT")), ("v2", ("BTC/USD", "ETH/BTC"))])
def test_the_list_names_pairs_as_the_version_does(api: str, names: tuple[str, str]) -> None:
    found = feed(api=api).instruments(json.dumps(PAIRS).encode())
    assert [(i.symbol, i.base, i.quote, i.kind, i.status) for i in found] == [
        (names[0], "BTC", "USD", SPOT, LIVE),
        (names[1], "ETH", "BTC", SPOT, LIVE),
        ("LUNA/USD", "LUNC", "USD", SPOT, LIVE),
        ("OLD/USD", "OLD", "USD", SPOT, OVER),
        ("TSLAX/USD", "TSLAX", "USD", NOT_A_COIN, LIVE),
    ]


def test_the_address_and_the_list_follow_the_version() -> None:
    assert (kraken.Config().url, kraken.Config(api="v1").url) == ("wss://ws.kraken.com/v2", "wss://ws.kraken.com")
    assert kraken.Config(api="v1").list_address() == "https://api.kraken.com/0/public/AssetPairs"
    assert kraken.Config(url="ws://127.0.0.1:9/").list_address() == ""


def test_how_its_prices_are_judged() -> None:
    assert kraken.trust(kraken.Config(stale_after=timedelta(minutes=1))) == FeedTrust(
        timedelta(minutes=1), sends_changes_only=True
    )


# Against a server.


@pytest.mark.parametrize(
    ("api", "pairs"),
    [("v1", ["ETH/USD", "LUNA2/USD", "XBT/USD", "XDG/USD"]), ("v2", ["BTC/USD", "DOGE/USD", "ETH/USD", "LUNA2/USD"])],
)
async def test_it_asks_for_the_coins_of_the_book_as_the_version_writes_them(api: str, pairs: list[str]) -> None:
    async with Exchange() as exchange:
        one = feed(url=exchange.url, api=api, quotes=["USD", "BTC", "ETH"])
        one.attach(Desk(needs=lambda: {"LUNA", "DOGE", "USD"}))
        async with Listener(one.quotes()):
            await exchange.heard(1)
    (asked,) = exchange.requests
    if api == "v1":
        assert (asked["event"], asked["subscription"], sorted(asked["pair"])) == (
            "subscribe",
            {"name": "ticker"},
            pairs,
        )
    else:
        assert (asked["method"], asked["params"]["channel"], sorted(asked["params"]["symbol"])) == (
            "subscribe",
            "ticker",
            pairs,
        )


def answers(text: str) -> list[str]:
    """Each pair by itself, as the venue does."""
    asked = json.loads(text)
    if "method" in asked:
        return [
            json.dumps({"method": "subscribe", "success": False, "error": f"Currency pair not supported {p}", "symbol": p, "req_id": asked["req_id"]})
            if p.startswith("NONE")
            else json.dumps({"method": "subscribe", "success": True, "result": {"channel": "ticker", "symbol": p}, "req_id": asked["req_id"]})
            for p in asked["params"]["symbol"]
        ]  # fmt: skip
    return [
        json.dumps({"event": "subscriptionStatus", "status": "error", "errorMessage": f"Currency pair not supported {p}", "pair": p, "reqid": asked["reqid"]})
        if p.startswith("NONE")
        else json.dumps({"event": "subscriptionStatus", "status": "subscribed", "pair": p, "reqid": asked["reqid"]})
        for p in asked["pair"]
    ]  # fmt: skip


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_a_pair_that_is_not_there_is_named_and_the_others_go_on(api: str) -> None:
    async with Exchange(answers) as exchange:
        one = feed(url=exchange.url, api=api)
        one.attach(Desk(needs=lambda: {"SOL", "NONE"}))
        async with Listener(one.quotes()) as heard:
            await until(lambda: "NONE" in one.stats.states, "the state of NONE")
            assert "Currency pair not supported NONE/USD" in one.stats.states["NONE"]
            await exchange.send(v1("SOL/USD", "150.5") if api == "v1" else v2(item("SOL/USD", last=150.5)))
            await heard.heard("SOL", "150.5")
            assert one.stats.connected
    assert len(exchange.requests) == 1


async def test_a_refusal_of_everything_is_the_cause_that_is_shown() -> None:
    refusal = '{"event": "error", "errorMessage": "Malformed request", "reqid": 1}'
    async with Exchange(lambda text: [refusal]) as exchange:
        one = feed(url=exchange.url, api="v1")
        async with Listener(one.quotes()):
            await until(lambda: "Malformed request" in one.stats.reason, f"a cause, found {one.stats.reason}")
            assert "subscription refused" in one.stats.reason


# Recordings, read here with plain json, apart from the feed.

NAMES = {"XBT": "BTC", "XDG": "DOGE"}


@needs_shared
def test_every_ticker_of_the_recording_comes_out() -> None:
    one = feed()
    expected, found = [], []
    with gzip.open(WS / "cryptofeed_KRAKEN.ws.49.0.gz", "rt") as recording:
        for line in recording:
            received, _, payload = line.rstrip("\n").partition(": ")
            if received.startswith("wss:") or not payload:
                continue
            message = json.loads(payload)
            if isinstance(message, list) and message[-2] == "ticker":
                base, quote = message[-1].split("/")
                expected.append((NAMES.get(base, base), NAMES.get(quote, quote), message[1]["c"][0]))
            found += one.parse(payload)
    assert [(q.asset, q.quote, str(q.price)) for q in found] == expected
    assert len(found) == 18
    assert (str(found[0].price), str(found[-1].price)) == ("13.253900", "0.043040")
    counts = {"SC": 6, "XMR": 4} | dict.fromkeys(("WAVES", "KSM", "GRT", "ETH", "OCEAN", "OMG", "BTC", "ADA"), 1)
    assert Counter(q.asset for q in found) == counts
    assert not any(q.is_dated for q in found)
    assert not one.stats.refused


@needs_shared
def test_single_messages_agree() -> None:
    """A case of version 2 states offers only: its price is their middle."""
    seen = Counter[str]()
    for case in map(json.loads, (WS / "mapper_cases.jsonl").read_text().splitlines()):
        message, kind = case["message"], case["case"]
        if kind not in ("map kraken messages", "map kraken v2 messages", "map cryptofacilities messages"):
            continue
        quotes = feed().parse(json.dumps(message))
        if kind == "map kraken v2 messages" and message.get("channel") == "ticker":
            ((quote,), (expected,)) = quotes, case["expected_normalized"]
            bid, ask = (Decimal(str(expected[key])) for key in ("bidPrice", "askPrice"))
            assert (quote.asset, quote.quote, quote.price) == ("BTC", "USD", (bid + ask) / 2)
            assert quote.at == datetime.fromisoformat(expected["timestamp"])
        elif kind == "map cryptofacilities messages" and message.get("feed") == "ticker":
            (quote,), expected = quotes, case["expected_normalized"][0]
            assert (f"PI_{quote.asset}{quote.quote}", float(quote.price)) == (expected["symbol"], expected["markPrice"])
            assert quote.at == datetime.fromisoformat(expected["timestamp"])
        else:
            assert quotes == []
            continue
        seen[kind] += 1
    assert seen == {"map kraken v2 messages": 1, "map cryptofacilities messages": 3}
    (quote,) = feed().parse((WS / "single" / "kraken__ws_futures_ticker.json").read_bytes())
    assert (quote.asset, str(quote.price), quote.at.isoformat()) == (
        "BTC",
        "21979.68641534714",
        "2023-02-14T16:47:15.406000+00:00",
    )
