"""The daemon inside the test's own process, on a clock whose wall the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from monitor import config as configuration
from monitor.clock import SystemClock
from monitor.core.alerts.alert import LoggedAlert
from monitor.daemon.app import App
from monitor.stores._base import AlertFilter
from tests.faults.house import House, until


class MovedClock:
    """The machine's clocks, but the wall can be set, and can run at another rate than the monotonic one."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._set_at_s, self._wall = self._real.monotonic_s(), self._real.utc()
        self._rate = 1.0

    def utc(self) -> datetime:
        return self._wall + timedelta(seconds=(self._real.monotonic_s() - self._set_at_s) * self._rate)

    def monotonic_s(self) -> float:
        return self._real.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._wall += timedelta(seconds=seconds)

    def run_at(self, rate: float) -> None:
        """From now on the wall runs so many times as fast."""
        self._wall, self._set_at_s = self.utc(), self._real.monotonic_s()
        self._rate = rate


@asynccontextmanager
async def running(house: House, clock: MovedClock | None = None) -> AsyncIterator[App]:
    """The daemon of a house; the working directory must be the house's folder. What breaks it fails the test."""
    app = App(configuration.load(house.config), clock)
    await app.start()
    try:
        if house.venue is not None and app.config.feeds:
            await house.venue.joined()
        yield app
        if app.tasks.error is not None:
            raise app.tasks.error
    finally:
        await app.stop()
        if house.venue is not None:
            await until(lambda: not house.venue.sockets, "the feed's socket is closed")


async def said(app: App, kind: str = "*") -> list[LoggedAlert]:
    """The alert log, or those of one type."""
    return await app.store.alerts(AlertFilter(type=kind, limit=1000))
