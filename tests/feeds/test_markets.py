"""What a symbol means: by the keys of the configuration, by the venue's list, by its spelling."""

from __future__ import annotations

import msgspec
import pytest
import structlog

from monitor.core import schema
from monitor.feeds import binance_futures, binance_spot
from monitor.feeds._base import FeedStats
from monitor.feeds._instruments import NOT_A_COIN, OVER, PERPETUAL, SPOT, Instrument
from monitor.feeds._markets import Markets
from tests.feeds.venue import assets, frame, mark


def futures(**keys: object) -> binance_futures.BinanceFutures:
    return binance_futures.build("venue", schema.read(binance_futures.Config, keys))


def listed(symbol: str, base: str, quote: str = "USDT", kind: str = PERPETUAL, status: str = "live") -> Instrument:
    return Instrument(symbol, base, quote, kind, status)


def test_a_coin_of_ours_is_mapped_to_the_venues_symbol_and_no_other_symbol_prices_it() -> None:
    feed = futures(symbols={"LUNA": "LUNA2USDT"})
    quotes = feed.parse(frame([mark("LUNA2USDT", "2"), mark("LUNAUSDT", "9"), mark("BTCUSDT", "3")]))
    assert assets(quotes) == {"LUNA": "2", "BTC": "3"}
    assert feed.stats.ignored == {"other_symbol": 1}


def test_a_symbol_that_is_left_out_gives_no_price() -> None:
    feed = futures(exclude=["COINUSDT"])
    assert assets(feed.parse(frame([mark("COINUSDT", "2"), mark("BTCUSDT", "3")]))) == {"BTC": "3"}
    assert feed.stats.ignored == {"excluded": 1}


def test_a_coin_that_is_mapped_to_a_multiple_has_the_price_of_one() -> None:
    feed = futures(symbols={"INU": "1000SHIBUSDT"})
    assert assets(feed.parse(frame([mark("1000SHIBUSDT", "5")]))) == {"INU": "0.005"}


def test_a_coin_named_like_a_multiple_has_the_price_of_its_symbol_though_the_built_in_list_has_it() -> None:
    """The key of the desk wins over a list that it never wrote."""
    quotes = futures(coins=["1000SATS"]).parse(frame([mark("1000SATSUSDT", "0.000120"), mark("1000XUSDT", "5")]))
    assert assets(quotes) == {"1000SATS": "0.000120", "X": "0.005"}


def test_a_mapping_names_a_coin_that_is_called_like_a_multiple() -> None:
    quotes = futures(symbols={"1000SATS": "1000SATSUSDT"}).parse(frame([mark("1000SATSUSDT", "0.000120")]))
    assert assets(quotes) == {"1000SATS": "0.000120"}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"coins": ["1000SATS"], "multipliers": ["1000SATS"]}, "'1000SATS' stands in multipliers too"),
        ({"symbols": {"LUNA": "LUNA2USDT"}, "exclude": ["LUNA2USDT"]}, "'LUNA2USDT' is the symbol of LUNA in symbols"),
        ({"symbols": {"LUNA": "XUSDT", "LUNC": "XUSDT"}}, "'XUSDT' stands for LUNA and for LUNC"),
        ({"symbols": {"SATS": "1000SATSUSDT"}, "coins": ["1000SATS"]}, "coins says that 1000SATS is a coin of its own"),
        ({"exclude": ["1000SATSUSDT"], "coins": ["1000SATS"]}, "takes '1000SATS' out of coins"),
        ({"exclude": ["1000SHIBUSDT"], "multipliers": ["1000SHIB"]}, "takes '1000SHIB' out of multipliers"),
        ({"symbols": {"lu na": "LUNA2USDT"}}, "the name of a coin"),
        ({"instruments_url": "ftp://x/y"}, "expected an http:// or https:// address"),
        ({"quotes": []}, "expected quote coins"),
    ],
)
def test_what_one_key_takes_from_another_is_refused(keys: dict[str, object], problem: str) -> None:
    with pytest.raises(schema.Invalid) as caught:
        futures(**keys)
    assert problem in str(caught.value)


def test_what_the_built_in_list_holds_may_be_left_out() -> None:
    assert not futures(exclude=["1000SHIBUSDT"]).parse(frame([mark("1000SHIBUSDT", "5")]))


def test_a_market_without_funding_is_over_and_no_price_whatever_its_clock_says() -> None:
    feed = futures()
    over = {"r": "", "T": 0}
    for second in range(2):
        items = [mark("MATICUSDT", "0.3793") | over, mark("POLUSDT", "0.2"), mark("BTCUSDT", "3")]
        assert assets(feed.parse(frame(items))) == {"POL": "0.2", "BTC": "3"}, second
        assert assets(feed.parse(frame([mark("MATICUSDT", 1) | over, mark("POLUSDT", "0.2")]))) == {"POL": "0.2"}
    assert feed.stats.ignored == {"settled": 4}
    assert feed.stats.states == {"MATIC": "settled: MATICUSDT is over, its price stands still"}


def test_a_market_that_opens_again_is_no_longer_said_to_be_over() -> None:
    feed = futures()
    feed.parse(frame([mark("MATICUSDT", "1", r="") | {"T": 0}, mark("BTCUSDT", "3"), mark("ETHUSDT", "3")]))
    assert feed.stats.states
    feed.parse(frame([mark("MATICUSDT", "1"), mark("BTCUSDT", "3"), mark("ETHUSDT", "3")]))
    assert not feed.stats.states


@pytest.mark.parametrize("more", [{"r": None, "T": None}, {"r": "", "T": 1}, {"r": "0.0001", "T": 0}])
def test_a_market_that_does_not_say_so_is_not_over(more: dict[str, object]) -> None:
    assert futures().parse(frame([mark("BTCUSDT", "3", **more)]))


def test_the_index_beside_a_mark_is_per_coin_and_costs_no_price() -> None:
    items = [mark("1000SHIBUSDT", "5", i="6"), mark("BTCUSDT", "3", i="4"), mark("ETHUSDT", "3", i="0")]
    quotes = futures().parse(frame(items))
    assert {q.asset: str(q.beside) for q in quotes} == {"SHIB": "0.006", "BTC": "4", "ETH": "None"}
    for odd in (None, "", "x", 7, "-1", "1" * 50):
        (quote,) = futures().parse(frame([mark("BTCUSDT", "3") | {"i": odd}]))
        assert (str(quote.price), quote.beside) == ("3", None), odd


EXCHANGE_INFO = b"""{"timezone":"UTC","serverTime":1,"rateLimits":[],"symbols":[
{"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",
 "underlyingType":"COIN","filters":[]},
{"symbol":"1000SHIBUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"1000SHIB","quoteAsset":"USDT","underlyingType":"COIN"},
{"symbol":"BTCUSDT_260925","contractType":"CURRENT_QUARTER","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","underlyingType":"COIN"},
{"symbol":"TSLAUSDT","contractType":"TRADIFI_PERPETUAL","status":"TRADING","baseAsset":"TSLA","quoteAsset":"USDT","underlyingType":"EQUITY"},
{"symbol":"XAUUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"XAU","quoteAsset":"USDT","underlyingType":"COMMODITY"},
{"symbol":"DEFIUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"DEFI","quoteAsset":"USDT","underlyingType":"INDEX"},
{"symbol":"MATICUSDT","contractType":"PERPETUAL","status":"SETTLING","baseAsset":"MATIC","quoteAsset":"USDT","underlyingType":"COIN"}]}"""


def test_the_futures_list_says_what_is_a_coin_and_what_is_over() -> None:
    feed = futures(symbols={"LUNA": "LUNA2USDT", "GOLD": "XAUUSDT"})
    feed.markets.take(feed.instruments(EXCHANGE_INFO), "list")
    items = [mark(s, "8") for s in ("BTCUSDT", "1000SHIBUSDT", "BTCUSDT_260925", "TSLAUSDT", "XAUUSDT", "DEFIUSDT")]
    quotes = feed.parse(frame([*items, mark("MATICUSDT", "8"), mark("NEWUSDT", "8")]))
    assert assets(quotes) == {"BTC": "8", "SHIB": "0.008", "GOLD": "8", "NEW": "8"}
    assert feed.stats.ignored == {"delivery": 1, "not_a_coin": 2, "settled": 1}
    assert feed.stats.instruments == "list"
    assert feed.stats.states == {
        "LUNA": "not_listed: the venue does not list LUNA2USDT",
        "MATIC": "settled: MATICUSDT is settled by the venue's list",
    }


def test_a_symbol_that_the_list_does_not_have_asks_for_a_new_list() -> None:
    feed, asked = futures(), []
    feed.markets.unlisted = lambda: asked.append(1)
    feed.markets.take(feed.instruments(EXCHANGE_INFO), "list")
    feed.parse(frame([mark("BTCUSDT", "8")]))
    assert not asked
    feed.parse(frame([mark("NEWUSDT", "8")]))
    assert asked


@pytest.mark.parametrize("text", [b"", b"nonsense", b"[]", b'{"symbols":5}', b'{"symbols":[{"symbol":1}]}', b"\xff"])
def test_a_list_that_is_none_is_refused(text: bytes) -> None:
    for module in (binance_futures, binance_spot):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            module.instruments(text)


def test_a_new_list_counts_for_layouts_that_were_known() -> None:
    feed = futures()
    message = frame([mark("BTCUSDT", "8"), mark("ETHUSDT", "8"), mark("TSLAUSDT", "8")])
    assert set(assets(feed.parse(message))) == {"BTC", "ETH", "TSLA"}
    feed.markets.take([listed("BTCUSDT", "BTC"), listed("TSLAUSDT", "TSLA", kind=NOT_A_COIN)], "list")
    assert set(assets(feed.parse(message))) == {"BTC", "ETH"}


def test_the_symbols_to_ask_for_are_those_of_the_coins_that_the_book_needs() -> None:
    keys = schema.read(binance_futures.Config, {"symbols": {"LUNA": "LUNA2USDT"}, "exclude": ["ETHUSDT"]})
    markets = Markets(keys, ("USDT", "BTC"), FeedStats())

    def spell(base: str, quote: str) -> str:
        return base + quote

    needs = {"LUNA", "SHIB", "ETH", "DOT", "USDT"}
    assert markets.symbols_of(needs, spell) == ["1000SHIBUSDT", "BTCUSDT", "DOTUSDT", "LUNA2USDT"]
    some = [listed("DOTBTC", "DOT", "BTC", SPOT), listed("DOTUSDT", "DOT", kind=SPOT), listed("ADABTC", "ADA", "BTC")]
    markets.take([*some, listed("XUSDT", "X"), listed("SHIBUSDT", "SHIB", status=OVER)], "list")
    assert markets.symbols_of(needs, spell) == ["DOTUSDT"]
    assert markets.symbols_of({"ADA"}, spell) == ["ADABTC"]


def spot(**keys: object) -> binance_spot.BinanceSpot:
    return binance_spot.build("spot", schema.read(binance_spot.Config, keys))


def ticker(symbol: str, price: object, at_ms: object = 1_767_607_200_000, **more: object) -> dict[str, object]:
    return {"e": "24hrMiniTicker", "E": at_ms, "s": symbol, "c": price, "o": "1", "h": "1", "l": "1", "v": "1"} | more


def test_spot_tickers_are_last_prices_and_a_cross_rate_serves_where_there_is_no_other_market() -> None:
    feed = spot()
    items = [ticker("BTCUSDT", "50000"), ticker("ETHBTC", "0.05"), ticker("ETHUSDT", "2500"), ticker("XMRBTC", "0.003")]
    quotes = feed.parse(frame(items))
    assert [(q.asset, str(q.price), q.quote) for q in quotes] == [
        ("BTC", "50000", "USDT"), ("ETH", "2500", "USDT"), ("XMR", "0.003", "BTC"),
    ]  # fmt: skip
    assert feed.stats.ignored == {"other_market": 1}


@pytest.mark.parametrize(
    ("symbol", "asset", "quote"),
    [("1INCHUSDT", "1INCH", "USDT"), ("USDCUSDT", "USDC", "USDT"), ("FDUSDUSDT", "FDUSD", "USDT"), ("WBTCBTC", "WBTC", "BTC"),
     ("1000SATSUSDT", "SATS", "USDT"), ("TUSDT", "T", "USDT")],
)  # fmt: skip
def test_a_spot_symbol_is_split_where_its_quote_coin_begins(symbol: str, asset: str, quote: str) -> None:
    (found,) = spot().parse(frame([ticker(symbol, "1")]))
    assert (found.asset, found.quote) == (asset, quote)


@pytest.mark.parametrize("symbol", ["BTCFDUSD", "BTCTRY", "BTCEUR", "USDTTRY", "ABC"])
def test_a_spot_market_in_another_coin_is_ignored(symbol: str) -> None:
    feed = spot()
    assert not feed.parse(frame([ticker(symbol, "1")]))
    assert feed.stats.ignored == {"other_quote": 1}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (ticker("BTCUSDT", "0"), "zero"), (ticker("BTCUSDT", 5), "not_text"), (ticker("BTCUSDT", "nan"), "not_finite"),
        (ticker("BTCUSDT", "1", "x"), "time"), (ticker("btcusdt", "1"), "symbol"), (ticker("BTCUSDT", "1", e=5), "no_event"),
        (ticker("1000NEWUSDT", "1"), "unknown_multiplier"), (ticker("BTCUSDT", "1", 1_767_607_200), "time"),
    ],
)  # fmt: skip
def test_one_bad_ticker_costs_itself_alone(item: dict[str, object], reason: str) -> None:
    feed = spot()
    assert assets(feed.parse(frame([ticker("ETHUSDT", "3"), item]))) == {"ETH": "3"}
    assert feed.stats.refused == {reason: 1}


def test_a_ticker_with_a_key_twice_is_refused() -> None:
    feed = spot()
    text = frame([ticker("ETHUSDT", "3"), ticker("BTCUSDT", "4")]).replace('"c":"4"', '"c":"4","c":"5"')
    assert assets(feed.parse(text)) == {"ETH": "3"}
    assert feed.stats.refused == {"duplicate_key": 1}


def test_the_spot_list_says_what_trades() -> None:
    text = b"""{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true},
    {"symbol":"LUNAUSDT","status":"BREAK","baseAsset":"LUNA","quoteAsset":"USDT","isSpotTradingAllowed":true},
    {"symbol":"ABCUSDT","status":"TRADING","baseAsset":"ABC","quoteAsset":"USDT","isSpotTradingAllowed":false}]}"""
    feed = spot()
    feed.markets.take(feed.instruments(text), "list")
    assert assets(feed.parse(frame([ticker(s, "1") for s in ("BTCUSDT", "LUNAUSDT", "ABCUSDT")]))) == {"BTC": "1"}
    assert sorted(feed.stats.states) == ["ABC", "LUNA"]


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (1_767_607_200_000_000, "times in microseconds"),
        (1_767_607_200, "times in seconds"),
        (1_767_607_200_000_000_000, "times in nanoseconds"),
        ("1767607200000", "a text, and no number"),
        (5, "another century"),
    ],
)
def test_a_time_in_another_unit_is_named(at: object, words: str) -> None:
    for feed, message in (
        (spot(), frame([ticker("BTCUSDT", "1", at)])),
        (futures(), frame([mark("BTCUSDT", "1") | {"E": at}])),
    ):
        assert not feed.parse(message)
        assert words in feed.stats.words["time"]


@pytest.mark.parametrize(
    "message",
    [
        '{"error":{"code":2,"msg":"Invalid request: unknown stream"},"id":1}',
        '{"code":2,"msg":"Invalid request: unknown stream"}',
    ],
)
def test_a_refused_subscription_is_said_with_its_code_and_text(message: str) -> None:
    for feed in (spot(), futures()):
        feed.parse(message)
        assert feed.stats.words["request_refused"] == "subscription refused: code 2: Invalid request: unknown stream"


@pytest.mark.parametrize(
    "message",
    [
        '{"e":"serverShutdown","E":1770123456789}',
        '{"event":{"e":"serverShutdown","E":1}}',
        '{"stream":"x","data":{"e":"serverShutdown"}}',
    ],
)
def test_the_announced_end_of_a_server_is_no_fault(message: str) -> None:
    feed = spot()
    assert not feed.parse(message)
    assert not feed.stats.refused


def test_the_venues_own_list_is_not_asked_for_another_address() -> None:
    assert futures()._live_config.list_address().startswith("https://fapi.binance.com/")
    assert futures(url="ws://127.0.0.1:1/ws")._live_config.list_address() == ""
    assert futures(instruments_url="")._live_config.list_address() == ""
    assert futures(url="ws://127.0.0.1:1/ws", instruments_url="http://x/y")._live_config.list_address() == "http://x/y"


def test_a_coin_that_the_book_needs_and_the_venue_does_not_list_has_that_state() -> None:
    feed = futures(symbols={"LUNA": "LUNA2USDT"})
    feed.markets.look_for({"DOT"})
    assert not feed.stats.states, "without a list nobody knows"
    feed.markets.take(feed.instruments(EXCHANGE_INFO), "list")
    feed.markets.look_for({"DOT", "BTC", "SHIB", "MATIC", "USDT"})
    assert feed.stats.states["DOT"] == "not_listed: the venue lists no market of DOT that counts"
    assert feed.stats.states["MATIC"].startswith("settled: ")
    assert sorted(feed.stats.states) == ["DOT", "LUNA", "MATIC"]
    feed.markets.look_for({"BTC"})
    assert sorted(feed.stats.states) == ["LUNA", "MATIC"]


def test_what_the_keys_name_and_the_venue_does_not_list_is_a_warning_once() -> None:
    feed = futures(symbols={"LUNA": "LUNA2USDT"}, exclude=["COINUSDT", "TSLAUSDT"])
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            feed._take_list(feed.instruments(EXCHANGE_INFO), "list")
    assert [line["reason"] for line in logs] == [
        "exclude: the venue does not list COINUSDT",
        "symbols: the venue does not list LUNA2USDT, so LUNA has no price",
    ]
