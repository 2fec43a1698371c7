"""What an attempt leads to: the state of its delivery, the breaker, the fallback, the switch, and what the desk is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from prometheus_client import Counter

from monitor import crashpoint
from monitor.channel_rules import ChannelRules
from monitor.core.events.events import Noticed
from monitor.dispatch import backoff
from monitor.dispatch.breaker import Breaker
from monitor.dispatch.digests import Digests
from monitor.dispatch.fallback import LOOK_S, Fallback
from monitor.dispatch.laggards import Laggards
from monitor.dispatch.ledger import Ledger
from monitor.dispatch.notices import Notices
from monitor.dispatch.outage import Outage
from monitor.dispatch.pace import Pace
from monitor.dispatch.queue import DeliveryQueue, Waiting
from monitor.dispatch.refusals import DoubtfulAnswers
from monitor.dispatch.switch import Gone, off_event, on_event
from monitor.notifiers._base import (
    ChannelState,
    DeliveryError,
    Fault,
    Notifier,
    Receipt,
    RefusedRecipient,
)
from monitor.running import Running, Task
from monitor.stores._base import Audit, Delivery, DeliveryState, Switched
from monitor.telemetry import BoundedLog, log

ATTEMPT_TIMEOUT_S = 60.0
"""The backstop behind the notifiers' own limits, which are shorter."""
LATE_AFTER = 3
"""A recipient who is put off so often while others have the notice is told of."""
DETAIL_LENGTH = 500


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


class Ending(NamedTuple):
    """How an attempt ended; `fault` is None where it went through."""

    detail: str
    fault: Fault | None = None
    receipt: Receipt = Receipt()
    error: DeliveryError | None = None
    deadline: datetime | None = None
    """The time to act ends then, by what the notice says."""


class Next(NamedTuple):
    """What follows from an attempt: `due_at` for the store, the monotonic `due_s` and `not_before_s` for the queue."""

    state: DeliveryState
    due_at: datetime
    due_s: float
    not_before_s: float = 0.0
    is_late: bool = False
    """Only the recipients who do not have it yet are asked again."""


Tried = tuple[str, tuple[str, ...], int, datetime]
"""What the notices of a digest that was tried have in common: how they are gathered, to whom, how often and till when."""

Bundle = list[Waiting]
"""What goes in one attempt: a notice, or all that a digest tells of. The first one stands for them all."""

TOO_LATE = Ending("partial: the other recipients have a newer notice")


class Settling:
    """What one notifier's attempts come to. `channel.Channel` makes them."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        self.name = name
        self.attempts: set[Task] = set()
        self.errands: set[Task] = set()
        self.at_work: set[Waiting] = set()
        """Those whose attempt is under way, or has brought them to somebody and is not recorded yet."""
        self._notifier = notifier
        self._queue = shared.queue
        self._ledger = shared.ledger
        self._notices = shared.notices
        self._clock = shared.running.clock
        self._metrics = shared.running.metrics
        self._tasks = shared.running.tasks
        self._counters: dict[str, Counter] = {}
        """Of attempts by how they ended: to look one up costs as much as a tenth of an attempt."""
        self._waited = self._metrics.tick_to_sent.labels(name)
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
        self._tried: dict[Tried, int] = {}
        """The numbers of digests that were tried before a restart."""
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

    def _fault(self, waiting: Waiting, error: DeliveryError) -> Fault:
        """Whose fault it is: a doubtful answer is judged by what happened to other notices."""
        if error.fault is not Fault.DOUBTFUL:
            return error.fault
        return self._refusals.judge(waiting.delivery.id, error.answer)

    def _settle(self, waiting: Waiting, is_probe: bool, answer: Ending) -> Next:
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
        self._count("failed" if is_over else "retry")
        self._failed_at = now
        self._failure = answer.detail[:DETAIL_LENGTH]
        about = {"notifier": self.name, "alert": delivery.alert, "about": delivery.subject}
        how = {"reason": answer.detail, "attempts": waiting.attempts, "gave_up": is_over}
        self._log.warning(now_s, f"{self.name} {'failed' if is_over else 'retry'}", "a delivery failed", **about, **how)
        if is_late:
            self._tell_all(self._outage.refused(now, delivery, _refusing(waiting, answer)))
            # The others have it: it is delivered in part, and not lost.
            return Next("delivered" if is_over else "pending", due_at, now_s + delay_s, is_late=True)
        self._tell_of_failure(delivery, answer, now_s, now, is_lost=is_over)
        if is_over:
            return Next("failed", now, now_s)
        return Next("pending", due_at, now_s + delay_s, now_s + pause_s)

    def _note_trouble(self, waiting: Waiting, answer: Ending, now_s: float, now: datetime, *, is_late: bool) -> None:
        """Since when the channel fails, and whether it says for good that its address is gone."""
        if is_late or answer.fault is None or answer.fault is Fault.NOTICE:
            self._failing_since_s = None
            self._gone.passed()
        elif self._failing_since_s is None:
            self._failing_since_s = self._began_s.get(waiting.delivery.id, now_s)
        if answer.error is not None and self.off is None and self._gone.answered(now_s, answer.error.answer):
            switched = Switched(self.name, now, answer.detail[:DETAIL_LENGTH], self._digest)
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

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        """Sends nothing more, durably, and says so. `audit`: where a person wants it."""
        self.off = switched
        await self._ledger.switch_off(switched, audit)
        crashpoint.reached("after switch off", (self.name,))
        log.warning("a channel is switched off", notifier=self.name, reason=switched.reason)
        self.tell_off()

    async def switch_on(self, audit: Audit | None = None) -> None:
        """Sends again, all that waits, durably."""
        await self._ledger.switch_on(self.name, audit)
        crashpoint.reached("after switch on", (self.name,))
        self.off = None
        self._gone = Gone()
        self._breaker = Breaker()
        self._failing_since_s = None
        self._queue.call_forward(self.name, self._clock.monotonic_s())
        self._tell(on_event(self.name, self._clock.utc()))
        self._wake.set()

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

    def _delivered(self, waiting: Waiting, receipt: Receipt, now_s: float, now: datetime) -> Next:
        self._refusals.passed(waiting.delivery.id)
        self._count("partial" if receipt.refused else "delivered")
        self._delivered_at = now
        self._laggards.passed(waiting)
        self._tell_all(self._outage.delivered(now_s, now, receipt))
        self._tell_all(self._outage.refused(now, waiting.delivery, receipt.refused))
        return Next("delivered", now, now_s)

    def _count(self, outcome: str) -> None:
        counter = self._counters.get(outcome)
        if counter is None:
            counter = self._metrics.attempts.labels(self.name, outcome)
            self._counters[outcome] = counter
        counter.inc()

    def _tell_all(self, events: Iterable[Noticed]) -> None:
        for event in events:
            self._tell(event)

    def _tell_of_failure(
        self, delivery: Delivery, answer: Ending, now_s: float, now: datetime, *, is_lost: bool
    ) -> None:
        """A failing channel, recipients who refuse, a lost notice: one hides no other."""
        refused = answer.error.receipt.refused if answer.error is not None else ()
        if answer.fault is not Fault.NOTICE:
            at_once = answer.fault is Fault.CHANNEL
            self._tell(self._outage.failed(now_s, now, delivery, answer.detail, at_once=at_once))
        self._tell_all(self._outage.refused(now, delivery, refused))
        if is_lost:
            self._tell(self._outage.lost(now, delivery, answer.detail))


def _refusing(waiting: Waiting, answer: Ending) -> tuple[RefusedRecipient, ...]:
    """Who refuses a notice that others have: for good, or each time for so long that somebody must know."""
    if answer.error is None:
        return ()
    refused = answer.error.receipt.refused
    later = answer.error.receipt.later if waiting.attempts >= LATE_AFTER else ()
    return (*refused, *later)
