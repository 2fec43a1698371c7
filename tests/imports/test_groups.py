"""Rows become groups: rows of one id are one group, totals are none, and what is said twice is refused and never added up."""

from __future__ import annotations

import time

import pytest

from tests.imports.tables import GOOD, HEADER, holdings, loans, read, refused, workbook

HEAD = "group;borrower;loan id;loan coin;principal;collateral coin;qty;account\n"


def test_rows_of_one_id_are_one_group_with_several_loans_and_coins() -> None:
    found = read(
        "group;loan coin;principal;collateral coin;qty\na;USDT;5;BTC;1\nb;USDT;7;BTC;2\na;USDC;6;ETH;3\na;;;SOL;4\na;USDT;9;;\n"
    )
    assert loans(found) == {"a": [("USDT", "5"), ("USDC", "6"), ("USDT", "9")], "b": [("USDT", "7")]}
    assert holdings(found)["a"] == {"BTC": "1", "ETH": "3", "SOL": "4"}
    assert [loan["id"] for loan in found.drafts.groups[0].line["loans"]] == ["a-USDT", "a-USDC", "a-USDT-2"]


def test_a_joined_table_repeats_a_loan_for_each_coin_and_it_counts_once() -> None:
    found = read(HEAD + "a;A;L1;USDT;5;BTC;1;\na;A;L1;USDT;5;ETH;2;\n")
    assert (loans(found), holdings(found)) == ({"a": [("USDT", "5")]}, {"a": {"BTC": "1", "ETH": "2"}})


@pytest.mark.parametrize(
    ("second", "cell", "word"),
    [
        ("a;A;L1;USDT;6;ETH;2;", "C3", "an id names one loan"),
        ("a;A;L2;USDT;6;BTC;1;", "G3", "states BTC of the same group already"),
        ("a;B;L2;USDT;6;ETH;1;", "B3", "says 'A' of the same group"),
        ("a;A;L2;USDT;;ETH;1;", "E3", "no principal"),
        ("a;A;L2;;6;ETH;1;", "D3", "no coin is named"),
        ("a;A;L2;USDT;6;ETH;;", "G3", "no quantity"),
        ("a;A;L2;USDT;6;;1;", "F3", "no coin"),
        (";A;L2;USDT;6;ETH;1;", "A3", "no id of a group"),
        ("Ä;A;L2;USDT;6;ETH;1;\nA;A;L3;USDT;6;SOL;1;", "A4", "same id A"),
    ],
)
def test_what_contradicts_itself_is_refused_with_both_cells(second: str, cell: str, word: str) -> None:
    found = read(f"{HEAD}a;A;L1;USDT;5;BTC;1;\n{second}\nz;Z;L9;USDT;5;BTC;1;\n")
    assert [r.where for r in found.drafts.refused] == [cell]
    assert word in found.drafts.refused[0].what
    assert "z" in loans(found), "good rows stand beside"
    assert ("a" in loans(found)) == (cell in ("A3", "A4")), "a group is never half"


def test_the_same_loan_twice_without_an_id_is_refused() -> None:
    found = read("group;loan coin;principal;collateral coin;qty\na;USDT;5;BTC;1\na;USDT;5;ETH;2\n")
    assert refused(found) == [("C3", "5")]
    assert "looks the same" in found.drafts.refused[0].what


def test_the_same_coin_in_two_accounts_is_held_twice() -> None:
    found = read(HEAD.replace("account", "collateral account") + "a;A;L1;USDT;5;BTC;1;x\na;A;;;;BTC;2;y\n")
    assert found.drafts.groups[0].line["collateral"] == {"x": {"BTC": "1"}, "y": {"BTC": "2"}}


@pytest.mark.parametrize(
    "total",
    [
        ("Total", None, 3000),
        (None, "Grand total", 3000),
        ("Итого:", None, 3000),
        (None, None, 3000),
        ("Summe", None, 3000),
    ],
)
def test_rows_of_totals_are_left_out_and_it_is_said(total: tuple[object, ...]) -> None:
    found = read(workbook(HEADER, GOOD, ("beta", "USDT", 2000, "BTC", 3), total))
    assert loans(found) == {"acme": [("USDT", "1000")], "beta": [("USDT", "2000")]}
    assert not found.drafts.refused
    assert any("totals" in note and "Loans!A4" in note for note in found.drafts.notes)


def test_a_borrower_whose_name_begins_like_a_total_is_no_total() -> None:
    found = read(workbook(HEADER, ("Total Energies", *GOOD[1:]), (None, None, 77)))
    assert loans(found) == {"Total-Energies": [("USDT", "1000")]}
    assert refused(found) == [("Loans!A3", "")], "a number that is no sum is not passed over"


def test_a_repeated_header_and_remarks_are_left_out_and_it_is_said() -> None:
    found = read(workbook((*HEADER, "note"), (*GOOD, None), (*HEADER, "note"), (None,) * 5 + ("checked by Ann",)))
    assert loans(found) == {"acme": [("USDT", "1000")]}
    assert not found.drafts.refused
    assert sum("left out" in note for note in found.drafts.notes) == 2


def test_term_loans_need_their_dates() -> None:
    head = "group;loan coin;principal;collateral coin;qty;opened;matures;term\n"
    good = read(
        head + "a;USDT;5;BTC;1;2026-01-05;2026-02-04;\nb;USDT;5;BTC;1;;2026-02-04;60 days\nc;USDT;5;BTC;1;;;open\n"
        "d;USDT;5;BTC;1;2026-01-05;2026-01-12;\ne;USDT;5;BTC;1;;2026-07-04;180 days\n"
    )
    terms = [group.line["loans"][0]["term"] for group in good.drafts.groups]
    assert terms == ["30d", "60d", "open", "7d", "180d"]
    bad = read(
        head
        + "a;USDT;5;BTC;1;2026-01-05;2026-01-05;\nb;USDT;5;BTC;1;;2026-02-04;\nc;USDT;5;BTC;1;;;30d\nd;USDT;5;BTC;1;;;soon\n"
    )
    assert [where for where, _ in refused(bad)] == ["H2", "H3", "G4", "H5"]


def test_a_table_of_thousands_is_read_in_reasonable_time() -> None:
    """The scaled form of 100,000 rows: a slope that is not straight shows here."""
    assert _took_s(2000) < 12 * _took_s(500) + 0.2


def _took_s(count: int) -> float:
    """The least of three: what the collector does for other tests' objects in the same process is no part of it."""
    rows = "".join(f"g{i};USDT;{1000 + i},5;BTC;{i % 7 + 1}\n" for i in range(count))
    took = []
    for _ in range(3):
        start_s = time.process_time()
        found = read("group;loan coin;principal;collateral coin;qty\n" + rows)
        took.append(time.process_time() - start_s)
        assert len(loans(found)) == count
    return min(took)


@pytest.mark.soak
def test_a_workbook_of_100000_rows_is_read_within_a_minute_of_processor_time() -> None:
    rows = ((f"g{i}", "USDT", 1000 + i, "BTC", i % 7 + 1) for i in range(100_000))
    raw = workbook(HEADER, *rows)
    start_s = time.process_time()
    assert len(loans(read(raw))) == 100_000
    assert time.process_time() - start_s < 60
