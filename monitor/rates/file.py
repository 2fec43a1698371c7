"""Flexible rates in a file: CSV with the header `effective,asset,rate`, gzip if the name ends in `.gz`.

A row holds from its time (a date alone is its 00:00 UTC) until the next one of its coin; `rate` is per period of the product.
A program that writes the file may have stopped in the middle of a number, so a change counts when two readings a second
apart agree. A file with a bad line changes nothing: the rates before it stay in force, and an alert names every bad line.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import os
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.alerts.trouble import CELLS, bad_cell
from monitor.core.events.events import Event, Noticed, RatesChanged
from monitor.core.rules.product import RateRow
from monitor.core.schema import Asset, DailyRate, Invalid, Problem, instant, read
from monitor.core.text import MOST_NAMED
from monitor.file_watch import Waits, pause, watching

HEADER = ["effective", "asset", "rate"]
MOST_BYTES = 16 << 20
"""The size of a rate file: half a million rows, or thirty coins for forty years of days."""


class Config(msgspec.Struct, frozen=True):
    """[[rates]] kind = "file". `watch`: the file is read again whenever it changes."""

    product: str
    path: Path
    watch: bool = False


def build(name: str, config: Config, clock: Clock | None = None) -> FileRates:
    """The rates of a file. It does not open the file yet."""
    return FileRates(name, config, clock or SystemClock())


class FileRates:
    """States the whole file each time, so a rate to come that the file drops is taken back."""

    def __init__(self, name: str, config: Config, clock: Clock, waits: Waits | None = None) -> None:
        self.name = name
        self.config = config
        self.path = config.path
        self._clock = clock
        self._waits = waits or Waits()
        self._told: bytes | None = None
        """Digest of the content that it reported last, good or bad."""

    def read(self) -> RatesChanged:
        return self._parsed(_content(self.path))

    async def opening(self) -> list[Event]:
        """See RateSource. Waits for a file that was written just now to come to rest."""
        content = await asyncio.to_thread(_content, self.path)
        if self._is_young():
            content = await self._at_rest(content)
        return await asyncio.to_thread(self._news, content)

    async def changes(self) -> AsyncIterator[list[Event]]:
        """See RateSource. Ends at once if the configuration does not say `watch`."""
        if not self.config.watch:
            return
        wake = asyncio.Event()
        async with watching(self.path, wake, self._waits.poll_s):
            while True:
                content = await asyncio.to_thread(_content, self.path)
                if _digest(content) != self._told:
                    content = await self._at_rest(content)
                    if events := await asyncio.to_thread(self._news, content):
                        yield events
                await pause(wake, self._waits.poll_s)

    async def _at_rest(self, content: bytes | Problem) -> bytes | Problem:
        while True:
            await asyncio.sleep(self._waits.settle_s)
            again = await asyncio.to_thread(_content, self.path)
            if again == content:
                return content
            content = again

    def _is_young(self) -> bool:
        try:
            age_s = self._clock.utc().timestamp() - os.stat(self.path).st_mtime
        except OSError:
            return False
        return abs(age_s) < self._waits.settle_s

    def _news(self, content: bytes | Problem) -> list[Event]:
        """The events of a content; none of the content that it reported last."""
        digest = _digest(content)
        if digest == self._told:
            return []
        self._told = digest
        at = self._clock.utc()
        subject = str(self.path)
        try:
            rates = self._parsed(content)
        except Invalid as e:
            return [Noticed(at, BOOK_REFUSED, subject, self._facts(e.problems), fingerprint=digest.hex())]
        return [rates, Noticed(at, BOOK_REFUSED, subject, {}, clears=True)]

    def _facts(self, problems: list[Problem]) -> dict[str, object]:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return {
            "problem": f"{problems[0]}{more}; nothing of the file is taken; rates that were taken before stay in force",
            "reason": problems[0].reason,
            "source": self.name,
            "product": self.config.product,
            "cells": [msgspec.to_builtins(bad_cell(problem)) for problem in problems[:CELLS]],
            "lines": [str(p)[:200] for p in problems[:MOST_NAMED]],
            "lines_cut": max(0, len(problems) - MOST_NAMED),
        }

    def _parsed(self, content: bytes | Problem) -> RatesChanged:
        if isinstance(content, Problem):
            raise Invalid([content])
        rows = _rows(content, self.path)
        return RatesChanged(self._clock.utc(), self.config.product, self.name, rows, is_whole=True)


def _content(path: Path) -> bytes | Problem:
    """The text of the file, or why it cannot be read."""
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        return Problem(str(path), f"is not gzip to its end: {e}", "unreadable")
    except OSError as e:
        return Problem(str(path), f"cannot be read: {e.strerror or e}; check the path", "unreadable")
    if len(content) > MOST_BYTES:
        return Problem(str(path), f"holds more than {MOST_BYTES >> 20} MB; leave out old rates", "too_large")
    return content


def _digest(content: bytes | Problem) -> bytes:
    return hashlib.sha256(content if isinstance(content, bytes) else str(content).encode()).digest()


def _rows(content: bytes, path: Path) -> tuple[RateRow, ...]:
    """The rows of a file. Raises Invalid with every bad line."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise Invalid([Problem(f"{path}:{line}", "is not UTF-8", "unreadable")]) from None
    split = [_cells(line, f"{path}:{number}") for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, cells) for number, cells in enumerate(split, 1) if any(cells)]
    first_line, header = lines[0] if lines else (1, [])
    if header != HEADER:
        found = f"found {','.join(header)[:60]!r}" if lines else "the file is empty"
        raise Invalid([Problem(f"{path}:{first_line}", f"{found}, expected the header effective,asset,rate")])
    problems: list[Problem] = []
    rows: list[RateRow] = []
    firsts: dict[tuple[datetime, str], int] = {}
    for number, cells in lines[1:]:
        row = _row(cells, f"{path}:{number}", problems)
        if row is not None:
            first = firsts.setdefault((row.effective, row.asset), number)
            if first != number:
                what = f"{row.asset} has a rate for {cells[0]} at line {first} already; one a time"
                problems.append(Problem(f"{path}:{number}", what, "duplicate"))
            rows.append(row)
    if problems:
        raise Invalid(problems)
    return tuple(rows)


def _cells(line: str, place: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error as e:
        raise Invalid([Problem(place, f"is no row of CSV: {e}; expected effective,asset,rate", "unreadable")]) from None


def _row(cells: list[str], place: str, problems: list[Problem]) -> RateRow | None:
    if len(cells) != len(HEADER):
        problems.append(Problem(place, f"found {len(cells)} cells, expected 3: effective,asset,rate"))
        return None
    before = len(problems)
    effective = _effective(cells[0], place, problems)
    asset = _value(Asset, cells[1], f"{place}: asset", problems)
    rate = _value(DailyRate, cells[2], f"{place}: rate", problems)
    if len(problems) > before or effective is None:
        return None
    return RateRow(effective, asset, rate)


def _effective(text: str, place: str, problems: list[Problem]) -> datetime | None:
    try:
        return instant(datetime.combine(date.fromisoformat(text), time(), UTC)) if len(text) == 10 else instant(text)
    except ValueError:
        what = f"found {text[:60]!r}, expected a day such as 2026-01-05, or a time such as 2026-01-05T10:00:00Z"
        problems.append(Problem(f"{place}: effective", what))
        return None


def _value(kind: Any, text: str, where: str, problems: list[Problem]) -> Any:
    try:
        return read(kind, text, where)
    except Invalid as e:
        problems += e.problems
        return None
