"""Server-sent events: the alert log from a cursor on, then live; the rows of a filter; prices; status.

Every stream has its own task and its own place in one short log of recent alerts, so a reader that is slow, or gone,
holds up no other. Rows and prices are conflated: a slow reader gets the newest of each, not each that was. Alerts are
never conflated: a reader that falls behind the short log is told from which cursor to resume, and is disconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from aiohttp import web

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.groups.outcome import Publication
from monitor.core.groups.survey import Scope
from monitor.core.money import plain
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.queries.explain import GroupRow, PriceItem, row
from monitor.core.text import stamp
from monitor.stores._base import AlertFilter, StoreUnavailable
from monitor.web.alert_log import AlertLog, may_see
from monitor.web.auth import Caller
from monitor.web.http import Rejected, encoded
from monitor.web.view import Daemon, Made, Paced, View

EVENTS = ("alert", "groups", "counts", "prices", "status")
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
RECONNECT_MS = 2000


class Limits(msgspec.Struct, frozen=True):
    """Bounds of the streams."""

    streams: int = 500
    """Each has a task and up to 500 rows to compare: 500 keep a core busy for a tenth of its time."""
    alerts: int = 5000
    """Recent alerts kept for all streams together; about 25 MB where each has ten inputs."""
    batch: int = 100
    """Alerts in one write: the place to resume from is known to that many."""
    write_timeout_s: float = 30.0
    """A reader that takes nothing for so long is cut off; EventSource comes back by itself."""
    tick_s: float = 0.25
    """Changed rows at most 4 times a second."""
    prices_every: int = 4
    """Ticks between looks at the prices, and at the counts: at most once a second."""
    status_every: int = 20
    """Ticks between status events when nothing changes: 5 s, which also shows that the line is alive."""


class GroupCounts(msgspec.Struct, frozen=True):
    """How the groups stand. `debt_usd` is by stage, in whole USD, without groups that cannot be valued."""

    total: int
    unknown: int
    blind: int
    stages: dict[str, int]
    debt_usd: dict[str, str]


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
    """What a status event says beside the time: cheap enough for four looks a second."""

    ready: bool
    reasons: Mapping[str, str]
    feeds: Mapping[str, bool]


class StatusEvent(msgspec.Struct, frozen=True):
    """Whether the daemon does its work, which feeds are connected, and the end of the alert log."""

    at: str
    ready: bool
    reasons: dict[str, str | None]
    feeds: Mapping[str, bool]
    cursor: int


class GapEvent(msgspec.Struct, frozen=True):
    """The stream ends: alerts were lost for it. Ask again from this cursor."""

    resume_after: int
    reason: str


EVENT_TYPES = (GroupsEvent, CountsEvent, PricesEvent, StatusEvent, GapEvent)
"""What the events say beside an alert, which is as in the log."""


def group_counts(view: View, scope: Scope) -> GroupCounts:
    """How the groups of a scope stand. For a worker thread."""
    counts = view.counts(scope)
    owed = {stage: plain(usd) for stage, usd in view.debts(scope).items()}
    return GroupCounts(counts.total, counts.unknown, counts.blind, dict(counts.stages), owed)


def reasons_told(reasons: Mapping[str, str], *, scoped: bool) -> dict[str, str | None]:
    """By part. The texts may name groups, so a token with a scope is told the parts alone."""
    return {part: None if scoped else text for part, text in reasons.items()}


class _Gap(Exception):
    """Alerts were lost for this stream."""


class Client:
    """One stream: what it wants, and how far it got. It replays the alert log after a cursor where one is given."""

    def __init__(self, caller: Caller, events: frozenset[str], wanted: GroupQuery, after: int | None) -> None:
        self.caller = caller
        self.events = events
        self.wanted = wanted
        self.after = after
        self.wake = asyncio.Event()
        self.place = 0
        """Of the next alert in the hub's log, counted from the hub's start."""
        self.cursor = 0
        """Of the last alert that was written."""
        self.replayed = 0
        """Alerts up to this cursor were read from the store; the live ones among them are skipped."""
        self.is_over = False
        self.rows: dict[str, bytes] = {}
        self.counts: GroupCounts | None = None
        self.generation = -1
        self.prices = -1
        self.status = -1
        self.beat = -1
        self.counted = -1

    @property
    def scoped(self) -> bool:
        return bool(self.caller.scope)


class Hub:
    """All streams, and what they share: the log of recent alerts, and rows, prices and status in their encoded form."""

    def __init__(self, daemon: Daemon, log: AlertLog, limits: Limits | None = None) -> None:
        self._daemon = daemon
        self._view = daemon.view
        self._log = log
        self.limits = limits or Limits()
        self.clients: set[Client] = set()
        self._closed = False
        self._recent: list[LoggedAlert] = []
        self._first = 0
        """The place of the first alert of `_recent`."""
        self._ticks = 0
        self._beat = 0
        self._generation = 0
        self._count_tick = 0
        self._pages = Paced(daemon.clock)
        self._making = asyncio.Lock()
        self._prices: dict[str, tuple[int, object, bytes]] = {}
        self._price_version = 0
        self._status_version = 0
        self._status_seen: Pulse | None = None
        self._view.listeners.append(self.publish)

    def publish(self, publication: Publication) -> None:
        """Takes new alerts and wakes the streams that want them. Never waits."""
        if not publication.alerts:
            return
        self._recent += publication.alerts
        excess = len(self._recent) - self.limits.alerts
        # Cutting a quarter more at once keeps the cost of a cut away from most publications.
        if excess > self.limits.alerts // 4:
            del self._recent[:excess]
            self._first += excess
        for client in self.clients:
            client.wake.set()

    async def run(self) -> None:
        """Looks for changes of rows, prices and status in bounded time steps, until it is cancelled."""
        while True:
            await asyncio.sleep(self.limits.tick_s)
            if self.clients:
                await self._tick()

    def close(self) -> None:
        """Ends all streams."""
        self._closed = True
        self._view.listeners.remove(self.publish)
        for client in self.clients:
            client.wake.set()

    def disconnect(self, session: str | None = None) -> None:
        """Ends the streams that are open, or those of one session; new ones may come."""
        for client in self.clients:
            if session in (None, client.caller.session):
                client.is_over = True
                client.wake.set()

    async def serve(self, request: web.Request, client: Client) -> web.StreamResponse:
        """Writes events until the reader leaves, is too slow, or is disconnected. Raises Rejected where too many read."""
        if len(self.clients) >= self.limits.streams:
            raise Rejected(
                "too-many-streams", f"{self.limits.streams} streams are open already", headers={"Retry-After": "5"}
            )
        response = web.StreamResponse(headers=HEADERS)
        response.force_close()
        self.clients.add(client)
        try:
            await response.prepare(request)
            await self._serve(client, response)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # The reader left; that is how every stream ends.
        finally:
            self.clients.discard(client)
        return response

    async def _serve(self, client: Client, response: web.StreamResponse) -> None:
        try:
            await self._write(response, f"retry: {RECONNECT_MS}\n\n".encode())
            if "alert" in client.events:
                await self._begin(client, response)
            while not self._is_over(client):
                await self._send_alerts(client, response)
                await self._send_rest(client, response)
                await client.wake.wait()
                client.wake.clear()
        except _Gap:
            await self._end_with_gap(client, response, "this reader is slower than the alerts come")
        except StoreUnavailable:
            await self._end_with_gap(client, response, "the alert log cannot be read now")

    async def _begin(self, client: Client, response: web.StreamResponse) -> None:
        """Replays the log where a cursor is given, and takes the place from which the live alerts follow."""
        after = client.after
        if after is None:
            client.place = self._end
            client.cursor = self._view.cursor
            # An id without data: a reader that sees no alert still knows where to resume.
            await self._write(response, f"id: {client.cursor}\n\n".encode() if client.cursor else b": live\n\n")
            return
        client.cursor = after
        # What was published before this line is in the store by now; what comes after it is kept for us. Where so much
        # came meanwhile that it was not all kept, the store has it by then.
        client.place = self._end
        await self._replay(client, response)
        while client.place < self._first:
            client.place = self._end
            await self._replay(client, response)
        # A cursor from beyond the log (of another store) must not silence what comes: only a known one is skipped to.
        is_known = client.cursor > after or bool(await self._daemon.store.alerts(AlertFilter(after - 1, limit=1)))
        client.replayed = client.cursor if is_known else 0

    async def _replay(self, client: Client, response: web.StreamResponse) -> None:
        """All alerts of the log after the client's cursor."""
        more: int | None = client.cursor
        while more is not None and not self._is_over(client):
            found, more = await self._log.page(AlertFilter(after=more, limit=self.limits.batch), client.caller)
            await self._write_alerts(client, response, found)

    async def _send_alerts(self, client: Client, response: web.StreamResponse) -> None:
        while "alert" in client.events and client.place < self._end and not self._is_over(client):
            if client.place < self._first:
                raise _Gap
            start = client.place - self._first
            batch = self._recent[start : start + self.limits.batch]
            client.place += len(batch)
            wanted = [
                a for a in batch if may_see(client.caller, a.alert) and not (a.durable and a.cursor <= client.replayed)
            ]
            await self._write_alerts(client, response, wanted)

    async def _write_alerts(self, client: Client, response: web.StreamResponse, alerts: list[LoggedAlert]) -> None:
        if not alerts:
            return
        texts = await self._log.texts(alerts)
        # One that is not durable has no place in the log: it is shown, but nobody can resume from it.
        frames = [_frame("alert", t, a.cursor if a.durable else None) for a, t in zip(alerts, texts, strict=True)]
        await self._write(response, b"".join(frames))
        client.cursor = max([client.cursor, *(a.cursor for a in alerts if a.durable)])

    async def _send_rest(self, client: Client, response: web.StreamResponse) -> None:
        frames = b""
        if "status" in client.events and client.status != self._status_version:
            client.status = self._status_version
            frames += _frame("status", self._status_shown(client.scoped))
        elif client.beat != self._beat:
            frames += b": alive\n\n"
        client.beat = self._beat
        if "groups" in client.events and client.generation != self._generation:
            frames += await self._changed_rows(client)
        if "counts" in client.events:
            frames += await self._changed_counts(client)
        if "prices" in client.events and client.prices != self._price_version:
            frames += await self._changed_prices(client)
        if frames:
            await self._write(response, frames)

    async def _changed_rows(self, client: Client) -> bytes:
        is_first, generation = client.generation < 0, self._generation
        made = await self._rows(client.wanted, client.caller.scope)
        rows: dict[str, bytes] = made.value
        changed = [text for id_, text in rows.items() if client.rows.get(id_) != text]
        gone = [id_ for id_ in client.rows if id_ not in rows]
        # A page that is too dear to be made in every tick is behind: the next tick asks again.
        client.rows, client.generation = rows, min(generation, made.generation)
        if not (changed or gone or is_first):
            return b""
        return _frame("groups", GroupsEvent(self._now(), is_first, encoded(changed), gone))

    async def _changed_counts(self, client: Client) -> bytes:
        """How the groups stand, where that is not what was sent; the view makes it at a bounded rate for all who ask."""
        if client.counted == self._count_tick:
            return b""
        client.counted = self._count_tick
        counts = await asyncio.to_thread(group_counts, self._view, client.caller.scope)
        if counts == client.counts:
            return b""
        client.counts = counts
        return _frame("counts", CountsEvent(self._now(), counts))

    async def _rows(self, wanted: GroupQuery, scope: Scope) -> Made:
        """The rows of a filter, by id and encoded, worst first; made once for all streams that ask the same."""
        key = (wanted, scope)
        async with self._making:
            generation = self._view.generation
            made = self._pages.get(key, generation)
            if made is None:
                made = await asyncio.to_thread(self._pages.make, key, generation, lambda: self._page(wanted, scope))
            return made

    def _page(self, wanted: GroupQuery, scope: Scope) -> dict[str, bytes]:
        sights = self._view.groups(wanted, scope).rows
        return {s.group.id: msgspec.json.encode(row(s)) for s in sights}

    async def _changed_prices(self, client: Client) -> bytes:
        is_first, since = client.prices < 0, client.prices
        if is_first:
            await self._take_prices()
        items = [text for version, _, text in self._prices.values() if version > since]
        client.prices = self._price_version
        if not items and not is_first:
            return b""
        return _frame("prices", PricesEvent(self._now(), is_first, encoded(items)))

    async def _tick(self) -> None:
        self._ticks += 1
        self._look_at_status()
        if self._generation != self._view.generation:
            self._generation = self._view.generation
            self._pages.keep_only({(c.wanted, c.caller.scope) for c in self.clients})
        self._count_tick += self._ticks % self.limits.prices_every == 0
        if self._ticks % self.limits.prices_every == 0 and any("prices" in c.events for c in self.clients):
            await self._take_prices()
        for client in self.clients:
            client.wake.set()

    def _look_at_status(self) -> None:
        """A status that changed, or is due again, becomes a new version."""
        seen = self._pulse()
        is_due = self._ticks % self.limits.status_every == 0
        if is_due or seen != self._status_seen:
            self._status_seen = seen
            self._status_version += 1
            self._beat += is_due

    async def _take_prices(self) -> None:
        async with self._making:
            changed = await asyncio.to_thread(self._new_prices, self._price_version + 1)
            if changed:
                self._prices = {**self._prices, **changed}
                self._price_version += 1

    def _new_prices(self, version: int) -> dict[str, tuple[int, object, bytes]]:
        """The prices that are not what they were, encoded: another mark, another rate, another trust."""
        view, rules, at = self._view, self._daemon.rules(), self._daemon.clock.utc()
        changed: dict[str, tuple[int, object, bytes]] = {}
        marks, on = view.marks, view.published
        for asset in sorted(marks.keys() | on.usd.keys()):
            state = (marks.get(asset), on.usd.get(asset), asset in on.untrusted)
            if asset not in self._prices or self._prices[asset][1] != state:
                changed[asset] = (version, state, msgspec.json.encode(view.price(asset, rules, at)))
        return changed

    def _pulse(self) -> Pulse:
        reasons = dict(self._daemon.health.reasons)
        return Pulse(not reasons, reasons, {name: feed.connected for name, feed in self._daemon.feeds.items()})

    def _status_shown(self, scoped: bool) -> StatusEvent:
        pulse = self._pulse()
        reasons = reasons_told(pulse.reasons, scoped=scoped)
        return StatusEvent(self._now(), pulse.ready, reasons, pulse.feeds, self._view.cursor)

    def _is_over(self, client: Client) -> bool:
        until = client.caller.until
        return self._closed or client.is_over or (until is not None and until <= self._daemon.clock.utc())

    def _now(self) -> str:
        return stamp(self._daemon.clock.utc())

    @property
    def _end(self) -> int:
        return self._first + len(self._recent)

    async def _end_with_gap(self, client: Client, response: web.StreamResponse, reason: str) -> None:
        await self._write(response, _frame("gap", GapEvent(client.cursor, reason)))

    async def _write(self, response: web.StreamResponse, frames: bytes) -> None:
        """Waits until the reader took most of it. Raises TimeoutError for one that does not, ConnectionError when gone."""
        async with asyncio.timeout(self.limits.write_timeout_s):
            await response.write(frames)


def _frame(event: str, data: bytes | msgspec.Struct, id_: int | None = None) -> bytes:
    raw = data if isinstance(data, bytes) else msgspec.json.encode(data)
    head = f"event: {event}\n" + (f"id: {id_}\n" if id_ is not None else "")
    return head.encode() + b"data: " + raw + b"\n\n"
