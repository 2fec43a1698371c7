"""What a missing shard would know, as far as it follows from blocks and states: the head reads that from its shelf."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, cast

from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import NO_GROUP
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex
from monitor.engine.schedule.agenda import ColumnarAgenda
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.block_screen import BlockScreen


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


class UnwatchedHolders:
    """Which groups of missing shards need a price. They are laid out once a loss, as many prices may change together."""

    def __init__(self) -> None:
        self._of: tuple[list[int], Any] = [], None
        self._screen: BlockScreen | None = None

    def rows(
        self, rows: RowIndex, blocks: Iterable[tuple[int, Block]], names: Names, now: InForce, assets: Collection[str]
    ) -> list[int]:
        """Those of these blocks that hold or owe any of these assets."""
        of = dict(blocks)
        if not of:
            return []
        if self._screen is None or self._of[0] != list(of) or self._of[1] is not now.agreements:
            self._of = list(of), now.agreements
            self._screen = BlockScreen(names, now.agreements)
            for number, block in of.items():
                self._screen.put(number, block, rows.alive(number, block), now.debts.owed(block))
        return [row for row in self._screen.holders(assets).tolist() if rows.stage[row] != NO_GROUP]
