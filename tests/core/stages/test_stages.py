"""The stage table of decision 11, row by row, and what is not in it; gaps, holds, warnings, reminders."""

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest

from monitor.core.ids import alert_id
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL, SKIPPED, TABLE, Signal, signal_of
from tests.coin_desk import START, WHOLE, clock, line, loan, version
from tests.core.desk import Desk, both_books, product, shorten

ENROLLED = {"delayed_liquidation": True}

# decision 11, one scenario for each row; 72 / 77 / 91 / 95 %.
ROWS = [
    # row                                  enrolled  times, LTVs and alerts
    ("normal -> margin_call",                    0, "00:00 0.77 margin_call.opened"),
    ("normal -> margin_call",                    1, "00:00 0.77 margin_call.opened"),
    ("normal -> delayed",                        1, "00:00 0.91 delayed_liquidation.started"),
    ("margin_call -> delayed",                   1, "00:00 0.8 margin_call.opened; 00:01 0.91 delayed_liquidation.started"),
    ("normal -> liquidation, not enrolled",      0, "00:00 0.91 liquidation.triggered(ltv)"),
    ("normal, immediate band, not enrolled",     0, "00:00 0.96 liquidation.triggered(ltv)"),
    ("margin_call -> liquidation, not enrolled", 0, "00:00 0.8 margin_call.opened; 00:01 0.95 liquidation.triggered(ltv)"),
    ("margin_call, immediate, not enrolled",     0, "00:00 0.8 margin_call.opened; 00:01 0.96 liquidation.triggered(ltv)"),
    ("normal -> immediate, enrolled",            1, "00:00 0.9500001 liquidation.triggered(immediate)"),
    ("margin_call -> immediate, enrolled",       1, "00:00 0.8 margin_call.opened; 00:01 0.96 liquidation.triggered(immediate)"),
    ("delayed -> immediate",                     1, "00:00 0.92 delayed_liquidation.started; 00:01 0.96 liquidation.triggered(immediate)"),
    ("delayed -> grace over",                    1, "00:00 0.92 delayed_liquidation.started; 12:00 0.92 delayed_liquidation.reminder;"
                                                    "23:59 0.92 delayed_liquidation.reminder@18:00 delayed_liquidation.reminder@23:00"
                                                    " delayed_liquidation.reminder@23:45; 24:00 0.92 liquidation.triggered(grace_expired)"),
    ("delayed -> cured at initial",              1, "00:00 0.92 delayed_liquidation.started; 00:01 0.72 delayed_liquidation.cured"),
    ("margin_call -> cured at initial",          0, "00:00 0.77 margin_call.opened; 00:01 0.72 margin_call.cured"),
    ("margin_call -> cured by the hold",         0, "00:00 0.77 margin_call.opened; 00:01 0.7599999 -; 00:16 0.7599 margin_call.cured"),
    ("liquidation -> cleared at initial",        0, "00:00 0.91 liquidation.triggered(ltv); 00:01 0.72 liquidation.cleared"),
    ("liquidation (immediate) -> cleared",       1, "00:00 0.96 liquidation.triggered(immediate); 00:01 0.72 liquidation.cleared"),
]  # fmt: skip


@both_books
@pytest.mark.parametrize(("row", "enrolled", "table"), ROWS, ids=[f"{r[0]}-{r[1]}" for r in ROWS])
def test_every_row_of_the_stage_table(row: str, enrolled: bool, table: str) -> None:
    Desk(line(delayed_liquidation=bool(enrolled))).play(table)


# What must not happen, rules 10-14 and readings A5 and A7.
NOT_IN_THE_TABLE = [
    # what does not lead anywhere                 enrolled  table
    ("restricted band is no stage",                     0, "00:00 0.73 -; 00:01 0.7699999 early_warning"),
    ("margin_call is not opened twice",                 0, "00:00 0.78 margin_call.opened; 00:01 0.9099999 -; 00:02 0.78 -"),
    ("margin_call does not end below m",                0, "00:00 0.78 margin_call.opened; 00:01 0.7200001 -"),
    ("delayed does not end below l, m or above i",      1, "00:00 0.92 delayed_liquidation.started; 00:01 0.8 -; 00:02 0.7200001 -"),
    ("delayed stays at exactly 95 %",                   1, "00:00 0.92 delayed_liquidation.started; 00:01 0.95 -"),
    ("delayed is not started again by another breach",  1, "00:00 0.92 delayed_liquidation.started; 00:01 0.8 -; 00:02 0.94 -"),
    ("liquidation is not triggered again",              0, "00:00 0.92 liquidation.triggered(ltv); 00:01 0.8 -; 00:02 0.97 -"),
    ("liquidation does not end above i",                0, "00:00 0.92 liquidation.triggered(ltv); 00:01 0.7200001 -; 02:00 0.73 -"),
    ("liquidation is not followed by a margin call",    0, "00:00 0.92 liquidation.triggered(ltv); 00:01 0.78 -"),
    ("normal is not cured",                             0, "00:00 0.5 -; 00:01 0.4 -"),
]  # fmt: skip


@both_books
@pytest.mark.parametrize(("what", "enrolled", "table"), NOT_IN_THE_TABLE, ids=[r[0] for r in NOT_IN_THE_TABLE])
def test_what_is_not_in_the_stage_table_does_not_happen(what: str, enrolled: bool, table: str) -> None:
    Desk(line(delayed_liquidation=bool(enrolled))).play(table)


def test_the_table_holds_these_rows_and_no_other() -> None:
    """A row more or less would be another machine than decision 11."""
    bad = {Signal.BREACH, Signal.IMMEDIATE, Signal.OVERDUE, Signal.LENDER}
    assert set(TABLE) == {
        *itertools.product((NORMAL, MARGIN_CALL), {*bad, Signal.GRACE}),
        (NORMAL, Signal.CALL),
        *itertools.product((DELAYED,), {*bad, Signal.GRACE_OVER, Signal.INITIAL} - {Signal.BREACH}),
        *itertools.product((MARGIN_CALL,), {Signal.INITIAL, Signal.HELD, Signal.CALL_TO_GRACE, Signal.CALL_OVER}),
        (LIQUIDATION, Signal.INITIAL),
    }
    assert set(SKIPPED) < set(TABLE)
    assert {TABLE[key].stage for key in SKIPPED} == {DELAYED, LIQUIDATION}


@pytest.mark.parametrize("stage", [NORMAL, MARGIN_CALL, LIQUIDATION])
def test_enrolment_decides_what_the_liquidation_bands_mean(stage: str) -> None:
    """Rules 12-14, reading A7."""
    assert signal_of(stage, "liquidation", True, False) == Signal.GRACE
    assert signal_of(stage, "liquidation", False, False) == Signal.BREACH
    assert signal_of(stage, "immediate", True, False) == Signal.IMMEDIATE
    assert signal_of(stage, "immediate", False, False) == Signal.BREACH


# Gaps, rule 16 and reading A8.
OPENED, STARTED = "loan_group.margin_call.opened", "loan_group.delayed_liquidation.started"
GAPS = [
    # enrolled  before   after     the one alert                        suppressed
    (0,         "0.70",  "0.92",   "liquidation.triggered(ltv)",        [OPENED]),
    (1,         "0.70",  "0.92",   "delayed_liquidation.started",       [OPENED]),
    (1,         "0.70",  "0.96",   "liquidation.triggered(immediate)",  [OPENED, STARTED]),
    (0,         "0.70",  "0.96",   "liquidation.triggered(ltv)",        [OPENED]),
    (1,         "0.80",  "0.96",   "liquidation.triggered(immediate)",  [STARTED]),
    (1,         "0.80",  "0.92",   "delayed_liquidation.started",       []),
    (0,         "0.80",  "0.92",   "liquidation.triggered(ltv)",        []),
    (1,         "0.92",  "0.96",   "liquidation.triggered(immediate)",  []),
    (0,         "0.70",  "0.80",   "margin_call.opened",                []),
]  # fmt: skip


@both_books
@pytest.mark.parametrize(("enrolled", "before", "after", "said", "suppressed"), GAPS)
def test_rule_16_a_gap_is_one_alert_that_names_what_it_skipped(
    enrolled: bool, before: str, after: str, said: str, suppressed: list[str]
) -> None:
    desk = Desk(line(delayed_liquidation=bool(enrolled)))
    desk.price("00:00", before)
    alerts = desk.play(f"00:01 {after} {said}")
    assert list(alerts[0].suppressed) == suppressed


@both_books
def test_rule_13_the_grace_period_ends_in_liquidation_even_below_the_liquidation_level() -> None:
    """Reading A5: falling to 80 % stops no clock."""
    Desk(line(**ENROLLED), grace_reminders=()).play(
        """
        00:00     0.91       delayed_liquidation.started
        00:01     0.8        -
        23:59:59  0.7200001  -
        24:00     0.7200001  liquidation.triggered(grace_expired)
        """
    )


@both_books
def test_reading_a6_at_exactly_24_hours_the_deadline_comes_before_the_cure_of_that_time() -> None:
    Desk(line(**ENROLLED), grace_reminders=()).play(
        """
        00:00  0.91  delayed_liquidation.started
        24:00  0.72  liquidation.triggered(grace_expired) liquidation.cleared
        """
    )


@both_books
def test_reading_a6_each_breach_after_a_full_cure_opens_a_new_24_hours() -> None:
    desk = Desk(line(**ENROLLED), grace_reminders=())
    alerts = desk.play(
        """
        00:00  0.91  delayed_liquidation.started
        10:00  0.72  delayed_liquidation.cured
        11:00  0.91  delayed_liquidation.started
        24:00  0.91  -
        35:00  0.91  liquidation.triggered(grace_expired)
        """
    )
    assert [alert.deadline for alert in alerts] == [clock("24:00"), None, clock("35:00"), None]
    assert [alert.episode for alert in alerts] == [1, 1, 2, 2]


@both_books
def test_decision_12_episode_sequence_supersedes_and_id_of_a_whole_story() -> None:
    desk = Desk(line(**ENROLLED), grace_reminders=())
    alerts = desk.play(
        """
        00:00  0.74  early_warning
        00:01  0.8   margin_call.opened
        00:02  0.92  delayed_liquidation.started
        00:03  0.96  liquidation.triggered(immediate)
        00:04  0.7   liquidation.cleared
        00:05  0.8   margin_call.opened
        00:06  0.7   margin_call.cured
        """
    )
    ids = [alert.id for alert in alerts]
    assert [alert.sequence for alert in alerts] == [1, 2, 3, 4, 5, 6, 7]
    assert [alert.episode for alert in alerts] == [0, 1, 1, 1, 1, 2, 2]
    assert [alert.supersedes for alert in alerts] == [None, None, ids[1], ids[2], ids[3], None, ids[5]]
    assert [(alert.stage_from, alert.stage_to) for alert in alerts[1:5]] == [
        ("normal", "margin_call"),
        ("margin_call", "delayed_liquidation"),
        ("delayed_liquidation", "liquidation"),
        ("liquidation", "normal"),
    ]
    assert ids[1] == alert_id("desk-1", "G-1", 1, 2, "loan_group.margin_call.opened")
    assert len(set(ids)) == 7
    assert all(len(each) == 30 for each in ids)


def test_decision_13_the_id_is_base32_of_sha256_in_lower_case() -> None:
    # printf 'desk-1|G-1|1|2|loan_group.margin_call.opened' | sha256sum | xxd -r -p | base32 | tr A-Z a-z | cut -c1-26
    assert alert_id("desk-1", "G-1", 1, 2, "loan_group.margin_call.opened") == "evt_rwjtq7adfeirjektn3qcvgiwkw"


# -- the clear hold, decision 6 --


@both_books
def test_the_hold_starts_below_m_minus_the_clear_margin_and_not_at_it() -> None:
    Desk(line()).play(
        """
        00:00  0.78       margin_call.opened
        00:01  0.76       -
        00:20  0.76       -
        00:21  0.7599999  -
        00:35  0.7599     -
        00:36  0.7598     margin_call.cured
        """
    )


@both_books
def test_the_hold_is_dropped_at_m_minus_the_clear_margin_and_begins_anew() -> None:
    Desk(line()).play(
        """
        00:00  0.78    margin_call.opened
        00:01  0.75    -
        00:10  0.76    -
        00:11  0.75    -
        00:16  0.751   -
        00:25  0.752   -
        00:26  0.753   margin_call.cured
        """
    )


HOLD_TIES = [
    # what comes at the very end of the hold, 00:16                   table after "00:00 0.78 opened; 00:01 0.75 -"
    ("a price below the line cures then",                             "00:16 0.751 margin_call.cured"),
    ("a price at the line drops it",                                  "00:16 0.76 -; 00:17 0.75 -; 00:31 0.751 -; 00:32 0.75 margin_call.cured"),
    ("a liquidation wins over it",                                    "00:16 0.92 liquidation.triggered(ltv)"),
    ("time alone does not decide it, the next event does",            "00:16 ... -; 00:17 ... margin_call.cured@00:16"),
    ("a later price comes after it",                                  "00:16:01 0.92 margin_call.cured@00:16 liquidation.triggered(ltv)"),
    ("unchanged prices of that time decide it",                       "00:16 0.75 margin_call.cured"),
]  # fmt: skip


@both_books
@pytest.mark.parametrize(("what", "table"), HOLD_TIES, ids=[row[0] for row in HOLD_TIES])
def test_the_hold_is_decided_by_the_prices_of_its_end(what: str, table: str) -> None:
    Desk(line()).play("00:00 0.78 margin_call.opened; 00:01 0.75 -; " + table)


@both_books
def test_the_hold_is_not_decided_by_a_put_at_its_end_for_prices_may_follow() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened; 00:01 0.75 -")
    assert desk.put("00:16", line(labels={"desk": "EU"})) == "-"
    desk.play("00:16 0.77 -; 00:17 0.75 -")


@both_books
def test_the_hold_is_not_decided_by_the_price_of_a_coin_that_the_group_does_not_have() -> None:
    """A book may name groups that nothing happened to, such as all in a hold when any price is there for the first time."""
    desk = Desk(line(), of=product(version(ladders={"USDT": WHOLE, "BTC": WHOLE})))
    desk.play("00:00 0.78 margin_call.opened; 00:01 0.75 -; 00:16 BTC=5 -; 00:16 0.79 -; 00:40 ... -")
    assert desk.state().stage == "margin_call"


@both_books
def test_the_hold_is_not_decided_by_the_accrual_at_its_end() -> None:
    Desk(line()).play("23:40 0.78 margin_call.opened; 23:45 0.75 -; 24:00 0.765 -; 24:01 0.75 -")


@both_books
def test_a_hold_of_nothing_cures_with_the_prices_that_start_it() -> None:
    Desk(line(), clear_hold=timedelta(0)).play(
        "00:00 0.78 margin_call.opened; 00:01 0.76 -; 00:02 0.7599 margin_call.cured"
    )


@both_books
def test_without_margin_the_hold_starts_below_the_margin_call_line_itself() -> None:
    Desk(line(), clear_margin=Decimal(0)).play(
        "00:00 0.78 margin_call.opened; 00:01 0.77 -; 00:02 0.7699999 -; 00:17 0.76 margin_call.cured"
    )


@both_books
def test_the_end_of_a_hold_wakes_the_monitor_just_after_it() -> None:
    desk = Desk(line())
    desk.play("00:00 0.78 margin_call.opened; 00:01 0.75 -")
    assert desk.monitor.next_due == clock("00:16") + timedelta(microseconds=1)


# -- early warnings, decision 14 --


@both_books
def test_a_warning_is_said_once_and_armed_again_below_the_clear_margin() -> None:
    Desk(line()).play(
        """
        00:00  0.7399999  -
        00:01  0.74       early_warning
        00:02  0.76       -
        00:03  0.73       -
        00:04  0.74       -
        00:05  0.7299999  -
        00:06  0.74       early_warning
        """
    )


@both_books
def test_only_the_highest_warning_speaks() -> None:
    Desk(line(), of=product(version(warnings=["0.6", "0.7", "0.74"]))).play(
        """
        00:00  0.59  -
        00:01  0.75  early_warning
        00:02  0.72  -
        00:03  0.74  early_warning
        00:04  0.68  -
        00:05  0.7   early_warning
        00:06  0.77  margin_call.opened
        """
    )


@both_books
def test_a_stage_alert_uses_up_the_warnings_that_it_passed() -> None:
    Desk(line()).play(
        """
        00:00  0.78   margin_call.opened
        00:01  0.755  -
        00:17  0.755  margin_call.cured@00:16
        00:18  0.75   -
        00:19  0.729  -
        00:20  0.74   early_warning
        """
    )


@both_books
def test_warning_levels_at_or_above_the_groups_own_margin_call_are_ignored() -> None:
    Desk(line(thresholds={"margin_call": "0.74"})).play("00:00 0.7399 -; 00:01 0.74 margin_call.opened")


@both_books
def test_without_margin_a_warning_is_armed_again_just_below_its_level() -> None:
    Desk(line(), clear_margin=Decimal(0)).play(
        "00:00 0.74 early_warning; 00:01 0.74 -; 00:02 0.7399 -; 00:03 0.74 early_warning"
    )


@both_books
@pytest.mark.parametrize(("margin", "again"), [("0.73", "early_warning"), ("0.74", "-"), ("1", "-")])
def test_without_debt_ltv_is_zero_which_arms_no_warning_whose_margin_reaches_down_to_it(
    margin: str, again: str
) -> None:
    desk = Desk(line(), clear_margin=Decimal(margin))
    desk.play("00:00 0.74 early_warning")
    desk.enter("00:01", {"type": "repay", "asset": "COIN", "percent": "100"})
    assert desk.enter("00:02", {"type": "borrow", "loan": loan(id="L-2")}) == again


@both_books
def test_a_warning_is_never_beside_a_stage_alert() -> None:
    Desk(line()).play(
        "00:00 0.7 -; 00:01 0.77 margin_call.opened; 00:02 0.72 margin_call.cured; 00:03 0.729 -; 00:04 0.74 early_warning"
    )


# -- reminders --


@both_books
def test_grace_reminders_count_back_from_the_deadline() -> None:
    desk = Desk(line(**ENROLLED))
    alerts = desk.play(
        """
        01:00  0.92  delayed_liquidation.started
        13:00  0.92  delayed_liquidation.reminder
        19:00  0.92  delayed_liquidation.reminder
        24:00  0.92  delayed_liquidation.reminder
        24:44  0.92  -
        24:50  0.92  delayed_liquidation.reminder@24:45
        25:00  0.92  liquidation.triggered(grace_expired)
        """
    )
    assert {alert.deadline for alert in alerts[:5]} == {clock("25:00")}
    assert {alert.supersedes for alert in alerts[1:5]} == {None}


@both_books
def test_a_reminder_longer_than_the_grace_is_not_said() -> None:
    reminders = (timedelta(hours=24), timedelta(hours=30), timedelta(0))
    Desk(line(**ENROLLED), grace_reminders=reminders).play(
        "00:00 0.92 delayed_liquidation.started; 23:59 ... -; 24:00 ... liquidation.triggered(grace_expired)"
    )


@both_books
def test_a_margin_call_is_repeated_forward_from_its_opening() -> None:
    Desk(line()).play(
        """
        01:00  0.78   margin_call.opened
        24:59  0.79   -
        25:00  0.79   margin_call.reminder
        80:00  0.79   margin_call.reminder@49:00 margin_call.reminder@73:00
        """
    )


@both_books
def test_a_margin_call_is_not_repeated_where_no_time_is_configured() -> None:
    Desk(line(), margin_call_repeat=timedelta(0)).play("00:00 0.78 margin_call.opened; 99:00 ... -")


@both_books
def test_a_reminder_at_the_end_of_a_hold_queues_behind_the_cure() -> None:
    Desk(line(), margin_call_repeat=timedelta(minutes=16)).play(
        "00:00 0.78 margin_call.opened; 00:01 0.75 -; 00:16 ... -; 00:17 ... margin_call.cured@00:16"
    )


# -- overdue loans, reading A12 --


def due(matures: str, **more: object) -> dict[str, object]:
    return line(loans=[loan(matures=matures)], **more)


@both_books
def test_reading_a12_a_loan_is_overdue_at_its_maturity_and_liquidated_24_hours_later() -> None:
    desk = Desk(due("05:00"))
    alerts = desk.play("00:00 0.5 -; 05:00 0.5 loan.overdue; 28:59 0.5 -; 29:00 0.5 liquidation.triggered(overdue)")
    overdue = desk.told(alerts[0])["data"]
    assert overdue["facts"] == {
        "loan": "L-1",
        "asset": "COIN",
        "matured_at": "2026-01-05T05:00:00.000Z",
        "liquidation_at": "2026-01-06T05:00:00.000Z",
        "assumed": True,
    }
    assert overdue["stage"] == {"from": "normal", "to": "normal"}
    assert overdue["reason"] == "overdue"


@both_books
@pytest.mark.parametrize(
    ("before", "enrolled"),
    [("00:00 0.5 -", 0), ("00:00 0.8 margin_call.opened", 0), ("00:00 0.92 delayed_liquidation.started", 1)],
)
def test_reading_a12_the_overdue_deadline_liquidates_from_any_other_stage(before: str, enrolled: bool) -> None:
    desk = Desk(due("-20:00", delayed_liquidation=bool(enrolled)), grace_reminders=())
    desk.play(before.replace(" -", " loan.overdue") if before.endswith("-") else before + " loan.overdue")
    desk.play("03:59 ... -; 04:00 ... liquidation.triggered(overdue)")


@both_books
def test_an_overdue_deadline_in_liquidation_changes_the_reason_in_silence() -> None:
    desk = Desk(due("05:00"))
    desk.play("00:00 0.92 liquidation.triggered(ltv); 06:00 0.92 loan.overdue@05:00; 29:00 0.92 -")
    assert desk.state().reason == "overdue"
    desk.play("29:01 0.5 -")  # the loan is overdue still, so the LTV alone clears nothing
    assert desk.put("29:02", line()) == "liquidation.cleared"


@both_books
def test_a_liquidation_for_an_overdue_loan_clears_when_none_is_overdue_and_ltv_is_initial() -> None:
    desk = Desk(due("00:30"))
    desk.play("00:00 0.5 -; 25:00 0.8 loan.overdue@00:30 liquidation.triggered(overdue)@24:30")
    assert desk.put("25:01", due("900:00")) == "-"  # renewed, but LTV is above initial
    desk.play("25:02 0.7200001 -; 25:03 0.72 liquidation.cleared")


@both_books
def test_an_overdue_liquidation_clears_when_the_debt_is_gone() -> None:
    desk = Desk(due("00:30"))
    desk.play("00:00 0.5 -; 25:00 0.8 loan.overdue@00:30 liquidation.triggered(overdue)@24:30")
    assert desk.enter("25:01", {"type": "liquidated"}) == "liquidation.cleared"


@both_books
def test_a_repaid_loan_is_not_overdue_and_one_that_owes_only_interest_is() -> None:
    Desk(line(loans=[loan(principal="0", matures="05:00")])).play("00:00 0.5 -; 30:00 0.5 -")
    Desk(line(loans=[loan(principal="0", interest="1", matures="05:00")])).play(
        "00:00 0.5 -; 06:00 0.5 loan.overdue@05:00"
    )


@both_books
def test_a_deadline_past_at_the_put_runs_after_the_first_evaluation_at_its_time() -> None:
    desk = Desk(line("G-2"))
    desk.play("00:00 0.8 margin_call.opened:G-2")
    assert desk.put("00:05", due("-30:00")) == "margin_call.opened loan.overdue liquidation.triggered(overdue)"


@both_books
def test_a_loan_that_was_repaid_and_is_owed_again_is_overdue_again() -> None:
    """Promise 1: what was said of the old debt does not silence the new one."""
    desk = Desk(due("-30:00"))
    desk.play("00:00 0.5 loan.overdue liquidation.triggered(overdue)")
    assert desk.put("00:10", line(loans=[loan(principal="0", matures="-30:00")])) == "liquidation.cleared"
    assert desk.put("00:20", due("-30:00")) == "loan.overdue liquidation.triggered(overdue)"


# -- who was not enrolled, and who no longer is --


@both_books
def test_leaving_the_scheme_keeps_a_running_grace_period() -> None:
    desk = Desk(line(**ENROLLED), grace_reminders=())
    desk.play("00:00 0.92 delayed_liquidation.started")
    assert desk.enter("00:05", {"type": "enroll", "delayed_liquidation": False}) == "-"
    desk.play("00:06 0.93 -; 00:07 0.96 liquidation.triggered(immediate)")


@both_books
def test_enrolling_in_liquidation_gives_no_grace() -> None:
    desk = Desk(line())
    desk.play("00:00 0.92 liquidation.triggered(ltv)")
    assert desk.enter("00:05", {"type": "enroll", "delayed_liquidation": True}) == "-"
    desk.play("00:06 0.93 -")


@both_books
def test_several_groups_of_one_event_alert_in_the_order_of_their_ids() -> None:
    Desk(line("G-3"), line("G-1"), line("G-20"), line("G-2")).play(
        "00:00 0.8 margin_call.opened margin_call.opened:G-2 margin_call.opened:G-20 margin_call.opened:G-3"
    )


def test_alerts_of_a_fold_never_go_back_in_time_for_a_group() -> None:
    desk = Desk(line(**ENROLLED))
    desk.play("00:00 0.8 margin_call.opened")
    desk.price("70:00", "0.92")
    times = [alert.at for alert in desk.alerts]
    assert times == sorted(times)
    assert shorten(desk.alerts[-1], START).startswith("delayed_liquidation.started")
