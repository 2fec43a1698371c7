"""Marginal tiers (rules 29 and 30): the official figures, and what must hold for every ladder."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.money import exact
from monitor.core.rules.product import Ladder
from monitor.core.valuation.ladder import recognised, tiers_filled
from tests.coin_desk import line, version
from tests.core.desk import Desk, both_books, product
from tests.reference.figures import ladder_value

D = Decimal
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "vip_collateral_tiers.json").read_text())


def tiers(rows: list[list[str | None]]) -> Ladder:
    return tuple((None if bound in (None, "inf") else D(bound), D(share or 0)) for bound, share in rows)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=[f"{c['ladder']}-{c['usd']}" for c in GOLDEN["cases"]])
def test_rule_30_the_official_figures(case: dict[str, str]) -> None:
    ladder = tiers(GOLDEN["ladders"][case["ladder"]])
    assert recognised(ladder, D(case["usd"])) == D(case["recognised"])


def test_rule_30_a_ladder_is_no_step() -> None:
    value = recognised(tiers(GOLDEN["ladders"]["CRYPTO_A"]), D(5_000_000))
    wrong = GOLDEN["wrong_answers_to_reject"]
    assert value not in {D(answer) for answer in wrong.values()}
    assert value == 4_200_000


@both_books
def test_reading_a1_accounts_are_summed_before_the_ladder() -> None:
    """2.5 m in each of two accounts is 4.2 m, not 4.4 m."""
    rules = product(version(ladders={"USDT": [["1000000", "1"], ["inf", "0.8"]]}))
    half = {"USDT": "2500000"}
    desk = Desk(line(collateral={"one": half, "two": half}), of=rules)
    desk.price("00:00", "1")
    assert desk.sight().weight.recognised == 4_200_000


def test_above_the_last_bound_nothing_counts() -> None:
    assert recognised(tiers([["100", "1"], ["200", "0.5"]]), D(1000)) == 150


bounds = st.lists(st.decimals("0.01", "1e9", places=2), min_size=1, max_size=5, unique=True).map(sorted)
shares = st.lists(st.decimals(0, 1, places=3), min_size=6, max_size=6).map(lambda x: sorted(x, reverse=True))


@st.composite
def ladders(draw: st.DrawFn) -> list[list[str]]:
    """Ladders as a product file states them: bounds rise, shares fall, the last may have no bound."""
    rows = [[str(b), str(s)] for b, s in zip(draw(bounds), draw(shares), strict=False)]
    return [*rows, ["inf", rows[-1][1]]] if draw(st.booleans()) else rows


values = st.decimals(0, "1e12", places=6)


@given(ladders(), values)
def test_every_ladder_agrees_with_the_reference_to_the_last_digit(rows: list[list[str]], value: Decimal) -> None:
    with exact():
        assert recognised(tiers(rows), value) == ladder_value(rows, value)


@given(ladders(), values, values)
def test_more_value_never_counts_less_and_never_more_than_itself(
    rows: list[list[str]], one: Decimal, more: Decimal
) -> None:
    ladder = tiers(rows)
    with exact():
        assert recognised(ladder, one) <= recognised(ladder, one + more) <= recognised(ladder, one) + more


@given(ladders(), values)
def test_the_tiers_filled_add_up_to_what_counts(rows: list[list[str]], value: Decimal) -> None:
    ladder = tiers(rows)
    with exact():
        filled = tiers_filled(ladder, value)
        assert sum((inside * share for _, _, share, inside in filled), D(0)) == recognised(ladder, value)
        assert sum((inside for *_, inside in filled), D(0)) == min(value, ladder[-1][0] or value)
        assert [floor for floor, *_ in filled[1:]] == [bound for _, bound, *_ in filled[:-1]]
