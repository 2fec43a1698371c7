"""Time as an input (decision 6): the clear hold, reminders, accrual, maturity, versions, unknown groups."""

from decimal import Decimal

import pytest

from tests.coin_desk import START, WHOLE, clock, line, loan
from tests.reference.desk import NOTHING, ReferenceDesk, version
from tests.reference.model import Model


def test_the_hold_starts_a_margin_below_the_margin_call_and_cures_as_a_deadline() -> None:
    ReferenceDesk(line()).play(
        """
        00:00  0.80      margin_call.opened
        00:01  0.76      -
        00:02  0.759999  -
        00:16  0.7599    -
        00:18  0.90      margin_call.cured@00:17 margin_call.opened
        """
    )


def test_the_hold_is_decided_by_the_prices_exactly_at_its_end() -> None:
    start = "00:00 0.80 margin_call.opened ; 00:01 0.755 - ; "
    ReferenceDesk(line()).play(start + "00:16 0.755  margin_call.cured")
    ReferenceDesk(line()).play(start + "00:16 0.7501 margin_call.cured")
    ReferenceDesk(line()).play(start + "00:16 0.76   - ; 00:20 0.755 - ; 00:34 0.755 - ; 00:35 0.755 margin_call.cured")
    ReferenceDesk(line()).play(start + "00:16 0.91   liquidation.triggered(ltv) ; 00:17 0.75 -")


def test_the_hold_runs_as_a_deadline_only_before_a_strictly_later_event() -> None:
    start = "00:00 0.80 margin_call.opened ; 00:01 0.755 - ; 00:16 ... - ; "
    ReferenceDesk(line()).play(start + "00:16 0.76 - ; 00:17 0.75 -")
    ReferenceDesk(line()).play(start + "00:16:01 ... margin_call.cured@00:16")
    ReferenceDesk(line()).play(start + "00:16:01 0.95 margin_call.cured@00:16 liquidation.triggered(ltv)")


def test_the_hold_is_not_decided_by_a_put_at_its_end_for_prices_may_follow() -> None:
    desk = ReferenceDesk(line())
    desk.play("00:00 0.80 margin_call.opened ; 00:01 0.755 -")
    assert desk.put("00:16", line(labels={"desk": "EU"})) == "-"
    desk.play("00:16 0.76 -")


def test_the_hold_is_not_decided_by_the_accrual_at_its_end_for_it_uses_the_prices_before() -> None:
    start = "23:00 0.80 margin_call.opened ; 23:45 0.755 - ; "
    ReferenceDesk(line()).play(start + "24:00 0.76 - ; 24:01 0.75 -")
    ReferenceDesk(line()).play(start + "24:00 0.7501 margin_call.cured")
    (*_, cured) = ReferenceDesk(line()).play(start + "24:01 0.7501 margin_call.cured@24:00")
    assert cured["ltv"] == "0.755"


def test_a_hold_of_nothing_cures_with_the_prices_that_start_it() -> None:
    ReferenceDesk(line(), clear_hold_s=0).play(
        "00:00 0.80 margin_call.opened ; 00:01 0.76 - ; 00:02 0.7599 margin_call.cured"
    )


def test_unchanged_prices_at_the_end_of_the_hold_decide_it() -> None:
    ReferenceDesk(line()).play(
        "00:00 0.80 margin_call.opened ; 00:01 0.75 - ; 00:15 0.75 - ; 00:16 0.75 margin_call.cured"
    )


def test_grace_reminders_count_back_from_the_deadline() -> None:
    alerts = ReferenceDesk(line(delayed_liquidation=True)).play(
        """
        00:00  0.92  delayed_liquidation.started
        11:59  0.92  -
        12:00  0.72  delayed_liquidation.reminder delayed_liquidation.cured
        13:00  0.92  delayed_liquidation.started
        36:30  0.92  delayed_liquidation.reminder@25:00 delayed_liquidation.reminder@31:00 delayed_liquidation.reminder@36:00
        36:50  0.92  delayed_liquidation.reminder@36:45
        37:00  0.92  liquidation.triggered(grace_expired)
        """
    )
    assert alerts[1]["deadline"] == "2026-01-06T00:00:00.000Z"
    assert [alert["supersedes"] for alert in alerts if alert["type"].endswith("reminder")] == [None] * 5


def test_a_grace_reminder_that_would_stand_beside_the_start_or_the_end_is_not_said() -> None:
    ReferenceDesk(line(delayed_liquidation=True), grace_reminders=["30h", "24h", "0s"]).play(
        "00:00 0.92 delayed_liquidation.started ; 24:00 0.92 liquidation.triggered(grace_expired)"
    )


def test_margin_call_repeats_count_forward_from_the_opening() -> None:
    ReferenceDesk(line()).play(
        """
        01:00  0.80  margin_call.opened
        24:59  0.80  -
        25:00  0.80  margin_call.reminder
        73:30  0.80  margin_call.reminder@49:00 margin_call.reminder@73:00
        97:00  0.95  margin_call.reminder liquidation.triggered(ltv)
        """
    )


def test_a_reminder_at_the_end_of_the_hold_queues_behind_it() -> None:
    """So telling time to pass at that moment changes nothing (decision 4)."""
    start = "00:00 0.80 margin_call.opened ; 23:45 0.755 - ; "
    ReferenceDesk(line()).play(start + "24:01 0.755 margin_call.cured@24:00")
    ReferenceDesk(line()).play(start + "24:00 ... - ; 24:01 0.755 margin_call.cured@24:00")
    ReferenceDesk(line()).play(start + "24:00 ... - ; 24:00 0.78 - ; 24:01 0.78 margin_call.reminder@24:00")


def debt_of(desk: ReferenceDesk, group: str = "G-1") -> Decimal:
    return sum((quantity for _, quantity in desk.model.groups[group].debts), Decimal(0))


def test_rule_24_interest_accrues_at_each_midnight_after_the_put() -> None:
    """10,000 at 0.1503 % is 15.03 a day; a put at 00:00 brings its interest, so that midnight adds none."""
    owes = loan("USDT", "10000", interest="5", rate={"kind": "flexible"})
    desk = ReferenceDesk(line(loans=[owes], collateral={"a": {"USDT": "100000"}}))
    found = []
    for time in ("00:00", "23:59", "24:00", "47:59", "48:00", "96:00"):
        desk.model.pass_time(clock(time))
        found.append(debt_of(desk))
    assert found == [Decimal(debt) for debt in ("10005", "10005", "10020.03", "10020.03", "10035.06", "10065.12")]


@pytest.mark.parametrize(("days", "debt"), [(1, "10015.03"), (2, "10030.06"), (3, "10075.15"), (4, "10120.24")])
def test_rule_25_interest_is_tripled_at_midnights_after_maturity(days: int, debt: str) -> None:
    """15.03 on a normal day, 45.09 on a late one; the midnight of the maturity itself is a normal one."""
    owes = loan("USDT", "10000", matures="48:00", rate={"kind": "fixed", "daily": "0.001503"})
    desk = ReferenceDesk(line(loans=[owes], collateral={"a": {"USDT": "100000"}}))
    desk.model.pass_time(clock(f"{24 * days}:00"))
    assert debt_of(desk) == Decimal(debt)


def test_a_changed_line_brings_its_own_interest_and_accrues_from_its_put() -> None:
    owes = loan("USDT", "10000", rate={"kind": "flexible"})
    desk = ReferenceDesk(line(loans=[owes], collateral={"a": {"USDT": "100000"}}))
    desk.put("30:00", line(loans=[owes | {"principal": "5000", "interest": "1"}]))
    assert debt_of(desk) == 5001
    desk.model.pass_time(clock("48:00"))
    assert debt_of(desk) == Decimal("5008.515")


def test_after_accrual_every_priced_group_is_decided_on_the_prices_before_in_order_of_ids() -> None:
    owes = [loan("COIN", "100", rate={"kind": "fixed", "daily": "0.01"})]
    desk = ReferenceDesk(*(line(group, loans=owes) for group in ("G-9", "G-10", "G-1")))
    alerts = desk.play(
        """
        12:00  0.7624  early_warning early_warning early_warning
        24:00  0.7000  margin_call.opened margin_call.opened margin_call.opened margin_call.cured margin_call.cured margin_call.cured
        """
    )
    assert [alert["group"] for alert in alerts] == ["G-1", "G-10", "G-9"] * 3
    assert [alert["ltv"] for alert in alerts[3::3]] == ["0.770024", "0.707"]


def test_accrual_comes_first_and_then_the_grace_deadline_of_the_same_time() -> None:
    owes = [loan("COIN", "100", rate={"kind": "fixed", "daily": "0.02"})]
    start = line(loans=owes, delayed_liquidation=True)
    ReferenceDesk(start, grace_reminders=[]).play(
        "00:00 0.92 delayed_liquidation.started ; 01:00 0.94 - ; 24:00 0.80 liquidation.triggered(immediate)"
    )
    ReferenceDesk(start, grace_reminders=[]).play(
        "00:00 0.92 delayed_liquidation.started ; 01:00 0.93 - ; 24:00 0.80 liquidation.triggered(grace_expired)"
    )


def test_within_a_group_grace_comes_before_overdue() -> None:
    desk = ReferenceDesk(line(loans=[loan(matures="00:00:01")], delayed_liquidation=True), grace_reminders=[])
    desk.play(
        """
        00:00:01  0.92  loan.overdue delayed_liquidation.started
        24:00:01  0.50  liquidation.triggered(grace_expired)
        """
    )
    assert desk.put("25:00", line(loans=[loan(id="L-2")])) == "liquidation.cleared"


def test_at_one_time_deadlines_run_group_by_group_in_order_of_ids() -> None:
    owes = [loan(matures="05:00")]
    desk = ReferenceDesk(*(line(group, loans=owes) for group in ("b", "a-long-one", "B")))
    desk.play("00:00 0.5 - ; 05:00 0.5 loan.overdue loan.overdue loan.overdue")
    assert [alert["group"] for alert in desk.alerts] == ["B", "a-long-one", "b"]


def test_reading_a12_a_loan_is_overdue_at_maturity_and_its_group_liquidated_24_hours_later() -> None:
    said, forced = ReferenceDesk(line(loans=[loan(matures="01:00")])).play(
        "00:00 0.5 - ; 00:59 0.5 - ; 01:00 0.5 loan.overdue ; 25:30 0.5 liquidation.triggered(overdue)@25:00"
    )
    assert (said["reason"], said["stage_from"], said["stage_to"]) == ("overdue", "normal", "normal")
    assert (said["sequence"], said["episode"], said["supersedes"], said["severity"]) == (1, 0, None, "critical")
    assert (forced["stage_from"], forced["episode"], forced["suppressed"]) == ("normal", 1, [])


def test_an_overdue_liquidation_clears_only_when_no_loan_is_overdue_any_more() -> None:
    first, second = loan(matures="01:00"), loan(matures="20:00", id="L-2")
    desk = ReferenceDesk(line(loans=[first, second], collateral={"a": {"USDT": "200"}}))
    desk.play(
        """
        00:00  0.5  -
        01:00  0.5  loan.overdue
        20:00  0.5  loan.overdue
        25:00  0.5  liquidation.triggered(overdue)
        26:00  0.1  -
        """
    )
    assert desk.put("27:00", line(loans=[second])) == "-"
    assert desk.put("28:00", line(loans=[second | {"principal": "0"}])) == "liquidation.cleared"


def test_an_overdue_liquidation_clears_only_at_the_initial_level() -> None:
    desk = ReferenceDesk(line(loans=[loan(matures="01:00")]))
    desk.play(
        """
        00:00  0.80  margin_call.opened
        01:00  0.80  loan.overdue
        25:00  0.75  margin_call.reminder@24:00 liquidation.triggered(overdue)
        """
    )
    assert desk.put("26:00", line(loans=[loan(id="L-2")])) == "-"
    desk.play("26:00 0.72 liquidation.cleared")


def test_an_overdue_deadline_in_liquidation_changes_the_reason_in_silence() -> None:
    desk = ReferenceDesk(line(loans=[loan(matures="01:00")]))
    desk.play(
        "00:00 0.95 liquidation.triggered(ltv) ; 01:00 0.95 loan.overdue ; 25:00 0.95 - ; 25:01 0.5 - ; 26:00 0.5 -"
    )
    assert desk.put("27:00", line(loans=[loan(id="L-2")])) == "liquidation.cleared"


def test_a_liquidation_that_is_not_overdue_yet_clears_although_a_loan_is() -> None:
    ReferenceDesk(line(loans=[loan(matures="01:00")])).play(
        """
        00:00  0.95  liquidation.triggered(ltv)
        01:00  0.95  loan.overdue
        24:59  0.70  liquidation.cleared
        25:00  0.70  liquidation.triggered(overdue)
        """
    )


def test_a_repaid_loan_is_never_overdue_and_one_that_owes_interest_only_is() -> None:
    repaid = loan(principal="0", matures="01:00")
    ReferenceDesk(line(loans=[loan(), repaid])).play("00:00 0.5 - ; 30:00 0.5 -")
    owing = repaid | {"interest": "100"}
    ReferenceDesk(line(loans=[owing])).play("00:00 0.5 - ; 02:00 0.5 loan.overdue@01:00")


def test_a_renewal_moves_both_deadlines_and_a_repeated_line_repeats_nothing() -> None:
    desk = ReferenceDesk(line(loans=[loan(matures="01:00")]))
    desk.play("00:00 0.5 - ; 01:00 0.5 loan.overdue")
    assert desk.put("02:00", line(loans=[loan(matures="01:00")])) == "-"
    assert desk.put("03:00", line(loans=[loan(matures="30:00")])) == "-"
    desk.play("29:00 0.5 - ; 30:00 0.5 loan.overdue ; 54:00 0.5 liquidation.triggered(overdue)")


def test_at_one_time_a_maturity_comes_before_another_loans_overdue_deadline() -> None:
    owes = [loan(matures="01:00"), loan(matures="25:00", id="L-2")]
    ReferenceDesk(line(loans=owes, collateral={"a": {"USDT": "200"}})).play(
        "00:00 0.5 - ; 01:00 0.5 loan.overdue ; 25:00 0.5 loan.overdue liquidation.triggered(overdue)"
    )


def test_deadlines_past_at_the_put_run_after_the_first_evaluation_with_its_time() -> None:
    """The group is unknown at the put, so the first prices bring the margin call and only then what was past."""
    late = [loan(matures="10:00"), loan(matures="20:00", id="L-2")]
    desk = ReferenceDesk()
    desk.model.pass_time(clock("40:00"))
    assert desk.put("40:00", line(loans=late, collateral={"a": {"USDT": "200"}})) == "-"
    alerts = desk.play(
        """
        40:30  0.8  margin_call.opened loan.overdue loan.overdue liquidation.triggered(overdue)
        44:00  0.8  -
        """
    )
    assert [alert["timestamp"] for alert in alerts] == ["2026-01-06T16:30:00.000Z"] * 4
    assert alerts[3]["supersedes"] == alerts[0]["id"]


def test_a_deadline_equal_to_the_put_is_past_already() -> None:
    desk = ReferenceDesk()
    desk.play("01:00 0.5 -")
    assert desk.put("01:00", line(loans=[loan(matures="01:00")])) == "loan.overdue"


def test_a_group_past_a_line_alerts_at_its_put_if_its_prices_are_known() -> None:
    desk = ReferenceDesk()
    desk.play("01:00 0.92 -")
    assert desk.put("02:00", line(delayed_liquidation=True)) == "delayed_liquidation.started"
    assert desk.alerts[0]["suppressed"] == ["loan_group.margin_call.opened"]


def test_a_missing_price_cures_nothing_while_the_clocks_of_its_group_run_blind() -> None:
    desk = ReferenceDesk(line(delayed_liquidation=True))
    desk.play("00:00 0.92 delayed_liquidation.started")
    owes = [loan(), loan("NEW", "1", id="L-2", matures="13:00", rate=NOTHING)]
    assert desk.put("01:00", line(delayed_liquidation=True, loans=owes)) == "-"
    alerts = desk.play(
        """
        02:00  0.95  -
        12:00  0.50  delayed_liquidation.reminder
        13:00  0.50  loan.overdue
        18:00  0.50  delayed_liquidation.reminder
        24:00  0.50  delayed_liquidation.reminder@23:00 delayed_liquidation.reminder@23:45 liquidation.triggered(grace_expired)
        """
    )
    blind = desk.alerts[1:]
    assert all((a["blind"], a["bound"], a["missing"], a["market_usd"]) == (True, True, ["NEW"], None) for a in blind)
    assert all(a["ltv"] >= "0.5" for a in blind)
    assert not desk.alerts[0]["blind"]
    assert len(alerts) == 6


def test_decision_86_what_is_past_a_line_without_the_missing_coin_is_decided() -> None:
    desk = ReferenceDesk(line(delayed_liquidation=True))
    desk.play("00:00 0.92 delayed_liquidation.started")
    assert (
        desk.put("01:00", line(delayed_liquidation=True, loans=[loan(), loan("NEW", "1", id="L-2", rate=NOTHING)]))
        == "-"
    )
    (alert,) = desk.play("02:00  0.96  liquidation.triggered(immediate)")
    assert (alert["bound"], alert["missing"], alert["ltv"]) == (True, ["NEW"], "0.96")


def test_a_hold_is_dropped_when_a_group_becomes_unknown() -> None:
    desk = ReferenceDesk(line())
    desk.play("00:00 0.8 margin_call.opened ; 00:01 0.75 -")
    desk.put("00:02", line(loans=[loan(), loan("NEW", "1", id="L-2", rate=NOTHING)]))
    desk.play("00:20 0.75 -")
    assert desk.put("00:21", line()) == "-"
    desk.play("00:35 0.75 - ; 00:36 0.75 margin_call.cured")


def test_unlisted_collateral_and_zero_quantities_need_no_price() -> None:
    held = {"a": {"USDT": "100", "RATS": "5", "NEW": "0"}}
    ladders = {"USDT": WHOLE, "NEW": WHOLE}
    desk = ReferenceDesk(
        line(collateral=held, loans=[loan(), loan("NEW", "0", id="L-2", rate=NOTHING)]),
        product={"version": [version(ladders=ladders)]},
    )
    desk.play("00:00 0.77 margin_call.opened")
    assert desk.alerts[0]["market_usd"] == "100"


def test_a_new_version_is_evaluated_at_its_effective_time() -> None:
    stricter = version(clock("05:30"), thresholds=version()["thresholds"] | {"margin_call": "0.75"})
    desk = ReferenceDesk(line(), product={"version": [stricter, version()]})
    (*_, opened) = desk.play("00:00 0.76 early_warning ; 06:00 0.70 margin_call.opened@05:30 margin_call.cured")[:2]
    assert (opened["ltv"], opened["rules"]) == ("0.76", "vip_loan@2026-01-05")
    assert opened["thresholds"]["margin_call"] == "0.75"


def test_before_the_earliest_version_the_earliest_applies() -> None:
    (alert,) = ReferenceDesk(line(), product={"version": [version(clock("240:00"))]}).play(
        "00:00 0.77 margin_call.opened"
    )
    assert alert["rules"] == "vip_loan@2026-01-15"


def test_rates_and_the_late_factor_of_a_midnight_are_those_of_the_version_then_in_force() -> None:
    """One midnight at 1 %; from 48:00 on 2 %, and late from then on four times that."""
    versions = [
        version(rates={"USDT": "0.01"}),
        version(clock("48:00"), rates={"USDT": "0.02"}, late_interest_factor="4"),
    ]
    owes = loan("USDT", "100", matures="60:00", rate={"kind": "flexible"})
    desk = ReferenceDesk(line(loans=[owes], collateral={"a": {"USDT": "1000"}}), product={"version": versions})
    found = []
    for time in ("24:00", "48:00", "72:00"):
        desk.model.pass_time(clock(time))
        found.append(debt_of(desk))
    assert found == [101, 103, 111]


def test_a_version_that_lists_another_coin_makes_its_price_needed() -> None:
    versions = [version(), version(clock("05:00"), ladders={"USDT": WHOLE, "NEW": WHOLE})]
    desk = ReferenceDesk(line(collateral={"a": {"USDT": "100", "NEW": "100"}}), product={"version": versions})
    desk.play("00:00 0.8 margin_call.opened ; 06:00 0.95 -")
    (cured,) = desk.model.prices(clock("07:00"), {"NEW": "1"})
    assert (cured["type"], cured["ltv"]) == ("loan_group.margin_call.cured", "0.475")


def test_usdt_is_worth_what_is_stated() -> None:
    model = Model("desk-1", {"version": [version()]}, usdt_usd="0.5")
    model.put(START, line())
    (alert,) = model.prices(START, {"COIN": "0.385", "USDT": "1"})
    assert (alert["ltv"], alert["recognised_usd"]) == ("0.77", "50")
    priced = Model("desk-1", {"version": [version()]}, usdt_usd="USDT")
    priced.put(START, line())
    assert priced.prices(START, {"COIN": "0.77"}) == []
    assert [alert["ltv"] for alert in priced.prices(START, {"USDT": "1"})] == ["0.77"]


def test_time_never_runs_backwards() -> None:
    desk = ReferenceDesk()
    desk.model.pass_time(clock("01:00"))
    with pytest.raises(ValueError, match="time runs backwards"):
        desk.model.pass_time(clock("00:59"))
