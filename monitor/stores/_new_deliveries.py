"""The deliveries of an alert that was just logged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.light import LightAlert
from monitor.stores._base import Delivery, Target, debt_text, delivery_id


def new_delivery(logged: LoggedAlert, target: Target, at: datetime) -> Delivery:
    """The delivery of an alert to a target: due at once, or at the end of a quiet time."""
    return new_deliveries(logged, (target,), at)[0]


def new_deliveries(logged: LoggedAlert, targets: Iterable[Target], at: datetime) -> list[Delivery]:
    """The same for some targets. A storm makes tens of thousands: what they have in common is asked for once."""
    alert = logged.alert
    severity = alert.severity
    light = alert if isinstance(alert, LightAlert) and alert.of is not None else None
    made = []
    for target in targets:
        # A digest adds up what its groups owe. For all else the order alone depends on it.
        rough = light.of.debt(light.place) if light is not None and light.of and not target.gather else None
        made.append(
            Delivery(
                delivery_id(logged.cursor, target),
                logged.cursor,
                alert.id,
                target.notifier,
                target.to,
                alert.subject,
                alert.type,
                severity,
                alert.episode,
                "pending",
                0,
                at if target.until is None else max(target.until, at),
                at,
                gather=target.gather,
                debt_usd=debt_text(alert) if rough is None else "",
                rough_debt=rough,
            )
        )
    return made
