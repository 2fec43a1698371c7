"""The form of the record of what core was handed (decisions 18 and 52): folding it gives the same alerts.

JSON Lines, a file or a folder of files, plain or gzip. A file begins with what core knew (rules, book, states, marks), so
that each file folds by itself; then come the events, and where some are missing a gap in their place. The recorder
(`recorder.py`) writes it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from monitor.core.alerts.silences import Silence
from monitor.core.events.events import (
    ClockJumped,
    ClockSettled,
    ClockStood,
    Event,
    GroupClosed,
    GroupsPut,
    Noticed,
    PriceSilent,
)
from monitor.core.groups.outcome import Memory, StoredBlock, StoredGroup
from monitor.core.groups.watcher_states import from_notices
from monitor.core.loans.group import GroupBatch, RecordedLines
from monitor.core.prices.quote import Heard, Mark
from monitor.core.rules.product import CoinRates
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.text import stamp


class Start(msgspec.Struct, frozen=True):
    """The first line of a file: core as it was, and when it went on from there."""

    rules: Rules
    memory: Memory | None
    at: datetime
    awakened: bool = False
    """The daemon has just started: kept prices have their full time to be confirmed from `at` on."""


class RecordGap(msgspec.Struct, frozen=True, tag_field="event", tag="gap"):
    """In place of events that are missing, since they could not be written: how many, and from when to when."""

    at: datetime
    """The time of the first one."""
    until: datetime
    events: int
    reason: str

    def __str__(self) -> str:
        return f"gap of {self.events} events from {stamp(self.at)} to {stamp(self.until)}: {self.reason}"


def _written(batch: object) -> msgspec.Raw:
    """A batch is recorded by its lines, which are there already: eight thousand groups cost the core a few milliseconds."""
    if not isinstance(batch, GroupBatch):
        raise TypeError(f"a value of type {type(batch).__name__} has no form in the record")
    return msgspec.Raw(batch.lines())


_LATER = datetime(1, 1, 1, tzinfo=UTC)
"""A batch learns when it was put from its event, which is read after it."""


def _recorded(_: type, lines: Any) -> GroupBatch:
    if not isinstance(lines, list):
        raise ValueError("a batch of groups is the list of their lines")
    return RecordedLines(lines, _LATER)


class _OldMemory(NamedTuple):
    """Older logs hold what core knew as a list, and in it what was noticed by `kind|subject`."""

    at: datetime
    marks: tuple[Mark, ...]
    notices: dict[str, tuple[int, str | None]]
    groups: tuple[StoredGroup, ...]
    states: tuple[GroupState, ...]
    heard: tuple[Heard, ...] = ()
    awaited: tuple[tuple[str, datetime], ...] = ()
    blocks: tuple[StoredBlock, ...] = ()
    closed: tuple[str, ...] = ()
    rates: tuple[CoinRates, ...] = ()
    silences: tuple[Silence, ...] = ()

    def of_now(self) -> Memory:
        """The same in the words of now."""
        fields = self._asdict()
        return Memory(watchers=from_notices(fields.pop("notices"), fields.pop("silences")), **fields)


class _ReadStart(msgspec.Struct, frozen=True):
    """The first line of any version."""

    rules: Rules
    memory: Memory | _OldMemory | None
    at: datetime
    awakened: bool = False


class _ClosedUntold(msgspec.Struct, frozen=True, tag_field="event", tag="groupclosed"):
    """A closing in older logs: it raised no alert, and took no number that later alerts of the group would miss."""

    at: datetime
    group_id: str
    source: str


_Record = Event | RecordGap | _ClosedUntold
encoder = msgspec.json.Encoder(enc_hook=_written)
"""Writes one record."""
Blocks = Iterable[tuple[StoredBlock, tuple[GroupState, ...]]]
"""Blocks of a book with the states of their groups."""
_AT_ONCE = 200
"""Groups or states of one piece: less than a millisecond's worth."""


def pieces(start: Start, blocks: Blocks = ()) -> Iterator[bytes]:
    """A first line, some of it at a time: a large book is written while core decides.

    All that may change is made here and now; the rest when it is asked for.
    """
    memory = start.memory
    if memory is None:
        return iter((encoder.encode(start), b"\n"))
    many = ("groups", "states", "blocks")
    rest = {name: getattr(memory, name) for name in memory.__struct_fields__ if name not in many}
    head = {"rules": start.rules, "at": start.at, "awakened": start.awakened, "memory": rest}
    return _pieces(encoder.encode(head).removesuffix(b"}}"), memory, blocks)


def _pieces(head: bytes, memory: Memory, blocks: Blocks) -> Iterator[bytes]:
    yield head + b',"groups":['
    yield from _listed(memory.groups)
    yield b'],"blocks":['
    states: list[bytes] = []
    comma = b""
    for block, touched in chain(((block, ()) for block in memory.blocks), blocks):
        yield comma + encoder.encode(block)
        comma = b","
        states += _listed(touched, is_first=not states)
    yield b'],"states":['
    yield from states
    yield from _listed(memory.states, is_first=not states)
    yield b"]}}\n"


def _listed(items: Sequence[object], *, is_first: bool = True) -> Iterator[bytes]:
    for first in range(0, len(items), _AT_ONCE):
        comma = b"" if is_first and first == 0 else b","
        yield comma + encoder.encode(items[first : first + _AT_ONCE])[1:-1]


_start = msgspec.json.Decoder(_ReadStart)
_record: msgspec.json.Decoder[_Record] = msgspec.json.Decoder(_Record, dec_hook=_recorded)


class Torn(Exception):
    """A line of the log is not a record; `line` counts from 1."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}:{line}: {why}")
        self.line = line


def files(path: Path) -> list[Path]:
    """The files of a record in order: itself, or those of a folder. One that is there plain and compressed comes once."""
    if not path.is_dir():
        return [path]
    plain = {each.name for each in path.glob("events-*.jsonl")}
    zipped = {each.name for each in path.glob("events-*.jsonl.gz")} - {f"{name}.gz" for name in plain}
    return [path / name for name in sorted(plain | zipped, key=lambda name: name.split(".")[0])]


def read(path: Path) -> Iterator[Start | Event | RecordGap]:
    """The start, the events and the gaps of a file. A last line that was torn by a kill ends it; any other raises Torn."""
    number = 0
    with _opened(path) as file:
        while True:
            try:
                line = file.readline()
            except (OSError, EOFError, zlib.error) as e:
                raise Torn(path, number + 1, f"the file is cut or damaged after {number} records: {e}") from None
            if not line:
                return
            number += 1
            try:
                record = _started(_start.decode(line)) if number == 1 else _understood(_record.decode(line))
            except (msgspec.DecodeError, RecursionError, LookupError, TypeError, ArithmeticError, ValueError) as e:
                if number > 1 and not line.endswith(b"\n"):
                    return
                raise Torn(path, number, f"is not a record of the event log: {e}") from None
            yield record


def start_of(path: Path) -> Start | None:
    """What core knew at the beginning of a file; None where the file holds nothing. Raises Torn."""
    records = read(path)
    first = next(records, None)
    assert first is None or isinstance(first, Start)
    return first


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as plain:
        yield cast(IO[bytes], gzip.GzipFile(fileobj=plain)) if path.suffix.lower() == ".gz" else plain


def _started(line: _ReadStart) -> Start:
    memory = line.memory.of_now() if isinstance(line.memory, _OldMemory) else line.memory
    return Start(line.rules, memory, line.at, line.awakened)


def _understood(event: _Record) -> Event | RecordGap:
    """The event as core takes it: a batch learns its time, and what older versions wrote becomes what they meant."""
    if isinstance(event, _ClosedUntold):
        return GroupClosed(event.at, event.group_id, event.source, is_told=False)
    if isinstance(event, GroupsPut) and isinstance(event.batch, RecordedLines):
        return msgspec.structs.replace(event, batch=RecordedLines(event.batch.stated, event.at))
    if isinstance(event, Noticed):
        return _typed(event)
    return event


def _typed(old: Noticed) -> Event:
    """Older logs hold what the clock did, and silent prices, as notices that only their `kind` tells apart."""
    match old.kind:
        case "monitor.clock_jump" if old.clears:
            return ClockSettled(old.at)
        case "monitor.clock_jump":
            return ClockJumped(old.at, Decimal(old.facts["seconds"]), datetime.fromisoformat(old.facts["wall"]))
        case "clock.still":
            return ClockStood(old.at, Decimal(old.facts["seconds"]))
        case "price.stale":
            return PriceSilent(old.at, old.subject)
    return old
