"""A daemon that is one of two: waits as a standby until it has the lease, holds it while it runs, and gives it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

from monitor import permit, plugins
from monitor.clock import Clock
from monitor.config import Config
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import feeds_ahead, rewriting, shards, startup, wiring
from monitor.daemon.feeds_ahead import FeedAhead
from monitor.daemon.rewriting import KeptBeside
from monitor.daemon.sequencer import Sequencer
from monitor.engine.book import ColumnarBook
from monitor.lease.keeper import Keeper, Settings
from monitor.lease.peer import Peer
from monitor.lease.rows import HeadName
from monitor.running import Running
from monitor.service_manager import ServiceManager
from monitor.stores._base import Store, StoredState, StoreUnavailable
from monitor.telemetry import log
from monitor.web import contract
from monitor.web.standby import StandbyServer

SIGN_S = 1.0
"""Between two signs of life of a standby: its loop has nothing else to turn for."""


def store_of(config: Config, lead: Lead | None) -> Store:
    """The store of the configuration; behind the fence of the lease where there is one."""
    build = plugins.module("stores", config.store.kind).build
    if lead is None:
        store: Store = build(config.store.config)
    else:
        store = build(config.store.config, fence=lead.keeper.fence, followed=lead.follower.followed)
    return store


class RestoredHead(NamedTuple):
    """Book and core as they were committed, and what was read for that."""

    book: ColumnarBook
    monitor: RiskMonitor
    snapshot: StoredState


async def restored(lead: Lead | None, config: Config, store: Store, snapshot: StoredState) -> RestoredHead:
    """A standby has most of the book already. Raises BadConfig."""
    taken = None
    if lead is not None:
        taken = await asyncio.to_thread(lead.follower.take, snapshot, config.rules)
        lead.follower.followed.seen = None
        if taken is None and snapshot.known:
            snapshot = await store.open()
        lead.follower.followed.forget()
    book, is_fit = (await shards.book_of(config), False) if taken is None else taken
    restoring = partial(startup.restored, config.rules, snapshot, book, blocks_fit=is_fit)
    monitor = await asyncio.to_thread(restoring)
    if taken is None:
        await startup.rewrite_blocks(store, book, snapshot)
    elif lead is not None:  # who takes over must serve first
        lead.beside = KeptBeside.of(snapshot)
    return RestoredHead(book, monitor, snapshot)


def look_after(
    lead: Lead | None,
    book: ColumnarBook,
    running: Running,
    monitor: RiskMonitor,
    sequencer: Sequencer,
    tell: shards.Tell,
) -> None:
    """From now on shards that go missing are replaced, and the blocks of a book that was taken over are written again."""
    shards.look_after(book, running, monitor, sequencer, tell)
    if lead is not None and lead.beside is not None:
        rewriting.begin(lead.beside, running, book, sequencer)


async def opened(lead: Lead | None, start: Callable[[], Awaitable[tuple[str, int]]]) -> tuple[str, int]:
    """Starts the web of the daemon, on the ports on which it said until now that it waits or takes over."""
    if lead is not None:
        await lead.make_room()
    return await start()


def keeper_of(config: Config, clock: Clock) -> Keeper:
    """Takes and keeps the lease of the configuration's store."""
    head = config.head
    assert head is not None, "a daemon without [head] takes no lease"
    peer = None if head.peer is None else Peer(head.peer, head.peer_ca_file)
    me = HeadName(config.instance, head.place, version("loan-monitor"))
    return Keeper(_connects(config.store.config), Settings(me, head.ttl.total_seconds(), peer), clock)


def _connects(config: Any) -> Callable[[dict[str, str]], Any]:
    """Opens connections for the lease. Whatever keeps one from being opened is a database that is not reached now."""
    postgres = plugins.module("stores", "postgres")
    is_prepared = False

    async def connect(settings: dict[str, str]) -> Any:
        nonlocal is_prepared
        try:
            db = await postgres.connect(config, settings)
        except StoreUnavailable as e:
            raise ConnectionError(str(e)) from None
        if not is_prepared:
            try:
                await postgres.schema.prepare(db, config.schema)
            except BaseException:  # a cancel too: the session must not outlive it
                db.terminate()
                raise
            is_prepared = True
        return db

    return connect


class Lead:
    """One of two daemons. `taken` ends when this one decides; `holding` ends with an error when it must not any more."""

    def __init__(self, config: Config, clock: Clock, manager: ServiceManager) -> None:
        self._config = config
        self._clock = clock
        self._manager = manager
        self.keeper = keeper_of(config, clock)
        from monitor.daemon.following import Follower  # imported late: only one of two needs the database's library

        self.follower = Follower(config)
        self.feeds: dict[str, FeedAhead] = {}
        """What it listens to while it waits."""
        self.beside: KeptBeside | None = None
        """What the store keeps beside its blocks, where this daemon has taken over."""
        self.holding: asyncio.Task[None] | None = None
        self._server = StandbyServer(config.web, config.monitor.name, config.instance, self.keeper, clock)

    async def taken(self, stopping: asyncio.Event, welcome: Callable[[tuple[str, int]], None]) -> bool:
        """Waits as the standby, warm. False where the daemon is stopped before. Raises BadConfig, OSError, StoreRefused.

        It answers once it has looked at the lease: whom it sends elsewhere must hear where to.
        The calling task may send from then on only while the lease lasts, and so may all that it begins.
        """
        await asyncio.to_thread(startup.prepare_files, self._config)
        wiring.check(self._config)  # what a start would refuse must not be found out at a take-over
        beside = [asyncio.create_task(self._signs()), asyncio.create_task(self._warm())]
        waiting = asyncio.create_task(self.keeper.wait(), name="wait for the lease")
        asked = asyncio.create_task(stopping.wait())
        looked = asyncio.create_task(self.keeper.has_looked.wait())
        try:
            await asyncio.wait({waiting, asked, looked}, return_when=asyncio.FIRST_COMPLETED)
            if looked.done():
                address = await self._server.start()
                startup.note_port(self._config.state_dir, address[1])
                self._manager.ready(f"standby, port {address[1]}")
                welcome(address)
            self.feeds = feeds_ahead.listen(self._config, self._clock, self.follower.needs)
            await asyncio.wait({waiting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                return False
            waiting.result()
            self.holding = asyncio.create_task(self.keeper.hold(), name="hold the lease")
            permit.use(self.keeper)
            return True
        finally:
            for task in (waiting, asked, looked, *beside):
                task.cancel()
            await asyncio.gather(waiting, *beside, return_exceptions=True)
            await self.follower.close(is_over=self.holding is None)
            if self.holding is None:
                for feed in self.feeds.values():
                    await feed.close()
                await self.make_room()
                await self.keeper.release()

    async def make_room(self) -> None:
        """Frees the ports for the web of the daemon. Until then it answers that it takes over.

        The head before it may be cut off alone, and would take a peer that does not answer for one that is gone.
        """
        await self._server.stop()
        startup.note_port(self._config.state_dir, None)

    async def end(self) -> None:
        """After all is written and sent: gives the lease back, so that the other head need not wait for its end."""
        if self.holding is not None:
            self.holding.cancel()
            with suppress(asyncio.CancelledError):
                await self.holding
        await self.keeper.release()
        log.info("the lease is given back")

    async def _warm(self) -> None:
        await startup.warm(self._config.state_dir, after_s=0.0)
        await asyncio.to_thread(contract.routes)  # the code of the daemon's web
        log.info("the standby is warm")
        await self.follower.run()

    async def _signs(self) -> None:
        while True:
            self._manager.turned()
            await asyncio.sleep(SIGN_S)
