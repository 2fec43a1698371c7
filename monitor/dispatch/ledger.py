"""The record of attempts in the store: many in one transaction. While the store is away it tries again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from monitor.clock import Clock
from monitor.core.alerts.alert import LoggedAlert
from monitor.stores._base import Attempt, Audit, Delivery, Store, StoreUnavailable, Switched, Target
from monitor.telemetry import BoundedLog

T = TypeVar("T")
R = TypeVar("R")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
"""A disk that has room again is noticed this soon, and one that has none is not asked without a pause."""


class Started(NamedTuple):
    """Attempts that may be made, and the time that the store has of them."""

    ids: list[str]
    at: datetime


class _Batch(Generic[T, R]):
    def __init__(self) -> None:
        self.items: list[T] = []
        self.result: asyncio.Future[R] = asyncio.get_running_loop().create_future()


class _Together(Generic[T, R]):
    """A group commit: all that is submitted during one write goes together into the next one."""

    def __init__(self, write: Callable[[list[T]], Awaitable[R]]) -> None:
        self._write = write
        self._lock = asyncio.Lock()
        self._next: _Batch[T, R] | None = None

    async def submit(self, items: Sequence[T]) -> R:
        """Returns when these items are written, with the result of the whole batch. The first of a batch writes it."""
        batch = self._next
        if batch is not None:
            batch.items += items
            return await asyncio.shield(batch.result)
        batch = _Batch[T, R]()
        self._next = batch
        batch.items += items
        try:
            async with self._lock:
                # One turn of the loop, so that all who are ready now come along.
                await asyncio.sleep(0)
                self._next = None
                result = await self._write(batch.items)
                batch.result.set_result(result)
                return result
        finally:
            if self._next is batch:
                self._next = None
            if not batch.result.done():
                # Cut off by a stop, or broken: those who came along end with the one that wrote for them.
                batch.result.cancel()


class Ledger:
    """All that dispatch asks of the store. No method raises StoreUnavailable: each waits until the store is back."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._log = BoundedLog()
        self._attempts: _Together[str | Attempt, Started] = _Together(self._write)

    async def open_deliveries(self) -> list[Delivery]:
        """All pending deliveries by cursor."""
        return await self._persist(self._store.open_deliveries)

    async def alert(self, id: str) -> LoggedAlert | None:
        """The alert of a delivery; None if it was pruned."""
        return await self._persist(lambda: self._store.alert(id))

    async def moved(self, delivery: Delivery, targets: Sequence[Target]) -> list[Delivery]:
        """Sends a notice elsewhere, durably; returns what is due instead of it."""
        return await self._persist(lambda: self._store.move(delivery, targets, self._clock.utc()))

    async def handed_over(self, pairs: Sequence[tuple[Delivery, Target]]) -> list[Delivery]:
        """Makes deliveries to fallbacks, durably; returns those that were not there yet."""
        return await self._persist(lambda: self._store.hand_over(pairs, self._clock.utc()))

    async def held(self, until: Mapping[str, datetime | None]) -> list[Delivery]:
        """Moves the ends of quiet times, or ends them (None), durably; returns those that still wait."""
        return await self._persist(lambda: self._store.hold(until, self._clock.utc()))

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        """A notifier sends no more, over restarts."""
        await self._persist(lambda: self._store.switch_off(switched, audit))

    async def switch_on(self, notifier: str, audit: Audit | None = None) -> None:
        """It sends again."""
        await self._persist(lambda: self._store.switch_on(notifier, audit))

    async def switched_off(self) -> list[Switched]:
        """The notifiers that are off."""
        return await self._persist(self._store.switched_off)

    async def started(self, ids: Sequence[str]) -> Started:
        """Counts an attempt for each, durably; what is not in the answer was superseded and must not be sent."""
        return await self._attempts.submit(ids)

    async def ended(self, attempts: Sequence[Attempt]) -> None:
        """Records outcomes, durably."""
        await self._attempts.submit(attempts)

    async def _write(self, items: list[str | Attempt]) -> Started:
        """Starts and ends at a time, so that a store can sync once for both; returns what was started."""
        ids = [item for item in items if isinstance(item, str)]
        ends = [item for item in items if isinstance(item, Attempt)]
        if not ids:
            await self._end(ends)
            return Started([], self._clock.utc())
        if not ends:
            return await self._start(ids)
        started, _ = await asyncio.gather(self._start(ids), self._end(ends))
        return started

    async def _start(self, ids: list[str]) -> Started:
        async def count() -> Started:
            at = self._clock.utc()
            return Started(await self._store.start_attempts(ids, at), at)

        return await self._persist(count)

    async def _end(self, ends: list[Attempt]) -> None:
        await self._persist(lambda: self._store.end_attempts(ends))

    async def _persist(self, call: Callable[[], Awaitable[R]]) -> R:
        """Calls until the store answers; one log line a minute says that it does not."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await call()
            except StoreUnavailable as e:
                now_s = self._clock.monotonic_s()
                self._log.warning(now_s, "store", "deliveries wait for the store", reason=str(e))
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
