"""A source of loans for tests: does what it reads in a file, line by line, as lines are added.

A line is `{"put": [book lines]}`, `{"close": [ids]}` or `{"break": "text"}`, which raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from monitor.books._base import Reader
from monitor.clock import Clock
from monitor.core.events.events import Event, GroupClosed, GroupPut


class Config(msgspec.Struct, frozen=True):
    path: Path
    note: str = ""


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: object) -> ToldBook:
    return ToldBook(name, config, reader, clock)


class ToldBook:
    def __init__(self, name: str, config: Config, reader: Reader, clock: Clock) -> None:
        self.name, self._path, self._reader, self._clock = name, config.path, reader, clock

    async def batches(self) -> AsyncIterator[list[Event]]:
        seen = 0
        while True:
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
            for line in lines[seen:]:
                yield self._events(msgspec.json.decode(line))
            seen = len(lines)
            await asyncio.sleep(0.02)

    def _events(self, told: dict[str, Any]) -> list[Event]:
        if "break" in told:
            raise RuntimeError(told["break"])
        at = self._clock.utc()
        puts: list[Event] = [GroupPut(at, self._reader.parse(line, at), self.name) for line in told.get("put", ())]
        return puts + [GroupClosed(at, id_, self.name) for id_ in told.get("close", ())]
