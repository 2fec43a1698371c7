"""Reads one file in a process of its own: `python -m monitor.imports.work`, started by the daemon.

Frames go over standard input and output: eight bytes of length, then JSON or the file. First the file comes, and what it
says goes out; then rules and prices come in, and what the book has in parts; then how each group would stand goes out, what
is to be put again in parts. An empty frame ends them: the daemon never decodes more than a part at once, as that holds up
all its threads. The process bounds its own memory and time, so that no file can take those of the daemon.
"""

from __future__ import annotations

import resource
import sys
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from monitor.imports.columns import Question
from monitor.imports.fields import ImportOptions, KeptMapping
from monitor.imports.groups import DraftGroup, RefusedCell
from monitor.imports.reading import SheetShown, read_groups
from monitor.imports.sheets import BadFile
from monitor.imports.standing import KnownGroup, MarketNow, judge_all

MEMORY_BYTES = 3 << 30
"""A workbook of 200,000 rows takes 1.5 GB."""
CPU_S = 180
"""A workbook of 100,000 rows takes 20 s on an idle core."""


class FileSaid(msgspec.Struct, frozen=True):
    """What a file says, before it is judged."""

    problem: str = ""
    """Why the file as a whole cannot be read; then nothing else is set."""
    sheets: list[SheetShown] = []
    notes: list[str] = []
    questions: list[Question] = []
    mapping: KeptMapping = KeptMapping()
    rows: int = 0
    ids: list[str] = []
    accounts: list[str] = []


class JudgedHead(msgspec.Struct, frozen=True):
    """What all groups of a file come to."""

    refused: list[RefusedCell]
    """The first of them."""
    refused_count: int
    new: int
    changed: int
    same: int


PART = 2000
"""Groups of one part: some milliseconds to decode."""
MOST_NAMED = 1000
"""Cells that an answer names; the count is exact."""


def frame(body: bytes) -> bytes:
    """A body with its length before it."""
    return len(body).to_bytes(8, "big") + body


def main() -> None:
    """Reads, says, is told, judges, says."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # what openpyxl has to say of a file's extensions is nobody's concern
    source, target = sys.stdin.buffer, sys.stdout.buffer
    options = msgspec.json.decode(_next(source), type=ImportOptions)
    raw = _next(source)
    try:
        read = read_groups(raw, options)
    except (BadFile, MemoryError) as e:
        problem = str(e) or f"the file needs more than {MEMORY_BYTES >> 30} GB of memory to be read; split it"
        _send(target, FileSaid(problem=problem))
        return
    groups, constant = read.drafts.groups, read.mapping.constants.get("product")
    _send(
        target,
        FileSaid(
            sheets=read.sheets,
            notes=read.drafts.notes,
            questions=read.drafts.questions,
            mapping=read.mapping,
            rows=read.drafts.rows,
            ids=[group.id for group in groups],
            accounts=sorted({account for group in groups for account in _accounts(group)}),
        ),
    )
    body = _next(source)
    if not body:
        return
    market = msgspec.json.decode(body, type=MarketNow)
    if constant is not None:
        market = msgspec.structs.replace(market, product=constant)
    known: list[KnownGroup] = []
    while part := _next(source):
        known += msgspec.json.decode(part, type=list[KnownGroup])
    found = judge_all(read.drafts, msgspec.structs.replace(market, known=tuple(known)))
    changes = [row.change for row in found.rows]
    counts = (len(found.refused), *(changes.count(change) for change in ("new", "changed", "same")))
    _send(target, JudgedHead(found.refused[:MOST_NAMED], *counts))
    _send(target, found.rows)
    for i in range(0, len(found.puts), PART):
        _send(target, found.puts[i : i + PART])
    target.write(frame(b""))
    target.flush()


def _accounts(group: DraftGroup) -> Iterator[str]:
    yield group.line.get("receiving_account", f"{group.id}-receiving")
    yield from group.line["collateral"]


def _next(source: BinaryIO) -> bytes:
    """The next frame; empty where there is none."""
    return source.read(int.from_bytes(source.read(8), "big"))


def _send(target: BinaryIO, body: object) -> None:
    target.write(frame(msgspec.json.encode(body)))
    target.flush()


if __name__ == "__main__":
    main()
