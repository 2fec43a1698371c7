"""Alerts as they are sent. A commit hands its alerts over; all other alerts are read from the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.loans.group import Contact
from monitor.dispatch.ledger import Ledger
from monitor.notifiers._base import Notice
from monitor.notifiers._borrowers import for_borrower
from monitor.stores._base import Committed, Delivery

Render = Callable[[LoggedAlert], dict[str, Any]]
"""Gives the object of docs/alerts.md: type, timestamp, data."""

KEPT = 256
"""An alert goes to a few channels within a moment, so few are enough; 256 notices of at most 20 kB are 5 MB."""


class Shown(NamedTuple):
    """A notice, and when its alert was noticed."""

    notice: Notice
    detected_at: datetime
    contacts: Mapping[str, Sequence[Contact]]


class Notices:
    """Keeps at most KEPT alerts in memory, those of the newest commits; from a storm it keeps the first ones."""

    def __init__(self, ledger: Ledger, render: Render) -> None:
        self._ledger = ledger
        self._render = render
        self._kept: OrderedDict[str, LoggedAlert | Shown] = OrderedDict()
        """By alert id; an alert is rendered when it is sent first."""

    def keep(self, committed: Committed) -> None:
        """Keeps the alerts that the first deliveries of a commit are about."""
        wanted = {delivery.alert for delivery in committed.deliveries[:KEPT]}
        for logged in committed.alerts:
            if logged.alert.id in wanted:
                self._put(logged.alert.id, logged)

    async def of(self, delivery: Delivery) -> Shown | None:
        """The notice of a delivery, and when its alert was noticed; None where the log has lost the alert."""
        found = self._kept.get(delivery.alert) or await self._ledger.alert(delivery.alert)
        if found is None:
            return None
        if isinstance(found, LoggedAlert):
            shown = self._render(found)
            notice = Notice(shown["type"], shown["timestamp"], shown["data"])
            found = Shown(notice, found.alert.detected_at, found.alert.contacts)
            self._put(delivery.alert, found)
        if delivery.to:
            return found._replace(notice=for_borrower(found.notice, found.contacts, delivery.to))
        return found

    def _put(self, id: str, one: LoggedAlert | Shown) -> None:
        self._kept[id] = one
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
