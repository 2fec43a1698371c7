"""Standard output and error of the daemon, each written by a thread of its own: a reader who stands still stops nobody.

A paused terminal, a hung log shipper or a file on a dead share block the thread alone. What waits is bounded: lines of the
log are dropped beyond that, and their count is told once the reader goes on. A line that is a delivery is never dropped.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, NoReturn

from monitor.clock import SystemClock

MOST_LINES = 1_000
"""Texts that may wait: some minutes of a noisy log, at most a few hundred kilobytes."""
HELD_UP_S = 2.0
"""A write that takes longer than this is told of afterwards."""
LAST_WORDS_S = 0.5
"""At the end, what still waits has this long to be read."""

_CLOCK = SystemClock()

Tell = Callable[[float, int], None]
"""Hears that the reader stood still for so many seconds, and how many lines were dropped meanwhile."""


class _Waiting(NamedTuple):
    data: bytes
    written: Future[None] | None
    """Of a delivery; None for a line that may be dropped."""


class Writer:
    """Writes to one file descriptor, in the order in which it was asked. For any thread; only the thread inside blocks."""

    def __init__(self, fd: int, tell: Tell | None = None) -> None:
        self._fd = fd
        self._tell = tell
        self._waiting: deque[_Waiting] = deque()
        self._lines = 0
        """How many of those that wait may be dropped."""
        self._is_idle = True
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Lines dropped since the start."""
        self._untold = 0

    def line(self, text: str) -> None:
        """Writes a text when its turn comes; drops and counts it where too many wait."""
        with self._changed:
            if self._lines >= MOST_LINES:
                self.dropped += 1
                self._untold += 1
                return
            self._lines += 1
            self._put(_Waiting(text.encode(errors="replace"), None))

    def deliver(self, text: str) -> Future[None]:
        """Writes a text that must not be lost. The future ends when it is written, with the OSError where it cannot be."""
        written: Future[None] = Future()
        with self._changed:
            self._put(_Waiting(text.encode(errors="replace"), written))
        return written

    def drain(self, timeout_s: float) -> bool:
        """Waits until nothing waits any more, or for so long; whether all is written."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_idle and not self._waiting, timeout_s)

    def _put(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"writer {self._fd}", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_idle = not self._waiting
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                self._is_idle = False
                next_ = self._waiting.popleft()
                self._lines -= next_.written is None
            if next_.written is None or next_.written.set_running_or_notify_cancel():
                self._write(next_)

    def _write(self, waiting: _Waiting) -> None:
        started_s = _CLOCK.monotonic_s()
        try:
            self._write_all(waiting.data)
        except OSError as e:
            if waiting.written is not None:
                waiting.written.set_exception(e)
            return
        if waiting.written is not None:
            waiting.written.set_result(None)
        held_up_s = _CLOCK.monotonic_s() - started_s
        with self._changed:
            untold, self._untold = self._untold, 0
        if self._tell is not None and (untold or held_up_s > HELD_UP_S):
            self._tell(held_up_s, untold)

    def _write_all(self, data: bytes) -> None:
        """A descriptor that somebody set to non-blocking says so instead of waiting."""
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                select.select([], [self._fd], [])


class Stream(io.TextIOBase):
    """A text file over a writer: stands for `sys.stdout` or `sys.stderr`, so that whatever prints cannot block."""

    encoding = "utf-8"

    def __init__(self, writer: Writer, fd: int) -> None:
        self._writer = writer
        self._fd = fd
        self._begun = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Hands whole lines over; the rest waits for its end, or for `flush`."""
        with self._lock:
            whole, newline, self._begun = (self._begun + text).rpartition("\n")
        if newline:
            self._writer.line(whole + newline)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            rest, self._begun = self._begun, ""
        if rest:
            self._writer.line(rest)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def fileno(self) -> int:
        return self._fd


_writers: dict[int, Writer] = {}


def writer(fd: int) -> Writer:
    """The writer of standard output (1) or error (2); the same for all who write there, so that lines keep their order."""
    return _writers.setdefault(fd, Writer(fd))


def never_block(tell: Tell) -> None:
    """From now on nothing that this process prints can hold it up."""
    for fd in (1, 2):
        with contextlib.suppress(OSError, ValueError):
            (sys.stdout if fd == 1 else sys.stderr).flush()
        _writers[fd] = Writer(fd, tell)
    sys.stdout = Stream(_writers[1], 1)
    sys.stderr = Stream(_writers[2], 2)


def leave(code: int) -> NoReturn:
    """Ends the process now. Threads that hang in a write, a look-up of a name or a slow disk are not waited for."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    for each in _writers.values():
        each.drain(LAST_WORDS_S)
    os._exit(code)
