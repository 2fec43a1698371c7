"""A standby follows the store: it has the book as of some seconds ago, checked against its rules, and on its shards.

What has changed since the last look is read at the take-over: groups, states, and what is no part of the book. See
`ColumnarBook.prepare`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from monitor.config import BadConfig, Config
from monitor.core.events.rates import Rates
from monitor.core.groups.book_changes import check_fit_all
from monitor.core.groups.outcome import StoredBlock
from monitor.core.money import exact
from monitor.core.prices.conversion import Conversion
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.daemon import shards, startup
from monitor.engine.book import ColumnarBook
from monitor.stores._base import StoredState, StoreUnavailable
from monitor.stores.postgres.book import Followed, SeenBook, ahead
from monitor.stores.postgres.writer import Session
from monitor.telemetry import log

FOLLOW_S = 2.0
"""Between two looks at the store."""
REST = 10
"""A look that takes long is followed by a pause so many times as long: the database and this machine have other work."""
PAUSE_S = 30.0
"""After a book that cannot be taken: a person has to mend it."""

REFUSED = "a take-over would be refused: a group does not fit the rules of this daemon, or its shards are not there"


class ReadyBook(NamedTuple):
    """A book as of a look, and the rules that all its groups fit."""

    book: ColumnarBook
    rules: Rules
    at: datetime

    def fits(self, rules: Rules, at: datetime) -> bool:
        """All groups that were checked fit these rules as well, and no other version has come into force."""
        now, before = rules.products, self.rules.products
        return now == before and all(p.versions_from(at) == p.versions_from(self.at) for p in now.values())


class Follower:
    """`run` follows until it is cancelled; `close` ends that, and `take` hands the book over."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._session = Session(config.store.config, "standby")
        self._ready: ReadyBook | None = None
        self._blocks: tuple[StoredBlock, ...] | None = None
        """Those of the last look, where the book was to be begun anew."""
        self._making: asyncio.Task[None] | None = None
        self._refused = ""
        self._is_cut = False
        self._needed: frozenset[str] = frozenset()
        self.followed = Followed()
        """For the store, which reads what has changed since."""

    async def run(self) -> None:
        """A store that is not reached is asked again; the lease says so."""
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            try:
                await self._look()
            except StoreUnavailable as e:
                log.debug("the standby cannot follow the store", reason=str(e))
            except Exception as e:  # noqa: BLE001 - a standby that ends could take over nothing; the next look begins anew
                self._refuse(repr(e), "a take-over would be slow: the standby cannot follow the store, and begins anew")
            pause_s = PAUSE_S if self._refused else FOLLOW_S
            await asyncio.sleep(max(pause_s, REST * (clock() - began_s)))

    async def _look(self) -> None:
        async def read() -> tuple[StoredState, SeenBook] | None:
            try:
                return await ahead(await self._session.connected(), self.followed)
            except Exception:
                if (
                    self._is_cut
                ):  # nobody waits for it any more, and its error would be logged as one that nobody heard of
                    return None
                raise

        found = await self._session.run(read)
        if found is None:
            return
        state, seen = found
        if self._ready is None and self._blocks != state.blocks and self._blocks is not None:
            self._blocks = state.blocks  # a book is being loaded: its blocks go on coming
            return
        book = await self._book() if self._ready is None else None
        # A cancel must not leave a book that is half of this look and half of the one before.
        self._making = asyncio.create_task(self._take(book, state, seen))
        await asyncio.shield(self._making)

    async def _take(self, book: ColumnarBook | None, state: StoredState, seen: SeenBook) -> None:
        # While it is changed nobody may have it: what fails half way leaves half a look in it.
        was, self._ready, self.followed.seen = self._ready, None, None
        try:
            ready = await asyncio.to_thread(self._made, was, book, state)
        except BaseException:  # a cancel too: shards must not outlive the book that asks them
            for each in (book, None if was is None else was.book):
                if each is not None:
                    shards.close(each)
            raise
        self._ready, self.followed.seen = ready, None if ready is None else seen

    async def _book(self) -> ColumnarBook | None:
        try:
            return await shards.book_of(self._config)
        except BadConfig as e:
            self._refuse("; ".join(e.problems))
            return None

    def _made(self, was: ReadyBook | None, new: ColumnarBook | None, state: StoredState) -> ReadyBook | None:
        """In a worker thread: the book as of a look. None where it cannot be had; the next look begins anew then."""
        book = new if was is None else was.book
        if book is None or state.desk is None:
            return None
        rules = Rates(state.rates).into(self._config.rules)
        ready: ReadyBook | None = None
        try:
            with exact():
                if book.prepare(startup.memory_of(state), rules, state.known):
                    is_checked = was is not None and was.fits(rules, state.desk.at)
                    check_fit_all(
                        (g.group for g in state.groups) if is_checked else book.examples(), rules, state.desk.at
                    )
                    shards.settle(book)
                    self._needed = frozenset(book.named_coins())
                    ready = ReadyBook(book, rules, state.desk.at)
                    self._refused = ""
        except (Refused, LookupError) as e:  # a product that is not configured here has no place in the columns
            self._refuse(str(e) or repr(e))
        if ready is None:
            shards.close(book)
            self._blocks = state.blocks
        elif was is None:
            self._blocks = None
            log.info("the standby has the book in columns", groups=len(book))
        return ready

    def _refuse(self, reason: str, text: str = REFUSED) -> None:
        if reason != self._refused:
            log.error(text, reason=reason)
        self._refused = reason

    def needs(self) -> frozenset[str]:
        """The coins whose price decides about some group, and those that convert others, as of the last look."""
        return self._needed.union(Conversion.assets_of(self._config.rules.trust.usdt_usd))

    async def close(self, *, is_over: bool) -> None:
        """At the take-over, or at a stop (`is_over`). What has been read is taken to its end; what is being read is not
        waited for, as the take-over reads it itself.
        """
        self._is_cut = True
        self._session.cut()
        await self._session.close()
        if self._making is not None:
            await asyncio.wait([self._making])
        if is_over and self._ready is not None:
            shards.close(self._ready.book)

    def take(self, state: StoredState, rules: Rules) -> tuple[ColumnarBook, bool] | None:
        """The book as of the last reading, and whether all its groups but those that were read are known to fit.

        None where it cannot be had: the store must hand over everything.
        """
        ready, self._ready = self._ready, None
        if ready is None or state.desk is None:
            return None
        rated = Rates(state.rates).into(rules)
        is_taken = False
        with exact(), suppress(Refused, LookupError):  # the start from nothing says what does not fit
            is_taken = ready.book.prepare(startup.memory_of(state), rated, state.known)
        if not is_taken:
            shards.close(ready.book)
            return None
        return ready.book, ready.fits(rated, state.desk.at)
