"""Waits for the lease, holds it by beats, and knows at each moment whether this head may send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from monitor.clock import Clock
from monitor.lease import rows
from monitor.lease.database import LOOK_S, DatabaseState, look, offset_of
from monitor.lease.fenced import Fenced
from monitor.lease.peer import HeadAnswer, Peer
from monitor.lease.rows import LOST, HeadName, LeaseRow
from monitor.lease.state import HeadState, PeerSays, clock_trouble
from monitor.lease.terms import BEATS, Tenure, Watch
from monitor.telemetry import BoundedLog, log

PEER_S = 10.0
"""How often the peer is asked while all is well: that nobody would take over is known before it matters."""

Connect = Callable[[dict[str, str]], Awaitable[Any]]
"""Opens a connection to the database with these settings of the server. The tables of the store are there then."""


class Settings(msgspec.Struct, frozen=True):
    """Of a lease. Without a peer no standby is known, and a head that is cut off goes on sending."""

    me: HeadName
    ttl_s: float
    peer: Peer | None = None


class Keeper:
    """One head. `wait` ends when it holds the lease; then `hold` must run, and `fence` begins each transaction."""

    def __init__(self, connect: Connect, settings: Settings, clock: Clock) -> None:
        self._connect = connect
        self._settings = settings
        self._clock = clock
        self._ttl_s = settings.ttl_s
        self._db: Any = None
        self._watch = Watch(settings.ttl_s)
        self._tenure: Tenure | None = None
        self._row: LeaseRow | None = None
        self._beaten_s: float | None = None
        self._peer_says: PeerSays = "not asked"
        self._offset_s: float | None = None
        self._database: DatabaseState | None = None
        self._looked_s = float("-inf")
        self._trouble = ""
        self._troubled_s = float("-inf")
        self._log = BoundedLog()
        self._is_fenced = asyncio.Event()
        self._fenced_by = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.has_looked = asyncio.Event()
        """The lease was looked at once, whatever came of it: from then on this head can say who decides, or why it cannot."""
        self.epoch = 0
        """Of this head, once it has the lease."""

    # -- waiting --

    async def wait(self) -> None:
        """Until this head holds the lease."""
        self._loop = asyncio.get_running_loop()
        while not await self._look():
            self.has_looked.set()
            await self._clock.sleep(self._ttl_s / BEATS / 2)
        log.warning("this head has the lease: it decides and sends", epoch=self.epoch)

    async def _look(self) -> bool:
        sent_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._ttl_s):
                row = await rows.read(await self._connected())
                self._note_answer(row, sent_s)
                if not self._watch.may_take(self._clock.monotonic_s()):
                    return False
                return await self._taken(row)
        except LOST as e:
            self._lost(e)
            return False

    async def _taken(self, row: LeaseRow) -> bool:
        sent_s = self._clock.monotonic_s()
        if (offset := clock_trouble(self._offset_s)) is not None:
            self._log.warning(sent_s, "clock", "the lease is free and is not taken", reason=offset)
            return False
        self._watch.is_taking = True
        helper = None
        try:
            helper = await self._opened()
            epoch = await rows.take(self._db, helper, row.beat, self._settings.me, self._ttl_s)
        finally:
            self._watch.is_taking = False
            if helper is not None:
                helper.terminate()
        if epoch is None:
            return False
        self.epoch = epoch
        self._tenure = Tenure(self._ttl_s, sent_s)
        self._beaten_s = sent_s
        return True

    def _note_answer(self, row: LeaseRow, sent_s: float) -> None:
        now_s = self._clock.monotonic_s()
        if self._row is None or row.beat.at != self._row.beat.at:
            self._beaten_s = now_s
        self._row = row
        self._watch.seen(row.beat, sent_s, now_s)
        self._note_offset(row.now, sent_s)
        self._trouble = ""

    # -- holding --

    async def hold(self) -> None:
        """Beats until it is cancelled. Raises Fenced when another head has the lease."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat_on())
            group.create_task(self._until_fenced())
            if self._settings.peer is not None:
                group.create_task(self._ask_on(self._settings.peer))

    async def _beat_on(self) -> None:
        while True:
            sent_s = self._clock.monotonic_s()
            try:
                async with asyncio.timeout(self._ttl_s / 2):
                    now = await rows.beat(await self._connected(), self.epoch)
            except Fenced as e:
                self._fence_off(str(e))
                return
            except LOST as e:
                self._lost(e)
            else:
                self._own.beaten(sent_s)
                self._beaten_s = sent_s
                self._trouble = ""
                self._note_offset(now, sent_s)
            rest_s = sent_s + self._ttl_s / BEATS - self._clock.monotonic_s()
            await self._clock.sleep(max(rest_s, self._ttl_s / BEATS / 4))

    async def _ask_on(self, peer: Peer) -> None:
        """Asks the peer now and then, and again and again while beats fail: its word must be there when the lease ends."""
        sent_s = float("-inf")
        while True:
            await self._clock.sleep(self._ttl_s / BEATS)
            now_s = self._clock.monotonic_s()
            if self._own.left_s(now_s) > self._ttl_s / 2 and now_s - sent_s < PEER_S:
                continue
            sent_s = now_s
            answer = await peer.ask(self._ttl_s / 2)
            if answer is not None and answer.role == "active" and answer.epoch > self.epoch:
                self._fence_off(f"the head at {answer.place} has the lease by epoch {answer.epoch}")
                return
            self._note_peer(answer, sent_s)

    def _note_peer(self, answer: HeadAnswer | None, sent_s: float) -> None:
        if answer is None:
            self._peer_says = "does not answer"
        elif answer.reaches_database or answer.role == "active":
            self._peer_says = "reaches the database"
        else:
            self._peer_says = "does not reach the database"
            self._own.excused(sent_s)

    async def _until_fenced(self) -> None:
        await self._is_fenced.wait()
        raise Fenced(self._fenced_by)

    def _fence_off(self, why: str) -> None:
        if self._tenure is not None:
            self._tenure.over()
        self._fenced_by = self._fenced_by or why
        if self._loop is not None:
            # The store is fenced on a thread of its own.
            self._loop.call_soon_threadsafe(self._is_fenced.set)

    async def fence(self, db: Any) -> None:
        """Begins a transaction of the store. Raises Fenced."""
        try:
            await rows.check_fence(db, self.epoch)
        except Fenced as e:
            self._fence_off(str(e))
            raise

    async def release(self) -> None:
        """At a stop, when all is written and sent: the next head need not wait."""
        if self._tenure is not None:
            self._tenure.over()
            with suppress(*LOST):
                async with asyncio.timeout(self._ttl_s):
                    await rows.release(await self._connected(), self.epoch)
        self._drop()

    # -- what others ask --

    def may_send(self) -> bool:
        """See `permit.Permit`."""
        now_s = self._clock.monotonic_s()
        basis = self._own.basis(now_s)
        if basis == "none" and self._settings.peer is None:
            # The database was found away just now. A head that only stood still asks it first.
            return now_s - self._troubled_s < self._ttl_s
        return basis in ("lease", "peer")

    def has_last_word(self) -> bool:
        """See `permit.Permit`: peer and database are both gone."""
        basis = self._own.basis(self._clock.monotonic_s())
        return basis == "none" and self._peer_says == "does not answer"

    def is_of_lease(self) -> bool:
        """See `permit.Permit`."""
        return self._own.basis(self._clock.monotonic_s()) == "lease"

    def answer(self) -> HeadAnswer:
        """To the peer that asks whether this head reaches the database."""
        me, now_s = self._settings.me, self._clock.monotonic_s()
        if self._tenure is not None:
            return HeadAnswer("active", me.holder, me.place, me.version, self.epoch, self._tenure.left_s(now_s) > 0)
        seen = self._watch.beat
        epoch = 0 if seen is None else seen.epoch
        return HeadAnswer("standby", me.holder, me.place, me.version, epoch, self._watch.asked(now_s))

    @property
    def state(self) -> HeadState:
        """How this head stands."""
        now_s = self._clock.monotonic_s()
        me, row = self._settings.me, self._row
        is_active = self._tenure is not None
        holder = me if is_active or row is None else row.head
        is_held = is_active or (row is not None and not row.beat.is_free)
        return HeadState(
            role="active" if is_active else "standby",
            epoch=self.epoch if is_active or row is None else row.beat.epoch,
            holder=holder.place if is_held else "",
            version=holder.version if is_held else "",
            lease_age_s=None if self._beaten_s is None else max(now_s - self._beaten_s, 0.0),
            basis=None if self._tenure is None else self._tenure.basis(now_s),
            clock_offset_s=self._offset_s,
            peer="" if self._settings.peer is None else self._settings.peer.url,
            peer_says=self._peer_says,
            trouble=self._trouble,
            database=self._database,
        )

    # -- connections --

    @property
    def _own(self) -> Tenure:
        assert self._tenure is not None, "wait first"
        return self._tenure

    async def _connected(self) -> Any:
        if self._db is None or self._db.is_closed():
            self._db = await self._opened()
            if self._tenure is None and self._row is None:
                await rows.prepare(self._db)
            self._looked_s = float("-inf")
        if self._clock.monotonic_s() - self._looked_s >= LOOK_S:
            self._database = await look(self._db)
            self._looked_s = self._clock.monotonic_s()
        return self._db

    async def _opened(self) -> Any:
        return await self._connect(rows.server_settings(f"loan-monitor lease {self._settings.me.place}", self._ttl_s))

    def _lost(self, e: BaseException) -> None:
        self._trouble = str(e)[:200] or type(e).__name__
        self._troubled_s = self._clock.monotonic_s()
        self._log.warning(self._clock.monotonic_s(), "database", "the lease is not reached", reason=self._trouble)
        self._drop()

    def _drop(self) -> None:
        if self._db is not None:
            self._db.terminate()
            self._db = None

    def _note_offset(self, theirs: datetime, sent_s: float) -> None:
        self._offset_s = offset_of(self._clock.utc(), theirs, self._clock.monotonic_s() - sent_s)
