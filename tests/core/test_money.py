"""Exact arithmetic, the permitted roundings, and how numbers are written (docs/alerts.md; decision 8)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_UP, Context, Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.core import money
from monitor.core.money import EXACT, NotANumber, exact, number, places, plain

D = Decimal
ANY = st.decimals(allow_nan=False, allow_infinity=False, min_value=D("-1e30"), max_value=D("1e30"))
UNITS = st.sampled_from([money.CENT, money.EIGHT_PLACES, money.QUANTITY_UNIT, D(1)])


def test_a_lost_digit_raises_and_never_decides() -> None:
    with exact(), pytest.raises(Inexact):
        D(1) / D(3)
    with exact(), pytest.raises(Inexact):
        D("1e200") + D("1e-200")


def test_arithmetic_beyond_the_28_digits_of_a_plain_context_is_exact() -> None:
    with exact():
        assert D("123456789012345678901234.000000000000000000000001") * 3 == D(
            "370370367037037036703702.000000000000000000000003"
        )


def test_the_context_ends_with_its_block() -> None:
    with exact():
        pass
    assert D(1) / D(3) > 0


PLAIN = [
    ("1E+3", "1000"), ("0.500", "0.5"), ("-0", "0"), ("-0.00", "0"), ("0E+9", "0"), ("0E-9", "0"), ("100", "100"),
    ("1E-18", "0.000000000000000001"), ("-1.20", "-1.2"), ("12.5", "12.5"), ("1E+24", "1000000000000000000000000"),
    ("10.0", "10"), ("0.10", "0.1"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), PLAIN)
def test_numbers_are_plain_without_trailing_zeros(value: str, text: str) -> None:
    assert plain(D(value)) == text


@given(ANY)
def test_plain_says_the_same_number_and_nothing_but_digits(value: Decimal) -> None:
    text = plain(value)
    assert D(text) == value
    assert set(text) <= set("-0123456789.")
    assert not ("." in text and text.endswith(("0", ".")))


@given(ANY, st.decimals(min_value=D("1e-18"), max_value=D("1e20")), UNITS)
def test_quotients_are_rounded_once_in_their_direction(numerator: Decimal, denominator: Decimal, unit: Decimal) -> None:
    """Against integers: the quotient in units, towards zero and away from zero."""
    units = Fraction(numerator) / Fraction(denominator) / Fraction(unit)
    down = abs(units).__floor__() * (1 if units >= 0 else -1)
    up = abs(units).__ceil__() * (1 if units >= 0 else -1)
    assert Fraction(money.divide_down(numerator, denominator, unit)) == down * Fraction(unit)
    assert Fraction(money.divide_up(numerator, denominator, unit)) == up * Fraction(unit)


@given(st.decimals(min_value=0, max_value=D("1e30")), UNITS)
def test_what_is_asked_for_is_rounded_up_and_what_is_permitted_down(value: Decimal, unit: Decimal) -> None:
    assert money.round_up(value, unit) == value.quantize(unit, ROUND_CEILING, EXACT_BUT_ROUNDING)
    assert money.round_down(value, unit) == value.quantize(unit, ROUND_FLOOR, EXACT_BUT_ROUNDING)


EXACT_BUT_ROUNDING = EXACT.copy()
EXACT_BUT_ROUNDING.traps[Inexact] = False


@given(st.decimals(min_value=D("1e-30"), max_value=D("1e30")), st.decimals(min_value=D("1e-18"), max_value=D("1e15")))
def test_a_price_shows_eight_places_or_twelve_digits_and_is_not_below_the_line(top: Decimal, bottom: Decimal) -> None:
    shown = money.divide_up_significant(top, bottom, 12)
    quotient = Fraction(top) / Fraction(bottom)
    assert 0 <= Fraction(shown) - quotient <= max(quotient * Fraction(1, 10**11), 0)
    assert places(shown) >= 0


@given(
    st.decimals(min_value=D("1e-30"), max_value=D("1e30")),
    st.one_of(
        st.decimals(min_value=D("1e-18"), max_value=D("1e15")), st.sampled_from([D(1), D("0.1"), D(3), D("1e9")])
    ),
)
@example(D("9999.99999999995"), D(1))
@example(D("9999999.999999123"), D(1))
@example(D("999.9999999999"), D(1))
@example(D("12345.123456789"), D(1))
@example(D(1000), D("1.0000000000000001"))
def test_a_price_is_the_same_as_by_a_quotient_of_250_digits(top: Decimal, bottom: Decimal) -> None:
    up = Context(prec=250, rounding=ROUND_UP)
    quotient = up.divide(top, bottom)
    slow = up.quantize(quotient, min(money.EIGHT_PLACES, D(1).scaleb(quotient.adjusted() - 11)))
    assert plain(money.divide_up_significant(top, bottom, 12)) == plain(slow)


def test_places_counts_what_counts() -> None:
    assert [places(D(x)) for x in ("1.50", "100", "1E+3", "0.000", "1e-18")] == [1, 0, 0, 0, 18]


HOSTILE = [
    "", " ", "1 ", " 1", "1_000", "1,5", "NaN", "sNaN", "inf", "-Infinity", "0x1", "1e", "e1", ".", "+", "--1", "1.2.3",
    "1e1000", "1e-1000", "\uff11\uff12", "\u0661", "1\n", "1\x00", "1" * 65, "1e+-1", "½",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_plain_or_exponent_number_is_refused(text: str) -> None:
    with pytest.raises(NotANumber) as e:
        number(text)
    assert len(str(e.value)) < 100


@pytest.mark.parametrize("text", ["0", "-1.5", "+3", ".5", "5.", "1e5", "1E-5", "1e+05", "000.100", "1e999"])
def test_numbers_in_plain_or_exponent_form_are_read_exactly(text: str) -> None:
    assert number(text) == D(text)
