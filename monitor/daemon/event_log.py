"""The record of what core was handed: folding it gives the same alerts (decision 18, `monitor replay --log`).

JSON Lines. A file begins with what core knew (rules, book, states, marks), so that each file folds by itself. The
sequencer's worker thread writes it beside the decision. A record that cannot be written is counted and logged, and no
alert waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from monitor.core.alerts.silences import Silence
from monitor.core.events.events import ClockJumped, ClockSettled, ClockStood, Event, GroupsPut, Noticed, PriceSilent
from monitor.core.groups.outcome import Memory, StoredBlock, StoredGroup
from monitor.core.groups.watcher_states import from_notices
from monitor.core.loans.group import GroupBatch, RecordedLines
from monitor.core.prices.quote import Heard, Mark
from monitor.core.rules.product import CoinRates
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState

FILE_BYTES = 64 * 1024 * 1024
"""A new file begins beyond this, so that old days can be deleted by file; with a large book, beyond four times its start."""
TOTAL_BYTES = 2 * 1024 * 1024 * 1024
"""Beyond this the oldest files are deleted, whatever their age: the store needs the disk."""
PAUSE_S = 30.0
"""After a failure a new file is tried once in this time, as each try writes all that core knows."""


class Start(msgspec.Struct, frozen=True):
    """The first line of a file: core as it was, and when it went on from there."""

    rules: Rules
    memory: Memory | None
    at: datetime
    awakened: bool = False
    """The daemon has just started: kept prices have their full time to be confirmed from `at` on."""


def _written(batch: object) -> msgspec.Raw:
    """A batch is recorded by its lines, which are there already: eight thousand groups cost the core a few milliseconds."""
    assert isinstance(batch, GroupBatch)
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


_encoder = msgspec.json.Encoder(enc_hook=_written)
_start = msgspec.json.Decoder(_ReadStart)
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event, dec_hook=_recorded)


class EventLog:
    """Appends events to files `events-<time>.jsonl` in a folder."""

    def __init__(self, folder: Path, keep: timedelta) -> None:
        self.folder = folder
        self.keep = keep
        self.failures = 0
        self.reason: str | None = None
        self._file: BinaryIO | None = None
        self._begun_s: float | None = None
        self._size = 0
        self._start_size = 0

    def wants_start(self, now_s: float) -> bool:
        """A new file must be begun before the next event; `now_s` is monotonic time."""
        if self._file is None:
            return self._begun_s is None or now_s - self._begun_s >= PAUSE_S
        return self._size > max(FILE_BYTES, 4 * self._start_size)

    def start(self, start: Start, now_s: float) -> None:
        """Begins a new file, whole or not at all, and deletes those that are too old or too many."""
        self._begun_s = now_s
        path = self.folder / f"events-{start.at.strftime('%Y%m%dT%H%M%S%f')}.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.close()
            self._prune(start.at)
            self._file = path.open("xb", buffering=1 << 16)
            self._size = 0
            self._write(_encoder.encode(start))
            self._start_size = self._size
            self._file.flush()
        except OSError as e:
            is_ours = self._file is not None
            self._failed(e)
            if is_ours:
                path.unlink(missing_ok=True)

    def append(self, event: Event) -> None:
        """Adds one event; it reaches the operating system with the next flush."""
        if self._file is not None:
            try:
                self._write(_encoder.encode(event))
            except OSError as e:
                self._failed(e)

    def flush(self) -> None:
        """Hands what was appended to the operating system: a killed process loses nothing that was flushed."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as e:
                self._failed(e)

    def close(self) -> None:
        """Ends the file."""
        if self._file is not None:
            try:
                self._file.close()
                self._file = None
            except OSError as e:
                self._failed(e)

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        self._size += self._file.write(line + b"\n")

    def _failed(self, e: OSError) -> None:
        self.failures += 1
        self.reason = f"event log: {e.strerror}"
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what is left in its buffer has no room either
                file.close()

    def _prune(self, at: datetime) -> None:
        files = sorted(self.folder.glob("events-*.jsonl"))
        total = sum(f.stat().st_size for f in files)
        for file in files:
            age = at.timestamp() - file.stat().st_mtime
            if age > self.keep.total_seconds() or total > TOTAL_BYTES:
                total -= file.stat().st_size
                os.unlink(file)


class Torn(Exception):
    """A line of the log is not a record; `line` counts from 1."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}:{line}: {why}")
        self.line = line


def read(path: Path) -> Iterator[Start | Event]:
    """The start and the events of a file. A last line that was torn by a kill ends it; any other raises Torn."""
    with path.open("rb") as file:
        for i, line in enumerate(file, 1):
            try:
                yield _started(_start.decode(line)) if i == 1 else _understood(_event.decode(line))
            except msgspec.DecodeError as e:
                if i > 1 and not line.endswith(b"\n"):
                    return
                raise Torn(path, i, f"is not a record of the event log: {e}") from None


def _started(line: _ReadStart) -> Start:
    memory = line.memory.of_now() if isinstance(line.memory, _OldMemory) else line.memory
    return Start(line.rules, memory, line.at, line.awakened)


def _understood(event: Event) -> Event:
    """The event as core takes it: a batch learns its time, and what older versions wrote becomes what they meant."""
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
