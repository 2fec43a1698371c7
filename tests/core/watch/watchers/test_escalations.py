"""While a critical alert stays unacknowledged, the next people are asked; each step is told once, and the end is told too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import ASKS
from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import Acknowledge, Act, MakeSilence, TakeInHand, Unacknowledge
from monitor.core.events.events import Noticed, OperatorAct, ProductsChanged, TimePassed
from monitor.core.rules.duty import Duty, Escalation, EscalationStep, Override, Rota
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import clock, line
from tests.core import desk as desks
from tests.core.desk import Desk, both_books

pytestmark = both_books

FIVE = timedelta(minutes=5)
ROTA = Rota("desk", ("anna", "ben"), date(2026, 1, 5), hand_over="00:00")
STEPS = (EscalationStep(FIVE, ("desk",)), EscalationStep(FIVE, ("carla", "desk")))
NIGHT = Duty((ROTA,), (Escalation("night", STEPS, repeat=1),))


def desk_with(duty: Duty = NIGHT, *lines: dict[str, Any]) -> Desk:
    desk = Desk(*(lines or (line(),)))
    desk.handle(ProductsChanged(clock("00:00"), msgspec.structs.replace(desk.rules, duty=duty)))
    desk.rules = desk.monitor.rules
    return desk


def act(desk: Desk, time: str, what: Act, who: str) -> list[Alert]:
    return desk.handle(OperatorAct(clock(time), who, what))


def asked(desk: Desk) -> list[tuple[str, ...]]:
    """Whom each step asked."""
    return [tuple(a.facts["people"]) for a in desk.alerts if a.type in ASKS]


def ended(desk: Desk) -> list[tuple[str, tuple[str, ...]]]:
    """Why each escalation ended, and who heard of it."""
    return [(a.facts["why"], tuple(a.facts["people"])) for a in desk.alerts if a.type.endswith("escalation_ended")]


def test_the_next_people_are_asked_every_five_minutes_and_then_again() -> None:
    desk = desk_with()
    desk.play(
        """
        00:01 0.96 liquidation.triggered(ltv)
        00:05 ...  -
        00:06 ...  escalated
        00:11 ...  escalated
        00:16 ...  escalated
        00:21 ...  escalated
        09:00 ...  -
        """
    )
    assert asked(desk) == [("anna",), ("carla", "anna"), ("anna",), ("carla", "anna")]
    first = next(a for a in desk.alerts if a.type in ASKS)
    assert (first.facts["step"], first.facts["expires"]) == (1, "2026-01-05T00:11:00.000Z")
    assert first.group is not None
    assert first.severity == "critical"


def test_steps_that_were_due_while_nothing_ran_are_made_up_for_in_their_order_and_at_their_times() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv)")
    desk.handle(TimePassed(clock("00:12")))
    assert [a.at for a in desk.alerts if a.type in ASKS] == [clock("00:06"), clock("00:11")]


def test_a_warning_asks_nobody() -> None:
    desk = desk_with()
    desk.play("00:01 0.78 margin_call.opened; 03:00 ... -")
    assert desk.monitor.escalations == ()


def test_who_answers_a_step_has_the_group_in_hand_and_all_who_were_asked_hear_of_it() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv); 00:06 ... escalated; 00:11 ... escalated")
    step = desk.alerts[-1].id
    act(desk, "00:12", TakeInHand(step, "by the link"), "carla")
    found = desk.state().ack
    assert found is not None
    assert (found.by, found.note) == ("carla", "by the link")
    assert ended(desk) == [("acknowledged", ("anna", "carla"))]
    act(desk, "00:13", TakeInHand(step, "by the link"), "carla")
    desk.play("09:00 ... -")


def test_nobody_answers_for_somebody_else_nor_with_an_old_step() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv); 00:06 ... escalated; 00:11 ... escalated")
    first, second = [a.id for a in desk.alerts if a.type in ASKS]
    for step, who in ((second, "ben"), (first, "anna"), ("evt_unknown", "anna")):
        act(desk, "00:12", TakeInHand(step), who)
        assert desk.last.refused is not None
        assert desk.last.refused.reason == "nothing_to_acknowledge"
    assert desk.state().ack is None


def test_an_acknowledgement_by_api_ends_the_steps_and_taking_it_back_begins_them_again() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv)")
    state = desk.state()
    alert = state.last_alert or ""
    act(desk, "00:02", Acknowledge("G-1", state.episode, state.stage, alert), "ops")
    desk.play("01:00 ... -")
    act(desk, "01:00", Unacknowledge("G-1", alert), "ops")
    desk.play("01:05 ... escalated")


def test_the_steps_begin_again_when_the_time_of_an_acknowledgement_is_over() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv)")
    state = desk.state()
    act(
        desk, "00:02", Acknowledge("G-1", state.episode, state.stage, state.last_alert or "", "", clock("02:00")), "ops"
    )
    desk.play("02:04 ... -; 02:05 ... escalated")


def test_several_must_acknowledge_where_the_desk_says_so() -> None:
    desk = desk_with(Duty((ROTA,), (Escalation("two", STEPS, repeat=5, needs=2),)))
    desk.play("00:01 0.96 liquidation.triggered(ltv); 00:06 ... escalated; 00:11 ... escalated")
    act(desk, "00:12", TakeInHand(desk.alerts[-1].id), "carla")
    assert ended(desk) == []
    desk.play("00:16 ... escalated")
    assert (asked(desk)[-1], desk.alerts[-1].facts["answered"]) == (("anna",), ["carla"])
    act(desk, "00:17", TakeInHand(desk.alerts[-1].id), "anna")
    assert ended(desk) == [("acknowledged", ("anna", "carla"))]
    desk.play("09:00 ... -")


def test_what_is_over_is_told_to_those_who_were_asked() -> None:
    desk = desk_with(NIGHT, line(delayed_liquidation=True))
    desk.play("00:01 0.92 delayed_liquidation.started; 00:06 ... escalated")
    desk.price("00:07", "COIN=0.5")
    assert ended(desk) == [("over", ("anna",))]
    desk.play("09:00 ... -")
    assert desk.monitor.escalations == ()


def test_nobody_is_asked_about_a_group_that_is_closed_and_who_was_hears_of_it() -> None:
    desk = desk_with(NIGHT, line(delayed_liquidation=True))
    desk.play("00:01 0.92 delayed_liquidation.started; 00:06 ... escalated")
    assert desk.close("00:07") == "closed monitor.escalation_ended"
    assert ended(desk) == [("over", ("anna",))]
    assert desk.monitor.escalations == ()


def test_a_worse_stage_begins_anew() -> None:
    desk = desk_with(NIGHT, line(delayed_liquidation=True))
    desk.play("00:01 0.92 delayed_liquidation.started; 00:06 ... escalated")
    desk.price("00:07", "COIN=0.96")
    desk.play("00:11 ... -; 00:12 ... escalated")
    assert asked(desk) == [("anna",), ("anna",)]


def test_what_a_silence_hides_asks_nobody() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv)")
    act(desk, "00:02", MakeSilence("sil-1", Match(group="G-1"), clock("02:00"), "maintenance"), "ops")
    desk.handle(TimePassed(clock("00:06")))
    assert [a.silenced_by for a in desk.alerts if a.type in ASKS] == ["sil-1"]


def test_an_alert_about_no_group_asks_too_and_one_answer_ends_it() -> None:
    desk = desk_with()
    facts = {
        "alert": "evt_1",
        "alert_type": "x",
        "about": "G-1",
        "notifier": "mail",
        "reason": "550",
        "severity": "critical",
    }
    desk.handle(Noticed(clock("00:01"), "delivery.lost", "dlv_1", facts))
    desk.handle(TimePassed(clock("00:06")))
    assert (asked(desk), desk.alerts[-1].type) == ([("anna",)], "monitor.escalated")
    act(desk, "00:07", TakeInHand(desk.alerts[-1].id), "anna")
    assert desk.monitor.escalations == ()


def test_a_restart_goes_on_where_the_last_commit_stood() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv); 00:06 ... escalated")
    memory = msgspec.json.decode(msgspec.json.encode(desk.monitor.memory), type=type(desk.monitor.memory))
    again = RiskMonitor(desk.rules, memory, desks.new_book())
    said = again.handle(TimePassed(clock("00:11"))).alerts
    there = desk.handle(TimePassed(clock("00:11")))
    assert [a.id for a in said] == [a.id for a in there] != []


def test_a_step_that_is_gone_from_the_configuration_ends() -> None:
    desk = desk_with()
    desk.play("00:01 0.96 liquidation.triggered(ltv); 00:06 ... escalated")
    desk.handle(ProductsChanged(clock("00:07"), msgspec.structs.replace(desk.rules, duty=Duty())))
    desk.handle(TimePassed(clock("00:11")))
    assert ended(desk) == [("over", ("anna",))]


# The rota


def test_turns_change_at_the_hour_of_the_rotas_own_clock_when_the_clocks_change() -> None:
    """Stockholm goes to summer time on 29 March 2026: nine o'clock is 08:00 UTC before and 07:00 UTC after."""
    rota = Rota("desk", ("anna", "ben"), date(2026, 3, 23), time_zone="Europe/Stockholm")
    shift = rota.on_duty(datetime(2026, 3, 25, tzinfo=UTC))
    assert (shift.person, shift.since, shift.until) == (
        "anna",
        datetime(2026, 3, 23, 8, tzinfo=UTC),
        datetime(2026, 3, 30, 7, tzinfo=UTC),
    )
    assert rota.on_duty(datetime(2026, 3, 30, 6, 59, 59, tzinfo=UTC)).person == "anna"
    following = rota.next_after(datetime(2026, 3, 25, tzinfo=UTC))
    assert following is not None
    assert following.person == "ben"


@pytest.mark.parametrize(
    ("time", "person"), [("00:00", "anna"), ("24:00", "ben"), ("71:59", "ben"), ("72:00", "anna"), ("168:00", "ben")]
)
def test_an_override_holds_for_its_days_alone(time: str, person: str) -> None:
    days = Override(date(2026, 1, 6), date(2026, 1, 7), "ben")
    rota = msgspec.structs.replace(ROTA, overrides=(days,))
    assert rota.on_duty(clock(time)).person == person


@pytest.mark.parametrize(
    "stated",
    [
        {"people": ()},
        {"turn": timedelta(hours=36)},
        {"time_zone": "Europe/Stockhlom"},
        {"overrides": (), "time_zone": "../etc/passwd"},
    ],
)
def test_a_rota_that_cannot_be_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"people|turn|time_zone"):
        Rota(**{"name": "desk", "people": ("anna",), "starts": date(2026, 1, 5)} | stated)
