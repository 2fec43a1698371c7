"""Server-sent events: the alert log from a cursor on, then live, and beside it what live.py shows.

Every stream has its own task and its own place in one short log of recent alerts, so a reader that is slow, or gone,
holds up no other. Alerts are never conflated: a reader that falls behind the short log is told from which cursor to
resume, and is disconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.groups.outcome import Publication
from monitor.core.portfolio.group_list import GroupQuery
from monitor.stores._base import AlertFilter, StoreUnavailable
from monitor.web.alert_log import AlertLog, may_see
from monitor.web.auth import Caller
from monitor.web.http import Rejected
from monitor.web.live import GapEvent, Limits, LiveFigures, StreamReader, frame
from monitor.web.quotas import open_to
from monitor.web.seals import LOG, Seals
from monitor.web.view import Daemon

HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
RECONNECT_MS = 2000


class _Gap(Exception):
    """Alerts were lost for this stream."""


class Client:
    """One stream: what it wants, and how far it got. Where `after` is given, it first replays the log from there."""

    def __init__(self, caller: Caller, events: frozenset[str], wanted: GroupQuery, after: int | None) -> None:
        self.caller = caller
        self.events = events
        self.reader = StreamReader(events, wanted, caller)
        self.after = after
        self.wake = asyncio.Event()
        self.place = 0
        """The place of the next alert in the hub's log, counted from the hub's start."""
        self.cursor = 0
        """The cursor of the last alert that was written."""
        self.replayed = 0
        """Alerts up to this cursor were read from the store; the live ones among them are skipped."""
        self.is_over = False


class Hub:
    """All streams, and the log of recent alerts that they share."""

    def __init__(self, daemon: Daemon, log: AlertLog, seals: Callable[[], Seals], limits: Limits | None = None) -> None:
        self._daemon = daemon
        self._seals = seals
        self._view = daemon.view
        self._log = log
        self.limits = limits or Limits()
        self.clients: set[Client] = set()
        self._closed = False
        self._recent: list[LoggedAlert] = []
        self._first = 0
        """The place of the first alert of `_recent`."""
        self._figures = LiveFigures(daemon, self.limits)
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

    def disconnect(self, ends: Callable[[Caller], bool]) -> None:
        """Ends the streams of some callers; new ones may come."""
        for client in self.clients:
            if ends(client.caller):
                client.is_over = True
                client.wake.set()

    async def serve(self, request: web.Request, client: Client) -> web.StreamResponse:
        """Writes events until the reader leaves, is too slow, or is disconnected. Raises Rejected where too many read."""
        most = open_to(client.caller, self.limits.streams)
        if len(self.clients) >= most:
            raise Rejected("too-many-streams", f"{most} streams are open already", after_s=5)
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
                if frames := await self._figures.news(client.reader):
                    await self._write(response, frames)
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
            # An id without data: a reader that sees no alert still knows where to resume. The end of the whole log is no
            # matter of a scope, so its text must not tell whether the log has moved.
            is_said = client.cursor or client.caller.scope
            await self._write(response, f"id: {self._place(client)}\n\n".encode() if is_said else b": live\n\n")
            return
        client.cursor = after
        # What was published before this line is in the store by now; the short log keeps what comes after it. Where more
        # came meanwhile than it keeps, the store has that by then.
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
        texts = await self._log.texts(alerts, client.caller)
        # An alert that is not durable has no place in the log: a reader sees it, but cannot resume from it.
        places = [self._sealed(a.cursor, client) if a.durable else None for a in alerts]
        frames = [frame("alert", text, place) for text, place in zip(texts, places, strict=True)]
        await self._write(response, b"".join(frames))
        client.cursor = max([client.cursor, *(a.cursor for a in alerts if a.durable)])

    async def _tick(self) -> None:
        await self._figures.tick(client.reader for client in self.clients)
        for client in self.clients:
            client.wake.set()

    def _is_over(self, client: Client) -> bool:
        until = client.caller.until
        return self._closed or client.is_over or (until is not None and until <= self._daemon.clock.utc())

    @property
    def _end(self) -> int:
        return self._first + len(self._recent)

    async def _end_with_gap(self, client: Client, response: web.StreamResponse, reason: str) -> None:
        await self._write(response, frame("gap", GapEvent(self._place(client), reason)))

    def _place(self, client: Client) -> int | str:
        """Where the client goes on."""
        return self._sealed(client.cursor, client)

    def _sealed(self, cursor: int, client: Client) -> int | str:
        scope = client.caller.scope
        return self._seals().cursor(str(cursor), scope, LOG) if scope else cursor

    async def _write(self, response: web.StreamResponse, frames: bytes) -> None:
        """Waits until the reader took most of it. Raises TimeoutError for one that does not, ConnectionError when gone."""
        async with asyncio.timeout(self.limits.write_timeout_s):
            await response.write(frames)
