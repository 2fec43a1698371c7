"""Who is signed in at the page. A person shows a token once; from then on a cookie that no script can read stands for it.

A session lasts twelve hours. The monitor keeps only the hash of its id, in memory. A restart signs everybody out, as does
a reload that takes the token away.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from monitor.clock import Clock
from monitor.web.auth import Caller, Tokens
from monitor.web.http import Rejected

COOKIE = "monitor_session"
CSRF_HEADER = "X-Requested-With"
"""A page of another origin cannot send it, so a change by a cookie needs it."""
LASTS = timedelta(hours=12)
"""A working day; a person who stays longer shows the token again."""
MOST_PER_TOKEN = 20
"""Browsers that one token may be signed in at; one more signs the oldest out."""
MOST_FAILURES = 5
"""Wrong tokens from one address within WINDOW_S: a person mistypes twice, a guesser does not stop."""
MOST_FAILURES_IN_ALL = 200
WINDOW_S = 60.0
_MOST_ADDRESSES = 4096


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
        id_ = secrets.token_urlsafe(32)
        until = now + LASTS
        self._open[_hashed(id_)] = _Session(token, until)
        return id_, until

    def caller(self, id_: str | None, tokens: Tokens) -> Caller | None:
        """The caller of a session, with the role and scope that its token has now; None where the session is over."""
        key = _hashed(id_ or "")
        found = self._open.get(key)
        caller = None if found is None else tokens.of_digest(found.token)
        if found is None or caller is None or found.until <= self._clock.utc():
            self._open.pop(key, None)
            return None
        return msgspec.structs.replace(caller, session=key, until=found.until)

    def end_without(self, tokens: Tokens) -> None:
        """Ends the sessions whose token is gone, for good: the same secret that comes back signs nobody in."""
        self._open = OrderedDict((k, s) for k, s in self._open.items() if tokens.of_digest(s.token) is not None)

    def close(self, key: str) -> None:
        """Ends the session of a caller."""
        self._open.pop(key, None)


def _hashed(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogateescape")).hexdigest()


class Failures:
    """Counts wrong tokens, by address and in all, to stop a guesser."""

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
            self._total = 0
            self._since_s = self._clock.monotonic_s()
        elif self._counts.get(address, 0) >= MOST_FAILURES or self._total >= MOST_FAILURES_IN_ALL:
            wait = {"Retry-After": str(int(left_s) + 1)}
            raise Rejected("too-many-failures", "too many wrong tokens; wait, then try again", headers=wait)

    def count(self, address: str) -> None:
        """Counts one more wrong token."""
        self._total += 1
        self._counts[address] = self._counts.get(address, 0) + 1
        self._counts.move_to_end(address)
        if len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)
