"""Hyperliquid: marks and middles without a time, coins by the thousand, requests coin by coin."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monitor.core import schema
from monitor.feeds import hyperliquid
from monitor.feeds._base import Desk
from tests.feeds.exchange import Exchange
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until


def feed(**keys: object) -> hyperliquid.Hyperliquid:
    return hyperliquid.build("hyper", schema.read(hyperliquid.Config, keys))


def context(coin: str = "BTC", mark: object = "50000.1", oracle: object = "50003.0") -> str:
    ctx = {
        "funding": "0.0000486", "openInterest": "18617.0", "prevDayPx": "49000.0", "dayNtlVlm": "7665220.5",
        "premium": "0.0000852", "oraclePx": oracle, "markPx": mark, "midPx": "50000.5", "impactPxs": ["50000.0", "50001.0"],
    }  # fmt: skip
    return json.dumps({"channel": "activeAssetCtx", "data": {"coin": coin, "ctx": ctx}})


def mids(**coins: object) -> str:
    return json.dumps({"channel": "allMids", "data": {"mids": coins}})


def test_a_mark_as_documented_has_no_time_of_the_venue() -> None:
    hyper = feed()
    before = hyper.clock.utc()
    (quote,) = hyper.parse(context())
    assert (quote.asset, str(quote.price), quote.quote, quote.source) == ("BTC", "50000.1", "USDT", "hyper")
    assert quote.beside == Decimal("50003.0")
    assert not quote.is_dated
    assert before <= quote.at <= hyper.clock.utc(), "receipt stands for it"


def test_middles_as_documented_and_markets_that_are_no_coins() -> None:
    hyper = feed(channel="allMids")
    text = mids(
        BTC="50000.5", kPEPE="0.0125", **{"@107": "25.1", "PURR/USDC": "0.2", "xyz:TSLA": "240.0", "#12": "0.5"}
    )
    quotes = hyper.parse(text)
    assert {q.asset: (str(q.price), q.beside) for q in quotes} == {
        "BTC": ("50000.5", None),
        "PEPE": ("0.0000125", None),
    }
    assert hyper.stats.ignored == {"other_kind": 4}
    assert not any(q.is_dated for q in quotes)


@pytest.mark.parametrize(
    ("coin", "asset", "quote", "price"),
    [
        ("kPEPE", "PEPE", "USDT", "50.0001"),
        ("kNEW", "NEW", "USDT", "50.0001"),
        ("KAS", "KAS", "USDT", "50000.1"),
        ("HYPE", "HYPE", "USDC", "50000.1"),
        ("PURR", "PURR", "USDC", "50000.1"),
    ],
)
def test_symbols(coin: str, asset: str, quote: str, price: str) -> None:
    (found,) = feed().parse(context(coin))
    assert (found.asset, found.quote, found.price) == (asset, quote, Decimal(price))


@pytest.mark.parametrize(
    "text",
    [
        '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"activeAssetCtx","coin":"BTC"}}}',
        '{"channel":"pong"}',
        '{"channel":"trades","data":[{"coin":"BTC","side":"B","px":"1","sz":"1","time":1767607200000}]}',
        '"Websocket connection established."',
    ],
)
def test_answers_are_no_prices(text: str) -> None:
    hyper = feed()
    assert not hyper.parse(text)
    assert not hyper.stats.refused


def test_a_market_that_is_asked_for_twice_is_not_refused() -> None:
    hyper = feed()
    told = 'Already subscribed: {"type":"activeAssetCtx","coin":"BTC"}'
    assert not hyper.parse(json.dumps({"channel": "error", "data": told}))
    assert not hyper.stats.refused


def test_a_delisted_coin_is_no_price() -> None:
    listed: dict[str, Any] = {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
            {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
            {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
        ]
    }
    hyper = feed()
    hyper.markets.take(hyper.instruments(json.dumps(listed).encode()), "list")
    assert not hyper.parse(context("MATIC"))
    assert hyper.stats.states["MATIC"].startswith("settled: ")
    assert [q.asset for q in hyper.parse(context("BTC"))] == ["BTC"]
    (pepe,) = hyper.parse(context("kPEPE", "0.0125"))
    assert (pepe.asset, str(pepe.price)) == ("PEPE", "0.0000125")


def venue(text: str) -> list[str]:
    """Answers as Hyperliquid does."""
    request = json.loads(text)
    if request["method"] == "ping":
        return ['{"channel":"pong"}']
    asked = request["subscription"]
    if asked.get("coin") == "NONE":
        return [json.dumps({"channel": "error", "data": "Invalid subscription " + json.dumps(asked)})]
    return [json.dumps({"channel": "subscriptionResponse", "data": request})]


async def test_each_coin_is_a_request_and_a_refused_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperliquid.Hyperliquid, "PING_EVERY_S", 0.2)
    async with Exchange(venue) as exchange:
        hyper = feed(url=exchange.url)
        hyper.attach(Desk(needs=lambda: {"BTC", "NONE", "PEPE"}))
        async with Listener(hyper.quotes()) as listener:
            await exchange.heard(3)
            assert [r["subscription"] for r in exchange.requests[:3]] == [
                {"type": "activeAssetCtx", "coin": coin} for coin in ("BTC", "NONE", "kPEPE")
            ]
            await exchange.send(context())
            await listener.heard("BTC", "50000.1")
            assert "Invalid subscription" in hyper.stats.states["NONE"]
            await until(lambda: {"method": "ping"} in exchange.requests, "a ping")


def test_no_coin_is_asked_for_where_all_are() -> None:
    hyper = feed(channel="allMids")
    hyper.attach(Desk(needs=lambda: {"BTC", "ETH"}))
    socket = hyper.for_socket()
    (request,) = socket.ask(socket.topics())
    assert json.loads(request)["subscription"] == {"type": "allMids"}
    assert not socket.topics()


async def test_all_middles_are_one_request() -> None:
    async with Exchange(venue) as exchange, Listener(feed(url=exchange.url, channel="allMids").quotes()) as listener:
        await exchange.heard(1)
        await exchange.send(mids(BTC="7"))
        await listener.heard("BTC", "7")
    assert exchange.requests == [{"method": "subscribe", "subscription": {"type": "allMids"}}]


@needs_shared
def test_single_messages_agree() -> None:
    lines = (SHARED / "data" / "ws" / "mapper_cases.jsonl").read_text().splitlines()
    cases = [c for c in map(json.loads, lines) if c["case"].startswith("map hyperliquid")]
    quotes = [quote for case in cases for quote in feed().parse(json.dumps(case["message"]))]
    assert [(q.asset, str(q.price), str(q.beside)) for q in quotes] == [("MOODENG", "0.19963", "0.1995")]


@pytest.mark.parametrize("knows_post", [True, False])
async def test_its_list_is_asked_for_by_post(knows_post: bool, tmp_path: Path) -> None:
    """A mirror that knows only GET will do as well."""
    asked: list[object] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            asked.append(await request.json())
            if not knows_post:
                return web.Response(status=405)
        return web.json_response({"universe": [{"name": "BTC"}, {"name": "OLD", "isDelisted": True}]})

    app = web.Application()
    app.router.add_route("*", "/info", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr, attr-defined]
    try:
        async with Exchange(venue) as exchange:
            hyper = feed(url=exchange.url, instruments_url=f"http://127.0.0.1:{port}/info")
            hyper.attach(Desk(needs=lambda: {"BTC", "OLD"}, folder=tmp_path))
            async with Listener(hyper.quotes()):
                await until(lambda: hyper.stats.instruments == "list", "the list is read")
    finally:
        await runner.cleanup()
    assert asked == [{"type": "meta"}]
    assert hyper.stats.states["OLD"].startswith("settled: ")
    assert (tmp_path / "instruments-hyper.json").is_file()
