"""What one person proposes and another approves, and what one does alone in an emergency (decision 90)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import Acknowledge, MakeSilence, hides
from monitor.core.events.events import ClockJumped, OperatorAct, TimePassed
from monitor.core.events.levers import Approve, EndLever, OperatorSays, PullLever, Reject
from monitor.core.groups.lever_states import digest_of
from monitor.core.money import exact
from monitor.core.prices.decisions import Exclude, Pin
from monitor.core.rules.settings import FourEyes, Trust
from tests.coin_desk import THRESHOLDS, clock, line, version
from tests.core.desk import Desk, both_books, product
from tests.core.watch.watchers.test_levers import lever, override

pytestmark = both_books

PEOPLE = {"anna-desk": "anna", "anna-phone": "anna", "bo-desk": "bo", "cy-desk": "cy", "robot": ""}
EYES = FourEyes(True, timedelta(hours=4), ("anna", "bo", "cy"))


def desk_of_two(*lines: dict[str, Any], **more: Any) -> Desk:
    desk = Desk(*(lines or (line(),)), **more)
    desk.change("00:00", four_eyes=EYES)
    return desk


def act(desk: Desk, time: str, what: OperatorSays, who: str = "anna-desk", emergency: str = "") -> str:
    event = OperatorAct(clock(time), who, what, PEOPLE[who], emergency)
    return desk.short(desk.handle(event), clock(time))


def pull(*groups: str, **lines: str) -> PullLever:
    return PullLever(override(**(lines or {"margin_call": "0.85"})), groups or ("G-1",))


def refusal(desk: Desk) -> str:
    assert desk.last.refused is not None
    return desk.last.refused.reason


def facts(desk: Desk, i: int = -1) -> dict[str, Any]:
    found: dict[str, Any] = desk.told(desk.alerts[i])["data"]["facts"]
    return found


def called_in(desk: Desk) -> None:
    desk.play("00:00 0.78 margin_call.opened")


def test_a_lever_waits_for_another_person_who_is_told() -> None:
    desk = desk_of_two()
    called_in(desk)
    assert act(desk, "01:00", pull(initial="0.80", margin_call="0.85")) == "lever.proposed:P-1"
    assert facts(desk)["people"] == ["bo", "cy"]
    assert facts(desk)["moves"] == [{"group": "G-1", "from": "margin_call", "to": "normal"}]
    assert desk.state().stage == "margin_call"
    told = act(desk, "02:00", Approve("P-1"), "bo-desk")
    assert told == "margin_call.cured lever.pulled:L-1 lever.settled:P-1"
    assert facts(desk)["outcome"] == "approved"
    assert (facts(desk, -2)["by"], facts(desk, -2)["approved_by"]) == ("anna-desk", "bo-desk")


def test_nobody_approves_what_is_his_own_not_even_by_another_token_nor_a_token_that_is_nobodys() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull())
    for who, reason in (("anna-desk", "own_proposal"), ("anna-phone", "own_proposal"), ("robot", "no_person")):
        act(desk, "02:00", Approve("P-1"), who)
        assert refusal(desk) == reason
    act(desk, "02:00", pull(), "robot")
    assert refusal(desk) == "no_person"
    assert act(desk, "02:00", Approve("P-1"), "cy-desk") == "lever.pulled:L-1 lever.settled:P-1"


def test_of_two_who_approve_at_once_the_second_hears_that_it_is_decided() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull())
    act(desk, "02:00", Approve("P-1"), "bo-desk")
    assert act(desk, "02:00", Approve("P-1"), "cy-desk") == "-"
    assert refusal(desk) == "settled"
    act(desk, "02:00", Reject("P-7", "no"), "cy-desk")
    assert refusal(desk) == "unknown_proposal"
    assert len(desk.monitor.operators.levers) == 1


def test_a_proposal_is_rejected_with_a_reason_or_is_void_after_its_time() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull())
    assert act(desk, "02:00", Reject("P-1", "not today"), "bo-desk") == "lever.settled:P-1"
    assert (facts(desk)["outcome"], facts(desk)["why"]) == ("rejected", "not today")
    act(desk, "03:00", pull())
    assert desk.pass_time("07:00") == "lever.settled:P-2"
    assert facts(desk)["outcome"] == "expired"
    assert desk.monitor.operators.proposals == ()


def test_a_proposal_survives_a_restart_and_expires_at_its_own_time_while_the_monitor_is_down() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull())
    act(desk, "01:30", pull("G-1", liquidation="0.93"))
    desk.restart()
    assert [p.id for p in desk.monitor.operators.proposals] == ["P-1", "P-2"]
    assert act(desk, "02:00", Approve("P-1"), "bo-desk") == "lever.pulled:L-1 lever.settled:P-1"
    desk.restart()
    assert "lever.settled:P-2@05:30" in desk.pass_time("06:00")
    act(desk, "06:00", pull())
    assert desk.monitor.operators.proposals[0].id == "P-3"


def test_what_does_more_by_now_than_was_seen_is_not_approved() -> None:
    desk = desk_of_two()
    desk.play("00:00 0.70 -")
    act(desk, "01:00", pull(margin_call="0.73"))
    desk.price("01:30", "0.735")
    act(desk, "02:00", Approve("P-1"), "bo-desk")
    assert refusal(desk) == "effect_grew"
    proposal = desk.monitor.operators.proposals[0]
    with exact():
        now = desk.monitor.operators.effects_of(proposal.act, clock("02:00"))
    act(desk, "02:00", Approve("P-1", digest_of(proposal.effects)), "bo-desk")
    assert refusal(desk) == "effect_grew"
    told = act(desk, "02:00", Approve("P-1", digest_of(now)), "bo-desk")
    assert told == "margin_call.opened lever.pulled:L-1 lever.settled:P-1"


def test_what_does_less_by_now_may_be_approved_and_an_unknown_digest_may_not() -> None:
    desk = desk_of_two(
        line(delayed_liquidation=True), line("G-2", delayed_liquidation=True, loans=[]), grace_reminders=()
    )
    desk.play("00:00 0.92 delayed_liquidation.started")
    extend = lever(type="extend_grace", until="30:00")
    act(desk, "01:00", PullLever(extend, ("G-1", "G-2")))
    act(desk, "02:00", Approve("P-1", "00ff"), "bo-desk")
    assert refusal(desk) == "effect_grew"
    act(desk, "02:00", Approve("P-1"), "bo-desk")
    assert desk.state().deadline == clock("30:00")


def test_a_lever_in_an_emergency_is_critical_and_ends_after_two_hours_unless_it_is_approved() -> None:
    desk = desk_of_two(line(delayed_liquidation=True), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    extend = PullLever(lever(type="extend_grace", until="30:00"), ("G-1",))
    told = act(desk, "01:00", extend, emergency="nobody answers")
    assert told == "lever.pulled:L-1 lever.emergency:P-1"
    assert desk.told(desk.alerts[-1])["data"]["severity"] == "critical"
    assert facts(desk)["emergency"] == "nobody answers"
    assert desk.state().deadline == clock("30:00")
    assert desk.pass_time("02:59") == "-"
    assert desk.pass_time("03:00") == "lever.settled:P-1 lever.ended:L-1"
    assert desk.state().deadline == clock("24:00")


@pytest.mark.parametrize("is_down", [False, True])
def test_every_lever_of_an_emergency_ends_by_itself_also_while_the_monitor_is_down(is_down: bool) -> None:
    desk = desk_of_two(trust=Trust(stale_after=timedelta(days=9)))
    desk.price("00:00", "0.70")
    act(desk, "01:00", pull(), emergency="now")
    act(desk, "01:00", Pin("COIN", "the venue is down", Decimal("0.71"), clock("20:00")), emergency="now")
    match = Match(labels={"borrower": "ACME"})
    act(desk, "01:00", MakeSilence("sil-1", match, clock("20:00"), "quiet", even_worse=True), emergency="now")
    assert [each.id for each in desk.monitor.operators.levers] == ["L-1", "L-2", "L-3"]
    assert len(desk.monitor.decisions) == len(desk.monitor.silences) == 1
    if is_down:
        desk.restart()
    told = desk.pass_time("04:00")
    assert "lever.ended:L-1@03:00" in told
    assert "price.decision_ended:COIN@03:00" in told
    assert (desk.monitor.decisions, desk.monitor.silences, desk.monitor.operators.levers) == ((), (), ())
    assert desk.sight().held.lines.shown["margin_call"] == "0.77"


def test_an_emergency_that_another_person_approves_holds_until_its_time() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull(), emergency="now")
    act(desk, "01:30", Approve("P-1"), "anna-phone")
    assert refusal(desk) == "own_proposal"
    assert act(desk, "01:30", Approve("P-1"), "bo-desk") == "lever.settled:P-1"
    desk.restart()
    assert desk.pass_time("04:00") == "-"
    assert desk.sight().held.lines.shown["margin_call"] == "0.85"
    assert "lever.ended:L-1" in desk.pass_time("10:00")


def test_an_emergency_that_is_rejected_ends_at_once_and_so_does_one_that_is_ended() -> None:
    desk = desk_of_two()
    desk.play("00:00 0.70 -")
    act(desk, "01:00", pull(), emergency="now")
    assert act(desk, "01:30", Reject("P-1", "no need"), "bo-desk") == "lever.settled:P-1 lever.ended:L-1"
    act(desk, "02:00", pull(), emergency="now")
    assert act(desk, "02:30", EndLever("L-2", "over")) == "lever.ended:L-2 lever.settled:P-2"
    assert desk.sight().held.lines.shown["margin_call"] == "0.77"


def test_a_clock_that_is_set_back_lengthens_no_emergency_and_one_that_jumps_ends_it() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull(), emergency="now")
    desk.handle(ClockJumped(clock("02:00"), Decimal(-3600), clock("01:00")))
    assert desk.handle(TimePassed(clock("02:59"))) == []
    assert "lever.ended:L-1" in desk.short(desk.handle(TimePassed(clock("03:00"))), clock("03:00"))
    act(desk, "03:00", pull(), emergency="now")
    jump = desk.handle(ClockJumped(clock("09:00"), Decimal(6 * 3600 - 60), clock("09:00")))
    assert "lever.ended" in {alert.type for alert in jump}


def test_where_nobody_must_approve_there_is_no_emergency() -> None:
    desk = Desk(line())
    called_in(desk)
    act(desk, "01:00", pull(), emergency="now")
    assert refusal(desk) == "no_emergency"
    assert act(desk, "01:00", pull(), "robot") == "lever.pulled:L-1"


def test_a_silence_needs_another_person_only_where_it_may_hide_a_critical_stage() -> None:
    desk = desk_of_two(line(delayed_liquidation=True), line("G-2", loans=[]), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    until = clock("20:00")
    waits = [
        MakeSilence("s-1", Match(group="G-1"), until, "why"),
        MakeSilence("s-2", Match(group="G-2"), until, "why", up_to="liquidation"),
        MakeSilence("s-3", Match(type="loan_group.*"), until, "why", even_worse=True),
        MakeSilence("s-4", Match(severity="critical"), until, "why", up_to="critical"),
    ]
    passes = [
        MakeSilence("s-5", Match(group="G-2"), until, "why"),
        MakeSilence("s-6", Match(group="G-1"), until, "why", up_to="margin_call"),
        MakeSilence("s-7", Match(type="price.*"), until, "why", even_worse=True),
        MakeSilence("s-8", Match(severity="warning"), until, "why", even_worse=True),
    ]
    for silence in waits:
        assert act(desk, "01:00", silence).startswith("lever.proposed"), silence
    for silence in passes:
        assert act(desk, "01:00", silence) == "-", silence
    assert [s.said.id for s in desk.monitor.silences] == ["s-5", "s-6", "s-7", "s-8"]
    assert act(desk, "02:00", Approve("P-1"), "bo-desk") == "lever.settled:P-1"
    assert [s.said.id for s in desk.monitor.silences][-1] == "s-1"


def test_a_pin_waits_and_what_entries_acknowledgements_and_exclusions_do_does_not() -> None:
    desk = desk_of_two(line(delayed_liquidation=True), trust=Trust(stale_after=timedelta(days=9), sources=("a",)))
    desk.play("00:00 0.92@a delayed_liquidation.started")
    started = desk.alerts[-1].id
    pin = Pin("COIN", "the venue is down", Decimal("0.70"), clock("20:00"))
    assert act(desk, "01:00", pin) == "lever.proposed:P-1"
    assert facts(desk)["moves"] == [{"group": "G-1", "from": "delayed_liquidation", "to": "normal"}]
    assert act(desk, "01:00", Acknowledge("G-1", 1, "delayed_liquidation", started)) == "-"
    assert desk.state().ack is not None
    assert act(desk, "01:00", Exclude("COIN", "wrong", "a", clock("20:00"))).startswith("price.decided")
    until = clock("30:00").isoformat()
    desk.enter("01:00", {"type": "extend_grace", "until": until, "reason": "the lender's word"})
    assert desk.state().deadline == clock("30:00")
    assert "delayed_liquidation.cured" in act(desk, "02:00", Approve("P-1"), "bo-desk")


def test_no_silence_hides_what_was_done_in_an_emergency() -> None:
    desk = desk_of_two()
    called_in(desk)
    act(desk, "01:00", pull(), emergency="now")
    emergency = desk.alerts[-1]
    assert emergency.type == "lever.emergency"
    assert not hides(MakeSilence("s", Match(type="*"), clock("20:00"), "why", even_worse=True), emergency)


def test_a_reload_that_loosens_lines_is_named_and_one_that_tightens_them_is_not() -> None:
    desk = Desk(line())
    desk.play("00:00 0.5 -")
    softer = version(
        thresholds=THRESHOLDS | {"liquidation": "0.93"},
        ladders={"USDT": [["inf", "1"]], "BTC": [["inf", "0.9"]]},
        grace="48h",
    )
    assert desk.change("01:00", products={"vip_loan": product(softer)}) == "rules.changed:vip_loan"
    assert facts(desk)["loosened"] == [
        {"what": "line liquidation", "from": "0.91", "to": "0.93"},
        {"what": "ladder BTC", "from": "nothing", "to": "0.9"},
        {"what": "grace", "from": "1d", "to": "2d"},
    ]
    assert desk.change("02:00", products={"vip_loan": product()}) == "-"
