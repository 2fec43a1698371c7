"""Hands what a source of loans says over to core: in commits of bounded size, and in turns that hold core only briefly.

A page of a book may have eight thousand lines. Prices must not wait for all of them: between two turns core takes what else
has come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime

from monitor.core.alerts.trouble import FEW
from monitor.core.events.events import BatchOfBook, BookEntry, Event, GroupClosed, GroupPut, GroupsPut
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.applied_entries import stored_of
from monitor.daemon.sequencer import Sequencer, Turn
from monitor.engine.book import ColumnarBook
from monitor.stores._base import Store, StoreUnavailable

EVENTS_AT_ONCE = 1_000
"""Events of a book in one commit: entries, which go with the time of the book, and notices."""
GROUPS_AT_ONCE = 8
"""Groups that core takes one by one in a turn: half a millisecond each where one has changed."""
END_S = 2.0
"""How long the end of a batch is waited for: a stop has ten seconds for everything."""
OF_GROUPS = GroupPut, GroupsPut, GroupClosed, BookEntry


class BookBatches:
    """Takes the batches of all sources. `book` is that of the monitor."""

    def __init__(
        self,
        sequencer: Sequencer,
        store: Store,
        monitor: RiskMonitor,
        book: ColumnarBook,
        note_bulk: Callable[[], None],
    ) -> None:
        self._sequencer = sequencer
        self._store = store
        self._monitor = monitor
        self._book = book
        self._note_bulk = note_bulk

    async def take(self, batch: Sequence[Event]) -> None:
        """Hands events over; what a failing store does not take now waits in core."""
        has_pages = any(isinstance(event, GroupsPut) for event in batch)
        if has_pages:
            self._note_bulk()
        if has_pages or (len(_of_groups(batch)) > GROUPS_AT_ONCE and not any(isinstance(e, BookEntry) for e in batch)):
            await self._take_many(batch)
        else:
            for i in range(0, len(batch), EVENTS_AT_ONCE):
                await self._hand_over(_as_one(batch[i : i + EVENTS_AT_ONCE]))
        if has_pages:
            self._note_bulk()

    async def _take_many(self, batch: Sequence[Event]) -> None:
        """Many groups: what core refuses of them is told at once, though they come in many turns. Last comes what a source
        says of its reading: a position that is kept says that all before it was told."""
        of_groups = _of_groups(batch)
        first = of_groups[0]
        await self._hand_over([BatchOfBook(first.at, first.source, ends=False)])
        try:
            some: list[Event] = []
            for event in of_groups:
                if isinstance(event, GroupsPut):
                    await self._take_page(event)
                    continue
                some.append(event)
                if len(some) == GROUPS_AT_ONCE:
                    await self._hand_over_and_fold(some)
                    some = []
            await self._hand_over(some)
        finally:
            # Also where a reload ends the source amid its batch: else what was refused so far would never be told. Core takes
            # it in its turn, whether or not somebody waits; where core has failed, nobody must wait.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await self._hand_over([BatchOfBook(first.at, first.source, ends=True)])
        left = [event for event in batch if not isinstance(event, OF_GROUPS)]
        for i in range(0, len(left), EVENTS_AT_ONCE):
            await self._hand_over(left[i : i + EVENTS_AT_ONCE])

    async def _take_page(self, page: GroupsPut) -> None:
        """The groups that are new as a block, then those that are known already, some at a time."""
        from monitor.engine.dividing import Division  # the array libraries are loaded late
        from monitor.engine.ingest.packer import PackedGroups

        if not isinstance(page.batch, PackedGroups):
            await self._hand_over([page])
            return
        division = Division(page.batch, page.source, self._monitor.changes.retired.keys(), self._book.held)
        with contextlib.suppress(StoreUnavailable):  # the monitor stops
            for step in division.steps:  # more of them come
                await self._in_turn(step)
        if division.new is not None:
            await self._hand_over([GroupsPut(page.at, page.source, division.new)])
        known = division.known
        for i in range(0, len(known), GROUPS_AT_ONCE):
            some = known[i : i + GROUPS_AT_ONCE]
            await self._hand_over_and_fold([GroupPut(page.at, page.batch.group(place), page.source) for place in some])

    async def _hand_over_and_fold(self, events: Sequence[Event]) -> None:
        """With a turn of its own for the fold: one that came amid the puts would hold core for as long as both."""
        await self._hand_over(events)
        if self._book.should_fold:
            with contextlib.suppress(StoreUnavailable):  # the monitor stops
                await self._in_turn(lambda _: self._book.fold())

    async def _in_turn(self, work: Callable[[datetime], object]) -> None:
        """Work in core's thread that changes nothing that must be kept."""

        def run(at: datetime, _: Turn) -> None:
            work(at)

        await self._sequencer.ask(run, needs_commit=False)

    async def _hand_over(self, events: Sequence[Event]) -> None:
        if events:
            stored = await stored_of(self._store, events)
            with contextlib.suppress(StoreUnavailable):
                await self._sequencer.events(events, stored)


def _of_groups(events: Sequence[Event]) -> list[GroupPut | GroupsPut | GroupClosed | BookEntry]:
    return [event for event in events if isinstance(event, OF_GROUPS)]


def _as_one(events: Sequence[Event]) -> Sequence[Event]:
    """Many groups of a source in one batch: what core refuses of them is told at once."""
    of_groups = _of_groups(events)
    if len(of_groups) <= FEW:
        return events
    at, source = of_groups[0].at, of_groups[0].source
    return [BatchOfBook(at, source, ends=False), *events, BatchOfBook(at, source, ends=True)]
