"""How the rows of a table or the fields of a hash become lines of a book.

A row either holds the whole line as JSON, or the configuration maps its columns to the fields of a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from monitor.books._snapshots import BookRow
from monitor.core.money import plain

_IN_JSON = ("{", "[")
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_FLAGS = ("delayed_liquidation",)
_NUMBERS = ("leverage", "vip_level")
_HOLDINGS = ("collateral", "balances")


class RowColumns(msgspec.Struct, frozen=True):
    """`columns` has a field of a line and the name of the column, `constants` what is the same in every row.

    A field is one of a book line, such as `receiving_account`, or a part of one: `labels.borrower`, `collateral.acct-1.BTC`.
    A column of text that begins with `{` or `[` is read as JSON, so that `collateral` and `loans` can be columns of JSON.
    """

    columns: dict[str, str] = {}
    constants: dict[str, str] = {}

    def row(self, place: str, row: Mapping[str, Any]) -> BookRow:
        """The row with its line, or with the reason why it makes none."""
        try:
            return BookRow(place, self.line(row))
        except ValueError as e:
            return BookRow(place, {}, str(e))

    def line(self, row: Mapping[str, Any]) -> Mapping[str, object] | bytes:
        """The line of a row, or its JSON text. Raises ValueError with a sentence about the row."""
        if not self.columns:
            return _whole(row)
        line: dict[str, Any] = {}
        for field, value in self.constants.items():
            _put(line, field, value)
        for field, column in self.columns.items():
            if column not in row:
                raise ValueError(f"there is no column {column!r}, which is mapped to {field}")
            if row[column] is not None:
                _put(line, field, _value(field, row[column]))
        return line


def _whole(row: Mapping[str, Any]) -> bytes:
    """The only column that holds JSON."""
    texts = [value for value in row.values() if isinstance(value, str | bytes) and _is_json(value)]
    if len(texts) != 1:
        raise ValueError(f"expected one column of JSON with the whole line, found {len(texts)}; or map the `columns`")
    return texts[0].encode() if isinstance(texts[0], str) else texts[0]


def _is_json(value: str | bytes) -> bool:
    start = value.lstrip()[:1]
    return (start.decode("latin-1") if isinstance(start, bytes) else start) == "{"


def _put(line: dict[str, Any], field: str, value: object) -> None:
    """Puts a value into the line, or into an object of it. Raises ValueError."""
    name, _, rest = field.partition(".")
    # An account may have a point in its name, and a label too; a coin has none.
    inner = rest.rsplit(".", 1) if name in _HOLDINGS else [rest]
    *path, last = [name, *(part for part in inner if part)]
    for name in path:
        line = line.setdefault(name, {})
        if not isinstance(line, dict):
            raise ValueError(f"{field}: {name} is a column of its own already")
    line[last] = value


def _value(field: str, value: Any) -> object:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else str(value)
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(_IN_JSON):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as e:
            raise ValueError(f"{field}: the column is not JSON: {e}") from None
    if field in _FLAGS:
        return _WORDS.get(value.strip().lower(), value)
    return int(value) if field in _NUMBERS and value.strip().isdecimal() and len(value) < 9 else value
