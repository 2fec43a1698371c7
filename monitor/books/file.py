"""A loan book in a file: JSON Lines, one group a line, read again whenever the file changes.

A reader often meets a file half written: cut off, empty, or gone while a program replaces it. So a good line applies at
once, but a refused line, an unreadable file and a missing group count only if they are still there a while later. Until
then, and as long as a line is refused, the last good book stays in force.

A file may hold millions of lines. The book reads it page by page, one page ahead of the commit, and remembers only a hash
of each line.
"""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, nullcontext
from datetime import datetime
from functools import partial
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec

from monitor.books._base import KeptBook, Reader
from monitor.books._line_memory import LineMemory, PlainLineMemory
from monitor.books._lines import BookFile, Judged, LinePage, judge, stamp
from monitor.clock import Clock, SystemClock
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.events.events import Event, GroupClosed, GroupPut, GroupsPut, Noticed
from monitor.core.loans.group import GroupBatch
from monitor.file_watch import Waits, pause, watching

T = TypeVar("T")
P = ParamSpec("P")


_PACKED_LINES = 1000  # a page with fewer new lines is read line by line
_LARGE_BYTES = 1 << 20  # some thousand lines: a larger file is remembered as compactly as possible
_CHUNK = 200  # lines that the thread judges in one go, a quarter of a second, so that a shutdown need not wait longer


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "file". `close_missing` closes a group whose line is gone."""

    path: Path
    watch: bool = False
    close_missing: bool = False


def build(
    name: str, config: Config, reader: Reader, clock: Clock | None = None, kept: KeptBook | None = None
) -> FileBook:
    """The book of a file. `kept` lets it find lines that went or were mended while the daemon was down."""
    return FileBook(name or f"file:{config.path}", config, reader, clock or SystemClock(), kept or KeptBook())


class Place(NamedTuple):
    """What is said of a place in the file: `kind` is the type of the alert, `subject` the file and the line."""

    kind: str
    subject: str


class RefusedLine(NamedTuple):
    """A line or a file to refuse, or a part of a line to leave out; `reason` is a counter's label."""

    problem: str
    fingerprint: str
    reason: str
    group: str | None = None


class _Sheet:
    """A page in work: what the book knows of its lines, by place."""

    def __init__(self, page: LinePage, ids: array[int], lines: array[int]) -> None:
        self.numbers = page.numbers
        self.raws = page.raws
        self.lines = lines
        """A hash of each line."""
        self.ids = ids
        """A hash of the id that each line puts, 0 while it is not known."""
        self.batch: GroupBatch | None = None
        self.packed: list[int] = []
        """Places of the lines of the batch."""
        self.judged: dict[int, Judged] = {}
        self.left: list[int] = []
        """Places of the lines to judge one by one."""


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
        self._held = kept.groups
        self._waits = waits or Waits()
        self._thread = ThreadPoolExecutor(1, "book")
        self._memory: LineMemory = PlainLineMemory()
        self._is_compared = False
        """The groups that the store has of this source were compared with those of the file."""
        ours = [Place(BOOK_REFUSED, s) for s in kept.refused] + [Place(BOOK_LEFT_OUT, s) for s in kept.left_out]
        self._refused = dict.fromkeys((p for p in ours if p.subject.startswith(str(config.path))), "")
        """Fingerprint of the last notice, by place."""
        self._doubts: dict[Place, tuple[str, float]] = {}
        """Fingerprint of a problem without a notice yet, and since when it is there, by place."""
        self._last: bytes | None = None
        """Digest of the last reading."""
        self._stamp: tuple[int, ...] | None = None
        """The size and times of the file at the last reading; None if it changed meanwhile."""
        self._unchanged_since_s = 0.0
        self._is_settled = False

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
            self._remember_compactly(file.total_bytes)
            bad: dict[Place, RefusedLine] = {}
            async with aclosing(self._read(file, at, bad)) as pages:
                async for more in pages:
                    if puts:
                        yield puts
                    puts = more
            after = await self._apart(file.stamp)
        except OSError as e:
            problem = f"the file cannot be read: {e.strerror or e}; the last good book stays in force"
            yield puts + self._unreadable(problem, at, patience_s)
            return
        if file.is_blank and (len(self._memory) or any(True for _ in self._held())):
            yield self._unreadable("the file is empty; the last good book stays in force", at, patience_s)
            return
        now_s = self._clock.monotonic_s()
        is_at_rest = file.digest == self._last
        if not is_at_rest:
            self._unchanged_since_s = now_s
        self._last = file.digest
        self._stamp = after
        closed, is_closing = await self._apart(self._missing, bad, at, now_s)
        notices = self._say(bad, at, now_s, patience_s)
        self._clear([s for s in self._refused if s not in bad], notices, at)
        self._is_settled = is_at_rest and after is not None and not (self._doubts or is_closing)
        yield [*puts, *closed, *notices]

    def _remember_compactly(self, size_bytes: int) -> None:
        if size_bytes >= _LARGE_BYTES and isinstance(self._memory, PlainLineMemory):
            small, self._memory = self._memory, self._reader.line_memory()
            small.hand_over(self._memory)

    def _unreadable(self, problem: str, at: datetime, patience_s: float) -> list[Event]:
        """Notices about a file that cannot be read. It says nothing about its lines, so their notices stand."""
        self._memory.end(forget=False)
        self._last = None
        self._is_settled = False
        finding = RefusedLine(problem, _fingerprint(b"", problem), "unreadable")
        return self._say({Place(BOOK_REFUSED, str(self.path)): finding}, at, self._clock.monotonic_s(), patience_s)

    async def _read(
        self, file: BookFile, at: datetime, bad: dict[Place, RefusedLine]
    ) -> AsyncGenerator[list[Event], None]:
        """The puts of each page; the thread reads the next page while one is committed. Puts refused lines into `bad`."""
        pages = file.pages()
        coming = asyncio.create_task(self._page(pages, at))
        try:
            while (sheet := await coming) is not None:
                self._reader.progress(file.done_bytes, file.total_bytes)
                puts = await self._apart(self._sorted_out, sheet, at, bad)
                coming = asyncio.create_task(self._page(pages, at))
                yield puts
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _page(self, pages: Iterator[LinePage], at: datetime) -> _Sheet | None:
        """The next page with its lines judged, except those that are in force already."""
        sheet = await self._apart(self._opened, pages, at)
        if sheet is not None:
            for start in range(0, len(sheet.left), _CHUNK):
                await self._apart(self._judge, sheet, sheet.left[start : start + _CHUNK], at)
        return sheet

    def _opened(self, pages: Iterator[LinePage], at: datetime) -> _Sheet | None:
        page = next(pages, None)
        if page is None:
            return None
        lines = array("q", map(hash, page.raws))
        sheet = _Sheet(page, self._memory.applied(lines), lines)
        fresh = [place for place, id_ in enumerate(sheet.ids) if not id_]
        sheet.left = fresh if len(fresh) < _PACKED_LINES else self._packed(sheet, fresh, at)
        return sheet

    def _packed(self, sheet: _Sheet, places: list[int], at: datetime) -> list[int]:
        """Packs lines if the reader can; returns the places of those that must be judged one by one."""
        found = self._reader.pack([sheet.raws[place] for place in places], at, self.name)
        sheet.batch, left = (None, places) if found is None else (found.batch, [places[i] for i in found.rest])
        sheet.packed = sorted(set(places).difference(left))
        for place, id_ in zip(sheet.packed, sheet.batch.ids() if sheet.batch else (), strict=True):
            sheet.ids[place] = hash(id_)
        return left

    def _judge(self, sheet: _Sheet, places: Iterable[int], at: datetime) -> None:
        for place in places:
            judged = judge(sheet.raws[place], at, self._reader)
            sheet.judged[place] = judged
            if judged.id is not None:
                sheet.ids[place] = hash(judged.id)

    def _sorted_out(self, sheet: _Sheet, at: datetime, bad: dict[Place, RefusedLine]) -> list[Event]:
        """The puts of a page; refused lines go to `bad`, by file and line. The first line of a group has its id."""
        firsts = self._memory.name(sheet.ids, sheet.numbers)
        doubles = {place for place, first in enumerate(firsts) if first}
        if not doubles.isdisjoint(sheet.packed):
            self._judge(sheet, doubles, at)
            self._judge(sheet, self._packed(sheet, [p for p in sheet.packed if p not in doubles], at), at)
        elif doubles:
            self._judge(sheet, doubles, at)
        refused = set()
        incomplete = set()
        for place, (id_, _, problem, reason, left_out, left_out_reason) in sorted(
            sheet.judged.items(), key=itemgetter(0)
        ):
            number = sheet.numbers[place]
            if place in doubles and not problem:
                problem = f"group {id_} is at line {firsts[place]} already; one line a group"
                reason = "duplicate_group"
            if problem:
                refused.add(place)
                fingerprint = _fingerprint(sheet.raws[place], problem)
                bad[Place(BOOK_REFUSED, f"{self.path}:{number}")] = RefusedLine(problem, fingerprint, reason, id_)
            elif left_out:
                incomplete.add(place)
                fingerprint = _fingerprint(sheet.raws[place], left_out)
                finding = RefusedLine(left_out, fingerprint, left_out_reason, id_)
                bad[Place(BOOK_LEFT_OUT, f"{self.path}:{number}")] = finding
        # A line that is taken in part is judged at each reading: what is said of it holds as long as it stands there.
        taken = [place for place in range(len(sheet.raws)) if place not in refused and place not in incomplete]
        self._memory.take(array("q", [sheet.lines[p] for p in taken]), array("q", [sheet.ids[p] for p in taken]))
        puts: list[Event] = [GroupsPut(at, self.name, sheet.batch)] if sheet.batch else []
        singles = sorted(sheet.judged.keys() - refused)
        return puts + [GroupPut(at, group, self.name) for p in singles if (group := sheet.judged[p].group) is not None]

    def _missing(self, bad: Mapping[Place, RefusedLine], at: datetime, now_s: float) -> tuple[list[Event], bool]:
        """Closes for the groups that the file no longer names, and whether it is too early to tell."""
        closes = self.config.close_missing
        # A refused line whose id cannot be read may belong to any of them.
        if not closes or any(f.group is None for f in bad.values()):
            self._memory.end(forget=not closes)
            return [], False
        gone = list(self._gone()) if self._memory.lacks() or not self._is_compared else []
        is_early = bool(gone) and now_s - self._unchanged_since_s < self._waits.close_after_s
        self._memory.end(forget=not is_early)
        self._is_compared |= not is_early
        return [] if is_early else [GroupClosed(at, id_, self.name) for id_ in gone], is_early

    def _gone(self) -> Iterator[str]:
        """Groups of this source that this reading does not name."""
        held = iter(self._held())
        while ids := list(islice(held, 8192)):
            named = self._memory.named(array("q", map(hash, ids)))
            yield from (id_ for id_, is_named in zip(ids, named, strict=True) if not is_named)

    def _say(self, bad: Mapping[Place, RefusedLine], at: datetime, now_s: float, patience_s: float) -> list[Event]:
        """Notices about problems that are old enough and have none yet."""
        doubts: dict[Place, tuple[str, float]] = {}
        notices: list[Event] = []
        for place, (problem, fingerprint, reason, group) in bad.items():
            if self._refused.get(place) == fingerprint:
                continue
            before, since_s = self._doubts.get(place, (fingerprint, now_s))
            since_s = since_s if before == fingerprint else now_s
            if now_s - since_s < patience_s:
                doubts[place] = fingerprint, since_s
                continue
            self._refused[place] = fingerprint
            facts = {"problem": problem, "reason": reason, "source": self.name}
            facts |= {"group": group} if group is not None else {}
            notices.append(Noticed(at, place.kind, place.subject, facts, fingerprint))
        self._doubts = doubts
        return notices

    def _clear(self, mended: list[Place], notices: list[Event], at: datetime) -> None:
        for place in mended:
            del self._refused[place]
            notices.append(Noticed(at, place.kind, place.subject, {}, clears=True))


def _fingerprint(raw: bytes, problem: str) -> str:
    return hashlib.sha256(raw + b"\n" + problem.encode()).hexdigest()[:32]
