"""Decides for each column as a whole how its numbers and dates are written, and asks what no column says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import NamedTuple

import msgspec

from monitor.imports.fields import DATES, Column, HeadedSheet, ImportOptions, is_number
from monitor.imports.sheets import letters
from monitor.imports.values import Mark, Order, UnreadableCell, date_of, day_order, mark_of, number_of

ColumnKey = tuple[str, int]
"""TableSheet and index of a column."""


class Question(msgspec.Struct, frozen=True):
    """What a person has to say before anything can be taken, and how."""

    where: str
    text: str
    remedy: str


class Decisions(NamedTuple):
    """How numbers and dates are written, by column; what is absent can be read in one way only."""

    marks: dict[ColumnKey, Mark]
    orders: dict[ColumnKey, Order]
    questions: list[Question]


def decide(tables: Sequence[HeadedSheet], options: ImportOptions) -> Decisions:
    """The decimal mark of each column of numbers and the order of each column of dates.

    What a column proves counts for it. Where it proves nothing, what the person says counts, then what all other columns of
    the file prove, then that a file with commas between its cells has none within a number.
    """
    found = Decisions({}, {}, [])
    _decide_marks(tables, options, found)
    _decide_orders(tables, options, found)
    return found


def _decide_marks(tables: Sequence[HeadedSheet], options: ImportOptions, found: Decisions) -> None:
    open_: list[tuple[HeadedSheet, Column, str]] = []
    for table, column in _columns(tables, dates=False):
        mark, ambiguous = mark_of(_texts(table, column))
        if mark is not None:
            found.marks[_key(table, column)] = mark
        elif ambiguous is not None:
            open_.append((table, column, ambiguous))
    proven = set(found.marks.values())
    for table, column, ambiguous in open_:
        mark = options.decimal or options.kept.decimal
        if mark is None and len(proven) == 1:
            (mark,) = proven
        if mark is None and table.sheet.delimiter == "," and "," not in ambiguous:
            mark = "point"
        if mark is not None:
            found.marks[_key(table, column)] = mark
            continue
        point, comma = (number_of(ambiguous, m).point for m in ("point", "comma"))
        text = f"is {ambiguous} the number {point} or {comma}? No number of the file says"
        remedy = f"--decimal point for {point}, --decimal comma for {comma}"
        found.questions.append(Question(_place(table, column, ambiguous), text, remedy))


def _decide_orders(tables: Sequence[HeadedSheet], options: ImportOptions, found: Decisions) -> None:
    open_: list[tuple[HeadedSheet, Column, str]] = []
    for table, column in _columns(tables, dates=True):
        order, ambiguous = day_order(_texts(table, column))
        if order is not None:
            found.orders[_key(table, column)] = order
        elif ambiguous is not None:
            open_.append((table, column, ambiguous))
    proven = set(found.orders.values())
    for table, column, ambiguous in open_:
        order = options.dates or options.kept.dates
        if order is None and len(proven) == 1:
            (order,) = proven
        if order is not None:
            found.orders[_key(table, column)] = order
            continue
        try:
            day, month = (date_of(ambiguous, o).astimezone(UTC).date().isoformat() for o in ("dmy", "mdy"))
        except UnreadableCell:
            continue  # it is refused where it stands
        text = f"is {ambiguous} the day {day} or {month}? No date of the file says"
        remedy = f"--dates dmy for {day}, --dates mdy for {month}"
        found.questions.append(Question(_place(table, column, ambiguous), text, remedy))


def _columns(tables: Sequence[HeadedSheet], *, dates: bool) -> Iterator[tuple[HeadedSheet, Column]]:
    for table in tables:
        for field, column in table.fields.items():
            if field in DATES if dates else is_number(field):
                yield table, column


def _key(table: HeadedSheet, column: Column) -> ColumnKey:
    return table.sheet.name, column.position


def _texts(table: HeadedSheet, column: Column) -> Iterator[str]:
    for row in table.rows:
        if column.position < len(row.values) and isinstance(value := row.values[column.position], str):
            yield value


def _place(table: HeadedSheet, column: Column, text: str) -> str:
    for row in table.rows:
        if column.position < len(row.values) and row.values[column.position] == text:
            return table.sheet.place(row.number, column.position)
    return letters(column.position)
