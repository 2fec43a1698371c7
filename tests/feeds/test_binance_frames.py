"""A message that is regular in every item becomes a frame at once; whatever it is, the result is that of the slow way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.prices.quote import Frame
from monitor.feeds.binance_futures import BinanceFutures, Config, build
from tests.feeds.venue import STREAM, frame, mark

MS = 1_767_607_200_000
SYMBOLS = ("BTCUSDT", "1000SHIBUSDT", "ETHUSDT", "1INCHUSDT", "1MBABYDOGEUSDT")
OTHERS = ("BTCUSDT_260925", "BTCUSDC", "\u5e01\u5b89\u4eba\u751fUSDT", "1000NEWUSDT", "btc", "ETHBTC")


class Slow(BinanceFutures):
    """The feed that judges every item by itself."""

    def at_once(self, body: bytes) -> Frame | None:
        return None


def regular(second: int = 0, symbols: tuple[str, ...] = SYMBOLS, **more: Any) -> list[dict[str, Any]]:
    return [mark(s, f"{100 + n + second / 10:.8f}", MS + 1000 * second, **more) for n, s in enumerate(symbols)]


def text(items: object) -> str:
    return json.dumps(items, separators=(",", ":"), ensure_ascii=False)


class Both:
    """The feed and its slow twin, told the same messages."""

    def __init__(self) -> None:
        self.fast, self.slow = build("x", Config()), Slow("x", Config(), SystemClock())

    def take(self, message: str | bytes) -> bool:
        """Whether it was taken at once; fails where the twins differ."""
        fast, slow = self.fast.parse(message), self.slow.parse(message)
        assert list(fast) == slow
        assert [str(q.price) for q in fast] == [str(q.price) for q in slow]
        for name in ("frames", "quotes", "ignored", "refused"):
            assert getattr(self.fast.stats, name) == getattr(self.slow.stats, name), name
        return isinstance(fast, Frame)


@pytest.mark.parametrize(
    "message",
    [
        text(regular()),
        f'{{"stream":"{STREAM}","data":{text(regular())}}}',
        text(regular(symbols=(*SYMBOLS, *OTHERS))),
        text([*regular(), mark("BTCUSD_PERP", "1", MS, st=2)]),
        text(regular(st=None)),
        text(regular(ap=None, T=None)),
        text(regular()).replace(":", " : ").replace(",", "\n, "),
        text([*regular(0), *regular(3, ("SOLUSDT",))]),
        text(regular()).replace('"r":"0', '"r":"-0'),
    ],
    ids=[
        "raw",
        "combined",
        "unwanted",
        "coin margined",
        "no st",
        "fewer fields",
        "spaces",
        "two times",
        "negative rate",
    ],
)
def test_a_message_as_the_venue_writes_it_is_a_frame(message: str) -> None:
    assert Both().take(message)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"p":"100.00000000"', '"p":"1e2"'),
        ('"p":"100.00000000"', '"p":"0.00000000"'),
        ('"p":"100.00000000"', '"p":""'),
        ('"p":"100.00000000"', '"p":"."'),
        ('"p":"100.00000000"', '"p":"1.0.0"'),
        ('"p":"100.00000000"', '"p":" 100"'),
        ('"p":"100.00000000"', '"p":"1_00"'),
        ('"p":"100.00000000"', '"p":"\uff11"'),
        ('"p":"100.00000000"', '"p":"nan"'),
        ('"p":"100.00000000"', '"p":"1000000000000001"'),
        ('"p":"100.00000000"', '"p":"0.0000000000000000001"'),
        ('"p":"100.00000000"', '"p":"100.' + "0" * 40 + '"'),
        ('"p":"101.00000000"', '"p":"1000000000000001"'),
        ('"p":"101.00000000"', '"p":"0.0000000000000001"'),
        ('"p":"100.00000000"', '"p":"100","p":"100.00000000"'),
        ('"p":"100.00000000"', '"p" : "1","p":"100.00000000"'),
        ('"p":"100.00000000"', '"\\u0070":"1","p":"100.00000000"'),
        ('"s":"BTCUSDT"', '"s":"SOLUSDT","s":"BTCUSDT"'),
        ('"s":"BTCUSDT"', '"s":"ETHUSDT"'),
        ('"st":1', '"st":2,"st":1'),
        ('"st":1', '"st":1,"st":1'),
        ('"st":1', '"st":3'),
        ('"st":1', '"st":true'),
        (f'"E":{MS}', f'"E":{MS}.0'),
        (f'"E":{MS}', f'"E":"{MS}"'),
        (f'"E":{MS}', '"E":1'),
        (f'"E":{MS}', f'"E":{MS},"E":{MS}'),
        ('"e":"markPriceUpdate"', '"e":"aggTrade"'),
        ('"i":"100.00000000"', '"i":"\\""'),
        ('"i":"100.00000000"', '"i":"\x01"'),
        ("]", ",5]"),
        ("]", "]]"),
    ],
)
def test_one_odd_item_is_judged_the_slow_way_and_the_next_message_is_a_frame_again(old: str, new: str) -> None:
    both, message = Both(), text(regular())
    assert old in message
    assert both.take(message)
    assert not both.take(message.replace(old, new, 1))
    assert both.take(text(regular(1)))


def test_of_two_symbols_of_one_coin_one_gives_its_price() -> None:
    both = Both()
    assert both.take(text(regular(symbols=("BTCUSDT", "SHIBUSDT", "1000SHIBUSDT", "ETHUSDT"))))
    assert both.fast.stats.ignored == {"other_market": 1}


def test_a_combined_message_that_does_not_end_as_it_began_is_none() -> None:
    both, message = Both(), f'{{"stream":"{STREAM}","data":{text(regular())}'
    for end in ("]", " ", ',"x":1}', ',"data":[]}'):
        assert not both.take(message + end)
    assert both.take(message + "}")


def test_a_symbol_that_is_margined_in_coins_from_now_on_is_ignored_from_now_on() -> None:
    both = Both()
    assert both.take(text(regular(0)))
    assert both.take(text([*regular(1)[:-1], regular(1, st=2)[-1]]))
    assert both.fast.stats.ignored == {"coin_margined": 1}


@pytest.mark.parametrize("hidden", ['"p7":"1"', '"3p":"1"', '"p.":"1"'])
def test_a_key_that_is_another_one_but_for_a_digit_hides_no_repetition(hidden: str) -> None:
    """Digits are left out where two messages are compared."""
    both, message = Both(), text(regular())
    both.take(message.replace('"s"', f'{hidden},"s"', 1))
    both.take(message.replace('"s"', '"p":"1","s"', 1))
    assert both.fast.stats.refused["duplicate_key"] == 1


def test_two_markets_that_come_in_turn_are_frames_each_time() -> None:
    both = Both()
    for second in range(4):
        assert both.take(text(regular(second, ("BTCUSDT", "ETHUSDT"))))
        assert both.take(text(regular(second, ("TSLAUSDT", "SOLUSDT", "XRPUSDT"))))


def test_a_frame_has_the_same_assets_object_each_second() -> None:
    """The board and the conflation compare it by identity first."""
    feed = build("x", Config())
    first, second = feed.parse(frame(regular(0))), feed.parse(frame(regular(1)))
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert first.assets is second.assets


def test_a_market_that_is_listed_makes_another_frame() -> None:
    both = Both()
    assert both.take(text(regular(0)))
    assert both.take(text(regular(1, (*SYMBOLS, "NEWUSDT"))))
    assert both.take(text(regular(2, (SYMBOLS[0], "NEWUSDT"))))


def test_a_peer_that_invents_orders_does_not_fill_the_memory() -> None:
    feed = build("x", Config())
    for n in range(200):
        feed.parse(frame(regular(0, (f"C{n}USDT", "BTCUSDT"))))
    assert len(feed._layouts._known) <= 16


VALUES = st.sampled_from(
    ["1", 0, 1, 1.5, None, True, "", "0", "1e3", "nan", "-1", "1e15", "1e-18", [], {}, MS, MS + 0.0, 2, 3, "markPriceUpdate",
     "BTCUSDT", "SOLUSDT", "1000SHIBUSDT", "1000ZUSDT", "BTCUSD_PERP", "X_260925", "\u5e01USDT", "9" * 33, "."]
)  # fmt: skip
KEYS = st.sampled_from(["e", "E", "s", "p", "st", "i", "r", "T", "data", "q"])
SETS = st.tuples(st.just("set"), st.integers(0, 4), KEYS, VALUES)
DROPS = st.tuples(st.just("drop"), st.integers(0, 4), KEYS, st.none())
PIECES = st.sampled_from(
    [
        b"",
        b'"',
        b",",
        b"{",
        b"}",
        b"]",
        b'"p":"1",',
        b'"s":"BTCUSDT",',
        b'"st":1,',
        b" ",
        b"\\",
        b"\xff",
        b"0",
        b'"E":5,',
    ]
)
CUTS = st.tuples(st.integers(0, 900), st.sampled_from([0, 0, 1, 2, 12, 60]), PIECES)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A second's message, regular or with up to two changes of its items, or of its bytes."""
    symbols = draw(st.sampled_from([SYMBOLS, SYMBOLS, (*SYMBOLS, *OTHERS), SYMBOLS[:2]]))
    items = regular(draw(st.integers(0, 3)), symbols)
    for what, place, key, value in draw(st.lists(SETS | DROPS, max_size=2)):
        item = items[place % len(items)]
        if what == "set":
            item[key] = value
        else:
            item.pop(key, None)
    message = text(items)
    if draw(st.booleans()):
        message = f'{{"stream":"{STREAM}","data":{message}}}'
    raw = message.encode()
    for start, length, piece in draw(st.lists(CUTS, max_size=1)):
        raw = raw[:start] + piece + raw[start + length :]
    return raw


@settings(max_examples=500)
@given(st.lists(messages(), min_size=1, max_size=4))
def test_no_sequence_of_messages_tells_the_two_ways_apart(sent: list[bytes]) -> None:
    both = Both()
    for message in sent:
        both.take(message)
