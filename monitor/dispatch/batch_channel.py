"""A channel whose receiver takes several notices in one body. A batch that fails is tried again unchanged.

A batch holds the heads of lanes, so of one subject never more than one, and the next of a subject goes after it. Batches are
not in the store: after a restart the same notices go in others, and a receiver drops what it has by the ids of the items.
"""

from __future__ import annotations

from monitor.dispatch.channel import Bundle, Channel, Shared
from monitor.dispatch.notices import Shown
from monitor.dispatch.queue import Waiting
from monitor.dispatch.turns import Over
from monitor.notifiers._base import BatchNotifier, Body, DeliveryError, Fault, Notifier, Receipt, batch_id, batches

TOGETHER = 60
"""Notices that are taken and cut together: some ten bodies."""
BODIES = 10
ALONE = -1
"""The bundle of a notice whose batch was refused: it goes by itself, which shows whose fault it was."""


class BatchChannel(Channel):
    """See Channel; only what goes in one attempt is different."""

    def __init__(self, name: str, notifier: Notifier, shared: Shared) -> None:
        super().__init__(name, notifier, shared)
        self._batches: dict[int, Bundle] = {}
        """By number: what was cut together and has not ended."""

    def _room(self) -> int:
        """In bundles, each of which is cut into bodies."""
        return -(-super()._room() // BODIES)

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

    def _wanted(self, bundle: Bundle, is_probe: bool) -> Bundle:
        """A batch without what was superseded is another batch."""
        wanted = super()._wanted(bundle, is_probe)
        if wanted and wanted[0].bundle in self._batches:
            self._batches[wanted[0].bundle] = wanted
        return wanted

    def _close(self, over: Over) -> None:
        """A batch is forgotten when the last of its notices has ended."""
        super()._close(over)
        number = over.bundle[0].bundle
        if number in self._batches and not any(map(self._queue.holds, over.bundle)):
            self._batches.pop(number)

    def _cut(self, bundle: Bundle) -> list[Bundle]:
        """The batches of a bundle. One that was tried before stays whole; what the log has lost goes alone."""
        if bundle[0].delivery.gather or bundle[0].bundle == ALONE or bundle == self._batches.get(bundle[0].bundle):
            return [bundle]
        for number in {waiting.bundle for waiting in bundle} - {0}:
            self._scatter(number)
        bodies: list[Body] = []
        by_body: dict[int, Waiting] = {}
        alone: list[Bundle] = []
        for waiting in bundle:
            body = self._notices.at_hand(waiting.delivery)
            if body is not None:
                bodies.append(body)
                by_body[id(body)] = waiting
            else:
                alone.append([waiting])
        cut = [[by_body[id(body)] for body in some] for some in batches(bodies)]
        for batch in cut:
            self._bundles += 1
            self._batches[self._bundles] = batch
            for waiting in batch:
                waiting.bundle = self._bundles
        return [*cut, *alone]

    def _name_of(self, bundle: Bundle) -> str:
        if bundle[0].delivery.gather:
            return super()._name_of(bundle)
        return batch_id(w.delivery.alert for w in bundle)

    async def _shown(self, bundle: Bundle) -> Shown | None:
        if bundle[0].delivery.gather:
            return await super()._shown(bundle)
        return await self._notices.of(bundle[0].delivery)

    async def _deliver(self, shown: Shown, bundle: Bundle) -> Receipt:
        notifier: BatchNotifier = self._notifier  # type: ignore[assignment]  # `channel_for` has looked
        if len(bundle) == 1 or bundle[0].delivery.gather:
            return await notifier.send_batch([shown.body])
        bodies = [shown.body]
        for waiting in bundle[1:]:
            if (more := await self._notices.of(waiting.delivery)) is not None:
                bodies.append(more.body)
        return await notifier.send_batch(bodies)

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
