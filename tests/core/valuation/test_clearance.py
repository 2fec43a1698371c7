"""What a forced liquidation costs and leaves (rules 43-47, reading A16, domain section 3.11)."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor.core.rules.product import ClearanceRule, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.clearance import cleared, fee_rate
from monitor.products import vip_loan
from tests.book_lines import book_line
from tests.coin_desk import START
from tests.core.desk import both_books
from tests.products.shelf import Shelf, shipped

D = Decimal
GOLDEN = Path(__file__).parents[4] / "shared" / "golden" / "insurance_fund.json"
BEFORE, AFTER = datetime(2024, 9, 2, 23, 59, tzinfo=UTC), datetime(2024, 9, 3, tzinfo=UTC)
LINES = Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95"))


def version(kind: str, at: datetime) -> Version:
    return shipped(kind).version_at(at)


def rate(kind: str, at: datetime) -> Decimal:
    found = version(kind, at)
    return fee_rate(found.clearance, found.thresholds)


# -- the rates, by product and date --

RATES = [
    # product                 until 2024-09-02   from 2024-09-03
    ("cross_margin_classic",  "0.02",            "0.02"),
    ("cross_margin_pro",      "0.02",            "0.03"),
    ("isolated_margin",       "0.004",           "0.02"),  # (1.05 - 1) * 8 %
    ("flexible_loan",         "0.02",            "0"),
    ("cross_collateral",      "0.02",            "0.02"),  # retired before the newer page
    ("vip_loan",              "0.02",            "0.02"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "old", "new"), RATES, ids=[r[0] for r in RATES])
def test_rule_45_the_fee_of_each_product_by_date(kind: str, old: str, new: str) -> None:
    assert (rate(kind, BEFORE), rate(kind, AFTER)) == (D(old), D(new))
    assert rate(kind, datetime(2026, 1, 1, tzinfo=UTC)) == D(new), "later versions keep it"


def test_rule_46_ada_eth_in_tier_3_costs_1_32_percent() -> None:
    """The 5x table's tier 3: its liquidation risk ratio is 1.165."""
    old = version("isolated_margin", BEFORE)
    assert fee_rate(old.clearance, Thresholds(D("1.2"), D("1.19"), D("1.165"), None, old.thresholds.metric)) == D(
        "0.0132"
    )


@both_books
def test_rule_46_the_tier_is_that_of_what_is_borrowed_at_the_groups_leverage() -> None:
    stated = book_line(
        "isolated_margin", {"BTC": "100"}, {"USDT": "140001"}, opened_at="2020-11-01T00:00:00Z", leverage=5
    )
    shelf = Shelf(shipped("isolated_margin"), stated, at=datetime(2020, 11, 2, 10, 30, tzinfo=UTC))
    shelf.price(BTC="10000", USDT="1")
    assert shelf.detail()["liquidation"]["fee_usd"] == "13200", "1,000,000 * 1.32 % in the third tier of 5x"


@both_books
def test_rule_46_the_tier_is_that_of_the_groups_own_lines() -> None:
    own = {"initial": "1.2", "margin_call": "1.19", "liquidation": "1.165"}
    stated = book_line(
        "isolated_margin", {"ADA": "1000"}, {"ETH": "1"}, opened_at="2022-01-01T00:00:00Z", thresholds=own
    )
    shelf = Shelf(shipped("isolated_margin"), stated, at=datetime(2022, 1, 2, 10, 30, tzinfo=UTC))
    shelf.price(ADA="3", ETH="2000")
    assert shelf.detail()["liquidation"]["fee_usd"] == "39.6", "3000 * 1.32 %"


@pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded cases are not beside this checkout")
def test_the_rates_are_those_of_the_recorded_page() -> None:
    page = json.loads(GOLDEN.read_text())
    old = version("isolated_margin", BEFORE)
    ratio, metric = D(page["isolated"]["risk_ratio"]), old.thresholds.metric
    assert fee_rate(old.clearance, Thresholds(D(2), None, ratio, None, metric)) == D(page["isolated"]["rate"])
    assert rate("cross_margin_classic", BEFORE) == D(page["cross_rate"])
    assert rate("flexible_loan", BEFORE) == D(page["crypto_loan_rate"])
    newer = page["newer_page_2024-09-03"]
    kinds = ("cross", "cross_margin_classic"), ("cross_pro", "cross_margin_pro"), ("isolated", "isolated_margin")
    assert [rate(kind, AFTER) for _, kind in kinds] == [D(newer[name]) for name, _ in kinds]


# -- what is left --

CLEARED = [
    # market  debt       fee     left     shortfall  bankrupt
    ("1000",  "900",     "20",   "80",    "0",       False),
    ("1000",  "980",     "20",   "0",     "0",       False),  # the fee takes all that is left
    ("1000",  "990",     "10",   "0",     "0",       False),  # capped
    ("1000",  "1000",    "0",    "0",     "0",       False),  # equity 0 is not below 0
    ("1000",  "1000.01", "0",    "0",     "0.01",    True),
    ("1000",  "0",       "20",   "980",   "0",       False),
    ("0",     "5",       "0",    "0",     "5",       True),
    ("0",     "0",       "0",    "0",     "0",       False),
]  # fmt: skip


@pytest.mark.parametrize(("market", "debt", "fee", "left", "shortfall", "bankrupt"), CLEARED)
def test_rule_47_a_fee_is_never_more_than_what_is_left(
    market: str, debt: str, fee: str, left: str, shortfall: str, *, bankrupt: bool
) -> None:
    found = cleared(ClearanceRule(), LINES, D(market), D(debt))
    assert (found.fee_usd, found.left_usd, found.shortfall_usd) == (D(fee), D(left), D(shortfall))
    assert found.bankrupt is bankrupt
    assert found.market_usd + found.shortfall_usd == found.debt_usd + found.fee_usd + found.left_usd


@both_books
def test_rule_43_bankrupt_is_what_owes_more_than_all_its_assets_are_worth() -> None:
    """Market value decides, not what the ladders leave of it."""
    shelf = Shelf(shipped("vip_loan"), book_line("vip_loan", {"AAVE": "100"}, {"USDT": "9000"}))
    shelf.price(AAVE="100", USDT="1")
    here = shelf.detail()
    assert (here["stage"], here["band"], here["recognised_usd"]) == ("liquidation", "immediate", "8500")
    assert here["liquidation"] == {
        "market_usd": "10000",
        "fee_usd": "200",
        "debt_usd": "9000",
        "left_usd": "800",
        "shortfall_usd": "0",
        "bankrupt": False,
    }
    shelf.price(AAVE="89.99")
    assert shelf.detail()["liquidation"] == {
        "market_usd": "8999",
        "fee_usd": "0",
        "debt_usd": "9000",
        "left_usd": "0",
        "shortfall_usd": "1",
        "bankrupt": True,
    }


@both_books
def test_rule_43_liabilities_count_in_full_where_their_margin_decides() -> None:
    shelf = Shelf(shipped("cross_margin_pro"), book_line("cross_margin_pro", {"USDT": "39000"}, {"BTC": "1"}))
    shelf.price(BTC="40000", USDT="1")
    ends = shelf.detail()["liquidation"]
    assert (ends["debt_usd"], ends["shortfall_usd"], ends["bankrupt"]) == ("40000", "1000", True)


@both_books
def test_while_a_price_is_missing_nobody_knows_what_a_liquidation_would_leave() -> None:
    shelf = Shelf(shipped("vip_loan"), book_line("vip_loan", {"AAVE": "100"}, {"USDT": "9000"}))
    assert shelf.detail()["liquidation"] is None


@both_books
def test_rule_47_a_fee_moves_neither_lines_nor_liquidation_prices() -> None:
    """The same group under a fee of nothing and of half of all."""

    def standing(fee: str) -> dict[str, Any]:
        rules = {
            "effective": START,
            "thresholds": {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"},
            "ladders": {"BTC": [["inf", "0.9"]]},
            "rates": {"USDT": "0"},
            "liquidation_fee": fee,
        }
        shelf = Shelf(vip_loan.load({"version": [rules]}), book_line("vip_loan", {"BTC": "1"}, {"USDT": "20000"}))
        shelf.price(BTC="30000", USDT="1")
        here = shelf.detail()
        assert here.pop("liquidation")["fee_usd"] == {"0": "0", "0.5": "10000"}[fee]
        return here

    assert standing("0") == standing("0.5")
    assert standing("0")["liquidation_price"]["BTC"] is not None
