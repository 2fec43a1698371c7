"""Reads the cells of one row as what their columns hold. Every reader raises `UnreadableCell` with the remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from monitor.imports.columns import Decisions
from monitor.imports.fields import RATES, Column, HeadedSheet
from monitor.imports.sheets import NoValue, Percent, SheetRow, Value, shown
from monitor.imports.values import Mark, UnreadableCell, coin_of, date_of, date_of_serial, number_of

_NOTHING = frozenset({"-", "--", "\u2013", "\u2014"})
"""A cell that accountants leave empty."""
_HUNDRED = Decimal(100)


class Amount(NamedTuple):
    """A quantity and the coin that stands beside it in its cell, if any."""

    number: Decimal
    unit: str = ""


class Cells:
    """One row of a table."""

    def __init__(self, table: HeadedSheet, row: SheetRow, decisions: Decisions, coins: frozenset[str]) -> None:
        self.table = table
        self.row = row
        self._decisions = decisions
        self._coins = coins

    def column(self, field: str) -> Column | None:
        """The column of a field, where the table has one."""
        return self.table.fields.get(field)

    def value(self, column: Column) -> Value:
        """What the cell holds; None for an empty one."""
        value = self.row.values[column.position] if column.position < len(self.row.values) else None
        return None if isinstance(value, str) and value in _NOTHING else value

    def has(self, field: str) -> bool:
        """The row says something in that field."""
        column = self.column(field)
        return column is not None and self.value(column) is not None

    def place(self, column: Column) -> str:
        """The address of the row's cell in a column."""
        return self.table.sheet.place(self.row.number, column.position)

    def place_of(self, *fields: str) -> str:
        """The address of the row's cell in the first of these fields that the table has; else that of the row's id."""
        for field in (*fields, "group", "borrower"):
            column = self.column(field)
            if column is not None:
                return self.place(column)
        return self.table.sheet.place(self.row.number, 0)

    def shown_in(self, *fields: str) -> str:
        """What the cell of `place_of` holds, for people."""
        column = next((c for field in (*fields, "group", "borrower") if (c := self.column(field)) is not None), None)
        return "" if column is None else shown(self.value(column))

    def text(self, column: Column) -> str | None:
        """Any text; a number as a spreadsheet shows it."""
        value = _good(self.value(column))
        match value:
            case None | str():
                return value
            case bool():
                return "yes" if value else "no"
            case Decimal():
                return format(value, "f")
            case datetime():
                raise UnreadableCell("expected a text, the cell holds a date; format it as text and write it again")
            case _:
                raise UnreadableCell("expected a text, the cell holds a percentage")

    def name(self, column: Column) -> str | None:
        """The name of an account, a loan or a product: its digits must be whole."""
        value = self.value(column)
        if isinstance(value, Decimal) and value.adjusted() >= 15:
            raise UnreadableCell("Excel keeps 15 digits of a number; format the cell as text and write it again")
        text = self.text(column)
        return None if text is None else "-".join(text.split())

    def coin(self, column: Column) -> str | None:
        """A coin as venues call it."""
        text = self.text(column)
        return None if text is None else coin_of(text, self._coins)

    def amount(self, column: Column) -> Amount | None:
        """A quantity, never below zero."""
        value = _good(self.value(column))
        match value:
            case None:
                return None
            case bool():
                raise UnreadableCell("expected a number such as 1234.56")
            case Decimal():
                found = Amount(value)
            case str():
                read = number_of(value, self._mark(column))
                if read.is_percent:
                    raise UnreadableCell("expected a quantity in coins, the cell holds a percentage")
                assert read.point is not None, "number_of decides"
                found = Amount(read.point, read.unit)
            case datetime():
                raise UnreadableCell("expected a quantity, the cell is shown as a date; format it as a number")
            case _:
                raise UnreadableCell("expected a quantity in coins, the cell holds a percentage")
        if found.number < 0:
            raise UnreadableCell("expected zero or more; what is owed and what is held are written without a sign")
        return found

    def whole(self, column: Column) -> int | None:
        """A whole number."""
        amount = self.amount(column)
        if amount is None:
            return None
        if amount.number != amount.number.to_integral_value() or amount.unit:
            raise UnreadableCell("expected a whole number")
        return int(amount.number)

    def share(self, column: Column) -> Decimal | None:
        """A rate: 5% and 0.05 are the same. A number above 1 without a percent sign is asked about."""
        value = self._percent_or_number(column)
        if value is not None and value > 1:
            raise UnreadableCell(
                "a rate above 1 is more than 100 %; write it with a percent sign, or as a share such as 0.05"
            )
        return value

    def level(self, column: Column) -> Decimal | None:
        """A line of a metric: 77% and 0.77 are the same."""
        return self._percent_or_number(column)

    def _percent_or_number(self, column: Column) -> Decimal | None:
        value = _good(self.value(column))
        if isinstance(value, Percent):
            return value.share
        if isinstance(value, str):
            read = number_of(value, self._mark(column))
            if read.unit:
                raise UnreadableCell("expected a rate such as 5% or 0.05")
            assert read.point is not None, "number_of decides"
            found = read.point
            if read.is_percent:
                return found / _HUNDRED
        else:
            amount = self.amount(column)
            if amount is None:
                return None
            found = amount.number
        return found / _HUNDRED if "%" in column.header and column.field in RATES | _lines(column) else found

    def date(self, column: Column) -> datetime | None:
        """A time; one without a zone is UTC."""
        value = _good(self.value(column))
        match value:
            case None:
                return None
            case bool() | Percent():
                raise UnreadableCell("expected a date such as 2026-03-31")
            case datetime():
                return value.replace(tzinfo=UTC)
            case Decimal():
                return date_of_serial(value, is_1904=self.table.sheet.is_1904)
            case _:
                if (
                    value.replace(".", "", 1).isdigit()
                    and len(value) >= 5
                    and value.count(".") < 2
                    and "." not in value[:5]
                ):
                    return date_of_serial(Decimal(value), is_1904=False)
                return date_of(value, self._decisions.orders.get((self.table.sheet.name, column.position)))

    def _mark(self, column: Column) -> Mark | None:
        return self._decisions.marks.get((self.table.sheet.name, column.position))


def _lines(column: Column) -> frozenset[str]:
    return frozenset({column.field}) if column.field.startswith("line:") else frozenset()


def _good(value: Value) -> str | Decimal | datetime | bool | Percent | None:
    """Raises UnreadableCell for a cell that states no value."""
    if isinstance(value, NoValue):
        raise UnreadableCell(value.what)
    return value
