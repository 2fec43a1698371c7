"""What a missing shard would know, as far as it follows from blocks and states: the head reads that from its shelf."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

from monitor.engine.columns.block import Block
from monitor.engine.index.rows import RowIndex
from monitor.engine.schedule.agenda import ColumnarAgenda
from monitor.engine.schedule.in_force import InForce


class SomeRows:
    """A RowIndex that has no other blocks than these."""

    def __init__(self, rows: RowIndex, numbers: Collection[int]) -> None:
        self._rows = rows
        self._numbers = frozenset(numbers)

    def living(self) -> Iterator[tuple[int, Block]]:
        """Those of these blocks that are there."""
        return ((number, block) for number in sorted(self._numbers) if (block := self._rows.blocks[number]) is not None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)


def agenda_of(rows: RowIndex, numbers: Collection[int], now: InForce) -> ColumnarAgenda:
    """What comes due in these blocks. Deadlines run on while nobody watches prices."""
    some = cast("RowIndex", SomeRows(rows, numbers))
    agenda = ColumnarAgenda(some)
    for number, block in some.living():
        agenda.take_stored(number, block, now)
    return agenda
