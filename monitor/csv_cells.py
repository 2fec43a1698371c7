"""Cells of a CSV that others will open in a spreadsheet."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """What a spreadsheet would run as a formula is kept from it by an apostrophe: others choose ids, names and notes."""
    return f"'{text}" if text.startswith(_FORMULA) else text
