"""Cross Margin Classic and isolated margin: levels, bars, the call that is repeated every day (DOMAIN section 3.6, 3.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.book import parse_line
from monitor.core.wire import Invalid
from monitor.products import cross_margin_classic
from tests.products.shelf import START, Shelf, line, shipped

D = Decimal
FIVE_TIMES = {"initial": "1.25", "margin_call": "1.16"}


def classic(**changes: Any) -> Any:
    version = {"effective": datetime(2019, 7, 11, tzinfo=UTC), "rates": {"USDT": "0"}, **changes}
    return cross_margin_classic.load({"version": [version]})


def account(level: str, **more: Any) -> Shelf:
    """An account that owes 100 USDT and holds so many hundred in a coin that no ladder lists."""
    shelf = Shelf(classic(), line("cross_margin_classic", {"COIN": "100"}, {"USDT": "100"}, **more))
    shelf.price(USDT="1", COIN=level)
    return shelf


BARS = [
    # level        3x band        5x band
    ("1.50000001", "normal",      "normal"),
    ("1.5",        "restricted",  "normal"),
    ("1.30000001", "restricted",  "normal"),
    ("1.3",        "margin_call", "normal"),
    ("1.25",       "margin_call", "restricted"),
    ("1.16",       "margin_call", "margin_call"),
    ("1.10000001", "margin_call", "margin_call"),
    ("1.1",        "liquidation", "liquidation"),
]  # fmt: skip


@pytest.mark.parametrize(("level", "three", "five"), BARS, ids=[b[0] for b in BARS])
def test_domain_3_6_the_bars_of_3x_and_5x_are_inclusive(level: str, three: str, five: str) -> None:
    assert account(level).detail()["band"] == three
    assert account(level, thresholds=FIVE_TIMES).detail()["band"] == five
    assert account(level).detail()["margin_level"] == level


def test_domain_3_6_a_call_is_repeated_every_24_hours() -> None:
    shelf = account("1.2")
    said = [shelf.wait(START + timedelta(hours=h)) for h in (23, 24, 47, 48)]
    assert said == [[], ["margin_call.reminder"], [], ["margin_call.reminder"]]


def test_domain_3_6_borrowing_stops_at_one_and_a_half_and_assets_leave_only_above_two() -> None:
    rich, fair, poor = (account(level).detail()["permitted"] for level in ("2.5", "2", "1.5"))
    assert (rich["withdraw"], rich["withdrawable"]) == (True, {"COIN": "19.99999999"})
    assert (fair["withdraw"], fair["withdrawable"], fair["new_order"]) == (False, {}, True)
    assert poor["new_order"] is False


def test_isolated_margin_is_liquidated_at_the_line_of_its_leverage() -> None:
    for thresholds, call, liquidation in (
        ({}, "1.1", "1.05"),
        ({"initial": "1.2", "margin_call": "1.19", "liquidation": "1.15"}, "1.19", "1.15"),
        ({"initial": "1.23", "margin_call": "1.22", "liquidation": "1.18"}, "1.22", "1.18"),
    ):
        stated = line("isolated_margin", {"BTC": "100"}, {"USDT": "100"}, thresholds=thresholds)
        shelf = Shelf(shipped("isolated_margin"), stated, margin_call_repeat=timedelta())
        assert shelf.price(USDT="1", BTC=str(D(call) + D("1e-8"))) == []
        assert shelf.price(BTC=call) == ["margin_call.opened"]
        assert shelf.price(BTC=liquidation) == ["liquidation.triggered(ltv)"]


def test_an_isolated_account_holds_one_pair() -> None:
    stated = line("isolated_margin", {"BTC": "1", "ETH": "1", "USDT": "1"}, {"USDT": "1"})
    with pytest.raises(Invalid, match=r"found 3 coins \(BTC, ETH, USDT\), isolated_margin takes 2 a group"):
        parse_line(stated, START, {"isolated_margin": shipped("isolated_margin")})
    shelf = Shelf(shipped("isolated_margin"), line("isolated_margin", {"BTC": "1", "ETH": "1"}, {"USDT": "1"}))
    out = shelf.enter({"type": "deposit", "account": "G-1-a", "asset": "USDT", "quantity": "5"})
    assert out.refused is not None
    assert out.refused.reason == "too_many_coins"
