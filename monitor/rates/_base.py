"""What a source of flexible rates is to the daemon. Its module has `Config` and `build(name, config, clock)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from monitor.core.events.events import Event, RatesChanged


class RateSource(Protocol):
    """Rates of one product: RatesChanged, and Noticed for what it refused."""

    name: str

    def read(self) -> RatesChanged:
        """All that it states now, for a check or a replay. Raises wire.Invalid with every problem, each with its place."""
        ...

    async def opening(self) -> list[Event]:
        """All that it states, before the loans come; a source that cannot be used says so in an event."""
        ...

    def changes(self) -> AsyncIterator[list[Event]]:
        """What it states when that changes, after the opening."""
        ...
