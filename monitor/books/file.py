"""A loan book in a file: JSON Lines, one group a line, read again whenever the file changes.

What people and programs write is often seen half done: cut off, empty, or gone while it is being replaced. So a line
that reads well is applied at once, but a refused line, an unreadable file and a group that vanished count only when
they are still so a while later. Until then, and for as long as a line is refused, the last good book stays in force.

A file may hold millions of lines: it is read a page at a time, the next one while the one before is committed, and all
that is remembered of a line is a hash.
"""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
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
from monitor.core.events.events import Event, GroupClosed, GroupPut, GroupsPut, Noticed
from monitor.core.loans.group import GroupBatch
from monitor.file_watch import watch

T = TypeVar("T")
P = ParamSpec("P")

REFUSED = "book.refused"

_PACKED_LINES = 1000  # fewer new lines than this on a page are read one by one
_LARGE_BYTES = 1 << 20  # of a file whose lines are remembered as compactly as possible: some thousand lines
_CHUNK = 200  # lines judged in one go of the thread: a quarter of a second, after which a shutdown is noticed
_SETTLE_S = 1.0  # editors and `cp` are done by then
_CLOSE_AFTER_S = 5.0  # how long a file must have been at rest before what it lacks is believed to be gone
_POLL_S = 3.0  # finds what the watch of the operating system misses: network file systems, links, a new folder


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "file". `close_missing`: a group whose line vanished is closed."""

    path: Path
    watch: bool = False
    close_missing: bool = False


def build(
    name: str, config: Config, reader: Reader, clock: Clock | None = None, kept: KeptBook | None = None
) -> FileBook:
    """The book of a file. Of what is kept, it looks for lines that vanished or were mended while the daemon was down."""
    return FileBook(name or f"file:{config.path}", config, reader, clock or SystemClock(), kept or KeptBook())


class RefusedLine(NamedTuple):
    """Something to refuse; `reason` is a counter's label."""

    problem: str
    fingerprint: str
    reason: str
    group: str | None = None


class _Sheet:
    """A page while it is worked on: what is known of its lines, by place."""

    def __init__(self, page: LinePage, ids: array[int], lines: array[int]) -> None:
        self.numbers, self.raws = page
        self.lines, self.ids = lines, ids
        """Hashes of lines and of the ids that they put; an id is 0 while it is not known."""
        self.batch: GroupBatch | None = None
        self.packed: list[int] = []
        """Places of the lines of the batch."""
        self.judged: dict[int, Judged] = {}
        self.left: list[int] = []
        """Places of lines that are to be judged one by one."""


class FileBook:
    """Compares each reading of the file with what was applied before, by the hash of the lines."""

    def __init__(
        self, name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook,
        *, settle_s: float = _SETTLE_S, close_after_s: float = _CLOSE_AFTER_S, poll_s: float = _POLL_S,
    ) -> None:  # fmt: skip
        self.name, self.config, self.path = name, config, config.path
        self._reader, self._clock, self._held = reader, clock, kept.groups
        self._settle_s, self._close_after_s, self._poll_s = settle_s, close_after_s, poll_s
        self._thread = ThreadPoolExecutor(1, "book")
        self._memory: LineMemory = PlainLineMemory()
        self._is_compared = False
        """What the store has of this source was compared with what the file names."""
        ours = [subject for subject in kept.refused if subject.startswith(str(config.path))]
        self._refused: dict[str, str] = dict.fromkeys(ours, "")
        """Fingerprint of what was said last, by subject."""
        self._doubts: dict[str, tuple[str, float]] = {}
        """What was found but not said yet, and since when."""
        self._last: bytes | None = None
        """Digest of the last reading."""
        self._stamp: tuple[int, ...] | None = None
        """Of the file when it was last read; None when it changed meanwhile."""
        self._unchanged_since_s = 0.0
        self._is_settled = False

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then what changed. Without `watch` it ends when the file has been read and believed."""
        wake = asyncio.Event()
        watcher = asyncio.create_task(watch(self.path, wake, self._poll_s)) if self.config.watch else None
        try:
            async with aclosing(self._look(0)) as look:
                async for batch in look:
                    yield batch
            while watcher or not self._is_settled:
                await self._pause(wake)
                async with aclosing(self._look(self._settle_s)) as look:
                    async for batch in look:
                        if batch:
                            yield batch
        finally:
            if watcher:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _apart(self, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """Off the event loop, one thing after the other, in one thread: each has a heap of its own for what a page takes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **more))

    async def _pause(self, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._poll_s if self._is_settled else self._settle_s):
                await wake.wait()
        except TimeoutError:
            pass
        wake.clear()

    async def _look(self, patience_s: float) -> AsyncGenerator[list[Event], None]:
        """Reads the file where it may have changed; bad news found now is said once it is older than `patience_s`."""
        at = self._clock.utc()
        puts: list[Event] = []
        try:
            if self._is_settled and self._stamp == await self._apart(stamp, self.path):
                return
            file = await self._apart(BookFile, self.path)
            self._remember_compactly(file.total_bytes)
            bad: dict[str, RefusedLine] = {}
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
        self._last, self._stamp = file.digest, after
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
        """Nothing is known of the lines now, so what was said of them stands."""
        self._memory.end(forget=False)
        self._last, self._is_settled = None, False
        finding = RefusedLine(problem, _fingerprint(b"", problem), "unreadable")
        return self._say({str(self.path): finding}, at, self._clock.monotonic_s(), patience_s)

    async def _read(
        self, file: BookFile, at: datetime, bad: dict[str, RefusedLine]
    ) -> AsyncGenerator[list[Event], None]:
        """The puts of each page; the next page is read while one is committed. Fills what is to be refused, by place."""
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
        """The next page with all that its lines say. Lines that are applied already are not read again."""
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
        """Packs lines if that is possible; returns the places of those that must be judged."""
        found = self._reader.pack([sheet.raws[place] for place in places], at, self.name)
        sheet.batch, left = (None, places) if found is None else (found.batch, [places[i] for i in found.rest])
        sheet.packed = sorted(set(places).difference(left))
        for place, id_ in zip(sheet.packed, sheet.batch.ids() if sheet.batch else (), strict=True):
            sheet.ids[place] = hash(id_)
        return left

    def _judge(self, sheet: _Sheet, places: Iterable[int], at: datetime) -> None:
        for place in places:
            judged = sheet.judged[place] = judge(sheet.raws[place], at, self._reader.parse)
            if judged.id is not None:
                sheet.ids[place] = hash(judged.id)

    def _sorted_out(self, sheet: _Sheet, at: datetime, bad: dict[str, RefusedLine]) -> list[Event]:
        """The puts of a page; what to refuse goes to `bad`, by place. The first line of an id has it."""
        firsts = self._memory.name(sheet.ids, sheet.numbers)
        doubles = {place for place, first in enumerate(firsts) if first}
        if not doubles.isdisjoint(sheet.packed):
            self._judge(sheet, doubles, at)
            self._judge(sheet, self._packed(sheet, [p for p in sheet.packed if p not in doubles], at), at)
        elif doubles:
            self._judge(sheet, doubles, at)
        refused = set()
        for place, (id_, _, problem, reason) in sorted(sheet.judged.items(), key=itemgetter(0)):
            number = sheet.numbers[place]
            if place in doubles and not problem:
                problem = f"group {id_} is at line {firsts[place]} already; one line a group"
                reason = "duplicate_group"
            if problem:
                refused.add(place)
                fingerprint = _fingerprint(sheet.raws[place], problem)
                bad[f"{self.path}:{number}"] = RefusedLine(problem, fingerprint, reason, id_)
        taken = [place for place in range(len(sheet.raws)) if place not in refused]
        self._memory.take(array("q", [sheet.lines[p] for p in taken]), array("q", [sheet.ids[p] for p in taken]))
        puts: list[Event] = [GroupsPut(at, self.name, sheet.batch)] if sheet.batch else []
        singles = sorted(sheet.judged.keys() - refused)
        return puts + [GroupPut(at, group, self.name) for p in singles if (group := sheet.judged[p].group) is not None]

    def _missing(self, bad: Mapping[str, RefusedLine], at: datetime, now_s: float) -> tuple[list[Event], bool]:
        """Closes the groups that the file names no more; or says that it is too early to tell."""
        closes = self.config.close_missing
        # A refused line whose id cannot be read may be that of any of them.
        if not closes or any(f.group is None for f in bad.values()):
            self._memory.end(forget=not closes)
            return [], False
        gone = list(self._gone()) if self._memory.lacks() or not self._is_compared else []
        is_early = bool(gone) and now_s - self._unchanged_since_s < self._close_after_s
        self._memory.end(forget=not is_early)
        self._is_compared |= not is_early
        return [] if is_early else [GroupClosed(at, id_, self.name) for id_ in gone], is_early

    def _gone(self) -> Iterator[str]:
        """Groups of this source that the reading does not name."""
        held = iter(self._held())
        while ids := list(islice(held, 8192)):
            named = self._memory.named(array("q", map(hash, ids)))
            yield from (id_ for id_, is_named in zip(ids, named, strict=True) if not is_named)

    def _say(self, bad: Mapping[str, RefusedLine], at: datetime, now_s: float, patience_s: float) -> list[Event]:
        """Notices for what is wrong for long enough and was not said yet."""
        doubts: dict[str, tuple[str, float]] = {}
        notices: list[Event] = []
        for subject, (problem, fingerprint, reason, group) in bad.items():
            if self._refused.get(subject) == fingerprint:
                continue
            before, since_s = self._doubts.get(subject, (fingerprint, now_s))
            since_s = since_s if before == fingerprint else now_s
            if now_s - since_s < patience_s:
                doubts[subject] = fingerprint, since_s
                continue
            self._refused[subject] = fingerprint
            facts = {"problem": problem, "reason": reason, "source": self.name}
            facts |= {"group": group} if group is not None else {}
            notices.append(Noticed(at, REFUSED, subject, facts, fingerprint))
        self._doubts = doubts
        return notices

    def _clear(self, mended: list[str], notices: list[Event], at: datetime) -> None:
        for subject in mended:
            del self._refused[subject]
            notices.append(Noticed(at, REFUSED, subject, {}, clears=True))


def _fingerprint(raw: bytes, problem: str) -> str:
    return hashlib.sha256(raw + b"\n" + problem.encode()).hexdigest()[:32]
