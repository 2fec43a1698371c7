"""Attempts in their turn: counted in a block, made as slots are free, out of the queue when their end is in the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from monitor import crashpoint
from monitor.dispatch.queue import Waiting
from monitor.dispatch.settling import Bundle, Next, Settling, Shared
from monitor.dispatch.slots import USUAL, Slots
from monitor.notifiers._base import Notifier
from monitor.stores._base import Attempt

GATHER_S = 0.005
"""The end of an attempt waits so long for those of others, about a sync of the disk: its group has to wait as well."""


class Over(NamedTuple):
    """An attempt that is over."""

    bundle: Bundle
    then: Next
    ends: list[Attempt]


class InTurn(Settling):
    """The turns of one notifier's attempts. `channel.Channel` takes what is due, and makes them."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        super().__init__(name, notifier, shared)
        most = getattr(notifier, "at_once", USUAL)
        self._slots = Slots(USUAL, most, is_limited=self._pace.is_limited)
        self._counted: deque[tuple[Bundle, bool]] = deque()
        """Counted in the store, and waiting for a slot; the flag says which is the breaker's probe."""
        self._under_way = 0
        """Attempts that were begun and whose end is not in the store: what a kill may repeat."""
        self._open = 0
        """Attempts that are counted and whose end is not in the store."""
        self._over: list[Over] = []
        """Attempts that are over and wait for the next write."""
        self._is_writing = False
        self._many_over = asyncio.Event()
        """So many are over that to write them is worth a sync of the disk."""

    def _room(self) -> int:
        """How many attempts may be counted now."""
        free = self._slots.room - self._open
        # A block is counted when most of the one before has gone: many small ones cost the disk as much each.
        return free if 4 * free >= 3 * self._slots.room or not self._counted else 0

    def _is_left(self, waiting: Waiting, pending: Collection[str]) -> bool:
        if waiting.delivery.id in pending:
            return True
        self._queue.drop(waiting.delivery.id)
        return False

    def _wanted(self, bundle: Bundle, is_probe: bool) -> Bundle:
        """What was not superseded meanwhile."""
        wanted = []
        for waiting in bundle:
            if waiting.is_cancelled:
                self._queue.drop(waiting.delivery.id)
            else:
                wanted.append(waiting)
        if not wanted:
            self._breaker.abandoned(is_probe)
        return wanted

    def _launch(self) -> None:
        """Begins attempts that are counted, as far as slots are free."""
        while (next_ := self._begun()) is not None:
            self._tasks.begin(f"deliveries to {self.name}", self._work(*next_), self.attempts)

    def _begun(self) -> tuple[Bundle, bool] | None:
        """The next attempt, where a slot is free. It holds its slot until its end is in the store."""
        next_ = self._next() if self._under_way < self._slots.at_once else None
        if next_ is not None:
            self._under_way += 1
        return next_

    def _next(self) -> tuple[Bundle, bool] | None:
        """The next attempt that is counted and still wanted. Behind an open breaker all but the probe wait for their turn."""
        while self._counted and not self._is_stopping:
            bundle, is_probe = self._counted.popleft()
            wanted = self._wanted(bundle, is_probe)
            if not wanted:
                self._open -= 1
            elif self.off is not None or (self._breaker.is_open and not is_probe):
                self._breaker.abandoned(is_probe)
                self._give_back(wanted)
            else:
                return wanted, is_probe
        return None

    async def _work(self, bundle: Bundle, is_probe: bool) -> None:
        """Makes attempts, one after the other, until none is counted or no slot is free."""
        next_: tuple[Bundle, bool] | None = bundle, is_probe
        while next_ is not None:
            await self._attempt(*next_)
            self._trim()
            next_ = self._begun()
            self._launch()

    def _trim(self) -> None:
        """Gives back what is counted for a receiver that was fast and is not any more: something urgent may come."""
        while len(self._counted) > max(self._slots.room - self._slots.at_once, self._slots.at_once):
            bundle, is_probe = self._counted.pop()
            self._breaker.abandoned(is_probe)
            self._give_back(bundle)

    def _give_back(self, bundle: Bundle) -> None:
        """An attempt that is not made after all."""
        self._open -= 1
        for waiting in bundle:
            waiting.attempts -= 1
            self._queue.release(waiting, self._clock.monotonic_s())
        self._wake.set()

    async def _attempt(self, bundle: Bundle, is_probe: bool) -> None:
        raise NotImplementedError

    def _finish(self, over: Over) -> None:
        """Its end is written with those of others. What failed waits from now on, also while the store takes no end."""
        if over.then.state == "pending" and not over.then.is_late:
            self.at_work.difference_update(over.bundle)
        self._over.append(over)
        if 4 * len(self._over) >= 3 * self._under_way:
            self._many_over.set()
        if not self._is_writing:
            self._is_writing = True
            self._tasks.begin(f"ends of deliveries to {self.name}", self._write(), self.attempts)

    async def _write(self) -> None:
        """Writes the ends of attempts, all that there are together. Only then a delivery leaves the queue."""
        try:
            while self._over:
                if not self._many_over.is_set():
                    await self._gather()
                self._many_over.clear()
                over, self._over = self._over, []
                await self._ledger.ended([end for each in over for end in each.ends])
                crashpoint.reached("after mark", (self.name,))
                for each in over:
                    self._close(each)
                self._launch()
                self._wake.set()
        finally:
            self._is_writing = False

    async def _gather(self) -> None:
        """Waits a little for others that are under way: one by one they would cost the disk a sync each."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHER_S):
                await self._many_over.wait()

    def _close(self, over: Over) -> None:
        self._free(over.bundle)
        for waiting in over.bundle:
            self._end(waiting, over.then)

    def _free(self, bundle: Bundle) -> None:
        self._open -= 1
        self._under_way -= 1
        self.at_work.difference_update(bundle)

    def _end(self, waiting: Waiting, then: Next) -> None:
        """Takes a delivery out of the queue whose end is in the store, or puts it back."""
        id = waiting.delivery.id
        if waiting.is_asked_again:
            waiting.is_asked_again = False
            self._laggards.over(waiting)
            self._queue.retry(waiting, self._clock.monotonic_s())
        elif then.state != "pending" or waiting.is_cancelled:
            self._laggards.over(waiting)
            self._queue.drop(id)
        elif then.is_late and not waiting.is_late:
            self._laggards.begin(waiting)
            self._queue.set_aside(waiting, then.due_s)
        else:
            self._queue.retry(waiting, then.due_s, then.not_before_s)
