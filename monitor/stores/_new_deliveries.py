"""The deliveries of an alert that was just logged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.light import LightAlert
from monitor.stores._base import Delivery, Target, debt_text, delivery_id


def new_delivery(logged: LoggedAlert, target: Target, at: datetime) -> Delivery:
    """The delivery of an alert to a target: due at once, or at the end of a quiet time."""
    (made,) = new_deliveries(logged, (target,), at).values()
    return made


def new_deliveries(logged: LoggedAlert, targets: Iterable[Target], at: datetime) -> dict[str, Delivery]:
    """The same for some targets, by id. A storm makes tens of thousands: what they have in common is asked for once."""
    alert, cursor = logged.alert, logged.cursor
    subject, type_, severity, episode = alert.subject, alert.type, alert.severity, alert.episode
    light = alert.of.debt(alert.place) if isinstance(alert, LightAlert) and alert.of is not None else None
    made = {}
    for target in targets:
        id = delivery_id(cursor, target)
        due_at = at if target.until is None else max(target.until, at)
        # A digest adds up what its groups owe. For all else the order alone depends on it.
        rough = None if target.gather else light
        debt_usd = debt_text(alert) if rough is None else ""
        made[id] = Delivery(
            *(id, cursor, alert.id, target.notifier, target.to, subject, type_, severity, episode, "pending", 0),
            *(due_at, at, "", target.gather, debt_usd, rough),
        )
    return made
