"""Runs a source of loans in a test, and holds what core would hold of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from monitor.books._base import BookSource, KeptBook, PlainReader, Reader
from monitor.clock import Clock, SystemClock
from monitor.core.events.events import BookEntry, BookSeen, Event, GroupClosed, GroupPut, Noticed
from tests.books.test_file import PRODUCTS


class Module(Protocol):
    """A module of monitor/books."""

    def build(self, name: str, config: Any, reader: Reader, clock: Clock, kept: KeptBook) -> BookSource: ...


class RunningBook:
    """A source under way. Each batch is committed as one: `kill` ends it between two batches, or before a commit."""

    def __init__(self, module: Module, config: Any, name: str = "desk") -> None:
        self.module = module
        self.config = config
        self.name = name
        self.groups: dict[str, str] = {}
        """Quantities of BTC by group, as committed."""
        self.entries: list[str] = []
        """Ids of entries, in the order in which they were committed."""
        self.notices: dict[str, str] = {}
        """Problems that stand, by subject."""
        self.seen: list[BookSeen] = []
        self.events: list[Event] = []
        self.is_cut = False
        """The next batch is not committed: the process was killed between its making and the commit."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        position = self.seen[-1].position if self.seen else ""
        kept = KeptBook(lambda: sorted(self.groups), tuple(self.notices), position=position)
        reader = PlainReader(lambda: PRODUCTS)
        source = self.module.build(self.name, self.config, reader, SystemClock(), kept)
        self._task = asyncio.create_task(self._run(source))

    async def _run(self, source: BookSource) -> None:
        async for batch in source.batches():
            if self.is_cut:
                await asyncio.Event().wait()
            for event in batch:
                self._commit(event)

    def _commit(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case GroupPut():
                self.groups[event.group.id] = str(event.group.quantities()["BTC"])
            case GroupClosed():
                self.groups.pop(event.group_id, None)
            case BookEntry():
                self.entries.append(event.id)
            case BookSeen():
                self.seen.append(event)
            case Noticed() if event.clears:
                self.notices.pop(event.subject, None)
            case Noticed():
                self.notices[event.subject] = event.facts["problem"]

    async def stop(self) -> None:
        """As a kill: nothing is said any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.is_cut = False

    async def restart(self) -> None:
        """A new process with what was committed."""
        await self.stop()
        self.start()

    async def until(self, condition: Callable[[], Any], deadline_s: float = 10) -> None:
        """Waits for what is committed."""
        end = time.perf_counter() + deadline_s
        while not condition():
            assert self._task is not None
            if self._task.done():
                self._task.result()
            assert time.perf_counter() < end, f"waited in vain: {self.groups} {self.entries} {self.notices}"
            await asyncio.sleep(0.01)

    async def rounds(self, count: int = 2) -> None:
        """Waits until so many readings more were seen."""
        wanted = len(self.seen) + count
        await self.until(lambda: len(self.seen) >= wanted)
