"""Tells what kind of file somebody hands in, and reads it."""

from __future__ import annotations

from monitor.imports.delimited import read_delimited
from monitor.imports.sheets import BadFile, Workbook
from monitor.imports.workbook import is_ole, read_workbook, refuse_ole

_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"7z\xbc\xaf", "packed with 7-Zip"),
    (b"Rar!", "packed with RAR"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format", "a database"),
)


def read_file(raw: bytes, sheets: tuple[str, ...] = (), encoding: str | None = None) -> Workbook:
    """All tables of a file that hold something. Raises BadFile."""
    if not raw.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise BadFile("the file is empty")
    if is_ole(raw):
        raise refuse_ole(raw)
    for magic, what in _OTHERS:
        if raw.startswith(magic):
            raise BadFile(f"the file is {what}; save the table as Excel workbook (.xlsx) or CSV")
    if raw.startswith(b"PK"):
        book = read_workbook(raw, sheets)
    else:
        head = raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if head.startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
            raise BadFile("the file is a web page or XML under another name; save it as Excel workbook (.xlsx) or CSV")
        if head.startswith(b"{") and b'"' in head:
            raise BadFile("the file is JSON; a book of JSON Lines is a [[book]] of the configuration")
        book = read_delimited(raw, encoding)
    if not any(sheet.rows for sheet in book.sheets):
        raise BadFile("the file has no cell with a value")
    return book
