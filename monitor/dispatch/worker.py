"""Takes over what commits make due and lets each channel send it. Read `channel.py` next: it makes the attempts."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec

from monitor.core.alerts.catalogue import DELIVERY_FAILING
from monitor.core.events.events import Noticed
from monitor.dispatch import backoff, switch
from monitor.dispatch.batch_channel import channel_for
from monitor.dispatch.channel import Channel, Setting, Shared
from monitor.dispatch.held import HeldNotices, Reroute
from monitor.dispatch.ledger import Ledger
from monitor.dispatch.notices import Address, Aside, Notices, Public, Render
from monitor.dispatch.outage import Outage
from monitor.dispatch.outages import Outages
from monitor.dispatch.queue import DeliveryQueue
from monitor.dispatch.refresher import Refreshers
from monitor.notifiers._base import ChannelState, Notifier
from monitor.running import Running, Task
from monitor.stores._base import Attempt, Audit, Committed, Delivery, Switched
from monitor.telemetry import BoundedLog, log

ADMITTED_AT_ONCE = 500
"""Deliveries taken into the queue in one turn of the event loop, 3 us each: a storm's twenty thousand hold up nobody."""
LAST_WORD_S = 1.0
"""At a stop, news of the last attempts has this long to reach core: a turn of the sequencer and a commit."""

Tell = Callable[[Noticed], Coroutine[Any, Any, None]]
"""Hears that a channel fails or is back (Noticed, kind delivery.failing)."""


class Around(NamedTuple):
    """What a dispatcher asks of the daemon around it."""

    tell: Tell
    reroute: Reroute
    address: Address | None = None
    aside: Aside | None = None
    public: Public = tuple


class Dispatcher:
    """All channels at work. The notifiers belong to the caller, who closes them after `stop`."""

    def __init__(
        self,
        running: Running,
        notifiers: Mapping[str, Notifier],
        render: Render,
        desk: Around,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        self._clock = running.clock
        self._metrics = running.metrics
        self._tasks = running.tasks
        self._hear = desk.tell
        self._reroute = desk.reroute
        self._settings = settings or {}
        self._ledger = Ledger(running.store, running.clock)
        self._notices = Notices(self._ledger, render, desk.address, desk.aside, desk.public)
        self._queue = DeliveryQueue()
        self._offered: deque[Delivery] = deque()
        """What a storm brought and the queue has not taken in yet. One that is superseded here is not started either."""
        self._log = BoundedLog()
        self._outages = Outages(self._say)
        self._shared = Shared(
            running, self._queue, self._ledger, self._notices, self._log, self._tell, self.offer, self._settings
        )
        self._channels = {name: channel_for(name, notifier, self._shared) for name, notifier in notifiers.items()}
        self._refreshers = Refreshers(running, self._log)
        self.quiet = HeldNotices(self._ledger, running.clock, desk.reroute, self.offer)
        """What quiet times hold."""
        self._held: set[str] = set()
        """Notifiers that are switched off: what waits for them stays where it is."""
        self._loops: set[Task] = set()
        self._loop_of: dict[str, Task] = {}
        self._errands: set[Task] = set()
        self._watches: set[Task] = set()
        self._is_stopping = False

    async def start(self) -> None:
        """Loads what an earlier run left undelivered and begins to send.

        What waits for a notifier that is gone goes where its alert would go now.
        """
        waiting = await self._ledger.open_deliveries()
        gone = Counter(d.notifier for d in waiting if d.notifier not in {*self._channels, *self._held})
        for name, count in gone.items():
            log.warning(
                "a notifier is gone while notices wait: they go by the routes of now", notifier=name, waiting=count
            )
        await self._switch()
        self.offer(waiting)
        for name in self._channels.keys() - self._loop_of.keys():
            self._begin(name)
        self._tasks.begin("channels that are off", self._repeat(), self._watches)
        self._tasks.begin("held notices", self.quiet.watch(), self._watches)

    def _begin(self, name: str) -> None:
        self._metrics.queue_depth.labels(name).set_function(partial(self._queue.depth, name))
        self._metrics.oldest_undelivered.labels(name).set_function(partial(self._age_s, name))
        self._loop_of[name] = self._tasks.begin(f"deliveries to {name}", self._channels[name].run(), self._loops)
        self._refreshers.begin(name, self._channels[name].notifier)
        self._tasks.begin(f"fallback of {name}", self._channels[name].watch(), self._watches)

    async def _switch(self) -> None:
        """Takes up what is switched off; a channel whose configuration changed since is switched on."""
        for switched in await self._ledger.switched_off():
            channel = self._channels.get(switched.notifier)
            if channel is not None and switched.digest == self._settings.get(switched.notifier, Setting()).digest:
                channel.off = switched
            elif channel is not None:
                log.info("a channel is switched on: its configuration changed", notifier=switched.notifier)
                await channel.switch_on()
            elif switched.notifier not in self._held:
                await self._ledger.switch_on(switched.notifier)

    async def _repeat(self) -> None:
        """Says each day of each channel that is off that it is."""
        while not self._is_stopping:
            for channel in self._channels.values():
                channel.tell_off()
            await self._clock.sleep(switch.LOOK_S)

    async def enable(self, name: str, audit: Audit | None = None) -> bool:
        """Switches a channel on and sends what waits; False where it was on."""
        channel = self._channels[name]
        if channel.off is None:
            return False
        await channel.switch_on(audit)
        return True

    async def disable(self, name: str, reason: str, audit: Audit | None = None) -> bool:
        """Switches a channel off; False where it was off."""
        channel = self._channels[name]
        if channel.off is not None:
            return False
        digest = self._settings.get(name, Setting()).digest
        at = self._clock.utc() if audit is None else audit.at
        await channel.switch_off(Switched(name, at, reason, digest), audit)
        return True

    # -- channels that come and go while the others send --

    def hold(self, names: Iterable[str]) -> None:
        """What waits for these is neither sent nor moved. Call it before `start`, or after `remove`."""
        self._held |= set(names)

    async def add(self, name: str, notifier: Notifier) -> None:
        """Sends through one more notifier, beginning with what waits for it in the store."""
        self._held.discard(name)
        self._channels[name] = channel_for(name, notifier, self._shared)
        self._begin(name)
        self.offer([d for d in await self._ledger.open_deliveries() if d.notifier == name])

    async def remove(self, name: str, timeout_s: float) -> None:
        """Sends through a notifier no longer. Attempts under way have `timeout_s`; what is undelivered stays pending."""
        channel = self._channels.pop(name, None)
        self._held.add(name)
        if channel is None:
            return
        self._refreshers.end(name)
        channel.stop()
        left = await _ended({self._loop_of.pop(name)}, [channel], timeout_s)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for waiting in self._queue.waiting():
            if waiting.delivery.notifier == name:
                self._queue.drop(waiting.delivery.id)
        for gauge in (self._metrics.queue_depth, self._metrics.oldest_undelivered):
            gauge.remove(name)

    def change(self, name: str, notifier: Notifier) -> None:
        """Makes the next attempts of a channel with another notifier; those under way end with the one before."""
        if name in self._channels:
            self._channels[name].use(notifier)
            self._refreshers.begin(name, notifier)

    async def give_away(self, name: str) -> None:
        """After `remove`: what waits for a notifier that is gone for good goes where its alerts would go now."""
        self._held.discard(name)
        self.offer([d for d in await self._ledger.open_deliveries() if d.notifier == name])

    def take_over(self, committed: Committed) -> None:
        """Drops what a commit superseded and offers what it made due. Called from the event loop; never waits."""
        if self._is_stopping:
            return
        for id in committed.cancelled:
            if self._queue.cancel(id) or self.quiet.drop(id):
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
            if delivery.notifier in self._channels and self.quiet.takes(delivery):
                continue
            if delivery.notifier in self._channels:
                wait_s = _wait_s(delivery, now)
                due_s = now_s + wait_s if wait_s else self._channels[delivery.notifier].due_s(delivery, now_s)
                waiting = self._queue.add(delivery, due_s)
                if waiting is not None and delivery.gather and delivery.attempts:
                    self._channels[delivery.notifier].gather_again(waiting)
            elif delivery.notifier not in self._held:
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
        states = (channel.state(kinds.get(name, "")) for name, channel in self._channels.items())
        return [msgspec.structs.replace(state, held=self.quiet.count(state.name)) for state in states]

    async def stop(self, timeout_s: float) -> None:
        """Begins nothing new, waits `timeout_s` for attempts under way and cuts the rest off: they stay pending."""
        self._is_stopping = True
        self._offered.clear()
        self._refreshers.end_all()
        for channel in self._channels.values():
            channel.stop()
        at_work = await _ended(self._loops, list(self._channels.values()), timeout_s)
        self._outages.flush(self._clock.utc())
        errands = self._errands | {t for c in self._channels.values() for t in c.errands}
        if errands:
            await asyncio.wait(errands, timeout=LAST_WORD_S)
        left = {t for t in at_work | errands | self._errands | self._watches if not t.done()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _age_s(self, name: str) -> float:
        oldest = self._queue.oldest(name)
        return 0.0 if oldest is None else max((self._clock.utc() - oldest).total_seconds(), 0.0)

    def _tell(self, event: Noticed | None) -> None:
        """Tells of a channel; one that fails is told of with those that fail within some seconds of it."""
        if event is None:
            return
        if event.kind == DELIVERY_FAILING and not event.clears:
            if self._outages.add(event, self._clock.monotonic_s()):
                self._tasks.begin("word of channels that fail", self._tell_together(), self._watches)
        elif event.kind != DELIVERY_FAILING or not self._outages.over(event.subject):
            self._say(event)

    def _say(self, event: Noticed) -> None:
        """Tells in a task of its own, as the sequencer may wait for the same store as the caller."""
        self._tasks.begin("word of a channel", self._hear(event), self._errands)

    async def _tell_together(self) -> None:
        while (wait_s := self._outages.wait_s(self._clock.monotonic_s())) > 0:
            await self._clock.sleep(wait_s)
        self._outages.flush(self._clock.utc())

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


async def _ended(loops: set[Task], channels: Sequence[Channel], timeout_s: float) -> set[Task]:
    """Waits for attempts under way, and for their ends to be written; returns what is still at work after that time."""
    clock = asyncio.get_running_loop()
    until_s = clock.time() + timeout_s
    while True:
        at_work = {t for t in (*loops, *(t for channel in channels for t in channel.attempts)) if not t.done()}
        left_s = until_s - clock.time()
        if not at_work or left_s <= 0:
            return at_work
        await asyncio.wait(at_work, timeout=left_s)


def _wait_s(delivery: Delivery, now: datetime) -> float:
    """How long a delivery that comes from the store has to wait.

    The wall clock gave its due time and may have been set back since. So a first attempt never waits, and a later one
    waits no longer than the longest step of its schedule.
    """
    if not delivery.attempts:
        return 0.0
    return min(max((delivery.due_at - now).total_seconds(), 0.0), backoff.longest_s(delivery.severity))
