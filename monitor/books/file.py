"""A loan book in a file: JSON Lines, one group a line, read again whenever the file changes.

A reader often meets a file half written: cut off, empty, or gone while a program replaces it. So a good line applies at
once, but a refused line, an unreadable file and a missing group count only if they are still there a while later. Until
then, and as long as a line is refused, the last good book stays in force.

A file may hold millions of lines. The book reads it page by page, one page ahead of the commit, and remembers only a hash
of each line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from monitor.books._base import KeptBook, Reader, StaleAfter
from monitor.books._lines import BookFile, LinePage, stamp, time_of
from monitor.books._snapshots import Comparison, Place, RefusedLine, Sheet, fingerprint_of
from monitor.books._unchanged import LineSums, position_of
from monitor.clock import Clock, SystemClock
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.events import BookSeen, Event, GroupClosed
from monitor.file_watch import Waits, pause, watching

T = TypeVar("T")
P = ParamSpec("P")


_LARGE_BYTES = 1 << 20  # some thousand lines: a larger file is remembered as compactly as possible
_DIGESTED_AT_ONCE = 64 << 20  # a sixteenth of a second
_CHUNK = 200  # lines that the thread judges in one go, a quarter of a second, so that a shutdown need not wait longer


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "file". `close_missing` closes a group whose line is gone."""

    path: Path
    watch: bool = False
    close_missing: bool = False
    stale_after: StaleAfter | None = None
    """How old the file may be, by the time at which it was changed last; without it, of any age."""


def build(
    name: str, config: Config, reader: Reader, clock: Clock | None = None, kept: KeptBook | None = None
) -> FileBook:
    """The book of a file. `kept` lets it find lines that went or were mended while the daemon was down."""
    return FileBook(name or f"file:{config.path}", config, reader, clock or SystemClock(), kept or KeptBook())


class FileBook:
    """Compares each reading of the file with what was applied before, by the hash of the lines."""

    def __init__(
        self, name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook, waits: Waits | None = None
    ) -> None:
        self.name = name
        self.config = config
        self.path = config.path
        self._reader = reader
        self._clock = clock
        self._waits = waits or Waits()
        self._thread = ThreadPoolExecutor(1, "book")
        self._comparison = Comparison(name, reader, kept, str(config.path))
        self._is_compared = False
        """The groups that the store has of this source were compared with those of the file."""
        self._last: bytes | None = None
        """Digest of the last reading."""
        self._stamp: tuple[int, ...] | None = None
        """The size and times of the file at the last reading; None if it changed meanwhile."""
        self._unchanged_since_s = 0.0
        self._dated: tuple[int, ...] | None = None
        """The stamp of the reading whose time was told last."""
        self._is_settled = False
        self._kept = kept
        self._kept_position = kept.position
        """That of the last run, until this one has looked whether the file is still the same."""
        self._position_said = ""

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then changes. Without `watch` it ends once it has read a file at rest."""
        wake = asyncio.Event()
        try:
            async with watching(self.path, wake, self._waits.poll_s) if self.config.watch else nullcontext():
                async with aclosing(self._look(0)) as look:
                    async for batch in look:
                        yield batch
                while self.config.watch or not self._is_settled:
                    await pause(wake, self._waits.poll_s if self._is_settled else self._waits.settle_s)
                    async with aclosing(self._look(self._waits.settle_s)) as look:
                        async for batch in look:
                            if batch:
                                yield batch
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _apart(self, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """Runs work in the book's own thread, one piece after the other: every thread has a heap that grows by a page."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **more))

    async def _look(self, patience_s: float) -> AsyncGenerator[list[Event], None]:
        """Reads the file if it may have changed, and reports problems that are older than `patience_s`."""
        at = self._clock.utc()
        puts: list[Event] = []
        try:
            if self._is_settled and self._stamp == await self._apart(stamp, self.path):
                return
            file = await self._apart(BookFile, self.path)
            if file.total_bytes >= _LARGE_BYTES:
                if (known := await self._known()) is not None:
                    yield known
                    return
                self._comparison.remember_compactly()
            self._comparison.sums = None if len(self._comparison.memory) else LineSums()
            bad: dict[Place, RefusedLine] = {}
            async with aclosing(self._read(file, at, bad)) as pages:
                async for more in pages:
                    if puts:
                        yield puts
                    puts = more
            after = await self._apart(file.stamp)
        except OSError as e:
            is_held = puts or self._comparison.has_groups()
            stays = "the last good book stays in force" if is_held else "none of its groups is watched"
            problem = f"the file cannot be read: {e.strerror or e}; {stays}"
            yield puts + self._unreadable(problem, at, patience_s)
            return
        if file.is_blank and self._comparison.has_groups():
            yield self._unreadable("the file is empty; the last good book stays in force", at, patience_s)
            return
        now_s = self._clock.monotonic_s()
        is_at_rest = file.digest == self._last
        if not is_at_rest:
            self._unchanged_since_s = now_s
        self._last = file.digest
        self._stamp = after
        closed, is_closing = await self._apart(self._missing, bad, at, now_s)
        notices = self._comparison.say(bad, at, now_s, patience_s)
        cleared = self._comparison.clear_all_but(bad, at)
        is_whole = file.total_bytes >= _LARGE_BYTES and not bad and not is_closing
        position = await self._apart(self._position, file.digest) if is_whole else ""
        self._is_settled = is_at_rest and after is not None and not (self._comparison.has_doubts or is_closing)
        yield [*puts, *closed, *notices, *cleared, *self._seen(after, at, position)]

    async def _known(self) -> list[Event] | None:
        """At a start: what there is to say of a file that is the very one whose lines are in force; None for any other."""
        position, self._kept_position = self._kept_position, ""
        if not position:
            return None
        at, file = self._clock.utc(), await self._apart(BookFile, self.path)
        parts = file.read_on(_DIGESTED_AT_ONCE)
        while await self._apart(partial(next, parts, self)) is not self:
            self._reader.progress(file.done_bytes, file.total_bytes)
        after = await self._apart(file.stamp)
        lines = await self._apart(self._kept.lines)
        if after is None or lines is None or position != position_of(file.digest, lines):
            return None
        self._last, self._stamp, self._is_settled = file.digest, after, True
        self._position_said = position
        return [*self._comparison.clear_all_but({}, at), *self._seen(after, at, position)]

    def _position(self, digest: bytes) -> str:
        """Of a reading whose every line was new to this process and put a group; of a later one what was said before."""
        lines, sums = self._kept.lines(), self._comparison.sums
        if lines is not None and sums is not None:
            self._position_said = position_of(digest, lines._replace(sums=sums))
        is_same = self._position_said.startswith(digest.hex())
        return self._position_said if is_same else ""

    def _seen(self, after: tuple[int, ...] | None, at: datetime, position: str) -> list[Event]:
        """The time of the book, which is that of the file's last change, if it is another than before."""
        if after is None or after == self._dated:
            return []
        self._dated = after
        return [BookSeen(at, self.name, time_of(after, at), position)]

    def _unreadable(self, problem: str, at: datetime, patience_s: float) -> list[Event]:
        """Notices about a file that cannot be read. It says nothing about its lines, so their notices stand."""
        self._comparison.memory.end(forget=False)
        self._last = None
        self._is_settled = False
        finding = RefusedLine(problem, fingerprint_of(b"", problem), "unreadable")
        return self._comparison.say(
            {Place(BOOK_REFUSED, str(self.path)): finding}, at, self._clock.monotonic_s(), patience_s
        )

    async def _read(
        self, file: BookFile, at: datetime, bad: dict[Place, RefusedLine]
    ) -> AsyncGenerator[list[Event], None]:
        """The puts of each page; the thread reads the next page while one is committed. Puts refused lines into `bad`."""
        pages = file.pages()
        coming = asyncio.create_task(self._page(pages, at))
        try:
            while (sheet := await coming) is not None:
                self._reader.progress(file.done_bytes, file.total_bytes)
                puts = await self._apart(self._comparison.sort_out, sheet, at, bad)
                coming = asyncio.create_task(self._page(pages, at))
                yield puts
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _page(self, pages: Iterator[LinePage], at: datetime) -> Sheet | None:
        """The next page with its lines judged, except those that are in force already."""
        sheet = await self._apart(self._opened, pages, at)
        if sheet is not None:
            for start in range(0, len(sheet.left), _CHUNK):
                await self._apart(self._comparison.judge, sheet, sheet.left[start : start + _CHUNK], at)
        return sheet

    def _opened(self, pages: Iterator[LinePage], at: datetime) -> Sheet | None:
        page = next(pages, None)
        if page is None:
            return None
        return self._comparison.open(page.numbers, page.raws, at)

    def _missing(self, bad: Mapping[Place, RefusedLine], at: datetime, now_s: float) -> tuple[list[Event], bool]:
        """Closes for the groups that the file no longer names, and whether it is too early to tell."""
        comparison, closes = self._comparison, self.config.close_missing
        # A refused line whose id cannot be read may belong to any of them.
        if not closes or any(f.group is None for f in bad.values()):
            comparison.memory.end(forget=not closes)
            return [], False
        gone = list(comparison.gone()) if comparison.memory.lacks() or not self._is_compared else []
        is_early = bool(gone) and now_s - self._unchanged_since_s < self._waits.close_after_s
        comparison.memory.end(forget=not is_early)
        # A refused line puts nothing that the memory could miss later.
        self._is_compared = (self._is_compared or not is_early) and not bad
        return [] if is_early else [GroupClosed(at, id_, self.name) for id_ in gone], is_early
