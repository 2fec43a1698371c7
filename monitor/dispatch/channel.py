"""One notifier at work: takes what is due, counts the attempt durably, makes it, and records how it ended.

A delivery is out of the queue only when its end is in the store: a crash at any place sends it again under the same id.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor import crashpoint, permit
from monitor.ack_links import without_tokens
from monitor.core.alerts.alert_type import CRITICAL, SEVERITY_RANK
from monitor.core.alerts.catalogue import ASKS
from monitor.dispatch.digests import digest, digest_id
from monitor.dispatch.notices import Shown
from monitor.dispatch.queue import Waiting
from monitor.dispatch.settling import ATTEMPT_TIMEOUT_S as ATTEMPT_TIMEOUT_S
from monitor.dispatch.settling import DETAIL_LENGTH, TOO_LATE, Ending
from monitor.dispatch.settling import Bundle as Bundle
from monitor.dispatch.settling import Setting as Setting
from monitor.dispatch.settling import Shared as Shared
from monitor.dispatch.turns import InTurn, Over
from monitor.notifiers._base import (
    BodyNotifier,
    DeliveryError,
    Fault,
    Notifier,
    Receipt,
    RefusedRecipient,
    page_of,
)
from monitor.stores._base import Attempt, Delivery
from monitor.time_limit import TimeLimit


class Channel(InTurn):
    """One notifier with its own loop, its own slots and its own breaker: a slow one delays no other."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        super().__init__(name, notifier, shared)
        self._limit = TimeLimit(ATTEMPT_TIMEOUT_S)

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
        free = self._room() if self.off is None else 0
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
        """Counts the attempts in one transaction, and renders them meanwhile; makes those that are still wanted."""
        deliveries = [w.delivery for bundle, _ in batch for w in bundle]
        counted, _ = await asyncio.gather(
            self._ledger.started([d.id for d in deliveries]),
            # What cannot be rendered shows in the attempt, which must tell of it.
            self._notices.prepare(deliveries),
            return_exceptions=True,
        )
        if isinstance(counted, BaseException):
            raise counted
        pending = set(counted.ids)
        for bundle, is_probe in batch:
            for waiting in bundle:
                waiting.attempts += 1
                waiting.counted_at = counted.at
            wanted = self._wanted([w for w in bundle if self._is_left(w, pending)], is_probe)
            if wanted:
                cut = self._cut(wanted)
                self._open += len(cut)
                self._counted.extend([(each, is_probe) for each in cut])
        self._launch()

    def _cut(self, bundle: Bundle) -> list[Bundle]:
        """What goes in one attempt each."""
        return [bundle]

    async def _wait(self) -> None:
        """Until something is due and may go, or until anything changed."""
        due_s = self._queue.next_due_s(self.name) if self.off is None else None
        if due_s is not None:
            due_s = max(due_s, self._pace.next_s())
        if self._breaker.is_open and due_s is not None:
            probe_s = self._breaker.next_probe_s
            due_s = None if probe_s is None else max(due_s, probe_s)
        if due_s is None or self._room() <= 0:
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
        """One attempt, from the sending to what follows from it; its end is written with those of others."""
        lead = bundle[0]
        self.at_work.update(bundle)
        # A clock that was set back since the count must not look as if somebody had asked for it after its beginning.
        at = max(self._clock.utc(), lead.counted_at)
        began_s = self._clock.monotonic_s()
        self._began_s[lead.delivery.id] = began_s
        try:
            answer = TOO_LATE if self._laggards.is_overtaken(lead) else await self._send(bundle)
            crashpoint.reached("after send", (self.name,))
            then = self._settle(lead, is_probe, answer)
            took_s = self._clock.monotonic_s() - began_s
            self._slots.ended(took_s, answer.fault)
            if answer.fault is not None and then.state != "delivered":
                await self._failed(bundle, began_s, is_lost=then.state == "failed")
        except BaseException:  # a cut-off as well: what is not under way any more must hold no slot
            self._free(bundle)
            raise
        finally:
            self._began_s.pop(lead.delivery.id, None)
        where = f"in {self._name_of(bundle)}, {len(bundle)} notices: " if len(bundle) > 1 else ""
        detail = (where + answer.detail)[:DETAIL_LENGTH]
        ends = [Attempt(w.delivery.id, at, then.state, detail, then.due_at, took_s * 1000) for w in bundle]
        self._finish(Over(bundle, then, ends))

    async def _failed(self, bundle: Bundle, began_s: float, *, is_lost: bool) -> None:
        """Remembers since when these fail. What is lost here goes to the fallback before it is recorded as lost."""
        for waiting in bundle:
            if waiting.failing_since_s is None:
                waiting.failing_since_s = began_s
        if is_lost:
            critical = [w.delivery for w in bundle if w.delivery.severity == CRITICAL]
            await self.fallback.take(self.name, critical)

    def _name_of(self, bundle: Bundle) -> str:
        """The id under which several went."""
        return digest_id([w.delivery for w in bundle])

    async def _shown(self, bundle: Bundle) -> Shown | None:
        """What is sent: the notice, or a digest of several."""
        found = await self._notices.of(bundle[0].delivery)
        if len(bundle) > 1 and found is not None:
            return found.as_notice(digest([w.delivery for w in bundle], page_of(found.notice)))
        return found

    async def _deliver(self, shown: Shown, _: Bundle) -> Receipt:
        if getattr(self._notifier, "bodies", False):
            notifier: BodyNotifier = self._notifier  # type: ignore[assignment]  # it says so
            return await notifier.send_body(shown.body)
        return await self._notifier.send(shown.notice)

    async def _deliver_permitted(self, shown: Shown, bundle: Bundle) -> Receipt:
        """When this head may send. What was held back right before its bytes was no attempt."""
        while True:
            await permit.granted()
            try:
                async with self._limit.begun():
                    return await self._deliver(shown, bundle)
            except permit.Silent:
                continue

    async def _send(self, bundle: Bundle) -> Ending:
        """Makes the attempt and says how it ended; raises nothing but its cancellation."""
        found: Shown | None = None
        waiting = bundle[0]
        has_links = any(w.delivery.type in ASKS for w in bundle)
        try:
            found = await self._shown(bundle)
            if found is None:
                return Ending("the alert is no longer in the log", Fault.NOTICE)
            crashpoint.reached("before send", (self.name,))
            try:
                receipt = await self._deliver_permitted(found, bundle)
            finally:
                if waiting.attempts == 1:
                    waited_s = (self._clock.utc() - found.detected_at).total_seconds()
                    self._waited.observe(max(waited_s, 0.0))
            receipt = _without_tokens(receipt) if has_links else receipt
            return Ending(receipt.detail, None, receipt)
        except DeliveryError as e:
            reason = e.reason
            if has_links:
                reason, e.receipt = without_tokens(reason), _without_tokens(e.receipt)
            return Ending(reason, self._fault(waiting, e), error=e, deadline=_deadline(found))
        except TimeoutError:
            return Ending(f"no end within {self._limit.after_s:g} s", Fault.PASSING, deadline=_deadline(found))
        except Exception as e:  # noqa: BLE001
            # A notifier is a plug-in and may raise anything. Passed on, the error would end this channel's loop and
            # silence it. As a failure that may pass it is retried, recorded, and told of on another channel. The log
            # says only where it happened, as the text of a foreign error may hold an address with its key.
            frame = traceback.extract_tb(e.__traceback__)[-1]
            where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            facts = {"notifier": self.name, "error": type(e).__name__, "where": where}
            now_s = self._clock.monotonic_s()
            self._log.warning(now_s, f"{self.name} {where}", "a notifier raised what it should not", **facts)
            return Ending(f"{type(e).__name__} at {where}", Fault.PASSING, deadline=_deadline(found))


def _without_tokens(receipt: Receipt) -> Receipt:
    """What the other side said goes to the record, the log and the desk, and must give no link away."""
    refused, later = (
        tuple(RefusedRecipient(each.recipient, without_tokens(each.reason)) for each in some)
        for some in (receipt.refused, receipt.later)
    )
    return msgspec.structs.replace(receipt, detail=without_tokens(receipt.detail), refused=refused, later=later)


def _deadline(shown: Shown | None) -> datetime | None:
    """When the time to act ends, where the notice is about a grace period."""
    stated = shown.notice.data.get("deadline") if shown is not None else None
    try:
        return datetime.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None
