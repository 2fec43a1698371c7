"""Writes the record of what core was handed, in a thread of its own (decisions 18 and 52).

Core hands events over and goes on. The thread encodes and writes them; a second one compresses closed files and deletes
those that are too old or too many. What cannot be written is counted, and a gap in the next file says what is missing.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.core.events.events import Event, GroupsPut, MarkPrices
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.event_log import Blocks, RecordGap, Start, encoder, files, pieces

FILE_BYTES = 64 * 1024 * 1024
"""A new file begins beyond this, so that old days can be deleted by file; with a large book, beyond four times its start."""
FILE_S = 24 * 3600.0
"""A new file begins after a day, as files are deleted whole, by age."""
PAUSE_S = 30.0
"""After a failure a new file is tried once in this time, as each try writes all that core knows."""
WAITING_PRICES = 200_000
"""Prices and groups that may wait for a slow disk, some 30 MB: five minutes of a market of 600 coins."""
PATIENCE_S = 0.05
"""A commit waits this long for the record of what led to it, so that a kill leaves nothing committed without its record."""
TIDY_S = 3600.0
"""How often old files are looked for while no new one begins."""
CLOSE_S = 3.0
"""A stop waits this long for a disk that does not answer."""
_COMPRESSION = 3
"""Half the work of the usual level for a tenth more bytes."""


class _NewFile(NamedTuple):
    path: Path
    first_line: Iterator[bytes]
    """Its pieces."""
    gap: RecordGap | None


_Task = Event | _NewFile | Callable[[], object]
"""What the thread has to do: to write an event, to begin a file, to tell somebody that it got so far."""


class Recorder:
    """Appends events to files `events-<time>.jsonl` in a folder. Core's thread calls it; only `close` blocks."""

    def __init__(self, folder: Path, keep: timedelta, most_bytes: int) -> None:
        self.folder = folder
        self.failures = 0
        self.lost = 0
        """Events that are in no file."""
        self.reason: str | None = None
        """Why the last write failed; whoever says it to people sets it to None."""
        self._shelf = _Shelf(folder, keep, most_bytes)
        self._begun_s: float | None = None
        self._is_open = False
        """Events may be handed over: the last file was begun, and nothing is missing from it so far."""
        self._is_beginning = False
        self._why = ""
        self._gap: RecordGap | None = None
        self._lock = threading.Condition()
        self._tasks: deque[_Task] = deque()
        self._weight = 0
        self._is_busy = False
        self._is_late = False
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._file: FileIO | None = None
        self._size = 0
        self._start_size = 0

    def wants_start(self, now_s: float) -> bool:
        """A new file must be begun before the next event; `now_s` is monotonic time."""
        if self._begun_s is None:
            return True
        if not self._is_open:
            # What still waits would stand in front of the new file, and keep it from being written.
            return now_s - self._begun_s >= PAUSE_S and self._weight == 0
        is_full = not self._is_beginning and self._size > max(FILE_BYTES, 4 * self._start_size)
        return is_full or now_s - self._begun_s >= FILE_S

    def start(self, start: Start, now_s: float, blocks: Blocks = ()) -> None:
        """Begins a new file, whole or not at all. What core knew is that of now; `blocks` hold what of it is large, and are
        written by the thread while core goes on.
        """
        self._begun_s = now_s
        path = self.folder / f"events-{start.at.strftime('%Y%m%dT%H%M%S%f')}.jsonl"
        line = pieces(start, blocks)
        with self._lock:
            gap, self._gap = self._gap, None
            self._is_open = True
            self._is_beginning = True
            self._hand_over(_NewFile(path, line, gap))

    def append(self, event: Event) -> None:
        """Hands one event over. Where too much waits already, this event and all up to the next file are a gap."""
        weight = _weight(event)
        with self._lock:
            if self._is_open and self._weight and self._weight + weight > WAITING_PRICES:
                self._close_for("the disk is too slow")
            if not self._is_open:
                self._lose(event)
                return
            self._weight += weight
            self._hand_over(event)

    async def settled(self) -> None:
        """Waits until what was handed over is with the operating system, so that a kill loses none of it.

        Not longer than PATIENCE_S, and not at all while the disk is known to be late: no alert waits for a broken disk.
        """
        loop = asyncio.get_running_loop()
        reached: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if not self._tasks and not self._is_busy:
                self._is_late = False
                return
            if self._is_late:
                return
            self._hand_over(lambda: loop.call_soon_threadsafe(_reach, reached))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reached
        except TimeoutError:
            self._is_late = True

    def flush(self, within_s: float = CLOSE_S) -> bool:
        """Blocks until what was handed over is written or lost. False where that takes too long."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._tasks and not self._is_busy, within_s)

    def close(self) -> None:
        """Ends the file, after all that was handed over, and stops the threads."""
        with self._lock:
            self._is_closing = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._shelf.close()

    # -- under the lock --

    def _hand_over(self, task: _Task) -> None:
        self._tasks.append(task)
        if self._thread is None:
            # A daemon thread: a disk that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._work, name="event log", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    def _close_for(self, why: str) -> None:
        self.failures += 1
        self.reason = f"event log: {why}"
        self._why = why
        self._is_open = False

    def _lose(self, event: Event) -> None:
        self.lost += 1
        self._gap = _joined(self._gap, RecordGap(event.at, event.at, 1, self._why or "the event log is closed"))

    # -- in the thread --

    def _work(self) -> None:
        while True:
            with self._lock:
                self._is_busy = False
                self._lock.notify_all()
                while not self._tasks and not self._is_closing:
                    if not self._lock.wait(TIDY_S):
                        self._shelf.tidy()
                if not self._tasks:
                    break
                self._is_busy = True
                tasks = list(self._tasks)
                self._tasks.clear()
            self._do(tasks)
        self._end()

    def _do(self, tasks: list[_Task]) -> None:
        """Writes what waits in one go; who asked is told only after it is with the operating system."""
        told: list[Callable[[], object]] = []
        events: list[Event] = []
        for task in tasks:
            if isinstance(task, _NewFile):
                self._write(events)
                self._begin(task)
                events = []
            elif callable(task):
                told.append(task)
            else:
                events.append(task)
        self._write(events)
        for tell in told:
            # A loop that is closed meanwhile has nobody left to tell.
            with suppress(RuntimeError):
                tell()

    def _begin(self, new: _NewFile) -> None:
        self._close_file()
        is_ours = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Said before the file is there: the other thread would take it for a closed one, and put it away while we write.
            self._shelf.opens(new.path)
            self._file = new.path.open("xb", buffering=0)
            is_ours = True
            self._size = 0
            for piece in new.first_line:
                self._put(piece)
            self._start_size = self._size
            if new.gap is not None:
                self._put(encoder.encode(new.gap) + b"\n")
        except (
            OSError,
            TypeError,
            ValueError,
            LookupError,
        ) as e:  # a block that cannot be read must not end the thread
            self._close_file()
            if is_ours:
                new.path.unlink(missing_ok=True)
            with self._lock:
                self._close_for((e.strerror if isinstance(e, OSError) else None) or str(e))
                self._gap = _joined(new.gap, self._gap)
        with self._lock:
            self._is_beginning = False
        self._shelf.tidy()

    def _write(self, events: list[Event]) -> None:
        """All or none: what a full disk took in part is cut off again, so that the gap says exactly what is missing."""
        is_written = False
        if self._file is not None and events:
            try:
                self._put(b"".join(encoder.encode(event) + b"\n" for event in events))
                is_written = True
            # An event that has no form in the record is a gap too: this thread must not end of it, unheard.
            except (OSError, TypeError, ValueError) as e:
                with suppress(OSError):
                    self._file.truncate(self._size)
                self._close_file()
                with self._lock:
                    self._close_for((e.strerror if isinstance(e, OSError) else None) or str(e))
        with self._lock:
            self._weight -= sum(map(_weight, events))
            if not is_written:
                for event in events:
                    self._lose(event)

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._size += len(data)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a network disk may say only now that it lost something; it is lost all the same
                file.close()

    def _end(self) -> None:
        """The last file ends with what is missing from it, where that can be written."""
        with suppress(OSError):
            if self._file is not None and self._gap is not None:
                self._put(encoder.encode(self._gap) + b"\n")
        self._close_file()


def begin(recorder: Recorder, monitor: RiskMonitor, at: datetime, now_s: float, *, awakened: bool = False) -> None:
    """In core's thread: a new file, from what core knows now. The blocks of its book are written later."""
    captured = monitor.captured()
    memory, blocks = (None, ()) if captured is None else captured
    recorder.start(Start(monitor.rules, memory, at, awakened), now_s, blocks)


class _Shelf:
    """The closed files of a folder: compressed, and deleted by age and size."""

    def __init__(self, folder: Path, keep: timedelta, most_bytes: int) -> None:
        self._folder = folder
        self._keep = keep
        self._most_bytes = most_bytes
        self._is_closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_asked = threading.Event()
        self._open: Path | None = None

    def opens(self, path: Path) -> None:
        """This file is written from now on; it alone is not put away."""
        self._open = path

    def tidy(self) -> None:
        """Looks through the folder soon, in a thread of its own."""
        self._is_asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="old event logs", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stops at the next megabyte; the next start goes on."""
        self._is_closing.set()
        self._is_asked.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while not self._is_closing.is_set():
            self._is_asked.wait()
            self._is_asked.clear()
            # A folder that cannot be written to now is looked through again with the next file.
            with suppress(OSError):
                for part in self._folder.glob("events-*.part"):
                    part.unlink()
                self._prune()
                for path in files(self._folder):
                    if path.suffix == ".jsonl" and path != self._open:
                        self._compress(path)
                self._prune()

    def _compress(self, path: Path) -> None:
        """The compressed file takes the place of the plain one only when it is whole."""
        part, whole = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.gz")
        was = path.stat()
        try:
            with path.open("rb") as plain, gzip.open(part, "wb", _COMPRESSION) as zipped:
                while chunk := plain.read(1 << 20):
                    if self._is_closing.is_set():
                        return
                    zipped.write(chunk)
            os.utime(part, (was.st_atime, was.st_mtime))
            part.replace(whole)
            path.unlink()
        finally:
            part.unlink(missing_ok=True)

    def _prune(self) -> None:
        """Deletes the files that are too old, and the oldest while all together are too large."""
        if not self._folder.is_dir():
            return
        found = [(path, path.stat()) for path in files(self._folder)]
        total = sum(stat.st_size for _, stat in found)
        newest = max((stat.st_mtime for _, stat in found), default=0.0)
        for path, stat in found:
            is_old = newest - stat.st_mtime > self._keep.total_seconds()
            if path != self._open and (is_old or total > self._most_bytes):
                total -= stat.st_size
                path.unlink()


def _weight(event: Event) -> int:
    """What an event takes while it waits, in prices."""
    match event:
        case MarkPrices(quotes=quotes, frames=frames):
            return 1 + len(quotes) + sum(map(len, frames))
        case GroupsPut(batch=batch):
            return 1 + len(batch)
    return 1


def _joined(first: RecordGap | None, then: RecordGap | None) -> RecordGap | None:
    if first is None or then is None:
        return first or then
    return msgspec.structs.replace(first, until=then.until, events=first.events + then.events)


def _reach(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
