"""Server-sent events: the alert log from a cursor on, then live; the rows of a filter; prices; status.

Every stream has its own task and its own place in one short log of recent alerts, so a reader that is slow, or gone,
holds up nobody. Rows and prices are conflated: a slow reader gets the newest of each, not each that was. Alerts are never
conflated: a reader that falls behind the short log is told from which cursor to resume, and is disconnected.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec
from aiohttp import web

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.groups.outcome import Publication
from monitor.core.groups.survey import Scope
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.queries.explain import row
from monitor.core.text import stamp
from monitor.stores._base import AlertFilter, StoreUnavailable
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.http import Parts
from monitor.web.problem import Rejected
from monitor.web.query import Values
from monitor.web.resources.alerts import AlertLog, may_see
from monitor.web.statusshapes import GroupCounts
from monitor.web.view import Made, Paced

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


class DaemonPulse(Protocol):
    """Of status.StatusApi: what the stream says of the daemon, and of all groups of a scope."""

    def pulse(self, scoped: bool, /) -> dict[str, Any]: ...

    def groups(self, scope: Scope, /) -> GroupCounts: ...


class _Gap(Exception):
    """Alerts were lost for this stream."""


class _Client:
    """One stream: what it wants, and how far it got."""

    def __init__(self, caller: Caller, events: frozenset[str], wanted: GroupQuery) -> None:
        self.caller, self.events, self.wanted = caller, events, wanted
        self.wake = asyncio.Event()
        self.place = 0
        """Of the next alert in the hub's log, counted from the hub's start."""
        self.cursor = 0
        """Of the last alert that was written."""
        self.replayed = 0
        """Alerts up to this cursor were read from the store; the live ones among them are skipped."""
        self.is_over = False
        self.rows: dict[str, bytes] = {}
        self.counts = b""
        self.generation = self.prices = self.status = self.beat = self.counted = -1

    @property
    def scoped(self) -> bool:
        return bool(self.caller.scope)


class Hub:
    """All streams, and what they share: the log of recent alerts, and rows, prices and status in their encoded form."""

    def __init__(self, parts: Parts, log: AlertLog, status: DaemonPulse, limits: Limits | None = None) -> None:
        self._parts, self._log, self._status, self._counted = parts, log, status.pulse, status.groups
        self.limits = limits or Limits()
        self.clients: set[_Client] = set()
        self._closed = False
        self._recent: list[LoggedAlert] = []
        self._first = 0
        """The place of the first alert of `_recent`."""
        self._ticks = self._beat = self._generation = self._count_tick = 0
        self._pages = Paced(parts.clock)
        self._making = asyncio.Lock()
        self._prices: dict[str, tuple[int, object, bytes]] = {}
        self._price_version = self._status_version = 0
        self._status_seen: Any = None
        parts.view.listeners.append(self.publish)

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
        self._parts.view.listeners.remove(self.publish)
        for client in self.clients:
            client.wake.set()

    def disconnect(self, session: str | None = None) -> None:
        """Ends the streams that are open, or those of one session; new ones may come."""
        for client in self.clients:
            if session in (None, client.caller.session):
                client.is_over = True
                client.wake.set()

    async def handle(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/stream"""
        client, after = self._client(request, caller)
        if len(self.clients) >= self.limits.streams:
            raise Rejected(
                "too-many-streams", f"{self.limits.streams} streams are open already", headers={"Retry-After": "5"}
            )
        response = web.StreamResponse(headers=HEADERS)
        response.force_close()
        self.clients.add(client)
        try:
            await response.prepare(request)
            await self._serve(client, response, after)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # The reader left; that is how every stream ends.
        finally:
            self.clients.discard(client)
        return response

    def _client(self, request: web.Request, caller: Caller) -> tuple[_Client, int | None]:
        values = Values(request, query.STREAM)
        events = values.some_of("events", query.STREAM_EVENTS)
        wanted = values.groups(paged=False)
        after = values.number("after") if values.text("after") is not None else None
        values.done()
        last = request.headers.get("Last-Event-ID")
        if last:
            # A browser that comes back repeats the address it began with; the header knows how far it got.
            if not (last.isascii() and last.isdigit() and len(last) <= 18):
                raise Rejected("bad-cursor", f"found Last-Event-ID {last[:40]!r}, expected a cursor of the alert log")
            after = int(last)
        return _Client(caller, events, wanted), after

    async def _serve(self, client: _Client, response: web.StreamResponse, after: int | None) -> None:
        try:
            await self._write(response, f"retry: {RECONNECT_MS}\n\n".encode())
            if "alert" in client.events:
                await self._begin(client, response, after)
            while not self._is_over(client):
                await self._send_alerts(client, response)
                await self._send_rest(client, response)
                await client.wake.wait()
                client.wake.clear()
        except _Gap:
            await self._end_with_gap(client, response, "this reader is slower than the alerts come")
        except StoreUnavailable:
            await self._end_with_gap(client, response, "the alert log cannot be read now")

    async def _begin(self, client: _Client, response: web.StreamResponse, after: int | None) -> None:
        """Replays the log where a cursor is given, and takes the place from which the live alerts follow."""
        if after is None:
            client.place = self._end
            client.cursor = self._parts.view.cursor
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
        is_known = client.cursor > after or bool(await self._parts.store.alerts(AlertFilter(after - 1, limit=1)))
        client.replayed = client.cursor if is_known else 0

    async def _replay(self, client: _Client, response: web.StreamResponse) -> None:
        """All alerts of the log after the client's cursor."""
        more: int | None = client.cursor
        while more is not None and not self._is_over(client):
            found, more = await self._log.page(AlertFilter(after=more, limit=self.limits.batch), client.caller)
            await self._write_alerts(client, response, found)

    async def _send_alerts(self, client: _Client, response: web.StreamResponse) -> None:
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

    async def _write_alerts(self, client: _Client, response: web.StreamResponse, alerts: list[LoggedAlert]) -> None:
        if not alerts:
            return
        texts = await self._log.texts(alerts)
        # One that is not durable has no place in the log: it is shown, but nobody can resume from it.
        frames = [_frame("alert", t, a.cursor if a.durable else None) for a, t in zip(alerts, texts, strict=True)]
        await self._write(response, b"".join(frames))
        client.cursor = max([client.cursor, *(a.cursor for a in alerts if a.durable)])

    async def _send_rest(self, client: _Client, response: web.StreamResponse) -> None:
        frames = b""
        if "status" in client.events and client.status != self._status_version:
            client.status = self._status_version
            frames += _frame("status", msgspec.json.encode(self._status_shown(client.scoped)))
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

    async def _changed_rows(self, client: _Client) -> bytes:
        is_first, generation = client.generation < 0, self._generation
        made = await self._rows(client.wanted, client.caller.scope)
        rows: dict[str, bytes] = made.value
        changed = [msgspec.Raw(text) for id_, text in rows.items() if client.rows.get(id_) != text]
        gone = [id_ for id_ in client.rows if id_ not in rows]
        # A page that is too dear to be made in every tick is behind: the next tick asks again.
        client.rows, client.generation = rows, min(generation, made.generation)
        if not (changed or gone or is_first):
            return b""
        body = {"at": self._now(), "snapshot": is_first, "rows": changed, "gone": gone}
        return _frame("groups", msgspec.json.encode(body))

    async def _changed_counts(self, client: _Client) -> bytes:
        """How the groups stand, where that is not what was sent; the view makes it at a bounded rate for all who ask."""
        if client.counted == self._count_tick:
            return b""
        client.counted = self._count_tick
        counts = msgspec.json.encode(await asyncio.to_thread(self._counted, client.caller.scope))
        if counts == client.counts:
            return b""
        client.counts = counts
        return _frame("counts", b'{"at":"%s","groups":%s}' % (self._now().encode(), counts))

    async def _rows(self, wanted: GroupQuery, scope: Scope) -> Made:
        """The rows of a filter, by id and encoded, worst first; made once for all streams that ask the same."""
        key = (wanted, scope)
        async with self._making:
            generation = self._parts.view.generation
            made = self._pages.get(key, generation)
            if made is None:
                made = await asyncio.to_thread(self._pages.make, key, generation, lambda: self._page(wanted, scope))
            return made

    def _page(self, wanted: GroupQuery, scope: Scope) -> dict[str, bytes]:
        sights = self._parts.view.groups(wanted, scope).rows
        return {s.group.id: msgspec.json.encode(row(s)) for s in sights}

    async def _changed_prices(self, client: _Client) -> bytes:
        is_first, since = client.prices < 0, client.prices
        if is_first:
            await self._take_prices()
        items = [msgspec.Raw(text) for version, _, text in self._prices.values() if version > since]
        client.prices = self._price_version
        if not items and not is_first:
            return b""
        body = {"at": self._now(), "snapshot": is_first, "items": items}
        return _frame("prices", msgspec.json.encode(body))

    async def _tick(self) -> None:
        self._ticks += 1
        self._look_at_status()
        if self._generation != self._parts.view.generation:
            self._generation = self._parts.view.generation
            self._pages.keep_only({(c.wanted, c.caller.scope) for c in self.clients})
        self._count_tick += self._ticks % self.limits.prices_every == 0
        if self._ticks % self.limits.prices_every == 0 and any("prices" in c.events for c in self.clients):
            await self._take_prices()
        for client in self.clients:
            client.wake.set()

    def _look_at_status(self) -> None:
        """A status that changed, or is due again, becomes a new version."""
        seen = self._status(False)
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
        view, rules, at = self._parts.view, self._parts.rules(), self._parts.clock.utc()
        changed: dict[str, tuple[int, object, bytes]] = {}
        marks, on = view.marks, view.published
        for asset in sorted(marks.keys() | on.usd.keys()):
            state = (marks.get(asset), on.usd.get(asset), asset in on.untrusted)
            if asset not in self._prices or self._prices[asset][1] != state:
                changed[asset] = (version, state, msgspec.json.encode(view.price(asset, rules, at)))
        return changed

    def _status_shown(self, scoped: bool) -> Any:
        return {"at": self._now(), **self._status(scoped), "cursor": self._parts.view.cursor}

    def _is_over(self, client: _Client) -> bool:
        until = client.caller.until
        return self._closed or client.is_over or (until is not None and until <= self._parts.clock.utc())

    def _now(self) -> str:
        return stamp(self._parts.clock.utc())

    @property
    def _end(self) -> int:
        return self._first + len(self._recent)

    async def _end_with_gap(self, client: _Client, response: web.StreamResponse, reason: str) -> None:
        body = {"resume_after": client.cursor, "reason": reason}
        await self._write(response, _frame("gap", msgspec.json.encode(body)))

    async def _write(self, response: web.StreamResponse, frames: bytes) -> None:
        """Waits until the reader took most of it. Raises TimeoutError for one that does not, ConnectionError when gone."""
        async with asyncio.timeout(self.limits.write_timeout_s):
            await response.write(frames)


def _frame(event: str, data: bytes, id_: int | None = None) -> bytes:
    head = f"event: {event}\n" + (f"id: {id_}\n" if id_ is not None else "")
    return head.encode() + b"data: " + data + b"\n\n"
