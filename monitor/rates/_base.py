"""What every source of flexible rates does. Its module has `Config` and `build(name, config, clock)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from monitor.core.events.events import Event, RatesChanged


class RateSource(Protocol):
    """Rates of one product as RatesChanged events; it sends Noticed for what it refuses."""

    name: str

    def read(self) -> RatesChanged:
        """All that it states now, for a check or a replay. Raises schema.Invalid with every problem and its place."""

    async def opening(self) -> list[Event]:
        """All that it states, before the loans come. A source that cannot be used says so in an event."""

    def changes(self) -> AsyncIterator[list[Event]]:
        """What it states after each later change."""
