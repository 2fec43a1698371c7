"""The table [web]: where the API listens, who may ask, and which addresses it can be bound to."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from monitor.addresses import check_public_url, networks_of
from monitor.core.schema import Name, Pattern
from monitor.sign_in_table import GroupRole, OidcConfig, ProxyAuthConfig


class TokenConfig(msgspec.Struct, frozen=True):
    """One of [web] tokens. Its secret stands here or in a file, never both."""

    name: Name
    role: Literal["borrower", "viewer", "feeder", "operator", "admin"]
    secret: str | None = None
    secret_file: Path | None = None
    scope: dict[str, str] = {}
    """Labels that a group must have for this token to see it."""
    prefix: Annotated[str, Pattern(r"[\x21-\x7e]{1,64}", "1 to 64 printable characters")] | None = None
    """With which the ids and accounts begin that this token puts."""

    def __post_init__(self) -> None:
        if self.role == "borrower" and not self.scope:
            raise ValueError('role: a borrower sees the own groups alone; state scope = { borrower = "..." } too')
        if self.prefix is not None and not self.scope:
            raise ValueError('"prefix" is of a scope; state scope = { borrower = "..." } too')
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError('a token states either "secret" or "secret_file"')

    def __repr__(self) -> str:
        return f"TokenConfig({self.name}, {self.role})"


PAGE_DRAFTS = ("pl", "pt", "ru", "sv")
"""Languages that the page has drafts of, in dashboard/src/words."""
_Most = Annotated[int, range(1, 100_001)]


class QuotaConfig(msgspec.Struct, frozen=True):
    """[web.quotas]: what one token of a viewer, or with a scope, may take of what the desk shares."""

    streams: _Most = 20
    """Streams at a time: a page has one, a person a few pages."""
    stress: _Most = 1
    """Looks at the whole book at a time."""
    what_ifs: _Most = 300
    """What-ifs a minute: a page asks one a second while prices move, and some people share a token."""
    exports: _Most = 10
    """Lists as CSV a minute."""


class WebConfig(msgspec.Struct, frozen=True):
    """[web]. Port 0 picks a free one and prints it."""

    host: str = "127.0.0.1"
    port: Annotated[int, range(0, 65536)] = 8080
    tokens: tuple[TokenConfig, ...] = ()
    public_url: str | None = None
    """The address that people use, where a reverse proxy stands before the monitor. Notices link to it."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded-For and -Proto are believed."""
    languages: tuple[str, ...] = ()
    """Drafts of the page that a reader may choose, beside English."""
    health_port: Annotated[int, range(0, 65536)] | None = None
    """A port that answers only /healthz, /readyz, /headz and /metrics, whatever happens at the other one."""
    max_connections: Annotated[int, range(16, 100_001)] = 1000
    """At most half of the descriptors, whatever stands here: the other half is for feeds, channels and files."""
    quotas: QuotaConfig = QuotaConfig()
    oidc: OidcConfig | None = None
    proxy_auth: ProxyAuthConfig | None = None

    def __post_init__(self) -> None:
        self._check_sign_in()
        for language in self.languages:
            if language not in PAGE_DRAFTS:
                raise ValueError(
                    f"languages: found {language!r}, expected one of: {', '.join(PAGE_DRAFTS)}; English is always there"
                )
        try:
            if self.public_url is not None:
                check_public_url(self.public_url)
        except ValueError as e:
            raise ValueError(f"public_url: {e}") from None
        try:
            networks_of(self.trusted_proxies)
        except ValueError as e:
            raise ValueError(f"trusted_proxies: {e}") from None
        if self.port and self.health_port == self.port:
            raise ValueError(f"health_port: found {self.port}, which is the port; expected another one")

    @property
    def sign_in_groups(self) -> tuple[GroupRole, ...]:
        """What groups of people may do who sign in without a token."""
        return tuple(row for table in (self.oidc, self.proxy_auth) if table is not None for row in table.groups)

    @property
    def secrets(self) -> tuple[tuple[str, Path], ...]:
        """The files of the sign-in, each with its place in the configuration."""
        files = {
            "web.oidc.client_secret_file": None if self.oidc is None else self.oidc.client_secret_file,
            "web.proxy_auth.secret_file": None if self.proxy_auth is None else self.proxy_auth.secret_file,
        }
        return tuple((place, file) for place, file in files.items() if file is not None)

    def _check_sign_in(self) -> None:
        """Tokens stay the way in for programs, and for the desk while the provider or the proxy is down."""
        for key, table in (("oidc", self.oidc), ("proxy_auth", self.proxy_auth)):
            if table is not None and not self.tokens:
                raise ValueError(f"{key}: needs a token beside it: without tokens everybody here is admin")
        if self.oidc is not None and self.public_url is None:
            raise ValueError("oidc: needs public_url, the address to which the provider sends people back")
        if self.proxy_auth is not None and not self.trusted_proxies:
            raise ValueError("proxy_auth: needs trusted_proxies: only their word about who asks is taken")


def told_by_puts(tokens: Sequence[TokenConfig]) -> list[str]:
    """What the answers to puts tell tokens with a scope about groups that they may not see."""
    return [
        f"token {t.name!r} has a scope and may put groups, but no prefix: its put of an id that is outside its scope is "
        "answered 403, and of an account that another group has 409, which tells it that somebody has them; state "
        f'prefix = "{t.name}-", with which its ids and accounts must begin then'
        for t in tokens
        if t.scope and t.prefix is None and t.role in ("feeder", "admin")
    ]


class UnsafeBind(Exception):
    """Everybody on the network would be admin."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"found {host!r} and no tokens, expected loopback (127.0.0.1, ::1, localhost): anybody could read and change "
            'loans; add tokens = [{ name = "ops", role = "operator", secret_file = "..." }] or bind loopback'
        )


def check_bind(host: str, tokens: Sequence[object]) -> None:
    """Raises UnsafeBind for an address beyond loopback without tokens."""
    if not tokens and not is_loopback(host):
        raise UnsafeBind(host)


def is_loopback(name: str) -> bool:
    """The name or address can only mean this machine."""
    name = name.removesuffix(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
