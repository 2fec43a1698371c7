"""One notifier at work: takes what is due, counts the attempt durably, makes it, and records how it ended.

A delivery is out of the queue only when its end is in the store: a crash at any place sends it again under the same id.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor import crashpoint
from monitor.core.events.events import Noticed
from monitor.dispatch import backoff
from monitor.dispatch.breaker import Breaker
from monitor.dispatch.laggards import Laggards
from monitor.dispatch.ledger import Ledger
from monitor.dispatch.notices import Notices
from monitor.dispatch.outage import Outage
from monitor.dispatch.queue import DeliveryQueue, Waiting
from monitor.dispatch.refusals import DoubtfulAnswers
from monitor.notifiers._base import ChannelState, DeliveryError, Fault, Notice, Notifier, Receipt, RefusedRecipient
from monitor.running import Running, Task
from monitor.stores._base import Attempt, Delivery, DeliveryState
from monitor.telemetry import BoundedLog

AT_ONCE = 8
"""Attempts of one notifier under way together: a relay that takes a second serves a storm of 500 in a minute."""
ATTEMPT_TIMEOUT_S = 60.0
"""The backstop behind the notifiers' own limits, which are shorter."""
LATE_AFTER = 3
"""A recipient who is put off so often while others have the notice is told of."""
_DETAIL_LENGTH = 500


class Shared(NamedTuple):
    """What all channels of a dispatcher work with."""

    running: Running
    queue: DeliveryQueue
    ledger: Ledger
    notices: Notices
    log: BoundedLog
    tell: Callable[[Noticed | None], None]
    """Tells the desk how a channel does, without waiting."""


class _Answer(NamedTuple):
    """How an attempt ended; `fault` is None where it went through."""

    detail: str
    fault: Fault | None = None
    receipt: Receipt = Receipt()
    error: DeliveryError | None = None
    deadline: datetime | None = None
    """The time to act ends then, by what the notice says."""


class _Next(NamedTuple):
    """What follows from an attempt: `due_at` for the store, the monotonic `due_s` and `not_before_s` for the queue."""

    state: DeliveryState
    due_at: datetime
    due_s: float
    not_before_s: float = 0.0
    is_late: bool = False
    """Only the recipients who do not have it yet are asked again."""


_TOO_LATE = _Answer("partial: the other recipients have a newer notice")


class Channel:
    """One notifier with its own loop, its own slots and its own breaker: a slow one delays no other."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        self.name = name
        self.attempts: set[Task] = set()
        self.at_work: set[Waiting] = set()
        """Those whose attempt is under way, or is over and not recorded yet."""
        self._notifier = notifier
        self._queue = shared.queue
        self._ledger = shared.ledger
        self._notices = shared.notices
        self._clock = shared.running.clock
        self._metrics = shared.running.metrics
        self._tasks = shared.running.tasks
        self._log = shared.log
        self._tell = shared.tell
        self._breaker = Breaker()
        self._outage = Outage(name)
        self._refusals = DoubtfulAnswers()
        self._laggards = Laggards()
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._delivered_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._failure: str | None = None
        """What the last attempt that failed ended with."""

    @property
    def notifier(self) -> Notifier:
        """The one that makes the next attempts."""
        return self._notifier

    def state(self, kind: str) -> ChannelState:
        """How the notifier does."""
        return ChannelState(
            self.name,
            kind,
            self._breaker.is_open,
            self._queue.depth(self.name),
            self._queue.oldest(self.name),
            self._delivered_at,
            self._failed_at,
            self._failure,
        )

    def use(self, notifier: Notifier) -> None:
        """Makes the next attempts with another notifier."""
        self._notifier = notifier

    def wake(self) -> None:
        """Something may be due now."""
        self._wake.set()

    def stop(self) -> None:
        """Begins nothing more."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Sends until `stop`."""
        while not self._is_stopping:
            self._wake.clear()
            batch = self._take()
            if batch:
                await self._start(batch)
            else:
                await self._wait()

    def _take(self) -> list[tuple[Waiting, bool]]:
        """What may go now, the most urgent first, and whether it is the breaker's probe."""
        now_s = self._clock.monotonic_s()
        taken: list[tuple[Waiting, bool]] = []
        free = AT_ONCE - len(self.attempts)
        while len(taken) < free and self._breaker.room(now_s, 1):
            waiting = self._queue.take(self.name, now_s)
            if waiting is None:
                break
            taken.append((waiting, self._breaker.started()))
        return taken

    async def _start(self, batch: Sequence[tuple[Waiting, bool]]) -> None:
        """Counts the attempts in one transaction, then makes those that are still wanted."""
        pending = set(await self._ledger.started([waiting.delivery.id for waiting, _ in batch]))
        for waiting, is_probe in batch:
            waiting.attempts += 1
            if waiting.delivery.id not in pending or waiting.is_cancelled:
                self._queue.drop(waiting.delivery.id)
                self._breaker.abandoned(is_probe)
            elif not self._is_stopping:
                name = f"delivery to {self.name}"
                task = self._tasks.begin(name, self._attempt(waiting, is_probe), self.attempts)
                task.add_done_callback(lambda _: self._wake.set())

    async def _wait(self) -> None:
        """Until something is due and may go, or until anything changed."""
        due_s = self._queue.next_due_s(self.name)
        if self._breaker.is_open and due_s is not None:
            probe_s = self._breaker.next_probe_s
            due_s = None if probe_s is None else max(due_s, probe_s)
        if due_s is None or len(self.attempts) >= AT_ONCE:
            await self._wake.wait()
            return
        woken = asyncio.ensure_future(self._wake.wait())
        timer = asyncio.ensure_future(self._clock.sleep(max(due_s - self._clock.monotonic_s(), 0.0)))
        try:
            await asyncio.wait((woken, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()

    async def _attempt(self, waiting: Waiting, is_probe: bool) -> None:
        """One attempt, from the sending to its durable end."""
        self.at_work.add(waiting)
        try:
            await self._attempt_once(waiting, is_probe)
        finally:
            self.at_work.discard(waiting)

    async def _attempt_once(self, waiting: Waiting, is_probe: bool) -> None:
        id = waiting.delivery.id
        at = self._clock.utc()
        began_s = self._clock.monotonic_s()
        answer = _TOO_LATE if self._laggards.is_overtaken(waiting) else await self._send(waiting)
        crashpoint.reached("after send")
        then = self._settle(waiting, is_probe, answer)
        took_ms = (self._clock.monotonic_s() - began_s) * 1000
        await self._ledger.ended([Attempt(id, at, then.state, answer.detail[:_DETAIL_LENGTH], then.due_at, took_ms)])
        crashpoint.reached("after mark")
        if then.state != "pending" or waiting.is_cancelled:
            self._laggards.over(waiting)
            self._queue.drop(id)
        elif then.is_late and not waiting.is_late:
            self._laggards.begin(waiting)
            self._queue.set_aside(waiting, then.due_s)
        else:
            self._queue.retry(waiting, then.due_s, then.not_before_s)

    async def _send(self, waiting: Waiting) -> _Answer:
        """Makes the attempt and says how it ended; raises nothing but its cancellation."""
        deadline = None
        try:
            found = await self._notices.of(waiting.delivery)
            if found is None:
                return _Answer("the alert is no longer in the log", Fault.NOTICE)
            deadline = _deadline(found.notice)
            crashpoint.reached("before send")
            try:
                async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                    receipt = await self._notifier.send(found.notice)
            finally:
                if waiting.attempts == 1:
                    waited_s = (self._clock.utc() - found.detected_at).total_seconds()
                    self._metrics.tick_to_sent.labels(self.name).observe(max(waited_s, 0.0))
            return _Answer(receipt.detail, None, receipt)
        except DeliveryError as e:
            return _Answer(e.reason, self._fault(waiting, e), error=e, deadline=deadline)
        except TimeoutError:
            return _Answer(f"no end within {ATTEMPT_TIMEOUT_S:g} s", Fault.PASSING, deadline=deadline)
        except Exception as e:  # noqa: BLE001
            # A notifier is a plug-in and may raise anything. Passed on, the error would end this channel's loop and
            # silence it. As a failure that may pass it is retried, recorded, and told of on another channel. The log
            # says only where it happened, as the text of a foreign error may hold an address with its key.
            frame = traceback.extract_tb(e.__traceback__)[-1]
            where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            facts = {"notifier": self.name, "error": type(e).__name__, "where": where}
            now_s = self._clock.monotonic_s()
            self._log.warning(now_s, f"{self.name} {where}", "a notifier raised what it should not", **facts)
            return _Answer(f"{type(e).__name__} at {where}", Fault.PASSING, deadline=deadline)

    def _fault(self, waiting: Waiting, error: DeliveryError) -> Fault:
        """Whose fault it is: a doubtful answer is judged by what happened to other notices."""
        if error.fault is not Fault.DOUBTFUL:
            return error.fault
        return self._refusals.judge(waiting.delivery.id, error.answer)

    def _settle(self, waiting: Waiting, is_probe: bool, answer: _Answer) -> _Next:
        """What follows from an attempt: the delivery's state, the breaker, and what the desk is told."""
        now_s = self._clock.monotonic_s()
        now = self._clock.utc()
        is_late = waiting.is_late or bool(answer.error and answer.error.receipt.took)
        self._break_or_mend(now_s, is_probe, None if is_late else answer.fault)
        if answer.fault is None:
            return self._delivered(waiting, answer.receipt, now_s, now)
        delivery, severity = waiting.delivery, self._queue.severity(waiting)
        asked_s = answer.error.after_s if answer.error is not None else None
        left = answer.deadline - now if answer.deadline is not None else None
        pause_s = backoff.pause_s(severity, asked_s, left)
        delay_s = max(backoff.delay_s(severity, waiting.attempts, delivery.id), pause_s)
        due_at = now + timedelta(seconds=delay_s)
        is_over = answer.fault is Fault.NOTICE or backoff.is_given_up(severity, delivery.created_at, due_at)
        self._metrics.attempts.labels(self.name, "failed" if is_over else "retry").inc()
        self._failed_at = now
        self._failure = answer.detail[:_DETAIL_LENGTH]
        about = {"notifier": self.name, "alert": delivery.alert, "about": delivery.subject}
        how = {"reason": answer.detail, "attempts": waiting.attempts, "gave_up": is_over}
        self._log.warning(now_s, f"{self.name} {'failed' if is_over else 'retry'}", "a delivery failed", **about, **how)
        if is_late:
            self._tell_all(self._outage.refused(now, delivery, _refusing(waiting, answer)))
            # The others have it: it is delivered in part, and not lost.
            return _Next("delivered" if is_over else "pending", due_at, now_s + delay_s, is_late=True)
        self._tell_of_failure(delivery, answer, now_s, now, is_lost=is_over)
        if is_over:
            return _Next("failed", now, now_s)
        return _Next("pending", due_at, now_s + delay_s, now_s + pause_s)

    def _break_or_mend(self, now_s: float, is_probe: bool, fault: Fault | None) -> None:
        """Opens the breaker, or closes it and sends all that waits, the newest of each group first."""
        if fault is Fault.PASSING:
            self._breaker.failed(now_s, is_probe)
        elif fault is Fault.CHANNEL:
            self._breaker.refused(now_s)
        elif fault is Fault.DOUBTFUL:
            self._breaker.doubted(now_s, is_probe)
        elif self._breaker.answered():
            self._queue.call_forward(self.name, now_s)

    def _delivered(self, waiting: Waiting, receipt: Receipt, now_s: float, now: datetime) -> _Next:
        self._refusals.passed(waiting.delivery.id)
        self._metrics.attempts.labels(self.name, "partial" if receipt.refused else "delivered").inc()
        self._delivered_at = now
        self._laggards.passed(waiting)
        self._tell_all(self._outage.delivered(now_s, now, receipt))
        self._tell_all(self._outage.refused(now, waiting.delivery, receipt.refused))
        return _Next("delivered", now, now_s)

    def _tell_all(self, events: Iterable[Noticed]) -> None:
        for event in events:
            self._tell(event)

    def _tell_of_failure(
        self, delivery: Delivery, answer: _Answer, now_s: float, now: datetime, *, is_lost: bool
    ) -> None:
        """A failing channel, recipients who refuse, a lost notice: one hides no other."""
        refused = answer.error.receipt.refused if answer.error is not None else ()
        if answer.fault is not Fault.NOTICE:
            at_once = answer.fault is Fault.CHANNEL
            self._tell(self._outage.failed(now_s, now, delivery, answer.detail, at_once=at_once))
        self._tell_all(self._outage.refused(now, delivery, refused))
        if is_lost:
            self._tell(self._outage.lost(now, delivery, answer.detail))


def _refusing(waiting: Waiting, answer: _Answer) -> tuple[RefusedRecipient, ...]:
    """Who refuses a notice that others have: for good, or each time for so long that somebody must know."""
    if answer.error is None:
        return ()
    refused = answer.error.receipt.refused
    later = answer.error.receipt.later if waiting.attempts >= LATE_AFTER else ()
    return (*refused, *later)


def _deadline(notice: Notice) -> datetime | None:
    """When the time to act ends, where the notice is about a grace period."""
    stated = notice.data.get("deadline")
    try:
        return datetime.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None
