"""OKX: marks and tickers by the documented messages, what it asks for and answers, and the recording of real tickers."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core import schema
from monitor.feeds import okx
from monitor.feeds._base import Desk
from tests.feeds.exchange import Exchange
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until

AT_MS = 1_767_607_200_000


def feed(**keys: object) -> okx.Okx:
    return okx.build("okx", schema.read(okx.Config, keys))


def mark(symbol: str = "BTC-USDT-SWAP", price: object = "50000.10", ts: object = str(AT_MS)) -> str:
    item = {"instType": "SWAP", "instId": symbol, "markPx": price, "ts": ts}
    return json.dumps({"arg": {"channel": "mark-price", "instId": symbol}, "data": [item]})


def ticker(symbol: str = "BTC-USDT", last: object = "50001.5") -> str:
    item = {
        "instType": "SPOT", "instId": symbol, "last": last, "lastSz": "0.1", "askPx": "50002", "askSz": "11",
        "bidPx": "50001", "bidSz": "5", "open24h": "49000", "high24h": "51000", "low24h": "48000", "sodUtc0": "49500",
        "sodUtc8": "49600", "volCcy24h": "2222", "vol24h": "2222", "ts": str(AT_MS),
    }  # fmt: skip
    return json.dumps({"arg": {"channel": "tickers", "instId": symbol}, "data": [item]})


def test_a_mark_as_documented() -> None:
    (quote,) = feed().parse(mark())
    assert (quote.asset, quote.price, quote.quote, quote.source) == ("BTC", Decimal("50000.10"), "USDT", "okx")
    assert quote.at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert quote.is_dated
    assert quote.beside is None


def test_a_ticker_as_documented() -> None:
    (quote,) = feed(channel="tickers").parse(ticker())
    assert (quote.asset, str(quote.price), quote.quote) == ("BTC", "50001.5", "USDT")
    assert quote.beside == Decimal("50001.5"), "the middle of the best offers"


@pytest.mark.parametrize(
    ("symbol", "asset", "quote"),
    [
        ("ETH-USDT-SWAP", "ETH", "USDT"),
        ("UNI-USD-SWAP", "UNI", "USD"),
        ("BTC-USDC-SWAP", "BTC", "USDC"),
        ("1INCH-USDT-SWAP", "1INCH", "USDT"),
        ("BTC-USD-260327", "BTC-USD-260327", "USD"),  # a dated future is no price of its coin
    ],
)
def test_symbols(symbol: str, asset: str, quote: str) -> None:
    (found,) = feed().parse(mark(symbol))
    assert (found.asset, found.quote) == (asset, quote)


@pytest.mark.parametrize(
    ("symbol", "where", "reason"),
    [
        ("BTC-USD-260327-50000-C", "ignored", "option"),
        ("BTCUSDT", "refused", "symbol"),
        ("btc-usdt", "refused", "symbol"),
        ("", "refused", "symbol"),
        ("1000SHIB-USDT-SWAP", "refused", "unknown_multiplier"),
    ],
)
def test_symbols_that_give_no_price(symbol: str, where: str, reason: str) -> None:
    okx_feed = feed()
    assert not okx_feed.parse(mark(symbol))
    assert getattr(okx_feed.stats, where) == {reason: 1}


def test_a_dated_future_that_the_desk_names_is_the_coin_that_it_says() -> None:
    (quote,) = feed(symbols={"BTC-JUN": "BTC-USD-260626"}).parse(mark("BTC-USD-260626"))
    assert quote.asset == "BTC-JUN"


def test_a_slow_and_a_fast_reading_agree() -> None:
    """A message with a key in another order, a number in place of text or several items goes the other way."""
    text = mark()
    escaped = text.replace("BTC", "\\u0042TC")
    number = text.replace('"50000.10"', "50000.10").replace(f'"{AT_MS}"', str(AT_MS))
    two = json.loads(text)
    two["data"].append({"instType": "SWAP", "instId": "ETH-USDT-SWAP", "markPx": "3000", "ts": str(AT_MS)})
    first = feed().parse(text)
    assert list(feed().parse(escaped)) == list(first)
    assert list(feed().parse(number)) == list(first)
    assert [q.asset for q in feed().parse(json.dumps(two))] == ["BTC", "ETH"]


@pytest.mark.parametrize(
    ("ts", "words"),
    [
        (str(AT_MS * 1000), "microseconds"),
        (str(AT_MS // 1000), "seconds"),
        (None, "without a time"),
        ("", "time"),
        ("soon", "time"),
    ],
)
def test_a_time_that_is_none_is_refused_and_named(ts: object, words: str) -> None:
    okx_feed = feed()
    assert not okx_feed.parse(mark(ts=ts))
    assert okx_feed.stats.refused == {"time": 1}
    assert words in okx_feed.stats.words["time"]


def test_answers_are_no_prices_and_a_refusal_says_code_and_text() -> None:
    okx_feed = feed()
    for text in (
        '{"event":"subscribe","arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"connId":"a4d3ae55"}',
        '{"event":"channel-conn-count","channel":"mark-price","connCount":"2","connId":"abcd1234"}',
        "pong",
        '{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","px":"1","ts":"1767607200000"}]}',
    ):
        assert not okx_feed.parse(text)
    assert not okx_feed.stats.refused
    assert not okx_feed.parse(
        '{"event":"error","code":"60018","msg":"Wrong URL or channel:mark-price,instId:XYZ-USDT-SWAP doesn\'t exist.",'
        '"connId":"a4d3ae55"}'
    )
    assert okx_feed.stats.refused == {"subscription": 1}
    assert "60018: Wrong URL or channel" in okx_feed.stats.words["subscription"]
    assert "XYZ-USDT-SWAP" in okx_feed.stats.states["XYZ"]


def test_too_many_requests_refuse_no_market() -> None:
    okx_feed = feed()
    okx_feed.attach(Desk(needs=lambda: {"BTC"}))
    socket = okx_feed.for_socket()
    (first,) = socket.ask(socket.topics())
    socket.parse(b'{"event":"error","code":"60014","msg":"Requests too frequent","connId":"x"}')
    (again,) = socket.ask(socket.topics())
    assert json.loads(again)["args"] == json.loads(first)["args"]
    assert not okx_feed.stats.states
    assert "60014" in okx_feed.stats.words["subscription"]


def test_a_market_that_is_named_twice_is_no_price() -> None:
    """Nobody can tell which market the price is of."""
    okx_feed = feed()
    doubled = mark().replace('"markPx"', '"instId": "ETH-USDT-SWAP", "markPx"')
    assert not okx_feed.parse(doubled)
    assert okx_feed.stats.refused == {"duplicate_key": 1}


LIST: dict[str, Any] = {
    "code": "0",
    "msg": "",
    "data": [
        {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "uly": "BTC-USDT", "ctVal": "0.01", "ctValCcy": "BTC",
         "ctType": "linear", "state": "live", "instCategory": "1"},
        {"instType": "SWAP", "instId": "BTC-USD-SWAP", "uly": "BTC-USD", "ctVal": "100", "ctValCcy": "USD",
         "ctType": "inverse", "state": "live", "instCategory": "1"},
        {"instType": "SWAP", "instId": "OLD-USDT-SWAP", "ctVal": "1", "state": "suspend", "instCategory": "1"},
        {"instType": "SWAP", "instId": "TSLA-USDT-SWAP", "ctVal": "1", "state": "live", "instCategory": "3"},
        {"instType": "FUTURES", "instId": "BTC-USD-260327", "ctVal": "100", "state": "live", "instCategory": "1"},
    ],
}  # fmt: skip


def test_the_list_of_markets_decides() -> None:
    okx_feed = feed()
    okx_feed.markets.take(okx_feed.instruments(json.dumps(LIST).encode()), "list")
    socket = okx_feed.for_socket()
    assert [q.asset for q in socket.parse(mark().encode())] == ["BTC"]
    for symbol in ("OLD-USDT-SWAP", "TSLA-USDT-SWAP", "BTC-USD-260327", "BTC-USD-SWAP", "ETH-BTC"):
        assert not socket.parse(mark(symbol).encode()), symbol
    assert okx_feed.stats.ignored == {
        "settled": 1, "not_a_coin": 1, "delivery": 1, "other_market": 1, "other_quote": 1,
    }  # fmt: skip
    assert okx_feed.stats.states["OLD"].startswith("settled: ")
    assert okx_feed.stats.instruments == "list"


def test_each_channel_has_its_list_and_its_trust() -> None:
    assert okx.Config().list_address().endswith("instType=SWAP")
    assert okx.Config(channel="tickers").list_address().endswith("instType=SPOT")
    assert okx.Config(url="ws://127.0.0.1:1").list_address() == ""
    marks, tickers = okx.trust(okx.Config()), okx.trust(okx.Config(channel="tickers"))
    assert marks.cadence is not None
    assert marks.stale_after is not None
    assert marks.cadence < marks.stale_after
    assert tickers.sends_changes_only
    assert not marks.sends_changes_only
    assert feed(channel="tickers").changes_only()
    assert not feed().changes_only()
    assert okx.trust(okx.Config(stale_after=timedelta(seconds=12))).stale_after == timedelta(seconds=12)


def venue(text: str) -> list[str]:
    """Answers as OKX does: each market of a request by itself."""
    if text == "ping":
        return ["pong"]
    answers = []
    for arg in json.loads(text)["args"]:
        if "NONE" in arg["instId"]:
            words = f"Wrong URL or channel:mark-price,instId:{arg['instId']} doesn't exist."
            answers.append(json.dumps({"event": "error", "code": "60018", "msg": words}))
        else:
            answers.append(json.dumps({"event": "subscribe", "arg": arg, "connId": "x"}))
    return answers


async def test_it_asks_for_what_the_desk_needs_and_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(okx.Okx, "PING_EVERY_S", 0.2)
    needed = {"BTC", "NONE"}
    async with Exchange(venue) as exchange:
        okx_feed = feed(url=exchange.url)
        okx_feed.attach(Desk(needs=lambda: needed))
        async with Listener(okx_feed.quotes()) as listener:
            await exchange.heard(1)
            (request,) = exchange.requests
            assert request["op"] == "subscribe"
            assert request["args"] == [
                {"channel": "mark-price", "instId": "BTC-USDT-SWAP"},
                {"channel": "mark-price", "instId": "NONE-USDT-SWAP"},
            ]
            await exchange.send(mark())
            await listener.heard("BTC", "50000.10")
            assert okx_feed.stats.states["NONE"].startswith("not_listed: ")
            await until(lambda: "ping" in exchange.texts, "a ping")
            needed.add("ETH")
            await until(lambda: len(exchange.requests) == 2, "another request on the same connection")
            assert exchange.requests[1]["args"] == [{"channel": "mark-price", "instId": "ETH-USDT-SWAP"}]
    assert len(exchange.said) == 1


async def test_a_refused_subscription_is_the_cause_that_is_shown() -> None:
    async with Exchange(venue) as exchange:
        okx_feed = feed(url=exchange.url, first_frame="300ms", retry_min="20ms", retry_max="50ms")
        okx_feed.attach(Desk(needs=lambda: {"NONE"}))
        async with Listener(okx_feed.quotes()):
            await until(lambda: "60018" in okx_feed.stats.reason, "code and text are the reason")
            assert "subscription refused" in okx_feed.stats.reason
            assert not okx_feed.stats.connected


async def test_a_new_connection_asks_again() -> None:
    async with Exchange(venue) as exchange:
        okx_feed = feed(url=exchange.url, retry_min="20ms", retry_max="50ms")
        okx_feed.attach(Desk(needs=lambda: {"BTC"}))
        async with Listener(okx_feed.quotes()) as listener:
            await exchange.heard(1)
            exchange.drop()
            await exchange.heard(2)
            assert exchange.said[0] == exchange.said[1]
            await exchange.send(mark(price="7"))
            await listener.heard("BTC", "7")


async def test_a_notice_of_an_upgrade_opens_the_next_connection_before_this_one_ends() -> None:
    async with Exchange(venue) as exchange:
        okx_feed = feed(url=exchange.url, retry_min="20ms", retry_max="50ms")
        okx_feed.attach(Desk(needs=lambda: {"BTC"}))
        async with Listener(okx_feed.quotes()) as listener:
            await exchange.heard(1)
            await exchange.send(mark(price="7"))
            await listener.heard("BTC", "7")
            await exchange.send(
                {"event": "notice", "code": "64008", "msg": "The connection will soon be closed.", "connId": "x"}
            )
            await exchange.heard(2)
            assert len(exchange.sockets) == 2, "both are there"
            await exchange.send(mark(price="8", ts=str(AT_MS + 1)))
            await until(lambda: len(exchange.sockets) == 1, "the first one is closed")
            await exchange.send(mark(price="9", ts=str(AT_MS + 2)))
            await listener.heard("BTC", "9")
            assert okx_feed.stats.connected


async def test_a_coin_that_stops_while_another_goes_on_gets_a_new_connection() -> None:
    async with Exchange(venue) as exchange:
        okx_feed = feed(url=exchange.url, silence="400ms", retry_min="20ms", retry_max="50ms")
        okx_feed.attach(Desk(needs=lambda: {"BTC", "ETH"}))
        async with Listener(okx_feed.quotes()) as listener:
            await exchange.heard(1)
            for step in range(400):
                if step < 5:
                    await exchange.send(mark(price="7", ts=str(AT_MS + step)))
                await exchange.send(mark("ETH-USDT-SWAP", "3", ts=str(AT_MS + step)))
                if len(exchange.said) == 2:
                    break
                await asyncio.sleep(0.02)
            assert len(exchange.said) == 2, "another connection"
            await exchange.heard(2)
            assert exchange.said[0] == exchange.said[1]
            await exchange.send(mark(price="8", ts=str(AT_MS + 900)))
            await listener.heard("BTC", "8")


async def test_books_that_are_not_read_yet_get_a_moment() -> None:
    """Otherwise each start would ask for coins that the desk does not hold."""
    needed: set[str] = set()
    async with Exchange(venue) as exchange:
        okx_feed = feed(url=exchange.url)
        okx_feed.attach(Desk(needs=lambda: needed))
        async with Listener(okx_feed.quotes()):
            await until(lambda: exchange.sockets, "connected")
            needed.add("ETH")
            await exchange.heard(1)
    assert [[a["instId"] for a in r["args"]] for r in exchange.requests] == [["ETH-USDT-SWAP"]]


@needs_shared
def test_every_ticker_of_the_recording_comes_out() -> None:
    """28 tickers: 25 of BTC-USDT, 2 of a dated future, 1 of a swap. Read here with plain json, apart from the feed."""
    okx_feed = feed(channel="tickers")
    expected, found = [], []
    with gzip.open(SHARED / "data" / "ws" / "cryptofeed_OKX.ws.1.0.gz", "rt") as recording:
        for line in recording:
            received, _, payload = line.rstrip("\n").partition(": ")
            if received.startswith("wss:"):
                continue
            message = json.loads(payload)
            if message.get("arg", {}).get("channel") == "tickers":
                expected += [(t["instId"], t["last"], int(t["ts"])) for t in message.get("data", ())]
            found += okx_feed.parse(payload)
    names = {"BTC-USDT": "BTC", "UNI-USD-SWAP": "UNI", "BTC-USD-220527": "BTC-USD-220527"}
    assert [(names[s], Decimal(p), ms) for s, p, ms in expected] == [
        (q.asset, q.price, round(q.at.timestamp() * 1000)) for q in found
    ]
    assert Counter(q.asset for q in found) == {"BTC": 25, "BTC-USD-220527": 2, "UNI": 1}
    of_btc = [q for q in found if q.asset == "BTC"]
    assert (str(of_btc[0].price), str(of_btc[-1].price)) == ("30236", "30227.6")
    assert not okx_feed.stats.refused
    assert okx_feed.stats.ignored == {"acknowledged": 18, "other_event": 364}


def test_marks_and_tickers_of_version_3_as_recordings_hold_them() -> None:
    item = {"instrument_id": "BTC-USD-SWAP", "mark_price": "7.5", "timestamp": "2026-01-05T10:00:00.123Z"}
    (quote,) = feed().parse(json.dumps({"table": "swap/mark_price", "data": [item]}))
    assert (quote.asset, str(quote.price), quote.quote) == ("BTC", "7.5", "USD")
    assert quote.at == datetime(2026, 1, 5, 10, 0, 0, 123_000, tzinfo=UTC)
    okx_feed = feed()
    assert not okx_feed.parse(json.dumps({"table": "swap/trade", "data": [item]}))
    assert not okx_feed.parse(json.dumps({"table": "swap/ticker", "data": [7]}))
    assert okx_feed.stats.refused == {"malformed_item": 1}


@needs_shared
def test_single_messages_agree() -> None:
    lines = (SHARED / "data" / "ws" / "mapper_cases.jsonl").read_text().splitlines()
    seen = 0
    for case in map(json.loads, lines):
        message = case["message"]
        if "okex" not in case["case"] or not isinstance(message, dict):
            continue
        field = {"mark-price": "markPx", "tickers": "last"}.get(message.get("arg", {}).get("channel", ""))
        if field is not None:
            (item,) = message["data"]
            (quote,) = feed().parse(json.dumps(message))
            assert (str(quote.price), round(quote.at.timestamp() * 1000)) == (item[field], int(item["ts"]))
            assert quote.asset == item["instId"].removesuffix("-USDT-SWAP")
            seen += 1
    assert seen == 4
    (quote,) = feed().parse((SHARED / "data" / "ws" / "single" / "okx__ws_tickers.json").read_bytes())
    assert (quote.asset, str(quote.price), quote.quote) == ("BTC", "9999.99", "USDT")
    assert not feed().parse((SHARED / "data" / "ws" / "single" / "okx__ws_funding_rate.json").read_bytes())
