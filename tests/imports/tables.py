"""Files for the tests of imports: real workbooks that openpyxl writes, CSV texts, and what is read of them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import openpyxl

from monitor.imports.fields import ImportOptions
from monitor.imports.reading import FileRead, read_groups

OPTIONS = ImportOptions(coins=frozenset({"BTC", "ETH", "SOL", "USDT", "USDC"}), products=("vip_loan",))
HEADER = ("group", "loan coin", "principal", "collateral coin", "collateral quantity")
GOOD = ("acme", "USDT", 1000, "BTC", 2)


def workbook(*rows: Sequence[Any], title: str = "Loans", more: Callable[[Any, Any], None] | None = None) -> bytes:
    """A workbook of one sheet; `more` gets the workbook and the sheet before it is saved."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    if more is not None:
        more(book, sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repacked(raw: bytes, change: Mapping[str, Callable[[bytes], bytes]]) -> bytes:
    """The archive with some of its parts changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            body = old.read(part)
            new.writestr(part.filename, change[part.filename](body) if part.filename in change else body)
    return file.getvalue()


def as_excel_writes(raw: bytes) -> bytes:
    """The workbook with its texts in a part of their own, which openpyxl writes into the cells."""
    texts: list[bytes] = []

    def share(found: re.Match[bytes]) -> bytes:
        texts.append(found[2])
        return b'<c r="%s" t="s"><v>%d</v></c>' % (found[1], len(texts) - 1)

    def cells(body: bytes) -> bytes:
        return re.sub(rb'<c r="(\w+)" t="inlineStr"><is><t>(.*?)</t></is></c>', share, body)

    def type_of(body: bytes) -> bytes:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        return body.replace(
            b"</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
        )

    found = repacked(raw, {"xl/worksheets/sheet1.xml": cells, "[Content_Types].xml": type_of})
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    items = b"".join(b"<si><t>%s</t></si>" % text for text in texts)
    file = io.BytesIO(found)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{space}">'.encode() + items + b"</sst>")
    return file.getvalue()


def with_value(raw: bytes, cell: str, value: str) -> bytes:
    """The workbook with the value that a formula left in its cell, as Excel keeps it."""
    pattern = re.compile(rf'(<c r="{cell}"[^>]*>)<f>(.*?)</f><v ?/?>(?:</v>)?'.encode())

    def change(body: bytes) -> bytes:
        found, count = pattern.subn(rf"\g<1><f>\g<2></f><v>{value}</v>".encode(), body)
        assert count == 1, body
        return found

    return repacked(raw, {"xl/worksheets/sheet1.xml": change})


def read(raw: bytes | str, **options: Any) -> FileRead:
    """What a file says; a text is CSV."""
    data = raw.encode() if isinstance(raw, str) else raw
    return read_groups(data, msgspec.structs.replace(OPTIONS, **options))


def holdings(found: FileRead) -> dict[str, dict[str, str]]:
    """By group of those that can be taken: its collateral over all accounts."""
    return {
        group.id: {coin: q for account in group.line["collateral"].values() for coin, q in account.items()}
        for group in found.drafts.groups
        if not group.is_bad
    }


def loans(found: FileRead) -> dict[str, list[tuple[str, str]]]:
    """By group of those that can be taken: coin and principal of its loans."""
    good = [group for group in found.drafts.groups if not group.is_bad]
    return {group.id: [(loan["asset"], loan["principal"]) for loan in group.line["loans"]] for group in good}


def refused(found: FileRead) -> list[tuple[str, str]]:
    """The cell and the value of each refusal."""
    return [(cell.where, cell.value) for cell in found.drafts.refused]


def fields(found: FileRead, sheet: int = 0) -> dict[str, str]:
    """What each column of a sheet is taken for, by its letter."""
    return {column.column: column.field for column in found.sheets[sheet].columns}
