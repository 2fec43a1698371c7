"""What an operator decides about a price holds until its time, over restarts, and is told (decision 51)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.events.events import OperatorAct
from monitor.core.prices.decisions import Believe, Exclude, Pin, PriceAct, Release
from monitor.core.rules.settings import Trust
from tests.coin_desk import clock, line
from tests.core.desk import Desk, both_books

pytestmark = both_books

TRUST = Trust(stale_after=timedelta(seconds=10), confirm_after=timedelta(seconds=3), sources=("a", "b"))


def act(desk: Desk, time: str, what: PriceAct, who: str = "anna") -> str:
    return desk.short(desk.handle(OperatorAct(clock(time), who, what)), clock(time))


def pin(desk: Desk, time: str, price: str, until: str = "01:00", **more: Any) -> str:
    return act(desk, time, Pin("COIN", "the venue is down", Decimal(price), clock(until), **more))


def refusal(desk: Desk) -> str:
    assert desk.last.refused is not None
    return desk.last.refused.reason


def test_a_pin_decides_like_a_good_price_and_every_alert_that_rests_on_it_says_so() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    assert pin(desk, "00:00:02", "0.78") == "price.decided:COIN margin_call.opened"
    decided, opened = (desk.told(a)["data"] for a in desk.alerts)
    assert decided["facts"] | {"group_ids": ["G-1"]} == {
        "asset": "COIN",
        "act": "pin",
        "price": "0.78",
        "until": "2026-01-05T01:00:00.000Z",
        "by": "anna",
        "reason": "the venue is down",
        "price_now": "0.78",
        "trust": "good",
        "groups": 1,
        "debt_usd": decided["facts"]["debt_usd"],
        "group_ids": ["G-1"],
        "group_ids_cut": 0,
    }
    assert decided["severity"] == "warning"
    (debt,) = opened["debts"]
    assert debt["pinned"] == {"by": "anna", "until": "2026-01-05T01:00:00.000Z", "reason": "the venue is down"}
    assert not opened["blind"]


def test_what_the_sources_say_does_not_move_a_pinned_price_and_silence_does_not_age_it() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    pin(desk, "00:00:02", "0.6")
    desk.play("00:00:03 0.5 -; 00:00:04 0.9 -; 00:00:30 0.92 -; 00:30 ... -")
    assert desk.monitor.board.usd["COIN"] == Decimal("0.6")
    assert not desk.sight().blind


def test_a_pin_ends_at_its_time_and_the_sources_count_again() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    pin(desk, "00:00:02", "0.78", until="00:10")
    desk.play("00:09:58 0.5 -")
    said = desk.pass_time("00:10")
    assert said.startswith("price.decision_ended:COIN")
    ended = next(a for a in desk.alerts if a.type == "price.decision_ended")
    assert (ended.facts["why"], ended.facts["ended_by"]) == ("its time is over", None)
    desk.price("00:10:01", "0.5")
    assert desk.monitor.board.usd["COIN"] == Decimal("0.5")
    assert desk.monitor.decisions == ()


def test_an_operator_may_end_a_pin_before_its_time() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    pin(desk, "00:00:02", "0.78")
    assert act(desk, "00:00:03", Release("COIN", "the venue is back"), "ben").startswith("price.decision_ended:COIN")
    ended = next(a for a in desk.alerts if a.type == "price.decision_ended")
    assert (ended.facts["by"], ended.facts["ended_by"], ended.facts["why"]) == ("anna", "ben", "the venue is back")
    assert "price.decision_ended" not in desk.pass_time("02:00")


def test_a_restart_keeps_a_pin_and_its_end() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    pin(desk, "00:00:02", "0.78", until="00:10")
    desk.restart()
    desk.play("00:05 0.5 -")
    assert desk.monitor.board.usd["COIN"] == Decimal("0.78")
    assert desk.monitor.board.trust_of("COIN") == "good"
    assert desk.pass_time("00:10").startswith("price.decision_ended:COIN")


def test_a_pin_prices_a_coin_that_was_never_seen() -> None:
    desk = Desk(line(), trust=TRUST)
    assert desk.sight().weight is None
    assert pin(desk, "00:00:02", "0.78") == "price.decided:COIN margin_call.opened"


def test_a_source_that_is_left_out_does_not_count_until_the_exclusion_ends() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 COIN=0.5@a -")
    act(desk, "00:00:01", Exclude("COIN", "a prints nonsense", "a", clock("00:10")))
    desk.price("00:00:02", "COIN=0.51@b")
    desk.price("00:00:03", "COIN=0.5@a")
    assert desk.monitor.board.marks["COIN"].source == "b"
    assert desk.monitor.board.usd["COIN"] == Decimal("0.51")
    assert "price.decision_ended:COIN" in desk.pass_time("00:10")
    desk.price("00:10:01", "COIN=0.5@a")
    assert desk.monitor.board.marks["COIN"].source == "a"


def test_a_believed_candidate_is_the_price_at_once() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -; 00:00:01 0.78 price.suspect:COIN")
    said = act(desk, "00:00:02", Believe("COIN", "I see it everywhere", Decimal("0.78")))
    assert said == "price.decided:COIN margin_call.opened price.restored:COIN"
    assert desk.monitor.decisions == ()


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (Pin("ETH", "why", Decimal(1), clock("01:00")), "unknown_asset"),
        (Pin("COIN", "why", Decimal(1), clock("00:00:02")), "bad_until"),
        (Pin("COIN", "why", Decimal(1), clock("169:00")), "bad_until"),
        (Pin("COIN", "why", Decimal("1e-19"), clock("01:00")), "bad_price"),
        (Pin("COIN", "why", Decimal("1e16"), clock("01:00")), "bad_price"),
        (Pin("COIN", "why", Decimal(5), clock("01:00")), "far_from_last"),
        (Pin("COIN", "why", Decimal("0.05"), clock("01:00")), "far_from_last"),
        (Pin("USDT", "why", Decimal(1), clock("01:00")), "stated_rate"),
        (Exclude("COIN", "why", "c", clock("01:00")), "unknown_source"),
        (Exclude("COIN", "why", "a", clock("00:00:01")), "bad_until"),
        (Believe("COIN", "why", Decimal("0.5")), "nothing_to_believe"),
        (Release("COIN", "why"), "unknown_decision"),
        (Release("COIN", "why", "a"), "unknown_decision"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(what: PriceAct, reason: str) -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    act(desk, "00:00:02", what)
    assert refusal(desk) == reason
    assert desk.monitor.board.usd["COIN"] == Decimal("0.5")
    assert desk.monitor.decisions == ()


def test_a_pin_far_from_the_last_price_stands_once_it_is_confirmed() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    assert "price.decided:COIN" in pin(desk, "00:00:02", "5", confirmed=True)
    assert desk.monitor.board.usd["COIN"] == 5


def test_a_candidate_that_has_moved_on_is_not_believed_unseen() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -; 00:00:01 0.78 price.suspect:COIN")
    act(desk, "00:00:02", Believe("COIN", "as seen", Decimal("0.6")))
    assert refusal(desk) == "other_candidate"


def test_a_second_pin_takes_the_place_of_the_first() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 0.5 -")
    pin(desk, "00:00:02", "0.6", until="00:10")
    pin(desk, "00:00:03", "0.61", until="00:20")
    assert "ended" not in desk.pass_time("00:15")
    (decision,) = desk.monitor.decisions
    assert decision.said == Pin("COIN", "the venue is down", Decimal("0.61"), clock("00:20"))
