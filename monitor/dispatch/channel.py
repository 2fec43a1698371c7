"""One notifier at work: takes what is due, counts the attempt durably, makes it, and records how it ended.

A delivery is out of the queue only when its end is in the store: a crash at any place sends it again under the same id.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor import crashpoint
from monitor.ack_links import without_tokens
from monitor.core.alerts.alert_type import CRITICAL, SEVERITY_RANK
from monitor.core.alerts.catalogue import ASKS
from monitor.dispatch.digests import digest, digest_id
from monitor.dispatch.notices import Shown
from monitor.dispatch.queue import Waiting
from monitor.dispatch.settling import AT_ONCE as AT_ONCE
from monitor.dispatch.settling import ATTEMPT_TIMEOUT_S as ATTEMPT_TIMEOUT_S
from monitor.dispatch.settling import DETAIL_LENGTH, TOO_LATE, Ending, Next, Settling
from monitor.dispatch.settling import Bundle as Bundle
from monitor.dispatch.settling import Setting as Setting
from monitor.dispatch.settling import Shared as Shared
from monitor.notifiers._base import (
    DeliveryError,
    Fault,
    Notice,
    Notifier,
    Receipt,
    RefusedRecipient,
    page_of,
)
from monitor.stores._base import Attempt, Delivery


class Channel(Settling):
    """One notifier with its own loop, its own slots and its own breaker: a slow one delays no other."""

    @property
    def notifier(self) -> Notifier:
        """The one that makes the next attempts."""
        return self._notifier

    def due_s(self, delivery: Delivery, now_s: float) -> float:
        """When a delivery that does not wait for its next try may go: at once, or with its first digest."""
        return self._digests.due_s(delivery, now_s) if delivery.gather and not delivery.attempts else now_s

    def gather_again(self, waiting: Waiting) -> None:
        """Puts a notice that was tried before a restart back into its digest: what was tried together is due together."""
        delivery = waiting.delivery
        tried = delivery.gather, delivery.to, delivery.attempts, delivery.due_at
        if tried not in self._tried:
            self._bundles += 1
            self._tried[tried] = self._bundles
        waiting.bundle = self._tried[tried]

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
        answer = TOO_LATE if self._laggards.is_overtaken(lead) else await self._send(bundle)
        crashpoint.reached("after send", (self.name,))
        then = self._settle(lead, is_probe, answer)
        took_ms = (self._clock.monotonic_s() - began_s) * 1000
        if answer.fault is not None and then.state != "delivered":
            await self._failed(bundle, began_s, is_lost=then.state == "failed")
        where = f"in {self._name_of(bundle)}, {len(bundle)} notices: " if len(bundle) > 1 else ""
        detail = (where + answer.detail)[:DETAIL_LENGTH]
        ends = [Attempt(w.delivery.id, at, then.state, detail, then.due_at, took_ms) for w in bundle]
        await self._ledger.ended(ends)
        crashpoint.reached("after mark", (self.name,))
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

    def _name_of(self, bundle: Bundle) -> str:
        """The id under which several went."""
        return digest_id([w.delivery for w in bundle])

    async def _shown(self, bundle: Bundle) -> Shown | None:
        """What is sent: the notice, or a digest of several."""
        found = await self._notices.of(bundle[0].delivery)
        if len(bundle) > 1 and found is not None:
            return found._replace(notice=digest([w.delivery for w in bundle], page_of(found.notice)))
        return found

    async def _deliver(self, notice: Notice, _: Bundle) -> Receipt:
        return await self._notifier.send(notice)

    async def _send(self, bundle: Bundle) -> Ending:
        """Makes the attempt and says how it ended; raises nothing but its cancellation."""
        deadline = None
        waiting = bundle[0]
        has_links = any(w.delivery.type in ASKS for w in bundle)
        try:
            found = await self._shown(bundle)
            if found is None:
                return Ending("the alert is no longer in the log", Fault.NOTICE)
            deadline = _deadline(found.notice)
            crashpoint.reached("before send", (self.name,))
            try:
                async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                    receipt = await self._deliver(found.notice, bundle)
            finally:
                if waiting.attempts == 1:
                    waited_s = (self._clock.utc() - found.detected_at).total_seconds()
                    self._metrics.tick_to_sent.labels(self.name).observe(max(waited_s, 0.0))
            receipt = _without_tokens(receipt) if has_links else receipt
            return Ending(receipt.detail, None, receipt)
        except DeliveryError as e:
            reason = e.reason
            if has_links:
                reason, e.receipt = without_tokens(reason), _without_tokens(e.receipt)
            return Ending(reason, self._fault(waiting, e), error=e, deadline=deadline)
        except TimeoutError:
            return Ending(f"no end within {ATTEMPT_TIMEOUT_S:g} s", Fault.PASSING, deadline=deadline)
        except Exception as e:  # noqa: BLE001
            # A notifier is a plug-in and may raise anything. Passed on, the error would end this channel's loop and
            # silence it. As a failure that may pass it is retried, recorded, and told of on another channel. The log
            # says only where it happened, as the text of a foreign error may hold an address with its key.
            frame = traceback.extract_tb(e.__traceback__)[-1]
            where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            facts = {"notifier": self.name, "error": type(e).__name__, "where": where}
            now_s = self._clock.monotonic_s()
            self._log.warning(now_s, f"{self.name} {where}", "a notifier raised what it should not", **facts)
            return Ending(f"{type(e).__name__} at {where}", Fault.PASSING, deadline=deadline)


def _without_tokens(receipt: Receipt) -> Receipt:
    """What the other side said goes to the record, the log and the desk, and must give no link away."""
    refused, later = (
        tuple(RefusedRecipient(each.recipient, without_tokens(each.reason)) for each in some)
        for some in (receipt.refused, receipt.later)
    )
    return msgspec.structs.replace(receipt, detail=without_tokens(receipt.detail), refused=refused, later=later)


def _deadline(notice: Notice) -> datetime | None:
    """When the time to act ends, where the notice is about a grace period."""
    stated = notice.data.get("deadline")
    try:
        return datetime.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None
