"""A webhook receiver that outlives the daemon, fails by seed, checks every signature and writes down all that came."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from typing import Any, NamedTuple, Self

from aiohttp import web

from tests.signatures import Signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHANNELS = ("desk", "duty")
TAKEN, LOST, REFUSED, RESET = "taken", "lost", "refused", "reset"
"""What a receiver does with a notice: takes it, takes it without the answer getting through, answers 500, hangs up."""


class Arrival(NamedTuple):
    """One attempt as the receiver saw it. `life` is the number of the daemon's life at that time."""

    life: int
    channel: str
    id: str
    raw: bytes
    body: dict[str, Any]
    what: str
    in_outage: bool = False
    """The store could not be written then, so what is sent may come again, and nothing is marked."""
    sender: str = ""
    """Which of two daemons sent it, where they post to addresses of their own."""

    @property
    def is_durable(self) -> bool:
        """It stood in the log when it was sent."""
        return bool(self.body["data"].get("durable", True))

    @property
    def is_told(self) -> bool:
        """The receiver knows it now."""
        return self.what in (TAKEN, LOST)


class TroubledReceiver:
    """Two endpoints, `desk` and `duty`. `trouble` is the share of first attempts that go wrong.

    An informational notice is only slowed down: its first retry is half a minute away, longer than a test may take.
    """

    def __init__(self, seed: int, trouble: float = 0.0) -> None:
        self.life = 0
        self.lives: dict[str, int] = {}
        """The same by sender, where a daemon may still send after the next one has begun."""
        self.arrivals: list[Arrival] = []
        self.violations: list[str] = []
        self._signatures = Signatures(SECRET)
        self.in_outage = False
        self.hangs_s = 0.0
        """Every answer takes so much longer."""
        self._seed, self.trouble = seed, trouble
        self._seen: Counter[tuple[str, str]] = Counter()
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hooks/{channel}", self._take)
        # A slow answer must not hold up the end of the test.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def leave(self) -> None:
        """Nobody listens any more."""
        assert self._runner is not None
        for site in list(self._runner.sites):
            await site.stop()

    async def come_back(self) -> None:
        """Listens at the same port again."""
        assert self._runner is not None
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def url(self, channel: str) -> str:
        """Where a notifier posts to."""
        return f"http://127.0.0.1:{self._port}/hooks/{channel}"

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw, channel = await request.read(), request.match_info["channel"]
        id_ = request.headers.get("webhook-id", "")
        if not self._signatures.verified(channel, request.headers, raw):
            self.violations.append(f"{channel}: {id_}: {raw[:200]!r}")
            return web.Response(status=401)
        body = json.loads(raw)
        if body["data"]["id"] != id_:
            self.violations.append(f"{channel}: header {id_}: {raw[:200]!r}")
        what, wait_s = self._mood(channel, id_, body["data"]["severity"])
        sender = request.query_string
        life = self.lives.get(sender, self.life)
        self.arrivals.append(Arrival(life, channel, id_, raw, body, what, self.in_outage, sender))
        await asyncio.sleep(wait_s + self.hangs_s)
        if what in (LOST, RESET) and request.transport is not None:
            request.transport.abort()
        return web.Response(status=500 if what == REFUSED else 204)

    def _mood(self, channel: str, id_: str, severity: str) -> tuple[str, float]:
        """What is done with this attempt, and after how many seconds; the same in every run of a seed."""
        number = self._seen[channel, id_]
        self._seen[channel, id_] += 1
        digest = hashlib.sha256(f"{self._seed}|{channel}|{id_}|{number}".encode()).digest()
        wait_s = digest[0] / 255 * 0.3 if digest[1] < 256 * self.trouble else 0.0
        failures = {"critical": 2, "warning": 1}.get(severity, 0)
        if number >= failures or digest[2] >= 256 * self.trouble:
            return TAKEN, wait_s
        return (REFUSED, RESET, LOST)[digest[3] % 3], wait_s
