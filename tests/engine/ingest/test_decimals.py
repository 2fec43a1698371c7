"""Texts of quantities to mantissa and exponent: the same values, and the same refusals, as core has for them."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.money import number
from monitor.core.schema import Bounds, Quantity
from monitor.engine.columns.fields import WIDE
from monitor.engine.ingest.decimals import numbers

QUANTITY: Bounds = get_args(Quantity)[1]
TEXTS = (
    "1", "0", "", "12.50", "0.000", ".5", "5.", ".", "-0", "-1", "1e3", "1e400", "0e400", "0e-999", "1E-24", "+7", "007.070",
    "9223372036854775807", "9223372036854775808", "92233720368547758070", "922337203685477580.7", "922337203685477581.7",
    "1000000000000000000000000", "1000000000000000000000001", "0.000000000000000000000001", "0.0000000000000000000000001",
    "1.0000000000000000000000000000000", "123456789012345678901234.123456789012345678901234", "\u0661", "\u00e9", "1_0",
    " 1", "1 ", "1.2.3", "0" * 64, "0" * 65, "NaN", "Infinity", "1\n", "/", ":",
)  # fmt: skip


def agree(texts: list[str]) -> None:
    found = numbers(texts, QUANTITY)
    for i, text in enumerate(texts):
        try:
            value: Decimal | None = number(text)
        except ValueError:
            value = None
        is_fine = value is not None and QUANTITY.problem(value) is None
        assert (i not in found.wrong) == is_fine, text
        if is_fine:
            power = found.exponent.item(i)
            held = found.wide[i] if power == WIDE else Decimal(found.mantissa.item(i)).scaleb(power)
            assert held == value, text


def test_one_text_beside_the_others_is_what_it_is_alone() -> None:
    agree([*TEXTS, *reversed(TEXTS)])
    agree([])


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_alone_is_what_core_reads(text: str) -> None:
    agree([text])


@given(st.lists(st.text("0123456789.eE+-", max_size=30) | st.from_regex(r"[0-9]{1,26}\.[0-9]{0,26}", fullmatch=True)))
def test_any_texts_are_what_core_reads(texts: list[str]) -> None:
    agree(texts)


def test_what_is_stated_with_a_few_digits_needs_no_object_of_its_own() -> None:
    found = numbers(["12.50", "900000", "0.00000001"], QUANTITY)
    assert list(zip(found.mantissa.tolist(), found.exponent.tolist(), strict=True)) == [(125, -1), (900000, 0), (1, -8)]
    assert found.wide == {}
