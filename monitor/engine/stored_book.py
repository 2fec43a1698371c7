"""A book as it comes from a store and goes there: at once at a start, and piece by piece to a standby."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from monitor.core.groups.loan_book import CapturedGroups, KeptGroups, record_of
from monitor.core.groups.outcome import Memory, StoredBlock
from monitor.core.groups.record import GroupRecord
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState

if TYPE_CHECKING:
    from monitor.engine.captured import CapturedBlock
    from monitor.engine.columnar_groups import ColumnarGroups


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

    def until(self, now: Ahead, numbers: int) -> NewsOfStore | None:
        """What differs in a later reading; None where only another book can take that.

        `numbers`: how many numbers of blocks the book has given away. It has folded groups into the last ones.
        """
        if any(now.bodies.get(number) != body for number, body in self.bodies.items()):
            return None
        new = [StoredBlock(number, body) for number, body in now.bodies.items() if number not in self.bodies]
        gone = self.beside - now.beside - now.closed
        if any(block.number < numbers for block in new) or (gone and now.bodies):
            return None
        stirred = [state for id_, state in now.states.items() if self.states.get(id_) is not state]
        calmed = [GroupState(id_) for id_ in self.states.keys() - now.states.keys()]
        return NewsOfStore(new, {*gone, *(now.closed - self.closed)}, [*stirred, *calmed])


class NewsOfStore(NamedTuple):
    """What differs between two readings, beside the groups that the second one states."""

    blocks: list[StoredBlock]
    gone: set[str]
    states: list[GroupState]


def superseded(memory: Memory) -> set[str]:
    """Groups that blocks may still hold, and that were closed since or are kept beside them."""
    return {*memory.closed, *(stored.group.id for stored in memory.groups)}


class StoredBook:
    """What is the same wherever the columns are; see ColumnarBook."""

    def __init__(self) -> None:
        self.fresh = PlainBook()
        self.columnar: ColumnarGroups | None = None
        """The groups in columns; None until there are some."""
        self._ahead: Ahead | None = None

    def prepare(self, memory: Memory, rules: Rules, known: Set[str] = frozenset()) -> bool:
        """Takes what a standby has read of a store: all of it the first time, and then what has changed since.

        `known`: groups beside the blocks that were in an earlier memory, are as they were, and are not in this one. False
        where only another book can take that. `restore` of the same memory finds it done.
        """
        before, now = self._ahead, Ahead.of(memory, known)
        if before is None:
            self.restore(memory, rules)
        else:
            news = before.until(now, len(self.columnar.rows.blocks) if self.columnar else 0)
            if news is None:
                return False
            self._follow(memory, rules, now, news)
        self._ahead = now
        return True

    def _follow(self, memory: Memory, rules: Rules, now: Ahead, news: NewsOfStore) -> None:
        self.renew(memory.at, rules)
        puts = {stored.group.id for stored in memory.groups}
        for id_ in (*puts, *news.gone):
            if self.columnar is not None and id_ in self.columnar.rows:
                self._forget(id_)
        for id_ in news.gone:
            if self.fresh.find(id_) is not None:
                self.fresh.drop(id_)
        if news.blocks:
            self._columns().restore(news.blocks, now.beside | now.closed, memory.states)
        for state in news.states:
            if state.group not in puts and (found := self.find(state.group)) is not None:
                record = record_of(found.stored(), state, rules, memory.at)
                if self.fresh.find(state.group) is not None:
                    self.fresh.put(record)
                else:
                    self.keep(record)
        for stored in memory.groups:
            self.fresh.put(record_of(stored, now.states.get(stored.group.id), rules, memory.at))
        self._fold()

    def restore(self, memory: Memory, rules: Rules) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            assert ahead.at == memory.at, "prepare this memory first"
            return
        self.renew(memory.at, rules)
        if memory.blocks:
            self._columns().restore(memory.blocks, superseded(memory), memory.states)
        self.fresh.restore(msgspec.structs.replace(memory, blocks=()), rules)
        self._fold()

    def kept(self) -> KeptGroups:
        kept = self.fresh.kept()
        if self.columnar is None:
            return kept
        return KeptGroups(kept.groups, (*kept.states, *self.columnar.rows.states()), self.columnar.rows.dumped())

    def captured(self) -> CapturedGroups:
        if self.columnar is None:
            return CapturedGroups(self.fresh.kept(), iter(()))
        from monitor.engine.captured import CapturedRows  # the array libraries are loaded late

        rows = CapturedRows.of(self.columnar.rows)
        return CapturedGroups(self.fresh.kept(), rows.stored(self._blocks_now(self.columnar)))

    def rewritten(self, beside: Set[str]) -> tuple[StoredBlock, ...]:
        """All blocks as they are now, to be stored in place of all older ones.

        `beside` are groups that the store keeps singly or as closed. Each block names those that it now holds itself.
        """
        if self.columnar is None:
            return ()
        puts, left = [], {id_ for id_ in beside if self.fresh.find(id_) is None}
        for put in self.columnar.rows.dumped():
            ids = left.intersection(self.columnar.rows.ids_in(put.number))
            left -= ids
            puts.append(StoredBlock(put.number, put.body, tuple(ids)))
        # The others were closed. No block holds them any more, so the store need not say so.
        if puts:
            last = puts[-1]
            puts[-1] = StoredBlock(last.number, last.body, (*last.ids, *left))
        return tuple(puts)

    # -- what the book does --

    def renew(self, at: datetime, rules: Rules) -> None:
        raise NotImplementedError

    def find(self, group_id: str) -> GroupRecord | None:
        raise NotImplementedError

    def keep(self, record: GroupRecord) -> None:
        raise NotImplementedError

    def _forget(self, group_id: str) -> None:
        raise NotImplementedError

    def _blocks_now(self, columns: ColumnarGroups) -> Iterator[tuple[int, CapturedBlock]]:
        from monitor.engine.captured import HeldBlock

        return iter([(number, HeldBlock(block, columns.names)) for number, block in columns.rows.living()])

    def _fold(self) -> None:
        raise NotImplementedError

    def _columns(self) -> ColumnarGroups:
        raise NotImplementedError
