"""What a provider of OpenID Connect signs: who holds the key, and whether the words are meant for us, now, for this sign-in.

Pure: takes a token, keys and a time. Every reason to refuse is a `Forged` that says what is wrong with the token.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a key that the provider alone has. `none` and those by a shared secret are not among them."""
_REGISTRY = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
"""What a header holds beyond the standard means nothing, as the standard says; what it calls critical must be known."""
_REGISTRY.max_header_length = 8192  # some providers send their certificates along
LEEWAY_S = 60
"""By so much the clocks of the provider and of this machine may differ."""
LONGEST = 65_536
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
OLDEST_LOGOUT_S = 600
"""A word about a sign-out is sent at once; an old one is somebody's copy."""


class Forged(ValueError):
    """A token that must not be believed; the text says why."""


class UnknownKey(Forged):
    """No key of ours signed it. The provider may have a new one."""


class Expected(msgspec.Struct, frozen=True):
    """Whom the words of a token must come from and be meant for, and the time of now."""

    issuer: str
    client_id: str
    now: datetime


def keys_of(stated: object) -> list[Key]:
    """The keys of a provider's list that can sign; those of other kinds are left out."""
    rows = stated.get("keys") if isinstance(stated, Mapping) else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("use", "sig") == "sig" and row.get("kty") in ("RSA", "EC", "OKP"):
            try:
                found.append(import_key(row))
            except (JoseError, ValueError, TypeError):
                continue
    return found


def signed(token: str, keys: Sequence[Key]) -> dict[str, Any]:
    """The claims of a token that one of these keys signed. Raises Forged."""
    if len(token) > LONGEST:
        raise Forged("the token is longer than any honest one")
    try:
        header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
    except (JoseError, ValueError, TypeError) as e:
        raise Forged(f"the token cannot be read: {type(e).__name__}") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise Forged(f"the token is signed by {str(algorithm)[:20]!r}, expected a key of the provider alone")
    fitting = [key for key in keys if key.kid == kid] if kid is not None else list(keys)
    fitting = [key for key in fitting if key.get("alg") in (None, algorithm)]
    for key in fitting:
        try:
            payload = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
            claims = msgspec.json.decode(payload)
        except (JoseError, ValueError, TypeError):
            continue
        if not isinstance(claims, dict):
            raise Forged("the token holds no claims")
        return claims
    raise UnknownKey("no key of the provider signed the token")


def checked_sign_in(claims: Mapping[str, Any], expected: Expected, nonce: str) -> str:
    """Looks at the claims of an ID token; returns the subject. Raises Forged."""
    _check_parties(claims, expected)
    if _seconds(claims, "exp") + LEEWAY_S <= expected.now.timestamp():
        raise Forged("the token has run out")
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise Forged("the token is for another sign-in (nonce)")
    return _subject(claims)


def checked_sign_out(claims: Mapping[str, Any], expected: Expected) -> tuple[str, str, str]:
    """Looks at the claims of a logout token; returns its own id, the subject and the session, one of which may be empty.

    Raises Forged."""
    _check_parties(claims, expected)
    now_s = expected.now.timestamp()
    if "exp" in claims and _seconds(claims, "exp") + LEEWAY_S <= now_s:
        raise Forged("the token has run out")
    if _seconds(claims, "iat") + OLDEST_LOGOUT_S <= now_s:
        raise Forged("the token is old")
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT), Mapping):
        raise Forged("the token tells of no sign-out")
    if "nonce" in claims:
        raise Forged("the token is one of a sign-in")
    id_, subject, session = (claims.get(name, "") for name in ("jti", "sub", "sid"))
    if not all(isinstance(text, str) for text in (id_, subject, session)) or not id_ or not (subject or session):
        raise Forged("the token does not say whose session is over")
    return id_, subject, session


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise Forged("the token is of another provider (iss)")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or expected.client_id not in named:
        raise Forged("the token is for another program (aud)")
    party = claims.get("azp")
    if (len(named) > 1 or party is not None) and party != expected.client_id:
        raise Forged("the token was given to another program (azp)")
    now_s = expected.now.timestamp()
    if _seconds(claims, "iat") - LEEWAY_S > now_s or ("nbf" in claims and _seconds(claims, "nbf") - LEEWAY_S > now_s):
        raise Forged("the token is of a later time; compare the clocks")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Forged(f"the token has no time {name!r}")
    return float(value)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Forged("the token names nobody (sub)")
    return subject
