"""What one frame of the futures feed gives, and by which reason it gives nothing."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import schema
from monitor.core.prices.quote import Quote
from monitor.feeds.binance_futures import MULTIPLIERS, BinanceFutures, Config, build
from tests.feeds.venue import STREAM, assets, frame, mark

DOCUMENTED = (
    '{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","i":"11784.62659091",'
    '"P":"11784.25641265","r":"0.00038167","ap":"11794.15000000","T":1562306400000,"st":1}'
)


def feed(**settings: object) -> BinanceFutures:
    return build("binance-futures", Config(**settings))


def refused(*items: object, **settings: object) -> tuple[dict[str, str], dict[str, int]]:
    """Prices and refusals of a message that holds these items."""
    binance = feed(**settings)
    return assets(binance.parse(frame(list(items)))), dict(binance.stats.refused)


def ignored(*items: object) -> tuple[dict[str, str], dict[str, int]]:
    binance = feed()
    quotes = binance.parse(frame(list(items)))
    assert not binance.stats.refused
    return assets(quotes), dict(binance.stats.ignored)


def test_the_documented_message_is_one_quote() -> None:
    (quote,) = feed().parse(DOCUMENTED)
    at = datetime(2019, 7, 5, 5, 43, tzinfo=UTC)
    assert quote == Quote(
        "BTC", Decimal("11794.15000000"), "USDT", "binance-futures", at, beside=Decimal("11784.62659091")
    )
    assert str(quote.price) == "11794.15000000", "the digits are those of the message"


@pytest.mark.parametrize(
    "text",
    [
        f"[{DOCUMENTED}]",
        f'{{"stream":"{STREAM}","data":[{DOCUMENTED}]}}',
        f'{{"data":[{DOCUMENTED}],"stream":"{STREAM}"}}',
        f'{{"stream":"btcusdt@markPrice@1s","data":{DOCUMENTED}}}',
        f" \r\n\t[ {DOCUMENTED} ] \n",
        f"[{DOCUMENTED}]".replace(":", " : ").replace(",", " , "),
        f"[{DOCUMENTED}]".replace("BTC", "\\u0042TC"),
    ],
)
def test_every_form_of_the_envelope_gives_the_same_quote(text: str) -> None:
    for message in (text, text.encode()):
        binance = feed()
        assert binance.parse(message) == feed().parse(DOCUMENTED)
        assert (binance.stats.frames, binance.stats.quotes) == (1, 1)
        assert not binance.stats.refused
        assert not binance.stats.ignored


def test_milliseconds_of_the_exchange_time_are_kept() -> None:
    (quote,) = feed().parse(frame(mark("BTCUSDT", "1", 1_562_305_380_123)))
    assert quote.at == datetime(2019, 7, 5, 5, 43, 0, 123_000, tzinfo=UTC)


def test_a_market_in_several_messages_is_no_deletion_of_what_is_absent() -> None:
    binance = feed()
    first, second = [mark("BTCUSDT", "1")], [mark("TSLAUSDT", "2"), mark("ETHUSDT", "3")]
    assert assets(binance.parse(frame(first))) == {"BTC": "1"}
    assert assets(binance.parse(frame(second))) == {"TSLA": "2", "ETH": "3"}


@pytest.mark.parametrize(
    ("symbol", "text", "asset", "price"),
    [
        ("1000SHIBUSDT", "0.008567", "SHIB", "0.000008567"),
        ("1000SHIBUSDT", "0.00000001", "SHIB", "1E-11"),
        ("1000XUSDT", "0.05", "X", "0.00005"),
        ("1000XECUSDT", "0.0312", "XEC", "0.0000312"),
        ("1000000MOGUSDT", "1.5", "MOG", "0.0000015"),
        ("1MBABYDOGEUSDT", "0.0015", "BABYDOGE", "0.0000000015"),
        ("1000SATSUSDT", "0.12345678901234567890123456789012345", "SATS", "0.00012345678901234567890123456789012345"),
        ("1INCHUSDT", "0.4", "1INCH", "0.4"),
        ("0GUSDT", "3", "0G", "3"),
        ("4USDT", "0.1", "4", "0.1"),
        ("100USDT", "5", "100", "5"),
        ("1MUSDT", "5", "1M", "5"),
        ("USDCUSDT", "0.9998", "USDC", "0.9998"),
    ],
)
def test_a_quote_is_per_coin(symbol: str, text: str, asset: str, price: str) -> None:
    with localcontext(prec=6):  # whatever context the caller has, no digit is lost
        (quote,) = feed().parse(frame([mark(symbol, text)]))
    assert (quote.asset, quote.price) == (asset, Decimal(price))


def test_every_default_multiple_divides() -> None:
    quotes = feed().parse(frame([mark(f"{symbol}USDT", "1") for symbol in MULTIPLIERS]))
    assert len(quotes) == len(MULTIPLIERS)
    for symbol, quote in zip(MULTIPLIERS, quotes, strict=True):
        digits = "1000000" if symbol.startswith("1M") else symbol.removesuffix(quote.asset)
        assert quote.price * Decimal(digits) == 1


def test_a_multiple_that_is_not_listed_is_refused_rather_than_guessed() -> None:
    symbols = ["1000NEWUSDT", "10000NEWUSDT", "1000USDT", "1MNEWUSDT"]
    got = refused(*(mark(s, "1") for s in symbols), mark("BTCUSDT", "2"))
    assert got == ({"BTC": "2"}, {"unknown_multiplier": 4})


def test_the_list_of_multiples_is_the_desks_own() -> None:
    got = refused(mark("1000NEWUSDT", "5"), mark("1000SHIBUSDT", "5"), multipliers=("1000NEW",))
    assert got == ({"NEW": "0.005"}, {"unknown_multiplier": 1})


def test_a_coin_that_is_itself_called_1000SATS_can_be_named() -> None:  # noqa: N802  the coin's name is the point
    got = refused(mark("1000SATSUSDT", "5"), multipliers=(), coins=("1000SATS",))
    assert got == ({"1000SATS": "5"}, {})


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (mark("BTCUSDT_260925", "1"), "delivery"),
        (mark("BTCUSD_260925", "1"), "delivery"),
        (mark("BTCUSD_PERP", "1", st=2), "coin_margined"),
        (mark("BTCUSD_PERP", "1"), "coin_margined"),
        (mark("BTCUSDT", "1", st=2), "coin_margined"),
        (mark("BTCUSDC", "1"), "usdc_twin"),
        (mark("1000BONKUSDC", "1"), "usdc_twin"),
        (mark("ETHBTC", "1"), "other_quote"),
        (mark("BTCBUSD", "1"), "other_quote"),
        (mark("BTCUSDT", "1", e="aggTrade"), "other_event"),
        (mark("BTCUSDT", "1", e="24hrMiniTicker"), "other_event"),
    ],
)
def test_what_is_not_wanted_is_ignored_by_name(item: dict[str, object], reason: str) -> None:
    assert ignored(item, mark("ETHUSDT", "3")) == ({"ETH": "3"}, {reason: 1})


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("", "empty"), ("0", "zero"), ("0.00000000", "zero"), ("-1", "negative"), ("NaN", "not_finite"),
        ("Infinity", "not_finite"), ("-inf", "not_finite"), ("1e400", "out_of_range"), ("1e16", "out_of_range"),
        ("1e-19", "out_of_range"), ("1,000", "not_a_number"), ("0x10", "not_a_number"), ("\uff11", "not_a_number"),
        ("1" * 65, "not_a_number"), (11794.15, "not_text"), (1, "not_text"), (None, "not_text"), (True, "not_text"),
        (["1"], "not_text"), ({"p": "1"}, "not_text"),
    ],
)  # fmt: skip
def test_a_price_that_no_market_has_is_refused_and_the_others_stay(price: object, reason: str) -> None:
    got = refused(mark("ETHUSDT", "3"), mark("BTCUSDT", price), mark("SOLUSDT", "4"))
    assert got == ({"ETH": "3", "SOL": "4"}, {reason: 1})


def test_dividing_may_not_leave_the_range_of_prices() -> None:
    assert refused(mark("1000SHIBUSDT", "1e-17"), mark("1000SHIBUSDT", "1e-15")) == (
        {"SHIB": "1E-18"},
        {"out_of_range": 1},
    )


@pytest.mark.parametrize(
    "at", ["1562305380000", 1562305380000.5, -1, 0, 999, 32_503_680_000_000, 10**30, True, [], None]
)
def test_an_exchange_time_that_is_none_is_refused(at: object) -> None:
    item = mark("BTCUSDT", "1") | {"E": at}
    if at is None:
        del item["E"]
    assert refused(item, mark("ETHUSDT", "3")) == ({"ETH": "3"}, {"time": 1})


@pytest.mark.parametrize(
    "symbol", ["", "USDT", "btcusdt", "BTC/USDT", "BTC USDT", "X" * 40 + "USDT", "BTCUSDT_X", 7, None]
)
def test_a_symbol_that_is_none_is_refused(symbol: object) -> None:
    assert refused(mark("BTCUSDT", "1") | {"s": symbol}, mark("ETHUSDT", "3")) == ({"ETH": "3"}, {"symbol": 1})


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("{}", "no_event"),
        ("5", "malformed_item"),
        ("null", "malformed_item"),
        ('"BTCUSDT"', "malformed_item"),
        ("[]", "malformed_item"),
        (DOCUMENTED.replace('"11794.15000000","i"', '1e400,"i"'), "not_text"),
        (DOCUMENTED.replace('"11794.15000000","i"', 'NaN,"i"'), "not_text"),
        (DOCUMENTED.replace('"11794.15000000","i"', '"\\ud800","i"'), "not_a_number"),
        (DOCUMENTED.replace('"11794.15000000","i"', f'{"9" * 5000},"i"'), "not_text"),
        (DOCUMENTED.replace("1562305380000", "9" * 5000), "time"),
        (DOCUMENTED.replace('"s"', '"p":"1","s"'), "duplicate_key"),
        (DOCUMENTED.replace('"s"', '"p" :"1","s"'), "duplicate_key"),
        (DOCUMENTED.replace('"s"', '"\\u0070":"1","s"'), "duplicate_key"),
        (DOCUMENTED.replace('"s"', '"s":"ETHUSDT","s"'), "duplicate_key"),
        (DOCUMENTED.replace('"e"', '"e":"aggTrade","e"'), "duplicate_key"),
        (DOCUMENTED.replace('"E"', '"E":1,"E"'), "duplicate_key"),
    ],
)
def test_one_bad_item_never_takes_the_rest_along(item: str, reason: str) -> None:
    binance = feed()
    quotes = binance.parse(f"[{frame(mark('ETHUSDT', '3'))},{item},{frame(mark('SOLUSDT', '4'))}]")
    assert (assets(quotes), dict(binance.stats.refused)) == ({"ETH": "3", "SOL": "4"}, {reason: 1})


def test_a_key_twice_in_one_item_is_seen_though_another_item_lacks_it() -> None:
    twice, without = DOCUMENTED.replace('"s"', '"p":"1","s"'), frame(mark("ETHUSDT", None))
    binance = feed()
    assert binance.parse(f"[{twice},{without}]") == []
    assert dict(binance.stats.refused) == {"duplicate_key": 1, "not_text": 1}


DEEP = "[" * 10_000 + "]" * 10_000


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "not_json"), ("   ", "not_json"), ("nonsense", "not_json"), ("["  + DOCUMENTED, "not_json"),
        (DOCUMENTED[:-1], "not_json"), (f"[{DOCUMENTED}]]", "not_json"), (f"[{DOCUMENTED},]", "not_json"),
        ('{"stream":"x","data":[{"e"', "not_json"), ("{'e':1}", "not_json"),
        ("5", "wrong_type"), ("NaN", "wrong_type"), ("null", "wrong_type"), ('"text"', "wrong_type"), ("true", "wrong_type"),
        ('{"stream":"x","data":5}', "wrong_type"), ('{"stream":"x","data":null}', "wrong_type"),
        ('{"stream":"x","data":[],"data":[]}', "duplicate_key"),
        (f'{{"data":[{DOCUMENTED}],"stream":"x","data":[{DOCUMENTED}]}}', "duplicate_key"),
        (DEEP, "too_deep"), (f'{{"stream":"x","data":{DEEP}}}', "too_deep"), (f'{{"e":{DEEP}}}', "too_deep"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "too_deep"),
        (b"\xff\xfe[]", "not_utf8"), (DOCUMENTED.encode("utf-16"), "not_utf8"), ("\ud800", "not_utf8"),
        (b"\x00\x01\x02", "not_json"), (b"\x1f\x8b\x08", "not_utf8"),
        (" " * 1_048_577, "too_large"), (f"[{DOCUMENTED}]".ljust(2_097_152), "too_large"),
        ('{"error":{"code":2,"msg":"Invalid request"},"id":1}', "request_refused"),
        ('{"code":-1121,"msg":"Invalid symbol."}', "request_refused"),
        ("{}", "no_event"), ('{"stream":"x"}', "no_event"), ('{"e":5}', "no_event"),
    ],
)  # fmt: skip
def test_a_frame_that_cannot_be_used_is_counted_by_reason(message: str | bytes, reason: str) -> None:
    binance = feed()
    assert binance.parse(message) == []
    assert dict(binance.stats.refused) == {reason: 1}
    assert binance.stats.frames == 1


def test_a_reply_to_the_subscription_is_no_trouble() -> None:
    binance = feed()
    assert binance.parse('{"result":null,"id":1}') == []
    assert (dict(binance.stats.ignored), dict(binance.stats.refused)) == ({"empty": 1}, {})


def test_an_empty_array_is_no_trouble() -> None:
    binance = feed()
    assert binance.parse("[]") == []
    assert not binance.stats.refused


def test_a_bad_second_price_per_frame_costs_one_log_line_a_minute_that_names_it() -> None:
    binance = feed()
    with structlog.testing.capture_logs() as logs:
        for _ in range(50):
            binance.parse(frame([mark("BTCUSDT", "-5"), mark("1000NEWUSDT", "1")]))
    assert [(line["reason"], line["symbol"], line["feed"]) for line in logs] == [
        ("negative", "BTCUSDT", "binance-futures"),
        ("unknown_multiplier", "1000NEWUSDT", "binance-futures"),
    ]
    assert logs[0]["value"] == "-5"


def test_a_peer_that_invents_symbols_does_not_fill_the_memory() -> None:
    binance = feed()
    for start in range(0, 30_000, 1000):
        binance.parse(frame([mark(f"C{n}USDT", "1") for n in range(start, start + 1000)]))
    assert binance.stats.quotes == 30_000
    assert len(binance.markets._known) <= 10_000


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("url", "https://example.test", "ws:// or wss://"),
        ("silence", "0s", 'a duration from "10ms" up to "1h"'),
        ("silence_s", 0, 'a duration from "10ms" up to "1h"'),
        ("silence_s", float("nan"), "expected a number"),
        ("reconnect_after", "48h", 'from "1s" up to "24h"'),
        ("retry_max", "500ms", 'at least retry_min = "1s"'),
        ("max_frame_bytes", 10, "from 1000"),
        ("multipliers", ["SHIB"], "1000SHIB"),
        ("silense", "3s", "did you mean 'silence'"),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: object, expected: str) -> None:
    with pytest.raises(schema.Invalid) as caught:
        schema.read(Config, {key: value}, "feed[0]")
    (problem,) = caught.value.problems
    assert problem.where.startswith("feed[0]")
    assert key in str(problem)
    assert expected in str(problem)


def test_settings_are_read_from_a_table() -> None:
    table = {
        "url": "ws://127.0.0.1:1/ws",
        "silence_s": 5,
        "first_frame": "2s",
        "reconnect_after": "90m",
        "multipliers": ["1000ABC"],
    }
    config = schema.read(Config, table)
    assert (config.silence, config.first_frame) == (timedelta(seconds=5), timedelta(seconds=2))
    assert (config.reconnect_after, config.multipliers) == (timedelta(minutes=90), ("1000ABC",))


# Fuzzing: whatever comes, nothing is raised, and every frame is either used or counted.

_HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1", "NaN", "BTCUSDT"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*"eEspT", "st", "data", "id"]), inner),
    max_leaves=12,
)
_ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "e": st.just("markPriceUpdate") | _HOSTILE,
        "E": st.just(1_562_305_380_000) | _HOSTILE,
        "s": st.sampled_from(["BTCUSDT", "1000SHIBUSDT", "BTCUSD_PERP", "X_260925", "1000ZUSDT"]) | _HOSTILE,
        "p": st.sampled_from(["1.5", "0", "1e15", "1e-18"]) | _HOSTILE,
        "st": st.sampled_from([1, 2]) | _HOSTILE,
    },
)


class TestWhateverComesNothingIsRaised:
    """Fuzzing of parse with bytes, text and JSON that is nearly right."""

    def told(self, message: str | bytes) -> Counter[str]:
        binance = feed()
        for quote in binance.parse(message):
            assert Decimal("1e-18") <= quote.price <= Decimal("1e15")
            assert quote.quote == "USDT"
        return binance.stats.refused + binance.stats.ignored + Counter(quotes=binance.stats.quotes)

    @given(st.binary(max_size=200))
    def test_bytes(self, message: bytes) -> None:
        assert self.told(message)

    @given(st.text(max_size=200))
    def test_text(self, message: str) -> None:
        assert self.told(message)

    @settings(max_examples=300)
    @given(_HOSTILE)
    def test_json_of_any_shape(self, value: object) -> None:
        assert self.told(json.dumps(value))

    @settings(max_examples=300)
    @given(st.lists(_ITEMS, max_size=5), st.booleans())
    def test_items_that_are_nearly_right(self, items: list[dict[str, object]], wrapped: bool) -> None:
        told = self.told(json.dumps({"stream": STREAM, "data": items} if wrapped else items))
        assert sum(told.values()) == max(len(items), 1), "each item is a quote, or has its reason"

    @settings(max_examples=300)
    @given(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=4))
    def test_a_good_message_with_a_piece_cut_out_and_another_put_in(
        self, start: int, length: int, piece: bytes
    ) -> None:
        message = f'{{"stream":"{STREAM}","data":[{DOCUMENTED},{DOCUMENTED}]}}'.encode()
        assert self.told(message[:start] + piece + message[start + length :])
