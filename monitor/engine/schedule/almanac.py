"""When groups in columns have something to hear of: dates of their loans, deadlines of their stage, interest to be paid.

Nothing is planned for a million loans one by one: their dates are looked up by column when somebody asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import partial

import numpy as np

from monitor.core.instants import micros_of
from monitor.core.rules.settings import Rules
from monitor.core.stages.maturity import dates
from monitor.core.stages.stages import GroupState
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import I64
from monitor.engine.columns.names import Names
from monitor.engine.index.places import NO_GROUP, Places
from monitor.engine.schedule.dates import Dates, dates_of
from monitor.engine.schedule.debts import Debts
from monitor.engine.schedule.interest_cover import Balances, balances_of, in_doubt
from monitor.engine.screen.arrays import GROUPS


class Almanac(Places):
    """Places, and what comes due in them."""

    def __init__(self, names: Names, at: datetime, rules: Rules) -> None:
        super().__init__(names)
        self._restless: dict[int, None] = {}
        """Rows of groups in a clear hold, and of those whose loans were past when they were put: what becomes of them
        depends also on whether their prices are believed."""
        self._balances: dict[int, tuple[Block, Balances]] = {}
        """What groups state of their Spot balances, by block, made when somebody asks."""
        self.take_rules(at, rules)

    def take_rules(self, at: datetime, rules: Rules) -> None:
        """The day, and the rules by which dates and debts are taken."""
        self._rules = rules
        self._kinds = {self.names.products.place(kind): p for kind, p in rules.products.items()}
        self._versions = {place: p.version_at(at) for place, p in self._kinds.items()}
        self.take_time(at)

    def take_time(self, at: datetime) -> None:
        """The time up to which interest is counted."""
        self._at, self._debts = at, Debts(at, self._kinds, self.names)

    def waiting(self, at: datetime, until: datetime) -> Iterable[str]:
        """See LoanBook."""
        rows = {**self._restless, **self._pending}
        for number, block in self.living():
            known, base = self.dates_in(block), number * GROUPS
            late = known.unsaid(len(block), micros_of(at), partial(self.state_or_none, base))
            rows |= dict.fromkeys(base + i for i in (*late, *known.within(micros_of(at), micros_of(until))))
        return [self.id(row) for row in rows if self.stage[row] != NO_GROUP]

    def nearing(self, after: datetime, until: datetime) -> Iterable[str]:
        """See LoanBook."""
        for number, block in self.living():
            rows = self.dates_in(block).within(micros_of(after), micros_of(until))
            yield from (block.id(i) for i in rows if self.stage[number * GROUPS + i] != NO_GROUP)

    def spare(self, kinds: Collection[str]) -> Iterable[str]:
        """See LoanBook."""
        theirs = {self.names.products.find(kind) for kind in kinds}
        for number, block in self.living():
            if not theirs.isdisjoint(block.products()):
                yield from (block.id(i) for i in self.in_doubt(number, block))

    def note_past(self, number: int, block: Block) -> None:
        """After a restart, or where dates moved: groups with a date that was past when they were put and that still waits,
        and those in a clear hold."""
        base = number * GROUPS
        first, put = self.dates_in(block).first(len(block)), block.columns.times[block.columns.put]
        for i in {*np.flatnonzero(first <= put).tolist(), *self.changed(number)}:
            if self.stage[base + i] != NO_GROUP and self._is_restless(block, i, self.state(base + i)):
                self._restless[base + i] = None

    def _is_restless(self, block: Block, i: int, state: GroupState) -> bool:
        if state.below_since is not None:
            return True
        kept = block.record(i, self.names)
        version = self._versions[block.columns.product.item(i)]
        return any(at <= kept.put_at for at, _, _ in dates(kept.group.loans, state, version, kept.put_at))

    def living(self) -> Iterator[tuple[int, Block]]:
        """Blocks that are there, with their numbers."""
        return ((number, block) for number, block in enumerate(self.blocks) if block is not None)

    def dates_in(self, block: Block) -> Dates:
        """The dates of its loans."""
        return dates_of(block, self.names, self._versions)

    def in_doubt(self, number: int, block: Block) -> list[int]:
        """Places of a block's groups whose Spot balances must be looked at."""
        if not block.columns.extras:
            return []
        kept = self._balances.get(number)
        if kept is None or kept[0] is not block:
            kept = self._balances[number] = block, balances_of(block, self.names)
        base, known = number * GROUPS, self._short[number]
        found = in_doubt(block, self._debts.interest(block), kept[1], self.names, known)
        return [i for i in found if self.stage[base + i] != NO_GROUP]

    def rows_of(self, product: int | None) -> I64:
        """Rows of all groups of a product, by its place."""
        found = [np.zeros(0, np.int64)]
        for number, block in self.living() if product is not None else ():
            is_theirs = (block.columns.product == product) & ~self.is_dead(number, len(block))
            found.append(number * GROUPS + np.flatnonzero(is_theirs))
        return np.concatenate(found)
