"""Sign-in for the page: a token is shown once, and a cookie that no script can read stands for it for twelve hours.

Only the hash of a session's id is kept, in memory: a restart signs everybody out, and so does the token's going at a reload.
The cookie is SameSite=Strict, and whatever changes something by it needs the header X-Requested-With, which a page of another
origin cannot send. It is Secure where the page came by https (through a proxy: the daemon itself speaks http).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from aiohttp import web

from monitor.clock import Clock
from monitor.core.schema import Invalid, read
from monitor.core.text import stamp_or_none
from monitor.web.auth import LOOPBACK, MAY, Caller, Tokens
from monitor.web.body import parse, read_body
from monitor.web.deskshapes import SessionItem
from monitor.web.http import answer
from monitor.web.problem import Rejected, invalid

COOKIE = "monitor_session"
CSRF_HEADER = "X-Requested-With"
LASTS = timedelta(hours=12)
"""A working day; who stays longer shows the token again."""
MOST_PER_TOKEN = 20
"""Browsers that one token may be signed in at; the oldest is signed out."""
MOST_FAILURES = 5
"""Wrong tokens from one address within WINDOW_S: a person mistypes twice, a guesser does not stop."""
MOST_FAILURES_IN_ALL = 200
WINDOW_S = 60.0
_MOST_ADDRESSES = 4096


class SignIn(msgspec.Struct, frozen=True):
    """The secret of a token, as it stands behind `Authorization: Bearer`."""

    token: str


class _Session(NamedTuple):
    token: bytes
    """The digest of its token's secret."""
    until: datetime


class Sessions:
    """Who is signed in. Times are of the wall clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, _Session] = OrderedDict()
        """By the hash of the id, oldest first."""

    def open(self, token: bytes) -> tuple[str, datetime]:
        """A new session of a token: its id, and until when it lasts."""
        now = self._clock.utc()
        self._open = OrderedDict((k, s) for k, s in self._open.items() if s.until > now)
        mine = [key for key, s in self._open.items() if s.token == token]
        for key in mine[: max(0, len(mine) + 1 - MOST_PER_TOKEN)]:
            del self._open[key]
        id_, until = secrets.token_urlsafe(32), now + LASTS
        self._open[_hashed(id_)] = _Session(token, until)
        return id_, until

    def caller(self, id_: str | None, tokens: Tokens) -> Caller | None:
        """Whose session this is, with the role and scope that its token has now; None where it is nobody's any more."""
        key = _hashed(id_ or "")
        found = self._open.get(key)
        caller = None if found is None else tokens.of_digest(found.token)
        if found is None or caller is None or found.until <= self._clock.utc():
            self._open.pop(key, None)
            return None
        return msgspec.structs.replace(caller, session=key, until=found.until)

    def close(self, key: str) -> None:
        """Ends the session of a caller."""
        self._open.pop(key, None)


def _hashed(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogateescape")).hexdigest()


class Failures:
    """Counts wrong tokens, by address and in all, so that nobody can try many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._total = 0
        self._since_s = clock.monotonic_s()

    def check(self, address: str) -> None:
        """Raises Rejected while too many failed."""
        left_s = self._since_s + WINDOW_S - self._clock.monotonic_s()
        if left_s <= 0:
            self._counts.clear()
            self._total, self._since_s = 0, self._clock.monotonic_s()
        elif self._counts.get(address, 0) >= MOST_FAILURES or self._total >= MOST_FAILURES_IN_ALL:
            raise Rejected(
                "too-many-failures", "too many wrong tokens; wait, then try again",
                headers={"Retry-After": str(int(left_s) + 1)},
            )  # fmt: skip

    def count(self, address: str) -> None:
        """One more failed."""
        self._total += 1
        self._counts[address] = self._counts.get(address, 0) + 1
        self._counts.move_to_end(address)
        if len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)


class SessionApi:
    """Handlers of /v1/session. `tokens` are those in force; `disconnect` ends the streams of a session."""

    def __init__(
        self, clock: Clock, sessions: Sessions, tokens: Callable[[], Tokens], disconnect: Callable[[str], None]
    ) -> None:
        self._sessions, self._tokens, self._disconnect = sessions, tokens, disconnect
        self._failures = Failures(clock)

    async def sign_in(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        """POST /v1/session"""
        if not self._tokens():
            return answer(shown(LOOPBACK, has_tokens=False))
        address = request.remote or ""
        self._failures.check(address)
        try:
            token = read(SignIn, parse(await read_body(request))).token
        except Invalid as e:
            raise invalid(e.problems) from None
        digest = self._tokens().digest_of(token)
        caller = None if digest is None else self._tokens().of_digest(digest)
        if digest is None or caller is None:
            self._failures.count(address)
            raise Rejected("unauthorized", "there is no such token", headers={"WWW-Authenticate": "Bearer"})
        id_, until = self._sessions.open(digest)
        response = answer(shown(msgspec.structs.replace(caller, until=until), has_tokens=True))
        response.set_cookie(
            COOKIE, id_, max_age=int(LASTS.total_seconds()), path="/", httponly=True, samesite="Strict",
            secure=request.headers.get("Origin", "").startswith("https://"),
        )  # fmt: skip
        return response

    async def session(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/session"""
        return answer(shown(caller, has_tokens=bool(self._tokens())))

    async def sign_out(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """DELETE /v1/session"""
        response = web.Response(status=204)
        if caller.session:
            self._sessions.close(caller.session)
            self._disconnect(caller.session)
            response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response


def shown(caller: Caller, *, has_tokens: bool) -> SessionItem:
    """Who asks, and what they may do."""
    return SessionItem(
        caller.name, caller.role, sorted(MAY[caller.role]), dict(caller.scope), has_tokens, bool(caller.session),
        stamp_or_none(caller.until),
    )  # fmt: skip
