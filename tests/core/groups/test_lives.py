"""A closed group that is put again: another life, or the one that a snapshot had interrupted (docs/lifecycle.md)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import Acknowledge, MakeSilence
from monitor.core.events.events import OperatorAct
from monitor.core.rules.duty import Duty, Escalation, EscalationStep
from tests.coin_desk import clock, line, loan
from tests.core.desk import Desk, both_books
from tests.core.groups.test_loan_history import RowDesk, short

pytestmark = both_books
HOUR = {"reopen": timedelta(hours=1)}
ENROLLED = {"delayed_liquidation": True}
OURS, THEIRS = {"borrower": "ACME"}, {"borrower": "BETA"}


def in_grace(**lifecycle: Any) -> Desk:
    """In its grace period until 24:00, acknowledged."""
    desk = Desk(line(labels=OURS, **ENROLLED), **lifecycle)
    desk.play("00:00 0.92 delayed_liquidation.started")
    act = Acknowledge("G-1", 1, "delayed_liquidation", desk.alerts[0].id)
    desk.handle(OperatorAct(clock("00:01"), "ops", act))
    return desk


def test_a_group_that_one_snapshot_lacks_goes_on_as_it_was() -> None:
    """Stage, deadline and acknowledgement stay, the version goes on, and nothing is told a second time."""
    desk = in_grace(**HOUR)
    before = desk.sight()
    desk.close("01:00")
    assert desk.put("01:59", line(labels=OURS, **ENROLLED)) == "-"
    after = desk.sight()
    assert (after.state.stage, after.state.deadline, after.state.ack, after.state.life) == (
        before.state.stage,
        before.state.deadline,
        before.state.ack,
        0,
    )
    assert after.version == before.version + 1
    assert after.state.ack is not None
    desk.play("24:00 0.92 liquidation.triggered(grace_expired)")
    assert [(a.episode, a.sequence) for a in desk.alerts] == [(1, 1), (1, 2)]


def test_it_goes_on_over_a_restart_in_between() -> None:
    desk = in_grace(**HOUR)
    desk.close("01:00")
    desk.restart()
    assert desk.put("01:30", line(labels=OURS, **ENROLLED)) == "-"
    assert desk.state().ack is not None


def test_a_grace_that_ended_meanwhile_ends_with_the_next_event() -> None:
    desk = in_grace(**HOUR)
    desk.close("23:30")
    assert desk.put("24:10", line(labels=OURS, **ENROLLED)) == "-"
    assert desk.pass_time("24:11") == "liquidation.triggered(grace_expired)@24:00"


@pytest.mark.parametrize(
    ("why", "at", "labels", "source", "told"),
    [
        ("too late", "02:01", OURS, "book", "closed@02:00 delayed_liquidation.started"),
        ("in its last moment", "02:00", OURS, "book", "closed delayed_liquidation.started"),
        ("other labels", "01:30", THEIRS, "book", "closed delayed_liquidation.started"),
        ("another source", "01:30", OURS, "other", "closed delayed_liquidation.started"),
    ],
)
def test_otherwise_it_is_another_life(why: str, at: str, labels: dict[str, str], source: str, told: str) -> None:
    """The episode of the former one ends. It begins anew in `normal`, and goes on counting: no alert id comes twice."""
    desk = in_grace(**HOUR)
    assert desk.close("01:00") == "-"
    assert desk.put(at, line(labels=labels, **ENROLLED), source=source) == told, why
    seen = desk.sight()
    assert (seen.version, seen.state.life, seen.state.ack) == (1, 1, None)
    assert [(a.episode, a.sequence) for a in desk.alerts] == [(1, 1), (1, 2), (2, 3)]
    assert seen.state.deadline == clock(at) + timedelta(hours=24)


def test_nobody_hears_that_a_group_is_closed_while_it_may_come_back() -> None:
    """A bad snapshot would close hundreds of incidents, and the next one would have to open them all again."""
    desk = in_grace(**HOUR)
    assert desk.close("01:00") == "-"
    assert desk.pass_time("01:59") == "-"
    desk.restart()
    assert desk.pass_time("02:30") == "closed@02:00"
    (opened, closed) = desk.alerts
    assert (closed.stage_from, closed.stage_to, closed.supersedes) == ("delayed_liquidation", None, opened.id)
    assert closed.group == opened.group
    assert closed.contacts == opened.contacts
    assert closed.facts == {"source": "book", "left_at": "2026-01-05T01:00:00.000Z"}
    desk.restart()
    assert desk.pass_time("09:00") == "-"


@pytest.mark.parametrize(("minutes", "told"), [(0, "01:10"), (15, "01:15"), (90, "02:30")])
def test_other_rules_give_a_group_another_time_to_come_back(minutes: int, told: str) -> None:
    desk = in_grace(**HOUR)
    desk.close("01:00")
    lifecycle = msgspec.structs.replace(desk.monitor.rules.lifecycle, reopen=timedelta(minutes=minutes))
    assert desk.change("01:10", lifecycle=lifecycle) == "-"
    assert desk.pass_time("03:00") == f"closed@{told}"


def test_a_silence_hides_no_end_of_an_episode() -> None:
    desk = in_grace(**HOUR)
    silence = MakeSilence("s-1", Match(group="G-1"), clock("09:00"), "maintenance")
    desk.handle(OperatorAct(clock("00:30"), "ops", silence))
    desk.close("01:00")
    assert desk.pass_time("02:30") == "closed@02:00"
    assert desk.alerts[-1].silenced_by is None


def test_a_group_that_came_back_is_not_told_to_be_closed() -> None:
    desk = in_grace(**HOUR)
    desk.close("01:00")
    desk.put("01:30", line(labels=OURS, **ENROLLED))
    assert desk.pass_time("09:00") == "-"
    desk.close("10:00")
    assert desk.pass_time("11:01") == "closed@11:00"


def test_a_group_that_a_person_closed_does_not_go_on() -> None:
    desk = Desk(**HOUR)
    desk.put("00:00", line(labels=OURS, **ENROLLED), source="api")
    desk.play("00:00 0.92 delayed_liquidation.started")
    desk.close("01:00", source="api")
    assert desk.put("01:01", line(labels=OURS, **ENROLLED), source="api") == "delayed_liquidation.started"
    assert desk.state().life == 1


def test_without_reopen_no_group_goes_on() -> None:
    """Event logs from before it was there fold so."""
    desk = in_grace()
    desk.close("01:00")
    assert desk.put("01:00", line(labels=OURS, **ENROLLED)) == "delayed_liquidation.started"


def test_an_untouched_group_counts_its_lives_too() -> None:
    """Nothing was ever told of it, but its history and its entries are those of a former life; over a restart as well."""
    desk = Desk(line())
    for life in (1, 2):
        desk.close("01:00")
        desk.restart()
        desk.put("01:00", line())
        assert (desk.state().life, desk.sight().version) == (life, 1)


def test_a_clear_hold_and_reminders_that_nobody_saw_do_not_count() -> None:
    desk = Desk(line(), **HOUR)
    desk.play("00:00 0.8 margin_call.opened; 00:01 0.75 -")
    desk.close("00:02")
    assert desk.put("00:55", line()) == "-"
    desk.play("00:56 0.75 -; 01:10 0.75 margin_call.cured")


def test_what_a_group_was_is_forgotten_when_it_cannot_come_back_any_more() -> None:
    desk = Desk(line(), line("G-2"), line("G-3"), **HOUR)
    for time, id_ in (("00:10", "G-1"), ("00:30", "G-2"), ("01:20", "G-3")):
        desk.close(time, id_)
    kept = desk.monitor.changes.retired
    assert [kept[id_].closed is not None for id_ in ("G-1", "G-2", "G-3")] == [False, True, True]
    assert [kept[id_].life for id_ in ("G-1", "G-2", "G-3")] == [1, 1, 1]


def test_people_are_asked_on_about_a_group_that_comes_back() -> None:
    """The step that was due meanwhile comes when the group does; of one that stays away they hear that it is over."""
    steps = (EscalationStep(timedelta(minutes=5), ("anna",)), EscalationStep(timedelta(minutes=10), ("ben",)))
    duty = Duty(escalations=(Escalation("night", steps, repeat=0),))
    for comes_back in (True, False):
        desk = Desk(**HOUR)
        desk.change("00:00", duty=duty)
        desk.put("00:00", line(labels=OURS))
        desk.play("00:00 0.96 liquidation.triggered(ltv); 00:05 ... escalated")
        desk.close("00:06")
        assert desk.pass_time("00:20") == "-"
        if comes_back:
            desk.put("00:30", line(labels=OURS))
            assert desk.pass_time("00:31") == "escalated@00:30"
            assert desk.alerts[-1].facts["people"] == ["ben"]
        else:
            assert desk.pass_time("01:06") == "closed monitor.escalation_ended"


# -- rows --


def test_rows_carry_the_labels_and_the_life_of_their_time() -> None:
    it = RowDesk(line(loans=[loan(principal="50")], labels=OURS))
    it.price("00:00", "0.5")
    it.enter("01:00", {"type": "repay", "asset": "COIN", "amount": "10"})
    it.close("02:00")
    it.put("03:00", line(loans=[loan(principal="40")], labels=THEIRS))
    it.enter("04:00", {"type": "repay", "asset": "COIN", "amount": "10"})
    assert [(row.labels, row.life) for row in it.rows] == [(OURS, 0), (OURS, 0), (THEIRS, 1)]
    assert short(it) == ["repayment:L-1", "loan:L-1 closed", "repayment:L-1"]


def test_a_group_that_goes_on_says_that_its_loans_are_back() -> None:
    desk = RowDesk(line(loans=[loan(principal="50")], labels=OURS), **HOUR)
    desk.price("00:00", "0.5")
    desk.close("01:00")
    desk.put("01:10", line(loans=[loan(principal="50")], labels=OURS))
    assert short(desk) == ["loan:L-1 closed", "loan:L-1 opened"]
    assert (desk.rows[1].facts["reason"], desk.rows[1].labels, desk.rows[1].life) == ("group_back", OURS, 0)


def test_where_a_group_changes_hands_each_row_is_for_those_whose_it_tells_of() -> None:
    """What ends is for those who had the group, what begins for those who have it; what tells of both is for neither."""
    rate = {"rate": {"kind": "flexible"}}
    before = [loan(id="gone", principal="10"), loan(id="same", principal="10"), loan(id="more", principal="10")]
    after = [loan(id="same", principal="10", **rate), loan(id="more", principal="20"), loan(id="new", principal="5")]
    both = {"desk": "EU"}
    it = RowDesk(line(loans=before, labels=OURS | both))
    it.price("00:00", "0.5")
    it.put("30:00", line(loans=after, labels=THEIRS | both))
    found = {(row.kind, row.loan, row.facts.get("what", "")): row for row in it.rows}
    assert found.keys() >= {("loan", "gone", "closed"), ("loan", "more", "restated"), ("loan", "new", "opened")}
    assert found["loan", "gone", "closed"].labels == OURS | both
    assert found["loan", "new", "opened"].labels == THEIRS | both
    assert found["loan", "more", "restated"].labels == both
    assert found["loan", "more", "restated"].before is None
    assert found["settled", "more", ""].labels == OURS | both
    theirs = [row for row in it.rows if row.labels == THEIRS | both]
    assert all(row.before is None for row in theirs), "how a loan was before is no matter of those who have it now"
