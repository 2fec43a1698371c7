"""What a file of any form becomes: sheets of rows of values, each with the address that a spreadsheet shows."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import NamedTuple

MOST_ROWS = 200_000
"""Twice the largest book that we have heard of in a spreadsheet; Excel itself ends at a million."""
MOST_COLUMNS = 256
"""A desk's table has some dozen; a cell further right is there by mistake."""
MOST_CELLS = 8_000_000
"""All sheets together: 200,000 rows of 40 columns, for which the reading process has memory."""


class BadFile(Exception):
    """The file as a whole cannot be read. The text says why, and what to do."""


class NoValue(NamedTuple):
    """A cell that states no value: an error of Excel, a formula whose result was not kept."""

    found: str
    what: str


class Percent(NamedTuple):
    """A cell that is shown as a percentage; `share` is 0.05 for 5 %."""

    share: Decimal


Value = str | Decimal | datetime | bool | Percent | NoValue | None


class SheetRow(NamedTuple):
    """A row with its number in the file; the values begin in column A."""

    number: int
    values: list[Value]


class Merged(NamedTuple):
    """Cells that are shown as one, from the first row and column to the last; columns count from 0."""

    top: int
    left: int
    bottom: int
    right: int


class TableSheet(NamedTuple):
    """A table of a file: rows that hold something."""

    name: str
    """Empty for a CSV file, which has one table."""
    rows: list[SheetRow]
    merged: list[Merged]
    is_hidden: bool = False
    is_1904: bool = False
    """Days are counted from 1904."""
    delimiter: str = ""
    """What separates the cells of a CSV file."""

    def place(self, row: int, column: int) -> str:
        """The address of a cell, as `Loans!C7`; `C7` in a CSV file."""
        return f"{self.name}!{letters(column)}{row}" if self.name else f"{letters(column)}{row}"


class Workbook(NamedTuple):
    """All tables of a file that are read, and what was done with the rest, in sentences."""

    sheets: list[TableSheet]
    notes: list[str]


@cache
def letters(column: int) -> str:
    """The letters of a column, which counts from 0: A, B, ..., Z, AA, ..."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


_SHOWN = Context(prec=15, rounding=ROUND_HALF_EVEN)


def as_shown(text: str) -> Decimal:
    """The number of a cell as Excel shows it: 15 significant digits.

    A file holds the float: 0.1 + 0.2 stands there as 0.30000000000000004. More digits than 15 are no digits of the person
    who wrote the table. Raises decimal.InvalidOperation.
    """
    value = _SHOWN.create_decimal(text)
    return (
        value.quantize(Decimal(1))
        if value == value.to_integral_value() and value.adjusted() < 15
        else value.normalize()
    )


def shown(value: Value) -> str:
    """The value in a text for people, cut short."""
    match value:
        case None:
            return ""
        case NoValue():
            text = value.found
        case Percent(share):
            text = f"{format((share * 100).normalize(), 'f')}%"
        case Decimal():
            text = format(value, "f")
        case datetime():
            text = value.isoformat(sep=" ")
        case _:
            text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
