"""Reads CSV in the usual dialects: comma, semicolon, tab or bar; UTF-8, UTF-16 or a Windows code page."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter

from monitor.imports.sheets import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, BadFile, SheetRow, TableSheet, Value, Workbook

DELIMITERS = (";", "\t", ",", "|")
_SAMPLE_ROWS = 50
_CELL_CHARS = 32_768
"""Excel's own limit of a cell."""
_UTF16 = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CODE_PAGE = "cp1252"


def read_delimited(raw: bytes, encoding: str | None = None) -> Workbook:
    """The one table of a CSV file. Raises BadFile."""
    notes: list[str] = []
    text = _decoded(raw, encoding, notes)
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise BadFile(f"line {line} holds a NUL character: the file is no text; save it as CSV (UTF-8) or .xlsx")
    stated, text = _stated_delimiter(text)
    skipped = 1 if stated else 0
    delimiter = stated or _delimiter(text)
    rows = _rows(text, delimiter, skipped)
    names = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars"}
    notes.append(f"cells are separated by {names.get(delimiter, delimiter)}")
    return Workbook([TableSheet("", rows, [], delimiter=delimiter)], notes)


def _decoded(raw: bytes, encoding: str | None, notes: list[str]) -> str:
    if encoding is not None:
        try:
            return raw.decode(encoding).removeprefix("\ufeff")
        except (LookupError, UnicodeDecodeError) as e:
            raise BadFile(f"the file is not {encoding}: {e}; name another --encoding, or leave it out") from None
    for mark, name in _UTF16:
        if raw.startswith(mark):
            return _utf16(raw.removeprefix(mark), name)
    head = raw[:4000]
    if len(head) >= 4 and head[1::2].count(0) > len(head) // 4:
        return _utf16(raw, "utf-16-le")
    if len(head) >= 4 and head[::2].count(0) > len(head) // 4:
        return _utf16(raw, "utf-16-be")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode(_CODE_PAGE)
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        what = f"line {line} is neither UTF-8 nor {_CODE_PAGE}: byte {raw[e.start]:#04x}"
        raise BadFile(f"{what}; save the file as CSV UTF-8, or name its --encoding, such as cp1250 or cp1251") from None
    notes.append(f"the file is not UTF-8 and was read as {_CODE_PAGE}; where letters look wrong, name its --encoding")
    return text


def _utf16(raw: bytes, name: str) -> str:
    try:
        return raw.decode(name)
    except UnicodeDecodeError as e:
        raise BadFile(f"the file is cut off or no {name}: {e.reason}; save it again as CSV UTF-8") from None


def _stated_delimiter(text: str) -> tuple[str, str]:
    """The delimiter that Excel's first line `sep=;` states, and the text after that line."""
    first, _, rest = text.partition("\n")
    first = first.strip().strip('"')
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], rest
    return "", text


def _delimiter(text: str) -> str:
    """The delimiter by which most of the first rows have the same number of cells, the more the better."""
    best, best_score = ",", (0, 0)
    for delimiter in DELIMITERS:
        counts = Counter[int]()
        try:
            for i, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
                if i >= _SAMPLE_ROWS:
                    break
                if len(row) > 1:
                    counts[len(row)] += 1
        except csv.Error:
            continue
        if counts:
            width, times = max(counts.items(), key=lambda item: (item[1], item[0]))
            if (times, width) > best_score:
                best, best_score = delimiter, (times, width)
    return best


def _rows(text: str, delimiter: str, skipped: int) -> list[SheetRow]:
    csv.field_size_limit(_CELL_CHARS)
    rows: list[SheetRow] = []
    cells = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = skipped
    try:
        for number, found in enumerate(reader, skipped + 1):
            values: list[Value] = [cell.strip() or None for cell in found]
            while values and values[-1] is None:
                values.pop()
            if not values:
                continue
            cells += len(values)
            if len(rows) >= MOST_ROWS or cells > MOST_CELLS or len(values) > MOST_COLUMNS:
                limits = f"{MOST_ROWS:,} rows, {MOST_COLUMNS} columns and {MOST_CELLS:,} cells"
                raise BadFile(f"row {number}: the limit is {limits}; split the file")
            rows.append(SheetRow(number, values))
    except csv.Error as e:
        hint = (
            "close its quotation marks" if "quote" in str(e) or "EOF" in str(e) or "expected" in str(e) else "mend it"
        )
        raise BadFile(f"row {number + 1} (line {reader.line_num + skipped}) cannot be read: {e}; {hint}") from None
    return rows
