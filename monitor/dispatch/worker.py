"""Sends what is committed: takes due deliveries, counts the attempt durably, makes it, records how it ended.

Each notifier has its own loop, its own slots and its own breaker, so that a slow one delays nobody else. A delivery is
out of the queue only when its end is in the store: a crash at any place sends it again under the same id.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from monitor import crashpoint
from monitor.clock import Clock
from monitor.core.events.events import Noticed
from monitor.dispatch import backoff
from monitor.dispatch.breaker import Breaker
from monitor.dispatch.ledger import Ledger, Sleep
from monitor.dispatch.notices import Notices, Render
from monitor.dispatch.outage import Outage
from monitor.dispatch.queue import DeliveryQueue, Waiting
from monitor.notifiers._base import ChannelState, DeliveryError, Notifier
from monitor.stores._base import Attempt, Committed, Delivery, DeliveryState, Store
from monitor.telemetry import BoundedLog, Metrics

ATTEMPT_TIMEOUT_S = 60.0
"""The backstop behind the notifiers' own limits, which are shorter."""
ADMITTED_AT_ONCE = 500
"""Deliveries taken into the queue in one turn of the event loop, 3 us each: a storm's twenty thousand hold up nobody."""
LAST_WORD_S = 1.0
"""What the last attempts before a stop found out has this long to be told: a turn of the sequencer and a commit."""
_DETAIL_LENGTH = 500


class _Outcome(NamedTuple):
    """How an attempt ended. `retry`: it failed in a way that may pass."""

    detail: str
    is_delivered: bool = False
    retry: bool = False
    after_s: float | None = None


class _Channel:
    """One notifier at work."""

    def __init__(self, name: str, notifier: Notifier) -> None:
        self.name, self.notifier = name, notifier
        self.breaker = Breaker()
        self.outage = Outage(name)
        self.wake = asyncio.Event()
        self.attempts: set[asyncio.Task[None]] = set()
        self.delivered_at: datetime | None = None
        self.failed_at: datetime | None = None
        self.failure: str | None = None
        """What the last attempt that failed ended with."""


class Dispatcher:
    """Takes over what commits make due, and sends it.

    `on_event` is told when a channel fails or is back (Noticed, kind delivery.failing). The notifiers belong to the
    caller, who closes them after `stop`. `sleep` is for tests that move time.
    """

    def __init__(
        self,
        store: Store,
        notifiers: Mapping[str, Notifier],
        render: Render,
        clock: Clock,
        metrics: Metrics,
        on_event: Callable[[Noticed], Awaitable[None]] | None = None,
        *,
        concurrency: int = 8,
        attempt_timeout_s: float = ATTEMPT_TIMEOUT_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._clock, self._metrics, self._on_event = clock, metrics, on_event
        self._concurrency, self._attempt_timeout_s, self._sleep = concurrency, attempt_timeout_s, sleep
        self._ledger = Ledger(store, clock, sleep)
        self._notices = Notices(self._ledger, render)
        self._queue = DeliveryQueue()
        self._offered: deque[Delivery] = deque()
        """What a storm brought and the queue has not taken in yet. One that is superseded here is not started either."""
        self._channels = {name: _Channel(name, notifier) for name, notifier in notifiers.items()}
        self._attempted: set[Waiting] = set()
        """Those of the queue whose attempt is under way, or is over and not recorded yet."""
        self._loops: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._log = BoundedLog()
        self._is_stopping = False
        self._broken: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Loads what an earlier run left undelivered and begins to send."""
        self._broken = asyncio.get_running_loop().create_future()
        self.offer(await self._ledger.open_deliveries())
        for channel in self._channels.values():
            self._metrics.queue_depth.labels(channel.name).set_function(partial(self._queue.depth, channel.name))
            self._metrics.oldest_undelivered.labels(channel.name).set_function(partial(self._age_s, channel.name))
            self._begin(self._run(channel), self._loops)

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
        now_s, now = self._clock.monotonic_s(), self._clock.utc()
        for _ in range(min(len(self._offered), ADMITTED_AT_ONCE)):
            delivery = self._offered.popleft()
            if delivery.notifier in self._channels:
                self._queue.add(delivery, now_s + _wait_s(delivery, now))
            else:
                self._begin(self._refuse(delivery), self._errands)
        for channel in self._channels.values():
            channel.wake.set()
        if self._offered:
            asyncio.get_running_loop().call_soon(self._admit)

    def waiting(self) -> list[Delivery]:
        """What no attempt is being made for, oldest first."""
        return [*(w.delivery for w in self._queue.waiting() if w not in self._attempted), *self._offered]

    def channels(self, kinds: Mapping[str, str]) -> list[ChannelState]:
        """How each notifier does; `kinds` by name."""
        return [
            ChannelState(
                name, kinds.get(name, ""), c.breaker.is_open, self._queue.depth(name), self._queue.oldest(name),
                c.delivered_at, c.failed_at, c.failure,
            )
            for name, c in self._channels.items()
        ]  # fmt: skip

    async def watch(self) -> None:
        """Never returns; raises what broke a loop in here, so that the process can stop instead of going quiet."""
        assert self._broken is not None, "watch comes after start"
        await self._broken

    async def stop(self, timeout_s: float) -> None:
        """Begins nothing new, waits so long for attempts under way and cuts the rest off: they stay pending."""
        self._is_stopping = True
        self._offered.clear()
        for channel in self._channels.values():
            channel.wake.set()
        at_work = self._loops | {t for c in self._channels.values() for t in c.attempts}
        if at_work:
            await asyncio.wait(at_work, timeout=timeout_s)
        if self._errands:
            await asyncio.wait(set(self._errands), timeout=LAST_WORD_S)
        left = {t for t in at_work | self._errands if not t.done()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None], group: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)
        task.add_done_callback(self._report)
        return task

    def _report(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)

    def _age_s(self, name: str) -> float:
        oldest = self._queue.oldest(name)
        return 0.0 if oldest is None else max((self._clock.utc() - oldest).total_seconds(), 0.0)

    async def _run(self, channel: _Channel) -> None:
        """The loop of one notifier."""
        while not self._is_stopping:
            channel.wake.clear()
            batch = self._take(channel)
            if batch:
                await self._start(channel, batch)
            else:
                await self._wait(channel)

    def _take(self, channel: _Channel) -> list[tuple[Waiting, bool]]:
        """What may go now, the most urgent first, and whether it is the breaker's probe."""
        now_s = self._clock.monotonic_s()
        taken: list[tuple[Waiting, bool]] = []
        free = self._concurrency - len(channel.attempts)
        while len(taken) < free and channel.breaker.room(now_s, 1):
            waiting = self._queue.take(channel.name, now_s)
            if waiting is None:
                break
            taken.append((waiting, channel.breaker.started()))
        return taken

    async def _start(self, channel: _Channel, batch: Sequence[tuple[Waiting, bool]]) -> None:
        """Counts the attempts in one transaction, then makes those that are still wanted."""
        pending = set(await self._ledger.started([waiting.delivery.id for waiting, _ in batch]))
        for waiting, is_probe in batch:
            waiting.attempts += 1
            if waiting.delivery.id not in pending or waiting.is_cancelled:
                self._queue.drop(waiting.delivery.id)
                channel.breaker.abandoned(is_probe)
            elif not self._is_stopping:
                task = self._begin(self._attempt(channel, waiting, is_probe), channel.attempts)
                task.add_done_callback(lambda _: channel.wake.set())

    async def _wait(self, channel: _Channel) -> None:
        """Until something is due and may go, or until anything changed."""
        due_s = self._queue.next_due_s(channel.name)
        if channel.breaker.is_open and due_s is not None:
            probe_s = channel.breaker.next_probe_s
            due_s = None if probe_s is None else max(due_s, probe_s)
        if due_s is None or len(channel.attempts) >= self._concurrency:
            await channel.wake.wait()
            return
        woken = asyncio.ensure_future(channel.wake.wait())
        timer = asyncio.ensure_future(self._sleep(max(due_s - self._clock.monotonic_s(), 0.0)))
        try:
            await asyncio.wait((woken, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()

    async def _attempt(self, channel: _Channel, waiting: Waiting, is_probe: bool) -> None:
        """One attempt, from the sending to its durable end."""
        self._attempted.add(waiting)
        try:
            await self._attempted_once(channel, waiting, is_probe)
        finally:
            self._attempted.discard(waiting)

    async def _attempted_once(self, channel: _Channel, waiting: Waiting, is_probe: bool) -> None:
        at, began_s = self._clock.utc(), self._clock.monotonic_s()
        outcome = await self._send(channel, waiting)
        crashpoint.reached("after send")
        ended = self._settle(channel, waiting, is_probe, outcome)
        took_ms = (self._clock.monotonic_s() - began_s) * 1000
        await self._ledger.ended([
            Attempt(waiting.delivery.id, at, ended.state, outcome.detail[:_DETAIL_LENGTH], ended.due_at, took_ms)
        ])  # fmt: skip
        crashpoint.reached("after mark")
        if ended.state == "pending" and not waiting.is_cancelled:
            self._queue.retry(waiting, ended.due_s, ended.not_before_s)
        else:
            self._queue.drop(waiting.delivery.id)

    async def _send(self, channel: _Channel, waiting: Waiting) -> _Outcome:
        """Makes the attempt and says how it ended; raises nothing but its cancellation."""
        try:
            loaded = await self._notices.of(waiting.delivery)
            if loaded is None:
                return _Outcome("the alert is no longer in the log")
            notice, detected_at = loaded
            crashpoint.reached("before send")
            try:
                async with asyncio.timeout(self._attempt_timeout_s):
                    receipt = await channel.notifier.send(notice)
            finally:
                if waiting.attempts == 1:
                    waited_s = (self._clock.utc() - detected_at).total_seconds()
                    self._metrics.tick_to_sent.labels(channel.name).observe(max(waited_s, 0.0))
            return _Outcome(receipt.detail, is_delivered=True)
        except DeliveryError as e:
            return _Outcome(e.reason, retry=e.retry, after_s=e.after_s)
        except TimeoutError:
            return _Outcome(f"no end within {self._attempt_timeout_s:g} s", retry=True)
        except Exception as e:  # noqa: BLE001
            # A notifier is a plug-in and may raise anything. Passed on, that would end this channel's loop and so
            # silence it; taken as a failure that may pass, it is retried, recorded and told of on another channel.
            # Only where it happened is logged: the text of a stranger's error may hold an address with its key.
            frame = traceback.extract_tb(e.__traceback__)[-1]
            where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            self._log.warning(
                self._clock.monotonic_s(), f"{channel.name} {where}", "a notifier raised what it should not",
                notifier=channel.name, error=type(e).__name__, where=where,
            )  # fmt: skip
            return _Outcome(f"{type(e).__name__} at {where}", retry=True)

    def _settle(self, channel: _Channel, waiting: Waiting, is_probe: bool, outcome: _Outcome) -> _Ended:
        """What follows from an attempt: the delivery's state, the breaker, and what the desk is told."""
        now_s, now, delivery = self._clock.monotonic_s(), self._clock.utc(), waiting.delivery
        delay_s = backoff.delay_s(self._queue.severity(waiting), waiting.attempts, delivery.id)
        delay_s = max(delay_s, outcome.after_s or 0.0)
        due_at = now + timedelta(seconds=delay_s)
        is_pending = outcome.retry and not backoff.is_given_up(delivery.created_at, due_at)
        label = "delivered" if outcome.is_delivered else "retry" if is_pending else "failed"
        self._metrics.attempts.labels(channel.name, label).inc()
        if outcome.retry:
            channel.breaker.failed(now_s, is_probe)
        elif channel.breaker.answered():
            self._queue.call_forward(channel.name, now_s)
        if outcome.is_delivered:
            channel.delivered_at = now
            self._tell(channel.outage.delivered(now_s, now))
            return _Ended("delivered", now, now_s, 0.0)
        channel.failed_at, channel.failure = now, outcome.detail[:_DETAIL_LENGTH]
        self._log.warning(
            now_s, f"{channel.name} {label}", "a delivery failed", notifier=channel.name, alert=delivery.alert,
            about=delivery.subject, reason=outcome.detail, attempts=waiting.attempts, gave_up=not is_pending,
        )  # fmt: skip
        self._tell(channel.outage.failed(now_s, now, delivery, outcome.detail, for_good=not is_pending))
        if not is_pending:
            return _Ended("failed", now, now_s, 0.0)
        return _Ended("pending", due_at, now_s + delay_s, now_s + (outcome.after_s or 0.0))

    def _tell(self, event: Noticed | None) -> None:
        """On its own, as the sequencer may wait for the very store that the caller waits for."""
        if event is not None and self._on_event is not None:
            self._begin(_as_coroutine(self._on_event(event)), self._errands)

    async def _refuse(self, delivery: Delivery) -> None:
        """A delivery to a notifier that the configuration no longer has: recorded as failed, and told of."""
        reason = "no notifier of that name is configured"
        now_s, now = self._clock.monotonic_s(), self._clock.utc()
        self._log.warning(now_s, f"no {delivery.notifier}", reason, notifier=delivery.notifier, alert=delivery.alert)
        self._tell(Outage(delivery.notifier).failed(now_s, now, delivery, reason, for_good=True))
        await self._ledger.ended([Attempt(delivery.id, now, "failed", reason, now)])


class _Ended(NamedTuple):
    """What follows from an attempt: `due_at` for the store, the monotonic `due_s` and `not_before_s` for the queue."""

    state: DeliveryState
    due_at: datetime
    due_s: float
    not_before_s: float


def _wait_s(delivery: Delivery, now: datetime) -> float:
    """How long a delivery that comes from the store has to wait.

    Its due time is of the wall clock, which may have been set back since; commits go on in a time that is then ahead of
    it. So a first attempt never waits, and another one no longer than its schedule ever does.
    """
    if not delivery.attempts:
        return 0.0
    return min(max((delivery.due_at - now).total_seconds(), 0.0), backoff.longest_s(delivery.severity))


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
