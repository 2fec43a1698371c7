"""Flexible crypto loans and Cross Collateral: lines of the coin, interest by the minute, free days (rules 32 to 36, domain section 3.12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.loans.group import parse_line
from monitor.core.schema import Invalid
from monitor.products import cross_collateral, flexible_loan
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf

D = Decimal
LINES = {"initial": "0.6", "margin_call": "0.75", "liquidation": "0.9"}


def flexible() -> Any:
    version = {
        "effective": datetime(2023, 6, 1, tzinfo=UTC),
        "collateral": {
            "BNB": {"initial": "0.65", "margin_call": "0.75", "liquidation": "0.83"},
            "BTC": {"initial": "0.78", "margin_call": "0.85", "liquidation": "0.91"},
        },
        "rates": {"USDC": "0.001"},
    }
    return flexible_loan.load({"version": [version]})


def test_section_3_12_lines_are_those_of_the_collateral_coin() -> None:
    for coin, call, liquidation in (("BNB", "0.75", "0.83"), ("BTC", "0.85", "0.91")):
        stated = book_line("flexible_loan", {coin: "1"}, {"USDC": "100"})
        shelf = Shelf(flexible(), stated)
        shelf.price(USDC="0.5", **{coin: "100"})
        assert shelf.price(USDC=str(D(call) - D("1e-8"))) == []
        assert shelf.price(USDC=call) == ["margin_call.opened"]
        assert shelf.price(USDC=liquidation) == ["liquidation.triggered(ltv)"]


def test_a_group_may_move_the_lines_of_its_coin() -> None:
    rules = {"flexible_loan": flexible()}
    stated = book_line("flexible_loan", {"BTC": "1"}, {"USDC": "1"}, thresholds={"margin_call": "0.8"})
    assert parse_line(stated, START, rules)
    with pytest.raises(Invalid, match="lines out of order"):  # 0.8 fits BTC, but lies near BNB's liquidation at 0.83
        parse_line({**stated, "thresholds": {"margin_call": "0.84"}, "collateral": {"a": {"BNB": "1"}}}, START, rules)


def test_section_3_12_interest_accrues_every_minute_and_moves_ltv() -> None:
    shelf = Shelf(flexible(), book_line("flexible_loan", {"BTC": "1"}, {"USDC": "84.7"}), at=START)
    assert shelf.price(USDC="1", BTC="100") == []
    assert shelf.wait(START + timedelta(minutes=3)) == []
    assert shelf.wait(START + timedelta(minutes=4)) == ["margin_call.opened"]
    assert shelf.detail()["loans"][0]["interest"] == "0.3388"


def test_section_3_12_a_loan_is_isolated_to_one_collateral_coin() -> None:
    with pytest.raises(Invalid, match="takes 1 a group"):
        parse_line(
            book_line("flexible_loan", {"BTC": "1", "BNB": "1"}, {"USDC": "1"}), START, {"flexible_loan": flexible()}
        )


def retired(*versions: dict[str, Any]) -> Any:
    base = {"thresholds": LINES, "ladders": {"BTC": [["inf", "1"]]}}
    stated = [
        {"effective": datetime(2019, 11, 1, tzinfo=UTC), "interest": False, "rates": {"USDT": "0"}},
        {"effective": datetime(2020, 9, 21, tzinfo=UTC), "free_days": {"USDT": 3}, "rates": {"USDT": "0.0024"}},
        *versions,
    ]
    return cross_collateral.load({"version": [base | v for v in stated]})


def borrowed(at: str, of: Any, principal: str = "500") -> Shelf:
    opened = datetime.fromisoformat(at)
    stated = book_line("cross_collateral", {"BTC": "1"}, {"USDT": principal})
    stated["loans"][0]["opened_at"] = at
    return Shelf(of, stated, at=opened)


def interest_at(shelf: Shelf, at: str) -> str:
    shelf.wait(datetime.fromisoformat(at))
    return str(shelf.detail()["loans"][0]["interest"])


@pytest.mark.parametrize("hour", ["00:00:00", "07:02:55", "23:59:59"])
def test_rule_33_three_free_days_count_the_day_of_borrowing_whatever_its_hour(hour: str) -> None:
    shelf = borrowed(f"2020-10-01T{hour}+00:00", retired())
    assert interest_at(shelf, "2020-10-03T23:59:59+00:00") == "0"
    assert interest_at(shelf, "2020-10-04T00:00:00+00:00") == "1.2"


def test_rule_34_a_day_is_charged_at_midnight_on_the_principal_and_ltv_is_refreshed_then() -> None:
    shelf = borrowed("2020-10-01T12:00:00+00:00", retired(), "749")
    assert shelf.price(USDT="1", BTC="1000") == []
    assert shelf.wait(datetime(2020, 10, 3, 23, 59, tzinfo=UTC)) == []
    assert shelf.wait(datetime(2020, 10, 4, tzinfo=UTC)) == ["margin_call.opened"]
    assert interest_at(shelf, "2020-10-06T00:00:00+00:00") == "5.3928"  # simple: 749 * 0.24 % * 3


def test_rule_35_the_example_of_the_page() -> None:
    shelf = borrowed("2020-10-01T07:02:55+00:00", retired())
    shelf.at = datetime(2020, 10, 3, 23, tzinfo=UTC)
    shelf.enter({"type": "repay", "asset": "USDT", "amount": "200"})
    assert interest_at(shelf, "2020-10-04T00:00:00+00:00") == "0.72"


def test_rule_32_loans_from_before_bear_no_interest_and_one_at_the_very_start_does() -> None:
    late = "2021-06-01T00:00:00+00:00"
    assert interest_at(borrowed("2020-09-20T23:59:59+00:00", retired()), late) == "0"
    assert interest_at(borrowed("2020-09-21T00:00:00+00:00", retired()), "2020-09-24T00:00:00+00:00") == "1.2"


def test_rule_32_an_old_loan_keeps_its_free_days_but_pays_the_latest_rate() -> None:
    newer = {"effective": datetime(2020, 10, 2, tzinfo=UTC), "free_days": {"USDT": 1}, "rates": {"USDT": "0.01"}}
    assert interest_at(borrowed("2020-10-01T12:00:00+00:00", retired(newer)), "2020-10-04T00:00:00+00:00") == "5"
    assert interest_at(borrowed("2020-10-02T12:00:00+00:00", retired(newer)), "2020-10-03T00:00:00+00:00") == "5"


def test_rule_36_a_repayment_goes_to_all_interest_first_and_the_oldest_order_first() -> None:
    stated = book_line("cross_collateral", {"BTC": "1"}, {})
    stated["loans"] = [
        {
            "id": id_, "asset": "USDT", "principal": "100", "interest": interest, "rate": {"kind": "flexible"},
            "term": "open", "opened_at": opened,
        }
        for id_, interest, opened in (("new", "3", "2020-10-02T00:00:00Z"), ("old", "2", "2020-10-01T00:00:00Z"))
    ]  # fmt: skip
    shelf = Shelf(retired(), stated, at=datetime(2020, 10, 2, 12, tzinfo=UTC))
    shelf.enter({"type": "repay", "asset": "USDT", "amount": "15"})
    left = {loan["id"]: (loan["principal"], loan["interest"]) for loan in shelf.detail()["loans"]}
    assert left == {"old": ("90", "0"), "new": ("100", "0")}
