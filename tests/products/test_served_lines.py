"""Kinds whose lines or sums come from the lender with the position: OKX, institutional loans, a prime broker."""

from __future__ import annotations

from decimal import Decimal

import pytest

from monitor.core.loans.group import parse_line
from monitor.core.schema import Invalid
from monitor.products import institutional_loan, okx_loan, prime_margin
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf, shipped

OKX_LINES = {"initial": "0.6874", "margin_call": "0.7374", "liquidation": "0.8374"}


def test_a_position_at_okx_is_judged_by_the_lines_that_come_with_it() -> None:
    shelf = Shelf(shipped("okx_loan"), book_line("okx_loan", {"STX": "1000"}, {"USDC": "730"}, thresholds=OKX_LINES))
    assert shelf.price(STX="1", USDC="1") == []
    assert shelf.price(STX="0.9899", USDC="1") == ["margin_call.opened"]
    assert shelf.price(STX="0.8718", USDC="1") == []
    assert shelf.price(STX="0.8717", USDC="1") == ["liquidation.triggered(ltv)"]


def test_okx_counts_each_coin_that_it_lists_in_full() -> None:
    shelf = Shelf(shipped("okx_loan"), book_line("okx_loan", {"ODD": "1000"}, {"USDC": "600"}))
    shelf.price(ODD="1", USDC="1")
    assert shelf.detail()["ltv"] == "0.6"


def test_a_risk_unit_is_liquidated_at_once_and_has_no_grace() -> None:
    line = book_line("institutional_loan", {"USDT": "1000", "BTC": "1"}, {"USDT": "9000"})
    shelf = Shelf(shipped("institutional_loan"), line)
    assert shelf.price(BTC="10000", USDT="1") == ["margin_call.opened"]
    assert shelf.price(BTC="9473.69", USDT="1") == []
    assert shelf.price(BTC="9473.68", USDT="1") == ["liquidation.triggered(ltv)"]
    with pytest.raises(Invalid, match="has no grace period"):
        parse_line(line | {"delayed_liquidation": True}, START, {"institutional_loan": shelf.product})


def test_a_prime_account_is_called_strictly_below_its_requirement() -> None:
    """10 BTC over 100,000 that are required: at 10,000 the requirement is just met."""
    line = book_line("prime_margin", {"BTC": "10"}, {"USDC": "100000"})
    shelf = Shelf(shipped("prime_margin"), line)
    assert shelf.price(BTC="10000", USDC="1") == ["early_warning"]
    assert shelf.price(BTC="9999.99999999", USDC="1") == ["margin_call.opened"]
    assert shelf.price(BTC="9500", USDC="1") == ["liquidation.triggered(ltv)"]
    assert shelf.detail()["margin_level"] == "0.95"


def test_lines_out_of_order_are_refused() -> None:
    version = {"effective": START, "ladders": {}, "rates": {}}
    lines = {"initial": "0.9", "margin_call": "0.8", "liquidation": "0.7"}
    for module, table in (
        (okx_loan, {"effective": START, "thresholds": lines}),
        (institutional_loan, {**version, "thresholds": lines}),
        (prime_margin, {"effective": START, "thresholds": lines | {"initial": "0.5"}}),
    ):
        with pytest.raises(Invalid, match="lines out of order"):
            module.load({"version": [table]})
    assert shipped("okx_loan").versions[0].thresholds.liquidation == Decimal("0.8")
