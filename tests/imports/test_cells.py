"""Numbers, dates and coins as people write them: read right, or refused with the cell, or asked."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.imports.tables import GOOD, HEADER, holdings, loans, read, refused, with_value, workbook


def principal(*texts: str, delimiter: str = ";", **options: Any) -> Any:
    """Principals of groups g0, g1, ...; the refusals where there are some, the questions where something is asked."""
    rows = "".join(f"g{i}{delimiter}USDT{delimiter}{text}{delimiter}BTC{delimiter}2\n" for i, text in enumerate(texts))
    found = read(delimiter.join(("group", "loan coin", "principal", "collateral coin", "qty")) + "\n" + rows, **options)
    if found.drafts.questions:
        return [(q.where, q.remedy) for q in found.drafts.questions]
    return refused(found) or [loan[0][1] for loan in loans(found).values()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u00a0234.56", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1.234.567", "1234567"),
        ("0,123", "0.123"),
        ("1,5", "1.5"),
        ("1.5e3", "1500"),
        ("$1,234.50", "1234.50"),
        ("1234.56 USDT", "1234.56"),
        ("USDT 12.5", "12.5"),
    ],
)
def test_a_number_that_can_be_read_in_one_way_is_read_so(text: str, value: str) -> None:
    assert principal(text) == [value]


def test_a_column_decides_as_a_whole_how_its_numbers_are_read() -> None:
    assert principal("1,234", "1.234,5") == ["1.234", "1234.5"]
    assert principal("1,234", "0.5") == ["1234", "0.5"]
    assert principal("1.234", "12,5") == ["1234", "12.5"]


def test_what_no_number_of_the_file_decides_is_asked_and_never_guessed() -> None:
    remedy = "--decimal point for 1234, --decimal comma for 1.234"
    assert principal("1,234", "7") == [("C2", remedy)]
    assert principal("1,234", "7", decimal="comma") == ["1.234", "7"]
    assert principal("1,234", decimal="point") == ["1234"]
    assert principal("1.234", delimiter=",") == ["1.234"], "commas part the cells, so the point is a decimal one"


@pytest.mark.parametrize("text", ["abc", "-5", "(5)", "5%", "12,34,567", "1,2,3", "1.2.3", "5 ETH", "#REF!", "0x10"])
def test_what_is_no_quantity_is_refused_with_its_cell(text: str) -> None:
    assert principal("1", text) == [("C3", text)]


def test_a_number_of_excel_is_what_excel_shows() -> None:
    rows = [
        (f"g{i}", "USDT", value, "BTC", 2) for i, value in enumerate((0.1 + 0.2, 1e21, 123456789.12345678, 1e-7, 5.0))
    ]
    found = read(workbook(HEADER, *rows))
    assert [loan[0][1] for loan in loans(found).values()] == [
        "0.3",
        "1000000000000000000000",
        "123456789.123457",
        "0.0000001",
        "5",
    ]


def test_a_formula_counts_by_the_value_that_was_kept_and_without_one_it_is_refused() -> None:
    raw = workbook(HEADER, ("acme", "USDT", "=500*3", "BTC", 2), ("beta", "USDT", "=1/0", "BTC", 2))
    assert refused(read(raw)) == [("Loans!C2", "=500*3"), ("Loans!C3", "=1/0")]
    found = read(with_value(raw, "C2", "1500"))
    assert (loans(found), refused(found)) == ({"acme": [("USDT", "1500")]}, [("Loans!C3", "=1/0")])
    assert "save it" in found.drafts.refused[0].what


def test_an_error_of_excel_is_refused_with_its_cell() -> None:
    def spoil(_, sheet) -> None:  # type: ignore[no-untyped-def]
        sheet["E2"] = "#N/A"
        sheet["A3"] = "#REF!"

    assert refused(read(workbook(HEADER, GOOD, ("beta", *GOOD[1:]), more=spoil))) == [
        ("Loans!E2", "#N/A"),
        ("Loans!A3", "#REF!"),
    ]


def test_percent_cells_are_rates_and_never_quantities() -> None:
    def percent(_, sheet) -> None:  # type: ignore[no-untyped-def]
        for cell in ("F2", "G2", "C3"):
            sheet[cell].number_format = "0.00%"

    header = (*HEADER, "margin call", "annual rate", "term", "matures", "opened")
    term = ("30d", date(2026, 2, 4), date(2026, 1, 5))
    rows = (("acme", "USDT", 10, "BTC", 1, 0.77, 0.073, *term), ("beta", "USDT", 0.5, "BTC", 1, "77%", "7,3 %", *term))
    found = read(workbook(header, *rows, more=percent))
    (acme, beta) = (group.line for group in found.drafts.groups)
    assert acme["thresholds"] == beta["thresholds"] == {"margin_call": "0.77"}
    assert acme["loans"][0]["rate"] == {"kind": "fixed", "daily": "0.000200000000000000"}
    assert refused(found) == [("Loans!C3", "50%")]


def test_dates_are_read_as_dates_numbers_and_texts_of_one_order() -> None:
    def opened(*values: object, **options: Any) -> Any:
        rows = [(f"g{i}", *GOOD[1:], value) for i, value in enumerate(values)]
        found = read(workbook((*HEADER, "opened"), *rows), **options)
        if found.drafts.questions:
            return [(q.where, q.remedy) for q in found.drafts.questions]
        return refused(found) or [group.line["loans"][0]["opened_at"][:16] for group in found.drafts.groups]

    new_year = "2026-01-05T00:00"
    good = (
        datetime(2026, 1, 5, 10, 30, tzinfo=UTC).replace(tzinfo=None),
        date(2026, 1, 5),
        46027,
        "2026-01-05",
        "05.01.2026",
        "2026-01-05T12:00+02:00",
    )
    assert opened(*good) == ["2026-01-05T10:30", new_year, new_year, new_year, new_year, "2026-01-05T10:00"]
    assert opened("05/01/2026", "25/01/2026")[0] == new_year
    assert opened("01/05/2026", "01/25/2026")[0] == new_year
    assert opened("05/01/2026") == [("Loans!F2", "--dates dmy for 2026-01-05, --dates mdy for 2026-05-01")]
    assert opened("05/01/2026", dates="mdy") == ["2026-05-01T00:00"]
    assert opened(12.5, "31.02.2026", "soon") == [
        ("Loans!F2", "12.5"),
        ("Loans!F3", "31.02.2026"),
        ("Loans!F4", "soon"),
    ]


def test_a_coin_is_found_however_it_is_written() -> None:
    text = "group;loan coin;principal;collateral coin;qty\na;usdt;5;Bitcoin;1\nb;Tether (USDT);5;eth;1\nc;USDT;5;wstETH?;1\n"
    found = read(text)
    assert (loans(found)["b"], holdings(found)["a"], holdings(found)["b"]) == (
        [("USDT", "5")],
        {"BTC": "1"},
        {"ETH": "1"},
    )
    assert refused(found) == [("D4", "wstETH?")]


def test_ids_keep_all_their_digits_or_are_refused() -> None:
    rows = [
        (id_, *GOOD[1:]) for id_ in (1001, "756783308056935434", 756783308056935434, "7.56783E+17", True, "Ünlü AG")
    ]
    found = read(workbook(HEADER, *rows))
    assert [group.id for group in found.drafts.groups] == ["1001", "756783308056935434", "Unlu-AG"]
    assert [where for where, _ in refused(found)] == ["Loans!A4", "Loans!A5", "Loans!A6"]
    assert "15 digits" in found.drafts.refused[0].what
