"""Deadlines in order: decision 5."""

from datetime import timedelta
from decimal import Decimal

from monitor.core.deadlines import (
    ACCRUAL,
    GRACE,
    GROUP,
    HOLD,
    MATURITY,
    OVERDUE,
    PRICE,
    REMINDER,
    RULES,
    Agenda,
    Deadline,
)
from monitor.core.instants import MICROSECOND
from monitor.core.rules.settings import Trust
from tests.coin_desk import clock, line, loan, version
from tests.core.desk import Desk, both_books, plainly, product

AT = clock("12:00")
LATER = AT + MICROSECOND


def drained(agenda: Agenda) -> list[Deadline]:
    run = []
    while (deadline := agenda.pop_due(LATER)) is not None:
        run.append(deadline)
    return run


def test_at_one_time_accrual_then_rules_then_groups_by_id_then_what_is_late() -> None:
    agenda = Agenda()
    agenda.set(GROUP, "G-2", Deadline(AT, GROUP, "G-2", GRACE), Deadline(AT, GROUP, "G-2", HOLD))
    agenda.set(PRICE, "BTC", None, Deadline(AT, PRICE, "BTC"))
    agenda.set(GROUP, "G-1", Deadline(AT, GROUP, "G-1", REMINDER))
    agenda.set(RULES, "", Deadline(AT, RULES, ""))
    agenda.set(ACCRUAL, "", Deadline(AT, ACCRUAL, ""))
    run = drained(agenda)
    assert [(d.phase, d.subject) for d in run] == [
        (ACCRUAL, ""), (RULES, ""), (GROUP, "G-1"), (GROUP, "G-2"), (PRICE, "BTC"), (GROUP, "G-2"),
    ]  # fmt: skip
    assert GRACE < MATURITY < OVERDUE < HOLD < REMINDER


def test_a_firm_deadline_runs_before_an_event_of_its_time_and_a_late_one_only_before_a_later_event() -> None:
    agenda = Agenda()
    agenda.set(GROUP, "G-1", Deadline(AT, GROUP, "G-1", GRACE), Deadline(AT, GROUP, "G-1", HOLD))
    assert agenda.pop_due(AT - MICROSECOND) is None
    assert agenda.pop_due(AT) == Deadline(AT, GROUP, "G-1", GRACE)
    assert agenda.pop_due(AT) is None
    assert agenda.late_at(AT) == [Deadline(AT, GROUP, "G-1", HOLD)]
    assert agenda.next_due == LATER
    assert agenda.pop_due(LATER) == Deadline(AT, GROUP, "G-1", HOLD)
    assert agenda.next_due is None


def test_a_deadline_that_was_replaced_or_taken_back_does_not_run() -> None:
    agenda = Agenda()
    agenda.set(GROUP, "G-1", Deadline(AT, GROUP, "G-1"))
    agenda.set(GROUP, "G-2", Deadline(AT, GROUP, "G-2"))
    agenda.set(GROUP, "G-1", Deadline(AT - MICROSECOND, GROUP, "G-1"))
    agenda.set(GROUP, "G-2", None)
    assert agenda.next_due == AT - MICROSECOND
    assert drained(agenda) == [Deadline(AT - MICROSECOND, GROUP, "G-1")]


def test_a_deadline_set_again_to_the_same_time_runs_once() -> None:
    agenda = Agenda()
    for _ in range(3):
        agenda.set(GROUP, "G-1", Deadline(AT, GROUP, "G-1"))
        agenda.set(GROUP, "G-1", None)
        agenda.set(GROUP, "G-1", Deadline(AT, GROUP, "G-1"))
    assert len(drained(agenda)) == 1


# -- the order as the desk sees it --


@both_books
def test_accrual_comes_first_and_then_the_grace_deadline_of_the_same_midnight() -> None:
    """The interest of the midnight is in the figures of what happens at it."""
    rates = {"COIN": "0.01", "USDT": "0"}
    desk = Desk(line(delayed_liquidation=True), of=product(version(rates=rates)), grace_reminders=())
    alerts = desk.play("00:00 0.91 delayed_liquidation.started; 24:00 ... liquidation.triggered(grace_expired)")
    assert alerts[1].figures is not None
    assert alerts[1].figures.debt_usd == Decimal("91.91")


@both_books
def test_within_a_group_grace_comes_before_the_overdue_deadline() -> None:
    """The second finds the group in liquidation already: it changes the reason and says nothing."""
    owed = [loan(principal="50"), loan(principal="50", id="L-2", matures="00:00:01")]
    desk = Desk(line(loans=owed, delayed_liquidation=True), grace_reminders=())
    desk.play(
        """
        00:00:01  0.92  loan.overdue delayed_liquidation.started
        24:00:01  ...   liquidation.triggered(grace_expired)
        """
    )
    assert desk.state().reason == "overdue"


@both_books
def test_no_order_of_one_time_depends_on_whether_time_was_told_to_pass() -> None:
    """A clear hold of G-1 and a grace period of G-2 end at one time."""
    runs = []
    for step in (False, True):
        desk = Desk(line(), grace_reminders=(), clear_hold=timedelta(hours=24), margin_call_repeat=timedelta(0))
        desk.play("00:00 0.78 margin_call.opened; 00:01 0.75 -")
        short = line("G-2", collateral={"b": {"USDT": "80"}}, delayed_liquidation=True)
        assert desk.put("00:01", short) == "delayed_liquidation.started:G-2"
        if step:
            desk.pass_time("24:01")
        desk.pass_time("24:02")
        runs.append(plainly(desk.alerts))
    assert runs[0] == runs[1]
    assert [alert["subject"] for alert in runs[0][2:]] == ["G-2", "G-1"]


@both_books
def test_a_price_that_goes_stale_at_a_deadlines_time_was_good_at_it() -> None:
    """The grace period ends on the last instant at which COIN is not yet stale, however time is told to pass."""
    runs = []
    for step in (False, True):
        desk = Desk(line(delayed_liquidation=True), trust=Trust(stale_after=timedelta(hours=24)), grace_reminders=())
        desk.play("00:00 0.92 delayed_liquidation.started")
        if step:
            desk.pass_time("24:00")
        desk.pass_time("24:01")
        runs.append([(alert.type, alert.blind) for alert in desk.alerts[1:]])
    assert runs[0] == runs[1]
    assert runs[0] == [("loan_group.liquidation.triggered", False), ("price.stale", True)]
