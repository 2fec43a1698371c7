"""Acknowledgements stop reminders, silences keep alerts from the channels: neither hides what is worse."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import Acknowledge, Act, MakeSilence, Unacknowledge, Unsilence
from monitor.core.events.events import OperatorAct
from monitor.core.rules.settings import Trust
from monitor.core.watch.watchers import silences
from tests.coin_desk import clock, line, loan
from tests.core.desk import Desk, both_books

pytestmark = both_books

ALL = Match(group="*")


def act(desk: Desk, time: str, what: Act, who: str = "ops") -> list[Alert]:
    return desk.handle(OperatorAct(clock(time), who, what))


def ack(desk: Desk, time: str, until: str | None = None, **more: Any) -> None:
    state = desk.state()
    end = clock(until) if until else None
    act(desk, time, Acknowledge("G-1", state.episode, state.stage, state.last_alert or "", "called them", end, **more))


def hush(desk: Desk, time: str, until: str = "48:00", match: Match = ALL, id_: str = "sil-1", **more: Any) -> None:
    act(desk, time, MakeSilence(id_, match, clock(until), "maintenance", **more))


def quiet(desk: Desk) -> list[str]:
    """Types that were said of late, with the silence that hides each."""
    return [f"{a.type.removeprefix('loan_group.')}:{a.silenced_by or 'told'}" for a in desk.alerts]


# Acknowledgements


def test_an_acknowledged_call_is_not_repeated() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00")
    desk.play("30:00 ... -; 60:00 ... -")
    found = desk.state().ack
    assert found is not None
    assert (found.by, found.at, found.note, found.until) == ("ops", clock("01:00"), "called them", None)


def test_reminders_go_on_when_the_acknowledgement_ends() -> None:
    """Those that were due meanwhile are not made up for; one that is due at the very end is told."""
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00", "50:00")
    desk.play("49:59 ... -; 60:00 ... -; 72:00 ... margin_call.reminder")
    assert desk.state().ack is None
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00", "48:00")
    desk.play("73:00 ... margin_call.reminder@48:00 margin_call.reminder@72:00")


def test_the_reminders_of_a_grace_period_rest_as_well() -> None:
    desk = Desk(line(delayed_liquidation=True))
    desk.play("00:00 0.92 delayed_liquidation.started")
    ack(desk, "01:00", "20:00")
    desk.play("19:00 ... -; 23:00 ... delayed_liquidation.reminder")
    desk.play("24:00 ... delayed_liquidation.reminder@23:45 liquidation.triggered(grace_expired)")


def test_a_worse_stage_ends_an_acknowledgement_and_so_does_a_cure() -> None:
    desk = Desk(line(delayed_liquidation=True))
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00")
    desk.play("02:00 0.92 delayed_liquidation.started; 14:00 ... delayed_liquidation.reminder")
    ack(desk, "15:00")
    desk.play("16:00 0.70 delayed_liquidation.cured; 17:00 0.78 margin_call.opened")
    assert desk.state().ack is None


def test_an_acknowledgement_can_be_taken_back() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00")
    act(desk, "30:00", Unacknowledge("G-1", desk.state().last_alert or ""))
    desk.play("48:00 ... margin_call.reminder")


def test_the_same_acknowledgement_twice_is_one() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00")
    first = desk.state().ack
    ack(desk, "02:00")
    assert desk.state().ack == first
    assert not desk.last.is_durable


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"group": "G-9"}, "nothing_to_acknowledge"),
        ({"episode": 2}, "nothing_to_acknowledge"),
        ({"stage": "liquidation"}, "other_stage"),
        ({"until": clock("01:00")}, "bad_until"),
    ],
)
def test_what_is_over_cannot_be_acknowledged(changes: dict[str, Any], reason: str) -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    good = Acknowledge("G-1", 1, "margin_call", desk.state().last_alert or "")
    act(desk, "01:00", msgspec.structs.replace(good, **changes))
    assert desk.last.refused is not None
    assert desk.last.refused.reason == reason
    assert desk.state().ack is None


def test_a_restart_keeps_an_acknowledgement_and_its_end() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    ack(desk, "01:00", "50:00")
    desk.restart()
    desk.play("60:00 ... -; 72:00 ... margin_call.reminder")


# Silences


def test_a_silenced_reminder_is_said_and_goes_nowhere() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened")
    hush(desk, "01:00")
    desk.play("24:00 ... margin_call.reminder; 49:00 ... margin_call.reminder@48:00; 72:00 ... margin_call.reminder")
    assert quiet(desk) == [
        "margin_call.opened:told", "margin_call.reminder:sil-1", "margin_call.reminder:sil-1", "margin_call.reminder:told",
    ]  # fmt: skip
    assert desk.told(desk.alerts[1])["data"]["silenced_by"] == "sil-1"
    assert "silenced_by" not in desk.told(desk.alerts[0])["data"]


def test_a_worse_stage_than_the_silenced_one_is_told() -> None:
    """However often the group comes back: what counts is the stage in which it was when it was silenced."""
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00")
    desk.play("02:00 0.75 early_warning; 03:00 0.78 margin_call.opened; 04:00 0.70 margin_call.cured")
    desk.play("05:00 0.78 margin_call.opened; 06:00 0.92 liquidation.triggered(ltv)")
    assert quiet(desk) == [
        "early_warning:sil-1", "margin_call.opened:told", "margin_call.cured:told", "margin_call.opened:told",
        "liquidation.triggered:told",
    ]  # fmt: skip


def test_a_reminder_of_a_worse_stage_is_told_though_its_stage_alert_did_not_match() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", match=Match(type="*.reminder"))
    desk.play("02:00 0.78 margin_call.opened; 26:00 ... margin_call.reminder")
    assert quiet(desk) == ["margin_call.opened:told", "margin_call.reminder:told"]


def test_a_silence_may_say_what_it_hides_at_worst() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", up_to="margin_call")
    desk.play("02:00 0.78 margin_call.opened; 03:00 0.92 liquidation.triggered(ltv)")
    assert quiet(desk) == ["margin_call.opened:sil-1", "liquidation.triggered:told"]


def test_even_worse_hides_everything_but_good_news() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", even_worse=True)
    desk.play("02:00 0.92 liquidation.triggered(ltv); 03:00 0.70 liquidation.cleared")
    assert quiet(desk) == ["liquidation.triggered:sil-1", "liquidation.cleared:told"]


def test_what_is_critical_is_told_though_the_stage_stays() -> None:
    """A loan that is overdue begins the way to liquidation."""
    desk = Desk(line(loans=[loan(matures="10:00")]))
    desk.play("00:00 0.70 -")
    hush(desk, "01:00")
    told = desk.handle(OperatorAct(clock("10:00"), "ops", Unsilence("none")))
    assert [(a.type, a.silenced_by) for a in told] == [("loan.overdue", None)]


def test_an_end_tells_again_who_is_still_where_nobody_was_told() -> None:
    desk = Desk(line("G-1"), line("G-2"), line("G-3"))
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", until="05:00", match=Match(group="G-[12]"), up_to="critical")
    desk.play("02:00 0.78 margin_call.opened margin_call.opened:G-2 margin_call.opened:G-3")
    hidden = desk.state().last_alert
    desk.play("06:00 ... margin_call.opened@05:00 margin_call.opened:G-2@05:00")
    again = desk.alerts[-2]
    assert again.silenced_by is None
    assert (again.supersedes, again.sequence, again.episode) == (hidden, 2, 1)
    assert (again.stage_from, again.stage_to) == ("margin_call", "margin_call")
    assert again.facts == {"silence": "sil-1", "hidden": hidden}
    assert again.figures is not None
    assert again.figures.ltv == Decimal("0.78")
    assert desk.state().last_alert == again.id
    assert desk.state().silence is None


def test_who_recovered_or_was_told_worse_is_not_told_again() -> None:
    desk = Desk(line("G-1"), line("G-2", collateral={"acct-G-2": {"USDT": "90"}}))
    desk.play("00:00 0.60 -")
    hush(desk, "01:00", up_to="margin_call")
    desk.play("02:00 0.78 margin_call.opened margin_call.opened:G-2")
    desk.play("03:00 0.83 liquidation.triggered(ltv):G-2; 04:00 0.70 margin_call.cured")
    assert act(desk, "05:00", Unsilence("sil-1")) == []


def test_a_second_silence_still_hides_what_the_first_has_hidden() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", until="05:00", up_to="critical")
    hush(desk, "01:00", until="07:00", up_to="critical", id_="sil-2")
    desk.play("02:00 0.78 margin_call.opened; 06:00 ... margin_call.opened@05:00; 08:00 ... margin_call.opened@07:00")
    assert quiet(desk) == ["margin_call.opened:sil-1", "margin_call.opened:sil-2", "margin_call.opened:told"]


def test_an_alert_about_a_price_is_silenced_by_its_type() -> None:
    trust = Trust(stale_after=timedelta(seconds=10), sources=("feed",))
    desk = Desk(line(), trust=trust)
    desk.play("00:00 0.70 -")
    hush(desk, "00:00:01", match=Match(type="price.*"))
    desk.pass_time("00:01")
    assert quiet(desk) == ["price.stale:sil-1"]


def test_a_critical_alert_about_no_group_is_hidden_only_where_that_is_said() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", match=Match(type="monitor.*"))
    desk.notice("02:00", "monitor.degraded", "disk")
    hush(desk, "03:00", match=Match(type="monitor.*"), up_to="critical", id_="sil-2")
    desk.notice("04:00", "monitor.degraded", "memory")
    assert quiet(desk) == ["monitor.degraded:told", "monitor.degraded:sil-2"]


def test_a_restart_keeps_silences_what_they_hid_and_their_ends() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", until="05:00", up_to="margin_call")
    desk.play("02:00 0.78 margin_call.opened")
    desk.restart()
    desk.play("06:00 ... margin_call.opened@05:00")
    assert desk.monitor.silences == ()


def test_a_group_that_is_closed_meanwhile_is_not_told_of() -> None:
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", until="05:00", up_to="margin_call")
    desk.play("02:00 0.78 margin_call.opened")
    desk.close("03:00")
    desk.play("06:00 ... -")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"until": clock("01:00")}, "bad_until"),
        ({"until": clock("01:00") + silences.LONGEST_SILENCE + timedelta(seconds=1)}, "bad_until"),
        ({"id": "sil-1"}, "silence_exists"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(changes: dict[str, Any], reason: str) -> None:
    desk = Desk(line())
    hush(desk, "00:30")
    act(desk, "01:00", msgspec.structs.replace(MakeSilence("sil-2", ALL, clock("02:00"), "r"), **changes))
    assert desk.last.refused is not None
    assert desk.last.refused.reason == reason
    assert [s.said.id for s in desk.monitor.silences] == ["sil-1"]


def test_there_are_not_more_silences_than_every_alert_can_be_held_against() -> None:
    desk = Desk(line())
    for n in range(silences.MOST_SILENCES + 1):
        hush(desk, "01:00", id_=f"sil-{n}")
    assert desk.last.refused is not None
    assert desk.last.refused.reason == "too_many_silences"


def test_what_silences_leave_in_a_state_goes_with_them() -> None:
    """The state of a group of many years does not grow with the silences that there were."""
    desk = Desk(line())
    desk.play("00:00 0.70 -")
    hush(desk, "01:00", until="02:30")
    desk.play("02:00 0.78 margin_call.opened")
    assert desk.state().ceilings == (("sil-1", "normal"),)
    desk.play("03:00 0.70 margin_call.cured")
    assert desk.state().ceilings == ()
