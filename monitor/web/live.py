"""Rows, counts, prices and status as the streams show them, made and encoded once for all.

They are conflated: a slow reader gets the newest of each and misses those between. A tick looks for changes; a stream then
asks for what its reader has not seen yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.alerts.trouble import Trouble
from monitor.core.groups.snapshot import Scope
from monitor.core.money import plain
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.prices.decisions import Decision
from monitor.core.queries.explain import GroupRow, row
from monitor.core.queries.prices_shown import PriceItem
from monitor.core.text import stamp
from monitor.web.auth import Caller
from monitor.web.borrowers import price_without_sources, row_for
from monitor.web.causes import feed_causes, price_item
from monitor.web.http import encoded
from monitor.web.troubles import DegradedItem, degraded
from monitor.web.view import Daemon, Made, Paced, View

_UNPRICED = (None, None)
"""The state of a coin that a group needs and nobody prices."""
EVENTS = ("alert", "groups", "counts", "prices", "status")


class Limits(msgspec.Struct, frozen=True):
    """Bounds of the streams."""

    streams: int = 500
    """Each has a task and up to 500 rows to compare: 500 keep a core busy for a tenth of its time."""
    alerts: int = 5000
    """Recent alerts kept for all streams together; about 25 MB where each has ten inputs."""
    batch: int = 100
    """Alerts in one write: the place to resume from is known to that many."""
    write_timeout_s: float = 30.0
    """A reader that takes nothing for this long is cut off; EventSource comes back by itself."""
    tick_s: float = 0.25
    """Changed rows at most 4 times a second."""
    prices_every: int = 4
    """Ticks between looks at the prices, and at the counts: at most once a second."""
    status_every: int = 20
    """Ticks between status events when nothing changes: 5 s, which also shows that the line is alive."""


class GroupCounts(msgspec.Struct, frozen=True):
    """How the groups stand. `debt_usd` is by stage, in whole USD, without groups that cannot be valued.

    `unwatched`: groups that are in no figure, as their lines are refused; null for a token with a scope.
    """

    total: int
    unwatched: int | None
    unknown: int
    blind: int
    stages: dict[str, int]
    debt_usd: dict[str, str]
    partial: bool | UnsetType = UNSET
    """True while a shard of the book is missing: its groups are among the unknown ones, and their debt is in no sum."""


class GroupsEvent(msgspec.Struct, frozen=True):
    """Rows of the filter that changed, and ids that left it. The first event, a snapshot, has them all."""

    at: str
    snapshot: bool
    rows: list[GroupRow]
    gone: list[str]


class CountsEvent(msgspec.Struct, frozen=True):
    """How the groups of the caller stand."""

    at: str
    groups: GroupCounts


class PricesEvent(msgspec.Struct, frozen=True):
    """Prices that changed. The first event, a snapshot, has them all."""

    at: str
    snapshot: bool
    items: list[PriceItem]


class Pulse(NamedTuple):
    """The facts of a status event: cheap enough for four looks a second."""

    ready: bool
    reasons: Mapping[str, str]
    feeds: Mapping[str, bool]
    troubles: tuple[Trouble, ...]
    parts: Mapping[str, str]


class StatusEvent(msgspec.Struct, frozen=True):
    """Whether the daemon does its work, what is not in order, which feeds are connected, and the end of the alert log."""

    at: str
    ready: bool
    reasons: dict[str, str | None]
    degraded: list[DegradedItem]
    feeds: Mapping[str, bool]
    cursor: int | None
    """The end of the log; null for a token with a scope."""


class GapEvent(msgspec.Struct, frozen=True):
    """The stream ends: alerts were lost for it. Ask again from this cursor."""

    resume_after: int | str
    reason: str


EVENT_TYPES = (GroupsEvent, CountsEvent, PricesEvent, StatusEvent, GapEvent)
"""The data of every event but an alert, whose data is as in the log."""


def group_counts(view: View, scope: Scope) -> GroupCounts:
    """How the groups of a scope stand. For a worker thread."""
    counts = view.counts(scope)
    owed = {stage: plain(usd) for stage, usd in view.debts(scope).items()}
    unwatched = None if scope else len(view.unwatched())
    stages, partial = dict(counts.stages), counts.is_partial or UNSET
    return GroupCounts(counts.total, unwatched, counts.unknown, counts.blind, stages, owed, partial)


def reasons_told(reasons: Mapping[str, str], *, scoped: bool) -> dict[str, str | None]:
    """Why the daemon is not ready, by part. The texts may name groups, so a token with a scope sees the parts alone."""
    return {part: None if scoped else text for part, text in reasons.items()}


def frame(event: str, data: bytes | msgspec.Struct, id_: int | str | None = None) -> bytes:
    """One event as it is sent; bytes are JSON that is encoded already."""
    raw = data if isinstance(data, bytes) else msgspec.json.encode(data)
    head = f"event: {event}\n" + (f"id: {id_}\n" if id_ is not None else "")
    return head.encode() + b"data: " + raw + b"\n\n"


class StreamReader:
    """The reader of one stream: what it wants to see, and what it was shown last."""

    def __init__(self, events: frozenset[str], wanted: GroupQuery, caller: Caller) -> None:
        self.events = events
        self.wanted = wanted
        self.caller = caller
        self.scope = caller.scope
        self.rows: dict[str, bytes] = {}
        self.counts: GroupCounts | None = None
        self.generation = -1
        self.prices = -1
        self.status = -1
        self.beat = -1
        self.counted = -1


class LiveFigures:
    """The newest rows, counts, prices and status; `news` is what one reader has not seen yet."""

    def __init__(self, daemon: Daemon, limits: Limits) -> None:
        self._daemon = daemon
        self._view = daemon.view
        self._limits = limits
        self._ticks = 0
        self._beat = 0
        self._generation = 0
        self._count_tick = 0
        self._pages = Paced(daemon.clock)
        self._making = asyncio.Lock()
        self._prices: dict[str, tuple[int, tuple[object, ...], bytes]] = {}
        self._price_version = 0
        self._status_version = 0
        self._status_seen: Pulse | None = None
        self._degraded: dict[bool, list[DegradedItem]] = {}
        """What is not in order, for those who may see the whole desk and for others; made once for all streams."""

    async def tick(self, all_readers: Iterable[StreamReader]) -> None:
        """Looks for changes since the last tick."""
        self._ticks += 1
        self._look_at_status()
        readers = [*all_readers]
        if self._generation != self._view.generation:
            self._generation = self._view.generation
            self._pages.keep_only({self._key(s) for s in readers})
        if self._ticks % self._limits.prices_every == 0:
            self._count_tick += 1
            if any("prices" in s.events for s in readers):
                await self._take_prices()

    async def news(self, reader: StreamReader) -> bytes:
        """The events that a reader has not seen yet. From now on they count as seen."""
        frames = b""
        if "status" in reader.events and reader.status != self._status_version:
            reader.status = self._status_version
            frames += frame("status", self._status(reader.caller))
        elif reader.beat != self._beat:
            frames += b": alive\n\n"
        reader.beat = self._beat
        if "groups" in reader.events and reader.generation != self._generation:
            frames += await self._changed_rows(reader)
        if "counts" in reader.events and reader.counted != self._count_tick:
            frames += await self._changed_counts(reader)
        if "prices" in reader.events and reader.prices != self._price_version:
            frames += await self._changed_prices(reader)
        return frames

    async def _changed_rows(self, reader: StreamReader) -> bytes:
        is_first = reader.generation < 0
        generation = self._generation
        made = await self._rows(reader)
        rows: dict[str, bytes] = made.value
        changed = [text for id_, text in rows.items() if reader.rows.get(id_) != text]
        gone = [id_ for id_ in reader.rows if id_ not in rows]
        reader.rows = rows
        # A page that costs too much for every tick may be behind: the next tick asks again.
        reader.generation = min(generation, made.generation)
        if not (changed or gone or is_first):
            return b""
        return frame("groups", GroupsEvent(self._now(), is_first, encoded(changed), gone))

    async def _changed_counts(self, reader: StreamReader) -> bytes:
        """How the groups stand. The view makes it at a bounded rate for all who ask."""
        reader.counted = self._count_tick
        counts = await asyncio.to_thread(group_counts, self._view, reader.scope)
        if counts == reader.counts:
            return b""
        reader.counts = counts
        return frame("counts", CountsEvent(self._now(), counts))

    async def _changed_prices(self, reader: StreamReader) -> bytes:
        is_first = reader.prices < 0
        since = reader.prices
        if is_first:
            await self._take_prices()
        # Which coins other groups need, though nobody prices them, is not for a token with a scope.
        known = (
            self._prices.values() if not reader.scope else [x for x in self._prices.values() if x[1][:2] != _UNPRICED]
        )
        if reader.caller.is_borrower:
            known = await asyncio.to_thread(self._own_prices, reader.scope)
        items = [text for version, _, text in known if version > since]
        reader.prices = self._price_version
        if not items and not is_first:
            return b""
        return frame("prices", PricesEvent(self._now(), is_first, encoded(items)))

    def _own_prices(self, scope: Scope) -> list[tuple[int, tuple[object, ...], bytes]]:
        """The prices of a borrower's own coins, without where they come from. For a worker thread."""
        own = [self._prices[asset] for asset in sorted(self._view.needed(scope)) if asset in self._prices]
        read = msgspec.json.Decoder(PriceItem).decode
        return [
            (version, state, msgspec.json.encode(price_without_sources(read(text)))) for version, state, text in own
        ]

    def _key(self, reader: StreamReader) -> tuple[Any, ...]:
        public = tuple(self._daemon.public_labels()) if reader.caller.is_borrower else None
        return reader.wanted, reader.scope, public

    async def _rows(self, reader: StreamReader) -> Made:
        """The rows of a filter, by id and encoded, worst first; made once for all streams that ask the same."""
        key = self._key(reader)
        async with self._making:
            generation = self._view.generation
            made = self._pages.get(key, generation)
            if made is None:
                made = await asyncio.to_thread(self._pages.make, key, generation, lambda: self._page(reader))
            return made

    def _page(self, reader: StreamReader) -> dict[str, bytes]:
        sights, public = self._view.groups(reader.wanted, reader.scope).rows, self._daemon.public_labels()
        return {s.group.id: msgspec.json.encode(row_for(reader.caller, public, row(s))) for s in sights}

    def _look_at_status(self) -> None:
        """A status that changed, or is due again, becomes a new version."""
        seen = self._pulse()
        is_due = self._ticks % self._limits.status_every == 0
        if is_due or seen != self._status_seen:
            self._status_seen = seen
            self._status_version += 1
            self._degraded = {is_told: degraded(self._daemon, is_told=is_told) for is_told in (True, False)}
            self._beat += is_due

    async def _take_prices(self) -> None:
        async with self._making:
            changed = await asyncio.to_thread(self._new_prices, self._price_version + 1)
            if changed:
                self._prices = {**self._prices, **changed}
                self._price_version += 1

    def _new_prices(self, version: int) -> dict[str, tuple[int, tuple[object, ...], bytes]]:
        """The prices that are not what they were, encoded: another mark, rate or trust, another decision about it."""
        view = self._view
        causes = feed_causes(self._daemon)
        at = self._daemon.clock.utc()
        changed: dict[str, tuple[int, tuple[object, ...], bytes]] = {}
        marks = view.marks
        on = view.published
        decided: dict[str, tuple[Decision, ...]] = {}
        for decision in view.decisions:
            decided[decision.asset] = (*decided.get(decision.asset, ()), decision)
        for asset in sorted(marks.keys() | on.usd.keys() | view.needed()):
            is_doubted = asset in on.untrusted or asset not in on.usd
            state = (marks.get(asset), on.usd.get(asset), decided.get(asset), causes if is_doubted else None)
            if asset not in self._prices or self._prices[asset][1] != state:
                changed[asset] = (version, state, msgspec.json.encode(price_item(self._daemon, asset, at, causes)))
        return changed

    def _pulse(self) -> Pulse:
        reasons, parts = dict(self._daemon.health.reasons), dict(self._daemon.health.degraded)
        connected = {name: feed.connected for name, feed in self._daemon.feeds.items()}
        return Pulse(not reasons, reasons, connected, self._view.troubles, parts)

    def _status(self, caller: Caller) -> StatusEvent:
        """Parts and feeds are the desk's, so a borrower hears only whether the monitor does its work."""
        pulse, is_scoped = self._pulse(), bool(caller.scope)
        if caller.is_borrower:
            return StatusEvent(self._now(), pulse.ready, {}, [], {}, None)
        reasons = reasons_told(pulse.reasons, scoped=is_scoped)
        cursor = None if is_scoped else self._view.cursor
        return StatusEvent(
            self._now(), pulse.ready, reasons, self._degraded.get(not is_scoped, []), pulse.feeds, cursor
        )

    def _now(self) -> str:
        return stamp(self._daemon.clock.utc())
