"""What untrusted and missing prices do to groups (decision 9): they block good news and never make bad news alone."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

import tests.core.desk
from monitor.core.events.events import ClockJumped, FeedSaid, OperatorAct, PriceSilent
from monitor.core.prices.decisions import Exclude
from monitor.core.prices.quote import unconfirmed
from monitor.core.rules.settings import FeedTrust, Trust
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

TRUST = Trust(stale_after=timedelta(seconds=10), confirm_after=timedelta(seconds=3), sources=("a", "b"))
COINS = product(version(ladders={"USDT": [["inf", "1"]], "BTC": [["inf", "1"]]}, rates={"COIN": "0", "USDT": "0"}))


def say(desk: Desk, time: str, states: dict[str, str]) -> str:
    """The feed `a` says which markets it does not price."""
    return desk.short(desk.handle(FeedSaid(clock(time), "a", True, "", states)), clock(time))


# -- stale --


def test_a_price_goes_stale_after_its_time_and_the_desk_hears_of_it_once() -> None:
    desk = Desk(line(), line("G-2"), trust=TRUST)
    desk.play("00:00 0.5 -; 00:00:10 ... -; 00:00:11 ... price.stale:COIN@00:00:10; 00:05 ... -; 09:00 ... -")
    assert desk.monitor.next_due == clock("15:00")  # the next look ahead; nothing of the price waits any more
    assert desk.sight().blind


def test_the_second_feed_comes_to_its_own_time_after_the_first_fell_silent() -> None:
    """A network that is cut takes both feeds: the one that takes over must not be good for ever."""
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 COIN=0.5@b -; 00:00:01 COIN=0.5@a -; 00:00:02 COIN=0.5@b -; 00:00:11.500 ... -")
    desk.play("00:00:20 ... price.stale:COIN@00:00:12")


def test_an_outlier_that_falls_silent_changes_nothing_and_the_median_comes_to_its_own_time() -> None:
    desk = Desk(line(), trust=msgspec.structs.replace(TRUST, mode="median"))
    desk.play("00:00 COIN=0.5@a,COIN=0.5@b,COIN=0.53@c -; 00:00:09 COIN=0.5@a,COIN=0.5@b -; 00:00:15 ... -")
    desk.play("00:00:30 ... price.stale:COIN@00:00:19")


@pytest.mark.parametrize("silent", ["a", "b"])
def test_where_two_sources_are_wanted_the_price_is_not_good_when_one_falls_silent(silent: str) -> None:
    """Though the other one, which sends only what changes, is connected and says nothing."""
    quiet = {source: FeedTrust(sends_changes_only=source != silent) for source in ("a", "b")}
    desk = Desk(line(), trust=msgspec.structs.replace(TRUST, min_sources=2, feeds=quiet))
    for source in ("a", "b"):
        desk.handle(FeedSaid(clock("00:00"), source, True))
    desk.play("00:00:01 COIN=0.5@a,COIN=0.5@b -; 00:00:02 COIN=0.5@a,COIN=0.5@b -; 00:00:11 ... -")
    desk.play("00:00:20 ... price.suspect:COIN@00:00:12")


def test_a_market_that_is_open_again_comes_to_its_time_as_ever() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 COIN=0.5@a -")
    assert say(desk, "00:00:01", {"COIN": "settled"}) == "price.suspect:COIN"
    desk.play("00:00:12 COIN=0.5@a -")
    assert say(desk, "00:00:13", {}) == "price.restored:COIN"
    desk.play("00:01:30 ... price.stale:COIN@00:00:22")


def test_a_source_that_takes_over_from_a_slower_one_comes_to_its_own_time() -> None:
    slow = {"a": FeedTrust(stale_after=timedelta(hours=1))}
    desk = Desk(line(), trust=msgspec.structs.replace(TRUST, feeds=slow))
    desk.play("00:00 COIN=0.5@a,COIN=0.5@b -; 00:00:01 COIN=0.5@b -")
    desk.handle(OperatorAct(clock("00:00:02"), "anna", Exclude("COIN", "wrong", "a", clock("02:00"))))
    desk.play("00:05 ... price.stale:COIN@00:00:11")


def test_a_source_that_an_operator_takes_again_comes_to_its_time_as_ever() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 COIN=0.5@a -")
    left_out = Exclude("COIN", "wrong", "a", clock("00:00:30"))
    desk.handle(OperatorAct(clock("00:00:01"), "anna", left_out))
    desk.play("00:00:29 COIN=0.5@a -; 00:00:31 ... price.decision_ended:COIN@00:00:30 price.restored:COIN@00:00:30")
    desk.play("00:02 ... price.stale:COIN@00:00:39")


def test_a_price_that_is_believed_again_comes_to_the_time_of_its_own_source() -> None:
    """And not to the later one of a feed that sends changes only, for which the desk waited while it was suspect."""
    feeds = {"b": FeedTrust(sends_changes_only=True)}
    desk = Desk(line(), trust=msgspec.structs.replace(TRUST, feeds=feeds))
    desk.handle(FeedSaid(clock("00:00"), "b", True))
    desk.play("00:00 COIN=0.5@a,COIN=0.5@b -; 00:00:05 COIN=0.3@a price.suspect:COIN; 00:00:11 ... -")
    desk.play("00:00:12 COIN=0.5@a price.restored:COIN; 00:00:21 ... -; 00:00:23 ... -")
    assert desk.monitor.board.marks["COIN"].source == "b", "a fell silent at 00:00:22"


def test_the_alert_of_a_stale_price_names_the_exposed_groups_and_their_sums() -> None:
    desk = Desk(line("G-2"), line(), line("G-3", loans=[]), trust=TRUST)
    (alert,) = desk.play("00:00 0.5 -; 00:01 ... price.stale:COIN@00:00:10")
    told = desk.told(alert)
    assert told["timestamp"] == "2026-01-05T00:00:10.000Z"
    assert told["data"]["detected_at"] == "2026-01-05T00:01:00.000Z"
    assert told["data"]["blind"]
    assert told["data"]["severity"] == "warning"
    assert told["data"]["facts"] == {
        "asset": "COIN",
        "trust": "stale",
        "reason": "no new price within the limit",
        "price": "0.5",
        "source": "feed",
        "price_at": "2026-01-05T00:00:00.000Z",
        "received_at": "2026-01-05T00:00:00.000Z",
        "candidate": None,
        "groups": 2,
        "debt_usd": "100",
        "recognised_usd": "200",
        "group_ids": ["G-1", "G-2"],
        "group_ids_cut": 0,
    }


def test_a_price_that_nobody_needs_goes_stale_in_silence_until_somebody_needs_it() -> None:
    desk = Desk(line(), trust=TRUST, of=COINS)
    desk.play("00:00 COIN=0.5,BTC=1 -; 00:00:08 COIN=0.5 -; 00:00:15 COIN=0.5 -")
    assert desk.put("00:00:16", line("G-2", collateral={"b": {"BTC": "1000"}})) == "price.stale:BTC"


def test_seeing_again_is_said_once_with_the_first_trusted_price() -> None:
    desk = Desk(line(), trust=TRUST)
    alerts = desk.play(
        """
        00:00     0.5   -
        00:01     ...   price.stale:COIN@00:00:10
        00:02     0.51  price.restored:COIN
        00:02:01  0.51  -
        00:03     ...   price.stale:COIN@00:02:11
        """
    )
    assert [alert.episode for alert in alerts] == [1, 1, 2]
    assert [alert.sequence for alert in alerts] == [1, 2, 3]
    assert len({alert.id for alert in alerts}) == 3
    assert [alert.blind for alert in alerts] == [True, False, True]


def test_a_price_that_is_good_again_without_anybody_having_been_told_is_not_restored() -> None:
    desk = Desk(trust=TRUST)
    desk.play("00:00 0.5 -; 00:01 ... -; 00:02 0.5 -")


def test_a_stale_price_blocks_a_cure_but_not_worse_news() -> None:
    """BTC falls silent while COIN, the debt, moves both ways."""
    desk = Desk(
        line(collateral={"a": {"BTC": "100"}}, delayed_liquidation=True), trust=TRUST, of=COINS, grace_reminders=()
    )
    desk.play(
        """
        00:00:00  BTC=1,COIN=0.78  margin_call.opened
        00:00:05  COIN=0.78        -
        00:00:11  COIN=0.7         price.stale:BTC@00:00:10
        00:00:12  COIN=0.78        -
        00:00:20  COIN=0.8         -
        00:00:25  COIN=0.92        delayed_liquidation.started
        00:00:30  COIN=0.8         -
        00:00:35  COIN=0.7         -
        00:00:36  BTC=1            delayed_liquidation.cured price.restored:BTC
        """
    )
    assert [alert.blind for alert in desk.alerts if alert.group] == [False, True, False]


def test_a_blind_group_is_not_cleared_and_its_clear_hold_does_not_end() -> None:
    desk = Desk(line(collateral={"a": {"BTC": "100"}}), trust=TRUST, of=COINS, clear_hold=timedelta(seconds=6))
    desk.play(
        """
        00:00:00  BTC=1,COIN=0.78  margin_call.opened
        00:00:08  COIN=0.75        -
        00:00:11  COIN=0.75        price.stale:BTC@00:00:10
        00:00:15  COIN=0.75        -
        00:00:20  COIN=0.75        -
        00:00:21  BTC=1.001        margin_call.cured price.restored:BTC
        """
    )


def test_a_hold_does_not_begin_while_a_group_is_blind() -> None:
    desk = Desk(line(collateral={"a": {"BTC": "100"}}), trust=TRUST, of=COINS, clear_hold=timedelta(seconds=6))
    desk.play(
        """
        00:00:00  BTC=1,COIN=0.78  margin_call.opened
        00:00:08  COIN=0.78        -
        00:00:11  COIN=0.75        price.stale:BTC@00:00:10
        00:00:20  COIN=0.75        -
        00:00:21  BTC=1.001        price.restored:BTC
        00:00:26  COIN=0.75        -
        00:00:28  COIN=0.75        margin_call.cured@00:00:27
        """
    )


def test_clocks_run_on_while_a_group_is_blind_and_say_so() -> None:
    desk = Desk(line(delayed_liquidation=True, loans=[loan(matures="05:00")]), trust=TRUST, grace_reminders=())
    desk.play(
        "00:00 0.92 delayed_liquidation.started; 05:00 ... price.stale:COIN@00:00:10 loan.overdue;"
        "24:00 ... liquidation.triggered(grace_expired)"
    )
    assert [alert.blind for alert in desk.alerts if alert.group] == [False, True, True]


def test_a_warning_is_not_armed_again_by_a_price_that_is_not_believed() -> None:
    desk = Desk(line(collateral={"a": {"BTC": "100"}}), trust=TRUST, of=COINS)
    desk.play(
        """
        00:00:00  BTC=1,COIN=0.75  early_warning
        00:00:08  COIN=0.75        -
        00:00:11  COIN=0.7         price.stale:BTC@00:00:10
        00:00:12  COIN=0.75        -
        00:00:13  BTC=1            price.restored:BTC
        00:00:14  COIN=0.7         -
        00:00:15  COIN=0.75        early_warning
        """
    )


# -- suspect --


def test_a_bad_tick_makes_no_stage_alert() -> None:
    """Promise 2: a price that no second source saw and that did not last liquidates nobody."""
    desk = Desk(line(), trust=TRUST)
    desk.play(
        """
        00:00:00  0.7  -
        00:00:01  75   price.suspect:COIN
        00:00:02  0.7  price.restored:COIN
        """
    )
    assert desk.alerts[0].facts["candidate"] == "75"
    assert desk.alerts[0].facts["reason"] == "unconfirmed jump from 0.7 to 75"


def test_a_jump_that_persists_is_acted_upon_when_it_is_believed() -> None:
    Desk(line(), trust=TRUST).play(
        """
        00:00:00  0.7   -
        00:00:01  0.92  price.suspect:COIN
        00:00:03  0.93  -
        00:00:04  0.92  liquidation.triggered(ltv) price.restored:COIN
        """
    )


def test_a_jump_that_a_second_source_sees_is_acted_upon_at_once() -> None:
    Desk(line(), trust=TRUST).play(
        """
        00:00:00  COIN=0.7@a,COIN=0.7@b  -
        00:00:01  COIN=0.92@a            price.suspect:COIN
        00:00:01  COIN=0.92@b            liquidation.triggered(ltv) price.restored:COIN
        """
    )


def test_a_suspect_price_that_falls_silent_is_not_announced_a_second_time() -> None:
    Desk(line(), trust=TRUST).play(
        "00:00:00 0.7 -; 00:00:01 0.92 price.suspect:COIN; 00:01 ... -; 00:02 0.92 liquidation.triggered(ltv) price.restored:COIN"
    )


def test_a_suspect_price_is_announced_to_a_group_that_comes_later() -> None:
    """A lone source is no news while nobody needs it, and it may stay so for days."""
    desk = Desk(trust=msgspec.structs.replace(TRUST, min_sources=2))
    desk.play("00:00:00 COIN=0.7@a,COIN=0.7@b -")
    for second in range(1, 30):
        desk.price(f"00:00:{second}", "COIN=0.7@a")
    assert desk.alerts == []
    assert desk.put("00:00:30", line()) == "price.suspect:COIN"
    assert desk.put("00:00:31", line("G-2")) == "-"


# -- missing --


def test_a_group_with_a_missing_price_is_unknown_and_is_not_evaluated() -> None:
    desk = Desk(line(collateral={"a": {"BTC": "1"}}), of=COINS)
    desk.play("00:00 COIN=0.9 -")
    assert desk.sight().weight is None
    assert desk.sight().blind
    desk.play("00:01 BTC=100 margin_call.opened")


def test_clocks_run_while_a_group_is_unknown_and_its_alerts_have_no_figures() -> None:
    desk = Desk(line(loans=[loan(matures="05:00")], collateral={"a": {"BTC": "1"}}), of=COINS)
    desk.play("00:00 COIN=0.9 -; 29:00 COIN=0.9 loan.overdue@05:00 liquidation.triggered(overdue)")
    told = desk.told(desk.alerts[1])["data"]
    assert told["blind"]
    figures = ("ltv", "debt_usd", "recognised_usd", "market_usd", "cure", "liquidation_price")
    assert [told[key] for key in figures] == [None] * 6
    assert told["inputs"][0]["trust"] == "missing"
    assert told["inputs"][0]["price"] is None
    assert told["debts"][0]["value_usd"] == "90"


def test_collateral_that_no_ladder_lists_and_quantities_of_zero_need_no_price() -> None:
    held = {"acct": {"USDT": "100", "DUST": "5", "BTC": "0"}}
    debts = [loan(), loan("USDT", "0", id="L-2")]
    Desk(line(collateral=held, loans=debts), of=COINS).play("00:00 0.77 margin_call.opened")


def test_a_hold_begins_anew_after_a_time_in_which_nobody_could_know() -> None:
    desk = Desk(line(), of=COINS)
    desk.play("00:00 0.78 margin_call.opened; 00:01 0.75 -")
    desk.put("00:05", line(collateral={"acct": {"USDT": "100", "BTC": "1"}}))
    desk.play("00:20 ... -; 00:21 BTC=0.0001 -; 00:30 0.751 -; 00:36 0.751 margin_call.cured")


def test_a_held_price_that_does_not_come_is_said_and_so_is_its_coming() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play(
        "00:00:10 ... -; 00:00:11 ... price.stale:COIN@00:00:10; 00:10 ... -; 00:11 0.5 price.restored:COIN; 00:11:01 0.5 -"
    )
    assert desk.alerts[0].facts["trust"] == "missing"
    assert desk.alerts[0].facts["group_ids"] == ["G-1"]


def test_a_coin_that_new_rules_count_is_waited_for_as_well() -> None:
    rules = product(version(), version(clock("01:00"), ladders={"USDT": [["inf", "1"]], "BTC": [["inf", "1"]]}))
    desk = Desk(line(collateral={"a": {"USDT": "100", "BTC": "1"}}), of=rules, trust=TRUST)
    desk.play(
        "00:59:59 0.5 price.stale:COIN@00:00:10 price.restored:COIN; 01:00:05 0.5 rules.changed:vip_loan@01:00;"
        "01:00:11 0.5 price.stale:BTC@01:00:10"
    )


def test_a_coin_that_new_rules_count_and_that_is_stale_is_announced() -> None:
    rules = product(version(), version(clock("01:00"), ladders={"USDT": [["inf", "1"]], "BTC": [["inf", "1"]]}))
    desk = Desk(line(collateral={"a": {"USDT": "100", "BTC": "1"}}), of=rules, trust=TRUST)
    desk.play(
        "00:00 BTC=1 -; 00:59:59 0.5 price.stale:COIN@00:00:10 price.restored:COIN;"
        "01:00:01 0.5 rules.changed:vip_loan@01:00 price.stale:BTC@01:00"
    )


# -- the rate of USDT --

BY_RATE = msgspec.structs.replace(TRUST, usdt_usd="USDT")


def test_a_stale_rate_of_usdt_exposes_every_group_with_a_price_in_usdt() -> None:
    """No group holds USDT itself, and yet all are blind: what is not known is an alert."""
    desk = Desk(line(collateral={"a": {"BTC": "1"}}), trust=BY_RATE, of=COINS)
    desk.play(
        "00:00:00 BTC=100/USDT,COIN=0.5,USDT=1 -; 00:00:09 BTC=100/USDT,COIN=0.5 -; 00:00:11 ... price.stale:USDT@00:00:10"
    )
    assert desk.alerts[0].facts["group_ids"] == ["G-1"]
    assert desk.alerts[0].facts["debt_usd"] == "50"
    assert desk.sight().blind
    desk.play("00:00:12 USDT=1.001 price.restored:USDT")
    assert not desk.sight().blind


def test_a_rate_that_went_stale_unseen_is_announced_to_the_first_group_that_needs_it() -> None:
    desk = Desk(trust=BY_RATE, of=COINS)
    desk.play("00:00:00 BTC=100/USDT,COIN=0.5,USDT=1 -; 00:00:09 BTC=100/USDT,COIN=0.5 -; 00:00:11 ... -")
    assert desk.put("00:00:12", line(collateral={"a": {"BTC": "1"}})) == "price.stale:USDT"


def test_a_missing_rate_is_said_of_the_prices_that_wait_for_it() -> None:
    desk = Desk(line(collateral={"a": {"BTC": "1"}}), trust=BY_RATE, of=COINS)
    desk.play("00:00:01 BTC=100/USDT,COIN=0.5 -; 00:00:11 BTC=100/USDT,COIN=0.5 price.stale:BTC@00:00:10")
    desk.play("00:00:12 USDT=1 price.restored:BTC")


# -- restarts and clocks --


def test_after_a_restart_kept_prices_have_their_time_and_bad_news_does_not_wait() -> None:
    desk = Desk(line(delayed_liquidation=True), trust=TRUST, grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    memory = desk.monitor.memory
    assert memory is not None
    memory = msgspec.structs.replace(memory, marks=tuple(map(unconfirmed, memory.marks)))
    desk.monitor = RiskMonitor(desk.rules, memory=memory, book=tests.core.desk.new_book())
    desk.monitor.awaken(clock("01:00"))
    assert desk.sight().blind
    desk.play("01:00:05 ... -; 01:00:11 ... price.stale:COIN@01:00:10; 01:00:12 0.93 price.restored:COIN")
    desk.play("24:00 ... price.stale:COIN@01:00:22 liquidation.triggered(grace_expired)")


def test_after_a_restart_a_group_put_meanwhile_does_not_hurry_the_announcement() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    memory = desk.monitor.memory
    assert memory is not None
    desk.monitor = RiskMonitor(
        desk.rules,
        memory=msgspec.structs.replace(memory, marks=tuple(map(unconfirmed, memory.marks))),
        book=tests.core.desk.new_book(),
    )
    desk.monitor.awaken(clock("01:00"))
    assert desk.put("01:00:01", line("G-2")) == "-"
    desk.play("01:00:05 0.5 -")


def test_a_jump_of_the_wall_clock_forward_makes_no_price_stale_and_runs_deadlines() -> None:
    desk = Desk(line(delayed_liquidation=True), trust=TRUST, grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started; 00:00:05 0.92 -")
    at = clock("30:00:05")
    said = desk.short(desk.handle(ClockJumped(at, Decimal(108000), at)), at)
    assert said == "liquidation.triggered(grace_expired)@24:00 monitor.clock_jump:clock monitor.clock_off:clock"
    assert not desk.sight().blind
    assert not any(alert.blind for alert in desk.alerts)


def test_a_price_that_falls_silent_while_our_time_stands_still_is_said_by_the_shell() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    assert [alert.type for alert in desk.handle(PriceSilent(START, "COIN"))] == ["price.stale"]
    assert desk.handle(PriceSilent(START, "COIN")) == []
    desk.play("00:00:01 0.5 price.restored:COIN")
