"""A notice that tests a channel: marked as a test, on the way of a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from monitor.core.alerts.alert import Alert
from monitor.core.alerts.payload import OnlyInNotices, alert_item
from monitor.core.instants import micros_of
from monitor.core.rules.product import Product
from monitor.core.text import as_json
from monitor.core.watch.compose import Statement, compose
from monitor.notifiers._base import Notice


def sample(
    monitor: str,
    products: Mapping[str, Product],
    now: datetime,
    to: tuple[str, ...] = (),
    link: Callable[[Alert], str] | None = None,
) -> Notice:
    """The notice of a monitor of this name; `link` gives the page of an alert.

    Each has an id of its own, however soon they follow each other: a receiver drops what it has by its id.
    """
    facts = {"message": f"This is a test from {monitor}. Nobody needs to act."}
    alert = compose(monitor, Statement("monitor.heartbeat", "test", micros_of(now), facts), now)
    item = alert_item(alert, 0, products, test=True, only=OnlyInNotices(link(alert) if link else None))
    return Notice(item.type, item.timestamp, as_json(item.data), to)
