"""Rules that change: by their date and by a reload. Both the old and the new version are kept (rule 31)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from monitor.core.rules.settings import Lifecycle, Trust
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product

HALF = {"USDT": [["inf", "0.5"]]}
ENROLLED = {"delayed_liquidation": True}


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


# -- by date --


@both_books
def test_a_new_version_is_evaluated_at_its_effective_time_on_the_prices_before() -> None:
    desk = Desk(line(), of=product(version(), version(clock("10:00:30"), ladders=HALF)))
    desk.play(
        "00:00 0.47 -; 11:00 0.2 rules.changed:vip_loan@10:00:30 liquidation.triggered(ltv)@10:00:30 liquidation.cleared"
    )
    assert [alert.figures.rules for alert in desk.alerts if alert.figures] == ["vip_loan@2026-01-05"] * 2


@both_books
def test_before_the_first_version_the_first_applies() -> None:
    Desk(line(), of=product(version(START + timedelta(days=9)))).play("00:00 0.77 margin_call.opened")


@both_books
def test_a_version_effective_at_the_first_event_is_in_force_for_it() -> None:
    Desk(line(), of=product(version(), version(START, ladders=HALF))).play("00:00 0.4 margin_call.opened")


def test_versions_are_named_by_date_and_by_time_where_two_share_a_day() -> None:
    two = product(version(START), version(clock("10:00")), version(clock("34:00")))
    names = [two.rules_name(v) for v in two.versions]
    assert names == ["vip_loan@2026-01-05T00:00:00Z", "vip_loan@2026-01-05T10:00:00Z", "vip_loan@2026-01-06"]
    assert [two.version_named(n) for n in names] == list(two.versions)
    assert two.version_named("vip_loan@2020-01-01") is None


@both_books
def test_a_version_that_lists_another_coin_makes_its_price_count() -> None:
    later = version(clock("10:00"), ladders={"USDT": [["inf", "1"]], "BTC": [["inf", "1"]]})
    desk = Desk(line(collateral={"a": {"USDT": "100", "BTC": "1"}}), of=product(version(), later))
    desk.play(
        "00:00 BTC=50,COIN=0.8 margin_call.opened; 10:00 BTC=50,COIN=0.8 rules.changed:vip_loan margin_call.cured"
    )


# -- by a reload --


@both_books
def test_a_reload_decides_every_group_by_the_new_rules_at_once() -> None:
    desk = Desk(line(), line("G-2", collateral={"b": {"USDT": "1000"}}))
    desk.play("00:00 0.4 -")
    changed = desk.change("00:01", products={"vip_loan": product(version(ladders=HALF))})
    assert changed == "margin_call.opened", "of a reload there is an audit record, and what follows from it says so"
    assert desk.alerts[-1].facts["cause"] == "rules"


@both_books
def test_a_reload_that_does_not_fit_a_group_changes_nothing() -> None:
    desk = Desk(line(thresholds={"initial": "0.7"}), line("G-2"))
    desk.play("00:00 0.5 -")
    rules, due = desk.monitor.rules, desk.monitor.next_due
    low = {"initial": "0.6", "margin_call": "0.65", "liquidation": "0.8", "immediate": "0.9"}
    assert desk.change("00:01", products={"vip_loan": product(version(thresholds=low, warnings=[]))}) == "-"
    assert desk.last.refused is not None
    assert desk.last.refused.reason == "thresholds"
    assert "G-1" in str(desk.last.refused)
    assert desk.change("00:02", products={}) == "-"
    assert desk.last.refused.reason == "unknown_product"
    assert (desk.monitor.rules, desk.monitor.next_due) == (rules, due)
    desk.play("00:03 0.77 margin_call.opened margin_call.opened:G-2")


@both_books
def test_a_version_is_told_of_at_its_own_time_also_by_a_monitor_that_was_down_then() -> None:
    desk = Desk(line(), of=product(version(), version(clock("10:00"), ladders={"USDT": [["inf", "0.9"]]})))
    (changed,) = desk.play("00:00 0.5 -; 11:00 ... rules.changed:vip_loan@10:00")
    assert (changed.at, changed.detected_at) == (clock("10:00"), clock("10:00"))


@both_books
def test_a_reload_may_not_take_the_only_rate_of_a_loan_that_is_owed() -> None:
    """Interest is a function of the day: without a rate a year of it would be gone."""
    desk = Desk(line())
    desk.change("00:01", products={"vip_loan": product(version(rates={}))})
    assert desk.last.refused is not None
    assert desk.last.refused.reason == "no_rate"


@both_books
def test_a_loan_keeps_the_rate_of_the_version_that_listed_it_last() -> None:
    rules = product(version(rates={"COIN": "0.01"}), version(clock("30:00"), rates={}))
    desk = Desk(line(), of=rules)
    desk.price("00:00", "0.5")
    desk.pass_time("72:00")
    assert desk.sight().held.debts == (("COIN", Decimal(103)),)
    assert desk.change("72:01", name="desk-1") == "-"
    assert desk.last.refused is None


@both_books
def test_stage_deadline_and_episode_stay_over_a_reload() -> None:
    desk = Desk(line(**ENROLLED), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    desk.change("01:00", products={"vip_loan": product(version(grace="1h"))})
    desk.play("23:59 0.92 -; 24:00 0.92 liquidation.triggered(grace_expired)")


TIMERS = [
    # changed at 00:05                                     table before                                          table after
    ({"clear_hold": minutes(6)},        "00:00 0.78 margin_call.opened; 00:01 0.75 -",  "00:08 ... margin_call.cured@00:07"),
    ({"clear_hold": minutes(30)},       "00:00 0.78 margin_call.opened; 00:01 0.75 -",  "00:20 ... -; 00:32 ... margin_call.cured@00:31"),
    ({"clear_hold": minutes(2)},        "00:00 0.78 margin_call.opened; 00:01 0.75 -",  "00:06 ... -"),
    ({"margin_call_repeat": minutes(10)}, "00:00 0.78 margin_call.opened",              "00:11 ... margin_call.reminder@00:10"),
    ({"margin_call_repeat": minutes(2880)}, "00:00 0.78 margin_call.opened",            "24:00 ... -; 48:00 ... margin_call.reminder"),
    ({"margin_call_repeat": minutes(2)}, "00:00 0.78 margin_call.opened",               "00:06 ... margin_call.reminder"),
]  # fmt: skip


@both_books
@pytest.mark.parametrize(("changed", "before", "after"), TIMERS, ids=[str(r[0]) for r in TIMERS])
def test_new_settings_move_the_timers_that_run_and_say_nothing_of_times_gone_by(
    changed: dict[str, timedelta], before: str, after: str
) -> None:
    desk = Desk(line())
    desk.play(before)
    said = desk.change("00:05", lifecycle=Lifecycle(**changed))
    assert said == ("margin_call.cured" if changed.get("clear_hold") == minutes(2) else "-")
    desk.play(after)


@both_books
def test_new_grace_reminders_take_effect_and_those_of_the_past_are_not_said() -> None:
    desk = Desk(line(**ENROLLED), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    hours = tuple(timedelta(hours=h) for h in (23, 20, 2))
    assert desk.change("10:00", lifecycle=Lifecycle(grace_reminders=hours)) == "-"
    desk.play("10:01 0.92 -; 22:00 0.92 delayed_liquidation.reminder")


@both_books
def test_another_time_until_an_overdue_loan_is_liquidated_moves_the_deadline() -> None:
    desk = Desk(line(loans=[loan(matures="01:00")]))
    desk.play("00:00 0.5 -; 02:00 0.5 loan.overdue@01:00")
    assert (
        desk.change("03:00", products={"vip_loan": product(version(overdue_after="48h"))}) == "rules.changed:vip_loan"
    )
    desk.play("26:00 0.5 -; 49:00 0.5 liquidation.triggered(overdue)")


@both_books
def test_settings_of_trust_take_effect_with_a_reload() -> None:
    desk = Desk(line(), trust=Trust(stale_after=timedelta(seconds=10)))
    desk.play("00:00 0.5 -")
    assert desk.change("00:00:01", trust=Trust(stale_after=timedelta(seconds=60))) == "-"
    desk.play("00:00:59 ... -; 00:01:01 ... price.stale:COIN@00:01")
