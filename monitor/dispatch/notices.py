"""Alerts as they are sent. A commit hands its alerts over; all other alerts are read from the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.loans.group import Contact
from monitor.dispatch.ledger import Ledger
from monitor.notifiers._base import Notice
from monitor.notifiers._borrowers import for_borrower
from monitor.stores._base import Committed, Delivery

T = TypeVar("T")
Render = Callable[[LoggedAlert], dict[str, Any]]
"""Gives the object of docs/alerts.md: type, timestamp, data."""

KEPT_ALERTS = 10_000
"""Alerts of the newest commits that nobody was told of yet, 2 kB each: a storm is not read back from the disk."""
Address = Callable[[Notice, Delivery], Notice | None]
"""A notice as one person of the desk gets it, with what nobody else may see; None where it goes to somebody else."""

KEPT = 256
"""An alert goes to a few channels within a moment, so few are enough; 256 notices of at most 20 kB are 5 MB."""


class Shown(NamedTuple):
    """A notice, and when its alert was noticed."""

    notice: Notice
    detected_at: datetime
    contacts: Mapping[str, Sequence[Contact]]


class Notices:
    """Keeps KEPT notices that were sent lately, and KEPT_ALERTS alerts that were not: from a storm the first ones."""

    def __init__(self, ledger: Ledger, render: Render, address: Address | None = None) -> None:
        self._ledger = ledger
        self._address = address
        self._render = render
        self._kept: OrderedDict[str, Shown] = OrderedDict()
        """By alert id."""
        self._untold: OrderedDict[str, LoggedAlert] = OrderedDict()
        """By alert id; an alert is rendered when it is sent first."""

    def keep(self, committed: Committed) -> None:
        """Keeps the alerts that the first deliveries of a commit are about."""
        wanted = {delivery.alert for delivery in committed.deliveries[:KEPT_ALERTS]}
        for logged in committed.alerts:
            if logged.alert.id in wanted:
                _put(self._untold, logged.alert.id, logged, KEPT_ALERTS)

    async def of(self, delivery: Delivery) -> Shown | None:
        """The notice of a delivery, and when its alert was noticed; None where the log has lost the alert."""
        found = self._kept.get(delivery.alert)
        if found is None:
            logged = self._untold.pop(delivery.alert, None) or await self._ledger.alert(delivery.alert)
            if logged is None:
                return None
            shown = self._render(logged)
            notice = Notice(shown["type"], shown["timestamp"], shown["data"])
            found = Shown(notice, logged.alert.detected_at, logged.alert.contacts)
            _put(self._kept, delivery.alert, found, KEPT)
        if delivery.to:
            mine = None
            if self._address is not None:
                mine = self._address(msgspec.structs.replace(found.notice, to=delivery.to), delivery)
            return found._replace(notice=mine or for_borrower(found.notice, found.contacts, delivery.to))
        return found


def _put(kept: OrderedDict[str, T], id: str, one: T, most: int) -> None:
    kept[id] = one
    if len(kept) > most:
        kept.popitem(last=False)
