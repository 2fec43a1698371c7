"""Bybit: tickers that come whole and then in parts, one bad market that spoils a request, and real messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core import schema
from monitor.feeds import bybit
from monitor.feeds._base import Desk
from tests.feeds.exchange import Exchange
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until

AT_MS = 1_767_607_200_000


def feed(**keys: object) -> bybit.Bybit:
    return bybit.build("bybit", schema.read(bybit.Config, keys))


def push(symbol: str = "BTCUSDT", kind: str = "snapshot", ts: object = AT_MS, **fields: object) -> str:
    data = {"symbol": symbol, **fields}
    return json.dumps({"topic": f"tickers.{symbol}", "type": kind, "data": data, "cs": 24987956059, "ts": ts})


def whole(symbol: str = "BTCUSDT", mark: object = "50000.10", **more: object) -> str:
    fields = {
        "tickDirection": "PlusTick", "price24hPcnt": "0.017", "lastPrice": "50002", "prevPrice24h": "49000",
        "highPrice24h": "51000", "lowPrice24h": "48000", "prevPrice1h": "49900", "markPrice": mark, "indexPrice": "50003.5",
        "openInterest": "68744.7", "openInterestValue": "1", "turnover24h": "1", "volume24h": "1",
        "nextFundingTime": "1767628800000", "fundingRate": "-0.0002", "bid1Price": "50001", "bid1Size": "8",
        "ask1Price": "50002", "ask1Size": "83", "fundingIntervalHour": "8",
    }  # fmt: skip
    return push(symbol, "snapshot", **{**fields, **more})


def test_a_snapshot_as_documented() -> None:
    (quote,) = feed().parse(whole())
    assert (quote.asset, quote.price, quote.quote, quote.source) == ("BTC", Decimal("50000.10"), "USDT", "bybit")
    assert quote.at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert quote.beside == Decimal("50003.5")


def test_a_field_that_a_delta_leaves_out_has_not_changed() -> None:
    """So the mark that was sent last is the mark of the delta's time, and the index beside it is too."""
    bybit_feed = feed()
    bybit_feed.parse(whole())
    (same,) = bybit_feed.parse(push(kind="delta", ts=AT_MS + 100, volume24h="2"))
    assert (str(same.price), same.at, same.beside) == (
        "50000.10", datetime(2026, 1, 5, 10, 0, 0, 100_000, tzinfo=UTC), Decimal("50003.5"),
    )  # fmt: skip
    (moved,) = bybit_feed.parse(push(kind="delta", ts=AT_MS + 200, markPrice="50007"))
    assert (str(moved.price), moved.beside) == ("50007", Decimal("50003.5"))
    (index,) = bybit_feed.parse(push(kind="delta", ts=AT_MS + 300, indexPrice="50009"))
    assert (str(index.price), index.beside) == ("50007", Decimal("50009"))
    (fresh,) = bybit_feed.parse(whole(mark="1"))
    assert str(fresh.price) == "1"


def test_a_snapshot_keeps_nothing_of_what_was_before() -> None:
    bybit_feed = feed()
    bybit_feed.parse(whole())
    (quote,) = bybit_feed.parse(push(markPrice="7"))
    assert (str(quote.price), quote.beside) == ("7", None)
    assert not bybit_feed.parse(push(lastPrice="8"))
    assert bybit_feed.stats.ignored == {"no_price": 1}


def test_a_market_that_is_asked_for_twice_is_not_refused() -> None:
    bybit_feed = feed()
    bybit_feed.parse('{"success":false,"ret_msg":"error:already subscribed,topic:tickers.BTCUSDT","op":"subscribe"}')
    assert not bybit_feed.stats.refused
    assert not bybit_feed.stats.states


def test_a_delta_of_one_market_says_nothing_of_another() -> None:
    bybit_feed = feed()
    bybit_feed.parse(whole())
    assert not bybit_feed.parse(push("ETHUSDT", "delta", volume24h="2"))
    assert bybit_feed.stats.ignored == {"no_snapshot": 1}
    (quote,) = bybit_feed.parse(push("ETHUSDT", "delta", markPrice="3000"))
    assert (quote.asset, str(quote.price)) == ("ETH", "3000")


def test_an_empty_mark_takes_the_old_one_away() -> None:
    bybit_feed = feed()
    bybit_feed.parse(whole())
    assert not bybit_feed.parse(push(kind="delta", markPrice=""))
    assert not bybit_feed.parse(push(kind="delta", volume24h="3"))
    assert bybit_feed.stats.refused == {"empty": 2}


def test_a_spot_ticker_as_documented() -> None:
    fields = {
        "lastPrice": "21109.77", "highPrice24h": "21426.99", "lowPrice24h": "20575", "prevPrice24h": "20704.93",
        "volume24h": "6780.86", "turnover24h": "141946527.2", "price24hPcnt": "0.0196", "usdIndexPrice": "21120.27",
    }  # fmt: skip
    (quote,) = feed(market="spot").parse(push(**fields))
    assert (quote.asset, str(quote.price), quote.beside) == ("BTC", "21109.77", Decimal("21120.27"))
    (empty,) = feed(market="spot").parse(push(**{**fields, "usdIndexPrice": ""}))
    assert empty.beside is None


@pytest.mark.parametrize(
    ("symbol", "asset", "quote", "price"),
    [
        ("1000PEPEUSDT", "PEPE", "USDT", "50.00010"),
        ("10000SATSUSDT", "SATS", "USDT", "5.000010"),
        ("1000000MOGUSDT", "MOG", "USDT", "0.05000010"),
        ("SHIB1000USDT", "SHIB", "USDT", "50.00010"),
        ("1INCHUSDT", "1INCH", "USDT", "50000.10"),
        ("BTCPERP", "BTC", "USDC", "50000.10"),
        ("BTCUSD", "BTC", "USD", "50000.10"),
        ("USDCUSDT", "USDC", "USDT", "50000.10"),
        ("BTCUSDU26", "BTCUSDU26", "USD", "50000.10"),  # dated futures are no prices of their coin
        ("BTCUSDT-26JUN26", "BTCUSDT-26JUN26", "USDT", "50000.10"),
        ("BTC-26JUN26", "BTC-26JUN26", "USDC", "50000.10"),
    ],
)
def test_symbols(symbol: str, asset: str, quote: str, price: str) -> None:
    (found,) = feed().parse(whole(symbol))
    assert (found.asset, found.quote, found.price) == (asset, quote, Decimal(price))


@pytest.mark.parametrize(
    ("symbol", "where", "reason"),
    [
        ("ETHBTC", "ignored", "other_quote"),
        ("BTC-26JUN26-50000-C", "ignored", "option"),
        ("1000NEWUSDT", "refused", "unknown_multiplier"),
        ("BTC/USDT", "refused", "symbol"),
    ],
)
def test_symbols_that_give_no_price(symbol: str, where: str, reason: str) -> None:
    bybit_feed = feed()
    assert not bybit_feed.parse(whole(symbol))
    assert getattr(bybit_feed.stats, where) == {reason: 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}',
        '{"success":true,"ret_msg":"subscribe","conn_id":"0970e817","req_id":"1","op":"subscribe"}',
        '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1767607200000,"data":[{"s":"BTCUSDT","p":"1"}]}',
        '{"op":"pong","args":["1767607200000"],"conn_id":"0970e817"}',
    ],
)
def test_answers_are_no_prices(text: str) -> None:
    bybit_feed = feed()
    assert not bybit_feed.parse(text)
    assert not bybit_feed.stats.refused


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"topic": "tickers.BTCUSDT", "type": "snapshot", "ts": AT_MS}, "malformed_item"),
        ({"topic": "tickers.BTCUSDT", "type": "whole", "ts": AT_MS, "data": {"symbol": "BTCUSDT"}}, "malformed_item"),
        ({"topic": "tickers.BTCUSDT", "type": "snapshot", "ts": AT_MS, "data": []}, "malformed_item"),
        ({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": {"symbol": "BTCUSDT", "markPrice": "1"}}, "time"),
        ([], "wrong_type"),
    ],
)
def test_messages_of_no_use_are_counted(message: object, reason: str) -> None:
    bybit_feed = feed()
    assert not bybit_feed.parse(json.dumps(message))
    assert bybit_feed.stats.refused == {reason: 1}


LIST: dict[str, Any] = {
    "retCode": 0,
    "retMsg": "OK",
    "result": {
        "category": "linear",
        "list": [
            {"symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC",
             "quoteCoin": "USDT", "symbolType": ""},
            {"symbol": "10000NEWUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "10000NEW",
             "quoteCoin": "USDT"},
            {"symbol": "SHIB1000USDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "SHIB1000",
             "quoteCoin": "USDT"},
            {"symbol": "OLDUSDT", "contractType": "LinearPerpetual", "status": "Closed", "baseCoin": "OLD",
             "quoteCoin": "USDT"},
            {"symbol": "SOONUSDT", "contractType": "LinearPerpetual", "status": "PreLaunch", "baseCoin": "SOON",
             "quoteCoin": "USDT"},
            {"symbol": "BTCUSDT-26JUN26", "contractType": "LinearFutures", "status": "Trading", "baseCoin": "BTC",
             "quoteCoin": "USDT"},
            {"symbol": "TSLAUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "TSLA",
             "quoteCoin": "USDT", "symbolType": "stock"},
        ],
        "nextPageCursor": "",
    },
}  # fmt: skip


def test_the_list_of_markets_decides() -> None:
    bybit_feed = feed()
    bybit_feed.markets.take(bybit_feed.instruments(json.dumps(LIST).encode()), "list")
    (shib,) = bybit_feed.parse(whole("SHIB1000USDT"))
    assert (shib.asset, shib.price) == ("SHIB", Decimal("50.0001"))
    for symbol in ("OLDUSDT", "SOONUSDT", "TSLAUSDT", "BTCUSDT-26JUN26"):
        assert not bybit_feed.parse(whole(symbol)), symbol
    assert bybit_feed.stats.ignored == {"settled": 2, "not_a_coin": 1, "delivery": 1}
    assert bybit_feed.stats.states["OLD"].startswith("settled: ")


def test_the_address_and_the_list_follow_the_market() -> None:
    assert bybit.Config().url == "wss://stream.bybit.com/v5/public/linear"
    spot = schema.read(bybit.Config, {"market": "spot"})
    assert spot.url == "wss://stream.bybit.com/v5/public/spot"
    assert spot.list_address().endswith("category=spot")
    assert bybit.Config(url="ws://127.0.0.1:1/v5/public/linear").list_address() == ""
    assert bybit.trust(spot).sends_changes_only
    assert not bybit.trust(bybit.Config()).sends_changes_only
    assert feed(market="spot").changes_only()
    assert not feed().changes_only()
    assert bybit.trust(bybit.Config(stale_after=timedelta(seconds=7))).stale_after == timedelta(seconds=7)


def venue(text: str) -> list[str]:
    """Answers as Bybit does: one market that it does not have refuses the whole request."""
    request = json.loads(text)
    if request["op"] == "ping":
        return ['{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}']
    bad = [topic for topic in request["args"] if "NONE" in topic]
    reply = {"success": not bad, "ret_msg": "", "conn_id": "x", "req_id": request["req_id"], "op": "subscribe"}
    if bad:
        reply["ret_msg"] = f"error:handler not found,topic:{bad[0]}"
    return [json.dumps(reply)]


async def test_one_bad_market_does_not_cost_the_others() -> None:
    async with Exchange(venue) as exchange:
        bybit_feed = feed(url=exchange.url)
        bybit_feed.attach(Desk(needs=lambda: {"BTC", "ETH", "NONEA", "NONEB"}))
        async with Listener(bybit_feed.quotes()) as listener:
            await until(
                lambda: ["tickers.BTCUSDT", "tickers.ETHUSDT"] in [r["args"] for r in exchange.requests], "the rest"
            )
            await exchange.send(whole())
            await listener.heard("BTC", "50000.10")
            assert set(bybit_feed.stats.states) == {"NONEA", "NONEB"}
            assert "handler not found" in bybit_feed.stats.words["subscription"]
    assert [r["args"] for r in exchange.requests] == [
        ["tickers.BTCUSDT", "tickers.ETHUSDT", "tickers.NONEAUSDT", "tickers.NONEBUSDT"],
        ["tickers.BTCUSDT", "tickers.ETHUSDT", "tickers.NONEBUSDT"],
        ["tickers.BTCUSDT", "tickers.ETHUSDT"],
    ]


async def test_a_request_names_ten_markets_at_most() -> None:
    async with Exchange(venue) as exchange:
        bybit_feed = feed(url=exchange.url)
        bybit_feed.attach(Desk(needs=lambda: {f"C{i}" for i in range(23)}))
        async with Listener(bybit_feed.quotes()):
            await until(lambda: sum(len(r["args"]) for r in exchange.requests) == 23, "all are asked for")
    assert [len(r["args"]) for r in exchange.requests] == [10, 10, 3]
    assert len({r["req_id"] for r in exchange.requests}) == 3


async def test_a_new_connection_knows_nothing_of_the_old_one() -> None:
    """What was unchanged on the old connection may have changed since: a delta alone is no price."""
    async with Exchange(venue) as exchange:
        bybit_feed = feed(url=exchange.url, retry_min="20ms", retry_max="50ms")
        bybit_feed.attach(Desk(needs=lambda: {"BTC"}))
        async with Listener(bybit_feed.quotes()) as listener:
            await exchange.heard(1)
            await exchange.send(whole())
            await listener.heard("BTC", "50000.10")
            exchange.drop()
            await exchange.heard(2)
            await exchange.send(push(kind="delta", ts=AT_MS + 5000, volume24h="2"))
            await until(lambda: bybit_feed.stats.ignored["no_snapshot"] == 1, "the delta is not used")
            await exchange.send(whole(mark="40000"))
            await listener.heard("BTC", "40000")
    assert listener.prices("BTC") == ["50000.10", "40000"]


async def test_it_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bybit.Bybit, "PING_EVERY_S", 0.1)
    async with Exchange(venue) as exchange:
        bybit_feed = feed(url=exchange.url)
        async with Listener(bybit_feed.quotes()):
            await until(lambda: {"op": "ping"} in exchange.requests, "a ping")
    assert not bybit_feed.stats.refused


def old(*changed: object, kind: str = "delta", **more: object) -> str:
    data = {"delete": [], "update": list(changed), "insert": []} if kind == "delta" else changed[0]
    topic = "instrument_info.100ms.BTCUSD"
    return json.dumps({"topic": topic, "type": kind, "data": data, "timestamp_e6": str(AT_MS * 1000 + 7), **more})


def test_tickers_of_version_2_as_recordings_hold_them() -> None:
    bybit_feed = feed()
    (first,) = bybit_feed.parse(
        old({"symbol": "BTCUSD", "mark_price": "29521.00", "index_price": "29528.95"}, kind="snapshot")
    )
    assert (first.asset, str(first.price), first.quote, str(first.beside)) == ("BTC", "29521.00", "USD", "29528.95")
    assert first.at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    (same,) = bybit_feed.parse(old({"symbol": "BTCUSD", "volume_24h": 7}))
    assert str(same.price) == "29521.00"
    (scaled,) = bybit_feed.parse(old({"symbol": "BTCUSD", "mark_price_e4": 295210001}))
    assert scaled.price == Decimal("29521.0001")


@pytest.mark.parametrize("changed", [7, None, "x", {}, {"symbol": None}, [{}]])
def test_a_ticker_of_version_2_that_is_spoilt_is_refused(changed: object) -> None:
    bybit_feed = feed()
    assert not bybit_feed.parse(old(changed))
    assert bybit_feed.stats.refused == {"malformed_item": 1}


@needs_shared
def test_single_messages_agree() -> None:
    lines = (SHARED / "data" / "ws" / "mapper_cases.jsonl").read_text().splitlines()
    seen = 0
    for case in map(json.loads, lines):
        tickers = [t for t in case["expected_normalized"] or () if "markPrice" in t]
        if case["case"].startswith("map bybit") and tickers:
            (quote,) = feed().parse(json.dumps(case["message"]))
            assert quote.price == Decimal(str(tickers[0]["markPrice"]))
            assert quote.beside == Decimal(str(tickers[0]["indexPrice"]))
            late = datetime.fromisoformat(tickers[0]["timestamp"]) - quote.at
            assert timedelta(0) <= late < timedelta(milliseconds=1)
            assert tickers[0]["symbol"].startswith(quote.asset)
            seen += 1
    assert seen == 5, "three of version 5, two of version 2"
    (quote,) = feed().parse((SHARED / "data" / "ws" / "single" / "bybit__ws_ticker_linear.json").read_bytes())
    assert (quote.asset, str(quote.price), round(quote.at.timestamp() * 1000)) == ("BTC", "17217.33", 1673272861686)
