"""A table to start from: the headers that every import knows, and two groups as an example."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
from openpyxl.comments import Comment
from openpyxl.styles import Font

from monitor.csv_cells import safe_cell
from monitor.imports.fields import FIELDS

HEADERS = {
    "Group": "group",
    "Borrower": "borrower",
    "Loan coin": "loan_coin",
    "Principal": "principal",
    "Interest": "interest",
    "Collateral coin": "collateral_coin",
    "Collateral quantity": "collateral_quantity",
    "Opened": "opened_at",
    "Term": "term",
    "Matures": "matures_at",
    "Annual rate": "annual_rate",
    "E-mail": "contact:email",
}
EXAMPLES: tuple[tuple[str | float | None, ...], ...] = (
    ("example-1", "Example One", "USDT", 1_000_000, 0, "BTC", 25, "2026-01-05", "open", None, None, "desk@one.example"),
    ("example-1", None, None, None, None, "ETH", 100, None, None, None, None, None),
    ("example-2", "Example Two", "USDT", 500_000, 120.5, "BTC", 15, "2026-01-05", "open", None, None, None),
)
"""A group with one loan and two coins, and a group with one of each."""
_LETTER_WIDTH = 1.2


def write_template(path: Path) -> None:
    """Writes it in the form that the file's name asks for: .xlsx, else CSV. Raises OSError."""
    path.write_bytes(_workbook() if path.suffix.lower() == ".xlsx" else _csv())


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Loans"
    sheet.append(list(HEADERS))
    for example in EXAMPLES:
        sheet.append(list(example))
    for cell, (header, field) in zip(sheet[1], HEADERS.items(), strict=True):
        cell.font = Font(bold=True)
        cell.comment = Comment(FIELDS.get(field, "an address of the borrower"), "Loan monitor")
        sheet.column_dimensions[cell.column_letter].width = max(12, len(header) * _LETTER_WIDTH)
    sheet.freeze_panes = "A2"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _csv() -> bytes:
    file = io.StringIO()
    rows = [list(HEADERS), *([("" if cell is None else safe_cell(str(cell))) for cell in row] for row in EXAMPLES)]
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()
