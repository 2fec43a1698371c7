"""Makes a page of new groups ready in steps, so that the event that puts it holds core only briefly.

What is made ready shows nowhere: the screen has the positions of the block, and names none of its rows. If rules, the time of
interest, or another block come in between, it is forgotten, and the event does all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import numpy as np

from monitor.engine.columns.block import Block
from monitor.engine.columns.codec import Dump
from monitor.engine.columns.fields import F64, Bools, Columns
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex
from monitor.engine.ingest.packer import PackedGroups
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.block_screen import BlockScreen


class Groups(Protocol):
    """The parts of the groups in columns that a page comes to."""

    names: Names
    now: InForce
    rows: RowIndex
    screen: BlockScreen
    arrivals: Arrivals


class Arrival:
    """One page on its way."""

    def __init__(self, batch: PackedGroups, at: datetime, now: InForce, number: int) -> None:
        self.batch = batch
        self.now = now
        self.number = number
        """Of the block that it is going to be."""
        self.block = Block(now.put_at(at, batch.columns))
        self.is_new: Bools = np.zeros(len(batch), np.bool_)
        """[n] All of its groups were found to be new, and no group has come or left since; else none is said to be."""
        self.owed: F64 | None = None
        self.dump: Dump | None = None
        self.coins: frozenset[str] | None = None
        """Set once the screen has its positions."""

    def take(self, columns: Columns) -> Block:
        """The block as it is put at last, where only the time is another."""
        block = Block(self.block.columns._replace(times=columns.times))
        block.loan_kinds = self.block.loan_kinds
        return block


class Arrivals:
    """At most one page is made ready at a time."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._coming: Arrival | None = None
        self.is_off = False
        """The screen is elsewhere and takes no block ahead of its event."""

    def steps(self, batch: PackedGroups) -> list[Callable[[datetime], None]]:
        """What makes a page ready, to be called in core's thread, in this order."""
        if self.is_off:
            return []

        def begin(at: datetime) -> None:
            self.forget()
            now, number = self._groups.now, len(self._groups.rows.blocks)
            if batch.products is now.rules.products:
                self._coming = Arrival(batch, at, now, number)

        def step(work: Callable[[Arrival], None]) -> Callable[[datetime], None]:
            def run(_: datetime) -> None:
                if self._coming is not None and self._coming.batch is batch:
                    work(self._coming)

            return run

        return [begin, step(self._owe), step(self._dump), step(self._lay)]

    def ready(self, batch: PackedGroups, columns: Columns) -> Arrival | None:
        """What was made ready of a page, if all of it holds still. `columns`: the page as it is put now."""
        found = self._coming
        if found is None or found.batch is not batch or found.coins is None:
            return None
        if found.number != len(self._groups.rows.blocks) or not found.is_new.all():
            return None
        return found if np.array_equal(found.block.columns.since, columns.since) else None

    def confirm(self, batch: PackedGroups, are_new: Callable[[Block], Bools]) -> None:
        """Looks whether all groups of a page are new still."""
        if self._coming is not None and self._coming.batch is batch:
            self._coming.is_new = are_new(self._coming.block)

    def show(self, arrival: Arrival, block: Block) -> bytes:
        """The groups of a page are there from now on. Returns the block as a store has it."""
        assert arrival.coins is not None
        assert arrival.dump is not None
        self._coming = None
        self._groups.rows.install(arrival.number, block, 0)
        self._groups.screen.show(arrival.number, arrival.coins)
        return arrival.dump.with_times(block.columns.times)

    def forget(self) -> None:
        """What was made ready is right no more."""
        coming, self._coming = self._coming, None
        if coming is not None and coming.coins is not None:
            self._groups.screen.drop_block(coming.number)

    def replaced(self, number: int) -> None:
        """Another block takes this number."""
        if self._coming is not None and self._coming.number == number:
            self._coming = None

    def others_came(self) -> None:
        """A group was put or left: whether all of the page are new must be looked at again."""
        if self._coming is not None:
            self._coming.is_new = np.zeros_like(self._coming.is_new)

    def _owe(self, coming: Arrival) -> None:
        coming.owed = coming.now.debts.owed(coming.block)

    def _dump(self, coming: Arrival) -> None:
        coming.dump = Dump(coming.block.columns, self._groups.names)

    def _lay(self, coming: Arrival) -> None:
        assert coming.owed is not None
        self._groups.rows.reserve(coming.number)
        coming.coins = self._groups.screen.lay(coming.number, coming.block, coming.owed)
