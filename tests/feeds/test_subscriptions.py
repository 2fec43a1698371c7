"""What the feeds that ask for each market share: rubbish of every kind, and who asks for what when a venue refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import schema
from monitor.core.prices.quote import Quote
from monitor.feeds import bybit, coinbase, deribit, hyperliquid, kraken, okx
from monitor.feeds._base import Desk
from monitor.feeds._subscriptions import (
    AskedFeed,
    Denied,
    Granted,
    Leaving,
    Saying,
    Spoilt,
    Stated,
    Subscriptions,
    tree,
)
from tests.feeds import test_bybit, test_coinbase, test_deribit, test_hyperliquid, test_kraken, test_okx
from tests.feeds.exchange import Exchange
from tests.feeds.venue import Listener, until

FEEDS: dict[str, tuple[Callable[[], AskedFeed], Callable[[str], str]]] = {
    "okx": (lambda: okx.build("f", okx.Config()), lambda price: test_okx.mark(price="PRICE").replace('"PRICE"', price)),
    "bybit": (
        lambda: bybit.build("f", bybit.Config()),
        lambda price: test_bybit.whole(mark="PRICE").replace('"PRICE"', price),
    ),
    "hyperliquid": (
        lambda: hyperliquid.build("f", hyperliquid.Config()),
        lambda price: test_hyperliquid.context(mark="PRICE").replace('"PRICE"', price),
    ),
    "coinbase": (
        lambda: coinbase.build("f", coinbase.Config()),
        lambda price: json.dumps(test_coinbase.ticker(price="PRICE")).replace('"PRICE"', price),
    ),
    "kraken": (
        lambda: kraken.build("f", kraken.Config()),
        lambda price: test_kraken.v1(last="PRICE").replace('"PRICE"', price),
    ),
    "deribit": (lambda: deribit.build("f", deribit.Config()), lambda price: test_deribit.ticker(mark=price)),
}
every_venue = pytest.mark.parametrize("kind", sorted(FEEDS))


@every_venue
def test_the_price_is_exact_as_text_and_as_a_number(kind: str) -> None:
    build, message = FEEDS[kind]
    for text in ("50000.10", "0.000000123456789", "5e-9"):
        for written in (text, f'"{text}"'):
            (quote,) = build().parse(message(written))
            assert quote.price == Decimal(text)
            assert str(quote.price) == str(Decimal(text))


@every_venue
@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ('"NaN"', "not_finite"),
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ('"-inf"', "not_finite"),
        ('"1e400"', "out_of_range"),
        ("1e400", "out_of_range"),
        ('"1e-400"', "out_of_range"),
        ('"-5"', "negative"),
        ('"0"', "zero"),
        ('"0.00"', "zero"),
        ('""', "empty"),
        ('" 5"', "not_a_number"),
        ('"5,000"', "not_a_number"),
        ('"\uff10"', "not_a_number"),
        ("null", "not_text"),
        ("true", "not_text"),
        ("[1]", "not_text"),
    ],
)
def test_a_price_that_is_none_is_refused_by_name(kind: str, price: str, reason: str) -> None:
    build, message = FEEDS[kind]
    feed = build()
    assert not feed.parse(message(price))
    assert feed.stats.refused == {reason: 1}
    assert feed.parse(message('"7"')), "the next good price counts"


@every_venue
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\xff\xfe{}", "not_utf8"),
        (b'{"data":', "not_json"),
        (b"", "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'{"channel": 1, "channel": 2}', "duplicate_key"),
        (b"17", "wrong_type"),
        (b"[]", "wrong_type"),
        (b"x" * 1_048_577, "too_large"),
    ],
)
def test_a_frame_that_is_none_is_refused_by_name(kind: str, frame: bytes, reason: str) -> None:
    build, message = FEEDS[kind]
    feed = build()
    if kind == "hyperliquid" and frame == b"17":
        frame = b"[17]"  # a lone text greets there; numbers are texts in a tree
    assert not feed.parse(frame)
    assert feed.stats.refused == {reason: 1}
    assert feed.parse(message('"7"'))


@every_venue
def test_a_key_that_stands_twice_spoils_the_message(kind: str) -> None:
    """Nobody can tell which of the two prices was meant."""
    build, message = FEEDS[kind]
    text = message('"7"')
    keys = {"okx": "markPx", "bybit": "markPrice", "hyperliquid": "markPx", "deribit": "mark_price"}
    key = {**keys, "coinbase": "price", "kraken": "c"}[kind]
    feed = build()
    assert not feed.parse(text.replace(f'"{key}"', f'"{key}": "8", "{key}"'))
    assert sum(feed.stats.refused.values()) == 1


@every_venue
def test_a_message_cut_anywhere_gives_no_price_and_no_error(kind: str) -> None:
    build, message = FEEDS[kind]
    feed, text = build(), message('"7"')
    for end in range(len(text)):
        assert not feed.parse(text[:end])
    assert feed.stats.frames == len(text)


@every_venue
@given(data=st.data())
@settings(max_examples=60)
def test_no_message_raises(kind: str, data: st.DataObject) -> None:
    """Any value may stand in any place of a message."""
    build, message = FEEDS[kind]
    value = tree(message('"7"').encode())
    leaf = (
        st.none() | st.booleans() | st.text(max_size=5) | st.integers() | st.lists(st.none(), max_size=2) | st.just({})
    )

    def keys(of: dict[str, object] | list[object]) -> Sequence[str | int]:
        return sorted(of) if isinstance(of, dict) else range(len(of))

    place, key = value, data.draw(st.sampled_from(keys(value)))
    while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(keys(place)))
    place[key] = data.draw(leaf)
    feed = build()
    feed.parse(json.dumps(value))
    assert not feed.stats.refused["our_error"]


class Speech:
    """A venue of no special manners, which answers what a test gives it."""

    ping = "ping"
    ping_s = 1.0
    pause_s = 0.0

    def __init__(self, most: int, *, spoils: bool) -> None:
        self.most = most
        self.is_all_or_nothing = spoils
        self.next: list[Saying] = []

    def opening(self) -> Sequence[str]:
        return ("hello",)

    def ask(self, symbols: Sequence[str], number: int) -> str:
        return f"{number}:{','.join(symbols)}"

    def read(self, data: bytes) -> Iterable[Saying]:
        return self.next


class Talk:
    """A conversation with such a venue, and what came of it."""

    def __init__(self, *wanted: str, most: int = 3, spoils: bool = True) -> None:
        self.wanted = list(wanted)
        self.denied: list[tuple[str, str]] = []
        self.speech = Speech(most, spoils=spoils)
        self.subscriptions = Subscriptions(
            self.speech,
            lambda: self.wanted,
            self._said,
            lambda _, symbol, why: self.denied.append((symbol, why)),
            Counter(),
        )

    def asks(self) -> list[str]:
        """What it says now."""
        topics = self.subscriptions.topics()
        return self.subscriptions.ask(topics) if topics else []

    def hears(self, *sayings: Saying) -> None:
        self.speech.next = list(sayings)
        self.subscriptions.read(b"")

    def _said(self, said: Stated | Spoilt | Leaving) -> Quote | None:
        return None


def test_what_is_said_first_goes_before_the_first_request_only() -> None:
    talk = Talk("A", "B", "C", "D")
    assert talk.asks() == ["hello", "1:A,B,C", "2:D"]
    assert talk.asks() == []
    talk.wanted.append("E")
    assert talk.asks() == ["3:E"]


def test_a_request_that_nobody_can_blame_on_one_market_is_split() -> None:
    talk = Talk("A", "B", "C")
    talk.asks()
    talk.hears(Denied("too many", request="1"))
    assert not talk.denied
    assert talk.asks() == ["2:A", "3:B", "4:C"]
    talk.hears(Granted(request="2"), Denied("no such market", request="3"), Granted(request="4"))
    assert talk.denied == [("B", "no such market")]
    assert talk.asks() == []


def test_a_venue_that_judges_each_market_is_not_asked_again() -> None:
    talk = Talk("A", "B", spoils=False)
    talk.asks()
    talk.hears(Granted(("A",)), Denied("no such market", ("B",)))
    assert talk.denied == [("B", "no such market")]
    assert talk.asks() == []


def test_a_refusal_without_a_number_is_of_the_oldest_open_request() -> None:
    talk = Talk("A", "B", most=1)
    talk.asks()
    talk.hears(Granted(), Denied("no such market"))
    assert talk.denied == [("B", "no such market")]


def test_what_an_answer_leaves_out_is_not_there() -> None:
    talk = Talk("A", "B", "C")
    talk.asks()
    talk.hears(Granted(("A", "C"), "1", is_all=True))
    assert [symbol for symbol, _ in talk.denied] == ["B"]


def test_a_venue_that_refuses_everything_is_asked_a_bounded_number_of_times() -> None:
    talk = Talk(*"ABCDEFGH", most=8)
    requests = []
    while asked := talk.asks():
        numbers = [text.partition(":")[0] for text in asked if text != "hello"]
        requests += numbers
        talk.hears(*(Denied("go away", request=number) for number in numbers))
    assert len(requests) == 9, "once together, and once each"
    assert len(talk.denied) == 8


def test_a_venue_that_is_busy_is_asked_the_same_again() -> None:
    talk = Talk("A", "B", spoils=False)
    assert talk.asks() == ["hello", "1:A,B"]
    talk.hears(Denied("too many requests", request="1", is_busy=True))
    assert talk.denied == [("", "too many requests")]
    assert talk.asks() == ["2:A,B"]


def test_a_coin_that_the_list_does_not_have_is_a_state_and_is_not_asked_for() -> None:
    feed = okx.build("f", okx.Config())
    feed.attach(Desk(needs=lambda: {"BTC", "NONE", "USDT"}))
    feed.markets.take(feed.instruments(json.dumps(test_okx.LIST).encode()), "list")
    socket = feed.for_socket()
    (request,) = socket.ask(socket.topics())
    assert [a["instId"] for a in json.loads(request)["args"]] == ["BTC-USDT-SWAP"]
    assert feed.stats.states["NONE"] == "not_listed: the venue has no market of NONE"
    assert "USDT" not in feed.stats.states


SYMBOLS = {
    "okx": (okx, test_okx.mark, "{}-USDT-SWAP"),
    "bybit": (bybit, test_bybit.whole, "{}USDT"),
    "hyperliquid": (hyperliquid, test_hyperliquid.context, "{}"),
    "deribit": (deribit, test_deribit.ticker, "{}_USDC-PERPETUAL"),
    "coinbase": (coinbase, lambda symbol: json.dumps(test_coinbase.ticker(symbol)), "{}-USD"),
    "kraken": (kraken, test_kraken.v1, "{}/USD"),
}


@every_venue
def test_the_desk_maps_a_coin_and_leaves_a_market_out(kind: str) -> None:
    module, message, spelling = SYMBOLS[kind]
    glm, coin = spelling.format("GLM2"), spelling.format("COIN")
    config = schema.read(module.Config, {"symbols": {"GLM": glm}, "exclude": [coin]})
    feed = module.build("f", config)
    feed.attach(Desk(needs=lambda: {"GLM", "COIN", "SOL"}))
    socket = feed.for_socket()
    asked = " ".join(socket.ask(socket.topics()))
    assert glm in asked
    assert spelling.format("SOL") in asked
    assert coin not in asked
    assert [q.asset for q in socket.parse(message(glm).encode())] == ["GLM"]
    assert not socket.parse(message(coin).encode())
    assert feed.stats.ignored["excluded"] == 1
    assert not socket.parse(message(spelling.format("GLM")).encode()), "the other market of that name is another coin"
    assert feed.stats.ignored["other_symbol"] == 1


def test_a_venue_that_has_nothing_of_the_book_stays_connected_by_other_coins() -> None:
    feed = okx.build("f", okx.Config())
    feed.attach(Desk(needs=lambda: {"NONE"}))
    feed.markets.take(feed.instruments(json.dumps(test_okx.LIST).encode()), "list")
    socket = feed.for_socket()
    (request,) = socket.ask(socket.topics())
    assert [a["instId"] for a in json.loads(request)["args"]] == ["BTC-USDT-SWAP"]
    assert set(feed.stats.states) >= {"NONE"}


TALKS = {
    "okx": (test_okx, "doesn't exist"),
    "bybit": (test_bybit, "handler not found"),
    "hyperliquid": (test_hyperliquid, "Invalid subscription"),
    "deribit": (test_deribit, "left it out"),
}
QUICK = {"first_frame": "300ms", "retry_min": "20ms", "retry_max": "50ms"}


@pytest.mark.parametrize("kind", sorted(TALKS))
async def test_a_refused_subscription_is_the_cause_in_the_words_of_the_venue(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests, words = TALKS[kind]
    monkeypatch.setattr(type(tests.feed()), "ASK_EVERY_S", 0.01)
    async with Exchange(tests.venue) as exchange:
        feed = tests.feed(url=exchange.url, **QUICK)
        feed.attach(Desk(needs=lambda: {"NONE"}))
        async with Listener(feed.quotes()):
            await until(lambda: "subscription refused" in feed.stats.reason, "the cause is shown")
            assert words in feed.stats.reason
            await until(lambda: len(exchange.said) > 1, "it asks again all the same")
            assert not feed.stats.connected


@pytest.mark.parametrize("kind", sorted(TALKS))
async def test_every_connection_asks_from_the_beginning(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tests, _ = TALKS[kind]
    monkeypatch.setattr(type(tests.feed()), "ASK_EVERY_S", 0.01)
    _, message = FEEDS[kind]
    async with Exchange(tests.venue) as exchange:
        feed = tests.feed(url=exchange.url, **QUICK)
        feed.attach(Desk(needs=lambda: {"BTC"}))
        async with Listener(feed.quotes()) as listener:
            for connection, price in enumerate(("7", "8", "9")):
                await until(
                    lambda at=connection: len(exchange.said) > at and "BTC" in "".join(exchange.said[at]), "it asks"
                )
                at_ms = str(tests.AT_MS + connection) if hasattr(tests, "AT_MS") else ""
                text = message(f'"{price}"').replace(str(getattr(tests, "AT_MS", "none")), at_ms)
                await exchange.send(text)
                await listener.heard("BTC", price)
                exchange.drop()
    assert exchange.said[0] == exchange.said[1] == exchange.said[2]
    assert feed.stats.reconnects == 2


def test_what_a_peer_writes_is_shown_in_part() -> None:
    feed = okx.build("f", okx.Config())
    feed.parse(json.dumps({"event": "error", "code": "60018", "msg": "x" * 100_000}))
    assert len(feed.stats.words["subscription"]) < 300
    assert "60018: xxx" in feed.stats.words["subscription"]
