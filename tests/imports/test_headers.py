"""Which column holds what: by its words in six languages, by its cells, by what stands beside it, or asked."""

from __future__ import annotations

import pytest

from monitor.imports.fields import KeptMapping
from monitor.imports.sheets import BadFile
from monitor.imports.template import HEADERS, write_template
from tests.imports.tables import GOOD, HEADER, fields, holdings, loans, read, workbook

FLAT = ["group", "loan_coin", "principal", "collateral_coin", "collateral_quantity"]


@pytest.mark.parametrize(
    "header",
    [
        "Group;Loan coin;Principal;Collateral coin;Collateral quantity",
        "group_id;loan_asset;loan_amount;collateral_asset;collateral_amount",
        "Gruppe;Kreditwährung;Kreditbetrag;Sicherheit Coin;Sicherheit Menge",
        "Grupo;Moeda do empréstimo;Valor principal;Ativo da garantia;Quantidade da garantia",
        "Grupa;Waluta pożyczki;Kwota pożyczki;Waluta zabezpieczenia;Ilość zabezpieczenia",
        "Grupp;Lån valuta;Lån belopp;Säkerhet valuta;Säkerhet mängd",
        "Группа;Валюта займа;Сумма займа;Валюта залога;Количество залога",
        "Group;Currency;Outstanding;Collateral;Qty",
        "Position;Ccy;Debt;Security asset;Balance",
    ],
)
def test_usual_words_of_six_languages_are_known(header: str) -> None:
    found = read(f"{header}\nacme;USDT;1000;BTC;2\n")
    assert list(fields(found).values()) == FLAT
    assert all(column.why == "guessed" for column in found.sheets[0].columns)


def test_a_header_below_titles_and_under_merged_headings_is_found() -> None:
    def merge(_, sheet) -> None:  # type: ignore[no-untyped-def]
        for cells in ("A1:E1", "A3:A4", "B3:C3", "D3:E3", "A5:A6"):
            sheet.merge_cells(cells)

    rows = (
        ("Loan book of the desk",),
        (),
        ("Group", "Loan", None, "Collateral", None),
        (None, "Coin", "Amount", "Coin", "Amount"),
        ("acme", "USDT", 1000, "BTC", 2),
        (None, None, None, "ETH", 5),
    )
    found = read(workbook(*rows, more=merge))
    assert (found.sheets[0].header_row, list(fields(found).values())) == (4, FLAT)
    assert (loans(found), holdings(found)) == ({"acme": [("USDT", "1000")]}, {"acme": {"BTC": "2", "ETH": "5"}})
    csv = "Group,Loan,,Collateral,\n,Coin,Amount,Coin,Amount\nacme,USDT,1000,BTC,2\n"
    assert list(fields(read(csv)).values()) == FLAT


def test_columns_headed_by_coins_hold_how_much_there_is() -> None:
    found = read("Client;USDT debt;BTC;ETH amount;BTC price;LTV\nAcme Ltd;1000;2;0;60000;0,5\n")
    assert list(fields(found).values()) == ["borrower", "loan:USDT", "collateral:BTC", "collateral:ETH", "", ""]
    assert (loans(found), holdings(found)) == ({"Acme-Ltd": [("USDT", "1000")]}, {"Acme-Ltd": {"BTC": "2"}})
    assert found.drafts.groups[0].line["labels"] == {"borrower": "Acme Ltd"}


def test_two_sheets_are_joined_by_the_id_of_the_group() -> None:
    def more(book, _) -> None:  # type: ignore[no-untyped-def]
        held = book.create_sheet("Collateral")
        for row in (("Group", "Coin", "Amount"), ("acme", "BTC", 2), ("acme", "ETH", 5)):
            held.append(row)
        book.create_sheet("Notes").append(("remember the milk", "and the bread"))

    found = read(workbook(("Group", "Coin", "Amount"), ("acme", "USDT", 1000), ("acme", "USDC", 7), more=more))
    assert loans(found) == {"acme": [("USDT", "1000"), ("USDC", "7")]}
    assert holdings(found) == {"acme": {"BTC": "2", "ETH": "5"}}
    assert any("'Notes'" in note for note in found.drafts.notes)


def test_what_no_column_says_is_asked_with_the_remedy() -> None:
    found = read("name;amount owed;x;BTC\nacme;5;USDT;1\n", products=("acme-2026", "vip_loan"))
    asked = {question.text.partition("?")[0]: question.remedy for question in found.drafts.questions}
    assert asked["which column holds the coin of the loan"].startswith("--map 'x=loan_coin'")
    assert asked["which product values these groups"] == "--set product=NAME"
    done = read(
        "name;amount owed;x;BTC\nacme;5;USDT;1\n", columns={"x": "loan_coin"}, constants={"product": "vip_loan"}
    )
    assert (done.drafts.questions, loans(done)) == ([], {"acme": [("USDT", "5")]})


def test_a_mapping_by_hand_wins_and_is_kept_for_the_next_file() -> None:
    text = "A;B;C;D;E\nacme;USDT;1000;BTC;2\n"
    by_hand = dict(zip("ABCDE", FLAT, strict=True))
    found = read(text, columns=by_hand, constants={"product": "vip_loan"}, decimal="comma")
    assert (loans(found), {c.why for c in found.sheets[0].columns}) == ({"acme": [("USDT", "1000")]}, {"set"})
    again = read(text, kept=found.mapping)
    assert (loans(again), {c.why for c in again.sheets[0].columns}) == (loans(found), {"kept"})
    assert found.mapping == KeptMapping({"": by_hand}, {"product": "vip_loan"}, "comma")
    assert again.mapping == found.mapping
    with pytest.raises(BadFile, match="expected one of"):
        read(text, columns={"A": "grupo"})
    with pytest.raises(BadFile, match="both 'group'"):
        read(text, columns={"A": "group", "B": "group"})


def test_the_template_is_read_as_it_means(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name in ("loans.xlsx", "loans.csv"):
        write_template(tmp_path / name)
        found = read((tmp_path / name).read_bytes())
        assert list(fields(found).values()) == list(HEADERS.values()), name
        assert loans(found) == {"example-1": [("USDT", "1000000")], "example-2": [("USDT", "500000")]}
        assert holdings(found) == {"example-1": {"BTC": "25", "ETH": "100"}, "example-2": {"BTC": "15"}}
        assert not found.drafts.refused
        assert not found.drafts.questions


def test_a_sheet_without_a_header_is_refused() -> None:
    with pytest.raises(BadFile, match="header"):
        read(workbook((1, 2, 3), (4, 5, 6)))
    assert list(fields(read(workbook(HEADER, GOOD))).values()) == FLAT
