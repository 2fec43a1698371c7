"""Files of every kind that people hand in: each is read right, or refused as what it is with the remedy."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from monitor.imports import workbook as workbook_reader
from monitor.imports.sheets import BadFile
from tests.imports.tables import GOOD, HEADER, as_excel_writes, holdings, loans, read, repacked, workbook

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LINE = "group;loan coin;principal;collateral coin;qty\nmüller;USDT;1.000,5;BTC;2\n"


def _archive(**parts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name.replace("__", "/"), body)
    return file.getvalue()


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"\0" * 600, "empty"),
        (_OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (_OLE + b"\0" * 600, r"old Excel \(.xls\)"),
        (_archive(**{"content.xml": b"<a/>", "mimetype": b"application/vnd.oasis"}), "ods"),
        (_archive(**{"xl__workbook.bin": b"x"}), "xlsb"),
        (_archive(**{"a.txt": b"x"}), "no Excel workbook"),
        (b"PK\x03\x04 nothing", "damaged"),
        (b"%PDF-1.7 ...", "a PDF"),
        (gzip.compress(b"group;principal", mtime=0), "gzip"),
        (b"<html><table><tr><td>group", "web page"),
        (b'{"id": "acme"}', "JSON"),
        (b"group;principal\nac\0me;5\n", "NUL"),
        (b'group;principal\n"acme;5\n', "quotation marks"),
        (b"group;principal\n" + b";" * 300 + b"5\n", "256 columns"),
        (b"\xff\xfeg\0r\0o", "utf-16-le"),
        (b"group;principal\nm\x81ller;5\n", "encoding"),
    ],
)
def test_a_file_that_is_no_table_is_refused_as_what_it_is(raw: bytes, word: str) -> None:
    with pytest.raises(BadFile, match=word):
        read(raw)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_every_usual_dialect_of_csv_is_read(encoding: str, delimiter: str) -> None:
    found = read(LINE.replace(";", delimiter).encode(encoding))
    assert (loans(found), holdings(found)) == ({"muller": [("USDT", "1000.5")]}, {"muller": {"BTC": "2"}})
    assert any("read as cp1252" in note for note in found.drafts.notes) == (encoding == "cp1252")


def test_commas_quotes_and_the_line_of_excel_are_read() -> None:
    text = 'sep=,\r\n"group","loan coin","principal","collateral coin","qty"\r\n"a","USDT","1,000,000.5","BTC","2"\r\n'
    assert loans(read(text)) == {"a": [("USDT", "1000000.5")]}
    assert loans(read(text.replace("sep=,\r\n", ""))) == {"a": [("USDT", "1000000.5")]}


def test_a_zip_bomb_and_a_declared_entity_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = as_excel_writes(workbook(HEADER, GOOD))
    assert loans(read(good)) == {"acme": [("USDT", "1000")]}
    monkeypatch.setattr(workbook_reader, "MOST_UNPACKED", 1 << 20)
    bomb = repacked(good, {"xl/sharedStrings.xml": lambda body: body + b" " * (1 << 20)})
    assert len(bomb) < 1 << 14
    with pytest.raises(BadFile, match="unpacks to"):
        read(bomb)
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">]>'
    entity = repacked(good, {"xl/worksheets/sheet1.xml": lambda body: laughs + body[body.index(b"<worksheet") :]})
    with pytest.raises(BadFile, match="not safe"):
        read(entity)


def test_a_broken_workbook_is_refused_and_never_half_read() -> None:
    good = as_excel_writes(workbook(HEADER, GOOD))
    for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml"):
        with pytest.raises(BadFile):
            read(repacked(good, {part: lambda body: body[: len(body) // 2]}))
    with pytest.raises(BadFile):
        read(good[:-100])


def test_hidden_sheets_are_left_out_and_hidden_rows_read_and_both_is_said() -> None:
    def hide(book, sheet) -> None:  # type: ignore[no-untyped-def]
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["B"].hidden = True
        other = book.create_sheet("Old")
        other.append(HEADER)
        other.append(("old", *GOOD[1:]))
        other.sheet_state = "hidden"

    raw = workbook(HEADER, GOOD, ("beta", *GOOD[1:]), more=hide)
    found = read(raw)
    assert set(loans(found)) == {"acme", "beta"}
    said = "; ".join(found.drafts.notes)
    for word in ("sheet 'Old' is hidden and was not read", "1 hidden rows were read", "column B"):
        assert word in said
    assert set(loans(read(raw, sheets=("Old",)))) == {"old"}
    with pytest.raises(BadFile, match="there are: Loans, Old"):
        read(raw, sheets=("New",))
