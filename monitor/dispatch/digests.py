"""Storms for people: which notices go by themselves, which wait for each other, and the one digest that tells of those.

What is gathered stays pending in the store until its digest is taken, so a kill loses nothing: the next run gathers anew.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.channel_rules import LABEL, Gathering
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.alert_type import CRITICAL, SEVERITY_RANK
from monitor.core.alerts.catalogue import DIGEST
from monitor.core.alerts.titles import title_of
from monitor.core.money import exact, plain
from monitor.core.text import stamp
from monitor.notifiers._base import Notice
from monitor.stores._base import Delivery, Target

MOST_NAMED = 20
"""Groups that a digest names, those that owe most: a mail stays readable, and far below any limit of size."""
_KEPT = 10_000
"""Keys that are remembered; more come only where somebody gathers by group."""

Routed = tuple[Alert, tuple[Target, ...]]


def gather_key(gathering: Gathering, alert: Alert) -> str:
    """What alerts of one digest have in common, and how long it waits. It says all, so a reload changes no waiting one."""
    waits = f"{gathering.wait.total_seconds():g}|{gathering.interval.total_seconds():g}|{gathering.first}"
    return "|".join((waits, *(f"{key}={_value(key, alert)}" for key in gathering.by)))


def _value(key: str, alert: Alert) -> str:
    group = alert.group
    if key == "severity":
        return alert.severity
    if key == "type":
        return alert.type
    if group is None:
        return ""
    if key == "product":
        return group.product
    return group.receiving_account if key == "account" else group.labels.get(key.removeprefix(LABEL), "")


def _waits(gather: str) -> tuple[float, float, int]:
    wait, interval, first = gather.split("|", 3)[:3]
    return float(wait), float(interval), int(first)


class Firsts:
    """Lets the first critical notices of each digest's interval go by themselves, those with the largest debt first."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[str, Target], tuple[datetime, int]] = OrderedDict()
        """When the interval began, and how many went by themselves in it."""

    def share(self, at: datetime, routed: Sequence[Routed]) -> tuple[Routed, ...]:
        """The same alerts; targets that go by themselves are not gathered any more."""
        # Of the others nobody asks what they owe, which may not be worked out yet.
        mine = (i for i, (alert, targets) in enumerate(routed) if alert.severity == CRITICAL and _is_gathered(targets))
        largest = sorted(mine, key=lambda i: (-_debt(routed[i][0]), i))
        alone = {
            (i, target) for i in largest for target in routed[i][1] if target.gather and self._has_room(at, target)
        }
        if not alone:
            return tuple(routed)
        return tuple(
            (alert, tuple(_alone(t) if (i, t) in alone else t for t in targets))
            for i, (alert, targets) in enumerate(routed)
        )

    def _has_room(self, at: datetime, target: Target) -> bool:
        _, interval_s, first = _waits(target.gather)
        key = target.gather, target
        began, used = self._windows.get(key, (at, 0))
        if (at - began).total_seconds() >= interval_s:
            began, used = at, 0
        if used >= first:
            return False
        self._windows[key] = began, used + 1
        if len(self._windows) > _KEPT:
            self._windows.popitem(last=False)
        return True


def _is_gathered(targets: Sequence[Target]) -> bool:
    return any(target.gather for target in targets)


def _alone(target: Target) -> Target:
    return msgspec.structs.replace(target, gather="")


def _debt(alert: Alert) -> Decimal:
    figures = alert.figures
    return Decimal(0) if figures is None or figures.debt_usd is None else figures.debt_usd


class Digests:
    """When the digests of one channel are due. In monotonic seconds; after a restart the first wait begins anew."""

    def __init__(self) -> None:
        self._due_s: OrderedDict[tuple[str, tuple[str, ...]], float] = OrderedDict()
        self._sent_s: OrderedDict[tuple[str, tuple[str, ...]], float] = OrderedDict()

    def due_s(self, delivery: Delivery, now_s: float) -> float:
        """When the digest goes that takes this delivery along."""
        key = delivery.gather, delivery.to
        due_s = self._due_s.get(key)
        if due_s is None or due_s < now_s:
            wait_s, interval_s, _ = _waits(delivery.gather)
            due_s = max(now_s + wait_s, self._sent_s.get(key, -interval_s) + interval_s)
            self._due_s[key] = due_s
            if len(self._due_s) > _KEPT:
                self._due_s.popitem(last=False)
        return due_s

    def sent(self, delivery: Delivery, now_s: float) -> None:
        """A digest of these goes now: the next one waits for the interval."""
        key = delivery.gather, delivery.to
        self._due_s.pop(key, None)
        self._sent_s[key] = now_s
        if len(self._sent_s) > _KEPT:
            self._sent_s.popitem(last=False)


def digest_id(deliveries: Sequence[Delivery]) -> str:
    """`dgs_` and 26 characters made of the alerts in it: the same notices are the same digest, however often it is tried."""
    digest = hashlib.sha256("|".join(sorted(d.alert for d in deliveries)).encode()).digest()
    return "dgs_" + base64.b32encode(digest).decode().lower()[:26]


def digest(deliveries: Sequence[Delivery], page: str | None = None) -> Notice:
    """One notice for many: counts and sums by type, and the groups that owe most. `deliveries` go to one receiver.

    `page` is that of one of them; the digest leads to the log beside it.
    """
    by_worst = sorted(deliveries, key=lambda d: (SEVERITY_RANK[d.severity], -Decimal(d.debt_usd or 0), d.cursor))
    debts = {d.subject: Decimal(d.debt_usd) for d in sorted(deliveries, key=lambda d: d.cursor) if d.debt_usd}
    data: dict[str, Any] = {
        "id": digest_id(deliveries),
        "severity": by_worst[0].severity,
        "subject": f"{len(deliveries):,} notices",
        "count": len(deliveries),
        "groups": len({d.subject for d in deliveries}),
        "debt_usd": _total(debts.values()),
        "types": _types(deliveries),
        "largest": [
            {
                "subject": d.subject,
                "type": d.type,
                "severity": d.severity,
                "debt_usd": d.debt_usd or None,
                "id": d.alert,
            }
            for d in by_worst[:MOST_NAMED]
        ],
        "cut": max(len(deliveries) - MOST_NAMED, 0),
        "from_cursor": min(d.cursor for d in deliveries),
        "to_cursor": max(d.cursor for d in deliveries),
    }
    if page is not None:
        data["url"] = page.partition("#")[0] + "#/alerts"
    return Notice(DIGEST, stamp(max(d.created_at for d in deliveries)), data, deliveries[0].to)


def _types(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """A row for each type and severity, the worst and most frequent first."""
    counts = Counter((d.type, d.severity) for d in deliveries)
    rows = []
    for (type_, severity), count in sorted(counts.items(), key=lambda c: (SEVERITY_RANK[c[0][1]], -c[1], c[0])):
        debts = {d.subject: Decimal(d.debt_usd) for d in deliveries if d.debt_usd and d.type == type_}
        rows.append(
            {
                "type": type_,
                "title": title_of(type_),
                "severity": severity,
                "count": count,
                "debt_usd": _total(debts.values()),
            }
        )
    return rows


def _total(amounts: Any) -> str:
    with exact():
        return plain(sum(amounts, Decimal(0)))
