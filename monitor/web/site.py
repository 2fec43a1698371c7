"""What every handler gets: the call, and the site that answers it.

A handler is a function of one `Call`. It returns the struct of its answer, a `Reply` where status or headers are others,
None for 204, or a response of its own where it is no JSON. It fails by raising Rejected, schema.Invalid, BadCursor or
StoreUnavailable: each is answered as a problem.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from aiohttp import web

from monitor.addresses import networks_of
from monitor.core.alerts.catalogue import GUESSING
from monitor.core.events.events import Noticed
from monitor.core.money import plain
from monitor.stores._base import KEY_BYTES, Audit, StoreUnavailable
from monitor.telemetry import BoundedLog, log
from monitor.web.alert_log import AlertLog
from monitor.web.auth import Caller, Tokens
from monitor.web.guessing import WINDOW_S, Failures
from monitor.web.http import Param, Query, Rejected, bad_cursor
from monitor.web.live import Limits
from monitor.web.ltv_follower import LtvFollower
from monitor.web.quotas import Quotas, open_to
from monitor.web.seals import BEGINNING, KEY_NAME, LOG, Seals
from monitor.web.sessions import Sessions
from monitor.web.stream import Hub
from monitor.web.view import Daemon, Paced
from monitor.web_table import WebConfig

AT_ONCE = 1
"""Copies of the book that are weighed at a time: each is 100 MB for a million groups, and takes a core."""
WAITING = 16
"""Requests that wait for their turn; more are told to come again."""
LISTS = 2
"""Lists that are sent at a time."""
SEND_S = 300.0
"""Seconds that one of them may take."""
EXPOSURE_REST_S = 1.0
"""A table of exposures is not made again sooner: that takes a copy of the book."""
LOG_PATHS = frozenset({"/v1/alerts", "/v1/stream", "/v1/deliveries/replay"})
EXPOSURE_TABLES = 8
"""By key and scope; one by a label may have a row for each group."""


class Turns:
    """Who may look at the whole book: one at a time, and not too many in a queue."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._sending = 0

    @contextlib.asynccontextmanager
    async def one(self, caller: Caller) -> AsyncIterator[None]:
        """A turn. Raises Rejected where too many wait."""
        if self._waiting >= open_to(caller, WAITING):
            raise Rejected("busy", f"{self._waiting} others wait for the whole book; try again", after_s=5)
        self._waiting += 1
        try:
            async with self._free:
                yield
        finally:
            self._waiting -= 1

    @contextlib.asynccontextmanager
    async def sending(self, caller: Caller) -> AsyncIterator[None]:
        """Sends a list, which keeps its copy of the book. Raises Rejected while too many do, TimeoutError after SEND_S."""
        if self._sending >= open_to(caller, LISTS):
            raise Rejected("busy", f"{self._sending} lists are being sent; try again", after_s=5)
        self._sending += 1
        try:
            async with asyncio.timeout(SEND_S):
                yield
        finally:
            self._sending -= 1


class Site:
    """What the web keeps between requests, and the daemon behind it."""

    def __init__(self, config: WebConfig, daemon: Daemon, limits: Limits | None = None) -> None:
        """Raises schema.Invalid for tokens that cannot be used."""
        self.daemon = daemon
        self.tokens = Tokens(config.tokens)
        self.public_url = config.public_url
        self.sms_secret = daemon.sms_secret
        self.trusted_proxies = networks_of(config.trusted_proxies)
        self.sessions = Sessions(daemon.clock)
        self.failures = Failures(daemon.clock, daemon.metrics.web_wrong_tokens.inc, self._tell_of_guessing)
        self.quotas = Quotas(config.quotas, daemon.clock)
        self.alert_log = AlertLog(daemon)
        self.hub = Hub(daemon, self.alert_log, lambda: self.seals, limits)
        self.ltv = LtvFollower(daemon.view, daemon.store, daemon.clock)
        self.turns = Turns()
        self.exposures = Paced(daemon.clock, EXPOSURE_REST_S, EXPOSURE_TABLES)
        self.refusals = BoundedLog()
        """Names refused changes of the book in the log."""
        self.seals = Seals(secrets.token_bytes(KEY_BYTES))
        """By a key of this start, until the store has given its own (`take_key`)."""

    async def take_key(self) -> None:
        """What is sealed from now on can be read after a restart too."""
        try:
            self.seals = Seals(await self.daemon.store.key(KEY_NAME))
        except StoreUnavailable as e:
            log.warning("tokens with a scope cannot resume after the next restart", reason=str(e))

    def _tell_of_guessing(self, address: str, number: int) -> None:
        facts = {"address": address, "wrong": number, "within_s": plain(Decimal(int(WINDOW_S)))}
        self.daemon.tell(Noticed(self.daemon.clock.utc(), GUESSING, "API", facts))


class Call(NamedTuple):
    """One request: who asks what, and the site that answers."""

    request: web.Request
    caller: Caller
    query: Query
    site: Site

    @property
    def daemon(self) -> Daemon:
        """The daemon behind the site."""
        return self.site.daemon

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.request.match_info["id"]

    def audit(self, action: str, subject: str, before: object, after: object) -> Audit:
        """The record of what the caller does now, for the transaction that does it."""
        return Audit(self.daemon.clock.utc(), self.caller.name, action, subject, before, after)

    def seal(self, cursor: object) -> str:
        """A place of this list as the caller gets it: a token with a scope gets a text that it alone can use."""
        if not self.caller.scope:
            return str(cursor)
        return self.site.seals.cursor(str(cursor), self.caller.scope, list_of(self.request))


def list_of(request: web.Request) -> str:
    """What a sealed cursor belongs to: the list that gave it. All that go through the alert log share theirs."""
    path = request.path
    return LOG if path in LOG_PATHS else path


def opened(text: str, request: web.Request, caller: Caller, seals: Seals) -> str:
    """A cursor that a caller sends, as its list wrote it. Raises Rejected for one that its scope was not given."""
    if not caller.scope or text == BEGINNING:
        return text
    found = seals.read_cursor(text, caller.scope, list_of(request))
    if found is None:
        raise bad_cursor()
    return found


class Reply(NamedTuple):
    """A JSON answer with a status or headers of its own."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}


Handler = Callable[[Call], Awaitable[Any]]


class Endpoint(NamedTuple):
    """One row of the API: what is served, to whom, and how the contract describes it.

    The first line of the handler's docstring is the summary. A struct that the handler returns is the answer to 200.
    """

    method: str
    path: str
    handler: Handler
    needs: str
    params: tuple[Param, ...] = ()
    body: Any = None
    takes: str = "application/json"
    """The media type of the body."""
    answers: Mapping[int, Any] = {}
    """Status of success and the type of its JSON body, or None; only where the handler's own type does not say it."""
    media: str = "application/json"
    also: tuple[str, ...] = ()
    """Other media types in which the answer may come, as text."""
    headers: tuple[str, ...] = ()
    """Headers that a caller may send beside those of every request."""
    name: str = ""
    """What clients call it, where its method and path do not make a good name."""
    body_may_be_absent: bool = False
    """No body asks the same as an empty object."""
    may_be_absent: bool = False
    """What it is about may not be there, though no path names it: then it is not found."""
