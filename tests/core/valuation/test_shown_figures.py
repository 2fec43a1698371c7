"""Decision 100: a figure stands where it was decided, whatever is rounded away."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.rules.thresholds import LTV, Metric, Thresholds
from monitor.core.text import percent
from monitor.core.valuation.shown_figures import shown_figure, shown_ltv
from monitor.core.valuation.valuation import Weight
from tests.reference.figures import beside

D = Decimal
UP = Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95"), LTV)
DOWN = Thresholds(D("1.1"), None, D(1), None, Metric("health_factor", falls=True, strict=("liquidation",)))


@pytest.mark.parametrize(
    ("debt", "recognised", "shown"),
    [
        ("57000.0000001", "60000", "0.950000000001666667"),
        ("57000", "60000", "0.95"),
        ("56999.9999999", "60000", "0.949999999998333333"),
        ("46199.9999999", "60000", "0.769999999998333333"),
        ("46200", "60000", "0.77"),
        ("44999.9999999999", "60000", "0.749999999999998333"),  # an early warning is a line as well
        ("2", "3", "0.66666667"),
        ("0.95000000000000000000000000001", "1", "0.95000000000000000000000000001"),
    ],
)
def test_an_ltv_is_shown_on_its_side_of_every_line(debt: str, recognised: str, shown: str) -> None:
    assert shown_ltv(Weight(D(debt), D(recognised)), UP, (D("0.75"),)) == D(shown)


@pytest.mark.parametrize(
    ("debt", "recognised", "level", "ltv"),
    [
        ("7800.00000001", "7800", "0.999999999998717949", "1.000000000001282051"),
        ("7800", "7800", "1", "1"),
        ("7799.99999999", "7800", "1.000000000001282051", "0.999999999998717949"),
        ("10", "11", "1.1", "0.90909091"),  # the line's inverse has no end
        ("10.0000000001", "11", "1.099999999989", "0.90909091"),
        ("3", "2", "0.66666667", "1.5"),
        ("3", "-2", "-0.66666667", None),
    ],
)
def test_a_level_and_its_ltv_are_shown_on_their_side(debt: str, recognised: str, level: str, ltv: str | None) -> None:
    weight = Weight(D(debt), D(recognised))
    assert shown_figure(weight, DOWN) == D(level)
    if debt != "10.0000000001":
        assert shown_ltv(weight, DOWN) == (None if ltv is None else D(ltv))


NEAR = st.sampled_from([D("0.72"), D("0.77"), D("0.91"), D("0.95"), D("1"), D("1.1"), D("0.33")])
TINY = st.decimals("-1e-9", "1e-9", places=24)


@given(NEAR, TINY, st.decimals("0.01", "1e9", places=6))
def test_random_figures_beside_lines_agree_with_exact_fractions(
    near: Decimal, tiny: Decimal, recognised: Decimal
) -> None:
    debt = recognised * near + tiny
    exact = Fraction(debt) / Fraction(recognised)
    lines = [Fraction(level) for level in (*UP.stated.values(), D("0.75"))]
    shown = shown_ltv(Weight(debt, recognised), UP, (D("0.75"),))
    assert shown is not None
    assert shown == D(beside(exact, lines))
    assert [(Fraction(shown) > x) - (Fraction(shown) < x) for x in lines] == [(exact > x) - (exact < x) for x in lines]


@pytest.mark.parametrize(
    ("ratio", "lines", "shown"),
    [
        ("0.91834", ["0.91"], "91.83"),
        ("0.91835", ["0.91"], "91.84"),
        ("0.76996", ["0.77"], "76.996"),
        ("0.950000000001666667", ["0.95"], "95.0000000002"),
        ("0.77", ["0.77"], "77.00"),
        ("0.76996", None, "76.996"),  # whatever its lines are
        ("1.5", None, "150.00"),
    ],
)
def test_percent_has_two_places_or_as_many_as_its_lines_ask_for(
    ratio: str, lines: list[str] | None, shown: str
) -> None:
    assert percent(D(ratio), None if lines is None else [D(x) for x in lines]) == shown
