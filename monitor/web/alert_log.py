"""The alert log as far as a caller may see it. Each alert is rendered once for all who ask."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from monitor.contacts import is_for_borrowers
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.payload import alert_item
from monitor.stores._base import AlertFilter
from monitor.web.auth import Caller
from monitor.web.borrowers import alert_for
from monitor.web.http import MAX_LIMIT
from monitor.web.view import Daemon

KEPT_RENDERINGS = 2000
"""Alerts kept as text, 2-20 kB each: a burst is rendered once, not once per stream."""
SCANNED_PAGES = 10
"""Pages of the store that one request of a scoped token may read; what is left comes with the next cursor."""


_Key = tuple[int | None, str, tuple[str, ...] | None]


def may_see(caller: Caller, alert: Alert) -> bool:
    """A token with a scope sees the alerts of its groups, by the labels that the group had then, and no others."""
    if caller.is_borrower and not is_for_borrowers(alert.type):
        return False
    return caller.sees(alert.group.labels if alert.group is not None else None)


def _had(alert: Alert, labels: tuple[tuple[str, str], ...]) -> bool:
    """The group of an alert had all of these labels when it was raised."""
    return not labels or (alert.group is not None and all(alert.group.labels.get(k) == v for k, v in labels))


class AlertLog:
    """Reads the alert log for a caller and renders it."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._texts: OrderedDict[_Key, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._rendering = asyncio.Lock()

    async def page(
        self, wanted: AlertFilter, caller: Caller, labels: tuple[tuple[str, str], ...] = ()
    ) -> tuple[list[LoggedAlert], int | None]:
        """Alerts of the log that the caller may see, in the order of the filter, and the cursor after which more may come.

        `labels`: only of groups that had all of these then.
        """
        found: list[LoggedAlert] = []
        after = wanted.after
        limit = wanted.limit
        for _ in range(SCANNED_PAGES):
            # Only the alert itself knows which labels its group had when it was raised.
            asked = MAX_LIMIT if caller.scope or labels else limit + 1 - len(found)
            page = await self._daemon.store.alerts(msgspec.structs.replace(wanted, after=after, limit=asked))
            found += [x for x in page if may_see(caller, x.alert) and _had(x.alert, labels)]
            if len(found) > limit:
                return found[:limit], found[limit - 1].cursor
            if len(page) < asked:
                return found, None
            after = page[-1].cursor
        return found, after

    async def texts(self, alerts: Sequence[LoggedAlert], caller: Caller) -> list[bytes]:
        """Each alert as `{"type","timestamp","data"}`, encoded. Rendered in a worker thread, once for all who ask.

        A cursor counts the alerts of all: a token with a scope does not get it.
        """
        known = [self._texts.get(self._key(a, caller)) for a in alerts]
        cached = [t for t in known if t is not None]
        if len(cached) == len(known):
            return cached
        async with self._rendering:
            return await asyncio.to_thread(lambda: [self._text(a, caller) for a in alerts])

    def _text(self, logged: LoggedAlert, caller: Caller) -> bytes:
        key = self._key(logged, caller)
        text = self._texts.get(key)
        if text is None:
            products = self._daemon.rules().products
            item = alert_item(logged.alert, key[0], products, durable=logged.durable)
            text = msgspec.json.encode(item if key[2] is None else alert_for(key[2], item))
            with self._lock:
                self._texts[key] = text
                while len(self._texts) > KEPT_RENDERINGS:
                    self._texts.popitem(last=False)
        return text

    def _key(self, logged: LoggedAlert, caller: Caller) -> _Key:
        """Borrowers have texts of their own, which differ by the labels that are public."""
        public = tuple(self._daemon.public_labels()) if caller.is_borrower else None
        return None if caller.scope else logged.cursor, logged.alert.id, public
