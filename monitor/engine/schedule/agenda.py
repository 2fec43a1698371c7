"""When groups in columns come due: by dates of their loans, deadlines of their stage, interest that must be paid.

Nothing is planned for a million loans one by one: the agenda looks their dates up by column when core asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from monitor.core.groups.record import GroupRecord
from monitor.core.instants import micros_of
from monitor.core.stages.maturity import dates
from monitor.core.stages.stages import GroupState
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, NO_GROUP
from monitor.engine.index.rows import RowIndex
from monitor.engine.schedule.dates import Dates, dates_of
from monitor.engine.schedule.in_force import InForce
from monitor.engine.schedule.interest_cover import Balances, balances_of, in_doubt

_SOON = timedelta(days=1)


class ColumnarAgenda:
    """What comes due in the rows. It reads their states, and changes none."""

    def __init__(self, rows: RowIndex) -> None:
        self._rows = rows
        self.restless: dict[int, None] = {}
        """Rows of groups in a clear hold, and of those whose loans were past when they were put: what becomes of them
        depends also on whether their prices are trusted."""
        self._balances: dict[int, tuple[Block, Balances]] = {}
        """By block: the Spot balances of its groups, read when they are first asked for."""

    def waiting(self, at: datetime, until: datetime, now: InForce) -> Iterable[str]:
        rows = {**self.restless, **self._rows.pending}
        for number, block in self._rows.living():
            base = number * GROUPS
            dated = self._dates(block, now)
            late = dated.untold(len(block), micros_of(at), partial(self._rows.touched_state, base))
            rows |= dict.fromkeys(base + i for i in (*late, *dated.within(micros_of(at), micros_of(until))))
        return [self._rows.id(row) for row in rows if self._rows.stage[row] != NO_GROUP]

    def nearing(self, after: datetime, until: datetime, now: InForce) -> Iterator[str]:
        for number, block in self._rows.living():
            places = self._dates(block, now).within(micros_of(after), micros_of(until))
            yield from (block.id(i) for i in places if self._rows.stage[number * GROUPS + i] != NO_GROUP)

    def spare(self, kinds: Collection[str], now: InForce) -> Iterator[str]:
        theirs = {self._rows.names.products.find(kind) for kind in kinds}
        for number, block in self._rows.living():
            if not theirs.isdisjoint(block.products()):
                yield from (block.id(i) for i in self._in_doubt(number, block, now))

    def has_late(self, kind: str, at: datetime) -> bool:
        """Some loan of the product matured before a time, and was owed when its line was put."""
        product, now = self._rows.names.products.find(kind), micros_of(at)
        for number, block in self._rows.living():
            if product in block.products():
                rows, matures = block.loan_rows(), block.matures(self._rows.names)
                is_late = (matures >= 0) & (matures < now) & block.is_owed() & (block.columns.product[rows] == product)
                if self._rows.alive(number, block)[rows[is_late]].any():
                    return True
        return False

    def take_new(self, number: int, block: Block, now: InForce, at: datetime) -> list[int]:
        """Takes a block of new groups. The places of those to look at now: a date is near, or a balance may be short."""
        first = self._dates(block, now).first(len(block))
        near = np.flatnonzero(first <= micros_of(at + _SOON))
        past = near[first[near] <= micros_of(at)]
        self.restless.update(dict.fromkeys((number * GROUPS + past).tolist()))
        return [*{*near.tolist(), *self._in_doubt(number, block, now)}]

    def take_stored(self, number: int, block: Block, now: InForce) -> None:
        """After a restart, or when dates moved: finds the restless groups of a block."""
        base = number * GROUPS
        first = self._dates(block, now).first(len(block))
        put = block.columns.times[block.columns.put]
        for i in {*np.flatnonzero(first <= put).tolist(), *self._rows.touched(number)}:
            if self._rows.stage[base + i] != NO_GROUP and self._is_restless(block, i, self._rows.state(base + i), now):
                self.restless[base + i] = None

    def note(self, row: int, record: GroupRecord) -> None:
        """Hears of the new state of a row's group."""
        if record.has_past or record.state.below_since is not None:
            self.restless[row] = None
        else:
            self.forget(row)

    def forget(self, row: int) -> None:
        """The row's group waits for nothing but its dates."""
        self.restless.pop(row, None)

    def drop_block(self, number: int) -> None:
        """A block is gone."""
        self._balances.pop(number, None)

    def _is_restless(self, block: Block, i: int, state: GroupState, now: InForce) -> bool:
        if state.below_since is not None:
            return True
        stored = block.record(i, self._rows.names)
        version = now.versions[block.columns.product.item(i)]
        return any(at <= stored.put_at for at, _, _ in dates(stored.group.loans, state, version, stored.put_at))

    def _dates(self, block: Block, now: InForce) -> Dates:
        return dates_of(block, self._rows.names, now.versions)

    def _in_doubt(self, number: int, block: Block, now: InForce) -> list[int]:
        """Places of a block's groups whose Spot balances must be looked at."""
        if not block.columns.extras:
            return []
        kept = self._balances.get(number)
        if kept is None or kept[0] is not block:
            kept = block, balances_of(block, self._rows.names)
            self._balances[number] = kept
        known = self._rows.short[number]
        found = in_doubt(block, now.debts.interest(block), kept[1], self._rows.names, known)
        return [i for i in found if self._rows.stage[number * GROUPS + i] != NO_GROUP]
