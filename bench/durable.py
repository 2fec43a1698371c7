"""A journal over an SQLite store on this disk: what path and storm commit through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from monitor.clock import SystemClock
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.daemon.journal import Journal
from monitor.running import Running, Tasks
from monitor.stores import sqlite
from monitor.stores._base import Committed, Store, Target
from monitor.telemetry import Health, Metrics

TARGETS = (Target("desk"),)
"""Every alert goes to one channel, so that a delivery is made durable with it."""


@asynccontextmanager
async def journal(folder: Path) -> AsyncIterator[Journal]:
    """A journal whose store is new, and deleted afterwards. `folder` must be on a disk: in memory nothing is durable."""
    with TemporaryDirectory(dir=folder) as place:
        store = sqlite.build(sqlite.Config(path=f"{place}/monitor.db"))
        await store.open()
        try:
            yield journal_over(store)
        finally:
            await store.close()


def journal_over(store: Store) -> Journal:
    """A journal over a store that is open."""
    return Journal(Running(store, SystemClock(), Metrics(), Health(), Tasks()), _Outlet())


class _Outlet:
    """Routes every alert, and delivers none."""

    gathers = False

    def route(self, alert: Alert) -> tuple[Target, ...]:
        return TARGETS

    def route_all(self, alerts: Sequence[Alert], at: datetime) -> tuple[tuple[Alert, tuple[Target, ...]], ...]:
        return tuple((alert, TARGETS) for alert in alerts)

    def take_over(self, committed: Committed) -> None:
        return

    async def send_volatile(self, alerts: Sequence[tuple[LoggedAlert, tuple[Target, ...]]]) -> None:
        raise AssertionError("the store failed")
