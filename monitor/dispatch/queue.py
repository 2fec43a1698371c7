"""The order of what is sent: one lane for each subject, notifier and recipients, and only its head may go.

So a receiver never gets an older notice of a group after a newer one, and a failing lane holds up no other. A head that
waits for its next try is called forward when something more urgent comes behind it.
"""

from __future__ import annotations

import heapq
from bisect import insort
from datetime import datetime
from typing import NamedTuple

from monitor.core.alerts.alert_type import SEVERITY_RANK
from monitor.stores._base import Delivery


class LaneKey(NamedTuple):
    """A receiver about a subject; the desk's addresses and a borrower's are different receivers."""

    notifier: str
    subject: str
    to: tuple[str, ...]


class Waiting:
    """A delivery in the queue. Times are monotonic seconds; `attempts` counts those that were started.

    After a storm there are tens of thousands: each holds its delivery and its lane, and never the alert itself.
    """

    __slots__ = (
        "attempts",
        "bundle",
        "counted_at",
        "debt",
        "delivery",
        "due_s",
        "failing_since_s",
        "is_asked_again",
        "is_cancelled",
        "is_handed_over",
        "is_in_flight",
        "is_late",
        "lane",
        "not_before_s",
    )

    def __init__(self, delivery: Delivery, due_s: float, lane: _Lane) -> None:
        self.delivery = delivery
        self.due_s = due_s
        self.lane = lane
        self.attempts = delivery.attempts
        self.counted_at = delivery.created_at
        """When its newest attempt was counted, by the store."""
        self.not_before_s = 0.0
        """The peer asked not to be asked before."""
        self.is_in_flight = False
        self.is_cancelled = False
        self.is_asked_again = False
        """An operator asked for it while an attempt was under way: it goes once more, however that attempt ends."""
        self.failing_since_s: float | None = None
        """When its first attempt that failed began."""
        self.is_handed_over = False
        """The fallback has it too."""
        self.bundle = 0
        """The number of the digest in which it was tried; it is tried again with the same others. 0: in none yet."""
        self.debt = float(delivery.debt_usd or 0) if delivery.rough_debt is None else delivery.rough_debt
        """For the order alone: of equally urgent ones the largest debt goes first."""
        self.is_late = False
        """Some recipients have it and some do not: it holds up no newer notice, and is not sent after one."""

    @property
    def is_head(self) -> bool:
        """Nothing of its lane goes before it."""
        return self.lane.waiting[0] is self


def _order(waiting: Waiting) -> tuple[int, str]:
    return waiting.delivery.cursor, waiting.delivery.id


class _Lane:
    """What waits for one receiver about one subject, oldest first. Most lanes hold one delivery, hardly any holds ten."""

    __slots__ = ("key", "waiting")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.waiting: list[Waiting] = []

    def put(self, new: Waiting) -> None:
        """Keeps the order of the log, but an attempt under way stays the head."""
        is_busy = bool(self.waiting) and self.waiting[0].is_in_flight
        insort(self.waiting, new, lo=1 if is_busy else 0, key=_order)

    @property
    def rank(self) -> int:
        """The rank of the most urgent one, as what waits behind the head waits as long as the head."""
        return min(SEVERITY_RANK[w.delivery.severity] for w in self.waiting)


class _Channel:
    """The lanes of one notifier, and its heads by the time and by the urgency at which they may go."""

    def __init__(self) -> None:
        self.lanes: dict[LaneKey, _Lane] = {}
        self.sleeping: list[tuple[float, int, str]] = []
        self.ready: list[tuple[int, float, int, str]] = []
        """Both hold (when, or rank and debt), cursor and delivery id, and may hold entries that no longer count."""


class DeliveryQueue:
    """All undelivered notices of this process. Not thread-safe; it never waits and never asks for the time."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}
        self._by_id: dict[str, Waiting] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def waiting(self) -> list[Waiting]:
        """All that are still wanted, by cursor."""
        return sorted((w for w in self._by_id.values() if not w.is_cancelled), key=_order)

    def add(self, delivery: Delivery, due_s: float) -> Waiting | None:
        """Takes a delivery in and returns it; one that waits here already becomes due at that time if it is sooner.

        One whose attempt is under way goes once more after it.
        """
        known = self._by_id.get(delivery.id)
        if known is not None:
            if known.is_in_flight:
                known.is_asked_again = True
                known.is_cancelled = False
            else:
                self._move(known, min(known.due_s, due_s))
            return None
        channel = self._channels.get(delivery.notifier)
        if channel is None:
            channel = _Channel()
            self._channels[delivery.notifier] = channel
        key = LaneKey(delivery.notifier, delivery.subject, delivery.to)
        lane = channel.lanes.get(key)
        if lane is None:
            lane = _Lane(key)
            channel.lanes[key] = lane
        is_more_urgent = not lane.waiting or SEVERITY_RANK[delivery.severity] < lane.rank
        waiting = Waiting(delivery, due_s, lane)
        self._by_id[delivery.id] = waiting
        lane.put(waiting)
        head = lane.waiting[0]
        if head is waiting:
            self._schedule(channel, waiting)
        elif is_more_urgent and not head.is_in_flight:
            self._move(head, min(head.due_s, due_s))
        return waiting

    def cancel(self, id: str) -> bool:
        """Drops a superseded delivery, or lets its attempt under way be the last; True if it waited here."""
        waiting = self._by_id.get(id)
        if waiting is None or waiting.is_cancelled:
            return False
        if waiting.is_in_flight:
            waiting.is_cancelled = True
        else:
            self.drop(id)
        return True

    def take(self, notifier: str, now_s: float) -> Waiting | None:
        """The most urgent due head of a notifier, marked as in flight; None if nothing is due."""
        channel = self._channels.get(notifier)
        if channel is None:
            return None
        while channel.sleeping and channel.sleeping[0][0] <= now_s:
            due_s, cursor, id = heapq.heappop(channel.sleeping)
            if (waiting := self._live(id)) is not None and waiting.due_s == due_s:
                heapq.heappush(channel.ready, (waiting.lane.rank, -waiting.debt, cursor, id))
        while channel.ready:
            waiting = self._live(heapq.heappop(channel.ready)[3])
            if waiting is not None and waiting.due_s <= now_s:
                waiting.is_in_flight = True
                return waiting
        return None

    def claim(self, waiting: Waiting) -> bool:
        """Marks a certain delivery as in flight, due or not; False where it is no head that waits."""
        if self._live(waiting.delivery.id) is not waiting:
            return False
        waiting.is_in_flight = True
        return True

    def release(self, waiting: Waiting, due_s: float) -> None:
        """Gives back a head that was taken and is not tried after all."""
        waiting.is_in_flight = False
        waiting.due_s = due_s
        if waiting.is_cancelled:
            self.drop(waiting.delivery.id)
        else:
            self._schedule(self._channels[waiting.delivery.notifier], waiting)

    def holds(self, waiting: Waiting) -> bool:
        """Whether a delivery still waits here, or is under way."""
        return self._by_id.get(waiting.delivery.id) is waiting

    def gathered(self, lead: Waiting) -> list[Waiting]:
        """All that go in one digest with a head that was taken, itself first, marked as in flight."""
        bundle = [lead]
        wanted = lead.delivery.gather, lead.delivery.to, lead.bundle
        for lane in self._channels[lead.delivery.notifier].lanes.values():
            head = lane.waiting[0]
            if not head.is_in_flight and (head.delivery.gather, head.delivery.to, head.bundle) == wanted:
                head.is_in_flight = True
                bundle.append(head)
        return bundle

    def of(self, notifier: str) -> list[Waiting]:
        """All that wait or are under way on a notifier."""
        channel = self._channels.get(notifier)
        return [w for lane in channel.lanes.values() for w in lane.waiting] if channel else []

    def retry(self, waiting: Waiting, due_s: float, not_before_s: float = 0.0) -> None:
        """Puts a delivery back whose attempt failed; it stays the head of its lane."""
        waiting.is_in_flight = False
        waiting.due_s = max(due_s, not_before_s)
        waiting.not_before_s = not_before_s
        self._schedule(self._channels[waiting.delivery.notifier], waiting)

    def set_aside(self, waiting: Waiting, due_s: float) -> None:
        """Puts a delivery that some recipients have into a lane of its own: the next notice of its subject may go."""
        waiting.is_in_flight = False
        waiting.is_late = True
        waiting.due_s = due_s
        waiting.not_before_s = 0.0
        channel = self._channels[waiting.delivery.notifier]
        self._leave(channel, waiting)
        key = waiting.lane.key._replace(subject=f"{waiting.delivery.subject}\n{waiting.delivery.id}")
        waiting.lane = _Lane(key)
        channel.lanes[key] = waiting.lane
        waiting.lane.put(waiting)
        self._schedule(channel, waiting)

    def drop(self, id: str) -> None:
        """Takes a delivery out: it was delivered, given up or superseded. The next of its lane may go."""
        waiting = self._by_id.pop(id)
        self._leave(self._channels[waiting.delivery.notifier], waiting)

    def _leave(self, channel: _Channel, waiting: Waiting) -> None:
        lane = waiting.lane
        was_head = waiting.is_head
        lane.waiting.remove(waiting)
        if not lane.waiting:
            del channel.lanes[lane.key]
        elif was_head:
            self._schedule(channel, lane.waiting[0])

    def call_forward(self, notifier: str, now_s: float) -> None:
        """Makes all that waits due, as the channel answers again: a pause that the peer asked for is over too."""
        channel = self._channels.get(notifier)
        for lane in channel.lanes.values() if channel else ():
            head = lane.waiting[0]
            if not head.is_in_flight and not head.is_late:
                head.not_before_s = 0.0
                self._move(head, now_s)

    def severity(self, waiting: Waiting) -> str:
        """The severity whose schedule a delivery follows: the highest in its lane."""
        rank = waiting.lane.rank
        return next(s for s, r in SEVERITY_RANK.items() if r == rank)

    def next_due_s(self, notifier: str) -> float | None:
        """When the next head of a notifier is due, which may be past; None if none is waiting."""
        channel = self._channels.get(notifier)
        if channel is None:
            return None
        while channel.ready:
            waiting = self._live(channel.ready[0][3])
            if waiting is not None:
                return waiting.due_s
            heapq.heappop(channel.ready)
        while channel.sleeping:
            due_s, _, id = channel.sleeping[0]
            waiting = self._live(id)
            if waiting is not None and waiting.due_s == due_s:
                return due_s
            heapq.heappop(channel.sleeping)
        return None

    def depth(self, notifier: str) -> int:
        """How many notices wait or are under way on a notifier."""
        channel = self._channels.get(notifier)
        return sum(len(lane.waiting) for lane in list(channel.lanes.values())) if channel else 0

    def oldest(self, notifier: str) -> datetime | None:
        """When the oldest undelivered notice of a notifier was committed."""
        channel = self._channels.get(notifier)
        lanes = list(channel.lanes.values()) if channel else []
        return min((w.delivery.created_at for lane in lanes for w in lane.waiting[:1]), default=None)

    def _live(self, id: str) -> Waiting | None:
        """The delivery of a heap's entry if it still is a head that waits."""
        waiting = self._by_id.get(id)
        return waiting if waiting is not None and not waiting.is_in_flight and waiting.is_head else None

    def _move(self, waiting: Waiting, due_s: float) -> None:
        waiting.due_s = max(due_s, waiting.not_before_s)
        if waiting.is_head:
            self._schedule(self._channels[waiting.delivery.notifier], waiting)

    @staticmethod
    def _schedule(channel: _Channel, waiting: Waiting) -> None:
        heapq.heappush(channel.sleeping, (waiting.due_s, waiting.delivery.cursor, waiting.delivery.id))
