"""The blocks of a book as they were at one moment, for another thread to write down.

Core copies what changes: which rows live, and the packed states. Blocks never change, so they are turned into bytes later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from monitor.core.groups.outcome import StoredBlock
from monitor.core.stages.stages import GroupState
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, NO_GROUP, U8
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex, unpacked_state


class CapturedBlock(Protocol):
    """A block as it was."""

    @property
    def groups(self) -> int:
        """How many it has, dead ones among them."""

    def read(self) -> Block:
        """Its columns."""

    def body(self) -> bytes:
        """Its bytes, dead groups among them."""


class HeldBlock(NamedTuple):
    """One whose columns are in memory."""

    block: Block
    names: Names

    @property
    def groups(self) -> int:
        return len(self.block)

    def read(self) -> Block:
        return self.block

    def body(self) -> bytes:
        return self.block.dump(self.names)


class CapturedRows(NamedTuple):
    """What of the rows changes, as it was."""

    names: Names
    stage: U8
    states: Mapping[int, bytes]

    @staticmethod
    def of(rows: RowIndex) -> CapturedRows:
        """In core's thread."""
        return CapturedRows(rows.names, rows.stage.copy(), dict(rows.packed_states()))

    def stored(
        self, blocks: Iterator[tuple[int, CapturedBlock]]
    ) -> Iterator[tuple[StoredBlock, tuple[GroupState, ...]]]:
        """Each block without its dead groups, and the states of the others."""
        touched: dict[int, list[int]] = defaultdict(list)
        for row in self.states:
            touched[row // GROUPS].append(row)
        for number, captured in blocks:
            dead = self.stage[number * GROUPS : number * GROUPS + captured.groups] == NO_GROUP
            if not dead.any() and number not in touched:
                yield StoredBlock(number, captured.body()), ()
                continue
            block = captured.read()
            states = [unpacked_state(self.states[row], block.id(row % GROUPS)) for row in touched[number]]
            body = captured.body() if not dead.any() else block.without(np.asarray(dead)).dump(self.names)
            yield StoredBlock(number, body), tuple(states)
