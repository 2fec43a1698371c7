"""What a product file may state of margin calls with an amount and a clock, for every kind (docs/calls.md)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.rules.product import Version
from monitor.core.schema import Invalid
from monitor.products import aave_v3, cross_margin_classic, vip_loan
from tests.coin_desk import version

WHOLE: dict[str, Any] = {
    "margin_call_expiry": "24h",
    "call_target": "0.7",
    "call_rounding": "1000",
    "minimum_transfer": "500",
    "business_days": ["London", "New York"],
    "holidays": {"London": [date(2026, 12, 28)], "New York": ["2026-11-26"], "Tokyo": [date(2026, 1, 2)]},
    "due_reminders": ["4h", "1h"],
    "on_expiry": "delayed_liquidation",
    "return_below": "0.6",
    "dispute_stops_clock": True,
}


def loaded(**terms: Any) -> Version:
    return vip_loan.load({"version": [version(**terms)]}).versions[0]


def test_all_keys_are_read_and_without_an_expiry_there_are_no_calls() -> None:
    calls = loaded(**WHOLE).calls
    assert calls is not None
    assert (calls.expiry, calls.target, calls.step_usd) == (timedelta(hours=24), Decimal("0.7"), Decimal(1000))
    assert calls.holidays == (date(2026, 11, 26), date(2026, 12, 28))
    assert calls.reminders == (timedelta(hours=4), timedelta(hours=1))
    assert (calls.on_expiry, calls.return_below, calls.dispute_stops_clock) == (
        "delayed_liquidation",
        Decimal("0.6"),
        True,
    )
    assert loaded().calls is None


@pytest.mark.parametrize(
    ("terms", "where", "what"),
    [
        ({"margin_call_expiry": None}, "minimum_transfer", "no meaning without margin_call_expiry"),
        ({"margin_call_expiry": "0s"}, "margin_call_expiry", 'found "0s"'),
        ({"call_target": "0.77"}, "call_target", "expected better than margin_call 0.77"),
        ({"business_days": ["Paris"]}, "business_days[0]", "it has: London, New York, Tokyo"),
        ({"due_reminders": ["24h"]}, "due_reminders[0]", "less than margin_call_expiry"),
        ({"return_below": "0.71"}, "return_below", "no worse than the call's target 0.7"),
        ({"minimum_transfer": "0"}, "return_below", "state a minimum_transfer too"),
        ({"on_expiry": "sell"}, "on_expiry", "expected one of"),
        ({"call_rounding": "0.001"}, "call_rounding", "found"),
    ],
)
def test_what_cannot_be_is_refused_with_place_value_and_remedy(terms: dict[str, Any], where: str, what: str) -> None:
    stated = {key: value for key, value in (WHOLE | terms).items() if value is not None}
    with pytest.raises(Invalid) as refused:
        loaded(**stated)
    found = {problem.where: problem.what for problem in refused.value.problems}
    assert what in found[f"version[0].{where}"]


def test_a_product_without_a_grace_period_or_without_a_call_says_so() -> None:
    lines = {"initial": "1.5", "margin_call": "1.3", "liquidation": "1.1"}
    falls = {"effective": version()["effective"], "thresholds": lines, "margin_call_expiry": "24h"}
    found = cross_margin_classic.load({"version": [falls | {"on_expiry": "liquidation"}]}).versions[0].calls
    assert found is not None
    for table, of, where in (
        (falls | {"on_expiry": "delayed_liquidation"}, cross_margin_classic, "on_expiry"),
        (
            {
                "effective": version()["effective"],
                "margin_call_expiry": "24h",
                "liquidation_thresholds": {"ETH": "0.8"},
            },
            aave_v3,
            "margin_call_expiry",
        ),
    ):
        with pytest.raises(Invalid) as refused:
            of.load({"version": [table]})
        assert f"version[0].{where}" in {problem.where for problem in refused.value.problems}
