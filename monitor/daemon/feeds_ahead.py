"""A standby listens to the feeds: of each coin the newest price waits for the head that this one may become.

Nothing is decided by them until then. Who takes over goes on with the same connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

from monitor import plugins
from monitor.clock import Clock
from monitor.config import Config, Part
from monitor.core.prices.conflation import LatestPrices
from monitor.core.prices.quote import Batch
from monitor.feeds._base import Desk, Feed
from monitor.telemetry import log

Needs = Callable[[], Collection[str]]


class FeedAhead:
    """One feed that is listened to. `run` hands it over, `close` ends it."""

    def __init__(self, part: Part, config: Config, clock: Clock, needs: Needs) -> None:
        self.part = part
        self.feed: Feed = plugins.module("feeds", part.kind).build(part.name, part.config, clock)
        self._needs = needs
        attach = getattr(self.feed, "attach", None)  # a feed need not know the desk
        if attach is not None:
            attach(Desk(lambda: self._needs(), config.state_dir))
        self._kept = LatestPrices()
        self._sink: Callable[[Batch], object] = self._kept.put
        self._task = asyncio.create_task(self._listen(), name=f"feed {part.name}")

    async def _listen(self) -> None:
        async for batch in self.feed.quotes():
            self._sink(batch)

    def goes_on(self, part: Part) -> bool:
        """It is this feed, and listens. One that broke or was finite is to begin anew."""
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()) is not None:
            log.error("a feed of the standby broke", feed=part.name, error=repr(error))
        return self.part == part and not self._task.done()

    async def run(self, sink: Callable[[Batch], object], needs: Needs) -> None:
        """What has been kept goes to `sink`, then all that comes, until this is cancelled. Raises what breaks the feed."""
        self._needs, self._sink = needs, sink
        quotes, frames = self._kept.take()
        for frame in frames:
            sink(frame)
        if quotes:
            sink(quotes)
        try:
            await self._task
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends the connection."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task


def listen(config: Config, clock: Clock, needs: Needs) -> dict[str, FeedAhead]:
    """The feeds of a configuration by name, but for those that play something from its beginning."""
    live = (part for part in config.feeds if not getattr(plugins.module("feeds", part.kind), "PLAYS", False))
    return {part.name: FeedAhead(part, config, clock, needs) for part in live}
