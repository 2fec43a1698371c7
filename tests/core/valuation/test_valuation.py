"""Debt, recognised collateral, LTV and bands: reading A1, rules 9-14, decision 11."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.money import exact
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.shown_figures import shown_ltv
from monitor.core.valuation.valuation import Weight, band, holding, owed, positions, weigh
from tests.coin_desk import START, line, loan, version
from tests.core.desk import Desk, both_books, group, product

D = Decimal
LINES = Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95"))
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "vip_stages.json").read_text())
STAGES = {
    "NORMAL": "normal",
    "MARGIN_CALL": "margin_call",
    "LIQUIDATION": "liquidation",
    "DELAYED_LIQUIDATION (24h)": "delayed_liquidation",
    "DELAYED_LIQUIDATION (still)": "delayed_liquidation",
    "LIQUIDATION (immediate)": "liquidation",
}


@both_books
@pytest.mark.parametrize("row", GOLDEN["rows"], ids=[f"{r['ltv']}-{r['enrolled']}" for r in GOLDEN["rows"]])
def test_rule_09_to_14_the_official_lines(row: dict[str, Any]) -> None:
    desk = Desk(line(delayed_liquidation=row["enrolled"]))
    desk.price("00:00", row["ltv"])
    assert desk.state().stage == STAGES[row["stage"]]


BANDS = [
    # debt          recognised  band             the rule
    ("71.999999999", "100", "normal"),         # below initial
    ("72",           "100", "restricted"),     # at initial: nothing may leave
    ("76.999999999", "100", "restricted"),
    ("77",           "100", "margin_call"),    # rule 10, inclusive
    ("90.999999999", "100", "margin_call"),
    ("91",           "100", "liquidation"),    # rule 11, inclusive
    ("95",           "100", "liquidation"),    # rule 14, strict
    ("95.000000001", "100", "immediate"),
    ("1000",         "1",   "immediate"),
    ("0",            "100", "normal"),         # no debt
    ("0",            "0",   "normal"),         # no debt on nothing
    ("0.01",         "0",   "immediate"),      # reading A1: debt on nothing is infinite, not an error
]  # fmt: skip


@pytest.mark.parametrize(("debt", "counted", "name"), BANDS)
def test_decision_11_bands_and_which_lines_are_inclusive(debt: str, counted: str, name: str) -> None:
    assert band(Weight(D(debt), D(counted)), LINES) == name


def test_decision_8_a_line_is_met_exactly_where_a_quotient_would_be_rounded() -> None:
    """0.77 of a sum with 30 digits: a quotient of 28 digits would miss it on one side or the other."""
    counted = D("1000000000000.000000000000000001")
    with exact():
        debt = D("0.77") * counted
        least = D("1e-30")
        assert band(Weight(debt, counted), LINES) == "margin_call"
        assert band(Weight(debt - least, counted), LINES) == "restricted"


LTVS = [
    ("77", "100", "0.77"),
    ("1", "3", "0.33333333"),
    ("0.769999999999", "1", "0.769999999999"),  # never shown as crossed when it was not
    ("0", "100", "0"),
    ("0", "0", "0"),
    ("5", "0", None),  # null when nothing is recognised
    ("200", "1", "200"),
]


@pytest.mark.parametrize(("debt", "counted", "shown"), LTVS)
def test_ltv_is_rounded_to_the_nearest_of_8_decimals(debt: str, counted: str, shown: str | None) -> None:
    assert shown_ltv(Weight(D(debt), D(counted)), LINES) == (None if shown is None else D(shown))


def test_reading_a1_debt_is_principal_and_interest_of_all_loans_without_haircut() -> None:
    loans = [loan(principal="60", interest="1.5"), loan("USDT", "20", id="L-2"), loan(principal="10", id="L-3")]
    held = holding(group(line(loans=loans)), product(), START)
    assert held.debts == (("COIN", D("71.5")), ("USDT", D(20)))
    with exact():
        assert weigh(held, {"COIN": D("0.5"), "USDT": D(1)}) == Weight(D("55.75"), D(100))


def test_what_is_not_listed_or_is_zero_needs_no_price() -> None:
    stated = line(
        collateral={"a": {"DUST": "9", "USDT": "1"}, "b": {"USDT": "2"}}, loans=[loan(), loan("USDT", "0", id="L-2")]
    )
    held = holding(group(stated), product(), START)
    assert held.assets == {"USDT", "COIN"}
    assert [(asset, quantity) for asset, quantity, _ in held.collateral] == [("USDT", 3)]


def test_a_missing_price_is_an_error_of_weigh_and_none_in_positions() -> None:
    stated = group(line())
    held = holding(stated, product(), START)
    with pytest.raises(KeyError):
        weigh(held, {"USDT": D(1)})
    (position,) = positions(held, {})
    assert (position.price, position.value, position.recognised) == (None, None, None)
    (debt,) = owed(stated, product(), START.date(), {})
    assert (debt.price, debt.value) == (None, None)


@given(st.data())
def test_positions_and_loans_add_up_to_the_weight(data: st.DataObject) -> None:
    amounts = st.decimals("0.01", "1e7", places=8).map(str)
    rules = product(
        version(
            ladders={
                "BTC": [["1000", "1"], ["100000", "0.8"]],
                "ETH": [["5000", "0.9"], ["inf", "0.5"]],
                "USDT": [["inf", "1"]],
            }
        )
    )
    stated = group(
        line(
            collateral={"a": {"BTC": data.draw(amounts)}, "b": {"BTC": data.draw(amounts), "ETH": data.draw(amounts)}},
            loans=[
                loan("COIN", data.draw(amounts), interest=data.draw(amounts)),
                loan("USDT", data.draw(amounts), id="L-2"),
            ],
        ),
        of=rules,
    )
    usd = {asset: D(data.draw(amounts)) for asset in ("BTC", "ETH", "COIN", "USDT")}
    with exact():
        weight = weigh(holding(stated, rules, START), usd)
        parts = positions(holding(stated, rules, START), usd)
        assert sum((p.recognised for p in parts if p.recognised is not None), D(0)) == weight.recognised
        loans = owed(stated, rules, START.date(), usd)
        assert sum((o.value for o in loans if o.value is not None), D(0)) == weight.debt
