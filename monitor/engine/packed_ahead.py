"""Fresh groups that are packed into columns already, some at a time: a fold of hundreds need not pack them all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import chain

import numpy as np

from monitor.core.groups.outcome import StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS
from monitor.engine.columns.names import Names, NamesFull

AT_ONCE = 32
"""A millisecond's worth."""
MOST_PARTS = 32
"""Twice what a fold takes."""


class PackedAhead:
    """Hears of each fresh group, and gives all of them as blocks."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._waiting: list[StoredGroup] = []
        self._parts: list[tuple[list[StoredGroup], Block]] = []

    def add(self, record: GroupRecord) -> None:
        """A group is fresh. It may change or leave again."""
        self._waiting.append(record.stored())
        if len(self._waiting) >= AT_ONCE:
            waiting, self._waiting = self._waiting, []
            with contextlib.suppress(NamesFull):  # `take` raises it again
                self._parts.append((waiting, Block.of(waiting, self._names)))
            # One group that changes again and again brings no fold.
            del self._parts[:-MOST_PARTS]

    def take(self, records: Sequence[GroupRecord]) -> list[tuple[Block, list[GroupRecord]]]:
        """Blocks of these groups, of which a start may bring thousands, with their groups in order. Raises NamesFull."""
        return [self._block(records[first : first + GROUPS]) for first in range(0, len(records), GROUPS)]

    def _block(self, records: Sequence[GroupRecord]) -> tuple[Block, list[GroupRecord]]:
        left = {record.group.id: record for record in records}
        parts, self._parts, self._waiting = self._parts, [], []
        is_here: list[bool] = []
        ordered: list[GroupRecord] = []
        for each in chain.from_iterable(stored for stored, _ in parts):
            record = left.get(each.group.id)
            is_here.append(record is not None and _is_still(record, each))
            if is_here[-1]:
                ordered.append(left.pop(each.group.id))
        packed = [block for _, block in parts]
        if left:
            packed.append(Block.of([record.stored() for record in left.values()], self._names))
        whole = Block.join(packed)
        is_gone = np.zeros(len(whole), np.bool_)
        is_gone[: len(is_here)] = np.logical_not(is_here)
        return whole.without(is_gone) if is_gone.any() else whole, [*ordered, *left.values()]


def _is_still(record: GroupRecord, stored: StoredGroup) -> bool:
    """The group is as it was when it was packed."""
    if record.group is not stored.group:
        return False
    return (record.source, record.version, record.put_at) == (stored.source, stored.version, stored.put_at)
