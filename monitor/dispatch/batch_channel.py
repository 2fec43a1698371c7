"""A channel whose receiver takes several notices in one body. A batch that fails is tried again unchanged.

A batch holds the heads of lanes, so of one subject never more than one, and the next of a subject goes after it. Batches are
not in the store: after a restart the same notices go in others, and a receiver drops what it has by the ids of the items.
"""

from __future__ import annotations

from monitor.dispatch.channel import Bundle, Channel, Shared
from monitor.dispatch.notices import Shown
from monitor.dispatch.queue import Waiting
from monitor.notifiers._base import BatchNotifier, DeliveryError, Fault, Notice, Notifier, Receipt, batch_id, batches

TOGETHER = 60
"""Notices that are counted and rendered together: some five bodies, which go one after the other."""
ALONE = -1
"""The bundle of a notice whose batch was refused: it goes by itself, which shows whose fault it was."""


class BatchChannel(Channel):
    """See Channel; only what goes in one attempt is different."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        super().__init__(name, notifier, shared)
        self._batches: dict[int, Bundle] = {}
        """By number: what was tried together and has not ended."""
        self._notices_of: dict[str, list[Notice]] = {}
        """By the first delivery of a batch that is under way."""

    def _bundle(self, lead: Waiting, now_s: float) -> Bundle:
        """A batch that failed, the same as before; else as many heads as are due. A probe is as small as can be."""
        if lead.delivery.gather:
            return super()._bundle(lead, now_s)
        if lead.bundle == ALONE:
            return [lead]
        bundle = [lead]
        if lead.bundle:
            whole = self._batches.get(lead.bundle, [lead])
            bundle = [w for w in whole if w is lead or self._queue.claim(w)]
            if len(bundle) == len(whole):
                return bundle
            self._scatter(lead.bundle)
        while len(bundle) < TOGETHER and not self._breaker.is_open:
            more = self._queue.take(self.name, now_s)
            if more is None:
                break
            if more.bundle or more.delivery.gather:
                self._queue.release(more, more.due_s)
                break
            bundle.append(more)
        return bundle

    async def _attempt(self, bundle: Bundle, is_probe: bool) -> None:
        """One attempt after the other, each with a body of its own. Behind one that fails the rest waits for its turn."""
        if bundle[0].delivery.gather:
            await super()._attempt(bundle, is_probe)
            return
        self.at_work.update(bundle)
        try:
            cut = await self._cut(bundle)
        finally:
            self.at_work.difference_update(bundle)
        for i, batch in enumerate(cut):
            if i and (self._breaker.is_open or self._is_stopping):
                for waiting in (w for rest in cut[i:] for w in rest):
                    waiting.attempts -= 1
                    self._queue.release(waiting, self._clock.monotonic_s())
                return
            await super()._attempt(batch, is_probe)
            self._notices_of.pop(batch[0].delivery.id, None)
            number = batch[0].bundle
            if not any(map(self._queue.holds, batch)):
                self._batches.pop(number, None)

    async def _cut(self, bundle: Bundle) -> list[Bundle]:
        """The batches of a bundle. One that was tried before stays whole; what the log has lost goes alone, to its end."""
        notices: list[Notice] = []
        by_notice: dict[int, Waiting] = {}
        lost: list[Bundle] = []
        for waiting in bundle:
            shown = await self._notices.of(waiting.delivery)
            if shown is None:
                lost.append([waiting])
            else:
                notices.append(shown.notice)
                by_notice[id(shown.notice)] = waiting
        if bundle == self._batches.get(bundle[0].bundle) or bundle[0].bundle == ALONE:
            self._notices_of[bundle[0].delivery.id] = notices
            return [bundle]
        for number in {waiting.bundle for waiting in bundle} - {0}:
            self._scatter(number)
        found = []
        for some in batches(notices):
            batch = [by_notice[id(notice)] for notice in some]
            self._notices_of[batch[0].delivery.id] = some
            self._bundles += 1
            self._batches[self._bundles] = batch
            for waiting in batch:
                waiting.bundle = self._bundles
            found.append(batch)
        return [*found, *lost]

    def _name_of(self, bundle: Bundle) -> str:
        if bundle[0].delivery.gather:
            return super()._name_of(bundle)
        return batch_id(w.delivery.alert for w in bundle)

    async def _shown(self, bundle: Bundle) -> Shown | None:
        return await self._notices.of(bundle[0].delivery)

    async def _deliver(self, notice: Notice, bundle: Bundle) -> Receipt:
        notices = self._notices_of.get(bundle[0].delivery.id)
        if notices is None:
            return await super()._deliver(notice, bundle)
        notifier: BatchNotifier = self._notifier  # type: ignore[assignment]  # `channel_for` has looked
        return await notifier.send_batch(notices)

    def _fault(self, waiting: Waiting, error: DeliveryError) -> Fault:
        """A refusal that may be about one notice is about none of a batch: each is tried alone."""
        if error.fault is Fault.DOUBTFUL and len(self._batches.get(waiting.bundle, ())) > 1:
            for each in self._scatter(waiting.bundle):
                each.bundle = ALONE
            return Fault.PASSING
        return super()._fault(waiting, error)

    def _scatter(self, number: int) -> Bundle:
        """A batch that is none any more."""
        batch = self._batches.pop(number, [])
        for waiting in batch:
            waiting.bundle = 0
        return batch


def channel_for(name: str, notifier: Notifier, shared: Shared) -> Channel:
    """The channel of a notifier: with batches where the other side takes them."""
    return (BatchChannel if getattr(notifier, "batch", False) else Channel)(name, notifier, shared)
