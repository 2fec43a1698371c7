"""What a reload makes easier for borrowers is found, field by field, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.core.rules.loosened import loosened
from tests.coin_desk import THRESHOLDS, version
from tests.core.desk import product

WHOLE = [["inf", "1"]]
CASES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {"thresholds": THRESHOLDS | {"initial": "0.73"}}, ["line initial"]),
    ({}, {"thresholds": THRESHOLDS | {"immediate": "0.96", "liquidation": "0.90"}}, ["line immediate"]),
    ({}, {"ladders": {"USDT": WHOLE, "ETH": WHOLE}}, ["ladder ETH"]),
    ({"ladders": {"USDT": [["1000", "1"], ["inf", "0.8"]]}}, {"ladders": {"USDT": [["2000", "1"], ["inf", "0.5"]]}}, ["ladder USDT"]),
    ({"ladders": {"USDT": [["1000", "1"], ["inf", "0.8"]]}}, {"ladders": {"USDT": [["inf", "0.8"]]}}, []),
    ({"grace": "24h"}, {"grace": "25h"}, ["grace"]),
    ({"grace": "24h"}, {"grace": "23h", "overdue_after": "25h"}, ["overdue_after"]),
    ({}, {"warnings": ["0.75"]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("was", "now", "easier"), CASES)
def test_what_is_easier_is_named_and_what_is_harder_is_not(
    was: dict[str, Any], now: dict[str, Any], easier: list[str]
) -> None:
    (old,), (new,) = product(version(**was)).versions, product(version(**now)).versions
    assert [each.what for each in loosened(old, new)] == easier
