"""What of a feed's prices is news: a frame as a whole, or the same quotes that would be without frames."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.instants import time_at_ms
from monitor.core.prices.quote import Batch, Frame, Quote
from monitor.feeds._base import FeedStats
from monitor.feeds._news import MarketSilence, News

MS = 1_767_607_200_000
ORDERS = [("BTC", "ETH", "SOL"), ("SOL", "BTC", "ETH"), ("XRP", "ADA"), ("BTC", "XRP")]
HORIZON = time_at_ms(MS) + timedelta(seconds=50)


class CountedNews:
    """News, and what it counted and refused."""

    def __init__(self) -> None:
        self.stats, self.refused = FeedStats(), Counter[str]()
        self.news = News(self.stats, self.refuse)

    def refuse(self, reason: str, quote: Quote) -> None:
        self.refused[f"{reason} {quote.asset}"] += 1

    def of(self, batch: Batch) -> Batch:
        return self.news.of(batch, HORIZON)


def frame(second: int, price: str = "1", assets: tuple[str, ...] = ORDERS[0], later: tuple[int, ...] = ()) -> Frame:
    return Frame("x", "USDT", assets, (price,) * len(assets), MS + 1000 * second, later)


def test_a_later_frame_is_handed_on_as_it_is() -> None:
    told = CountedNews()
    for second in range(3):
        made = frame(second)
        assert told.of(made) is made


def test_the_first_frame_of_an_order_is_news_where_all_of_its_prices_are() -> None:
    told = CountedNews()
    told.of(list(frame(1)))
    assert isinstance(told.of(frame(2, assets=ORDERS[1])), Frame)


def test_of_a_frame_that_repeats_some_prices_the_others_are_news() -> None:
    told = CountedNews()
    told.of(frame(1))
    later = told.of(frame(1, later=(0, 0, 500)))
    assert [quote.asset for quote in later] == ["SOL"]
    assert told.stats.ignored == {"repeated": 2}


def test_another_socket_that_sends_the_same_message_tells_nothing() -> None:
    told = CountedNews()
    told.of(frame(1))
    assert told.of(frame(1)) == []
    assert isinstance(told.of(frame(2)), Frame)


def test_a_price_dated_ahead_is_for_core_to_judge_and_hides_none_that_come_after_it() -> None:
    told = CountedNews()
    told.of(frame(1))
    for again in (["BTC", "ETH", "SOL"], []):
        assert [quote.asset for quote in told.of(frame(2, later=(0, 60_000, 0)))] == again
    assert [quote.asset for quote in told.of(frame(3))] == ["BTC", "ETH", "SOL"]
    assert told.refused == {}


def test_a_market_that_is_dated_ahead_as_a_whole_stays_in_frames() -> None:
    told = CountedNews()
    for second in (1000, 1001, 1000):
        made = frame(second)
        assert told.of(made) is made, "no order among times that are not to be believed"
        assert told.of(frame(second)) == [], "but a repetition is one"


@st.composite
def batches(draw: st.DrawFn) -> Frame | list[Quote]:
    assets = draw(st.sampled_from(ORDERS))
    later = draw(st.sampled_from([(), (), (0, 1000, -1000)[: len(assets)], (0, 90_000, 0)[: len(assets)]]))
    made = frame(draw(st.integers(0, 6)), draw(st.sampled_from(["1", "1.0", "2"])), assets, later)
    return made if draw(st.booleans()) else list(made)


@settings(max_examples=500)
@given(st.lists(batches(), max_size=15))
def test_frames_tell_what_their_quotes_would(sent: list[Frame | list[Quote]]) -> None:
    frames, quotes = CountedNews(), CountedNews()
    for batch in sent:
        assert list(frames.of(batch)) == list(quotes.of(list(batch)))
    assert (frames.stats.ignored, frames.refused) == (quotes.stats.ignored, quotes.refused)


class Socket:
    """A socket's judge of silence and a clock of seconds."""

    def __init__(self, *, changes_only: bool = False) -> None:
        self.silence = MarketSilence(15, changes_only=changes_only)
        self.now_s = 0.0

    def second(self, *batches: Batch) -> None:
        self.now_s += 1
        for batch in batches:
            self.silence.heard(batch, self.now_s)

    def silent(self, *needs: str) -> str:
        return self.silence.silent(self.now_s, frozenset(needs))


def quotes(*assets: str) -> list[Quote]:
    return [Quote(asset, Decimal(1), "USDT", "x", time_at_ms(MS)) for asset in assets]


def test_one_coin_that_the_book_needs_is_enough_and_one_that_it_does_not_need_is_not() -> None:
    """The venue goes on with another layout, without ETH."""
    socket = Socket()
    for _ in range(5):
        socket.second(frame(1))
    for _ in range(15):
        socket.second(frame(1, assets=("BTC", "SOL")))
        assert not socket.silent("ETH")
    socket.second(frame(1, assets=("BTC", "SOL")))
    assert socket.silent("ETH", "BTC") == "no price of ETH for 15 s while others come"
    assert not socket.silent("BTC")


def test_a_part_is_judged_by_its_own_rhythm() -> None:
    """A fund's token that comes each minute is silent after three minutes, not after 15 seconds."""
    socket = Socket()
    for second in range(181):
        socket.second(quotes("BTC"), quotes("FUND") if second % 60 == 0 else [])
        assert not socket.silent("FUND", "BTC")
    for _ in range(180):
        socket.second(quotes("BTC"))
    assert not socket.silent("FUND")
    socket.second(quotes("BTC"))
    assert socket.silent("FUND")


def test_half_of_all_coins_is_a_reason_though_the_book_needs_none_of_them() -> None:
    socket = Socket()
    for _ in range(5):
        socket.second(quotes("A", "B", "C", "D", "E", "F"))
    for _ in range(16):
        socket.second(quotes("A", "B", "C"))
    assert socket.silent() == "no price of D, E, F for 15 s while others come"
    socket = Socket()
    for _ in range(5):
        socket.second(quotes("A", "B", "C", "D", "E", "F"))
    for _ in range(16):
        socket.second(quotes("A", "B", "C", "D"))
    assert not socket.silent()


def test_where_only_changes_come_no_single_coin_is_a_reason_and_half_of_the_busy_ones_is() -> None:
    socket = Socket(changes_only=True)
    for _ in range(25):
        socket.second(quotes("A", "B", "C", "D", "E", "F"))
    for _ in range(61):
        socket.second(quotes("A", "B", "C", "D", "E"))
    assert not socket.silent("F")
    for _ in range(61):
        socket.second(quotes("A"))
    assert socket.silent("F")


def test_a_socket_that_is_silent_as_a_whole_is_not_judged_by_parts() -> None:
    socket = Socket()
    for _ in range(5):
        socket.second(quotes("A", "B"))
    for _ in range(60):
        socket.second()
    assert not socket.silent("A")


def test_prices_without_a_time_that_all_stand_still_are_no_life() -> None:
    silence = MarketSilence(15, changes_only=False)
    still = [msgspec.structs.replace(quote, is_dated=False) for quote in quotes("A", "B")]
    assert [silence.heard(still, second) for second in range(3)] == [True, False, False]
    moved = [still[0], msgspec.structs.replace(still[1], price=Decimal(2))]
    assert silence.heard(moved, 3)
    undated = msgspec.structs.replace(frame(1), is_dated=False)
    assert [silence.heard(undated, second) for second in (4, 5)] == [True, False]
