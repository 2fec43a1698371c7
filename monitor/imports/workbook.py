"""Reads an Excel workbook (.xlsx, .xlsm): values as they were kept, never a formula run.

openpyxl knows the format; its parser of a sheet is asked cell by cell, as it alone shows in one pass the formula beside the
kept value, hidden rows and merged cells. XML is parsed by defusedxml. A zip bomb is refused by the sizes that the archive
states, and zipfile never unpacks more than those.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import openpyxl
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError
from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils.datetime import CALENDAR_MAC_1904, from_excel
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import FORMULA_TAG, INLINE_STRING, VALUE_TAG, Text, WorkSheetParser

from monitor.imports.sheets import (
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_ROWS,
    BadFile,
    Merged,
    NoValue,
    Percent,
    SheetRow,
    TableSheet,
    Value,
    Workbook,
    as_shown,
    letters,
)

MOST_UNPACKED = 400 << 20
"""Bytes of all parts of the archive: a table of 200,000 rows and 40 columns has about as much."""
MOST_PARTS = 2000
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SAVE_AS = "open it and save it as Excel workbook (.xlsx) or CSV"

assert openpyxl.DEFUSEDXML, "openpyxl must parse with defusedxml: the files come from anywhere"


def is_ole(raw: bytes) -> bool:
    """The container of old Excel files and of encrypted ones."""
    return raw.startswith(_OLE)


def refuse_ole(raw: bytes) -> BadFile:
    """Why such a container is not read."""
    if "EncryptedPackage".encode("utf-16-le") in raw:
        return BadFile("the file is encrypted: open it in Excel, take the password off, and save it as .xlsx")
    return BadFile(f"the file is of an old Excel (.xls); {_SAVE_AS}")


def read_workbook(raw: bytes, wanted: tuple[str, ...] = ()) -> Workbook:
    """The sheets of a workbook; `wanted` names those to read, hidden ones too. Raises BadFile."""
    try:
        _check(zipfile.ZipFile(io.BytesIO(raw)))
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        return _sheets(book, wanted)
    except (zipfile.BadZipFile, InvalidFileException, ParseError, EOFError) as e:
        raise BadFile(f"the file is damaged or no Excel workbook ({e}); {_SAVE_AS}") from None
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, NotImplementedError, RuntimeError) as e:
        # What a broken part makes of openpyxl: it raises whatever it meets, and hides below it what its parser refused.
        if _is_unsafe(e):
            raise BadFile("the file is not safe to read: its XML declares what no spreadsheet needs") from None
        raise BadFile(f"the file is no workbook that Excel writes ({type(e).__name__}); {_SAVE_AS}") from None


def _is_unsafe(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, DefusedXmlException):
            return True
        error = error.__context__
    return False


def _check(archive: zipfile.ZipFile) -> None:
    """Raises BadFile for an archive that is no workbook, or that unpacks to more than any table has."""
    parts = archive.infolist()
    names = {part.filename for part in parts}
    if "content.xml" in names and "xl/workbook.xml" not in names:
        raise BadFile(f"the file is an OpenDocument table (.ods); {_SAVE_AS}")
    if "xl/workbook.bin" in names:
        raise BadFile(f"the file is a binary workbook (.xlsb); {_SAVE_AS}")
    if "xl/workbook.xml" not in names:
        raise BadFile(f"the file is an archive, but no Excel workbook; {_SAVE_AS}")
    if any(part.flag_bits & 1 for part in parts):
        raise BadFile("the file is encrypted: take the password off, and save it as .xlsx")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED or len(parts) > MOST_PARTS:
        what = f"{len(parts)} parts, {unpacked >> 20} MB"
        raise BadFile(f"the file unpacks to {what}; the limit is {MOST_PARTS} parts and {MOST_UNPACKED >> 20} MB")


def _sheets(book: Any, wanted: tuple[str, ...]) -> Workbook:
    notes: list[str] = []
    sheets = []
    names = [sheet.title for sheet in book.worksheets]
    for name in wanted:
        if name not in names:
            raise BadFile(f"there is no sheet {name!r}; there are: {', '.join(names)}")
    room = MOST_CELLS
    for source in book.worksheets:
        if wanted and source.title not in wanted:
            continue
        if source.sheet_state != "visible" and not wanted:
            notes.append(f"sheet {source.title!r} is hidden and was not read; name it with --sheet to read it")
            continue
        if not isinstance(source, ReadOnlyWorksheet):
            continue
        sheet = _sheet(book, source, room, notes)
        room -= sum(len(row.values) for row in sheet.rows)
        sheets.append(sheet)
    if not sheets:
        raise BadFile("every sheet of the file is hidden; unhide the one with the loans, or name it with --sheet")
    return Workbook(sheets, notes)


def _sheet(book: Any, source: Any, room: int, notes: list[str]) -> TableSheet:
    rows: list[SheetRow] = []
    name = source.title
    with source._get_source() as part:
        parser = _Parser(book, part, source._shared_strings)
        for number, cells in parser.parse():
            values = _in_order(cells, name, number)
            room -= len(values)
            if room < 0 or len(rows) > MOST_ROWS:
                raise BadFile(f"the file has more than {MOST_ROWS:,} rows or {MOST_CELLS:,} cells; split it")
            if any(value is not None for value in values):
                rows.append(SheetRow(number, values))
    merged = [
        Merged(m.min_row, m.min_col - 1, m.max_row, m.max_col - 1)
        for m in getattr(parser.merged_cells, "mergeCell", ())
    ]
    kept = {str(row.number) for row in rows}
    hidden = [n for n, row in parser.row_dimensions.items() if _is_true(row.get("hidden")) and n in kept]
    if hidden:
        notes.append(f"sheet {name!r}: {len(hidden)} hidden rows were read as all others, the first is row {hidden[0]}")
    columns = [c for c, of in parser.column_dimensions.items() if _is_true(of.get("hidden"))]
    if columns:
        notes.append(f"sheet {name!r}: hidden columns were read as all others, the first is column {columns[0]}")
    return TableSheet(name, rows, merged, source.sheet_state != "visible", book.epoch == CALENDAR_MAC_1904)


def _is_true(text: str | None) -> bool:
    return text in ("1", "true")


def _in_order(cells: list[tuple[int, Value]], name: str, number: int) -> list[Value]:
    """The values of a row from column A on. Raises BadFile for a value far to the right."""
    values: list[Value] = []
    for column, value in cells:
        if value is None:
            continue
        if not 0 <= column < MOST_COLUMNS:
            raise BadFile(f"{name}!{letters(column)}{number} holds a value; the limit is {MOST_COLUMNS} columns")
        values.extend([None] * (column + 1 - len(values)))
        values[column] = value
    return values


class _Parser(WorkSheetParser):  # type: ignore[misc]  # openpyxl has no types
    """Reads a cell as (column, value): numbers as decimals from their text, and what a formula left behind."""

    def __init__(self, book: Any, part: Any, shared_strings: Any) -> None:
        dates = (book._date_formats, book._timedelta_formats)
        super().__init__(part, shared_strings, True, book.epoch, *dates)
        self._formats = [_format_of(book, style) for style in book._cell_styles]
        self._columns: dict[str, int] = {}
        self.col_counter: int = 0

    def parse_cell(self, element: Any) -> tuple[int, Value]:
        """See WorkSheetParser."""
        column = self._column(element.get("r"))
        kind = element.get("t", "n")
        text = element.findtext(VALUE_TAG)
        if kind == "inlineStr":
            child = element.find(INLINE_STRING)
            return column, _text(Text.from_tree(child).content if child is not None else None)
        if not text:
            if element.find(FORMULA_TAG) is not None:
                formula = "=" + (element.findtext(FORMULA_TAG) or "")
                what = "the file keeps no result of this formula; open it in Excel and save it, or write the value"
                return column, NoValue(formula, what)
            return column, None
        return column, self._value(kind, text, int(element.get("s") or 0))

    def _value(self, kind: str, text: str, style: int) -> Value:
        match kind:
            case "s":
                return _text(self.shared_strings[int(text)])
            case "b":
                return text == "1"
            case "e":
                return NoValue(text, "the cell shows an error of Excel; mend its formula, or write the value")
            case "str":
                return _text(text)
            case "d":
                return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=None)
        try:
            number = as_shown(text)
        except InvalidOperation:
            return NoValue(text, "the cell holds no number; write it again")
        if style in self.date_formats:
            return self._date(number, text, is_span=style in self.timedelta_formats)
        if style < len(self._formats) and "%" in self._formats[style]:
            return Percent(number)
        return number

    def _date(self, number: Decimal, text: str, *, is_span: bool) -> Value:
        try:
            found = from_excel(float(number), self.epoch, timedelta=is_span)
        except (OverflowError, ValueError):
            return NoValue(text, "the cell is shown as a date, but its number is none; write the date again")
        if isinstance(found, datetime):
            return found
        if isinstance(found, date):
            return datetime(found.year, found.month, found.day)  # noqa: DTZ001  a cell has no zone; it is read as UTC later
        if isinstance(found, time):
            return number
        return NoValue(text, "the cell holds a time span; write a date or a number")

    def _column(self, reference: str | None) -> int:
        if not reference:
            self.col_counter += 1
            return self.col_counter - 1
        head = reference.rstrip("0123456789")
        column = self._columns.get(head)
        if column is None:
            column = 0
            for letter in head:
                column = column * 26 + ord(letter.upper()) - 64
            self._columns[head] = column
        self.col_counter = column
        return column - 1


def _text(text: str | None) -> str | None:
    """A text without the white space around it; None for nothing."""
    return (text.strip() or None) if text else None


def _format_of(book: Any, style: Any) -> str:
    number = style.numFmtId
    if number < 164:
        return str(BUILTIN_FORMATS.get(number, "General"))
    return str(book._number_formats[number - 164])
