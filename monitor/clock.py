"""The only module that asks what time it is."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for stamps and deadlines, monotonic time for waits and ages."""

    def utc(self) -> datetime:
        """Now, aware, in UTC."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; unrelated to the wall clock."""

    async def sleep(self, seconds: float) -> None:
        """Waits by monotonic time."""


class SystemClock:
    """The machine's clocks."""

    def utc(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  this is the one place

    def monotonic_s(self) -> float:
        return time.monotonic()  # noqa: TID251  this is the one place

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
