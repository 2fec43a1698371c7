"""Figures that lenders and venues publish to explain their rules; the source is in the name of each test (issue of section 9)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from monitor.products import cross_margin_pro, vip_loan
from tests.products.shelf import Shelf

D = Decimal
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
LINES = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}


def holding(coins: dict[str, str], prices: dict[str, str], **ladders: Any) -> dict[str, Any]:
    """A group of a loan product with these ladders that owes 100 USDT."""
    table = {"effective": SINCE, "thresholds": LINES, "rates": {"USDT": "0"}, "ladders": ladders}
    return looked_at(vip_loan.load({"version": [table]}), coins, {"USDT": "100"}, prices)


def looked_at(product: Any, coins: dict[str, str], owed: dict[str, str], prices: dict[str, str]) -> dict[str, Any]:
    loans = [
        {
            "id": f"L-{coin}", "asset": coin, "principal": amount, "rate": {"kind": "flexible"}, "term": "open",
            "opened_at": "2026-01-05T00:00:00Z", "matures_at": None,
        }
        for coin, amount in owed.items()
    ]  # fmt: skip
    line = {"id": "G-1", "product": product.kind, "receiving_account": "in", "collateral": {"a": coins}, "loans": loans}
    desk = Shelf(product, line)
    desk.price(**prices)
    return desk.detail()


def test_bitget_cross_discount_a_coin_above_its_last_tier_counts_nothing_more() -> None:
    """1 BTC at 50,000 in full, and of 60,000 APT at 1 the first 50,000 by 80 %: 90,000."""
    found = holding(
        {"BTC": "1", "APT": "60000"},
        {"BTC": "50000", "APT": "1"},
        BTC=[["5000000", "1"]],
        APT=[["50000", "0.8"], ["inf", "0"]],
    )
    assert D(found["recognised_usd"]) == 90_000


def test_mexc_multi_asset_tiers_in_coins_2_btc_count_as_1_7() -> None:
    """The first coin by 90 %, the second by 80 %, whatever the price."""
    tiers = {"by": "amount", "tiers": [["1", "0.9"], ["inf", "0.8"]]}
    for price in ("20000", "87654.321"):
        found = holding({"BTC": "2"}, {"BTC": price}, BTC=tiers)
        assert D(found["recognised_usd"]) == D("1.7") * D(price)


def test_kraken_4843323030164_half_a_btc_less_4_percent_counts_16800() -> None:
    found = holding({"BTC": "0.5"}, {"BTC": "35000"}, BTC=[["inf", "0.96"]])
    assert D(found["recognised_usd"]) == 16_800


def test_gate_tiered_margin_30_btc_owed_need_80000_of_maintenance() -> None:
    """The first 2,000,000 USD of a liability by 2 %, the next by 4 %."""
    tiers = {"BTC": [["2000000", 10, "0.1", "0.02"], ["5000000", 5, "0.2", "0.04"]]}
    lines = {"initial": "1.5", "margin_call": "1.3", "liquidation": "1"}
    table = {"effective": SINCE, "thresholds": lines, "net_equity": "haircut", "rates": {"BTC": "0"}}
    table |= {"ladders": {"USDT": [["inf", "1"]]}, "liability_tiers": tiers, "hours": "full"}
    found = looked_at(
        cross_margin_pro.load({"version": [table]}),
        {"USDT": "5000000", "BTC": "30"},
        {"BTC": "30"},
        {"BTC": "100000", "USDT": "1"},
    )
    assert D(found["maintenance_margin_usd"]) == 80_000
