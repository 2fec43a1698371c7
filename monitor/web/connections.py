"""Who may hold a connection to a port of the web, and for how long.

aiohttp bounds lines and headers, but neither connections nor the time that a request takes to arrive. So each connection has
a guard of ours in front of aiohttp's protocol: it counts connections, by network too, and cuts what only waits.
"""

from __future__ import annotations

import asyncio
import enum
import ipaddress
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from aiohttp import web

from monitor.addresses import Network, is_allowed
from monitor.clock import Clock
from monitor.lease.peer import PATH as HEADZ
from monitor.telemetry import BoundedLog, Metrics
from monitor.web.http import Rejected

HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/metrics", HEADZ})
"""What answers where nothing else has room. The peer of a head that is cut off waits a second for its word."""
SWEEP_S = 0.5
BACKLOG = 128
"""Connections that the system holds until they are accepted."""


class PortLimits(msgspec.Struct, frozen=True):
    """Bounds of one port."""

    most: int = 1000
    """Connections at a time."""
    share: int = 4
    """One network may hold one of so many parts."""
    spare: int = 32
    """Connections beyond all that, each for one question about health."""
    spare_wait_s: float = 2.0
    wait_s: float = 15.0
    """A request has this long to arrive, and nothing else needs longer: a reader of streams is sent something each 5 s."""
    write_s: float = 30.0
    """A reader that takes nothing of its answer for so long is cut."""
    head_bytes: int = 65_536
    """aiohttp takes 128 headers of 8 kB each: a megabyte that nobody sends in earnest."""

    @property
    def most_of_one(self) -> int:
        """How many connections one network may hold."""
        return max(1, self.most // self.share)


class Phase(enum.Enum):
    """What a connection waits for."""

    HEAD = "head"
    """The headers of a request."""
    ASKED = "asked"
    """The headers are there, and the request is not begun; or it is answered, and some of its body is not there."""
    BUSY = "busy"
    """Its answer. The handler bounds the time of the body."""
    IDLE = "idle"
    """A next request."""


class Port:
    """The connections of one port."""

    def __init__(
        self, limits: PortLimits, clock: Clock, metrics: Metrics, trusted: Sequence[Network], *, is_health: bool = False
    ) -> None:
        """`trusted`: proxies, each of which speaks for many. `is_health`: the port answers nothing but health."""
        self.limits = limits
        self.trusted = trusted
        self.is_health = is_health
        self._clock = clock
        self._metrics = metrics
        self._log = BoundedLog()
        self._open: dict[asyncio.BaseTransport, GuardedConnection] = {}
        self._by_network: Counter[str] = Counter()
        self._spare: Counter[str] = Counter()
        """Connections beyond the limits, by network."""
        self._spares: dict[GuardedConnection, None] = {}
        """The same, the oldest first."""

    def __len__(self) -> int:
        return len(self._open)

    async def listen(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
        """Binds. `make` gives aiohttp's protocol for a connection that is let in. Raises OSError."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: GuardedConnection(self, make), host, port, backlog=BACKLOG)

    async def run(self) -> None:
        """Cuts what waits for too long, until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep()

    def now_s(self) -> float:
        """Monotonic time."""
        return self._clock.monotonic_s()

    def guard_of(self, request: web.Request) -> GuardedConnection | None:
        """The connection of a request; None where it is gone."""
        return None if request.transport is None else self._open.get(request.transport)

    def admit(self, connection: GuardedConnection) -> bool:
        """Lets a connection in, perhaps only to ask about health. False where there is no room for it."""
        limits, network = self.limits, connection.network
        is_full = len(self._open) - len(self._spares) >= limits.most
        is_greedy = self._by_network[network] >= limits.most_of_one and not self._is_trusted(connection)
        if is_full or is_greedy:
            self._note("full" if is_full else "address", connection)
            is_greedy = self._spare[network] >= limits.spare // limits.share
            if is_greedy or (len(self._spares) >= limits.spare and not self._has_made_room()):
                return False
            connection.is_spare = True
            self._spares[connection] = None
        self._counts(connection)[network] += 1
        self._open[connection.transport] = connection
        self._metrics.web_connections.inc()
        return True

    def leave(self, connection: GuardedConnection) -> None:
        """A connection is over."""
        if self._open.pop(connection.transport, None) is None:
            return
        self._metrics.web_connections.dec()
        self._spares.pop(connection, None)
        counts, network = self._counts(connection), connection.network
        counts[network] -= 1
        if not counts[network]:
            del counts[network]

    def _has_made_room(self) -> bool:
        """Cuts the spare connection that has asked nothing for longest: a probe asks at once. False where all have asked."""
        silent = next((each for each in self._spares if each.phase is Phase.HEAD), None)
        if silent is None:
            return False
        self.cut(silent, "slow")
        self.leave(silent)
        return True

    def _counts(self, connection: GuardedConnection) -> Counter[str]:
        return self._spare if connection.is_spare else self._by_network

    def turn_away(self, connection: GuardedConnection, reason: str, answer: bytes) -> None:
        """Ends a connection with an answer."""
        self._note(reason, connection)
        connection.transport.write(answer)
        connection.transport.close()

    def cut(self, connection: GuardedConnection, reason: str) -> None:
        """Ends a connection at once, whatever it has still to send or to read."""
        self._note(reason, connection)
        connection.transport.abort()

    def sweep(self) -> None:
        """Cuts every connection whose time is over."""
        now_s = self.now_s()
        for connection in list(self._open.values()):
            if (reason := self._over(connection, now_s)) is not None:
                self.cut(connection, reason)

    def _over(self, connection: GuardedConnection, now_s: float) -> str | None:
        """Why the time of a connection is over, or None."""
        limits = self.limits
        if connection.paused_s is not None and now_s - connection.paused_s > limits.write_s:
            return "reader"
        wait_s = limits.spare_wait_s if connection.is_spare else limits.wait_s
        if connection.phase is Phase.BUSY or now_s - connection.since_s <= wait_s:
            return None
        if connection.phase is not Phase.IDLE or connection.transport.is_closing() or connection.is_spare:
            return "slow"
        return "idle" if connection.paused_s is None and self._is_near(connection) else None

    def _is_near(self, connection: GuardedConnection) -> bool:
        """So many are open that those which only wait for a next request must make room."""
        mine = 0 if self._is_trusted(connection) else self._by_network[connection.network]
        return len(self._open) * 4 >= self.limits.most * 3 or mine * 4 >= self.limits.most_of_one * 3

    def _is_trusted(self, connection: GuardedConnection) -> bool:
        return bool(self.trusted and connection.address) and is_allowed(connection.address, self.trusted)

    def _note(self, reason: str, connection: GuardedConnection) -> None:
        self._metrics.web_refused.labels(reason).inc()
        # What is only late may be a browser that connects in advance.
        say = self._log.info if reason in ("slow", "idle", "reader") else self._log.warning
        say(
            self._clock.monotonic_s(),
            reason,
            "a connection to the API is not served",
            reason=_REASONS[reason],
            address=connection.address,
            connections=len(self._open),
        )


_REASONS = {
    "full": "web.max_connections are open",
    "address": "its address holds a quarter of web.max_connections",
    "slow": "its request did not arrive in time",
    "idle": "it had nothing to ask, and others need the room",
    "reader": "it does not read its answer",
    "head": "its headers are too long",
}


class GuardedConnection(asyncio.Protocol):
    """One connection. What it sends goes on to aiohttp's protocol if the port lets it in."""

    transport: asyncio.Transport

    def __init__(self, port: Port, make: Callable[[], asyncio.Protocol]) -> None:
        self._port = port
        self._make = make
        self._inner: asyncio.Protocol | None = None
        self.address = ""
        self.network = ""
        self.is_spare = False
        """The port is full: it gets one answer about health."""
        self.phase = Phase.HEAD
        self.since_s = 0.0
        """Since when it has waited for what it waits for."""
        self.paused_s: float | None = None
        """Since when its reader has taken too little."""
        self._head = 0
        self._tail = b""

    @property
    def is_for_health(self) -> bool:
        """It may ask for nothing else."""
        return self.is_spare or self._port.is_health

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self.network = network_of(self.address)
        self.since_s = self._port.now_s()
        if not self._port.admit(self):
            self.transport.write(_NO_ROOM)
            self.transport.close()
            return
        self._inner = self._make()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            return
        if self.phase is Phase.IDLE:
            self._wait_for(Phase.HEAD)
        if self.phase is Phase.HEAD and not self._takes_head(data):
            self._port.turn_away(self, "head", _LONG_HEAD)
            return
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        self.paused_s = self._port.now_s()
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self.paused_s = None
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.leave(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def begin(self) -> None:
        """A request is there, and its handler begins."""
        self._wait_for(Phase.BUSY)

    def end(self, request: web.Request) -> None:
        """The handler has ended; what it answers is still to be sent."""
        self._wait_for(Phase.IDLE if request.content.is_eof() else Phase.ASKED)

    def _wait_for(self, phase: Phase) -> None:
        self.phase = phase
        self.since_s = self._port.now_s()
        self._head = 0
        self._tail = b""

    def _takes_head(self, data: bytes) -> bool:
        """Looks for the end of the headers. False where they are too long."""
        seen = self._tail + data
        if b"\r\n\r\n" in seen:
            self._wait_for(Phase.ASKED)
            return True
        self._head += len(data)
        self._tail = seen[-3:]
        return self._head <= self._port.limits.head_bytes


def network_of(address: str) -> str:
    """Who counts as one: an IPv4 address, or the network of 64 bits that a host of IPv6 has to itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


def _plain(status: str, kind: str) -> bytes:
    """An answer before there is a request: the same problem that a request would get."""
    body = Rejected(kind, "try again in a while").response("").body
    assert isinstance(body, bytes)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Retry-After: 5\r\nConnection: close\r\n\r\n".encode() + body


_NO_ROOM = _plain("503 Service Unavailable", "too-many-connections")
_LONG_HEAD = _plain("431 Request Header Fields Too Large", "too-large")
