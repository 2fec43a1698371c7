"""A standby follows the store: it has the blocks of the book in columns before it decides, and checked against its rules.

What changes between two looks is read at the take-over: groups beside the blocks, states, prices, alerts. See
`ColumnarBook.prepare`.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from monitor.config import Config
from monitor.core.events.rates import Rates
from monitor.core.groups.book_changes import check_fit_all
from monitor.core.groups.outcome import Memory, StoredBlock
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.money import exact
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.engine.book import ColumnarBook
from monitor.stores._base import StoredState, StoreUnavailable
from monitor.stores.postgres.book import BlockCache, BlocksAhead, ahead
from monitor.stores.postgres.writer import Session
from monitor.telemetry import log

FOLLOW_S = 2.0
"""Between two looks at the store. Blocks change where a book is loaded, and where a daemon starts."""
FEW = 2_000
"""Groups that were put beside the blocks since: taking so many out of the columns takes some tenths of a second."""


class ReadyBook(NamedTuple):
    """A book that has its blocks already."""

    book: ColumnarBook
    blocks: tuple[StoredBlock, ...]
    beside: frozenset[str]
    memory: Memory
    rules: Rules | None
    """Those that all groups of the blocks fit; None where one does not."""

    def is_fit(self, snapshot: StoredState, rules: Rules) -> bool:
        """All groups of the blocks of a snapshot were found to fit these rules, and no other version has come into force."""
        if self.rules is None or snapshot.desk is None or self.blocks != snapshot.blocks:
            return False
        now, before, at = Rates(snapshot.rates).into(rules).products, self.rules.products, snapshot.desk.at
        return now == before and all(p.versions_from(at) == p.versions_from(self.memory.at) for p in now.values())


class Follower:
    """`run` follows until it is cancelled; `take` hands the book over."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._session = Session(config.store.config, "standby")
        self._ready: ReadyBook | None = None
        self._seen: tuple[StoredBlock, ...] = ()
        self.blocks = BlockCache()
        """For the store, which reads what has changed since."""

    async def run(self) -> None:
        """A store that is not reached is asked again; the lease says so."""
        while True:
            try:
                await self._look()
            except StoreUnavailable as e:
                log.debug("the standby cannot follow the store", reason=str(e))
            await asyncio.sleep(FOLLOW_S)

    async def _look(self) -> None:
        async def read() -> BlocksAhead | None:
            return await ahead(await self._session.connected(), self.blocks)

        found = await self._session.run(read)
        if found is None or not found.blocks or not self._is_new(found):
            return
        is_settled, self._seen = found.blocks == self._seen, found.blocks
        if is_settled or self._ready is None:
            self._ready = await asyncio.to_thread(self._made, found)
            if self._ready.rules is not None:
                log.info("the standby has the book in columns", groups=len(self._ready.book))

    def _is_new(self, found: BlocksAhead) -> bool:
        ready = self._ready
        return (
            ready is None or ready.blocks != found.blocks or len(ready.beside.symmetric_difference(found.beside)) > FEW
        )

    def _made(self, found: BlocksAhead) -> ReadyBook:
        book, rules = ColumnarBook(), Rates(found.rates).into(self._config.rules)
        memory = Memory(found.at, (), WatcherStates(), (), (), blocks=found.blocks, closed=found.beside)
        beside = frozenset(found.beside)
        if self._config.engine.shards:  # these load the book at the take-over
            return ReadyBook(book, found.blocks, beside, memory, None)
        try:
            with exact():
                book.prepare(memory, rules)
                check_fit_all(book.examples(), rules, found.at)
        except (Refused, LookupError) as e:  # a product that is not configured here has no place in the columns
            text = "a take-over would be refused: a group does not fit the rules of this daemon"
            log.error(text, reason=str(e) or repr(e))
            return ReadyBook(ColumnarBook(), found.blocks, beside, memory, None)
        return ReadyBook(book, found.blocks, beside, memory, rules)

    def take(self, snapshot: StoredState, rules: Rules) -> tuple[ColumnarBook, bool]:
        """The book to restore into, and whether all groups of its blocks are known to fit the rules."""
        ready, self._ready, self._seen = self._ready, None, ()
        if ready is None:
            return ColumnarBook(), False
        return ready.book, ready.is_fit(snapshot, rules)

    async def close(self) -> None:
        """At the take-over, or at a stop."""
        await self._session.close()
