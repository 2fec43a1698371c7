"""The stage table of decision 11: every row, episodes, what is skipped and what is superseded."""

from hashlib import sha256

import pytest

from tests.coin_desk import line, loan
from tests.reference.desk import ReferenceDesk, version

OPENED = "loan_group.margin_call.opened"
STARTED = "loan_group.delayed_liquidation.started"


@pytest.mark.parametrize(
    ("row", "enrolled", "table"),
    [
        ("normal, margin_call band", False, "00:00 0.76999999 early_warning ; 00:01 0.77 margin_call.opened"),
        ("normal, liquidation band, enrolled", True, "00:00 0.91 delayed_liquidation.started"),
        ("margin_call, the same", True, "00:00 0.8 margin_call.opened ; 00:01 0.95 delayed_liquidation.started"),
        ("normal, liquidation band, not enrolled", False, "00:00 0.91 liquidation.triggered(ltv)"),
        ("margin_call, the same", False, "00:00 0.9 margin_call.opened ; 00:01 0.91 liquidation.triggered(ltv)"),
        ("normal, immediate band, not enrolled (reading A7)", False, "00:00 0.96 liquidation.triggered(ltv)"),
        ("margin_call, the same", False, "00:00 0.8 margin_call.opened ; 00:01 0.96 liquidation.triggered(ltv)"),
        ("normal, immediate band, enrolled", True, "00:00 0.9500001 liquidation.triggered(immediate)"),
        ("margin_call, the same", True, "00:00 0.8 margin_call.opened ; 00:01 0.96 liquidation.triggered(immediate)"),
        (
            "delayed_liquidation, immediate band",
            True,
            "00:00 0.91 delayed_liquidation.started ; 00:01 0.951 liquidation.triggered(immediate)",
        ),
        (
            "delayed_liquidation, LTV <= initial",
            True,
            "00:00 0.91 delayed_liquidation.started ; 00:01 0.7200001 - ; 00:02 0.72 delayed_liquidation.cured",
        ),
        (
            "margin_call, LTV <= initial",
            True,
            "00:00 0.8 margin_call.opened ; 00:01 0.72000001 - ; 00:02 0.72 margin_call.cured",
        ),
        (
            "liquidation (not overdue), LTV <= initial",
            False,
            "00:00 0.95 liquidation.triggered(ltv) ; 00:01 0.73 - ; 00:02 0.72 liquidation.cleared ; 00:03 0.5 -",
        ),
    ],
)
def test_stage_table(row: str, enrolled: bool, table: str) -> None:
    ReferenceDesk(line(delayed_liquidation=enrolled)).play(table)


def test_rule_13_grace_expires_even_below_the_liquidation_level() -> None:
    """80 % is no cure and stops no clock (reading A5). At exactly 24 h it is over, before the prices of that time (reading A6)."""
    desk = ReferenceDesk(line(delayed_liquidation=True), grace_reminders=[])
    started, expired, *_ = desk.play(
        """
        00:10  0.92  delayed_liquidation.started
        00:20  0.80  -
        24:09  0.75  -
        24:10  0.50  liquidation.triggered(grace_expired) liquidation.cleared
        """
    )
    assert started["deadline"] == "2026-01-06T00:10:00.000Z"
    assert (expired["ltv"], expired["deadline"], expired["stage_from"]) == ("0.75", None, "delayed_liquidation")


def test_reading_a6_a_new_breach_after_a_cure_opens_a_new_24_hours() -> None:
    desk = ReferenceDesk(line(delayed_liquidation=True), grace_reminders=[])
    alerts = desk.play(
        """
        00:00  0.91  delayed_liquidation.started
        20:00  0.70  delayed_liquidation.cured
        21:00  0.91  delayed_liquidation.started
        24:00  0.91  -
        45:00  0.90  liquidation.triggered(grace_expired)
        """
    )
    assert [alert["episode"] for alert in alerts] == [1, 1, 2, 2]


def test_reading_a8_gap_through_levels_is_one_alert_that_names_what_it_skipped() -> None:
    def skipped(enrolled: bool, *path: str) -> list[str]:
        desk = ReferenceDesk(line(delayed_liquidation=enrolled))
        alerts = [desk.model.prices(desk.model.now, {"COIN": ltv}) for ltv in path][-1]
        (alert,) = alerts
        suppressed: list[str] = alert["suppressed"]
        return suppressed

    assert skipped(False, "0.70", "0.92") == [OPENED]
    assert skipped(True, "0.70", "0.92") == [OPENED]
    assert skipped(True, "0.70", "0.96") == [OPENED, STARTED]
    assert skipped(False, "0.70", "0.96") == [OPENED]
    assert skipped(True, "0.80", "0.96") == [STARTED]
    assert skipped(True, "0.80", "0.92") == []
    assert skipped(False, "0.80", "0.96") == []
    assert skipped(True, "0.92", "0.96") == []


def test_reading_a1_debt_on_nothing_is_immediate_and_has_no_ltv() -> None:
    desk = ReferenceDesk(line(collateral={"a": {"RATS": "1000"}}, delayed_liquidation=True))
    (alert,) = desk.play("00:00  0.5  liquidation.triggered(immediate)")
    assert (alert["ltv"], alert["recognised_usd"], alert["market_usd"], alert["blind"]) == (None, "0", "0", False)


def test_debt_gone_clears_a_liquidation() -> None:
    desk = ReferenceDesk(line())
    desk.play("00:00  0.95  liquidation.triggered(ltv)")
    assert desk.put("00:01", line(loans=[loan(principal="0")], collateral={})) == "liquidation.cleared"


def test_no_debt_is_normal_and_says_nothing() -> None:
    desk = ReferenceDesk(line(loans=[]), line("G-2", loans=[loan(principal="0")], collateral={}))
    desk.play("00:00  0.95  -")


def test_decision_12_episodes_sequences_supersedes_and_ids() -> None:
    desk = ReferenceDesk(line())
    alerts = desk.play(
        """
        00:00  0.75  early_warning
        00:01  0.80  margin_call.opened
        00:02  0.95  liquidation.triggered(ltv)
        00:03  0.70  liquidation.cleared
        00:04  0.75  early_warning
        00:05  0.80  margin_call.opened
        """
    )
    assert [alert["sequence"] for alert in alerts] == [1, 2, 3, 4, 5, 6]
    assert [alert["episode"] for alert in alerts] == [0, 1, 1, 1, 1, 2]
    ids = [alert["id"] for alert in alerts]
    assert [alert["supersedes"] for alert in alerts] == [None, None, ids[1], ids[2], None, None]
    assert [alert["severity"] for alert in alerts] == ["info", "warning", "critical", "info", "info", "warning"]
    # The first five bits of the digest are the first letter of its base32 form.
    digest = sha256(b"desk-1|G-1|1|3|loan_group.liquidation.triggered").digest()
    assert ids[2][4] == "abcdefghijklmnopqrstuvwxyz234567"[digest[0] >> 3]
    assert len(ids[2]) == len("evt_") + 26


def test_alerts_state_their_figures_exactly() -> None:
    overrides = {"margin_call": "0.750"}
    desk = ReferenceDesk(line(thresholds=overrides, delayed_liquidation=True))
    (alert,) = desk.play("00:00  0.756666666666666  margin_call.opened")
    assert alert == {
        "type": "loan_group.margin_call.opened",
        "id": alert["id"],
        "timestamp": "2026-01-05T00:00:00.000Z",
        "severity": "warning",
        "group": "G-1",
        "sequence": 1,
        "episode": 1,
        "stage_from": "normal",
        "stage_to": "margin_call",
        "reason": "ltv",
        "ltv": "0.75666667",
        "debt_usd": "75.6666666666666",
        "recognised_usd": "100",
        "market_usd": "100",
        "thresholds": {"initial": "0.72", "margin_call": "0.75", "liquidation": "0.91", "immediate": "0.95"},
        "deadline": None,
        "suppressed": [],
        "supersedes": None,
        "blind": False,
        "rules": "vip_loan@2026-01-05",
    }


def test_rule_09_thresholds_are_overridden_per_group() -> None:
    ReferenceDesk(line(thresholds={"initial": "0.5", "margin_call": "0.6"})).play(
        """
        00:00  0.59  -
        00:01  0.60  margin_call.opened
        00:02  0.51  -
        00:03  0.50  margin_call.cured
        """
    )


def test_rule_09_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="thresholds must rise"):
        ReferenceDesk(line(thresholds={"margin_call": "0.72"}))


def test_rule_06_an_account_used_elsewhere_is_refused() -> None:
    account = {"acct": {"USDT": "100"}}
    with pytest.raises(ValueError, match="already used in G-1"):
        ReferenceDesk(line(collateral=account), line("G-2", collateral=account))


def test_a_flexible_loan_without_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="no flexible rate for ETH"):
        ReferenceDesk(line(loans=[loan("ETH", rate={"kind": "flexible"})]))


def test_early_warning_is_said_once_and_armed_again_a_margin_below() -> None:
    ReferenceDesk(line()).play(
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


def test_early_warning_speaks_for_the_highest_level_only() -> None:
    product = {"version": [version(warnings=["0.6", "0.7", "0.74", "0.77", "0.8"])]}
    desk = ReferenceDesk(line(), product=product)
    desk.play(
        """
        00:00  0.65  early_warning
        00:01  0.75  early_warning
        00:02  0.72  -
        00:03  0.74  early_warning
        00:04  0.76  -
        00:05  0.77  margin_call.opened
        """
    )


def test_a_stage_alert_uses_up_the_warnings_that_it_passed() -> None:
    ReferenceDesk(line()).play(
        """
        00:00  0.78   margin_call.opened
        00:01  0.755  -
        00:17  0.755  margin_call.cured@00:16
        00:18  0.75   -
        00:19  0.72   -
        00:20  0.74   early_warning
        """
    )


def test_a_warning_armed_again_during_a_margin_call_is_used_up_by_its_cure() -> None:
    ReferenceDesk(line()).play(
        """
        00:00  0.78   margin_call.opened
        00:01  0.725  -
        00:02  0.75   -
        00:16  0.75   margin_call.cured
        00:17  0.751  -
        """
    )


def test_warning_levels_at_or_above_the_margin_call_are_ignored() -> None:
    ReferenceDesk(line(thresholds={"margin_call": "0.74"})).play("00:00 0.739 - ; 00:01 0.74 margin_call.opened")


def test_a_changed_line_keeps_stage_deadline_and_episode() -> None:
    desk = ReferenceDesk(line(delayed_liquidation=True))
    (started,) = desk.play("00:00  0.92  delayed_liquidation.started")
    assert desk.put("00:05", line(delayed_liquidation=True, collateral={"a": {"USDT": "110"}})) == "-"
    (reminder,) = desk.play("12:00  0.92  delayed_liquidation.reminder")
    assert (reminder["deadline"], reminder["episode"]) == (started["deadline"], 1)
    assert reminder["recognised_usd"] == "110"


def test_leaving_the_enrolment_keeps_the_grace_period_but_not_above_the_immediate_level() -> None:
    desk = ReferenceDesk(line(delayed_liquidation=True))
    desk.play("00:00  0.92  delayed_liquidation.started")
    assert desk.put("00:05", line()) == "-"
    desk.play("00:06  0.96  liquidation.triggered(immediate)")


def test_a_closed_group_is_silent_and_counts_on_when_it_returns() -> None:
    desk = ReferenceDesk(line())
    desk.play("00:00  0.8  margin_call.opened")
    (said,) = desk.model.close(desk.model.now, "G-1", "api")
    assert (said["type"], said["stage_to"], said["deadline"]) == ("loan_group.closed", None, None)
    desk.play("30:00  0.95  -")
    assert desk.put("30:01", line()) == "liquidation.triggered(ltv)"
    assert (desk.alerts[-1]["sequence"], desk.alerts[-1]["episode"]) == (3, 2)
