"""One notifier at work: takes what is due, counts the attempt durably, makes it, and records how it ended.

A delivery is out of the queue only when its end is in the store: a crash at any place sends it again under the same id.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor import crashpoint
from monitor.channel_rules import ChannelRules
from monitor.core.alerts.catalogue import CRITICAL, SEVERITY_RANK
from monitor.core.events.events import Noticed
from monitor.dispatch import backoff
from monitor.dispatch.breaker import Breaker
from monitor.dispatch.digests import Digests, digest, digest_id
from monitor.dispatch.fallback import LOOK_S, Fallback
from monitor.dispatch.laggards import Laggards
from monitor.dispatch.ledger import Ledger
from monitor.dispatch.notices import Notices, Shown
from monitor.dispatch.outage import Outage
from monitor.dispatch.pace import Pace
from monitor.dispatch.queue import DeliveryQueue, Waiting
from monitor.dispatch.refusals import DoubtfulAnswers
from monitor.dispatch.switch import Gone, off_event, on_event
from monitor.notifiers._base import (
    ChannelState,
    DeliveryError,
    Fault,
    Notice,
    Notifier,
    Receipt,
    RefusedRecipient,
    page_of,
)
from monitor.running import Running, Task
from monitor.stores._base import Attempt, Delivery, DeliveryState, Switched
from monitor.telemetry import BoundedLog, log

AT_ONCE = 8
"""Attempts of one notifier under way together: a relay that takes a second serves a storm of 500 in a minute."""
ATTEMPT_TIMEOUT_S = 60.0
"""The backstop behind the notifiers' own limits, which are shorter."""
LATE_AFTER = 3
"""A recipient who is put off so often while others have the notice is told of."""
_DETAIL_LENGTH = 500


class Setting(NamedTuple):
    """What the configuration says of a notifier beside its own keys."""

    kind: str = ""
    rules: ChannelRules = ChannelRules()
    digest: str = ""
    """Of all its keys: a channel that was switched off is switched on where they change."""


class Shared(NamedTuple):
    """What all channels of a dispatcher work with."""

    running: Running
    queue: DeliveryQueue
    ledger: Ledger
    notices: Notices
    log: BoundedLog
    tell: Callable[[Noticed | None], None]
    """Tells the desk how a channel does, without waiting."""
    offer: Callable[[Iterable[Delivery]], None]
    """Takes deliveries that a fallback is to make."""
    settings: Mapping[str, Setting]


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


Bundle = list[Waiting]
"""What goes in one attempt: a notice, or all that a digest tells of. The first one stands for them all."""

_TOO_LATE = _Answer("partial: the other recipients have a newer notice")


class Channel:
    """One notifier with its own loop, its own slots and its own breaker: a slow one delays no other."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        self.name = name
        self.attempts: set[Task] = set()
        self.errands: set[Task] = set()
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
        setting = shared.settings.get(name, Setting())
        self._digest = setting.digest
        self._pace = Pace(setting.rules.limit)
        self._digests = Digests()
        self._bundles = 0
        kinds = {each: of_it.kind for each, of_it in shared.settings.items()}
        self.fallback = Fallback(setting.rules, kinds, shared.ledger, shared.offer)
        self.off: Switched | None = None
        """Set while it is switched off: nothing is sent."""
        self._gone = Gone()
        self._failing_since_s: float | None = None
        """When the first of the attempts in a row began that failed."""
        self._began_s: dict[str, float] = {}
        """By delivery: when the attempt that is under way began."""
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._delivered_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._failure: str | None = None
        """What the last attempt that failed ended with."""

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
            self.fallback.name,
            self.off.at if self.off is not None else None,
            self.off.reason if self.off is not None else None,
        )

    def due_s(self, delivery: Delivery, now_s: float) -> float:
        """When a delivery that was not tried yet may go: at once, or with its digest."""
        return self._digests.due_s(delivery, now_s) if delivery.gather else now_s

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

    def _take(self) -> list[tuple[Bundle, bool]]:
        """What may go now, the most urgent first, and whether it is the breaker's probe."""
        now_s = self._clock.monotonic_s()
        taken: list[tuple[Bundle, bool]] = []
        free = AT_ONCE - len(self.attempts) if self.off is None else 0
        while len(taken) < free and self._breaker.room(now_s, 1) and self._pace.next_s() <= now_s:
            waiting = self._queue.take(self.name, now_s)
            if waiting is None:
                break
            self._pace.began(now_s)
            taken.append((self._bundle(waiting, now_s), self._breaker.started()))
        return taken

    def _bundle(self, lead: Waiting, now_s: float) -> Bundle:
        """All that go in one attempt with a head that was taken. A digest that failed is tried again with the same ones."""
        if not lead.delivery.gather:
            return [lead]
        bundle = self._queue.gathered(lead)
        if not lead.bundle:
            self._digests.sent(lead.delivery, now_s)
            self._bundles += 1
            for waiting in bundle:
                waiting.bundle = self._bundles
        return sorted(bundle, key=lambda w: (SEVERITY_RANK[w.delivery.severity], w.delivery.cursor))

    async def _start(self, batch: Sequence[tuple[Bundle, bool]]) -> None:
        """Counts the attempts in one transaction, then makes those that are still wanted."""
        pending = set(await self._ledger.started([w.delivery.id for bundle, _ in batch for w in bundle]))
        for bundle, is_probe in batch:
            wanted = []
            for waiting in bundle:
                waiting.attempts += 1
                if waiting.delivery.id in pending and not waiting.is_cancelled:
                    wanted.append(waiting)
                else:
                    self._queue.drop(waiting.delivery.id)
            if not wanted:
                self._breaker.abandoned(is_probe)
            elif not self._is_stopping:
                name = f"delivery to {self.name}"
                task = self._tasks.begin(name, self._attempt(wanted, is_probe), self.attempts)
                task.add_done_callback(lambda _: self._wake.set())

    async def _wait(self) -> None:
        """Until something is due and may go, or until anything changed."""
        due_s = self._queue.next_due_s(self.name) if self.off is None else None
        if due_s is not None:
            due_s = max(due_s, self._pace.next_s())
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

    async def _attempt(self, bundle: Bundle, is_probe: bool) -> None:
        """One attempt, from the sending to its durable end."""
        self.at_work.update(bundle)
        self._began_s[bundle[0].delivery.id] = self._clock.monotonic_s()
        try:
            await self._attempt_once(bundle, is_probe)
        finally:
            self.at_work.difference_update(bundle)
            self._began_s.pop(bundle[0].delivery.id, None)

    async def _attempt_once(self, bundle: Bundle, is_probe: bool) -> None:
        lead = bundle[0]
        at = self._clock.utc()
        began_s = self._clock.monotonic_s()
        answer = _TOO_LATE if self._laggards.is_overtaken(lead) else await self._send(bundle)
        crashpoint.reached("after send")
        then = self._settle(lead, is_probe, answer)
        took_ms = (self._clock.monotonic_s() - began_s) * 1000
        if answer.fault is not None and then.state != "delivered":
            await self._failed(bundle, began_s, is_lost=then.state == "failed")
        where = f"in {digest_id([w.delivery for w in bundle])}, {len(bundle)} notices: " if len(bundle) > 1 else ""
        detail = (where + answer.detail)[:_DETAIL_LENGTH]
        ends = [Attempt(w.delivery.id, at, then.state, detail, then.due_at, took_ms) for w in bundle]
        await self._ledger.ended(ends)
        crashpoint.reached("after mark")
        for waiting in bundle:
            self._end(waiting, then)

    async def _failed(self, bundle: Bundle, began_s: float, *, is_lost: bool) -> None:
        """Remembers since when these fail. What is lost here goes to the fallback before it is recorded as lost."""
        for waiting in bundle:
            if waiting.failing_since_s is None:
                waiting.failing_since_s = began_s
        if is_lost:
            critical = [w.delivery for w in bundle if w.delivery.severity == CRITICAL]
            await self.fallback.take(self.name, critical)

    def _end(self, waiting: Waiting, then: _Next) -> None:
        """Takes a delivery out of the queue whose end is in the store, or puts it back."""
        id = waiting.delivery.id
        if then.state != "pending" or waiting.is_cancelled:
            self._laggards.over(waiting)
            self._queue.drop(id)
        elif then.is_late and not waiting.is_late:
            self._laggards.begin(waiting)
            self._queue.set_aside(waiting, then.due_s)
        else:
            self._queue.retry(waiting, then.due_s, then.not_before_s)

    async def _shown(self, bundle: Bundle) -> Shown | None:
        """What is sent: the notice, or a digest of several."""
        found = await self._notices.of(bundle[0].delivery)
        if len(bundle) > 1 and found is not None:
            return found._replace(notice=digest([w.delivery for w in bundle], page_of(found.notice)))
        return found

    async def _deliver(self, notice: Notice, _: Bundle) -> Receipt:
        return await self._notifier.send(notice)

    async def _send(self, bundle: Bundle) -> _Answer:
        """Makes the attempt and says how it ended; raises nothing but its cancellation."""
        deadline = None
        waiting = bundle[0]
        try:
            found = await self._shown(bundle)
            if found is None:
                return _Answer("the alert is no longer in the log", Fault.NOTICE)
            deadline = _deadline(found.notice)
            crashpoint.reached("before send")
            try:
                async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                    receipt = await self._deliver(found.notice, bundle)
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
        self._note_trouble(waiting, answer, now_s, now, is_late=is_late)
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

    def _note_trouble(self, waiting: Waiting, answer: _Answer, now_s: float, now: datetime, *, is_late: bool) -> None:
        """Since when the channel fails, and whether it says for good that its address is gone."""
        if is_late or answer.fault is None or answer.fault is Fault.NOTICE:
            self._failing_since_s = None
            self._gone.passed()
        elif self._failing_since_s is None:
            self._failing_since_s = self._began_s.get(waiting.delivery.id, now_s)
        if answer.error is not None and self.off is None and self._gone.answered(now_s, answer.error.answer):
            switched = Switched(self.name, now, answer.detail[:_DETAIL_LENGTH], self._digest)
            self._tasks.begin(f"switch of {self.name}", self.switch_off(switched), self.errands)

    # -- fail-over and the switch --

    async def watch(self) -> None:
        """Hands over to the fallback what waits too long, until `stop`."""
        while self.fallback.name is not None and not self._is_stopping:
            await self._hand_over()
            await self._clock.sleep(min(LOOK_S, self.fallback.after_s / 2))

    async def _hand_over(self) -> None:
        now_s = self._clock.monotonic_s()
        since = [s for s in (self._failing_since_s, *self._began_s.values()) if s is not None]
        # An attempt that hangs is trouble too: whoever waits behind it has waited as long.
        failing_since_s = -self.fallback.after_s + now_s if self.off is not None else min(since, default=None)
        if failing_since_s is None:
            return
        due = self.fallback.due(self._queue.of(self.name), now_s, failing_since_s)
        if due:
            await self.fallback.take(self.name, [w.delivery for w in due])
            for waiting in due:
                waiting.is_handed_over = True

    async def switch_off(self, switched: Switched) -> None:
        """Sends nothing more, durably, and says so."""
        self.off = switched
        await self._ledger.switch_off(switched)
        log.warning("a channel is switched off", notifier=self.name, reason=switched.reason)
        self.tell_off()

    async def switch_on(self) -> None:
        """Sends again, all that waits, durably."""
        await self._ledger.switch_on(self.name)
        self.off = None
        self._gone = Gone()
        self._breaker = Breaker()
        self._failing_since_s = None
        self._queue.call_forward(self.name, self._clock.monotonic_s())
        self._tell(on_event(self.name, self._clock.utc()))
        self.wake()

    def tell_off(self) -> None:
        """Tells that it is off, if it is: core tells it once a day."""
        if self.off is not None:
            self._tell(off_event(self.off, self._clock.utc(), self._queue.depth(self.name)))

    # -- what an attempt leads to --

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
