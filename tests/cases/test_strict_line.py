"""The handed case of lines that are passed, not reached: what is shown stands where it was decided."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.notifiers._base import Notice, headline
from monitor.notifiers.email import view
from tests.cases.test_lending import TRIGGERED, Line, of_group, replayed

CASE = "a-strict-line"


def noticed(alert: Line) -> Notice:
    return Notice(alert["type"], alert["timestamp"], alert["data"])


def test_a_passed_line_is_shown_as_passed_in_the_metrics_own_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, alerts, _ = replayed(CASE, tmp_path, capsys)
    w, v = (of_group(alerts, group) for group in "WV")
    assert {w["type"], v["type"]} == {TRIGGERED}
    assert (w["data"]["health_factor"], w["data"]["reason"]) == ("0.999999999998717949", "health_factor")
    assert (v["data"]["ltv"], v["data"]["reason"]) == ("0.950000000001666667", "immediate")
    assert "health factor 0.999999999998717949" in headline(noticed(w))
    assert "LTV 95.0000000002 %" in headline(noticed(v))
    mail = view(noticed(w))
    assert mail["reason"] == "the health factor line was passed"
    assert "LTV" not in json.dumps(
        [mail[key] for key in ("headline", "figure", "ltv", "reason", "crossed", "following")]
    )
    assert view(noticed(v))["reason"] == "LTV is above the immediate line: no grace period is left"


@pytest.mark.parametrize(
    ("group", "owed", "told", "figure"),
    [
        ("W", "7800", None, None),  # at the line, which must be passed
        ("W", "7799.99999999", None, None),
        ("V", "57000", "loan_group.delayed_liquidation.started", "0.95"),
        ("V", "54600", "loan_group.delayed_liquidation.started", "0.91"),
        ("V", "54599.9999999", "loan_group.margin_call.opened", "0.909999999998333333"),
        ("V", "46200", "loan_group.margin_call.opened", "0.77"),
        ("V", "46199.9999999", None, None),
    ],
)
def test_levels_just_beside_a_line_are_shown_there(
    group: str, owed: str, told: str | None, figure: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def owes(line: Line) -> Line:
        return line if line["id"] != group else line | {"loans": [line["loans"][0] | {"principal": owed}]}

    _, alerts, _ = replayed(CASE, tmp_path, capsys, owes)
    mine = [alert for alert in alerts if alert["data"].get("group", {}).get("id") == group]
    assert [alert["type"] for alert in mine] == ([] if told is None else [told])
    for alert in mine:
        assert alert["data"]["ltv"] == figure
        assert Decimal(alert["data"]["debt_usd"]) == Decimal(owed)
