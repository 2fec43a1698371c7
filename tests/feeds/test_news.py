"""What of a feed's prices is news: a frame as a whole, or the same quotes that would be without frames."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.instants import time_at_ms
from monitor.core.prices.quote import Batch, Frame, Quote
from monitor.feeds._base import FeedStats
from monitor.feeds._news import News

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
