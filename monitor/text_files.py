"""Reads small text files as editors write them: a byte order mark at the start is no part of a key or a secret."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_text(path: Path) -> str:
    """The text of a file: UTF-8, or what its byte order mark says. Raises OSError, UnicodeDecodeError."""
    raw = path.read_bytes()
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding)
    return raw.decode("utf-8")
