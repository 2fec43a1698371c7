"""Alerts as they are sent. A commit hands its alerts over; all other alerts are read from the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.loans.group import Contact
from monitor.dispatch.ledger import Ledger
from monitor.notifiers._base import Body, Notice
from monitor.notifiers._borrowers import for_borrower
from monitor.stores._base import Committed, Delivery

T = TypeVar("T")
Render = Callable[[LoggedAlert], Body]
"""Gives the object of docs/alerts.md as JSON: type, timestamp, data."""
Aside = Callable[[Callable[[], None]], Awaitable[None]]
"""Does work beside the event loop."""

KEPT_ALERTS = 10_000
"""Alerts of the newest commits that nobody was told of yet, 2 kB each: a storm is not read back from the disk."""
Address = Callable[[Notice, Delivery], Notice | None]
"""A notice as one person of the desk gets it, with what nobody else may see; None where it goes to somebody else."""
Public = Callable[[], Collection[str]]
"""Gives the labels of groups that borrowers are told."""

KEPT_BYTES = 5_000_000
"""Bodies of alerts that were rendered lately, 3 kB each for most: a channel that is slower than another finds them here."""
FEW = 4
"""So many are rendered on the loop: a quarter of a millisecond. A thread would take as long to begin."""


class Shown:
    """An alert as it is sent: the bytes, or the notice that is made of them for a channel that reads it."""

    __slots__ = ("_body", "_notice", "contacts", "detected_at")

    def __init__(self, of: Body | Notice, detected_at: datetime, contacts: Mapping[str, Sequence[Contact]]) -> None:
        self._body = of if isinstance(of, Body) else None
        self._notice = of if isinstance(of, Notice) else None
        self.detected_at = detected_at
        """When the alert was noticed."""
        self.contacts = contacts

    @property
    def body(self) -> Body:
        """The bytes of it."""
        if self._body is None:
            self._body = Body.of(self.notice)
        return self._body

    @property
    def notice(self) -> Notice:
        """The object of it. It is not kept: a storm would hold it beside the bytes."""
        if self._notice is not None:
            return self._notice
        assert self._body is not None, "it was made of one of the two"
        return self._body.notice

    def as_notice(self, notice: Notice) -> Shown:
        """The same alert in another form."""
        return Shown(notice, self.detected_at, self.contacts)


class Notices:
    """Keeps the bodies that were rendered lately, and KEPT_ALERTS alerts that were not: from a storm the first ones."""

    def __init__(
        self,
        ledger: Ledger,
        render: Render,
        address: Address | None = None,
        aside: Aside | None = None,
        public: Public = tuple,
    ) -> None:
        self._ledger = ledger
        self._address = address
        self._render = render
        self._aside = aside
        self._public = public
        self._kept: OrderedDict[str, Shown] = OrderedDict()
        """By alert id."""
        self._kept_bytes = 0
        self._untold: OrderedDict[str, LoggedAlert] = OrderedDict()
        """By alert id; an alert is rendered when it is sent first."""

    def keep(self, committed: Committed) -> None:
        """Keeps the alerts that the first deliveries of a commit are about."""
        wanted = {delivery.alert for delivery in committed.deliveries[:KEPT_ALERTS]}
        for logged in committed.alerts:
            if logged.alert.id in wanted:
                self._untold[logged.alert.id] = logged
                if len(self._untold) > KEPT_ALERTS:
                    self._untold.popitem(last=False)

    async def prepare(self, deliveries: Iterable[Delivery]) -> None:
        """Renders what these are about, as far as that is not at hand: all together, and beside the loop."""
        wanted: list[LoggedAlert] = []
        for id in dict.fromkeys(d.alert for d in deliveries if d.alert not in self._kept):
            logged = self._untold.pop(id, None) or await self._ledger.alert(id)
            if logged is not None:
                wanted.append(logged)
        rendered: list[Body] = []
        if self._aside is None or len(wanted) <= FEW:
            rendered += map(self._render, wanted)
        else:
            await self._aside(lambda: rendered.extend(map(self._render, wanted)))
        for logged, body in zip(wanted, rendered, strict=True):
            self._put(logged, body)

    def at_hand(self, delivery: Delivery) -> Body | None:
        """The bytes for a receiver that is no borrower, where they were rendered lately."""
        found = self._kept.get(delivery.alert)
        return None if found is None or delivery.to else found.body

    async def of(self, delivery: Delivery) -> Shown | None:
        """The notice of a delivery, and when its alert was noticed; None where the log has lost the alert."""
        found = self._kept.get(delivery.alert)
        if found is None:
            logged = self._untold.pop(delivery.alert, None) or await self._ledger.alert(delivery.alert)
            if logged is None:
                return None
            found = self._put(logged, self._render(logged))
        if delivery.to:
            whole = found.notice
            mine = None
            if self._address is not None:
                mine = self._address(msgspec.structs.replace(whole, to=delivery.to), delivery)
            return found.as_notice(mine or for_borrower(whole, found.contacts, delivery.to, self._public()))
        return found

    def _put(self, logged: LoggedAlert, body: Body) -> Shown:
        """Keeps a body, and forgets the oldest ones where they are too many."""
        shown = Shown(body, logged.alert.detected_at, logged.alert.contacts)
        id = logged.alert.id
        if (known := self._kept.get(id)) is not None:
            self._kept_bytes -= len(known.body.content)
        self._kept[id] = shown
        self._kept_bytes += len(body.content)
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.body.content)
        return shown
