"""Divides a page of a book before core takes it: groups that are new go as a block, known ones go singly.

Core's thread asks, some groups at a time, so that prices wait for no whole page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial

import numpy as np

from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.rules.settings import Rules
from monitor.engine.arrivals import Groups
from monitor.engine.columns import ragged
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, Bools
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex
from monitor.engine.ingest.packer import PackedGroups

Held = Callable[[], tuple[Groups, PlainBook]]
"""Gives the groups in columns and the fresh ones, in core's thread."""
Step = Callable[[datetime], object]

LOOKED_UP = 512
"""Groups that are looked up in one step: ten microseconds each where all of them are known."""


class Division:
    """One page. What changes after its steps core finds out when it takes the groups."""

    def __init__(self, batch: PackedGroups, source: str, retired: Collection[str], held: Held) -> None:
        self._batch = batch
        self._source = source
        self._retired = retired
        self._held = held
        self._is_new = np.zeros(len(batch), np.bool_)
        self.known: list[int] = []
        """Places of the groups that go singly. A line that is in force already is left out."""
        self.new: PackedGroups | None = None
        """The groups that are new; None where there are none, and until all steps are done."""
        self.steps: list[Step] = [partial(self._look_up, first) for first in range(0, len(batch), LOOKED_UP)]
        """What is to be done in core's thread, in this order. The last one adds to them."""
        self.steps.append(self._gather)

    def _look_up(self, first: int, at: datetime) -> None:
        groups, fresh = self._held()
        some = np.arange(first, min(first + LOOKED_UP, len(self._batch)))
        part = Block(ragged.chosen(self._batch.columns, some))
        is_new = are_new(groups, part, fresh, self._retired, at)
        self._is_new[some] = is_new
        known = np.flatnonzero(~is_new).tolist()
        self.known += [int(some[i]) for i in known if not was_applied(groups.rows, part, i, self._source, fresh)]

    def _gather(self, _: datetime) -> None:
        """Puts the new groups together, which are made ready by more steps."""
        if self._is_new.all():
            self.new = self._batch
        elif self._is_new.any():
            self.new = self._batch.some(np.flatnonzero(self._is_new))
        groups, _fresh = self._held()
        if self.new is not None:
            self.steps += [*groups.arrivals.steps(self.new), partial(self._confirm, self.new)]

    def _confirm(self, new: PackedGroups, at: datetime) -> None:
        """Two lines of a page may name one group: then core looks at all of it once more."""
        groups, fresh = self._held()
        groups.arrivals.confirm(new, lambda block: are_new(groups, block, fresh, self._retired, at))


def are_new(groups: Groups, block: Block, fresh: PlainBook, retired: Collection[str], at: datetime) -> Bools:
    """[n] Which groups of a block need no closer look: new ones that owe more than dust."""
    return groups.rows.are_new(block, fresh, retired) & ~_with_dust(block, groups.names, groups.now.rules, at)


def was_applied(rows: RowIndex, block: Block, i: int, source: str, fresh: PlainBook) -> bool:
    """The group is here, and this very line put it. What was entered since does not make the line an event."""
    group_id, line = block.id(i), block.columns.line.item(i)
    record = fresh.find(group_id)
    if record is not None:
        return record.source == source and record.group.line == f"{line:016x}"
    row = rows.row_of(group_id)
    if row < 0 or not line:
        return False
    columns, place = rows.block(row // GROUPS).columns, row % GROUPS
    return columns.line.item(place) == line and rows.names.sources[columns.source.item(place)] == source


def _with_dust(block: Block, names: Names, rules: Rules, at: datetime) -> Bools:
    """[g] A loan of the group is so little of its coin that core may have to write it off."""
    c, found = block.columns, np.zeros(len(block), bool)
    if not len(c.loan_asset):
        return found
    used, which = np.unique(c.loan_asset, return_inverse=True)
    units = [v.units for v in (p.version_at(at) for p in rules.products.values()) if v.units is not None]
    coarsest = [max((float(u.unit(names.assets[a])) for u in units), default=0.0) for a in used.tolist()]
    owed = block.principals() + block.interests()
    # A float may lie a little beside the unit; core looks at those groups exactly.
    is_little = (owed > 0) & (owed <= 2 * np.array(coarsest)[which])
    found[block.loan_rows()[is_little]] = True
    return found
