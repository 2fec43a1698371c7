"""From the bytes of a file to groups: finds tables and columns, asks what is missing, and makes the groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.imports.columns import Question, decide
from monitor.imports.fields import Column, HeadedSheet, ImportOptions, KeptMapping, field_problem
from monitor.imports.files import read_file
from monitor.imports.groups import Drafts, draft
from monitor.imports.headers import find_table
from monitor.imports.sheets import BadFile, letters, shown
from monitor.imports.words import folded


class ColumnShown(msgspec.Struct, frozen=True):
    """A column of the file, and what it is taken for."""

    column: str
    header: str
    field: str
    """Empty: it is not used."""
    why: str
    """set: now by hand; kept: as it was confirmed before; guessed."""
    example: str


class SheetShown(msgspec.Struct, frozen=True):
    """A table of the file."""

    sheet: str
    header_row: int
    rows: int
    columns: list[ColumnShown]


class FileRead(NamedTuple):
    """What a file says, and how it was understood."""

    sheets: list[SheetShown]
    drafts: Drafts
    mapping: KeptMapping
    """What is kept once a person has confirmed it."""


def read_groups(raw: bytes, options: ImportOptions) -> FileRead:
    """The groups of a file. Raises BadFile."""
    _check(options)
    book = read_file(raw, options.sheets, options.encoding)
    notes = list(book.notes)
    filled = [sheet for sheet in book.sheets if sheet.rows]
    tables = []
    for sheet in filled:
        table = find_table(sheet, options, is_only=len(filled) == 1)
        if table is None or not any(c.field and c.field != "ignore" for c in table.columns):
            if len(filled) > 1:
                notes.append(f"sheet {sheet.name!r} has no column that is known, and was not read")
            continue
        if not ({"group", "borrower"} & table.fields.keys()) and len(filled) > 1:
            notes.append(f"sheet {sheet.name!r} has no column with the id of a group, and was not read")
            continue
        tables.append(table)
    if not tables:
        raise BadFile(
            "no row looks like a header; begin from `monitor import --template`, or name columns by --map 'A=group'"
        )
    decisions = decide(tables, options)
    drafts = draft(tables, decisions, options)
    questions = [*_missing(tables, options), *decisions.questions]
    names = {"" if len(filled) == 1 else t.sheet.name: t for t in tables}
    kept = KeptMapping(
        {name: {c.header: c.field for c in t.columns if c.field} for name, t in names.items()},
        options.kept.constants | options.constants,
        options.decimal or options.kept.decimal,
        options.dates or options.kept.dates,
    )
    notes += drafts.notes
    return FileRead([_shown(t) for t in tables], drafts._replace(notes=notes, questions=questions), kept)


def _check(options: ImportOptions) -> None:
    """Raises BadFile for a mapping that names what is no field."""
    for key, field in options.columns.items():
        if (problem := field_problem(field)) is not None:
            raise BadFile(f"--map {key!r}: {problem}")
    for field in options.constants:
        if field not in _CONSTANTS:
            raise BadFile(f"--set: found {field!r}, expected one of: {', '.join(_CONSTANTS)}")


_CONSTANTS = ("product", "loan_coin", "collateral_coin")


def _missing(tables: Sequence[HeadedSheet], options: ImportOptions) -> list[Question]:
    """Columns without which a table states no loan."""
    constants = options.kept.constants | options.constants
    fields = {field for table in tables for field in table.fields}
    families = {field.partition(":")[0] for field in fields if ":" in field}
    where = tables[0].sheet.name or "the file"
    found = []
    if not fields & {"group", "borrower"}:
        found.append(_question(tables, where, "which column holds the id of the group?", "group"))
    if "loan" not in families and "principal" not in fields:
        found.append(_question(tables, where, "which column holds what is owed?", "principal"))
    if "collateral" not in families and "collateral_quantity" not in fields:
        found.append(
            _question(tables, where, "which column holds how much collateral there is?", "collateral_quantity")
        )
    for role, needs in (("loan", "principal"), ("collateral", "collateral_quantity")):
        coin = f"{role}_coin"
        if needs in fields and coin not in fields and coin not in constants and not _has_units(tables, needs):
            question = _question(tables, where, f"which column holds the coin of the {role}?", coin)
            remedy = f"{question.remedy}; or the same for all rows: --set {coin}=USDT"
            found.append(Question(question.where, question.text, remedy))
    if "product" not in fields and "product" not in constants and len(options.products) != 1:
        known = ", ".join(options.products) or "none is configured"
        found.append(Question(where, f"which product values these groups? There are: {known}", "--set product=NAME"))
    return found


def _question(tables: Sequence[HeadedSheet], where: str, text: str, field: str) -> Question:
    free = [c for table in tables for c in table.columns if not c.field]
    likely = next((c for c in free if folded(field.replace("_", " ").split()[-1]) in folded(c.header)), None)
    header = likely.header if likely is not None else free[0].header if free else "HEADER"
    return Question(where, text, f"--map '{header}={field}'")


def _has_units(tables: Sequence[HeadedSheet], field: str) -> bool:
    """Quantities of the column are written with their coin: `12.5 BTC`."""
    for table in tables:
        column = table.fields.get(field)
        if column is None:
            continue
        values = [row.values[column.position] for row in table.rows[:200] if column.position < len(row.values)]
        if any(isinstance(v, str) and any(c.isalpha() for c in v) for v in values):
            return True
    return False


def _shown(table: HeadedSheet) -> SheetShown:
    return SheetShown(table.sheet.name, table.header, len(table.rows), [_column(table, c) for c in table.columns])


def _column(table: HeadedSheet, column: Column) -> ColumnShown:
    values = (row.values[column.position] for row in table.rows[:200] if column.position < len(row.values))
    example = next((shown(v) for v in values if v is not None), "")
    return ColumnShown(letters(column.position), column.header, column.field, column.why, example)
