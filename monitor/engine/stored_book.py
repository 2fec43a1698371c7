"""A book as it comes from a store and goes there: at once at a start, and piece by piece to a standby."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from monitor.core.groups.loan_book import CapturedGroups, KeptGroups, record_of
from monitor.core.groups.outcome import Memory, StoredBlock
from monitor.core.groups.record import GroupRecord
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.rules.settings import Rules
from monitor.engine.columns.names import Names
from monitor.engine.news import Ahead, NewsOfStore

if TYPE_CHECKING:
    from monitor.engine.captured import CapturedBlock
    from monitor.engine.columnar_groups import ColumnarGroups


def superseded(memory: Memory) -> set[str]:
    """Groups that blocks may still hold, and that were closed since or are kept beside them."""
    return {*memory.closed, *(stored.group.id for stored in memory.groups)}


class StoredBook:
    """What is the same wherever the columns are; see ColumnarBook."""

    def __init__(self) -> None:
        self.fresh = PlainBook()
        self.columnar: ColumnarGroups | None = None
        """The groups in columns; None until there are some."""
        self.names = Names()
        self._ahead: Ahead | None = None
        self.dissolved: dict[str, int] = {}
        """Groups that came out of a block as they were, with its number. The store may have them in that block alone."""
        self.left: set[str] | None = None
        """While blocks are written again: groups that have left a block since that began."""

    def prepare(self, memory: Memory, rules: Rules, known: Set[str] = frozenset()) -> bool:
        """Takes what a standby has read of a store: all of it the first time, and then what has changed since.

        `known`: groups beside the blocks that were in an earlier memory, are as they were, and are not in this one. False
        where only another book can take that. `restore` of the same memory finds it done.
        """
        before, now = self._ahead, Ahead.of(memory, known)
        if before is None:
            self.restore(memory, rules)
        else:
            taken = self.columnar.rows.numbers() if self.columnar else ()
            news = before.until(now, taken, self.names)
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
        for number in news.cleared:
            self._clear(number, now.beside)
        homeless = {id_ for id_, number in self.dissolved.items() if number in news.changed} - now.beside
        for id_ in homeless | news.moved - now.beside - now.closed:  # they came here by another way
            self.dissolved.pop(id_, None)
            if id_ in self.fresh:
                self.fresh.drop(id_)
            elif self.columnar is not None and id_ in self.columnar.rows:
                self._forget(id_)
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

    def _clear(self, number: int, beside: Set[str]) -> None:
        """Takes a block out as a whole. Groups become fresh that the store keeps elsewhere: beside its blocks, or in the
        block that they came out of.
        """
        columns = self.columnar
        assert columns is not None
        for row in columns.rows.rows_of(number):
            record = columns.record_at(row)
            columns.rows.remove(row, record.group)
            columns.agenda.forget(row)
            if record.group.id in beside or record.group.id in self.dissolved:
                self.fresh.put(record)
        columns.screen.drop_block(number)
        columns.agenda.drop_block(number)
        columns.rows.blocks[number] = None

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
        return CapturedGroups(self.fresh.kept(), rows.stored(self.blocks_now(self.columnar.rows.numbers())))

    def blocks_now(self, numbers: Sequence[int]) -> Iterator[tuple[int, CapturedBlock]]:
        """These blocks as they are now. Any one thread may go through them."""
        from monitor.engine.captured import HeldBlock

        columns = self.columnar
        assert columns is not None
        return iter([(number, HeldBlock(columns.rows.block(number), columns.names)) for number in numbers])

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

    def _fold(self) -> None:
        raise NotImplementedError

    def _columns(self) -> ColumnarGroups:
        raise NotImplementedError
