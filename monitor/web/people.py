"""People who sign in at the desk's own provider, or at a proxy before the monitor: who they are, and what they may do.

A group decides the role. It is looked up in the configuration of now each time a person asks, so a reload counts at once.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from aiohttp import web

from monitor.addresses import Network, is_allowed
from monitor.secret_files import read_secret
from monitor.sign_in_table import PREFIX, GroupRole, ProxyAuthConfig
from monitor.web.auth import Caller
from monitor.web.http import Rejected

LASTS = timedelta(hours=1)
"""A stream that stays open ends then, so that the proxy is asked again whether its reader is still signed in."""
LONGEST_NAME = 128
MOST_GROUPS = 1000


class Identity(msgspec.Struct, frozen=True):
    """A person as the provider or the proxy names them."""

    name: str
    groups: frozenset[str]
    subject: str = ""
    """The provider's own name for the person, which never changes."""
    session: str = ""
    """The provider's name for its session."""


class BadIdentity(ValueError):
    """What is said of a person cannot be used; the text says why."""


def usable_name(text: object) -> str:
    """The name for the audit record. Raises BadIdentity."""
    if not isinstance(text, str) or not text.strip():
        raise BadIdentity("no name is said")
    name = text.strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadIdentity(f"the name has more than {LONGEST_NAME} characters, or some that cannot be printed")
    return name


def usable_groups(said: object) -> frozenset[str]:
    """The groups as a claim says them: a list, or one text. Raises BadIdentity."""
    if said is None:
        return frozenset()
    found = [said] if isinstance(said, str) else said
    if not isinstance(found, list) or len(found) > MOST_GROUPS or not all(isinstance(each, str) for each in found):
        raise BadIdentity(f"the groups are no list of at most {MOST_GROUPS} texts")
    return frozenset(found)


def caller_of(person: Identity, rows: Sequence[GroupRole]) -> Caller | None:
    """The person as a caller; None where no group of theirs may do anything."""
    for row in rows:
        if row.name in person.groups:
            return Caller(PREFIX + person.name, row.role, tuple(sorted(row.scope.items())), is_person=True)
    return None


class ProxyAuth:
    """Takes a trusted proxy's word for who asks."""

    def __init__(self, config: ProxyAuthConfig) -> None:
        """Raises BadSecret."""
        self.config = config
        self._secret = None if config.secret_file is None else read_secret(None, config.secret_file).encode()

    def caller(self, request: web.Request, trusted: Sequence[Network], now: datetime) -> Caller | None:
        """Who asks by the word of the proxy; None where it says nothing. Raises Rejected for a word that cannot be taken.

        Headers from any other address, or without the secret, are no word of the proxy and count for nothing.
        """
        said = request.headers.getall(self.config.user_header, [])
        if not said or not self._is_proxy(request, trusted):
            return None
        groups = request.headers.getall(self.config.groups_header, [])
        if len(said) > 1 or len(groups) > 1:
            # One of them may be the browser's own: a proxy that adds a header in place of setting it is not configured well.
            raise Rejected("forbidden", "the proxy says twice who asks; let it set its headers and not add them")
        try:
            name = usable_name(said[0])
        except BadIdentity as e:
            raise Rejected("forbidden", f"the proxy says who asks, but {e}") from None
        mine = frozenset(each.strip() for line in groups for each in line.split(","))
        found = caller_of(Identity(name, mine), self.config.groups)
        if found is None:
            raise Rejected("forbidden", f"{name} is in no group that may use the monitor; ask who runs it")
        return msgspec.structs.replace(found, until=now + LASTS)

    def _is_proxy(self, request: web.Request, trusted: Sequence[Network]) -> bool:
        if not request.remote or not is_allowed(request.remote, trusted):
            return False
        if self._secret is None:
            return True
        given = request.headers.getall(self.config.secret_header, [])
        return len(given) == 1 and hmac.compare_digest(given[0].encode("utf-8", "surrogateescape"), self._secret)
