"""Takes over what commits make due and lets each channel send it. Read `channel.py` next: it makes the attempts."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from monitor.core.alerts.alert import Alert
from monitor.core.events.events import Noticed
from monitor.dispatch import backoff
from monitor.dispatch.channel import Channel, Shared
from monitor.dispatch.ledger import Ledger
from monitor.dispatch.notices import Address, Notices, Render
from monitor.dispatch.outage import Outage
from monitor.dispatch.queue import DeliveryQueue
from monitor.notifiers._base import ChannelState, Notifier
from monitor.running import Running, Task
from monitor.stores._base import Attempt, Committed, Delivery, Target
from monitor.telemetry import BoundedLog, log

ADMITTED_AT_ONCE = 500
"""Deliveries taken into the queue in one turn of the event loop, 3 us each: a storm's twenty thousand hold up nobody."""
LAST_WORD_S = 1.0
"""At a stop, news of the last attempts has this long to reach core: a turn of the sequencer and a commit."""

Reroute = Callable[[Alert], tuple[Target, ...]]
"""Where an alert goes by the routes and notifiers of now."""

Tell = Callable[[Noticed], Coroutine[Any, Any, None]]
"""Hears that a channel fails or is back (Noticed, kind delivery.failing)."""


class Dispatcher:
    """All channels at work. The notifiers belong to the caller, who closes them after `stop`."""

    def __init__(
        self,
        running: Running,
        notifiers: Mapping[str, Notifier],
        render: Render,
        tell: Tell,
        reroute: Reroute,
        address: Address | None = None,
    ) -> None:
        self._clock = running.clock
        self._metrics = running.metrics
        self._tasks = running.tasks
        self._hear = tell
        self._reroute = reroute
        self._ledger = Ledger(running.store, running.clock)
        self._notices = Notices(self._ledger, render, address)
        self._queue = DeliveryQueue()
        self._offered: deque[Delivery] = deque()
        """What a storm brought and the queue has not taken in yet. One that is superseded here is not started either."""
        self._log = BoundedLog()
        shared = Shared(running, self._queue, self._ledger, self._notices, self._log, self._tell)
        self._channels = {name: Channel(name, notifier, shared) for name, notifier in notifiers.items()}
        self._loops: set[Task] = set()
        self._errands: set[Task] = set()
        self._is_stopping = False

    async def start(self) -> None:
        """Loads what an earlier run left undelivered and begins to send.

        What waits for a notifier that is gone goes where its alert would go now.
        """
        waiting = await self._ledger.open_deliveries()
        gone = Counter(d.notifier for d in waiting if d.notifier not in self._channels)
        for name, count in gone.items():
            log.warning(
                "a notifier is gone while notices wait: they go by the routes of now", notifier=name, waiting=count
            )
        self.offer(waiting)
        for name, channel in self._channels.items():
            self._metrics.queue_depth.labels(name).set_function(partial(self._queue.depth, name))
            self._metrics.oldest_undelivered.labels(name).set_function(partial(self._age_s, name))
            self._tasks.begin(f"deliveries to {name}", channel.run(), self._loops)

    def take_over(self, committed: Committed) -> None:
        """Drops what a commit superseded and offers what it made due. Called from the event loop; never waits."""
        if self._is_stopping:
            return
        for id in committed.cancelled:
            if self._queue.cancel(id):
                self._metrics.superseded.inc()
        self._notices.keep(committed)
        self.offer(committed.deliveries)

    def offer(self, deliveries: Iterable[Delivery]) -> None:
        """Takes deliveries whose alerts are in the store. Called from the event loop; never waits."""
        if self._is_stopping:
            return
        is_admitting = bool(self._offered)
        self._offered.extend(deliveries)
        if not is_admitting:
            self._admit()

    def _admit(self) -> None:
        """Takes in the next ones in the order in which they were offered, and the rest in later turns of the loop."""
        now_s = self._clock.monotonic_s()
        now = self._clock.utc()
        for _ in range(min(len(self._offered), ADMITTED_AT_ONCE)):
            delivery = self._offered.popleft()
            if delivery.notifier in self._channels:
                self._queue.add(delivery, now_s + _wait_s(delivery, now))
            else:
                self._tasks.begin("move of a delivery", self._move(delivery), self._errands)
        for channel in self._channels.values():
            channel.wake()
        if self._offered:
            asyncio.get_running_loop().call_soon(self._admit)

    def waiting(self) -> list[Delivery]:
        """Deliveries without an attempt under way, oldest first."""
        at_work = {waiting for channel in self._channels.values() for waiting in channel.at_work}
        return [*(w.delivery for w in self._queue.waiting() if w not in at_work), *self._offered]

    def channels(self, kinds: Mapping[str, str]) -> list[ChannelState]:
        """How each notifier does; `kinds` by name."""
        return [channel.state(kinds.get(name, "")) for name, channel in self._channels.items()]

    async def stop(self, timeout_s: float) -> None:
        """Begins nothing new, waits `timeout_s` for attempts under way and cuts the rest off: they stay pending."""
        self._is_stopping = True
        self._offered.clear()
        for channel in self._channels.values():
            channel.stop()
        at_work = self._loops | {t for c in self._channels.values() for t in c.attempts}
        if at_work:
            await asyncio.wait(at_work, timeout=timeout_s)
        if self._errands:
            await asyncio.wait(set(self._errands), timeout=LAST_WORD_S)
        left = {t for t in at_work | self._errands if not t.done()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _age_s(self, name: str) -> float:
        oldest = self._queue.oldest(name)
        return 0.0 if oldest is None else max((self._clock.utc() - oldest).total_seconds(), 0.0)

    def _tell(self, event: Noticed | None) -> None:
        """Tells in a task of its own, as the sequencer may wait for the same store as the caller."""
        if event is not None:
            self._tasks.begin("word of a channel", self._hear(event), self._errands)

    async def _move(self, delivery: Delivery) -> None:
        """A delivery to a notifier that the configuration no longer has. Where nobody else takes it, it is lost and told."""
        logged = await self._ledger.alert(delivery.alert)
        targets = [t for t in self._reroute(logged.alert) if t.notifier in self._channels] if logged is not None else []
        if targets:
            self.offer(await self._ledger.moved(delivery, targets))
            return
        reason = f"no notifier {delivery.notifier!r} is configured any more, and no route sends the notice elsewhere"
        now_s = self._clock.monotonic_s()
        now = self._clock.utc()
        self._log.warning(now_s, f"no {delivery.notifier}", reason, notifier=delivery.notifier, alert=delivery.alert)
        self._tell(Outage(delivery.notifier).lost(now, delivery, reason))
        await self._ledger.ended([Attempt(delivery.id, now, "failed", reason, now)])


def _wait_s(delivery: Delivery, now: datetime) -> float:
    """How long a delivery that comes from the store has to wait.

    The wall clock gave its due time and may have been set back since. So a first attempt never waits, and a later one
    waits no longer than the longest step of its schedule.
    """
    if not delivery.attempts:
        return 0.0
    return min(max((delivery.due_at - now).total_seconds(), 0.0), backoff.longest_s(delivery.severity))
