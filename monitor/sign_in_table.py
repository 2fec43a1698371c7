"""The tables [web.oidc] and [web.proxy_auth]: people who sign in as they do elsewhere at the desk, and their roles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from monitor.addresses import check_certificates, check_port, origin_of, shown_url
from monitor.core.schema import Pattern

PREFIX = "sso:"
"""Before the names of people who sign in. No token has such a name, so nobody who signs in passes for a token."""
_HeaderName = Annotated[str, Pattern(r"[A-Za-z0-9-]{1,64}", "the name of a header: letters, digits and hyphens")]
_Claim = Annotated[str, Pattern(r"[\x21-\x7e]{1,128}", "the name of a claim, without spaces")]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class GroupRole(msgspec.Struct, frozen=True):
    """What people of a group may do, and which loans they see. The first row that fits a person decides."""

    name: str
    """The group, exactly as the provider or the proxy says it."""
    role: Literal["borrower", "viewer", "feeder", "operator", "admin"]
    scope: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.role == "borrower" and not self.scope:
            raise ValueError('role: a borrower sees the own groups alone; state scope = { borrower = "..." } too')
        if not self.name.strip() or not self.name.isprintable():
            raise ValueError(f"name: found {self.name!r}, expected the name of a group")


class OidcConfig(msgspec.Struct, frozen=True):
    """[web.oidc]: the page offers to sign in at a provider of OpenID Connect."""

    issuer: str
    client_id: str
    groups: tuple[GroupRole, ...]
    client_secret_file: Path | None = None
    """Without a secret the client is a public one, which PKCE alone protects."""
    name_claim: _Claim = "email"
    """Under what it says a person stands in the audit record."""
    groups_claim: _Claim = "groups"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    label: str = "Sign in with your desk account"
    ca_file: Path | None = None
    """Certificates in PEM form that the provider's must go back to; else those of the system."""

    def __post_init__(self) -> None:
        _check_issuer(self.issuer)
        _check_groups(self.groups)
        if not self.client_id.strip():
            raise ValueError("client_id: is empty; expected the name under which the provider knows the monitor")
        if "openid" not in self.scopes:
            raise ValueError('scopes: expected "openid" among them; without it a provider tells nobody who signs in')
        if not self.label.strip() or not self.label.isprintable() or len(self.label) > 60:
            raise ValueError("label: expected 1 to 60 printable characters; it is the text of a button")
        if self.ca_file is not None:
            check_certificates("ca_file", self.ca_file)


class ProxyAuthConfig(msgspec.Struct, frozen=True):
    """[web.proxy_auth]: a proxy of `trusted_proxies` signs people in and says in headers who asks."""

    groups: tuple[GroupRole, ...]
    user_header: _HeaderName = "X-Forwarded-User"
    groups_header: _HeaderName = "X-Forwarded-Groups"
    """Holds the groups, with commas between them."""
    secret_file: Path | None = None
    """A secret that the proxy sends in `secret_header`: then an address alone makes nobody the proxy."""
    secret_header: _HeaderName = "X-Proxy-Secret"  # noqa: S105  the name of a header
    sign_out_url: str | None = None
    """Where the page leads who signs out, such as /oauth2/sign_out of the proxy."""

    def __post_init__(self) -> None:
        _check_groups(self.groups)
        names = [self.user_header.lower(), self.groups_header.lower(), self.secret_header.lower()]
        if len(set(names)) < len(names):
            raise ValueError("user_header, groups_header and secret_header: expected three different headers")
        if "authorization" in names or "cookie" in names:
            raise ValueError("user_header: Authorization and Cookie are the monitor's own; choose another header")
        url = self.sign_out_url
        if url is not None and origin_of(url) is None and not (url.startswith("/") and not url.startswith("//")):
            raise ValueError(
                f"sign_out_url: found {url[:80]!r}, expected an address, or a path such as /oauth2/sign_out"
            )


def _check_groups(groups: Sequence[GroupRole]) -> None:
    if not groups:
        raise ValueError('groups: is empty, so nobody may do anything; state { name = "...", role = "viewer" }')


def _check_issuer(issuer: str) -> None:
    """Over plain HTTP anybody on the way could be the provider."""
    origin = origin_of(issuer)
    if origin is None or "?" in issuer or "#" in issuer:
        raise ValueError(f"issuer: found {shown_url(issuer)!r}, expected the provider's https://host/path")
    check_port("issuer", issuer)
    if origin[0] != "https" and origin[1] not in _LOOPBACK:
        raise ValueError(f"issuer: found {shown_url(issuer)!r}, expected https:// for a provider on another machine")
