"""What a borrower may do, with reasons: new orders and accounts (rules 6-8, 17-20 and 22), limits by VIP level."""

from decimal import Decimal
from typing import Any

import pytest

from monitor.core.queries.what_if import WhatIf, what_if
from monitor.core.text import as_json
from monitor.products import vip_loan
from tests.book_lines import book_line
from tests.coin_desk import line, loan, version
from tests.core.desk import Desk, both_books, product
from tests.looks import look_at
from tests.products.shelf import Shelf

LENDING = version(
    rates={"USDT": "0.0001", "COIN": "0"},
    loan_limits={"USDT": ["1000", "2000", "5000"], "COIN": "60"},
    fixed_rates={"USDT": {"30d": ["0.0003", "0.0002"], "60d": "0.0004"}, "EUR": {"30d": "0.0005"}},
)


def standing(price: str = "0.5", of: dict[str, Any] = LENDING, **changes: Any) -> dict[str, Any]:
    """What a desk sees of the group at a price of what it owes."""
    d = Desk(line(**changes), of=product(of))
    d.price("00:00", f"COIN={price}")
    look = look_at(d.monitor, "G-1", d.last.at)
    assert look is not None
    return as_json(what_if(look, WhatIf()).before)


def words(reasons: list[dict[str, str]]) -> list[str]:
    return [each["reason"] for each in reasons]


# -- new orders --


@both_books
@pytest.mark.parametrize(
    ("price", "enrolled", "allowed", "why"),
    [
        ("0.719", False, True, []),
        ("0.72", False, False, ["collateral"]),
        ("0.7699", False, False, ["collateral"]),
        ("0.77", False, False, ["margin_call"]),
        ("0.92", True, False, ["margin_call"]),
        ("0.92", False, False, ["margin_call"]),
    ],
)
def test_rule_07_a_new_order_needs_no_margin_call_and_collateral_that_suffices(
    price: str, enrolled: bool, allowed: bool, why: list[str]
) -> None:
    shown = standing(price, LENDING | {"loan_limits": {}}, delayed_liquidation=enrolled)
    assert shown["permitted"]["new_order"] is allowed
    assert words(shown["permitted"]["new_order_refusals"]) == why
    assert {
        coin: (each["allowed"], words(each["reasons"])) for coin, each in shown["borrowable"].items()
    } == dict.fromkeys(("COIN", "EUR", "USDT"), (allowed, why))


@both_books
def test_rule_07_a_coin_at_its_limit_is_refused_alone() -> None:
    """100 COIN at 0.6 are its whole limit of 60 USD; USDT has room for what the collateral backs, 12 USD."""
    shown = standing("0.6")
    assert shown["permitted"]["new_order"]
    coin, usdt = shown["borrowable"]["COIN"], shown["borrowable"]["USDT"]
    assert (coin["allowed"], words(coin["reasons"]), coin["most_usd"]) == (False, ["coin_limit"], "0")
    assert (coin["limit_usd"], coin["left_usd"]) == ("60", "0")
    assert (usdt["allowed"], usdt["limit_usd"], usdt["left_usd"], usdt["most_usd"]) == (True, "1000", "1000", "12")
    assert shown["borrowable_usd"] == "12"


@both_books
def test_a_coin_may_be_borrowed_to_what_its_limit_and_the_collateral_leave() -> None:
    coin = standing("0.55")["borrowable"]["COIN"]
    assert (coin["left_usd"], coin["most_usd"], coin["allowed"]) == ("5", "5", True)


@both_books
@pytest.mark.parametrize(
    ("vip", "limit", "month"),
    [(None, "1000", "0.0003"), (0, "1000", "0.0003"), (1, "2000", "0.0002"), (9, "5000", "0.0002")],
)
def test_rule_22_fixed_offers_and_limits_are_those_of_the_vip_level_and_the_flexible_rate_is_the_same_for_all(
    vip: int | None, limit: str, month: str
) -> None:
    shown = standing(**({} if vip is None else {"vip_level": vip}))["borrowable"]["USDT"]
    assert shown["limit_usd"] == limit
    assert shown["offers"] == {"flexible": "0.0001", "30d": month, "60d": "0.0004"}


@both_books
def test_rule_21_a_coin_without_a_rate_of_a_term_has_no_offer_for_it() -> None:
    shown = standing()["borrowable"]
    assert shown["EUR"]["offers"] == {"flexible": None, "30d": "0.0005", "60d": None}
    assert shown["COIN"]["offers"] == {"flexible": "0", "30d": None, "60d": None}


@both_books
def test_what_if_says_what_is_allowed_after_the_change() -> None:
    d = Desk(line(), of=product(LENDING))
    d.price("00:00", "COIN=0.55")
    look = look_at(d.monitor, "G-1", d.last.at)
    assert look is not None
    answer = as_json(what_if(look, WhatIf(shock={"COIN": "0.65"})))
    assert answer["before"]["borrowable"]["COIN"]["allowed"]
    assert words(answer["after"]["borrowable"]["COIN"]["reasons"]) == ["coin_limit"]


@both_books
def test_rule_42_the_limit_of_a_liability_acts_on_new_orders_by_vip_level() -> None:
    from tests.products import test_cross_margin_pro as pro  # its example group and tiers

    limits = {"BTC": ["13", "20"]}
    for vip, left, allowed in ((0, "0", False), (1, "7", True)):
        owes = book_line(pro.KIND, {"COIN": "900000"}, {"BTC": "13", "ETH": "1"}, vip_level=vip)
        shelf = Shelf(pro.product(pro.version(borrow_limits=limits, ladders={"COIN": [["inf", "1"]]})), owes)
        shelf.price(BTC="30000", ETH="3000", COIN="1")
        shown = shelf.detail()["borrowable"]["BTC"]
        assert (shown["left"], shown["allowed"]) == (left, allowed)


@both_books
def test_an_entry_that_breaks_a_limit_is_taken_as_the_monitor_must_know_what_the_lender_did() -> None:
    d = Desk(line(), of=product(LENDING))
    d.price("00:00", "COIN=0.5")
    order = loan(id="L-2", principal="500", interest="0")
    assert d.enter("00:01", {"type": "borrow", "loan": order}) == "liquidation.triggered(ltv)"
    assert d.last.refused is None
    flexible = loan("EUR", id="L-3")
    d.enter("00:02", {"type": "borrow", "loan": flexible})
    assert d.last.refused is not None
    assert d.last.refused.reason == "no_rate"


# -- collateral accounts --

TWO = {"a": {"USDT": "100"}, "b": {"USDT": "25"}, "c": {}}


@both_books
@pytest.mark.parametrize(
    ("price", "why"),
    [
        ("0.5", {"a": "ltv_after", "b": None, "c": None}),
        ("0.72", {"a": "ltv_after", "b": None, "c": None}),  # exactly initial without b: not above it (reading A15)
        ("0.7201", {"a": "ltv_after", "b": "ltv_after", "c": None}),
        ("0.8999", {"a": "ltv_after", "b": "ltv_after", "c": None}),
        ("0.9", {"a": "ltv_now", "b": "ltv_now", "c": "ltv_now"}),  # exactly initial now: not below it
        ("1.2", {"a": "liquidation", "b": "liquidation", "c": "liquidation"}),
    ],
)
def test_rule_08_an_account_leaves_if_ltv_is_below_initial_and_at_most_initial_without_it(
    price: str, why: dict[str, str | None]
) -> None:
    shown = standing(price, collateral=TWO)["permitted"]
    assert {a: next(iter(words(each["reasons"])), None) for a, each in shown["accounts"].items()} == why
    assert {a for a, each in shown["accounts"].items() if each["detachable"]} == {
        a for a, w in why.items() if w is None
    }
    assert set(shown["removable_accounts"]) == {a for a, w in why.items() if w is None}


@both_books
def test_rule_06_an_account_of_another_group_is_not_attached() -> None:
    d = Desk(line(), line("G-2"))
    for account in ("acct-G-1", "in-G-1"):
        d.enter("00:01", {"type": "attach_account", "account": account}, "G-2")
        assert d.last.refused is not None
        assert d.last.refused.reason == "account_in_use"
        assert "the current collateral account has been used" in str(d.last.refused)
    d.enter("00:02", {"type": "attach_account", "account": "new"}, "G-2")
    assert d.last.refused is None
    d.enter("00:03", {"type": "attach_account", "account": "new"}, "G-1")
    assert d.last.refused is not None


@both_books
def test_rule_06_an_account_that_was_detached_may_back_another_group() -> None:
    d = Desk(line(collateral=TWO), line("G-2"))
    d.price("00:00", "0.5")
    d.enter("00:01", {"type": "detach_account", "account": "c"})
    d.enter("00:02", {"type": "attach_account", "account": "c"}, "G-2")
    assert d.last.refused is None
    assert d.monitor.book.owner("c") == "G-2"


# -- the permission table --


@both_books
@pytest.mark.parametrize(
    ("price", "trade", "moves", "leaves"),
    [
        ("0.7199999", True, True, True),
        ("0.72", True, True, False),
        ("0.7699999", True, True, False),
        ("0.77", False, False, False),
        ("0.92", False, False, False),
    ],
)
def test_rule_20_below_initial_all_below_the_call_trade_and_moves_within_the_group_and_then_nothing(
    price: str, trade: bool, moves: bool, leaves: bool
) -> None:
    shown = standing(price, delayed_liquidation=True)["permitted"]
    assert (shown["trade"], shown["move_within_group"], shown["withdraw"]) == (trade, moves, leaves)
    assert bool(shown["withdrawable"]) is leaves


@both_books
def test_rule_20_what_may_leave_keeps_ltv_below_initial_and_no_more_may() -> None:
    """Reading A15: 50 owed at 72 % need 69.44444444... of collateral; exactly initial is already too much."""
    shown = standing("0.5")["permitted"]["withdrawable"]
    assert Decimal(50) / (100 - Decimal(shown["USDT"])) < Decimal("0.72")
    assert Decimal(50) / (100 - Decimal(shown["USDT"]) - Decimal("0.00000001")) >= Decimal("0.72")


@both_books
def test_rule_20_a_margin_call_below_the_liquidation_line_of_the_group_rules() -> None:
    """Reading A14: below both, so the lower one of a group's own lines decides."""
    shown = standing("0.7", thresholds={"initial": "0.6", "margin_call": "0.7"})["permitted"]
    assert not shown["trade"]


# -- the file --

WRONG = [
    ({"loan_limits": {"USDT": ["2", "1"]}}, "version[0].loan_limits.USDT[1]: limit 1 falls below 2 of the VIP level before"),
    ({"loan_limits": {"USDT": []}}, "version[0].loan_limits.USDT: is empty"),
    ({"loan_limits": {"USDT": ["1", "x"]}}, "version[0].loan_limits.USDT[1]: found 'x', expected a decimal number"),
    ({"loan_limits": {"USDT": 5}}, "version[0].loan_limits.USDT: found 5, expected a list"),
    ({"fixed_rates": {"USDT": {"90d": "0.1"}}}, "version[0].fixed_rates.USDT: found '90d', expected one of '30d', '60d'"),
    ({"fixed_rates": {"USDT": {"30d": ["0.1", "2"]}}}, "version[0].fixed_rates.USDT.30d[1]: found '2'"),
    ({"fixed_rates": {"USDT": {"60d": []}}}, "version[0].fixed_rates.USDT.60d: is empty"),
    ({"maturity_notice": "soon"}, "version[0].maturity_notice: found 'soon', expected a duration"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), WRONG, ids=[p for _, p in WRONG])
def test_wrong_limits_and_rates_are_refused_with_their_place(changes: dict[str, Any], problem: str) -> None:
    from monitor.core.schema import Invalid

    with pytest.raises(Invalid) as e:
        vip_loan.load({"version": [version(**changes)]})
    assert any(str(p).startswith(problem) for p in e.value.problems), str(e.value)
    assert len(e.value.problems) == 1
