"""A loan book in a file: JSON Lines, one group a line, read again whenever the file changes.

What people and programs write is often seen half done: cut off, empty, or gone while it is being replaced. So a line
that reads well is applied at once, but a refused line, an unreadable file and a group that vanished count only when
they are still so a while later. Until then, and for as long as a line is refused, the last good book stays in force.
"""

from __future__ import annotations

import asyncio
import codecs
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
from watchfiles import awatch

from monitor.books.base import Kept, Parse
from monitor.clock import Clock, SystemClock
from monitor.core.book import Group
from monitor.core.events import Event, GroupClosed, GroupPut, Noticed
from monitor.core.wire import Invalid
from monitor.telemetry import log

REFUSED = "book.refused"

_LINE_BYTES = 1 << 20  # a group with thousands of loans has half of that
_FILE_BYTES = 1 << 30  # about two million groups; the file is held in memory while it is read
_CHUNK = 200  # lines judged in one go of the thread: a quarter of a second, after which a shutdown is noticed
_PROBLEM_CHARS = 2000  # an alert must stay under 20 kB
_SETTLE_S = 1.0  # editors and `cp` are done by then
_CLOSE_AFTER_S = 5.0  # how long a file must have been at rest before what it lacks is believed to be gone
_POLL_S = 3.0  # finds what the watch of the operating system misses: network file systems, links, a new folder


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "file". `close_missing`: a group whose line vanished is closed."""

    path: Path
    watch: bool = False
    close_missing: bool = False


def build(name: str, config: Config, parse: Parse, clock: Clock | None = None, kept: Kept | None = None) -> FileBook:
    """The book of a file. Of what is kept, it looks for lines that vanished or were mended while the daemon was down."""
    groups, refused = kept or Kept()
    ours = [subject for subject in refused if subject.startswith(str(config.path))]
    return FileBook(name or f"file:{config.path}", config, parse, clock or SystemClock(), groups, ours)


class Line(NamedTuple):
    """A line that says something, and its hash."""

    number: int
    raw: bytes
    digest: bytes


class Judged(NamedTuple):
    """What a line says: a group, or a problem and the group's id where that can be read."""

    id: str | None
    group: Group | None = None
    problem: str = ""
    reason: str = ""


class Finding(NamedTuple):
    """Something to refuse; `reason` is a counter's label."""

    problem: str
    fingerprint: str
    reason: str
    group: str | None = None


class Reading(NamedTuple):
    """One look at the file. `stamp` is None when the file changed while it was read; a comment makes it not blank."""

    lines: list[Line]
    is_blank: bool
    digest: bytes
    stamp: tuple[int, ...] | None


class FileBook:
    """Compares each reading of the file with what was applied before, by the hash of the lines."""

    def __init__(
        self, name: str, config: Config, parse: Parse, clock: Clock, held: Iterable[str], refused: Iterable[str],
        *, settle_s: float = _SETTLE_S, close_after_s: float = _CLOSE_AFTER_S, poll_s: float = _POLL_S,
    ) -> None:  # fmt: skip
        self.name, self.config, self.path = name, config, config.path
        self._parse, self._clock = parse, clock
        self._settle_s, self._close_after_s, self._poll_s = settle_s, close_after_s, poll_s
        self._applied: dict[str, bytes] = dict.fromkeys(held, b"")
        """Hash of the line last applied, by group."""
        self._refused: dict[str, str] = dict.fromkeys(refused, "")
        """Fingerprint of what was said last, by subject."""
        self._doubts: dict[str, tuple[str, float]] = {}
        """What was found but not said yet, and since when."""
        self._last: Reading | None = None
        self._unchanged_since_s = 0.0
        self._is_settled = False

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The whole book first, then what changed. Without `watch` it ends when the file has been read and believed."""
        wake = asyncio.Event()
        watcher = asyncio.create_task(self._watch(wake)) if self.config.watch else None
        try:
            yield await self._look(0)
            while watcher or not self._is_settled:
                await self._pause(wake)
                if batch := await self._look(self._settle_s):
                    yield batch
        finally:
            if watcher:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)

    async def _pause(self, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._poll_s if self._is_settled else self._settle_s):
                await wake.wait()
        except TimeoutError:
            pass
        wake.clear()

    async def _watch(self, wake: asyncio.Event) -> None:
        """Wakes on any change in the folder: a file that is replaced by a rename is another file."""
        is_said = False
        while True:
            try:
                async for _ in awatch(self.path.parent, watch_filter=None, recursive=False, step=100):
                    wake.set()
            except (OSError, RuntimeError) as e:  # watchfiles raises its own RuntimeError where the kernel refuses
                if not is_said:
                    log.warning(
                        "cannot watch the folder of a book, so it is polled", path=str(self.path), reason=str(e)
                    )
                is_said = True
            await asyncio.sleep(self._poll_s)

    async def _look(self, patience_s: float) -> list[Event]:
        """Reads the file where it may have changed; bad news found now is said once it is older than `patience_s`."""
        at, now_s = self._clock.utc(), self._clock.monotonic_s()
        try:
            if self._is_settled and self._last and self._last.stamp == await asyncio.to_thread(_stamp, self.path):
                return []
            reading = await asyncio.to_thread(_read, self.path)
        except OSError as e:
            problem = f"the file cannot be read: {e.strerror or e}; the last good book stays in force"
            return self._unreadable(problem, at, now_s, patience_s)
        if reading.is_blank and self._applied:
            return self._unreadable("the file is empty; the last good book stays in force", at, now_s, patience_s)
        is_at_rest = self._last is not None and reading.digest == self._last.digest
        if not is_at_rest:
            self._unchanged_since_s = now_s
        self._last = reading
        judged = await self._judge(reading.lines, at)
        puts, bad, named = self._sorted_out(reading.lines, judged, at)
        closed, is_closing = self._missing(named, bad, at, now_s)
        notices = self._say(bad, at, now_s, patience_s)
        self._clear([s for s in self._refused if s not in bad], notices, at)
        self._is_settled = is_at_rest and reading.stamp is not None and not (self._doubts or is_closing)
        return [*puts, *closed, *notices]

    def _unreadable(self, problem: str, at: datetime, now_s: float, patience_s: float) -> list[Event]:
        """Nothing is known of the lines now, so what was said of them stands."""
        self._last, self._is_settled = None, False
        return self._say(
            {str(self.path): Finding(problem, _fingerprint(b"", problem), "unreadable")}, at, now_s, patience_s
        )

    async def _judge(self, lines: list[Line], at: datetime) -> dict[bytes, Judged]:
        """All lines by hash; those that are applied already are not parsed again."""
        applied = {digest: id for id, digest in self._applied.items()}
        judged = {line.digest: Judged(applied[line.digest]) for line in lines if line.digest in applied}
        fresh = list({line.digest: line for line in lines if line.digest not in applied}.values())
        for start in range(0, len(fresh), _CHUNK):
            judged.update(await asyncio.to_thread(self._judge_chunk, fresh[start : start + _CHUNK], at))
        return judged

    def _judge_chunk(self, lines: list[Line], at: datetime) -> dict[bytes, Judged]:
        return {line.digest: judge(line.raw, at, self._parse) for line in lines}

    def _sorted_out(
        self, lines: list[Line], judged: Mapping[bytes, Judged], at: datetime
    ) -> tuple[list[Event], dict[str, Finding], set[str]]:
        """The puts, what to refuse by place, and all ids that the file names. The first line of an id has it."""
        puts: list[Event] = []
        bad: dict[str, Finding] = {}
        first: dict[str, int] = {}
        for line in lines:
            id, group, problem, reason = judged[line.digest]
            number = first.setdefault(id, line.number) if id is not None else line.number
            if number != line.number and not problem:
                problem, reason = f"group {id} is at line {number} already; one line a group", "duplicate_group"
            if problem:
                bad[f"{self.path}:{line.number}"] = Finding(problem, _fingerprint(line.raw, problem), reason, id)
            elif group is not None:
                puts.append(GroupPut(at, group, self.name))
                self._applied[group.id] = line.digest
        return puts, bad, set(first)

    def _missing(
        self, named: set[str], bad: Mapping[str, Finding], at: datetime, now_s: float
    ) -> tuple[list[Event], bool]:
        """Closes the groups that the file names no more; or says that it is too early to tell."""
        gone = [id for id in self._applied if id not in named]
        # A refused line whose id cannot be read may be that of any of them.
        if not gone or (self.config.close_missing and any(f.group is None for f in bad.values())):
            return [], False
        if self.config.close_missing and now_s - self._unchanged_since_s < self._close_after_s:
            return [], True
        for id in gone:
            del self._applied[id]
        return [GroupClosed(at, id, self.name) for id in gone if self.config.close_missing], False

    def _say(self, bad: Mapping[str, Finding], at: datetime, now_s: float, patience_s: float) -> list[Event]:
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


def judge(raw: bytes, at: datetime, parse: Parse) -> Judged:
    """A line, decoded and parsed, or why it is refused."""
    if len(raw) > _LINE_BYTES:
        return Judged(None, problem="the line is longer than 1 MB", reason="too_long")
    try:
        raw.decode()
        stated = msgspec.json.decode(raw)
        repeated = _repeated_key(raw, stated)
    except UnicodeDecodeError as e:
        problem = f"the line is not UTF-8: byte {e.start + 1} is {raw[e.start]:#04x}"
        return Judged(None, problem=problem, reason="not_utf8")
    except (msgspec.DecodeError, RecursionError) as e:
        return Judged(None, problem=f"the line is not JSON: {e}", reason="not_json")
    id = stated.get("id") if isinstance(stated, dict) else None
    id = id if isinstance(id, str) and len(id) <= 128 else None
    if repeated:
        problem = f"the key {repeated!r} appears twice in one object"
        return Judged(id, problem=problem, reason="repeated_key")
    try:
        group = parse(stated, at)
    except Invalid as e:
        return Judged(id, problem=str(e)[:_PROBLEM_CHARS], reason=e.reason)
    return Judged(group.id, group)


_KEY = re.compile(rb'"(?:[^"\\]|\\.)*+"\s*(:)?')


def _repeated_key(raw: bytes, stated: object) -> str | None:
    """A key that msgspec silently overwrote: the text, which is valid JSON, has more keys than the value."""
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


def _read(path: Path) -> Reading:
    """All lines that say something. Raises OSError."""
    before = _stamp(path)
    with path.open("rb") as f:
        whole = hashlib.blake2b(digest_size=16)
        raws = list(_raw_lines(f, whole))
    lines = [
        Line(number, raw, hashlib.blake2b(raw, digest_size=16).digest())
        for number, raw in enumerate(raws, 1)
        if raw and not raw.startswith(b"#")
    ]
    return Reading(lines, not any(raws), whole.digest(), before if _stamp(path) == before else None)


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line that says something. Raises OSError."""
    with path.open("rb") as f:
        for number, raw in enumerate(_raw_lines(f, hashlib.blake2b(digest_size=16)), 1):
            if raw and not raw.startswith(b"#"):
                yield number, raw


def _raw_lines(f: BinaryIO, whole: hashlib.blake2b) -> Iterator[bytes]:
    """Lines without white space around them; of one that is too long, just so much that this shows."""
    is_first = True
    while raw := f.readline(_LINE_BYTES + 2):
        whole.update(raw)
        line = raw.removeprefix(codecs.BOM_UTF8) if is_first else raw
        is_first = False
        while raw and not raw.endswith(b"\n"):
            raw = f.readline(_LINE_BYTES)
            whole.update(raw)
        yield line.strip()


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file does. Raises OSError, also for what is no regular file or too big."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if found.st_size > _FILE_BYTES:
        raise OSError(errno.EFBIG, "it is larger than 1 GB")
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _fingerprint(raw: bytes, problem: str) -> str:
    return hashlib.sha256(raw + b"\n" + problem.encode()).hexdigest()[:32]
