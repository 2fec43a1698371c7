"""Reads the lines of a JSON Lines file page by page, and judges a line: a group, or the problem with it."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from monitor.core.loans.group import Group
from monitor.core.loans.line_bounds import in_words
from monitor.core.schema import Invalid, Problem

LINE_BYTES = 1 << 20  # a group with thousands of loans has half of that
PAGE_LINES = 8192  # a block of the engine
_FILE_BYTES = 16 << 30  # thirty million groups; a larger file is there by mistake
_PROBLEM_CHARS = 2000  # an alert must stay under 20 kB


class LinePage(NamedTuple):
    """Lines without the empty ones, comments and white space around them, and their numbers."""

    numbers: list[int]
    raws: list[bytes]


class BookFile:
    """One reading of a file. Raises OSError, also for a path that is no regular file or a file that is too big."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = stamp(path)
        self.done_bytes = 0
        self.total_bytes = os.stat(path).st_size
        self.is_blank = True
        """The file has no line with text, not even a comment."""
        self._whole = hashlib.blake2b(digest_size=16)

    def pages(self) -> Iterator[LinePage]:
        """All lines, in pages; the last page may be empty. Raises OSError."""
        with self.path.open("rb") as f:
            number, page = 0, LinePage([], [])
            for lines in _lines(self._blocks(f.read)):
                for number, line in enumerate(lines, number + 1):  # noqa: B020  it counts on
                    if line:
                        self.is_blank = False
                        if not line.startswith(b"#"):
                            page.numbers.append(number)
                            page.raws.append(line)
                            if len(page.raws) == PAGE_LINES:
                                yield page
                                page = LinePage([], [])
            yield page

    def _blocks(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        while block := read(1 << 20):
            self._whole.update(block)
            self.done_bytes += len(block)
            yield block

    def read_on(self, some: int) -> Iterator[None]:
        """Only takes the digest, so many bytes at a time. Raises OSError."""
        with self.path.open("rb") as f:
            for block in self._blocks(f.read):
                self.is_blank = self.is_blank and not block.strip()
                if self.done_bytes % some < len(block):
                    yield

    @property
    def digest(self) -> bytes:
        """A hash of everything that was read."""
        return self._whole.digest()

    def stamp(self) -> tuple[int, ...] | None:
        """The file's stamp, or None if it changed since the reading began. Raises OSError."""
        return self._stamp if stamp(self.path) == self._stamp else None


def stamp(path: Path) -> tuple[int, ...]:
    """Figures that change when the file does. Raises OSError, also for a path that is no regular file or a file too big."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if found.st_size > _FILE_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {_FILE_BYTES >> 30} GB")
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def time_of(stamp: tuple[int, ...], latest: datetime) -> datetime:
    """When the file of a stamp was changed last. A time that no calendar has, or that is to come, counts as `latest`."""
    try:
        return min(datetime.fromtimestamp(stamp[3] / 1e9, UTC), latest)
    except (ValueError, OverflowError, OSError):
        return latest


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line, without empty ones and comments. Raises OSError."""
    for page in BookFile(path).pages():
        yield from zip(page.numbers, page.raws, strict=True)


def _lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines that end in each block, stripped. It keeps just enough of a line that is too long to show that."""
    rest, is_first = b"", True
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        if is_first and lines:
            lines[0], is_first = lines[0].removeprefix(codecs.BOM_UTF8), False
        rest = rest[: LINE_BYTES + 2]
        yield [line.strip() for line in lines]
    yield [(rest.removeprefix(codecs.BOM_UTF8) if is_first else rest).strip()]


class LineReader(Protocol):
    """The part of a Reader (books/_base.py) that judges a line."""

    def parse(self, line: object, at: datetime) -> Group: ...

    def left_out(self, line: object, at: datetime | None = None) -> list[Problem]: ...


_OF_INTEREST = (b'"contacts"', b'"labels"')


def incomplete(path: Path, reader: LineReader) -> Iterator[str]:
    """What of a file's lines is left out, by place. A line that cannot be read at all is for `judge`."""
    try:
        for number, raw in lines_of(path):
            if any(key in raw for key in _OF_INTEREST) and (found := _left_out(raw, reader)):
                yield f"{path}:{number}: {in_words(found)}"
    except OSError:  # the daemon tells of a file that it cannot read
        return


def _left_out(raw: bytes, reader: LineReader) -> list[Problem]:
    try:
        return reader.left_out(decoded(raw))
    except Invalid:
        return []


class Judged(NamedTuple):
    """The meaning of a line: a group, or a problem and the group's id if that can be read."""

    id: str | None
    group: Group | None = None
    problem: str = ""
    reason: str = ""
    left_out: str = ""
    """What of the line is left out, though its group is taken."""
    left_out_reason: str = ""
    problems: tuple[Problem, ...] = ()
    """What the line is refused for, one by one."""


def judge(raw: bytes, at: datetime, reader: LineReader) -> Judged:
    """Decodes and parses a line; a line that is refused comes back with the problem."""
    try:
        stated = decoded(raw)
        repeated = repeated_key(raw, stated)
    except Invalid as e:
        return Judged(None, problem=str(e), reason=e.reason)
    except RecursionError as e:
        return Judged(None, problem=f"the line is not JSON: {e}", reason="not_json")
    id = stated.get("id") if isinstance(stated, dict) else None
    id = id if isinstance(id, str) and len(id) <= 128 else None
    if repeated is not None:
        problem = f"the key {repeated!r} appears twice in one object"
        return Judged(id, problem=problem, reason="repeated_key")
    try:
        group = reader.parse(stated, at)
    except Invalid as e:
        return Judged(id, problem=str(e)[:_PROBLEM_CHARS], reason=e.reason, problems=tuple(e.problems))
    if not (found := reader.left_out(stated, at)):
        return Judged(group.id, group)
    return Judged(group.id, group, left_out=in_words(found)[:_PROBLEM_CHARS], left_out_reason=found[0].reason)


def decoded(raw: bytes) -> object:
    """The JSON value of a line. Raises schema.Invalid."""
    if len(raw) > LINE_BYTES:
        raise Invalid([Problem("", "the line is longer than 1 MB", "too_long")])
    try:
        raw.decode()
        return msgspec.json.decode(raw)
    except UnicodeDecodeError as e:
        what = f"the line is not UTF-8: byte {e.start + 1} is {raw[e.start]:#04x}"
        raise Invalid([Problem("", what, "not_utf8")]) from None
    except (msgspec.DecodeError, RecursionError) as e:
        raise Invalid([Problem("", f"the line is not JSON: {e}", "not_json")]) from None


_KEY = re.compile(rb'"(?:[^"\\]|\\.)*+"\s*(:)?')


def repeated_key(raw: bytes, stated: object) -> str | None:
    """A key that stands twice in one object: msgspec keeps the last one, so the text has more keys than the value."""
    count, rest = 0, [stated]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            count += len(value)
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
    if sum(1 for colon in _KEY.findall(raw) if colon) == count:
        return None
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        keys = [k for k, _ in pairs]
        found.extend(k for k in keys if keys.count(k) > 1)

    json.loads(raw, object_pairs_hook=note)
    return found[0][:60]
