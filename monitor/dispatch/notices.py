"""Alerts as they are sent. A commit hands its alerts over; all other alerts are read from the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from monitor.core.alerts.alert import LoggedAlert
from monitor.dispatch.ledger import Ledger
from monitor.notifiers._base import Notice
from monitor.stores._base import Committed, Delivery

Render = Callable[[LoggedAlert], dict[str, Any]]
"""Gives the object of docs/alerts.md: type, timestamp, data."""

Address = Callable[[Notice, Delivery], Notice]
"""A notice as one person gets it: with what nobody else may see."""

KEPT = 256
"""An alert goes to a few channels within a moment, so few are enough; 256 notices of at most 20 kB are 5 MB."""


class _Shown(NamedTuple):
    notice: Notice
    detected_at: datetime


class Notices:
    """Keeps at most KEPT alerts in memory, those of the newest commits; from a storm it keeps the first ones."""

    def __init__(self, ledger: Ledger, render: Render, address: Address | None = None) -> None:
        self._ledger = ledger
        self._address = address
        self._render = render
        self._kept: OrderedDict[str, LoggedAlert | _Shown] = OrderedDict()
        """By alert id; an alert is rendered when it is sent first."""

    def keep(self, committed: Committed) -> None:
        """Keeps the alerts that the first deliveries of a commit are about."""
        wanted = {delivery.alert for delivery in committed.deliveries[:KEPT]}
        for logged in committed.alerts:
            if logged.alert.id in wanted:
                self._put(logged.alert.id, logged)

    async def of(self, delivery: Delivery) -> _Shown | None:
        """The notice of a delivery, and when its alert was noticed; None where the log has lost the alert."""
        found = self._kept.get(delivery.alert) or await self._ledger.alert(delivery.alert)
        if found is None:
            return None
        if isinstance(found, LoggedAlert):
            shown = self._render(found)
            notice = Notice(shown["type"], shown["timestamp"], shown["data"])
            found = _Shown(notice, found.alert.detected_at)
            self._put(delivery.alert, found)
        if delivery.to:
            notice = msgspec.structs.replace(found.notice, to=delivery.to)
            return found._replace(notice=notice if self._address is None else self._address(notice, delivery))
        return found

    def _put(self, id: str, one: LoggedAlert | _Shown) -> None:
        self._kept[id] = one
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
