"""A coin that never had a price: what is decided without it, and what is said of the groups that it may endanger (decision 86)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.rules.settings import Trust
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

TRUST = Trust(stale_after=timedelta(hours=9), missing_after=timedelta(seconds=60), confirm_jump=Decimal(10))
WHOLE, ENDS = [["inf", "1"]], [["10", "1"]]
COINS = product(
    version(
        ladders={"USDT": WHOLE, "NEW": WHOLE, "ENDS": ENDS}, rates={"COIN": "0", "USDT": "0", "NEW": "0"}, warnings=[]
    )
)


def desk_of(*lines: dict[str, Any], trust: Trust = TRUST) -> Desk:
    return Desk(*lines, of=COINS, trust=trust)


def holding(coin: str, quantity: str = "1", group: str = "G-1") -> dict[str, Any]:
    """100 USDT and some of a coin, and 100 COIN owed."""
    return line(group, collateral={f"acct-{group}": {"USDT": "100", coin: quantity}})


def test_what_could_still_save_a_group_leaves_it_unknown_and_after_a_minute_the_worst_case_is_said() -> None:
    desk = desk_of(holding("NEW", "0.0001"))
    desk.play("00:00 COIN=0.92 -; 00:01 ... -; 00:01:01 ... price.missing:NEW@00:01")
    facts = desk.alerts[-1].facts
    assert facts["worst_case"] == "G-1 at LTV 0.92, with NEW at nothing (liquidation)"
    assert (facts["endangered"], facts["groups"], facts["worst_cut"]) == (1, 1, 0)
    assert facts["worst"] == [
        {"group": "G-1", "product": "vip_loan", "metric": "ltv", "level": "0.92", "band": "liquidation"}
    ]
    desk.play("00:02 COIN=0.921 -; 00:05 ... -; 00:06 COIN=0.96 -; 00:06:11 ... price.missing:NEW@00:06")
    assert desk.alerts[-1].facts["worst_case"].startswith("G-1 at LTV 0.96")
    desk.play("00:07 NEW=1 liquidation.triggered(ltv) price.found:NEW")


def test_what_is_past_its_line_whatever_the_coin_is_worth_is_decided_and_named_and_not_said_again() -> None:
    """ENDS counts at most 10: at best 92 of 110 are owed."""
    desk = desk_of(holding("ENDS"))
    (call,) = desk.play("00:00 COIN=0.92 margin_call.opened")
    assert call.figures is not None
    assert (call.figures.missing, str(call.figures.ltv), call.blind) == (("ENDS",), "0.83636364", True)
    told = desk.play("00:01 COIN=1.001 liquidation.triggered(ltv)")
    assert desk.told(told[0])["data"]["bound"] is True
    desk.play("00:05 ... -")  # all that may be worse is told


def test_a_price_that_is_owed_and_missing_may_cost_any_sum() -> None:
    owes = line(loans=[loan(), loan("NEW", "0.0001", id="L-2")])
    desk = desk_of(owes)
    desk.play("00:00 COIN=0.5 -; 00:01:01 ... price.missing:NEW@00:01; 00:02 COIN=0.78 margin_call.opened")
    assert desk.alerts[-2].facts["worst_case"] == "G-1 owes NEW, which may cost any sum"
    desk.play("00:03 COIN=0.5 -")  # nothing good follows from a bound
    desk.play("00:04 NEW=1 margin_call.cured price.found:NEW")


def test_nothing_is_said_of_a_group_that_is_safe_without_the_coin_until_it_is_no_more() -> None:
    desk = desk_of(holding("NEW"))
    desk.play("00:00 COIN=0.5 -; 00:30 ... -; 00:30:01 COIN=0.8 -; 00:30:12 ... price.missing:NEW@00:30:01")


def test_what_was_said_is_over_when_the_last_group_that_needs_the_coin_is_closed() -> None:
    """Columns name the coins of closed groups on; a restart forgets them, so both must say the end at the same time."""
    idle = (line(f"G-{n}", collateral={f"acct-{n}": {"USDT": "1"}}, loans=[]) for n in range(2, 9))
    desk = desk_of(holding("NEW"), *idle)
    desk.play("00:00 COIN=0.92 -; 00:01:01 ... price.missing:NEW@00:01")
    assert desk.close("00:02") == "-"
    desk.play("00:02:11 ... price.found:NEW@00:02")


def test_many_groups_of_one_coin_are_one_alert_and_many_coins_are_five() -> None:
    desk = desk_of(*(holding("NEW", group=f"G-{i}") for i in range(40)))
    desk.play("00:00 COIN=0.92 -; 00:01:01 ... price.missing:NEW@00:01")
    assert (desk.alerts[-1].facts["endangered"], desk.alerts[-1].facts["worst_cut"]) == (40, 20)


def test_a_start_gives_each_price_its_full_time_and_what_was_said_is_not_said_again() -> None:
    desk = desk_of(holding("NEW"))
    desk.play("00:00 COIN=0.92 -; 00:00:50 ... -")
    again = _restarted(desk, "00:00:50")
    again.play("00:01:49 ... -; 00:01:51 ... price.missing:NEW@00:01:50")
    third = _restarted(again, "00:02")
    third.play("00:05 ... -; 00:06 NEW=1 liquidation.triggered(ltv) price.found:NEW")


def test_a_look_that_is_due_at_the_very_time_of_a_restart_or_of_another_group_is_not_put_off() -> None:
    desk = desk_of(holding("NEW"))
    desk.play("00:00 COIN=0.92 -; 00:01 ... -")
    again = desk_of()
    again.monitor = RiskMonitor(desk.rules, desk.monitor.memory, type(desk.monitor.book)())
    again.play("00:01:01 ... price.missing:NEW@00:01")
    desk.put("00:01", holding("ENDS", group="G-2"))
    desk.play("00:01:01 ... price.missing:NEW@00:01")


def _restarted(desk: Desk, time: str) -> Desk:
    again = desk_of()
    again.monitor = RiskMonitor(desk.rules, desk.monitor.memory, type(desk.monitor.book)())
    again.monitor.awaken(clock(time))
    return again


@pytest.mark.parametrize("off", [{"enabled": False}, {"missing_after": timedelta(0)}])
def test_without_the_limit_nothing_is_said(off: dict[str, Any]) -> None:
    desk = desk_of(holding("NEW"), trust=msgspec.structs.replace(TRUST, **off))
    desk.play("00:00 COIN=0.92 -; 01:00 ... -")
    assert desk.monitor.at is not None
    assert desk.monitor.at > START
