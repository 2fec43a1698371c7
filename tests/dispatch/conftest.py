"""A dispatcher with everything around it: a store in memory, channels that do as told, a clock that moves when told."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.events.events import Noticed
from monitor.dispatch.channel import Setting
from monitor.dispatch.worker import Around, Dispatcher, Tell
from monitor.notifiers._base import DeliveryError, Fault, Notice
from monitor.running import Running, Tasks
from monitor.stores._base import Change, Target
from monitor.telemetry import Health, Metrics
from tests.fakes import START, FakeClock, FakeNotifier, FakeStore, as_body, rendered, settle


class DispatchDesk:
    """A dispatcher with everything around it."""

    def __init__(self, **notifiers: FakeNotifier) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.notifiers = notifiers
        self.metrics = Metrics()
        self.tasks = Tasks()
        self.events: list[Noticed] = []
        self.settings: dict[str, Setting] = {}
        self.routed: tuple[Target, ...] = ()
        """Where what waits for a notifier that is gone goes."""
        self.dispatcher = self.new_dispatcher()

    def new_dispatcher(
        self, render: Callable[[LoggedAlert], dict[str, Any]] = rendered, tell: Tell | None = None
    ) -> Dispatcher:
        running = Running(self.store, self.clock, self.metrics, Health(), self.tasks)
        desk = Around(tell or self._noticed, lambda _: self.routed)
        return Dispatcher(running, self.notifiers, lambda x: as_body(render(x)), desk, self.settings)

    async def _noticed(self, event: Noticed) -> None:
        self.events.append(event)

    async def commit(self, *alerts: Alert, to: str | tuple[str, ...] = "mail") -> None:
        """Commits alerts routed to the named notifiers, and offers what the commit made due."""
        targets = tuple(map(Target, (to,) if isinstance(to, str) else to))
        done = await self.store.commit(Change(START, alerts=tuple((a, targets) for a in alerts)))
        self.dispatcher.take_over(done)
        await settle()

    def states(self) -> list[str]:
        return [d.state for d in self.store.rows.values()]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


Open = Callable[..., Any]


@pytest.fixture
async def open_desk() -> AsyncIterator[Open]:
    """Makes started desks, and stops them."""
    desks: list[DispatchDesk] = []

    async def make(**notifiers: FakeNotifier) -> DispatchDesk:
        desk = DispatchDesk(**notifiers)
        desks.append(desk)
        await desk.dispatcher.start()
        return desk

    yield make
    for desk in desks:
        await desk.dispatcher.stop(0.2)


def failing(
    reason: str = "HTTP 500",
    *,
    retry: bool = True,
    after_s: float | None = None,
    fault: Fault | None = None,
    answer: str = "",
) -> Callable[[Notice], None]:
    def behave(_: Notice) -> None:
        raise DeliveryError(reason, retry=retry, after_s=after_s, fault=fault, answer=answer)

    return behave
