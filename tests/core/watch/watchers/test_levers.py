"""Levers of the desk: what they change, what outlives the next line of the book, and what ends them (decision 89)."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.core.events.entries import Lever
from monitor.core.events.events import OperatorAct
from monitor.core.events.levers import EndLever, PullLever
from monitor.core.groups.lever_states import LeverEffect, LeverStand
from monitor.core.money import exact
from monitor.core.schema import read
from monitor.core.valuation.shown_figures import figure_of
from tests.coin_desk import THRESHOLDS, clock, line, loan, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

SOFT = product(version(thresholds=THRESHOLDS | {"margin_call": "0.80", "liquidation": "0.93"}))


def lever(**stated: Any) -> Lever:
    until = {"until": clock(stated.pop("until")).isoformat()} if "until" in stated else {}
    found: Lever = read(Lever, {"reason": "as agreed", **stated, **until})
    return found


def override(until: str = "10:00", **lines: str) -> Lever:
    return lever(type="override", thresholds=lines, until=until)


def pull(desk: Desk, time: str, what: Lever, *groups: str) -> str:
    return desk.short(desk.handle(OperatorAct(clock(time), "anna", PullLever(what, groups or ("G-1",)))), clock(time))


def end(desk: Desk, time: str, id_: str = "L-1") -> str:
    return desk.short(desk.handle(OperatorAct(clock(time), "anna", EndLever(id_, "no more"))), clock(time))


def look_ahead(desk: Desk, time: str, what: Lever, *groups: str) -> list[LeverEffect]:
    with exact():
        return list(desk.monitor.operators.effects_of(PullLever(what, groups or ("G-1",)), clock(time)))


def refusal(desk: Desk) -> str:
    assert desk.last.refused is not None
    return desk.last.refused.reason


def both(desk: Desk) -> Desk:
    desk.change("00:00", products={"vip_loan": product(), "soft": SOFT})
    return desk


def test_an_override_holds_until_its_time_and_then_the_former_lines_decide_with_the_cause() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    assert pull(desk, "01:00", override(margin_call="0.85")) == "lever.pulled:L-1"
    desk.play("02:00 0.80 early_warning; 09:59 0.80 -")
    assert desk.sight().held.lines.shown["margin_call"] == "0.85"
    assert desk.pass_time("10:00") == "lever.ended:L-1 margin_call.opened"
    opened = desk.told(desk.alerts[-1])["data"]
    assert (opened["cause"], opened["lever"]) == ("lever_ended", "L-1")
    assert desk.sight().group.thresholds == {}
    assert desk.state().other_lines is None


def test_a_lever_that_moves_a_stage_says_so_in_the_alert_of_the_stage() -> None:
    desk = Desk(line())
    desk.play("00:00 0.76 early_warning")
    assert pull(desk, "01:00", override(margin_call="0.75")) == "margin_call.opened lever.pulled:L-1"
    assert desk.told(desk.alerts[-2])["data"]["cause"] == "lever"
    assert desk.told(desk.alerts[-1])["data"]["facts"]["moves"] == [
        {"group": "G-1", "from": "normal", "to": "margin_call"}
    ]


def test_an_override_outlives_the_next_line_of_the_book_and_a_restart() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    pull(desk, "01:00", override(margin_call="0.85"))
    desk.put("02:00", line(collateral={"acct-G-1": {"USDT": "101"}}, thresholds={"initial": "0.70"}))
    assert desk.sight().held.lines.shown["margin_call"] == "0.85"
    desk.restart()
    desk.price("03:00", "0.80")
    assert desk.state().stage == "normal"
    assert desk.pass_time("10:00") == "lever.ended:L-1 margin_call.opened"
    assert desk.sight().group.thresholds == {"initial": desk.sight().group.thresholds["initial"]}


def test_an_override_that_ended_while_the_monitor_was_down_ends_at_its_own_time() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    pull(desk, "01:00", override(margin_call="0.85"))
    desk.play("02:00 0.80 early_warning")
    desk.restart()
    assert desk.pass_time("20:00").startswith("lever.ended:L-1@10:00 margin_call.opened@10:00")


def test_a_line_of_the_book_that_changes_the_lines_holds_when_the_override_is_over() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    pull(desk, "01:00", override(margin_call="0.85"))
    desk.put("02:00", line(thresholds={"margin_call": "0.78"}))
    assert desk.sight().held.lines.shown["margin_call"] == "0.85"
    desk.pass_time("10:00")
    assert desk.sight().held.lines.shown["margin_call"] == "0.78"


def test_a_second_override_takes_the_place_of_the_first_and_its_end_brings_back_what_the_book_states() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    pull(desk, "01:00", override("10:00", margin_call="0.85"))
    pull(desk, "02:00", override("05:00", margin_call="0.80"))
    assert desk.pass_time("05:00") == "lever.ended:L-2"
    assert desk.sight().held.lines.shown["margin_call"] == "0.77"
    assert desk.pass_time("10:00") == "lever.ended:L-1"


def test_a_grace_period_is_extended_and_never_cut_short() -> None:
    desk = Desk(line(delayed_liquidation=True), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    pull(desk, "01:00", lever(type="extend_grace", until="23:00"))
    assert refusal(desk) == "no_extension"
    assert pull(desk, "01:00", lever(type="extend_grace", until="30:00")) == "lever.pulled:L-1"
    desk.play("24:00 0.92 -; 30:00 0.92 lever.ended:L-1 liquidation.triggered(grace_expired)")


def test_the_end_of_an_extension_gives_the_former_deadline_back_and_one_that_is_past_ends_now() -> None:
    desk = Desk(line(delayed_liquidation=True), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    pull(desk, "01:00", lever(type="extend_grace", until="30:00"))
    assert end(desk, "02:00") == "lever.ended:L-1"
    assert desk.state().deadline == clock("24:00")
    pull(desk, "02:00", lever(type="extend_grace", until="30:00"))
    assert end(desk, "25:00", "L-2") == "lever.ended:L-2"
    assert desk.pass_time("25:00") == "liquidation.triggered(grace_expired)"


def test_a_waiver_is_of_overdue_loans_and_says_so_where_there_is_none_or_it_is_too_late() -> None:
    desk = Desk(line(loans=[loan(matures="05:00")]), line("G-2", loans=[loan(id="L-2")]))
    desk.play("00:00 0.5 -; 06:00 0.5 loan.overdue@05:00")
    waive = lever(type="waive", until="50:00")
    pull(desk, "06:00", waive, "G-2")
    assert refusal(desk) == "nothing_to_waive"
    assert pull(desk, "06:00", waive) == "lever.pulled:L-1"
    assert look_ahead(desk, "06:00", waive)[0].after == LeverStand(
        "vip_loan",
        "normal",
        figure_of(desk.sight().held, desk.sight().weight),
        "margin_call",
        desk.sight().held.lines.margin_call,
        clock("50:00"),
        "",
        tuple(desk.sight().held.lines.stated.values()),
    )
    end(desk, "07:00")
    desk.play("29:00 0.5 liquidation.triggered(overdue)")
    pull(desk, "29:30", waive)
    assert refusal(desk) == "too_late"


def test_a_group_moves_between_products_and_stays_though_its_book_goes_on_naming_the_first() -> None:
    desk = both(Desk(line()))
    desk.play("00:00 0.78 margin_call.opened")
    seen = look_ahead(desk, "01:00", lever(type="move", product="soft"))[0]
    assert seen.before is not None
    assert seen.after is not None
    assert (seen.before.next_line, seen.after.next_line) == ("liquidation", "liquidation")
    assert (seen.after.product, seen.after.stage) == ("soft", "margin_call")
    assert pull(desk, "01:00", lever(type="move", product="soft")) == "lever.pulled:L-1"
    desk.put("02:00", line(collateral={"acct-G-1": {"USDT": "100.5"}}))
    assert desk.sight().group.product == "soft"
    desk.restart()
    assert desk.sight().group.product == "soft"
    desk.put("03:00", line(product="soft"))
    desk.put("04:00", line())
    assert desk.sight().group.product == "vip_loan"


def test_a_move_to_where_the_group_is_or_to_nowhere_is_refused() -> None:
    desk = both(Desk(line()))
    desk.play("00:00 0.5 -")
    pull(desk, "01:00", lever(type="move", product="vip_loan"))
    assert refusal(desk) == "same_product"
    pull(desk, "01:00", lever(type="move", product="none"))
    assert refusal(desk) == "unknown_product"


def test_levers_are_entries_of_a_book_too_and_end_by_themselves() -> None:
    desk = both(Desk(line()))
    desk.play("00:00 0.70 -")
    until = clock("05:00").isoformat()
    said = {"type": "override", "thresholds": {"margin_call": "0.85"}, "until": until, "reason": "the lender's word"}
    assert desk.enter("01:00", said) == "-"
    desk.play("02:00 0.80 early_warning")
    assert desk.pass_time("05:00") == "margin_call.opened"
    desk.enter("06:00", {"type": "move", "product": "soft", "reason": "the lender's word"})
    assert desk.sight().group.product == "soft"


def test_a_lever_on_several_groups_leaves_those_to_which_it_cannot_apply_and_names_them() -> None:
    desk = Desk(line(delayed_liquidation=True), line("G-2", loans=[loan(id="L-2", asset="USDT", principal="1")]))
    desk.play("00:00 0.92 delayed_liquidation.started")
    extend = lever(type="extend_grace", until="30:00")
    seen = look_ahead(desk, "01:00", extend, "G-1", "G-2", "G-9")
    assert [each.reason for each in seen] == ["", "no_grace", "unknown_group"]
    assert pull(desk, "01:00", extend, "G-1", "G-2", "G-9") == "lever.pulled:L-1"
    facts = desk.told(desk.alerts[-1])["data"]["facts"]
    assert facts["group_ids"] == ["G-1"]
    assert [row["group"] for row in facts["refused"]] == ["G-2", "G-9"]


@pytest.mark.parametrize("ends", ["by_hand", "by_time"])
def test_what_a_look_ahead_says_is_what_happens(ends: str) -> None:
    desk = Desk(line(), line("G-2", loans=[loan(id="L-2", principal="90")]))
    desk.price("00:00", "0.78")
    what = override(initial="0.80", margin_call="0.85")
    seen = look_ahead(desk, "01:00", what, "G-1", "G-2")
    before = {id_: desk.state(id_).stage for id_ in ("G-1", "G-2")}
    pull(desk, "01:00", what, "G-1", "G-2")
    assert {e.group: e.before.stage for e in seen if e.before} == before == {"G-1": "margin_call", "G-2": "normal"}
    assert {e.group: e.after.stage for e in seen if e.after} == {"G-1": "normal", "G-2": "normal"}
    assert {id_: desk.state(id_).stage for id_ in before} == {"G-1": "normal", "G-2": "normal"}
    told = end(desk, "02:00") if ends == "by_hand" else desk.pass_time("10:00")
    assert "margin_call.opened" in told
    assert desk.state().stage == "margin_call"


def test_a_reload_that_does_not_fit_a_group_without_its_override_is_refused() -> None:
    desk = Desk(line(thresholds={"margin_call": "0.80"}))
    desk.play("00:00 0.70 -")
    pull(desk, "01:00", override(margin_call="0.85"))
    narrow = product(version(thresholds=THRESHOLDS | {"initial": "0.81", "margin_call": "0.82"}))
    desk.change("02:00", products={"vip_loan": narrow})
    assert refusal(desk) == "thresholds"


def test_a_group_that_was_left_out_comes_back_with_its_levers() -> None:
    desk = both(Desk(line(), reopen=clock("01:00") - clock("00:00")))
    desk.play("00:00 0.70 -")
    pull(desk, "01:00", override(margin_call="0.85"))
    pull(desk, "01:00", lever(type="move", product="soft"))
    desk.close("02:00")
    desk.put("02:30", line())
    assert desk.sight().group.product == "soft"
    assert desk.sight().held.lines.shown["margin_call"] == "0.85"
    desk.pass_time("10:00")
    assert desk.sight().held.lines.shown["margin_call"] == "0.8"


def test_another_deadline_is_told_and_the_alert_says_which_one_was_told_before() -> None:
    desk = Desk(line(delayed_liquidation=True), grace_reminders=(), tell_deadlines=True)
    desk.play("00:00 0.92 delayed_liquidation.started")
    started = desk.alerts[-1]
    said = pull(desk, "01:00", lever(type="extend_grace", until="30:00"))
    assert said == "delayed_liquidation.extended lever.pulled:L-1"
    told = desk.told(desk.alerts[-2])["data"]
    assert (told["deadline"], told["facts"]) == ("2026-01-06T06:00:00.000Z", {"was": "2026-01-06T00:00:00.000Z"})
    assert (told["severity"], told["supersedes"], told["lever"]) == ("critical", started.id, "L-1")
    desk.restart()
    assert end(desk, "02:00") == "delayed_liquidation.extended lever.ended:L-1"
    assert desk.told(desk.alerts[-2])["data"]["deadline"] == "2026-01-06T00:00:00.000Z"
    assert desk.pass_time("24:00") == "liquidation.triggered(grace_expired)"


def test_a_log_of_before_folds_without_it() -> None:
    desk = Desk(line(delayed_liquidation=True), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    assert pull(desk, "01:00", lever(type="extend_grace", until="30:00")) == "lever.pulled:L-1"
