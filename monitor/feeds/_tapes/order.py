"""Sorts the rows of a tape by time in bounded memory, as a merge of sorted parts in temporary files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import count
from tempfile import TemporaryFile
from typing import IO

from monitor.feeds._tapes.files import Line

_PART_CHARS = 32_000_000
"""What is sorted in memory at once: a year of minutes of one coin. A tape of 16 GB has 500 parts, each an open file."""

_Keyed = tuple[int, int, str]
"""The time of a row, the number of its line (negative where the newest is first), and its text."""


def in_order(lines: Iterable[Line], time_of: Callable[[str], int | None], *, is_newest_first: bool) -> Iterator[Line]:
    """The same lines by time. Rows of one time keep their order, or turn it round with the whole tape.

    A line without a time stays beside the one before it.
    """
    sign = -1 if is_newest_first else 1
    with ExitStack() as stack:
        files: list[Iterator[_Keyed]] = []
        part: list[_Keyed] = []
        chars = 0
        at = 0
        for number, text in lines:
            found = time_of(text)
            at = at if found is None else found
            part.append((at, sign * number, text))
            chars += len(text) + 100
            if chars > _PART_CHARS:
                files.append(_written(sorted(part), stack))
                part, chars = [], 0
        for _, number, text in merge(*files, sorted(part)):
            yield abs(number), text


def _written(part: list[_Keyed], stack: ExitStack) -> Iterator[_Keyed]:
    file: IO[str] = stack.enter_context(_temporary())
    file.writelines(f"{at} {number} {text}\n" for at, number, text in part)
    file.seek(0)
    return _read(file)


def _temporary() -> IO[str]:
    return TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n")


def _read(file: IO[str]) -> Iterator[_Keyed]:
    for _ in count():
        line = file.readline()
        if not line:
            return
        at, number, text = line[:-1].split(" ", 2)
        yield int(at), int(number), text
