"""Follows the LTV of groups and keeps it in the store, off the way of any tick. The page draws it.

It follows groups that somebody may ask about: the worst of the list while they are in a bad stage, near their next line
or unknown, and for a day after; and those whose page somebody opened within a day. Each has a point a minute for a day and
a point a quarter of an hour for thirty days, with the lowest, the highest and the last LTV. One minute of that is in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.clock import Clock
from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.money import exact
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.portfolio.snapshot import distance_of
from monitor.core.stages.stages import NORMAL
from monitor.core.valuation.shown_figures import ltv_of
from monitor.stores._base import BLIND, UNKNOWN, UNRECOGNISED, LtvPoint, Store, StoreUnavailable
from monitor.stores._points import joined_points
from monitor.telemetry import BoundedLog
from monitor.web.view import View

SAMPLE_S = 10.0
"""Six looks a minute find most lows and highs. Where one between two looks mattered, an alert has it."""
FLUSH_S = 60.0
FINE_S = 60
COARSE_S = 900
FINE_FOR = timedelta(hours=24)
COARSE_FOR = timedelta(days=30)
SLACK = timedelta(minutes=15)
"""Who asks for a day gets its minutes, though the question was on its way for a while."""
FOLLOWED = 400
"""Groups of the list that are followed, and as many that were until lately. Together they take a thread a tenth of a second
in ten, and 60 MB of the store a day."""
NEAR_PERCENT = Decimal(10)
"""A group is near its next line where a fall of its recognised value by this much, or less, takes it there."""
OPENED = 200
FOLLOWED_FOR_S = 86_400.0
"""Opened pages that are remembered, and how long a group is followed after the last reason."""
PENDING = 20_000
"""Points that wait while the store takes none; beyond that they are dropped, and the answer shows a gap."""
PRUNE_EVERY = 60


class LtvFollower:
    """Follows groups. `run` samples and keeps; `points` reads."""

    def __init__(self, view: View, store: Store, clock: Clock) -> None:
        self._view = view
        self._store = store
        self._clock = clock
        self._pending: dict[tuple[str, int, datetime], LtvPoint] = {}
        self._opened = _Lately(OPENED)
        self._lately = _Lately(FOLLOWED)
        self._flushes = 0
        self._log = BoundedLog()

    def opened(self, group_id: str) -> None:
        """Somebody opened a group's page: the group is followed for a day."""
        self._opened.add(group_id, self._clock.monotonic_s())

    async def run(self) -> None:
        """Samples and keeps until it is cancelled."""
        flushed_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(SAMPLE_S)
            await self.sample()
            if self._clock.monotonic_s() - flushed_s >= FLUSH_S:
                flushed_s = self._clock.monotonic_s()
                await self.flush()

    async def sample(self) -> None:
        """Looks once at every group that is followed."""
        at = self._clock.utc()
        now_s = self._clock.monotonic_s()
        since_s = now_s - FOLLOWED_FOR_S
        known = (*self._opened.since(since_s), *self._lately.since(since_s))
        for sight in await asyncio.to_thread(self._followed, known):
            self._add(_point(sight, at))
            if _is_noted(sight):
                self._lately.add(sight.group.id, now_s)

    async def flush(self) -> None:
        """Hands the samples to the store, at the finer and at the coarser step."""
        points = [*self._pending.values()]
        coarse = [msgspec.structs.replace(p, step_s=COARSE_S, at=_start(p.at, COARSE_S)) for p in points]
        try:
            await self._store.keep_points([*points, *merged(coarse)])
            self._pending.clear()
            self._flushes += 1
            if self._flushes % PRUNE_EVERY == 1:
                now = self._clock.utc()
                await self._store.prune_points(FINE_S, now - FINE_FOR)
                await self._store.prune_points(COARSE_S, now - COARSE_FOR)
        except StoreUnavailable as e:
            self._log.warning(
                self._clock.monotonic_s(), "history", "the history of LTV could not be kept", reason=str(e)
            )
            if len(self._pending) > PENDING:
                self._pending.clear()

    async def points(
        self, group: str, span: tuple[datetime, datetime], most: int, scope: Scope = ()
    ) -> tuple[int, list[LtvPoint]]:
        """How many seconds each point covers, and the points of a group in [start, end) for a scope: at most `most`."""
        start, end = span
        span_s = max((end - start).total_seconds(), 1.0)
        kept_s = FINE_S if start >= self._clock.utc() - FINE_FOR - SLACK else COARSE_S
        step_s = kept_s * max(1, -(-int(span_s) // (kept_s * most)))
        start = _start(start, step_s)
        waiting = [p for p in self._pending.values() if p.group == group and start <= p.at < end]
        stored = await self._store.points(group, kept_s, start, end)
        mine = (p for p in (*stored, *waiting) if sees(scope, p.labels))
        found = (msgspec.structs.replace(p, step_s=step_s, at=_start(p.at, step_s)) for p in mine)
        return step_s, merged(found)

    def _add(self, point: LtvPoint) -> None:
        key = (point.group, point.step_s, point.at)
        known = self._pending.get(key)
        self._pending[key] = point if known is None else joined_points(known, point)

    def _followed(self, known: Sequence[str]) -> list[Sight]:
        """The groups to look at: those of the list that give a reason now, and those that gave one. In a worker thread."""
        found = {s.group.id: s for s in self._view.groups(GroupQuery(limit=FOLLOWED)).rows if _is_noted(s)}
        for id_ in known:
            if id_ not in found and (sight := self._view.sight(id_)) is not None:
                found[id_] = sight
        return [*found.values()]


class _Lately:
    """The groups that gave a reason last, and when (monotonic seconds); the one longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._at_s: OrderedDict[str, float] = OrderedDict()

    def add(self, id_: str, now_s: float) -> None:
        self._at_s[id_] = now_s
        self._at_s.move_to_end(id_)
        if len(self._at_s) > self._most:
            self._at_s.popitem(last=False)

    def since(self, since_s: float) -> list[str]:
        while self._at_s and next(iter(self._at_s.values())) < since_s:
            self._at_s.popitem(last=False)
        return [*self._at_s]


def merged(points: Iterable[LtvPoint]) -> list[LtvPoint]:
    """Makes points of the same group, step and time one, in order. Later ones are newer."""
    found: dict[tuple[str, int, datetime], LtvPoint] = {}
    for p in points:
        key = (p.group, p.step_s, p.at)
        found[key] = joined_points(found[key], p) if key in found else p
    return [found[key] for key in sorted(found)]


def _point(sight: Sight, at: datetime) -> LtvPoint:
    ltv = ltv_of(sight.held, sight.weight) if sight.weight is not None else None
    flags = BLIND if sight.blind else 0
    if ltv is None:
        flags |= UNKNOWN if sight.weight is None else UNRECOGNISED
    return LtvPoint(sight.group.id, FINE_S, _start(at, FINE_S), ltv, ltv, ltv, flags, sight.group.labels)


def _is_noted(sight: Sight) -> bool:
    """In a bad stage, unknown, or near its next line."""
    if sight.state.stage != NORMAL or sight.weight is None:
        return True
    with exact():
        return distance_of(sight.weight, sight.held, NORMAL) <= NEAR_PERCENT


def _start(at: datetime, step_s: int) -> datetime:
    """When the bucket of a time begins."""
    return datetime.fromtimestamp(int(at.timestamp()) // step_s * step_s, UTC)
