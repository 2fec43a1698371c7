"""What a running daemon does from time to time: proves the store, deletes old records, measures its own lateness."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from monitor.clock import Clock
from monitor.core.alerts.catalogue import STALLED
from monitor.core.alerts.state_alerts import CONTRADICTED
from monitor.core.events.events import Noticed
from monitor.core.groups.outcome import Publication
from monitor.core.groups.plain_moves import MOST_DISPROOFS, Disproof, Rendered
from monitor.core.text import stamp
from monitor.running import Running
from monitor.stores._base import StoreUnavailable
from monitor.telemetry import BOUNDED_LOGS, log, trim_memory

PROBE_S = 2.0
"""How often the store is proved writable: readiness must fail within five seconds of a full disk."""
PRUNE_S = 3600.0
STALLED_S = 5.0
"""The event loop or core that stood still for so long is an alert: prices and notices were late by as much."""
TRIM_AFTER_S = 3.0
"""A large book is read, or a storm of alerts is over, when nothing more of it came for this long."""
RENDERED_AT_ONCE = 64
"""Alerts whose figures are worked out in one transaction: some ten milliseconds, which a commit may have to wait."""
RENDER_REST_S, RENDER_EVERY_S = 0.05, 2.0
"""Between two such steps, and where there was nothing to do: a storm of 100,000 is worked out within two or three minutes."""
STORM = 1_000
"""Alerts at once whose memory is worth being given back: about 10 MB."""

Tell = Callable[[Noticed], Coroutine[Any, Any, None]]


class MemoryTrim:
    """Gives memory back to the system after a large book was read or a storm of alerts is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bulk_s: float | None = None
        """When bulk came last; None after its memory was given back."""

    @property
    def is_bulk(self) -> bool:
        """A large book is being read, or was until a moment ago."""
        return self._bulk_s is not None

    def note(self) -> None:
        """A part of a large book, or many alerts, have come."""
        self._bulk_s = self._clock.monotonic_s()

    def note_storm(self, publication: Publication) -> None:
        """Listens to what is published."""
        if len(publication.alerts) >= STORM:
            self.note()

    async def look(self) -> None:
        """Trims when nothing more of the bulk has come for a while."""
        if self._bulk_s is not None and self._clock.monotonic_s() - self._bulk_s > TRIM_AFTER_S:
            self._bulk_s = None
            await asyncio.to_thread(trim_memory)


async def watch_store(running: Running, save_soon: Callable[[], None]) -> None:
    """Proves that the store takes a commit. Where it does not, the next commit shall come soon and tell the desk."""
    while True:
        await asyncio.sleep(PROBE_S)
        try:
            await running.store.probe()
        except StoreUnavailable as e:
            running.health.set("store probe", str(e))
            save_soon()
        else:
            running.health.set("store probe", None)


async def watch_names(running: Running, trouble: Callable[[], str | None]) -> None:
    """Readiness fails while a name server does: a channel or a feed cannot be reached then."""
    while True:
        running.health.set("names", trouble())
        await asyncio.sleep(PROBE_S)


async def prune(running: Running, keep: Callable[[], timedelta]) -> None:
    """Deletes old records, at the start as well: a daemon that restarts every night would otherwise keep everything."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            if rows := await running.store.prune(running.clock.utc() - keep()):
                log.info("old records deleted", rows=rows)
        await asyncio.sleep(PRUNE_S)


class FiguresWatch:
    """Works out the figures of light alerts in the background, and has the desk told where they contradict a decision."""

    def __init__(self, running: Running, of_book: Callable[[], list[Disproof]], tell: Tell) -> None:
        """`of_book` takes what alerts found that were looked at before."""
        self._running = running
        self._of_book = of_book
        self._told = 0
        self._tell = tell

    async def run(self) -> None:
        """Goes on for ever; a few at a time, so that no commit waits for long."""
        while True:
            is_idle = await self.look()
            await asyncio.sleep(RENDER_EVERY_S if is_idle else RENDER_REST_S)

    async def look(self) -> bool:
        """One step. Whether nothing was left to do."""
        try:
            found = await self._running.store.render(RENDERED_AT_ONCE)
        except StoreUnavailable:
            found = Rendered()
        for disproof in (*found.disproofs, *self._of_book())[: MOST_DISPROOFS - self._told]:
            self._told += 1
            log.critical("exact figures contradict a decision by column", **disproof._asdict())
            facts = {
                "group": disproof.group,
                "decided_at": stamp(disproof.at),
                "stage": disproof.stage,
                "decided": disproof.decided,
                "exact": disproof.exact,
            }
            fingerprint = f"{disproof.group} {facts['decided_at']}"
            await self._tell(Noticed(self._running.clock.utc(), CONTRADICTED, "decision", facts, fingerprint))
        return found.done == 0


class StallWatch:
    """Finds that the event loop or core stood still, and has the desk told once they go on."""

    def __init__(
        self, running: Running, busy_s: Callable[[], float], is_loading: Callable[[], bool], tell: Tell
    ) -> None:
        self._running = running
        self._busy_s = busy_s
        self._is_loading = is_loading
        self._tell = tell
        self._core_s = 0.0

    async def looked(self, late_s: float) -> None:
        """Once a second: the loop came back `late_s` too late. A book that loads may keep both busy."""
        is_loading = self._is_loading()
        if late_s >= STALLED_S and not is_loading:
            await self._say("event loop", late_s)
        busy_s = self._busy_s()
        if busy_s >= STALLED_S and not is_loading:
            self._core_s = busy_s
            self._running.health.set("core", f"busy with one turn for {busy_s:.0f} s")
        elif self._core_s:
            stood_s, self._core_s = self._core_s, 0.0
            self._running.health.set("core", None)
            await self._say("core", stood_s)

    async def _say(self, part: str, seconds: float) -> None:
        log.critical("a part of the monitor stood still", part=part, seconds=round(seconds, 1))
        facts = {"part": part, "seconds": f"{seconds:.1f}"}
        await self._tell(Noticed(self._running.clock.utc(), STALLED, part, facts))


def tell_left_out(clock: Clock) -> None:
    """The log says how many of its lines it left out, also where no more of them come."""
    for each in list(BOUNDED_LOGS):
        each.tell_left_out(clock.monotonic_s())


async def watch_loop(running: Running, memory: MemoryTrim, stalls: StallWatch) -> None:
    """Measures how late the event loop is."""
    while True:
        before_s = running.clock.monotonic_s()
        await asyncio.sleep(1.0)
        late_s = max(0.0, running.clock.monotonic_s() - before_s - 1.0)
        running.metrics.loop_lag.set(late_s)
        tell_left_out(running.clock)
        await stalls.looked(late_s)
        await memory.look()
