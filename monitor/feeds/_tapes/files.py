"""The lines of a file of past prices, whatever packs and encodes it. The content tells both, and never the name."""

from __future__ import annotations

import codecs
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, cast

# A row with a thousand columns has some 15,000 characters; a much longer line belongs to no tape.
MAX_LINE = 65_536
_PEEK = 4096

_GZIP, _ZIP, _ZIP_EMPTY = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_ELSEWISE = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"PAR1": "Parquet",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel",
}
"""Forms that are not unpacked here: a person does it in one command."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks. The longer ones come first, as that of UTF-16 is the beginning of one of UTF-32."""

_DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError, LookupError, struct.error, OverflowError)
"""What unpacking raises where bytes are wrong: an archive may lead to places before its beginning."""

Line = tuple[int, str]
"""The number of a line, from 1, and its text without the end of the line."""


class UnreadableTape(Exception):
    """The file is no tape, or is damaged. The text is one sentence: the file, what was found, and the remedy."""


def lines_of(
    path: Path, on_too_long: Callable[[int], None] = lambda _: None, on_open_end: Callable[[int], None] = lambda _: None
) -> Iterator[Line]:
    """Every line with text in it; calls `on_too_long` with the number of one that is too long for a row of any tape.

    Calls `on_open_end` with the number of the last line, before that comes, if the file ends without the end of a line.
    Raises OSError if the file cannot be opened, UnreadableTape where it is no text or ends too early.
    """
    number = rows = 0
    with path.open("rb") as raw, ExitStack() as stack:
        try:
            readline = _text(path, raw, stack).readline
            while text := readline(MAX_LINE):
                number += 1
                if text.endswith("\n"):
                    if not text.isspace():
                        rows += 1
                        yield number, text[:-1]
                elif len(text) == MAX_LINE:
                    on_too_long(number)
                    while (rest := readline(MAX_LINE)) and not rest.endswith("\n"):
                        pass
                elif not text.isspace():
                    rows += 1
                    on_open_end(number)
                    yield number, text
        except _DAMAGED as e:
            read = f"after {rows - 1:,} rows" if rows > 1 else "before its first row"
            what = f"is not gzip or zip to its end: it is cut or damaged {read} ({e})"
            raise UnreadableTape(f"{path}: {what}; copy it again") from None


def inner_name(path: Path) -> str:
    """The name that tells what a file holds: of an archive that of the file in it. Raises as `lines_of` does."""
    with path.open("rb") as file:
        if not file.read(4).startswith(_ZIP):
            return path.name
    try:
        with zipfile.ZipFile(path) as archive:
            return PurePosixPath(_member(path, archive)).name
    except _DAMAGED as e:
        raise UnreadableTape(
            f"{path}: is not zip to its end: it is cut or damaged before its first row ({e}); copy it again"
        ) from None


def _text(path: Path, raw: IO[bytes], stack: ExitStack) -> IO[str]:
    head = raw.read(_PEEK)
    raw.seek(0)
    if head.startswith((_ZIP, _ZIP_EMPTY)):
        archive = stack.enter_context(zipfile.ZipFile(raw))
        try:
            raw = stack.enter_context(archive.open(_member(path, archive)))
        except (RuntimeError, NotImplementedError) as e:  # a password, or a way of packing that is not built in
            raise UnreadableTape(f"{path}: the archive cannot be unpacked: {e}; unpack it yourself") from None
        packed = io.BufferedReader(cast(io.RawIOBase, raw))
        raw, head = packed, packed.peek(_PEEK)[:_PEEK]
    if head.startswith(_GZIP):
        unpacked = stack.enter_context(gzip.GzipFile(fileobj=raw))
        raw, head = cast(IO[bytes], unpacked), unpacked.peek(_PEEK)[:_PEEK]
    found = next((what for magic, what in _ELSEWISE.items() if head.startswith(magic)), None)
    if found is None and head[257:262] == b"ustar":
        found = "tar"
    if found is not None:
        raise UnreadableTape(f"{path}: found {found}, expected CSV, plain or as gzip or zip; unpack or export it first")
    encoding, mark = _encoding(head)
    if mark:
        raw.read(len(mark))
    elif b"\x00" in head and encoding == "utf-8":
        raise UnreadableTape(f"{path}: found bytes that are no text, expected CSV, plain or as gzip or zip")
    # Characters that are wrong in this encoding spoil only their own cell.
    return stack.enter_context(io.TextIOWrapper(cast(io.BufferedReader, raw), encoding=encoding, errors="replace"))


def _encoding(head: bytes) -> tuple[str, bytes]:
    """The encoding, and the byte order mark that says so. Without one, every other byte of plain UTF-16 is zero."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, mark
    even, odd = head[0:256:2], head[1:256:2]
    if len(head) > 3 and odd.count(0) == len(odd) and 0 not in even:
        return "utf-16-le", b""
    if len(head) > 3 and even.count(0) == len(even) and 0 not in odd:
        return "utf-16-be", b""
    return "utf-8", b""


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    """The one file of an archive, beside what systems and venues add to it."""
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    tables = [name for name in names if name.lower().endswith((".csv", ".csv.gz", ".txt", ".tsv"))]
    found = tables or names
    if len(found) != 1:
        what = f"{len(found)} files ({', '.join(found[:3])})" if found else "no file"
        raise UnreadableTape(f"{path}: the archive holds {what}, expected one CSV; unpack it and name one of them")
    return found[0]
