"""The shards of the book: they are started here, what goes missing is told, and replacements are loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from monitor.config import BadConfig, Config
from monitor.core.alerts.state_alerts import SHARD_FULL, SHARD_MISSING
from monitor.core.events.events import Noticed
from monitor.core.queries.shards_shown import ShardItem, ShardList
from monitor.core.text import MOST_NAMED
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.sequencer import Sequencer
from monitor.engine.book import ColumnarBook
from monitor.engine.spread.book import CopySeen, SpreadBook
from monitor.engine.spread.spreading import Spreading
from monitor.running import Running
from monitor.stores._base import StoreUnavailable
from monitor.telemetry import log

if TYPE_CHECKING:
    from monitor.engine.spread.links import Shards

LOOK_S = 0.1
ASK_S = 1.0
"""Where no price comes, a shard is asked all the same whether it is there."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
"""A fault that comes again in a replacement must not keep the machine busy: each pause is twice the one before."""
NOT_REACHED_S = 5.0
"""The same where what carries the shards is not there at all: to look again costs little, and no group is watched."""
CALM_S = 600.0
"""A shard that has been there for this long begins with the first pause again."""

TOLD_AGAIN_S = 60.0
"""So often it is said that more groups are left out, while a large book is read."""
MOVED_AT_ONCE = 2
"""Blocks that move between two prices: a shard takes some ten milliseconds to lay one, and prices wait for that."""
ROOM = "shards"
"""What `shard.full` is about."""

Tell = Callable[[Noticed], Coroutine[Any, Any, None]]


async def book_of(config: Config) -> ColumnarBook:
    """The book, in this process or over shards that are there. Raises BadConfig where those cannot be had."""
    engine = config.engine
    if not engine.shards:
        return ColumnarBook()

    def start() -> ColumnarBook:
        how = Spreading(
            engine.shard_limit.total_seconds(),
            engine.replicas,
            engine.max_groups,
            engine.max_memory_mb << 20 or None,
            config.state_dir,
        )
        book = SpreadBook(_shards_of(config), engine.shards, how=how)
        book.links.await_ready()
        book.hear_memory()  # before the first block comes
        return book

    return await asyncio.to_thread(start)


def _shards_of(config: Config) -> Shards:
    address = config.engine.ray
    if not address:
        from monitor.engine.spread.local import LocalShards  # the array libraries cost a second and 100 MB

        return LocalShards()
    try:
        from monitor.engine.spread.ray_shards import RayShards

        return RayShards(address, config.engine.replicas)
    except ImportError:
        why = "Ray is not installed; install the extra `ray` of this package beside the monitor"
    except ConnectionError as e:
        why = f"no cluster answers: {e}; start one, or take the key out for processes of this machine"
    raise BadConfig([f"{config.path}: engine.ray = {address!r}: {why}"])


def settle(book: ColumnarBook) -> None:
    """For a standby, in a worker thread: what is missing is replaced, and all have done what they were told."""
    if isinstance(book, SpreadBook) and not book.settle():
        log.error("a shard of the standby is missing")


def close(book: ColumnarBook) -> None:
    """Ends the shards of a book that nobody takes."""
    if isinstance(book, SpreadBook):
        book.close()


def look_after(book: ColumnarBook, running: Running, monitor: RiskMonitor, sequencer: Sequencer, tell: Tell) -> None:
    """From now on what goes missing is told and replaced. Nothing to do for a book in this process."""
    if isinstance(book, SpreadBook):
        keeper = ShardKeeper(running, book, sequencer, tell)
        running.tasks.begin("shards", keeper.run([*monitor.standing(SHARD_MISSING)], [*monitor.standing(SHARD_FULL)]))


def resize(book: ColumnarBook, config: Config) -> None:
    """After a reload: so many shards there should be."""
    if isinstance(book, SpreadBook):
        book.wanted = config.engine.shards


def shown(book: ColumnarBook) -> ShardList:
    """The shards as people see them; none for a book in this process. For a worker thread."""
    if not isinstance(book, SpreadBook):
        return ShardList([], 0)
    seen, blocks = book.seen(), book.links.blocks

    def state(each: CopySeen) -> str:
        if each.place in blocks.joining:
            return "coming"
        return "missing" if each.is_missing else "going" if each.place in blocks.leaving else "there"

    items = [
        ShardItem(
            each.place,
            each.copy,
            each.address if each.memory is None else f"{each.address}, process {each.memory.pid}",
            each.groups,
            f"{each.debt:.2f}",
            each.is_missing,
            each.is_watched,
            round(each.quiet_s, 3),
            None if each.memory is None else each.memory.resident,
            state(each),
        )
        for each in seen
    ]
    unwatched = sum({each.place: each.groups for each in seen if not each.is_watched}.values())
    return ShardList(items, unwatched + book.homeless())


class ShardKeeper:
    """Looks after the shards of a book."""

    def __init__(self, running: Running, book: SpreadBook, sequencer: Sequencer, tell: Tell) -> None:
        self._running = running
        self._book = book
        self._sequencer = sequencer
        self._tell = tell
        self._told: set[int] = set()
        """Copies of which `shard.missing` was said."""
        self._full_told: int | None = None
        """How many groups nobody watched when `shard.full` was said last; None where there is room."""
        self._full_told_s = 0.0
        self._pause_s: dict[int, float] = {}
        """By copy: how long its last replacement had to wait."""
        self._begun_s: dict[int, float] = {}
        """By copy: when its last replacement was there, or failed."""
        self._is_moving = True
        self._replacing: set[int] = set()

    async def run(self, standing: list[str], full: list[str]) -> None:
        """Until it is cancelled, which ends the shards. What was said before a restart is `standing`, and `full`."""
        try:
            at = self._running.clock.utc()
            for kind, subjects in ((SHARD_MISSING, standing), (SHARD_FULL, full)):
                for subject in subjects:
                    await self._tell(Noticed(at, kind, subject, {}, clears=True))
            await self._run()
        finally:
            self._book.close()

    async def _run(self) -> None:
        asked_s = 0.0
        while True:
            if (now_s := self._running.clock.monotonic_s()) - asked_s >= ASK_S:
                asked_s = now_s
                await asyncio.to_thread(self._book.links.ask_all, "ready")
                await asyncio.to_thread(self._book.hear_memory)
                await self._look_at_room()
                await self._resize()
            if self._book.links.gone:
                await self._look_at_copies()
            if self._is_moving:
                await self._move()
            await asyncio.sleep(LOOK_S)

    # -- what is missing --

    async def _look_at_copies(self) -> None:
        for seen in self._book.seen():
            if not seen.is_missing or seen.seat in self._replacing:
                continue
            self._replacing.add(seen.seat)
            if seen.place not in self._book.links.blocks.joining:
                self._told.add(seen.seat)
                await self._missing(seen)
            self._running.tasks.begin(f"shard {seen.seat}", self._replace(seen.seat))

    async def _missing(self, seen: CopySeen) -> None:
        groups, debt = (0, 0.0) if seen.is_watched else (seen.groups, seen.debt)
        log.error("a shard is missing", shard=seen.place, copy=seen.copy, groups=groups, debt_usd=round(debt))
        if not seen.is_watched:
            self._running.health.set(f"shard {seen.place}", f"missing; nobody watches its {groups} groups")
        facts = {"groups": groups, "debt_usd": f"{debt:.2f}"}
        at, subject = self._running.clock.utc(), self._name(seen.seat)
        await self._tell(Noticed(at, SHARD_MISSING, subject, facts, fingerprint="missing"))

    def _name(self, seat: int) -> str:
        place, copy = divmod(seat, self._book.links.copies)
        return f"shard {place}" if self._book.links.copies == 1 else f"shard {place} copy {copy}"

    async def _replace(self, seat: int) -> None:
        """Loads a replacement, at once where the shard has long been well, else after a pause that grows."""
        clock = self._running.clock
        while True:
            is_calm = clock.monotonic_s() - self._begun_s.get(seat, float("-inf")) > CALM_S
            pause_s = 0.0 if is_calm else min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s[seat]))
            self._pause_s[seat] = pause_s
            await asyncio.sleep(pause_s)
            try:
                is_back = await self._is_replaced(seat)
            except StoreUnavailable as e:
                log.warning("a shard was not replaced", shard=self._name(seat), reason=str(e))
                is_back = False
            self._begun_s[seat] = clock.monotonic_s()
            if is_back:
                break
            if self._book.links.shards.trouble:
                self._pause_s[seat] = min(self._pause_s[seat], NOT_REACHED_S / 2)
        self._replacing.discard(seat)
        self._is_moving = True
        place = seat // self._book.links.copies
        if place not in self._book.links.missing:
            self._running.health.set(f"shard {place}", None)
        log.info("a shard is back", shard=self._name(seat))
        if seat in self._told:
            self._told.discard(seat)
            await self._tell(Noticed(clock.utc(), SHARD_MISSING, self._name(seat), {}, clears=True))

    async def _is_replaced(self, seat: int) -> bool:
        book, ask = self._book, self._sequencer.ask
        if not await ask(lambda _, __: book.plan_mending([seat]), needs_commit=False):
            return True  # it has left meanwhile
        if not await asyncio.to_thread(book.mend, seat):
            why = book.links.shards.trouble or "it gave no answer"
            log.error("a replacement of a shard did not load", shard=self._name(seat), reason=why)
            return False
        await ask(lambda _, __: book.take_back(seat), needs_commit=False)
        return True

    # -- what they have room for --

    async def _look_at_room(self) -> None:
        groups, is_full = self._book.homeless(), self._book.is_full
        self._is_moving |= bool(groups) and not is_full
        if is_full or (groups and self._full_told is not None):
            self._running.health.set(ROOM, f"none takes more groups; nobody watches {groups} groups")
            await self._full(groups)
        elif self._full_told is not None:
            self._full_told = None
            self._running.health.set(ROOM, None)
            await self._tell(Noticed(self._running.clock.utc(), SHARD_FULL, ROOM, {}, clears=True))

    async def _full(self, groups: int) -> None:
        """Says it at once, when the first groups are left out, and at most once a minute when there are more of them."""
        told, now_s = self._full_told, self._running.clock.monotonic_s()
        if told is not None and (groups <= told or (told and now_s - self._full_told_s < TOLD_AGAIN_S)):
            return
        self._full_told, self._full_told_s = groups, now_s
        log.error("no shard takes more groups", unwatched=groups)
        ids = await self._sequencer.ask(lambda _, __: self._book.homeless_ids(MOST_NAMED), needs_commit=False)
        facts = {"groups": groups, "group_ids": ids, "group_ids_cut": groups - len(ids)}
        await self._tell(Noticed(self._running.clock.utc(), SHARD_FULL, ROOM, facts, fingerprint=f"full {groups}"))

    async def _resize(self) -> None:
        """As many shards as the configuration wants: those that come begin empty, those that go give their blocks away."""
        book = self._book
        if book.wanted == len(book.links.blocks.ring) + len(book.links.blocks.joining):
            return
        await self._sequencer.ask(lambda _, __: book.resize(), needs_commit=False)
        self._is_moving = True

    async def _move(self) -> None:
        left = await self._sequencer.ask(lambda _, __: self._book.move_some(MOVED_AT_ONCE), needs_commit=False)
        self._is_moving = left > 0
