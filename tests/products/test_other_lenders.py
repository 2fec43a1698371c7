"""Lenders that are not Binance (domain section 5): a strict health factor, and an LTV with four lines that are all inclusive."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monitor.core.events.events import MarkPrices
from monitor.core.loans.group import parse_line
from monitor.core.money import exact
from monitor.core.prices.quote import Quote
from monitor.core.schema import Invalid
from monitor.core.valuation.valuation import band, holding, weigh
from monitor.products import aave_v3, bybit_loan
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf

D = Decimal
SINCE = datetime(2025, 1, 1, tzinfo=UTC)
POSITIONS = Path(__file__).parents[3] / "shared" / "data" / "loans" / "aave_v2_positions.csv"


def aave(**changes: Any) -> Any:
    version = {
        "effective": SINCE,
        "liquidation_thresholds": {"ETH": "0.8", "BTC": "0.7"},
        "rates": {"USDC": "0", "DAI": "0"},
        **changes,
    }
    return aave_v3.load({"version": [version]})


def position(holds: dict[str, str], owes: dict[str, str], **prices: str) -> tuple[Shelf, list[str]]:
    shelf = Shelf(aave(), book_line("aave_v3", holds, owes))
    return shelf, shelf.price(**({"USDC": "1", "DAI": "1"} | prices))


def test_the_health_factors_of_the_protocol_agree_to_a_billionth() -> None:
    """Each position's average threshold is a coin of its own, worth a dollar."""
    if not POSITIONS.exists():
        pytest.skip(f"no {POSITIONS.name} beside this repository")
    rows = list(csv.DictReader(POSITIONS.read_text().splitlines()))
    assert len(rows) == 655
    shares = {f"C{row['threshold']}": str(D(row["threshold"]).scaleb(-4)) for row in rows}
    product = aave(liquidation_thresholds=shares)
    usd = dict.fromkeys([*shares, "USDC"], D(1))
    for row in rows:
        stated = book_line("aave_v3", {f"C{row['threshold']}": row["collateral"]}, {"USDC": row["debt"]})
        group = parse_line(stated, START, {"aave_v3": product})
        with exact():
            held = holding(group, product, START)
            weight = weigh(held, usd)
            truth = Fraction(row["healthf"])
            assert abs(Fraction(weight.recognised) / Fraction(weight.debt) - truth) <= truth / 10**9, row["user"]
            assert (band(weight, held.lines) == "liquidation") == (truth < 1), row["user"]


def test_no_margin_call_is_named_as_passed_over_where_there_is_none() -> None:
    shelf, _ = position({"ETH": "1"}, {"USDC": "1000"}, ETH="1300")
    (triggered,) = shelf.told(shelf.monitor.handle(MarkPrices(START, (Quote("ETH", D(1200), "USD", "feed", START),))))
    assert (triggered["stage"]["to"], triggered["suppressed"]) == ("liquidation", [])


def test_a_health_factor_is_liquidated_strictly_below_one() -> None:
    """8 ETH at 1,000 and a threshold of 0.8 carry 6,400."""
    assert position({"ETH": "8"}, {"USDC": "6400"}, ETH="1000")[1] == []
    shelf, alerts = position({"ETH": "8"}, {"USDC": "6400.000000000000000001"}, ETH="1000")
    assert alerts == ["liquidation.triggered(ltv)"]
    # Rounded up to 8 places for display; the decision has every digit.
    assert shelf.detail()["health_factor"] == "0.9999999999999999999998", "just below its line, and shown there"
    assert shelf.detail()["band"] == "liquidation"


def test_thresholds_are_of_each_asset() -> None:
    shelf, _ = position({"ETH": "1", "BTC": "1"}, {"USDC": "1000"}, ETH="1000", BTC="10000")
    assert shelf.detail()["health_factor"] == "7.8"
    assert shelf.detail()["recognised_usd"] == "7800"


def test_debt_without_collateral_is_liquidated_and_no_debt_has_no_figure() -> None:
    assert position({}, {"USDC": "1"})[1] == ["liquidation.triggered(ltv)"]
    shelf, alerts = position({"ETH": "1"}, {}, ETH="1000")
    assert (alerts, shelf.detail()["health_factor"], shelf.detail()["band"]) == ([], None, "normal")


CLOSES = [
    # ETH       DAI     USDC      pairs (debt, collateral, USD)                          why
    ("8",       "0",    "6400",   [],                                                    "healthy"),
    ("8",       "2400", "4500",   [("DAI", "2400"), ("USDC", "4500")],                   "health factor 0.93: whole debts"),
    ("8",       "2400", "4100",   [("DAI", "2400"), ("USDC", "3100")],                   "half of all debt, at most what is owed in the coin, no rest under 1,000"),
    ("8",       "1500", "5000",   [("DAI", "1500"), ("USDC", "3250")],                   "small debts whole"),
    ("2.2",     "0",    "1800",   [("USDC", "1800")],                                    "small collateral or debt: whole"),
]  # fmt: skip


@pytest.mark.parametrize(("eth", "dai", "usdc", "pairs", "why"), CLOSES, ids=[c[-1] for c in CLOSES])
def test_the_close_factor_is_half_of_all_debt_or_all_of_it(
    eth: str, dai: str, usdc: str, pairs: list[tuple[str, str]], why: str
) -> None:
    shelf, _ = position({"ETH": eth}, {a: q for a, q in (("DAI", dai), ("USDC", usdc)) if q != "0"}, ETH="1000")
    found = [(row["debt"], row["closable_usd"]) for row in shelf.detail()["closable"]]
    assert found == pairs


def test_the_cure_leads_to_the_desks_own_line() -> None:
    shelf, _ = position({"ETH": "8"}, {"USDC": "6500"}, ETH="1000")
    assert shelf.detail()["cure"] == {
        "to_level": "1.25",
        "repay_usd": "1380",  # 6,400 / 1.25 = 5,120
        "add_recognised_usd": "1725",
        "by_asset": {"ETH": "2.15625"},
    }
    assert shelf.detail()["liquidation_price"] == {"ETH": "1015.625", "USDC": "0.984615384615"}


def test_a_full_close_above_the_liquidation_line_is_refused() -> None:
    with pytest.raises(
        Invalid, match=r"version\[0\].close.full_at: found 1.1, expected at most the liquidation line 1"
    ):
        aave(close={"full_at": "1.1"})


def bybit(**changes: Any) -> Any:
    ladder = {"USDT": [["50000", "1"], ["100000", "0.975"]], "USDC": [["inf", "1"]]}
    version = {"effective": SINCE, "ladders": ladder, "rates": {"COIN": "0"}, **changes}
    return bybit_loan.load({"version": [version]})


def test_the_lenders_worked_example() -> None:
    shelf = Shelf(bybit(), book_line("bybit_loan", {"USDT": "75000"}, {"COIN": "60000"}))
    shelf.price(COIN="1", USDT="1")
    assert shelf.detail()["recognised_usd"] == "74375"
    assert shelf.detail()["ltv"] == "0.80672269"


FOUR = [
    # LTV           band           alerts
    ("0.79999999",  "normal",      []),
    ("0.8",         "restricted",  []),
    ("0.84999999",  "restricted",  []),
    ("0.85",        "margin_call", ["margin_call.opened"]),
    ("0.93",        "liquidation", ["delayed_liquidation.started"]),
    ("0.94999999",  "liquidation", ["delayed_liquidation.started"]),
    ("0.95",        "immediate",   ["liquidation.triggered(immediate)"]),
]  # fmt: skip


@pytest.mark.parametrize(("ltv", "band_", "alerts"), FOUR, ids=[r[0] for r in FOUR])
def test_all_four_lines_are_reached_and_nobody_enrols(ltv: str, band_: str, alerts: list[str]) -> None:
    shelf = Shelf(bybit(), book_line("bybit_loan", {"USDC": "100"}, {"COIN": "100"}))
    assert shelf.price(COIN=ltv, USDC="1") == alerts
    assert shelf.detail()["band"] == band_


def test_the_delay_ends_in_liquidation_unless_the_initial_line_is_reached() -> None:
    shelf = Shelf(bybit(grace="2h"), book_line("bybit_loan", {"USDC": "100"}, {"COIN": "100"}), grace_reminders=())
    shelf.price(COIN="0.93", USDC="1")
    assert shelf.price(START + timedelta(hours=1), COIN="0.81") == []
    assert shelf.wait(START + timedelta(hours=2)) == ["liquidation.triggered(grace_expired)"]
    cured = Shelf(bybit(grace="2h"), book_line("bybit_loan", {"USDC": "100"}, {"COIN": "100"}))
    cured.price(COIN="0.94", USDC="1")
    assert cured.price(COIN="0.8") == ["delayed_liquidation.cured"]
