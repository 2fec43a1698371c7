"""The board by columns and the slow board, which judges every quote by itself, are never told apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events.events import FeedSaid
from monitor.core.instants import time_at_ms
from monitor.core.money import exact
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.decisions import Decision, Exclude, Pin
from monitor.core.prices.frame_columns import BoardView
from monitor.core.prices.quote import Frame, Mark, PriceChange, Quote, unconfirmed
from monitor.core.rules.settings import FeedTrust, Trust
from tests.coin_desk import START, clock
from tests.core.prices.slow_board import SlowBoard
from tests.effort import examples, more_in_a_soak

D = Decimal
START_MS = int(START.timestamp() * 1000)
ASSETS = ("BTC", "ETH", "SOL", "USDC", "USDT")
ORDERS = [("BTC", "ETH", "SOL"), ("SOL", "ETH", "BTC"), ("BTC", "USDC", "ETH", "USDT"), ("USDC", "SOL"), ("ETH",)]
# About the limits of 15 % from 100, inside and outside of what floats may decide, and equal prices in several spellings.
TEXTS = [
    "100", "100.0", "100.00", "1e2", "101", "99.5", "110", "115", "115.0", "115.00000000001", "115.0000001", "115.000001",
    "114.99999999999", "114.999999", "85", "84.99999999999", "84.999999999999999999", "85.00000000001", "80", "60", "132.25",
    "100.00000000000000000001", "100.00000000000000000002",
]  # fmt: skip


class Given(NamedTuple):
    """A frame or quotes as they arrive: the exchange's time is that many seconds after the last, or before it."""

    source: str
    quote: str
    assets: tuple[str, ...]
    texts: tuple[str, ...]
    later_s: float
    odd_ms: tuple[int, ...]
    is_sure: bool = True

    def frame(self, base_ms: int) -> Frame:
        at_ms, beside = base_ms + int(1000 * self.later_s), self.texts if self.is_sure else ()
        return Frame(self.source, self.quote, self.assets, self.texts, at_ms, self.odd_ms, beside=beside)


Feed = tuple[str, str, tuple[str, ...]]
FEEDS = st.tuples(
    st.sampled_from(["a", "a", "b", "c"]),
    st.sampled_from(["USDT", "USDT", "USDT", "USD", "BTC"]),
    st.sampled_from(ORDERS),
)


@st.composite
def prices(draw: st.DrawFn, feed: Feed) -> Given:
    """Mostly near what it was, later than it was, and of one time; sometimes not."""
    assets = feed[2]
    calm = draw(st.sampled_from([1, 3, 5, 6, 6, 7]))
    texts = [draw(st.sampled_from(TEXTS[:calm])) for _ in assets]
    if draw(st.booleans()):
        texts[draw(st.integers(0, len(assets) - 1))] = draw(st.sampled_from(TEXTS))
    odd = draw(st.sampled_from([(), (), (), (), (0, -1000, 0, 1000), (0, 3_600_000, 0, -20_000)]))[: len(assets)]
    later_s = draw(st.sampled_from([1, 1, 1, 1, 1, 1, 0.5, 0, -2, 4, 60, -60, 3600, -3600]))
    return Given(*feed, tuple(texts), later_s, odd, draw(st.sampled_from([True, True, True, False])))


TRUSTS = st.builds(
    Trust,
    enabled=st.sampled_from([True, True, True, False]),
    confirm_jump=st.sampled_from([D("0.15"), D("0.15"), D(0), D("0.0000000001"), D(2)]),
    confirm_after=st.sampled_from([timedelta(0), timedelta(seconds=3)]),
    min_sources=st.sampled_from([1, 1, 1, 2]),
    usdt_usd=st.sampled_from(["1", "1", "0.998", "USDC", "USDT", "SOL"]),
    sources=st.sampled_from([(), ("a", "b"), ("b", "a")]),
    mode=st.sampled_from(["primary", "primary", "primary", "median"]),
    max_spread=st.sampled_from([D("0.02"), D("0.02"), D("0.2"), D(0)]),
    frozen_after=st.sampled_from([timedelta(hours=1), timedelta(seconds=3)]),
    feeds=st.sampled_from(
        [
            {},
            {},
            {"a": FeedTrust(sends_changes_only=True), "b": FeedTrust(stale_after=timedelta(seconds=2))},
            {"a": FeedTrust(stale_after_of={"BTC": timedelta(seconds=60)}, repeats_are_life=True)},
        ]
    ),
)


def decision(asset: str, source: str | None) -> Decision:
    """A pin, or a source that is left out."""
    until = START + timedelta(days=1)
    said = Pin(asset, "test", D("97.5"), until) if source is None else Exclude(asset, "test", source, until)
    return Decision(said, "op", START)


DECISIONS = st.lists(
    st.builds(decision, st.sampled_from(ASSETS[:4]), st.sampled_from([None, "a", "b"])),
    max_size=2,
    unique_by=lambda d: d.key,
)
SAID = st.tuples(
    st.just("said"),
    st.sampled_from(["a", "b"]),
    st.booleans(),
    st.sampled_from([{}, {}, {"BTC": "settled"}, {"ETH": "not listed"}]),
)


@st.composite
def days(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """What happens to a board that one to three feeds tell of prices: most of it is frames, one a second."""
    feeds = draw(st.lists(FEEDS, min_size=1, max_size=3))
    if draw(st.booleans()):  # venues that list the same coins
        feeds = [(source, "USDT", ORDERS[0]) for source, _, _ in feeds]
    price = st.sampled_from(feeds).flatmap(prices)
    frame = st.tuples(st.just("prices"), st.lists(price, min_size=1, max_size=1), st.just([]))
    batch = st.tuples(st.just("prices"), st.lists(price, max_size=3), st.lists(price, max_size=1))
    other = st.one_of(
        st.tuples(st.just("expire"), st.sampled_from(ASSETS)),
        st.tuples(st.just("announce"), st.sampled_from(ASSETS), st.booleans()),
        st.tuples(st.just("shift"), st.sampled_from([-2, 1, 3600])),
        st.tuples(st.just("wait"), st.sampled_from([4, 11, 40, 3600])),
        st.tuples(st.just("decide"), DECISIONS),
        st.tuples(st.just("follow")),
        SAID,
        st.tuples(st.just("configure"), TRUSTS),
        st.tuples(st.just("restart"), st.booleans(), st.booleans()),
        st.tuples(st.just("look")),
        st.tuples(st.just("view")),
    )
    return draw(st.lists(st.one_of(frame, frame, frame, batch, other), max_size=40))


class Pair:
    """Both boards, told the same."""

    def __init__(self, trust: Trust) -> None:
        self.fast, self.plain, self.trust = PriceBoard(trust), SlowBoard(trust), trust
        self.at, self.ms = START, START_MS
        self.is_by_time = True
        self.views: list[tuple[BoardView, dict[str, Mark], dict[str, D], frozenset[str]]] = []

    def take(self, step: tuple[Any, ...]) -> None:
        what, *rest = step
        with exact():
            getattr(self, what)(*rest)

    def both(self, do: Callable[[Any], PriceChange]) -> PriceChange:
        fast, plain = do(self.fast), do(self.plain)
        assert fast.found == plain.found
        assert plain.moved <= fast.moved, "one that goes and comes back within a batch may be said to have moved"
        assert (sorted(fast.lost), sorted(fast.regained)) == (sorted(plain.lost), sorted(plain.regained))
        return fast

    def prices(self, given: list[Given], quoted: list[Given]) -> PriceChange:
        self.at += timedelta(seconds=1)
        made = tuple(each.frame(self.ms) for each in given)
        quotes = tuple(quote for each in quoted for quote in each.frame(self.ms))
        self.ms = max([self.ms, *(self.ms + int(1000 * g.later_s) for g in (*given, *quoted) if g.later_s < 4)])
        return self.both(lambda board: board.apply(quotes, self.at, made))

    def wait(self, seconds: int) -> None:
        """Nothing comes; the venues' clocks go on."""
        self.at += timedelta(seconds=seconds)
        self.ms += 1000 * seconds

    def follow(self) -> None:
        """The venues' clocks are as ours."""
        self.ms = int(self.at.timestamp() * 1000)

    def said(self, source: str, is_connected: bool, states: dict[str, str]) -> None:
        said = FeedSaid(self.at, source, is_connected, "" if is_connected else "gone", states)
        self.both(lambda board: board.take_said(said))

    def decide(self, decisions: list[Decision]) -> None:
        self.both(lambda board: board.take_decisions(decisions, self.at))

    def expire(self, asset: str) -> None:
        if asset in self.plain.marks:
            self.both(lambda board: board.expire(asset, self.at if self.is_by_time else None))

    def announce(self, asset: str, announced: bool) -> None:
        if asset in self.plain.marks:
            assert self.fast.announce(asset, announced) == self.plain.announce(asset, announced)

    def shift(self, seconds: int) -> None:
        for board in (self.fast, self.plain):
            board.shift(timedelta(seconds=seconds), self.at)

    def configure(self, trust: Trust) -> None:
        self.trust = trust
        for board in (self.fast, self.plain):
            board.configure(trust)

    def restart(self, with_heard: bool, with_trust: bool) -> None:
        """From what a commit keeps, or from what the event log keeps."""
        marks = [mark if with_trust else unconfirmed(mark) for mark in self.fast.marks.values()]
        heard = self.fast.heard if with_heard else ()
        memory = self.fast.memory if with_heard else None
        self.fast, self.plain = (
            PriceBoard(self.trust, marks, heard, memory),
            SlowBoard(self.trust, marks, heard, memory),
        )

    def look(self) -> None:
        """Nothing that can be seen differs."""
        fast, plain = self.fast, self.plain
        assert dict(fast.marks) == dict(plain.marks)
        assert dict(fast.usd) == dict(plain.usd)
        assert (len(fast.marks), len(fast.usd)) == (len(plain.marks), len(plain.usd))
        assert fast.untrusted == plain.untrusted
        assert set(fast.heard) == set(plain.heard)
        assert len(fast.heard) == len(plain.heard)
        assert fast.refused == plain.refused
        assert fast.memory == plain.memory
        for asset in ASSETS:
            assert fast.sources(asset, self.at) == plain.sources(asset, self.at)
        assert fast.contradictions == plain.contradictions
        assert {a: fast.trust_of(a) for a in ASSETS} == {a: plain.trust_of(a) for a in ASSETS}
        assert {a: a in fast.marks for a in ASSETS} == {a: a in plain.marks for a in ASSETS}
        dues = {a: plain.stale_due(a) for a in ASSETS}
        assert {a: fast.stale_due(a) for a in ASSETS} == dues
        assert fast.quoted_in("USDT") == plain.quoted_in("USDT")
        self.look_by_place()

    def look_by_place(self) -> None:
        """What the engine reads is what is said by name."""
        assert len(self.fast.index) == len(self.fast.floats) == len(self.fast.flags)
        for asset, place in self.fast.index.items():
            usd = self.plain.usd.get(asset)
            assert self.fast.floats[place] == (0 if usd is None else pytest.approx(float(usd), rel=1e-14))
            assert self.fast.flags[place] == (asset in self.plain.untrusted) + 2 * (usd is None)

    def view(self) -> None:
        plain = self.plain
        self.views.append((self.fast.snapshot(), dict(plain.marks), dict(plain.usd), frozenset(plain.untrusted)))

    def look_back(self) -> None:
        """What was handed to other threads is still what it was then."""
        for view, marks, usd, untrusted in self.views:
            assert (dict(view.marks), dict(view.usd), view.untrusted) == (marks, usd, untrusted)


@more_in_a_soak
@settings(max_examples=examples(300, 1000))
@given(TRUSTS, days())
def test_no_sequence_of_events_tells_the_boards_apart(trust: Trust, steps: list[tuple[Any, ...]]) -> None:
    pair = Pair(trust)
    for step in steps:
        pair.take(step)
    pair.look()
    pair.look_back()


@settings(max_examples=200)
@given(days())
def test_nor_do_they_differ_at_any_step_of_it(steps: list[tuple[Any, ...]]) -> None:
    pair = Pair(Trust())
    for step in steps:
        pair.take(step)
        pair.look()


def sure(source: str, quote: str, assets: tuple[str, ...], texts: tuple[str, ...], at_ms: int = START_MS) -> Frame:
    """The venue's own index beside each price is the same: a first price is believed."""
    return Frame(source, quote, assets, texts, at_ms, beside=texts)


def calm(second: int, *texts: str, source: str = "a", quote: str = "USDT") -> Frame:
    return sure(source, quote, ORDERS[0], texts or ("100", "10", "1"), START_MS + 1000 * second)


def hears(board: PriceBoard, second: int, *frames: Frame, quotes: tuple[Quote, ...] = ()) -> PriceChange:
    with exact():
        return board.apply(quotes, START + timedelta(seconds=second), frames)


def test_a_calm_frame_makes_neither_a_mark_nor_a_decimal(monkeypatch: pytest.MonkeyPatch) -> None:
    board = PriceBoard(Trust())
    hears(board, 0, calm(0))

    def made(*_: object) -> None:
        raise AssertionError("somebody asked for an exact price")

    monkeypatch.setattr(Frame, "price", made)
    assert hears(board, 1, calm(1, "101", "10.1", "1.01")).moved == {"BTC", "ETH", "SOL"}
    assert [board.floats[board.index[a]] for a in ORDERS[0]] == [101, 10.1, 1.01]
    board.snapshot()
    with pytest.raises(AssertionError, match="exact price"):
        board.usd["BTC"]


@pytest.mark.parametrize("limit", ["1.15", "0.85"])
def test_the_limit_of_a_jump_is_exact_where_floats_cannot_tell(limit: str) -> None:
    """Prices of 20 digits that land on the limit, and one digit of the 30th place beside it."""
    rng = Random(5)
    assets = tuple(f"C{n}" for n in range(600))
    old = [D(rng.randrange(10**19, 10**20)).scaleb(-18) for _ in assets]
    beside = [D(n % 3 - 1).scaleb(-30) for n in range(600)]
    board = PriceBoard(Trust())
    with exact():
        new = [price * D(limit) + by for price, by in zip(old, beside, strict=True)]
    hears(board, 0, sure("a", "USDT", assets, tuple(map(str, old))))
    hears(board, 1, Frame("a", "USDT", assets, tuple(map(str, new)), START_MS + 1000))
    beyond = 1 if limit > "1" else -1
    assert board.untrusted == {a for a, by in zip(assets, beside, strict=True) if by * beyond > 0}


@pytest.mark.parametrize("text", ["100.00000000000000000001", "99.99999999999999999999"])
def test_a_move_that_no_float_shows_is_a_move(text: str) -> None:
    board = PriceBoard(Trust())
    hears(board, 0, calm(0))
    assert hears(board, 1, calm(1, "100.0", "10", "1")).moved == set()
    assert hears(board, 2, calm(2, text, "10", "1")).moved == {"BTC"}


def test_an_asset_that_left_its_frame_for_a_second_is_back_on_it_with_the_next() -> None:
    board = PriceBoard(Trust())
    hears(board, 0, calm(0))
    hears(board, 1, calm(1, "50", "10", "1"))
    assert (board.trust_of("BTC"), board.trust_of("ETH")) == ("suspect", "good")
    hears(board, 2, calm(2, "101", "10", "1"))
    assert board.trust_of("BTC") == "good"
    assert board.marks["BTC"].changed_at == START + timedelta(seconds=2)
    assert board.marks["ETH"].changed_at == START


def test_a_frame_alone_is_not_believed_where_two_sources_are_wanted() -> None:
    board = PriceBoard(Trust(min_sources=2))
    hears(board, 0, calm(0, source="b"), calm(0))
    hears(board, 1, calm(1))
    assert board.untrusted == set()
    for second in range(2, 12):
        hears(board, second, calm(second))
    assert board.untrusted == set(ORDERS[0])


def test_an_asset_that_is_the_rate_of_usdt_from_now_on_moves_all_others_from_now_on() -> None:
    board = PriceBoard(Trust())
    hears(board, 0, calm(0), sure("a", "USD", ("USDC", "DOGE"), ("1", "1")))
    board.configure(Trust(usdt_usd="USDC"))
    change = hears(board, 1, Frame("a", "USD", ("USDC", "DOGE"), ("0.99", "1"), START_MS + 1000))
    assert change.moved == {"USDC", "USDT", *ORDERS[0]}
    assert (board.usd["BTC"], board.floats[board.index["BTC"]]) == (99, 99)


def test_the_digits_of_a_price_are_those_of_the_message() -> None:
    board = PriceBoard(Trust(usdt_usd="0.998"))
    hears(board, 0, calm(0, "100.10", "8.567e-3", "1"))
    assert str(board.marks["BTC"].quote_price) == "100.10"
    assert board.usd["ETH"] == D("0.008567") * D("0.998")


def test_a_place_is_given_to_an_asset_before_it_has_a_price_and_kept() -> None:
    board = PriceBoard(Trust())
    place = board.place("DOGE")
    assert (board.floats[place], board.flags[place], "DOGE" in board.usd, "DOGE" in board.marks) == (0, 2, False, False)
    hears(board, 0, calm(0))
    assert board.place("DOGE") == place
    assert set(board.marks) == set(ORDERS[0])


def test_a_view_does_not_know_assets_that_came_after_it() -> None:
    board = PriceBoard(Trust())
    hears(board, 0, calm(0))
    view = board.snapshot()
    hears(board, 1, sure("a", "USDT", ("DOGE", "XRP"), ("1", "2")))
    assert "DOGE" not in view.marks
    assert view.usd.get("DOGE") is None
    assert len(view.marks) == len(list(view.marks)) == 3


@pytest.mark.parametrize(
    ("assets", "texts", "later"),
    [(("A", "B"), ("1",), ()), (("A",), ("1",), (1, 2)), (("A",), ("x",), ()), ((), ("1",), ())],
)
def test_a_frame_whose_columns_do_not_agree_is_none(
    assets: tuple[str, ...], texts: tuple[str, ...], later: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"in a frame|could not convert"):
        Frame("a", "USDT", assets, texts, START_MS, later)


def test_a_frame_is_its_quotes() -> None:
    frame = Frame("a", "USDT", ("BTC", "ETH"), ("1.50", "2e-3"), START_MS, (0, 1))
    at: Callable[[int], datetime] = time_at_ms
    assert list(frame) == [
        Quote("BTC", D("1.50"), "USDT", "a", at(START_MS)),
        Quote("ETH", D("0.002"), "USDT", "a", at(START_MS + 1)),
    ]
    assert at(START_MS) == clock("00:00")
