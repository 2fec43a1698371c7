"""The shards of the book: they are started here, what goes missing is told, and replacements are loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from monitor.config import Config
from monitor.core.alerts.state_alerts import SHARD_MISSING
from monitor.core.events.events import Noticed
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.sequencer import Sequencer
from monitor.engine.book import ColumnarBook
from monitor.engine.spread.book import ShardSeen, SpreadBook
from monitor.running import Running
from monitor.stores._base import StoreUnavailable
from monitor.telemetry import log

LOOK_S = 0.1
ASK_S = 1.0
"""Where no price comes, a shard is asked all the same whether it is there."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
"""A fault that comes again in a replacement must not keep the machine busy: each pause is twice the one before."""
CALM_S = 600.0
"""A shard that has been there for this long begins with the first pause again."""

Tell = Callable[[Noticed], Coroutine[Any, Any, None]]


async def book_of(config: Config) -> ColumnarBook:
    """The book, in this process or over shards that are there."""
    if not config.engine.shards:
        return ColumnarBook()

    def start() -> ColumnarBook:
        from monitor.engine.spread.local import LocalShards  # the array libraries cost a second and 100 MB

        shards = LocalShards(config.engine.shards)
        book = SpreadBook(shards, limit_s=config.engine.shard_limit.total_seconds())
        book.links.await_ready()
        return book

    return await asyncio.to_thread(start)


def look_after(book: ColumnarBook, running: Running, monitor: RiskMonitor, sequencer: Sequencer, tell: Tell) -> None:
    """From now on what goes missing is told and replaced. Nothing to do for a book in this process."""
    if isinstance(book, SpreadBook):
        keeper = ShardKeeper(running, book, sequencer, tell)
        running.tasks.begin("shards", keeper.run(monitor.standing(SHARD_MISSING)))


class ShardKeeper:
    """Looks after the shards of a book."""

    def __init__(self, running: Running, book: SpreadBook, sequencer: Sequencer, tell: Tell) -> None:
        self._running = running
        self._book = book
        self._sequencer = sequencer
        self._tell = tell
        self._told: set[int] = set()
        """Shards of which `shard.missing` was said."""
        self._pause_s: dict[int, float] = {}
        """By shard: how long its last replacement had to wait."""
        self._begun_s: dict[int, float] = {}
        """By shard: when its last replacement was there, or failed."""

    async def run(self, standing: tuple[str, ...]) -> None:
        """Until it is cancelled, which ends the shards. `standing`: what was said to be missing before a restart."""
        try:
            await self._run(standing)
        finally:
            self._book.close()

    async def _run(self, standing: tuple[str, ...]) -> None:
        for subject in standing:
            await self._tell(Noticed(self._running.clock.utc(), SHARD_MISSING, subject, {}, clears=True))
        asked_s = 0.0
        while True:
            if (now_s := self._running.clock.monotonic_s()) - asked_s >= ASK_S:
                asked_s = now_s
                await asyncio.to_thread(self._book.links.ask_all, "ready")
            for seen in self._book.shards() if self._book.links.missing else ():
                if seen.is_missing and seen.place not in self._told:
                    self._told.add(seen.place)
                    await self._missing(seen)
                    self._running.tasks.begin(f"shard {seen.place}", self._replace(seen.place))
            await asyncio.sleep(LOOK_S)

    async def _missing(self, seen: ShardSeen) -> None:
        log.error("a shard is missing", shard=seen.place, groups=seen.groups, debt_usd=round(seen.debt))
        self._running.health.set(f"shard {seen.place}", f"missing; nobody watches its {seen.groups} groups")
        facts = {"groups": seen.groups, "debt_usd": f"{seen.debt:.2f}"}
        at, subject = self._running.clock.utc(), f"shard {seen.place}"
        await self._tell(Noticed(at, SHARD_MISSING, subject, facts, fingerprint="missing"))

    async def _replace(self, place: int) -> None:
        """Loads a replacement, at once where the shard has long been well, else after a pause that grows."""
        clock = self._running.clock
        while True:
            is_calm = clock.monotonic_s() - self._begun_s.get(place, float("-inf")) > CALM_S
            pause_s = 0.0 if is_calm else min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s[place]))
            self._pause_s[place] = pause_s
            await asyncio.sleep(pause_s)
            try:
                is_back = await self._is_replaced(place)
            except StoreUnavailable as e:
                log.warning("a shard was not replaced", shard=place, reason=str(e))
                is_back = False
            self._begun_s[place] = clock.monotonic_s()
            if is_back:
                break
        self._told.discard(place)
        self._running.health.set(f"shard {place}", None)
        log.info("a shard is back", shard=place)
        await self._tell(Noticed(clock.utc(), SHARD_MISSING, f"shard {place}", {}, clears=True))

    async def _is_replaced(self, place: int) -> bool:
        book, ask = self._book, self._sequencer.ask
        await ask(lambda _, __: book.plan_mending([place]), needs_commit=False)
        if not await asyncio.to_thread(book.mend, place):
            log.error("a replacement of a shard did not load", shard=place)
            return False
        await ask(lambda _, __: book.take_back(place), needs_commit=False)
        return True
