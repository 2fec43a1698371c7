"""What the handlers are given, and the one form of their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from monitor.clock import Clock
from monitor.core.queries.inbox import Inbox
from monitor.core.rules.settings import Rules
from monitor.feeds._base import FeedStats
from monitor.notifiers._base import ChannelState
from monitor.stores._base import Delivery, Store
from monitor.telemetry import Health, Metrics
from monitor.web.auth import Caller
from monitor.web.query import Param
from monitor.web.view import View


class Parts(NamedTuple):
    """The daemon as the web sees it."""

    view: View
    inbox: Inbox
    store: Store
    health: Health
    metrics: Metrics
    feeds: Mapping[str, FeedStats]
    rules: Callable[[], Rules]
    clock: Clock
    on_retry: Callable[[Delivery], None]
    """Told of a delivery that an operator made due at once."""
    channels: Callable[[], Sequence[ChannelState]]
    scenarios: Path = Path("scenarios")
    """The folder of the scenarios that may be asked for by name."""


Handler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]
OPEN = "open"
"""Needs no token: liveness, readiness, the contract."""


class Endpoint(NamedTuple):
    """One row of the API: what is served, to whom, and how the contract describes it."""

    method: str
    path: str
    handler: Handler
    needs: str
    about: str
    params: tuple[Param, ...] = ()
    body: Any = None
    answers: Mapping[int, Any] = {200: None}
    """Status of success and the type of its JSON body; None where it has none or is not JSON."""
    media: str = "application/json"


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer; bytes are taken as JSON that is encoded already."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(body=raw, status=status, content_type="application/json", headers=headers)


def listing(items: list[bytes], cursor: int | str | None) -> bytes:
    """`{"items":[...],"next":cursor or null}` out of encoded items."""
    return msgspec.json.encode({"items": [msgspec.Raw(i) for i in items], "next": cursor})
