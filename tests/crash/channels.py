"""The other ends of all kinds of channels, in one place that outlives the daemon: every arrival with the daemon's life.

Each webhook is verified by the public `standardwebhooks` with every key that the test knows to be in force.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from monitor.clock import SystemClock
from monitor.core.text import stamp
from tests.signatures import Signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DESK, LATE, NOBODY = "desk@desk.example", "late@desk.example", "nobody@desk.example"


class Arrived(NamedTuple):
    """One attempt as its receiver saw it."""

    life: int
    channel: str
    to: str
    """A recipient, where the channel has several."""
    id: str
    alerts: tuple[str, ...]
    """The alerts that it brought; empty where only the store knows, as for a digest."""
    is_taken: bool
    text: str


class Receivers:
    """A web server for webhooks and Alertmanager, a mail server, and the file in which the stub of a gateway writes."""

    def __init__(self, texts: Path) -> None:
        self.life = 0
        self.arrivals: list[Arrived] = []
        self.pushes: list[tuple[int, datetime, dict[str, Any]]] = []
        """Life, time and alert of each push to Alertmanager."""
        self.signatures = Signatures(SECRET)
        self.status: dict[str, int] = {}
        """By channel what it answers; 200 where nothing is said."""
        self.wait_s: dict[str, float] = {}
        self.is_late_away = True
        """The mail server puts one of two recipients off."""
        self.port = self.mail_port = 0
        self._texts = texts
        self._read = 0
        self._clock = SystemClock()
        self._left = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hooks/{channel}", self._hook)
        app.router.add_post("/api/v2/alerts", self._push)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._left.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        made: list[SMTP] = []

        def build() -> SMTP:
            made.append(SMTP(self, hostname="post.test"))
            return made[-1]

        server = await asyncio.get_running_loop().create_server(build, "127.0.0.1", 0)
        self._left.callback(lambda: [x._handler_coroutine.cancel() for x in made if x._handler_coroutine is not None])
        self._left.callback(server.close)
        self.mail_port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._left.aclose()

    def url(self, channel: str) -> str:
        """Where a webhook posts to."""
        return f"http://127.0.0.1:{self.port}/hooks/{channel}"

    # -- what they got --

    def of(self, channel: str, to: str = "") -> list[Arrived]:
        """What a channel took, in order."""
        self.read_texts()
        return [a for a in self.arrivals if a.channel == channel and a.is_taken and to in ("", a.to)]

    def ids(self, channel: str) -> set[str]:
        """The alerts that a channel took, each by itself or in a batch."""
        return {id_ for a in self.of(channel) for id_ in a.alerts}

    def read_texts(self) -> None:
        """Takes in what the stub has written since the last look. A kill may cut its last line off."""
        lines = self._texts.read_text().splitlines(keepends=True) if self._texts.exists() else []
        for line in lines[self._read :]:
            if not line.endswith("\n"):
                break
            said = json.loads(line)
            self.arrivals.append(Arrived(self.life, "phone", said["to"], said["id"], (said["id"],), True, said["text"]))
            self._read += 1

    # -- the servers --

    async def _hook(self, request: web.Request) -> web.Response:
        raw, channel = await request.read(), request.match_info["channel"]
        life, status = self.life, self.status.get(channel, 200)
        self.signatures.verified(channel, request.headers, raw)
        body = json.loads(raw)
        items = body["data"]["items"] if body["type"] == "batch" else [body]
        ids = tuple(item["data"]["id"] for item in items)
        id_ = request.headers["webhook-id"]
        self.arrivals.append(Arrived(life, channel, "", id_, ids, status < 300, raw.decode()))
        await asyncio.sleep(self.wait_s.get(channel, 0))
        return web.Response(status=status)

    async def _push(self, request: web.Request) -> web.Response:
        at = self._clock.utc()
        self.pushes += [(self.life, at, one) for one in await request.json()]
        return web.json_response({})

    async def handle_RCPT(  # noqa: N802  the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == NOBODY:
            return "550 5.1.1 no such user"
        if address == LATE and self.is_late_away:
            return "450 4.2.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        id_ = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        plain = mail.get_body(("plain",))
        text = f"{mail['Subject']}\n{plain.get_content() if plain is not None else ''}"
        alerts = () if id_.startswith("dgs_") else (id_,)
        self.arrivals += [Arrived(self.life, "mail", to, id_, alerts, True, text) for to in envelope.rcpt_tos]
        return "250 taken"

    # -- Alertmanager, as it would see things --

    def firing(self, now: datetime) -> set[str]:
        """The episodes that fire: their last push ends later than now."""
        ends = {one["labels"]["episode"]: one["endsAt"] for _, _, one in self.pushes}
        return {key for key, ends_at in ends.items() if ends_at > stamp(now)}
