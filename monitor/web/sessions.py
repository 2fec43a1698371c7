"""Who is signed in at the page. A person shows a token, or comes from the desk's provider, once; from then on a cookie that
no script can read stands for that.

A session lasts twelve hours. The monitor keeps only the hash of its id, in memory. A restart signs everybody out, as does
a reload that takes the token away.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from monitor.clock import Clock
from monitor.sign_in_table import GroupRole
from monitor.web.auth import Caller, Tokens
from monitor.web.people import Identity, caller_of

COOKIE = "monitor_session"
CSRF_HEADER = "X-Requested-With"
"""A page of another origin cannot send it, so a change by a cookie needs it."""
LASTS = timedelta(hours=12)
"""A working day; a person who stays longer shows the token again."""
MOST_PER_TOKEN = 20
"""Browsers that one token may be signed in at; one more signs the oldest out."""


class _Session(NamedTuple):
    who: bytes | Identity
    """The digest of its token's secret, or a person that the provider named."""
    until: datetime


class Sessions:
    """Who is signed in. Times are of the wall clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, _Session] = OrderedDict()
        """By the hash of the id, oldest first."""

    def open(self, who: bytes | Identity) -> tuple[str, datetime]:
        """A new session of a token, by its digest, or of a person: its id, and until when it lasts."""
        now = self._clock.utc()
        self._open = OrderedDict((k, s) for k, s in self._open.items() if s.until > now)
        mine = [key for key, s in self._open.items() if _owner(s.who) == _owner(who)]
        for key in mine[: max(0, len(mine) + 1 - MOST_PER_TOKEN)]:
            del self._open[key]
        id_ = secrets.token_urlsafe(32)
        until = now + LASTS
        self._open[_hashed(id_)] = _Session(who, until)
        return id_, until

    def caller(self, id_: str | None, tokens: Tokens, rows: Sequence[GroupRole] = ()) -> Caller | None:
        """The caller of a session, with the role and scope that its token or its groups have now; None where it is over."""
        key = _hashed(id_ or "")
        found = self._open.get(key)
        caller = None if found is None else _caller(found.who, tokens, rows)
        if found is None or caller is None or found.until <= self._clock.utc():
            self._open.pop(key, None)
            return None
        return msgspec.structs.replace(caller, session=key, until=found.until)

    def end_without(self, tokens: Tokens) -> None:
        """Ends the sessions whose token is gone, for good: the same secret that comes back signs nobody in."""
        self._end(lambda who: isinstance(who, bytes) and tokens.of_digest(who) is None)

    def end_people(self, is_over: Callable[[Identity], bool] = lambda _: True) -> frozenset[str]:
        """Ends the sessions of some people who signed in at the provider, of all by default. Returns which ended."""
        return self._end(lambda who: isinstance(who, Identity) and is_over(who))

    def _end(self, is_over: Callable[[bytes | Identity], bool]) -> frozenset[str]:
        ended = frozenset(k for k, s in self._open.items() if is_over(s.who))
        for key in ended:
            del self._open[key]
        return ended

    def close(self, key: str) -> None:
        """Ends the session of a caller."""
        self._open.pop(key, None)


def _owner(who: bytes | Identity) -> bytes | str:
    """Whose sessions are counted together."""
    return who if isinstance(who, bytes) else who.subject


def _caller(who: bytes | Identity, tokens: Tokens, rows: Sequence[GroupRole]) -> Caller | None:
    return tokens.of_digest(who) if isinstance(who, bytes) else caller_of(who, rows)


def _hashed(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogateescape")).hexdigest()
