"""Who asks, what they may do, and which groups they may see.

Without tokens the loopback is admin, and the daemon refuses to bind anything else. A web page that the operator visits
also runs on the loopback, so names that resolve there by rebinding and writes from other origins are turned away.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from monitor.addresses import origin_of
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.schema import Invalid, Problem
from monitor.secret_files import BadSecret, read_secret
from monitor.web_table import TokenConfig, is_loopback

READ = "read"
FEED = "feed"
OPERATE = "operate"
ADMIN = "admin"
OPEN = "open"
"""Needs no token: liveness, readiness, the contract."""
BORROWER = "borrower"
"""Reads the own groups, without what is the desk's (`borrowers.py`)."""
MAY: Mapping[str, frozenset[str]] = {
    BORROWER: frozenset({READ}),
    "viewer": frozenset({READ}),
    "feeder": frozenset({READ, FEED}),
    "operator": frozenset({READ, OPERATE}),
    "admin": frozenset({READ, FEED, OPERATE, ADMIN}),
}
SHORTEST = 24
"""Characters of a secret that nobody guesses, however many try: its length is all that protects a token."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d{1,5}))?", re.ASCII)


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the name for the audit record, the role, and the groups that it may see."""

    name: str
    role: str
    scope: Scope = ()
    prefix: str = ""
    """With which the ids and accounts begin that it puts."""
    session: str = ""
    """The session, where a cookie names the caller."""
    until: datetime | None = None
    """When that session ends."""

    @property
    def is_borrower(self) -> bool:
        """The token is a borrower's, and no team of the desk's."""
        return self.role == BORROWER

    def may(self, action: str) -> bool:
        """The role permits the action."""
        return action in MAY.get(self.role, frozenset())

    def sees(self, labels: Mapping[str, str] | None) -> bool:
        """What has these labels is within the scope; None: what has none, or from before they were kept."""
        return sees(self.scope, labels)


LOOPBACK = Caller("loopback", "admin")
NOBODY = Caller("nobody", "nobody")
"""Asks an open path without a token."""


class Tokens:
    """The tokens by the digest of their secret."""

    def __init__(self, configs: Sequence[TokenConfig]) -> None:
        """Reads the secrets. Raises schema.Invalid with every problem."""
        problems: list[Problem] = []
        self._callers: dict[bytes, Caller] = {}
        self.short: tuple[str, ...] = ()
        """Names of tokens whose secret is short enough to be guessed."""
        names: set[str] = set()
        for i, config in enumerate(configs):
            where = f"web.tokens[{i}]"
            secret = _secret(config, where, problems)
            digest = _digest(secret)
            if config.name in names:
                problems.append(Problem(f"{where}.name", f"{config.name!r} is the name of another token"))
            elif secret and digest in self._callers:
                other = self._callers[digest].name
                problems.append(Problem(where, f"has the secret of {other!r}; each token needs its own"))
            names.add(config.name)
            if 0 < len(secret) < SHORTEST:
                self.short += (config.name,)
            scope = tuple(sorted(config.scope.items()))
            self._callers[digest] = Caller(config.name, config.role, scope, config.prefix or "")
        if problems:
            raise Invalid(problems)

    def __len__(self) -> int:
        return len(self._callers)

    def names_in(self, other: Tokens) -> frozenset[str]:
        """The names of those that are in the other ones too, with the same secret, role and scope."""
        return frozenset(c.name for digest, c in self._callers.items() if other.of_digest(digest) == c)

    def caller(self, authorization: str | None) -> Caller | None:
        """The caller that an `Authorization: Bearer` header names; None where no token has that secret."""
        kind, _, secret = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            return None
        digest = self.digest_of(secret)
        return None if digest is None else self._callers[digest]

    def digest_of(self, secret: str) -> bytes | None:
        """The digest of a token's secret; None where no token has it."""
        presented = _digest(secret.strip())
        found = None
        # Every digest is compared, and each in constant time, so that the time taken tells nothing.
        for digest in self._callers:
            if hmac.compare_digest(digest, presented):
                found = digest
        return found

    def of_digest(self, digest: bytes) -> Caller | None:
        """The caller whose token has this digest now."""
        return self._callers.get(digest)


def _secret(config: TokenConfig, where: str, problems: list[Problem]) -> str:
    try:
        return read_secret(config.secret, config.secret_file)
    except BadSecret as e:
        problems.append(Problem(where if config.secret_file is None else f"{where}.secret_file", str(e)))
        return ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def is_local_host(header: str | None) -> bool:
    """The Host header names this machine, not a name that was rebound to it."""
    match = _HOST.fullmatch(header or "")
    return match is not None and is_loopback(match["name"])


def is_same_origin(origin: str | None, site: str | None, host: str | None, public_url: str | None = None) -> bool:
    """The page that sends a write is our own, or no page at all (`Origin` and `Sec-Fetch-Site` are set by browsers).

    A browser compares the page with the address that it asked, so its "same-origin" holds behind a proxy which rewrites
    Host too. `public_url`: the address that people use, which browsers without that header name in `Origin`.
    """
    if site in ("cross-site", "same-site"):
        return False
    if origin is None or site == "same-origin":
        return True
    page = origin_of(origin)
    if page is None:
        return False
    if public_url is not None and page == origin_of(public_url):
        return True
    match = _HOST.fullmatch(host or "")
    return match is not None and page == origin_of(f"{page[0]}://{match[0].lower()}")
