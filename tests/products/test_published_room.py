"""What may be borrowed and taken out, with the figures that the lenders publish (domain section 9.3 to 9.7)."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor.products import aave_v3, cross_margin_classic, cross_margin_pro, isolated_margin
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf

D = Decimal
CASES = Path(__file__).parent.parent / "cases" / "lending"


def of_case(name: str, module: Any, group: str, **prices: str) -> dict[str, Any]:
    """A group of a handed case as the API shows it."""
    folder = CASES / name
    rules = module.load(tomllib.loads((folder / f"{module.KIND}.toml").read_text()))
    lines = [json.loads(row) for row in (folder / "book.jsonl").read_text().splitlines()]
    shelf = Shelf(rules, next(each for each in lines if each["id"] == group), at=START)
    shelf.price(**prices)
    shown: dict[str, Any] = shelf.detail(group)
    return shown


def test_cross_margin_pro_faq_84aac4a6_two_btc_and_one_owed_may_borrow_79928_05() -> None:
    shown = of_case("pro-room", cross_margin_pro, "A", BTC="10000", USDC="1")
    assert (shown["margin_level"], shown["initial_margin_usd"], shown["maintenance_margin_usd"]) == (
        "50",
        "1112",
        "200",
    )
    assert (shown["available_margin_usd"], shown["borrowable_usd"]) == ("8888", "79928.05")
    assert shown["borrowable"]["USDC"]["most_usd"] == "79928.05"


def test_cross_margin_pro_faq_84aac4a6_after_that_loan_five_cents_are_left() -> None:
    shown = of_case("pro-room", cross_margin_pro, "B", BTC="10000", USDC="1")
    assert shown["margin_level"].startswith("3.8493517")
    assert (shown["initial_margin_usd"], shown["maintenance_margin_usd"]) == ("9999.9936", "2597.84")
    assert shown["borrowable_usd"] == "0.05"


def test_cross_margin_pro_faq_12a78d8a_equity_below_the_initial_margin_opens_nothing() -> None:
    shown = of_case("pro-room", cross_margin_pro, "C", BTC="10000", USDC="1")
    permitted = shown["permitted"]
    assert (shown["net_equity_usd"], shown["initial_margin_usd"], shown["borrowable_usd"]) == ("1400", "4448", "0")
    assert (permitted["trade"], permitted["new_order"], permitted["withdraw"]) == (False, False, False)
    texts = [why["text"] for why in permitted["new_order_refusals"]]
    assert texts == ["the net collateral of 1400 USD leaves nothing above the initial margin of 4448 USD"]


@pytest.mark.parametrize(("group", "leaves"), [("A", None), ("D", "0.99999999")])
def test_cross_margin_pro_old_mode_assets_leave_only_above_twice_what_is_owed(group: str, leaves: str | None) -> None:
    permitted = of_case("pro-old-mode-transfer", cross_margin_pro, group, BTC="10000", USDC="1")["permitted"]
    assert permitted["withdraw"] is (leaves is not None)
    assert permitted["withdrawable"] == ({"BTC": leaves} if leaves else {})
    assert permitted["not_stated"] == {}


@pytest.mark.parametrize(("group", "level", "leaves"), [("K", "1.75", False), ("F", "2.5", True)])
def test_classic_faq_360030493931_transfers_go_by_collateral_ratios(group: str, level: str, leaves: bool) -> None:
    shown = of_case("classic-collateral-ratios", cross_margin_classic, group, SOL="50", BTC="10000", USDT="1")
    assert (shown["margin_level"], shown["collateral_margin_level"]) == ("2.5", level)
    assert shown["permitted"]["withdraw"] is leaves
    assert shown["permitted"]["new_order"] is True  # above 1.5


@pytest.mark.parametrize(("leverage", "allowed"), [(None, False), (5, True)])
def test_classic_faq_360030493931_borrowing_stops_at_1_5_with_3x_and_at_1_25_with_5x(
    leverage: int | None, allowed: bool
) -> None:
    rules = cross_margin_classic.load({
        "version": [{
            "effective": START,
            "ladders": {"SOL": [["inf", "0.75"]], "USDT": [["inf", "1"]]},
            "tiers": [{"leverage": 5, "initial": "1.25", "margin_call": "1.16", "liquidation": "1.1"}],
            "rates": {"USDT": "0"},
        }]
    })  # fmt: skip
    stated = book_line("cross_margin_classic", {"SOL": "100"}, {"USDT": "2500"}, leverage=leverage)
    shelf = Shelf(rules, stated)
    shelf.price(SOL="50", USDT="1")
    shown = shelf.detail()
    assert (shown["margin_level"], shown["collateral_margin_level"]) == ("2", "1.5")
    assert shown["permitted"]["new_order"] is allowed
    # (3,750 - 1.25 x 2,500) / (1.25 - 1), and nothing at the level where borrowing stops.
    assert shown["borrowable_usd"] == ("2500" if allowed else "0")


def test_isolated_faq_c19042ba_4000_usdc_at_10x_may_borrow_36036_03() -> None:
    lines = {"initial": "1.111", "margin_call": "1.1", "liquidation": "1.05"}
    rules = isolated_margin.load({"version": [{"effective": START, "thresholds": lines, "rates": {"USDC": "0"}}]})
    shelf = Shelf(rules, book_line("isolated_margin", {"USDC": "4000"}, {}))
    shelf.price(USDC="1")
    assert shelf.detail()["borrowable_usd"] == "36036.03"


def test_aave_a_rest_under_1000_is_not_left() -> None:
    """Health factor 0.9711; 5,500 USDT and 4,500 USDC are owed."""
    rules = aave_v3.load({
        "version": [{
            "effective": START,
            "liquidation_thresholds": {"ETH": "0.83", "USDT": "0.75", "USDC": "0.78"},
            "rates": {"USDT": "0", "USDC": "0"},
        }]
    })  # fmt: skip
    shelf = Shelf(rules, book_line("aave_v3", {"ETH": "3.9"}, {"USDT": "5500", "USDC": "4500"}))
    shelf.price(ETH="3000", USDT="1", USDC="1")
    shown = shelf.detail()
    assert shown["health_factor"] == "0.9711"
    assert {row["debt"]: row["closable_usd"] for row in shown["closable"]} == {"USDT": "4500", "USDC": "4500"}
