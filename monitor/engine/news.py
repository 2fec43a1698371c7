"""What differs between two readings of a store, for a book that follows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from datetime import datetime
from typing import NamedTuple

from monitor.core.groups.outcome import Memory, StoredBlock
from monitor.core.stages.stages import GroupState
from monitor.engine.columns.names import Names

FEW = 8
"""Where more blocks than these, and than half of all, are other ones, to begin anew is quicker."""


class Ahead(NamedTuple):
    """What a book has of a store before it decides, as of the last reading."""

    at: datetime
    bodies: Mapping[int, bytes]
    """The blocks by number."""
    beside: Set[str]
    """Groups that are kept beside the blocks."""
    closed: Set[str]
    states: Mapping[str, GroupState]

    @staticmethod
    def of(memory: Memory, known: Set[str]) -> Ahead:
        """`known` are groups beside the blocks that the memory does not state again."""
        return Ahead(
            memory.at,
            {block.number: block.body for block in memory.blocks},
            {*known, *(stored.group.id for stored in memory.groups)},
            frozenset(memory.closed),
            {state.group: state for state in memory.states},
        )

    def until(self, now: Ahead, taken: Collection[int], names: Names) -> NewsOfStore | None:
        """What differs in a later reading; None where only another book can take that.

        `taken`: the numbers of blocks that the book has. Some it has made itself, out of groups beside the blocks.
        """
        other = {n for n, body in self.bodies.items() if now.bodies.get(n) != body}
        gone = (self.beside | self.closed) - now.beside - now.closed
        moved = _ids_in([body for n, body in now.bodies.items() if n in other or n not in self.bodies], names)
        if gone - moved:  # blocks as they were hold them: rows went after their block was written, or commits were lost
            other |= {n for n, body in now.bodies.items() if not gone.isdisjoint(_ids_in([body], names))}
        new = [StoredBlock(n, body) for n, body in now.bodies.items() if n in other or n not in self.bodies]
        cleared = sorted(other.union(block.number for block in new).intersection(taken))
        if len(cleared) > max(FEW, len(taken) // 2):
            return None
        stirred = [state for id_, state in now.states.items() if self.states.get(id_) is not state]
        calmed = [GroupState(id_) for id_ in self.states.keys() - now.states.keys()]
        left = {*(gone - self.closed), *(now.closed - self.closed)}
        return NewsOfStore(new, other, cleared, moved | gone, left, [*stirred, *calmed])


class NewsOfStore(NamedTuple):
    """What differs between two readings, beside the groups that the second one states."""

    blocks: list[StoredBlock]
    """Those that are new, or other ones."""
    changed: Set[int]
    """Numbers of stored blocks that are other ones now, or gone."""
    cleared: list[int]
    """Numbers of blocks that make room for these, or are gone."""
    moved: Set[str]
    """Groups that these blocks may hold, among others that are kept beside them."""
    gone: set[str]
    """Groups that are kept beside the blocks no longer, or were closed."""
    states: list[GroupState]


def _ids_in(bodies: Iterable[bytes], names: Names) -> set[str]:
    """The groups of some blocks."""
    from monitor.engine.columns.block import Block  # the array libraries cost a second and 100 MB

    return {id_ for body in bodies for id_ in Block.load(body, names).ids()}
