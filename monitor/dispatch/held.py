"""Notices that wait for the end of a quiet time of their route.

They stand in the store as pending, due at that end, and are not in the queue. What supersedes one drops it like any other.
After a restart or a reload each is judged by the quiet times of now. When its time is over it is sent as if just made.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from monitor.clock import Clock
from monitor.core.alerts.alert import Alert
from monitor.dispatch.ledger import Ledger
from monitor.stores._base import Delivery, Target

LOOK = timedelta(seconds=30)
"""The end is a time of the wall clock, which may be set meanwhile: so often it is looked at."""
AT_ONCE = 500
"""Deliveries in one transaction."""

Reroute = Callable[[Alert], tuple[Target, ...]]
"""Where an alert goes by the routes of now, and until when each target holds it."""


class HeldNotices:
    """All notices of a dispatcher that quiet times hold."""

    def __init__(
        self, ledger: Ledger, clock: Clock, reroute: Reroute, offer: Callable[[Iterable[Delivery]], None]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._reroute = reroute
        self._offer = offer
        self._by_id: dict[str, Delivery] = {}
        self._ends: list[tuple[datetime, str]] = []
        """A heap; it may hold entries that no longer count."""
        self._must_judge = True
        """The quiet times may be others than those by which they were held."""
        self._wake = asyncio.Event()

    def takes(self, delivery: Delivery) -> bool:
        """Keeps a delivery that is held. False for any other, which may be sent."""
        self.drop(delivery.id)
        if delivery.held_until is None:
            return False
        self._keep(delivery)
        self._wake.set()
        return True

    def drop(self, id: str) -> bool:
        """Forgets a delivery that was superseded, or that somebody wants now; True if it was here."""
        return self._by_id.pop(id, None) is not None

    def count(self, notifier: str) -> int:
        """How many a notifier has."""
        return sum(d.notifier == notifier for d in self._by_id.values())

    def judge_again(self) -> None:
        """The routes are others now: some may be held no longer, others until another time."""
        self._must_judge = True
        self._wake.set()

    async def watch(self) -> None:
        """Sends what is held no longer, until it is cancelled."""
        while True:
            self._wake.clear()
            if self._must_judge:
                self._must_judge = False
                await self._judge()
            await self._release()
            await self._wait()

    def _keep(self, delivery: Delivery) -> None:
        self._by_id[delivery.id] = delivery
        heapq.heappush(self._ends, (delivery.due_at, delivery.id))

    async def _judge(self) -> None:
        """Holds each until the time of now. What no route sends there any more is owed all the same, and goes."""
        moved: dict[str, datetime | None] = {}
        for delivery in list(self._by_id.values()):
            logged = await self._ledger.alert(delivery.alert)
            until = None if logged is None else _until(delivery, self._reroute(logged.alert))
            if until != delivery.due_at:
                moved[delivery.id] = until
        await self._move(moved)

    async def _release(self) -> None:
        now = self._clock.utc()
        over: dict[str, datetime | None] = {}
        while self._ends and self._ends[0][0] <= now:
            end, id = heapq.heappop(self._ends)
            if id in self._by_id and self._by_id[id].due_at == end:
                over[id] = None
        await self._move(over)

    async def _move(self, until: Mapping[str, datetime | None]) -> None:
        """Writes other ends down. What a commit supersedes meanwhile the store passes over, or it refuses the attempt."""
        ids = [id for id in until if id in self._by_id]
        for start in range(0, len(ids), AT_ONCE):
            some = {id: until[id] for id in ids[start : start + AT_ONCE] if self.drop(id)}
            self._offer(await self._ledger.held(some))

    async def _wait(self) -> None:
        """Until the next end, at most for a while, or until anything changed."""
        if not self._by_id:
            await self._wake.wait()
            return
        left = min(self._ends[0][0] - self._clock.utc(), LOOK) if self._ends else LOOK
        woken = asyncio.ensure_future(self._wake.wait())
        timer = asyncio.ensure_future(self._clock.sleep(max(left.total_seconds(), 0.0)))
        try:
            await asyncio.wait((woken, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()


def _until(delivery: Delivery, targets: Iterable[Target]) -> datetime | None:
    """Until when the target of a delivery holds its alert now."""
    key = delivery.notifier, delivery.to
    return next((t.until for t in targets if (t.notifier, t.to) == key), None)
