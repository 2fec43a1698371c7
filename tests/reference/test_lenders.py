"""The worked examples of docs/domain.md beyond a plain LTV with daily interest, recomputed by the reference model."""

from __future__ import annotations

import tomllib
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.coin_desk import START, clock, line, loan
from tests.reference.desk import ReferenceDesk, version
from tests.reference.model import Model

PRODUCTS = Path(__file__).parents[2] / "config" / "products"


def shipped(kind: str) -> Model:
    return Model("desk-1", tomllib.loads((PRODUCTS / f"{kind}.toml").read_text()), kind=kind)


def group(
    kind: str, holds: dict[str, str], owes: dict[str, str], opened_at: str = "2024-01-01T00:00:00Z", **more: Any
) -> Any:
    loans = [loan(coin, q, id=f"L-{coin}", rate={"kind": "flexible"}, opened_at=opened_at) for coin, q in owes.items()]
    return {"id": "G-1", "product": kind, "collateral": {"a": holds}, "loans": loans} | more


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def owed(model: Model) -> Decimal:
    return sum((quantity for _, quantity in model.groups["G-1"].debts), Decimal(0))


@pytest.mark.parametrize("opened", ["2021-07-01T00:00:00", "2021-07-01T07:02:55", "2021-07-01T23:59:59"])
def test_rule_35_the_first_charge_is_three_days_after_the_day_of_borrowing(opened: str) -> None:
    """500 USDT borrowed on 07-01, 200 repaid on 07-03 23:00: the first interest is 300 x 0.24 % = 0.72."""
    model = shipped("cross_collateral")
    model.put(at(opened), group("cross_collateral", {"BTC": "1"}, {"USDT": "500"}, opened_at=f"{opened}Z"))
    model.enter(at("2021-07-03T23:00:00"), "G-1", {"type": "repay", "asset": "USDT", "amount": "200"})
    found = []
    for day in ("2021-07-03T23:59:59", "2021-07-04T00:00:00", "2021-07-05T00:00:00"):
        model.pass_time(at(day))
        found.append(owed(model))
    assert found == [Decimal("300"), Decimal("300.72"), Decimal("301.44")]


def test_rule_32_a_loan_of_before_the_charge_bears_no_interest() -> None:
    model = shipped("cross_collateral")
    old = group("cross_collateral", {"BTC": "1"}, {"USDT": "500"}, opened_at="2020-09-20T23:59:59Z")
    model.put(at("2020-09-20T23:59:59"), old)
    model.pass_time(at("2021-09-20T00:00:00"))
    assert owed(model) == 500


def test_rule_40_the_example_of_margin_pro_by_its_tiers() -> None:
    """390,000 of BTC and 39,000 of ETH owed require 29,200 + 2,130 = 31,330; what is held less what is owed is net equity."""
    model = shipped("cross_margin_pro")
    model.put(at("2024-01-01T00:30:00"), group("cross_margin_pro", {"USDT": "491660"}, {"BTC": "13", "ETH": "13"}))
    assert model.prices(at("2024-01-01T00:31:00"), {"BTC": "30000", "ETH": "3000"}) == []
    found = model._figures(model.groups["G-1"])
    assert (found.debt, found.recognised) == (31_330, 62_660)
    (called,) = model.prices(at("2024-01-01T00:32:00"), {"BTC": "31800"})
    assert (called["type"], called["margin_level"]) == ("loan_group.margin_call.opened", "1.18245889")


def test_section_3_7_net_equity_counts_assets_in_full_until_2025_01_21() -> None:
    """BNB is recognised at 95 % from then on, and the tiers are others."""
    model = shipped("cross_margin_pro")
    model.put(at("2025-01-21T09:30:00"), group("cross_margin_pro", {"BNB": "1000"}, {"USDT": "90000"}))
    model.prices(at("2025-01-21T09:31:00"), {"BNB": "100"})
    before = model._figures(model.groups["G-1"])
    model.pass_time(at("2025-01-21T10:00:00"))
    after = model._figures(model.groups["G-1"])
    hour = Decimal(90000) * Decimal("0.0000066")
    assert (before.recognised, before.debt) == (10_000, 4500)
    assert (after.recognised, after.debt) == (5000 - hour, (90_000 + hour) * Decimal("0.025"))


def test_section_5_a_health_factor_of_one_is_not_liquidated() -> None:
    """HF = 8 x 0.83 x price / 6640: strictly below 1."""
    model = shipped("aave_v3")
    model.put(START, group("aave_v3", {"ETH": "8"}, {"USDC": "6640"}))
    assert [a["type"] for a in model.prices(START, {"ETH": "1000", "USDC": "1"})] == ["loan_group.early_warning"]
    (triggered,) = model.prices(clock("00:01"), {"ETH": "999.99"})
    assert (triggered["health_factor"], triggered["suppressed"]) == ("0.99999", [])


def term(**changes: Any) -> ReferenceDesk:
    """A group whose loan matures at 20 days and 12 hours, under the shipped window and notice."""
    rules = {"version": [version(renewal_window="7d", maturity_notice="24h")]}
    return ReferenceDesk(line(loans=[loan(matures=f"{20 * 24 + 12}:00")], **changes), product=rules)


def test_rule_27_the_renewal_opens_at_the_midnight_seven_days_before_and_the_maturity_is_announced() -> None:
    alerts = term().play("00:00 0.5 - ; 500:00 0.5 loan.renewal_open@312:00 loan.maturing@468:00 loan.overdue@492:00")
    assert [alert["facts"]["loan"] for alert in alerts] == ["L-1"] * 3
    assert alerts[0]["facts"]["refusals"] == []


def test_rule_27_a_margin_call_and_interest_that_is_not_covered_refuse_a_renewal() -> None:
    dear = [loan(matures="492:00", interest="1")]
    rules = {"version": [version(renewal_window="7d", maturity_notice="0s", loan_limits={"COIN": ["50", "90"]})]}
    desk = ReferenceDesk(line(loans=dear, balances={"a": {"COIN": "0.9"}}, vip_level=7), product=rules)
    _, opened = desk.play("00:00 0.7 - ; 300:00 0.9 margin_call.opened; 312:00 0.9 loan.renewal_open")
    assert opened["facts"]["refusals"] == ["margin_call", "coin_limit", "interest_not_covered"]


def test_a_loan_put_late_is_told_of_by_its_latest_news_alone() -> None:
    desk = term()
    desk.model.close(clock("01:00"), "G-1")
    desk.model.prices(clock("01:00"), {"COIN": "0.5"})
    assert desk.put("470:00", line(loans=[loan(matures="492:00")])) == "loan.maturing"


def test_rule_28_a_balance_that_does_not_pay_the_interest_is_said_once_until_it_does() -> None:
    owes = [loan("USDT", "10000", rate={"kind": "flexible"})]  # 15.03 a day
    holds = {"a": {"USDT": "100000"}}
    desk = ReferenceDesk(line(loans=owes, collateral=holds, balances={"s": {"USDT": "20"}, "t": {"USDT": "10.06"}}))
    desk.play("24:00 1 -; 48:00 1 -; 72:00 1 loan.interest_shortfall; 96:00 1 -")
    desk.model.enter(clock("97:00"), "G-1", {"type": "repay", "asset": "USDT", "amount": "60.12"})
    desk.play("120:00 1 -; 168:00 1 loan.interest_shortfall")


def test_a_version_that_alone_moves_ltv_is_named_as_the_cause() -> None:
    """COIN at 0.75 owed against USDT: 75 % under the first ladder, 83 % under the second."""
    lower = version(START.replace(hour=5), ladders={"USDT": [["inf", "0.9"]]})
    desk = ReferenceDesk(
        line(),
        line("G-2", loans=[loan(rate={"kind": "fixed", "daily": "0.05"})]),
        product={"version": [version(), lower]},
    )
    desk.model.prices(START, {"COIN": "0.75"})
    changed, first, second = desk.model.pass_time(clock("05:00"))
    assert changed["type"] == "rules.changed"
    assert (changed["facts"]["recognised_before_usd"], changed["facts"]["recognised_after_usd"]) == ("200", "180")
    assert [(a["type"].rsplit(".", 1)[1], a["cause"], a["rules_from"]) for a in (first, second)] == [
        ("opened", "rules", "vip_loan@2026-01-05")
    ] * 2
