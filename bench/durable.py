"""A journal over an SQLite store on this disk: what path and storm commit through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from monitor.clock import SystemClock
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.daemon.journal import Journal
from monitor.stores import sqlite
from monitor.stores._base import Committed, Target
from monitor.telemetry import Health, Metrics

TARGETS = (Target("desk"),)
"""Every alert is owed to one channel, so that a delivery is made durable with it."""


@asynccontextmanager
async def journal(folder: Path) -> AsyncIterator[Journal]:
    """A journal whose store is new, and deleted afterwards. `folder` must be on a disk: in memory nothing is durable."""
    with TemporaryDirectory(dir=folder) as place:
        store = sqlite.build(sqlite.Config(path=f"{place}/monitor.db"))
        await store.open()
        try:
            yield Journal(store, SystemClock(), Metrics(), Health(), _route, _offer, _send_volatile)
        finally:
            await store.close()


def _route(alert: Alert) -> tuple[Target, ...]:
    return TARGETS


def _offer(committed: Committed) -> None:
    """Nobody delivers here."""


async def _send_volatile(alerts: Sequence[tuple[LoggedAlert, tuple[Target, ...]]]) -> None:
    raise AssertionError("the store failed")
