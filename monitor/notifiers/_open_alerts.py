"""What a receiver that forgets was told and is not over yet, kept in a file of lines: a restart goes on telling it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from monitor import crashpoint
from monitor.notifiers._base import DeliveryError, sync_folder
from monitor.telemetry import log

COMPACT_ABOVE = 1_000
"""Lines beside those in force, before the file is written anew: a restart reads a file of this size in milliseconds."""


class OpenAlert(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert that fires on the other side. `is_over` is a line of the file alone: it takes the key away.

    `is_ending`: its end is on its way. It is told no more that it fires, whatever dies before the end is known to have come.
    """

    key: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str = ""
    link: str | None = None
    is_over: bool = False
    is_ending: bool = False


class OpenAlerts:
    """All open ones by key. A change is in the file and synced before it counts, so that no crash loses one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[str, OpenAlert] | None = None
        self._lines = 0
        self._lock = asyncio.Lock()

    async def firing(self) -> list[OpenAlert]:
        """In the order in which they were opened, without those whose end is on its way."""
        return [one for one in (await self._loaded()).values() if not one.is_ending]

    async def get(self, key: str) -> OpenAlert | None:
        """The one of a key."""
        return (await self._loaded()).get(key)

    async def put(self, one: OpenAlert) -> None:
        """Opens or changes one. Raises DeliveryError where the file cannot be written."""
        if (await self._loaded()).get(one.key) != one:
            await self._append(one)

    async def remove(self, key: str) -> None:
        """It is over. Raises DeliveryError where the file cannot be written."""
        if key in await self._loaded():
            await self._append(OpenAlert(key, is_over=True))

    async def _loaded(self) -> dict[str, OpenAlert]:
        async with self._lock:
            if self._open is not None:
                return self._open
            try:
                found, self._lines = await asyncio.to_thread(_read, self._path)
            except OSError as e:
                raise DeliveryError(f"cannot read {self._path.name}: {e.strerror}") from None
            self._open = found
            return found

    async def _append(self, one: OpenAlert) -> None:
        """Appends a line, or writes the whole file anew where most of its lines are over."""
        async with self._lock:
            assert self._open is not None
            crashpoint.reached("before open line")
            try:
                if self._lines > 2 * len(self._open) + COMPACT_ABOVE:
                    kept = [each for each in (self._open | {one.key: one}).values() if not each.is_over]
                    await asyncio.to_thread(_rewrite, self._path, kept)
                    self._lines = len(kept)
                else:
                    await asyncio.to_thread(_append, self._path, one)
                    self._lines += 1
            except OSError as e:
                raise DeliveryError(f"cannot write {self._path.name}: {e.strerror}") from None
            crashpoint.reached("after open line")
            if one.is_over:
                self._open.pop(one.key, None)
            else:
                self._open[one.key] = one


def _read(path: Path) -> tuple[dict[str, OpenAlert], int]:
    """The open ones, and how many lines there are. A line that a crash cut off is left out: its notice is still pending."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}, 0
    found: dict[str, OpenAlert] = {}
    for number, line in enumerate(lines, 1):
        try:
            one = msgspec.json.decode(line, type=OpenAlert)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if line.strip():
                log.warning("a line of open alerts cannot be read and is left out", file=str(path), line=number)
            continue
        if one.is_over:
            found.pop(one.key, None)
        else:
            found[one.key] = one
    return found, len(lines)


def _append(path: Path, one: OpenAlert) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    # A line break first: what a crash cut off then stays a line of its own, and takes no other along.
    line = b"\n" + msgspec.json.encode(one)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)  # what the umask leaves
    try:
        before = os.fstat(handle).st_size
        if os.write(handle, line) < len(line):
            os.ftruncate(handle, before)
            raise OSError(28, "only a part of the line fits")
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        sync_folder(path.parent)


def _rewrite(path: Path, kept: list[OpenAlert]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(b"".join(b"\n" + msgspec.json.encode(one) for one in kept))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
