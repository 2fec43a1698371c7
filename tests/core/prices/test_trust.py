"""Time, sources and belief as a risk officer would tell them: what venues say, second by second, and what is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.events.events import FeedSaid
from monitor.core.money import exact
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.decisions import Decision, Exclude, Pin
from monitor.core.prices.quote import Frame, Quote, unconfirmed
from monitor.core.prices.trust import is_power_of_ten
from monitor.core.rules.settings import FeedTrust, Trust
from tests.coin_desk import START

D = Decimal
TWO = Trust(sources=("a", "b"))
THREE = Trust(sources=("a", "b", "c"))


class Venues:
    """A board, and venues that speak to it. Times are seconds since the start."""

    def __init__(self, trust: Trust | None = None, board: PriceBoard | None = None) -> None:
        self.board = board or PriceBoard(trust or Trust())

    def say(self, second: float, *, off: float = 0, is_sure: bool = True, **prices: str) -> None:
        """Source `a` says BTC = "100", or a="100", b="101" say so; "100/USD" has its quote; `off` is how far times are off."""
        at = START + timedelta(seconds=second)
        quotes = [quote(source, text, at, off, is_sure=is_sure) for source, text in prices.items()]
        with exact():
            self.board.apply(quotes, at)

    def each_second(self, first: int, last: int, **prices: str) -> None:
        for second in range(first, last + 1):
            self.say(second, **prices)

    def seen(self, asset: str = "BTC") -> str:
        """The price in force and its trust; "- missing" where there is none."""
        mark = self.board.marks.get(asset)
        return "- missing" if mark is None else f"{mark.quote_price} {self.board.trust_of(asset)}"

    def reason(self, asset: str = "BTC") -> str:
        return self.board.marks[asset].reason

    def states(self, second: float, asset: str = "BTC") -> dict[str, str]:
        return {each.source: each.state for each in self.board.sources(asset, START + timedelta(seconds=second))}

    def restart(self) -> None:
        """The daemon starts again: only marks are kept, and none is believed."""
        self.board = PriceBoard(self.board.trust, map(unconfirmed, self.board.marks.values()))

    def said(self, second: float, source: str = "a", *, connected: bool = True, **states: str) -> None:
        self.board.take_said(FeedSaid(START + timedelta(seconds=second), source, connected, "", states))


def quote(source: str, text: str, at: datetime, off: float, *, is_sure: bool = True) -> Quote:
    price, _, rest = text.partition("/")
    coin, _, currency = rest.rpartition(":")
    value = D(price)
    time = at + timedelta(seconds=off)
    return Quote(coin or "BTC", value, currency or "USD", source, time, beside=value if is_sure else None)


# -- time --


def test_a_message_dated_an_hour_ahead_is_refused_and_orders_nothing() -> None:
    venues = Venues()
    venues.each_second(0, 4, a="60000")
    venues.say(5, off=3600, a="60001")
    assert venues.seen() == "60000 good"
    assert venues.board.refused["a", "ahead"] == 1
    assert venues.states(5) == {"a": "ahead"}
    venues.say(6, a="59990")
    assert venues.seen() == "59990 good"
    assert venues.states(6) == {"a": "live"}
    assert not venues.board.clocks["a"].is_off


def test_a_price_dated_ahead_that_an_older_version_kept_orders_nothing_after_the_restart() -> None:
    venues = Venues()
    venues.say(0, a="60000")
    ahead = msgspec.structs.replace(venues.board.marks["BTC"], price_at=START + timedelta(hours=1))
    venues = Venues(board=PriceBoard(Trust(), [unconfirmed(ahead)]))
    venues.say(10, a="59000")
    assert venues.seen() == "59000 good"


def test_a_message_a_few_seconds_ahead_does_not_blind_the_coin_until_its_time_comes() -> None:
    venues = Venues()
    venues.each_second(0, 9, a="100")
    venues.say(10, off=4.5, a="101")
    venues.say(11, a="100")
    venues.say(12, a="99")
    assert venues.seen() == "99 good"


def test_prices_ten_minutes_late_are_stale_however_recently_they_came() -> None:
    venues = Venues()
    venues.say(0, off=-600, a="60000")
    venues.say(1, off=-600, a="60001")
    assert venues.seen() == "60001 stale"
    assert venues.reason() == "exchange time is 600 s old"
    (seen,) = venues.board.sources("BTC", START + timedelta(seconds=1))
    assert (seen.state, seen.reason) == ("late", "exchange time is 600 s old")
    venues.say(2, off=-600, a="60002")
    clock = venues.board.clocks["a"]
    assert (clock.is_off, clock.offset) == (True, timedelta(seconds=-600))


def test_lag_within_the_limit_is_neither_late_nor_an_offset_of_the_clock() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    venues.say(8, off=-8, a="101")
    assert venues.seen() == "100 good", "it is older than what is known"
    venues.say(15, off=-7, a="101")
    assert venues.seen() == "101 good"
    assert not venues.board.clocks["a"].is_off
    assert venues.board.stale_due("BTC") == START + timedelta(seconds=18), "ten seconds after its own time"


def test_a_clock_that_is_a_little_off_is_taken_into_account() -> None:
    venues = Venues(Trust(stale_after=timedelta(seconds=6)))
    for second in range(5):
        venues.say(second, off=-4, a="100")
    assert venues.seen() == "100 good"
    assert venues.board.clocks["a"].offset == timedelta(seconds=-4)
    venues.say(14, off=-9.5, a="101")
    assert venues.seen() == "101 good", "five seconds and a half old by that clock"
    venues.say(24, off=-12, a="102")
    assert venues.seen() == "101 stale", "eight seconds old"


def test_a_venue_a_day_ahead_is_refused_and_its_clock_is_named() -> None:
    venues = Venues()
    for second in range(4):
        venues.say(second, off=90_000, a="60000")
    assert venues.seen() == "- missing"
    clock = venues.board.clocks["a"]
    assert (clock.is_off, clock.offset) == (True, timedelta(hours=25))
    assert venues.board.why_missing("BTC") == "a: refused: dated 25 h ahead of our clock"
    assert venues.board.own_offset is None


@pytest.mark.parametrize("off", [3600, -3600, 90_000])
def test_two_sources_that_are_off_by_the_same_amount_say_that_our_clock_is_off(off: int) -> None:
    venues = Venues(TWO)
    for second in range(5):
        venues.say(second, off=off, a="100", b="100.1")
    assert venues.seen() == "100 good"
    assert venues.board.own_offset == timedelta(seconds=-off)
    assert not any(clock.is_off for clock in venues.board.clocks.values())
    assert venues.states(5) == {"a": "live", "b": "live"}


def test_two_sources_of_which_one_is_right_say_nothing_of_our_clock() -> None:
    venues = Venues(TWO)
    for second in range(5):
        venues.say(second, off=0, b="100")
        venues.say(second, off=-3600, a="100")
    assert venues.board.own_offset is None
    assert venues.states(5) == {"a": "late", "b": "live"}
    assert venues.seen() == "100 good"


def test_two_sources_that_come_later_and_later_are_late_and_our_clock_is_right() -> None:
    venues = Venues(TWO)
    for second in range(60):
        venues.say(second, off=-second / 1.5, a="100", b="100")
    assert venues.board.own_offset is None
    assert venues.seen() == "100 stale"


@pytest.mark.parametrize("jump", [3600, -1])
def test_a_jump_of_our_wall_clock_makes_nothing_stale_and_refuses_nothing(jump: int) -> None:
    """Back, our time stands still, and the monotonic clock tells how far time went on."""
    venues = Venues()
    venues.each_second(0, 5, a="100")
    if jump > 0:
        venues.board.shift(timedelta(seconds=jump), START + timedelta(seconds=6 + jump))
        for second in range(7, 30):
            venues.say(second + jump, off=-jump, a="101")
        assert venues.board.own_offset == timedelta(seconds=jump)
    else:
        for passed in range(1, 30):
            venues.board.shift(timedelta(seconds=-1), START + timedelta(seconds=5))
            venues.say(5, off=passed, a="101")
        assert venues.board.own_offset == timedelta(seconds=-29)
    assert venues.seen() == "101 good"
    assert not venues.board.refused["a", "ahead"]


def test_a_clock_that_was_set_right_is_right() -> None:
    venues = Venues(TWO)
    for second in range(5):
        venues.say(second, off=3600, a="100", b="100")
    venues.board.shift(timedelta(hours=1), START + timedelta(seconds=3605))
    for second in range(3606, 3612):
        venues.say(second, a="101", b="101")
    assert venues.board.own_offset is None
    assert venues.seen() == "101 good"


def test_a_clock_that_jumped_to_the_right_time_refuses_nothing() -> None:
    """One source alone was refused before; it agrees with the clock from its first message after the jump on."""
    venues = Venues()
    for second in range(5):
        venues.say(second, off=100, a="100")
    venues.board.shift(timedelta(seconds=100), START + timedelta(seconds=105))
    venues.say(106, a="101")
    assert (venues.seen(), venues.board.own_offset) == ("101 good", None)


def test_what_has_no_time_of_the_exchange_is_judged_by_the_receipt() -> None:
    board = PriceBoard(Trust())
    for second in range(2):
        at = START + timedelta(seconds=second)
        board.apply([Quote("BTC", D(100), "USD", "a", at, is_dated=False)], at)
    assert (board.trust_of("BTC"), board.marks["BTC"].price_at) == ("good", None)
    assert board.sources("BTC", START)[0].price_at is None
    assert board.clocks == {} or board.clocks["a"].offset is None


def test_the_same_price_of_the_same_time_is_no_life_and_of_a_later_time_it_is() -> None:
    venues = Venues()
    for second in range(12):
        venues.say(second, off=-second, a="100")
    assert venues.board.refused["a", "repeated"] == 11
    assert venues.board.stale_due("BTC") == START + timedelta(seconds=10)
    venues.say(12, a="100")
    assert venues.board.stale_due("BTC") == START + timedelta(seconds=22)


def test_an_unchanged_answer_of_a_poll_is_life() -> None:
    slow = FeedTrust(repeats_are_life=True, stale_after=timedelta(hours=26))
    venues = Venues(Trust(feeds={"a": slow}))
    venues.say(0, off=-3600, is_sure=False, a="100")
    venues.say(60, off=-3660, is_sure=False, a="100")
    assert venues.seen() == "100 good", "a poll that repeats its value is a second quote"
    assert venues.board.marks["BTC"].received_at == START + timedelta(seconds=60)


def test_a_coin_that_does_not_trade_lives_while_its_stream_does() -> None:
    venues = Venues(Trust(feeds={"a": FeedTrust(sends_changes_only=True)}))
    venues.say(0, a="100")
    assert venues.board.stale_due("BTC") == START + timedelta(minutes=5)
    venues.said(60, connected=False)
    assert venues.seen() == "100 stale"


def test_late_and_replayed_messages_never_move_a_price_back() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    venues.say(6, a="105")
    venues.say(7, off=-3, a="100")
    assert venues.seen() == "105 good"
    assert venues.board.refused["a", "old"] == 1


# -- a market that stands still --


def market(second: int, btc: str, moving: Sequence[str] = ("ETH", "SOL"), **more: str) -> Frame:
    rest = {coin: f"{50 + second % 7 / 100 + n:.2f}" for n, coin in enumerate(moving)} | more
    texts = (btc, *rest.values())
    return Frame("a", "USDT", ("BTC", *rest), texts, int(START.timestamp() * 1000) + 1000 * second, beside=texts)


def test_a_mark_that_stands_for_an_hour_while_the_market_moves_is_suspect() -> None:
    board = PriceBoard(Trust(frozen_after=timedelta(seconds=40)))
    for second in range(60):
        board.apply(
            (), START + timedelta(seconds=second), [market(second, "60.00" if second else "60.01", USDC="1.00")]
        )
        assert board.trust_of("BTC") == ("good" if second < 42 else "suspect"), second
    assert board.trust_of("USDC") == board.trust_of("ETH") == "good"
    assert board.marks["BTC"].reason.startswith("frozen: unchanged for")
    for second in range(60, 63):
        board.apply((), START + timedelta(seconds=second), [market(second, f"60.{second}")])
    assert board.trust_of("BTC") == "good"


def test_a_market_that_stands_still_as_a_whole_is_not_frozen_nor_is_one_that_may() -> None:
    for trust in (Trust(frozen_after=timedelta(seconds=40)), Trust(feeds={"a": FeedTrust(may_freeze=False)})):
        board = PriceBoard(trust)
        for second in range(0, 120, 2):
            still = second if trust.feeds else 0
            frame = msgspec.structs.replace(market(still, "60.00"), at_ms=int(START.timestamp() * 1000) + 1000 * second)
            board.apply((), START + timedelta(seconds=second), [frame])
        assert board.untrusted == set()


# -- several sources --


def test_a_lone_print_beside_a_live_source_never_becomes_good_by_lasting() -> None:
    for trust in (TWO, msgspec.structs.replace(TWO, min_sources=2)):
        venues = Venues(trust)
        venues.each_second(0, 5, a="3.00", b="3.01")
        for second in range(6, 60):
            venues.say(second, a="0.0001", b="3.00")
            assert venues.seen() == "3.00 suspect", second
        assert venues.board.contradictions["BTC"].since == START + timedelta(seconds=6)
        assert [each.price for each in venues.board.contradictions["BTC"].sources] == [D("0.0001"), D("3.00")]
        assert venues.board.worst_usd("BTC") == (D("0.0001"), D("3.00"))
        assert "a 0.0001, b 3" in venues.reason()
        venues.say(60, a="3.00", b="3.00")
        assert venues.seen() == "3.00 good"
        assert venues.board.contradictions == {}


def test_a_true_crash_on_two_sources_is_believed_with_the_second() -> None:
    venues = Venues(TWO)
    venues.each_second(0, 5, a="100", b="100")
    venues.say(6, a="40")
    assert venues.seen() == "100 suspect"
    venues.say(6.5, b="40.1")
    assert venues.seen() == "40 good"


def test_a_true_crash_that_finds_two_sources_apart_is_not_held_up_longer_than_the_window() -> None:
    """40 % in twenty seconds; source b is two seconds behind, so the two never agree on the way."""
    venues = Venues(TWO)
    fall = [100 - 2 * min(max(second - 10, 0), 20) for second in range(40)]
    for second in range(10, 40):
        venues.say(second, a=str(fall[second]), b=str(fall[second - 2]))
        mark = venues.board.marks["BTC"]
        if second >= 14:
            beyond = D(fall[second - 2 - 3])  # the mildest source, a window ago
            assert mark.quote_price <= beyond / D("0.85"), (second, mark)
        assert (mark.differ_since is not None) == (11 <= second <= 31), (second, mark)
    assert venues.seen() == "60 good"


@pytest.mark.parametrize("other", ["97", "86", "130"])
def test_sources_that_differ_and_have_not_all_moved_to_one_side_keep_the_last_good_price(other: str) -> None:
    venues = Venues(TWO)
    venues.each_second(0, 5, a="100", b="100")
    venues.each_second(6, 100, a="60", b=other)
    assert venues.seen() == "100 suspect"
    assert "differ by more than" in venues.reason()
    wanted = Venues(msgspec.structs.replace(TWO, min_sources=2))
    wanted.each_second(0, 5, a="100", b="100")
    wanted.each_second(6, 100, a="60", b="70")
    assert wanted.seen() == "100 suspect", "where two are wanted, two must agree"


def test_fewer_sources_than_are_wanted_keep_the_last_good_price() -> None:
    venues = Venues(msgspec.structs.replace(TWO, min_sources=2))
    venues.each_second(0, 5, a="100", b="100")
    venues.each_second(6, 30, a="101")
    assert (venues.seen(), venues.reason()) == ("101 suspect", "a lone source")
    assert "BTC" in venues.board.contradictions


def test_the_next_source_takes_over_and_the_preferred_one_must_be_steady_to_return() -> None:
    venues = Venues(TWO)
    venues.each_second(0, 5, a="100", b="100.5")
    venues.each_second(6, 20, b="100.5")
    assert venues.seen() == "100.5 good"
    for second in range(21, 60):
        venues.say(second, a="100", b="100.5")
        assert venues.seen() == ("100.5 good" if second < 51 else "100 good"), second


def test_the_source_in_force_that_falls_silent_is_followed_by_the_other_at_its_deadline() -> None:
    venues = Venues(msgspec.structs.replace(TWO, feeds={"b": FeedTrust(stale_after=timedelta(minutes=5))}))
    venues.say(0, a="100", b="100.5")
    due = venues.board.stale_due("BTC")
    assert due == START + timedelta(seconds=10)
    change = venues.board.expire("BTC", due)
    assert (venues.seen(), change.lost) == ("100.5 good", ())
    assert venues.board.stale_due("BTC") == START + timedelta(minutes=5)


def test_of_three_sources_the_outlier_is_left_out_and_named() -> None:
    venues = Venues(THREE)
    venues.each_second(0, 5, a="100", b="100", c="100")
    venues.each_second(6, 20, a="110", b="101", c="100.5")
    assert venues.seen() == "101 good"
    assert venues.states(20) == {"a": "outlier", "b": "live", "c": "live"}


def test_three_sources_that_all_differ_contradict_each_other() -> None:
    venues = Venues(THREE)
    venues.each_second(0, 5, a="100", b="100", c="100")
    venues.each_second(6, 20, a="90", b="100", c="110")
    assert venues.seen() == "100 suspect"


def test_the_median_is_the_middle_of_those_that_agree() -> None:
    venues = Venues(msgspec.structs.replace(THREE, mode="median"))
    venues.each_second(0, 3, a="100", b="101", c="100.2")
    assert venues.seen() == "100.2 good"
    assert venues.board.marks["BTC"].source == "median of a, b, c"
    venues.each_second(4, 20, a="100", b="101")
    assert venues.seen() == "100.5 good"


def test_a_preferred_source_that_is_late_does_not_outvote_a_current_one() -> None:
    venues = Venues(TWO)
    for second in range(20):
        venues.say(second, off=-600, a="60000")
        if second >= 6:
            venues.say(second, b="31000")
            assert venues.seen() != "60000 good"
    assert venues.seen() == "31000 good"
    assert venues.states(20) == {"a": "late", "b": "live"}


def test_a_settled_market_is_no_price_and_says_so() -> None:
    venues = Venues()
    venues.each_second(0, 3, a="0.3793")
    venues.said(4, BTC="settled on 11 September")
    assert venues.seen() == "0.3793 suspect"
    assert venues.reason() == "settled on 11 September"
    venues.each_second(5, 20, a="0.3793")
    assert venues.seen() == "0.3793 suspect"
    assert venues.states(20) == {"a": "settled"}
    never = Venues()
    never.said(0, BTC="settled on 11 September")
    never.each_second(1, 9, a="0.3793")
    assert (never.seen(), never.board.why_missing("BTC")) == ("- missing", "a: settled on 11 September")


# -- belief --


def test_a_first_price_waits_for_a_second_quote_of_a_later_time_or_another_source_or_the_price_beside_it() -> None:
    venues = Venues(TWO)
    venues.say(0, is_sure=False, a="2.4")
    assert venues.seen() == "- missing"
    assert venues.board.why_missing("BTC") == "its first price waits to be confirmed"
    venues.say(1, off=-1, is_sure=False, a="2.41")
    assert venues.seen() == "- missing", "its time is not later"
    venues.say(2, is_sure=False, a="2.41")
    assert venues.seen() == "2.41 good"
    other = Venues(TWO)
    other.say(0, is_sure=False, a="2.4")
    other.say(0.1, is_sure=False, b="2.4")
    assert other.seen() == "2.4 good"
    beside = Venues()
    beside.say(0, a="2.4")
    assert beside.seen() == "2.4 good"


def test_a_first_price_that_the_second_does_not_confirm_is_forgotten() -> None:
    venues = Venues()
    venues.say(0, is_sure=False, a="0.0001")
    venues.say(1, is_sure=False, a="2.4")
    assert venues.seen() == "- missing"
    venues.say(2, is_sure=False, a="2.41")
    assert venues.seen() == "2.41 good"


def test_the_clock_of_a_jump_runs_on_and_the_mildest_is_believed() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    for second, price in ((6, "80"), (7, "70"), (8, "84"), (9, "60")):
        venues.say(second, a=price)
        assert venues.seen() == ("100 suspect" if second < 9 else "84 good")


def test_a_collapse_that_goes_on_is_not_held_back() -> None:
    """16 % a minute for ten minutes: the price in force is never more than a window and a step behind."""
    venues = Venues()
    for second in range(600):
        true = D(100) * (1 - D("0.0029")) ** second
        venues.say(second, a=f"{true:.6f}")
        if second > 10:
            assert venues.board.marks["BTC"].quote_price <= true * D("1.19"), second
    assert venues.board.marks["BTC"].quote_price < 20


@pytest.mark.parametrize("step", [5, 30, 60])
def test_a_collapse_in_steps_of_any_length_is_never_more_than_a_step_behind(step: int) -> None:
    """16 % a minute, as rows of a tape tell it: each price is believed when the next one comes."""
    venues = Venues(Trust(stale_after=timedelta(seconds=130)))
    fallen = [str(D(100) * D("0.84") ** minute) for minute in range(12)]
    venues.say(-step, a="100")
    for second in range(0, 720, step):
        venues.say(second, a=fallen[second // 60])
        told = fallen[max(second - step, 0) // 60]
        assert venues.board.marks["BTC"].quote_price == D(told), second


def test_a_price_that_comes_back_within_the_limit_ends_the_wait() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    for second in range(6, 46):
        venues.say(second, a="80" if second % 2 else "100")
        assert venues.board.marks["BTC"].quote_price == 100


def test_the_wait_of_a_jump_goes_on_over_a_restart() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    venues.say(6, a="80")
    venues.restart()
    venues.say(8, a="78")
    assert venues.seen() == "100 suspect"
    venues.say(9, a="77")
    assert venues.seen() == "80 good"


def test_a_jump_across_a_gap_waits_like_any_other() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    venues.say(400, a="60")
    assert venues.seen() == "100 suspect"
    venues.each_second(401, 403, a="60")
    assert venues.seen() == "60 good"


@pytest.mark.parametrize("factor", ["10", "100", "1000", "1020", "9.8"])
def test_a_rise_by_a_power_of_ten_is_not_confirmed_by_lasting(factor: str) -> None:
    venues = Venues(TWO)
    venues.each_second(0, 5, a="1")
    venues.each_second(6, 3600, a=factor)
    assert venues.seen() == "1 suspect"
    assert "a power of ten" in venues.reason()
    assert venues.board.marks["BTC"].is_power
    venues.say(3601, a=factor, b=factor)
    assert venues.seen() == f"{factor} good"


def test_a_fall_by_a_power_of_ten_is_believed_after_ten_minutes() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="1")
    venues.each_second(6, 605, a="0.001")
    assert venues.seen() == "1 suspect"
    venues.say(606, a="0.001")
    assert venues.seen() == "0.001 good"


def test_a_power_of_ten_over_a_quick_restart_still_is_one() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="1")
    venues.restart()
    venues.each_second(8, 20, a="1000")
    assert venues.seen() == "1 suspect"


def test_what_another_source_said_before_makes_no_power_of_ten_of_a_fall() -> None:
    """One feed is at a tenth of the market that falls by 30 %: each of its messages is no step of the other."""
    venues = Venues(TWO)
    venues.each_second(0, 5, a="100", b="100")
    venues.say(6, a="7", b="100")
    assert venues.seen() == "100 suspect"
    venues.each_second(7, 10, a="7", b="70")
    assert venues.board.marks["BTC"].quote_price == 70
    assert not venues.board.marks["BTC"].is_power


def test_a_power_of_ten_across_a_gap_waits_as_any_jump() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="1")
    venues.each_second(60, 64, a="1000")
    assert venues.seen() == "1000 good"


@pytest.mark.parametrize(
    ("old", "new", "is_one"),
    [
        ("1", "10.3", True),
        ("1", "10.31", False),
        ("1", "9.7", True),
        ("5", "0.05", True),
        ("1", "1.02", False),
        ("1", "20", False),
        ("3", "3000000000", True),
        ("0.00000001", "0.01", True),
    ],
)
def test_powers_of_ten_are_within_three_per_cent(old: str, new: str, is_one: bool) -> None:
    assert is_power_of_ten(D(old), D(new)) == is_one


# -- conversions --


def test_a_coin_quoted_in_another_is_worth_that_coins_price_and_no_better_trusted() -> None:
    venues = Venues()
    venues.say(0, a="60000/USD")
    venues.say(0.1, b="0.05/ETH:BTC")
    assert venues.board.usd["ETH"] == 3000
    venues.say(1, a="60600/USD")
    assert venues.board.usd["ETH"] == 3030
    assert venues.board.floats[venues.board.index["ETH"]] == 3030
    venues.say(2, a="30000/USD")
    assert venues.board.trust_of("ETH") == "suspect"
    assert "ETH" in venues.board.untrusted


def test_a_cross_rate_does_not_count_beside_a_market_in_dollars() -> None:
    venues = Venues()
    venues.say(0, a="60000/USD")
    venues.say(0.1, b="0.05/ETH:BTC", c="2900/ETH:USDT")
    assert venues.board.usd["ETH"] == 2900
    assert venues.states(1, "ETH") == {"b": "excluded", "c": "live"}


def test_sources_of_different_quotes_are_compared_in_dollars() -> None:
    venues = Venues(msgspec.structs.replace(TWO, usdt_usd="0.95"))
    venues.say(0, a="100/USDT", b="95/USD")
    assert venues.states(1) == {"a": "live", "b": "live"}
    assert (venues.board.usd["BTC"], venues.seen()) == (95, "100 good")


# -- operators --


def test_a_source_that_an_operator_leaves_out_does_not_count() -> None:
    venues = Venues(TWO)
    venues.each_second(0, 5, a="100", b="100")
    venues.say(6, a="50", b="100")
    said = Exclude("BTC", "a bad print", "a", START + timedelta(hours=1))
    venues.board.take_decisions([Decision(said, "op", START)], START + timedelta(seconds=7))
    assert venues.seen() == "100 good"
    assert venues.states(7) == {"a": "excluded", "b": "live"}


def test_a_pin_is_the_price_until_it_ends() -> None:
    venues = Venues()
    venues.each_second(0, 5, a="100")
    pin = Decision(Pin("BTC", "venue is broken", D(90), START + timedelta(hours=1)), "op", START)
    venues.board.take_decisions([pin], START + timedelta(seconds=6))
    venues.each_second(7, 9, a="10")
    assert venues.seen() == "90 good"
    venues.board.take_decisions([], START + timedelta(seconds=10))
    assert venues.seen() == "10 good"


# -- columns --


def frames(second: float, **prices: Mapping[str, str]) -> dict[str, Any]:
    at = START + timedelta(seconds=second)
    at_ms = int(at.timestamp() * 1000)
    made = [
        Frame(source, "USDT", tuple(coins), tuple(coins.values()), at_ms, beside=tuple(coins.values()))
        for source, coins in prices.items()
    ]
    return {"quotes": (), "at": at, "frames": made}


def test_one_column_that_another_source_contradicts_is_suspect_and_the_others_are_not() -> None:
    """Within the limit of a jump, so that the source alone would be believed."""
    board = PriceBoard(TWO)
    for second in range(4):
        board.apply(**frames(second, a={"BTC": "100", "ETH": "10"}, b={"ETH": "10", "BTC": "100"}))
    change = board.apply(**frames(4, a={"BTC": "105", "ETH": "10.1"}))
    assert (change.moved, change.lost) == ({"BTC", "ETH"}, ("BTC",))
    assert board.trust_of("BTC") == "suspect"
    assert board.marks["BTC"].quote_price == 100
    assert board.marks["ETH"].quote_price == D("10.1")
    board.apply(**frames(4.5, b={"ETH": "10.1", "BTC": "105"}))
    assert board.untrusted == set()
    assert board.marks["BTC"].quote_price == 105


def test_a_price_that_was_refused_as_ahead_is_forgotten_with_the_next_good_frame() -> None:
    board = PriceBoard(Trust())
    coins = {"BTC": "100", "ETH": "10"}
    for second in range(4):
        board.apply(**frames(second, a=coins))
    (early,) = frames(3600, a=coins)["frames"]
    at = START + timedelta(seconds=4)
    board.apply(tuple(early), at)
    assert [said.state for said in board.sources("BTC", at)] == ["ahead"]
    board.apply(**frames(5, a=coins))
    assert [said.state for said in board.sources("BTC", START + timedelta(seconds=5))] == ["live"]


def test_a_preferred_source_whose_market_opens_again_must_be_steady_before_it_takes_over() -> None:
    venues = Venues(TWO)
    venues.each_second(0, 2, a="100", b="101")
    venues.said(3, "a", BTC="settled")
    assert venues.seen() == "101 good"
    venues.said(5, "a")
    venues.each_second(6, 34, a="100", b="101")
    assert venues.seen() == "101 good"
    venues.say(36, a="100", b="101")
    assert venues.seen() == "100 good"


def test_one_message_that_was_held_up_beside_a_source_that_is_always_late_is_not_our_clock() -> None:
    venues = Venues(TWO)
    for second in range(10):
        venues.say(second, off=-60, a="90")
        venues.say(second + 0.5, b="100")
    venues.say(10, off=-60, b="90")
    venues.say(10.5, off=-60, a="90")
    assert venues.board.own_offset is None
    assert venues.seen() == "100 good"
