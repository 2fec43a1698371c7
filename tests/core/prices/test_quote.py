"""Prices and their trust: decision 9. The board alone; what it does to groups is in test_blindness."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import BadPrice, price, unconfirmed
from monitor.core.rules.settings import Trust
from tests.coin_desk import clock
from tests.core.desk import quotes

D = Decimal
HOSTILE = [
    # text                       reason
    ("", "empty"),
    (None, "not_text"),
    (1.5, "not_text"),
    (True, "not_text"),
    ("NaN", "not_finite"),
    ("-nan", "not_finite"),
    ("inf", "not_finite"),
    ("Infinity", "not_finite"),
    ("0", "zero"),
    ("-0", "zero"),
    ("0e5", "zero"),
    ("-1", "negative"),
    ("1,5", "not_a_number"),
    (" 1", "not_a_number"),
    ("1_000", "not_a_number"),
    ("\uff11", "not_a_number"),
    ("0x10", "not_a_number"),
    ("1e-19", "out_of_range"),
    ("1.0000001e15", "out_of_range"),
    ("1e999", "out_of_range"),
    ("1e9999", "not_a_number"),
    ("1" * 65, "not_a_number"),
    ("1." + "1" * 40, "out_of_range"),
]


@pytest.mark.parametrize(("text", "reason"), HOSTILE)
def test_a_price_that_no_market_has_is_refused_with_its_reason(text: object, reason: str) -> None:
    with pytest.raises(BadPrice) as e:
        price(text)
    assert e.value.reason == reason
    assert len(str(e.value)) < 200


@pytest.mark.parametrize("text", ["1e-18", "1e15", "1000000000000000", "0.000000000000000001", "1.217e-05", "38210.40"])
def test_a_price_is_plain_or_exponent_between_1e_18_and_1e15(text: str) -> None:
    assert price(text) == D(text)


class Board:
    """A price board that is told what it hears: "BTC=100@a" at a time."""

    def __init__(self, **trust: object) -> None:
        self.board = PriceBoard(Trust(**trust))

    def hears(self, time: str, what: str, quoted: str | None = None) -> str:
        """Trust and price of the first asset afterwards, such as `good 100`."""
        at = clock(time)
        given = tuple(msgspec.structs.replace(q, at=clock(quoted or time)) for q in quotes(what, at))
        self.change = self.board.apply(given, at)
        return self.seen(given[0].asset)

    def seen(self, asset: str = "BTC") -> str:
        return f"{self.board.trust_of(asset)} {self.board.usd.get(asset, '-')}"

    def expires(self, asset: str = "BTC") -> str:
        self.change = self.board.expire(asset)
        return self.seen(asset)


# -- jumps --


def test_a_move_up_to_the_limit_is_believed_and_a_bigger_one_is_held() -> None:
    board = Board()
    assert board.hears("00:00", "BTC=100") == "good 100"
    assert board.hears("00:00:01", "BTC=115") == "good 115"
    assert board.hears("00:00:02", "BTC=132.2500001") == "suspect 115"
    assert board.change.lost == ("BTC",)


def test_a_jump_that_persists_is_believed_after_the_time() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    assert board.hears("00:00:01", "BTC=80") == "suspect 100"
    assert board.hears("00:00:03", "BTC=79") == "suspect 100"
    assert board.hears("00:00:03.999", "BTC=81") == "suspect 100"
    assert board.hears("00:00:04", "BTC=80") == "good 81", "the mildest of them"
    assert board.change.regained == ("BTC",)


def test_one_bad_tick_is_forgotten_when_the_price_is_back() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    assert board.hears("00:00:01", "BTC=1") == "suspect 100"
    assert board.hears("00:00:02", "BTC=101") == "good 101"
    assert board.board.marks["BTC"].candidate is None


def test_another_jump_to_the_same_side_does_not_begin_the_time_again() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    board.hears("00:00:01", "BTC=80")
    assert board.hears("00:00:03", "BTC=50") == "suspect 100"
    assert board.hears("00:00:04", "BTC=50") == "good 80"
    assert board.hears("00:00:05", "BTC=50") == "suspect 80"
    assert board.hears("00:00:08", "BTC=50") == "good 50"


def test_a_jump_to_the_other_side_begins_its_own_time() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    board.hears("00:00:01", "BTC=80")
    assert board.hears("00:00:03", "BTC=130") == "suspect 100"
    assert board.hears("00:00:05", "BTC=130") == "suspect 100"
    assert board.hears("00:00:06", "BTC=130") == "good 130"


def test_a_second_source_confirms_a_jump_at_once() -> None:
    board = Board(sources=("a", "b"))
    board.hears("00:00", "BTC=100@a,BTC=100@b")
    assert board.hears("00:00:01", "BTC=80@a") == "suspect 100"
    assert board.hears("00:00:01.5", "BTC=80@b") == "good 80"


def test_a_second_source_that_still_says_the_old_price_confirms_nothing() -> None:
    board = Board(sources=("a", "b"))
    board.hears("00:00", "BTC=100@a,BTC=100@b")
    assert board.hears("00:00:01", "BTC=80@a") == "suspect 100"
    assert board.hears("00:00:02", "BTC=100@b") == "suspect 100"


def test_a_source_that_fell_silent_confirms_nothing() -> None:
    board = Board(sources=("a", "b"))
    board.hears("00:00", "BTC=80@b")
    board.hears("00:00:01", "BTC=81@a")
    for second in range(2, 20):
        board.hears(f"00:00:{second:02}", f"BTC={81 + second}@a")
    assert board.hears("00:00:20", "BTC=81@a") == "suspect 100"


# -- sources --


def test_the_preferred_source_leads_while_it_lives() -> None:
    board = Board(sources=("a", "b"))
    board.hears("00:00", "BTC=100@b")
    assert board.hears("00:00:01", "BTC=101@a") == "good 101"
    assert board.hears("00:00:02", "BTC=99.5@b") == "good 101"
    assert board.hears("00:00:12", "BTC=98@b") == "good 98"
    assert board.hears("00:00:13", "BTC=98.5@a") == "good 98", "it has been away"


def test_sources_that_are_not_listed_come_last_and_the_first_of_them_stays() -> None:
    board = Board(sources=("a",))
    board.hears("00:00", "BTC=100@x")
    assert board.hears("00:00:01", "BTC=101@y") == "good 100"
    assert board.hears("00:00:02", "BTC=102@a") == "good 102"


def test_fewer_sources_than_wanted_are_not_believed() -> None:
    board = Board(min_sources=2)
    assert board.hears("00:00", "BTC=100@a") == "missing -"
    assert board.hears("00:00:01", "BTC=100@b") == "good 100"
    assert board.hears("00:00:05", "BTC=101@b") == "good 100"
    assert board.hears("00:00:13", "BTC=101.5@b") == "suspect 100"
    assert board.board.marks["BTC"].reason == "a lone source"
    assert board.hears("00:00:14", "BTC=102@a,BTC=102@b").startswith("good")


# -- time of a price --


def test_an_older_quote_of_a_source_is_dropped_and_counted() -> None:
    board = Board()
    board.hears("00:00:02", "BTC=100", quoted="00:00:02")
    assert board.hears("00:00:03", "BTC=90", quoted="00:00:01") == "good 100"
    assert board.board.dropped == 1


def test_the_same_price_of_the_same_time_is_no_sign_of_life() -> None:
    """A frozen feed repeats itself; another price, or another time, is alive."""
    board = Board()
    board.hears("00:00", "BTC=100", quoted="00:00")
    board.hears("00:00:05", "BTC=100", quoted="00:00")
    assert board.board.stale_due("BTC") == clock("00:00:10")
    board.hears("00:00:06", "BTC=100", quoted="00:00:06")
    assert board.board.stale_due("BTC") == clock("00:00:16")
    assert board.board.marks["BTC"].changed_at == clock("00:00")


def test_a_stale_price_is_believed_again_with_the_next_quote_near_it() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    assert board.expires() == "stale 100"
    assert board.change.lost == ("BTC",)
    assert board.board.stale_due("BTC") is None
    assert board.hears("00:01", "BTC=105") == "good 105"
    assert board.change.regained == ("BTC",)


def test_after_a_silence_a_jump_is_held_as_any_other() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    board.expires()
    assert board.hears("00:01", "BTC=60") == "suspect 100"
    assert board.hears("00:01:03", "BTC=60") == "good 60"


def test_a_mark_kept_over_a_restart_is_stale_until_it_is_confirmed() -> None:
    board = Board()
    board.hears("00:00", "BTC=100")
    kept = PriceBoard(Trust(), [unconfirmed(board.board.marks["BTC"])])
    assert (kept.trust_of("BTC"), kept.usd["BTC"]) == ("stale", 100)
    kept.apply(quotes("BTC=101", clock("00:05")), clock("00:05"))
    assert kept.trust_of("BTC") == "good"


def test_a_jump_of_the_wall_clock_makes_no_price_old() -> None:
    board = Board(sources=("a", "b"))
    board.hears("00:00", "BTC=100@a,BTC=100@b")
    board.hears("00:00:01", "BTC=80@a")
    board.board.shift(timedelta(hours=1), clock("01:00:01"))
    assert board.board.stale_due("BTC") == clock("01:00:11")
    assert board.hears("01:00:02", "BTC=80@a", quoted="01:00:02") == "suspect 100"  # one second since the jump of price
    assert board.hears("01:00:03", "BTC=80@b", quoted="01:00:03") == "good 80"


# -- what changed --


def test_only_what_moved_in_price_or_trust_is_said_to_have_moved() -> None:
    board = Board()
    board.hears("00:00", "BTC=100,ETH=10")
    assert board.change.moved == {"BTC", "ETH"}
    assert board.change.found == ("BTC", "ETH")
    board.hears("00:00:01", "BTC=100,ETH=11")
    assert board.change.moved == {"ETH"}
    assert (board.change.lost, board.change.regained, board.change.found) == ((), (), ())


# -- units: marks in USDT, ladders in USD --


def test_a_price_in_usdt_is_converted_by_the_stated_rate_and_one_in_usd_is_not() -> None:
    board = Board(usdt_usd="0.998")
    board.hears("00:00", "BTC=50000/USDT,ETH=2000/USD")
    assert board.board.usd == {"USDT": D("0.998"), "BTC": D("49900.000"), "ETH": D(2000)}


def test_usdt_is_worth_the_stated_rate_whatever_a_feed_says() -> None:
    """docs/replay.md: one conversion for all; a debt in USDT and a price in USDT must not be valued apart."""
    board = Board(usdt_usd="1")
    board.hears("00:00", "USDT=0.9/USD,BTC=50000/USDT")
    assert board.board.usd == {"USDT": D(1), "BTC": D(50000)}


def test_without_the_named_rate_prices_in_usdt_are_missing_until_it_comes() -> None:
    board = Board(usdt_usd="USDT")
    assert board.hears("00:00", "BTC=50000/USDT") == "missing -"
    assert board.change.found == ()
    assert board.hears("00:00:01", "USDT=0.99/USD") == "good 0.99"
    assert board.seen("BTC") == "good 49500.00"
    assert board.change.moved == {"USDT", "BTC"}
    assert set(board.change.found) == {"USDT", "BTC"}


def test_a_rate_that_is_not_believed_taints_every_price_in_usdt() -> None:
    board = Board(usdt_usd="USDT")
    board.hears("00:00", "USDT=1/USD,BTC=50000/USDT,ETH=2000/USD")
    assert board.hears("00:00:01", "USDT=0.5/USD") == "suspect 1"
    assert board.board.untrusted == {"USDT", "BTC"}
    assert board.change.lost == ("USDT",)
    assert board.hears("00:00:04", "USDT=0.5/USD") == "good 0.5"
    assert board.board.untrusted == set()
    assert board.board.usd["BTC"] == 25000


def test_a_rate_of_another_name_is_what_usdt_is_worth() -> None:
    board = Board(usdt_usd="USDTUSD")
    board.hears("00:00", "USDTUSD=0.99/USD,BTC=50000/USDT")
    assert board.board.usd["USDT"] == D("0.99")
    assert board.board.usd["BTC"] == D(49500)


def test_in_a_replay_without_trust_every_price_is_good_and_none_grows_stale() -> None:
    board = Board(enabled=False)
    board.hears("00:00", "BTC=100")
    assert board.hears("00:00:01", "BTC=1") == "good 1"
    assert board.board.stale_due("BTC") is None
