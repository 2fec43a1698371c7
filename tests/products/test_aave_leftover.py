"""A liquidation of Aave leaves no small rest of the collateral either, where the bonus is stated (domain section 9.7)."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.products import aave_v3
from tests.products.shelf import START, Shelf


def closable(held: str, owed: str, bonus: dict[str, str], price: str = "1000") -> tuple[str, str]:
    loan = {
        "id": "L-1", "asset": "USDC", "principal": owed, "rate": {"kind": "flexible"}, "term": "open",
        "opened_at": "2026-01-05T00:00:00Z", "matures_at": None,
    }  # fmt: skip
    version: dict[str, Any] = {
        "effective": START, "liquidation_thresholds": {"ETH": "0.8"}, "rates": {"USDC": "0"}, "close": {"bonus": bonus},
        "places": {"USDC": 6},
    }  # fmt: skip
    stated = {
        "id": "G-1", "product": "aave_v3", "receiving_account": "in", "collateral": {"a": {"ETH": held}}, "loans": [loan],
    }  # fmt: skip
    shelf = Shelf(aave_v3.load({"version": [version]}), stated)
    shelf.price(ETH=price, USDC="1")
    (row,) = shelf.detail()["closable"]
    return row["closable_usd"], row["closable"]


@pytest.mark.parametrize(
    ("held", "owed", "bonus", "right"),
    [
        # Health factor 0.8: all 10,000 may be repaid, which takes 10,500 of 10,000: so all of the collateral goes.
        ("10", "10000", {"ETH": "1.05"}, ("9523.8095238", "9523.809523")),
        ("10", "10000", {}, ("10000", "10000")),
        # Health factor 0.99...: half of 8,040 may be repaid, which leaves enough of both.
        ("10", "8040", {"ETH": "1.05"}, ("4020", "4020")),
        # Debt of 1,940 is small, so all of it may be repaid; what then stays of the collateral is no matter.
        ("2.4", "1940", {"ETH": "1.05"}, ("1940", "1940")),
        # Half of 2,100 is 1,050, and 1,100 of it would stay; of the collateral 1,522.5 do.
        ("2.625", "2105", {"ETH": "1.05"}, ("1052.5", "1052.5")),
        # With the bonus of 1.6 half of 2,105 would leave 941 of the collateral: so less is repaid.
        ("2.625", "2105", {"ETH": "1.6"}, ("1015.625", "1015.625")),
    ],
)
def test_no_rest_of_the_collateral_under_the_leftover_stays(
    held: str, owed: str, bonus: dict[str, str], right: tuple[str, str]
) -> None:
    assert closable(held, owed, bonus) == right
