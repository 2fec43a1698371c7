"""A provider of OpenID Connect on loopback. It keeps the rules of the flow itself, and forges what a test tells it to."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from html import escape
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.registry import HeaderParameter
from msgspec import json

from tests.web.desk import WebDesk

CLIENT, CLIENT_SECRET = "loan-monitor", "the-client's secret/of the tests"
LOGOUT_EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


@cache
def rsa(name: str) -> RSAKey:
    """A key of its own for each name; making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@cache
def elliptic(name: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig"})


def signed(claims: dict[str, Any], key: Key, algorithm: str = "RS256", **header: Any) -> str:
    """A token as a provider signs it."""
    named = {"alg": algorithm, "kid": key.kid, **header}
    head = {k: v for k, v in named.items() if v is not None}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 100_000
    registry.header_registry["theirs"] = HeaderParameter("x", lambda _: None)
    return jws.serialize_compact(head, json.encode(claims), key, registry=registry)


class Provider:
    """Who signs in is `person`; what is signed goes through `forge` and `sign`."""

    def __init__(self, desk: WebDesk) -> None:
        self.desk = desk
        self.issuer = ""
        self.keys: list[Key] = [rsa("k1")]
        self.person: dict[str, Any] = {
            "sub": "u-1",
            "email": "anna@desk.example",
            "groups": ["risk-desk"],
            "sid": "s-1",
        }
        self.told: dict[str, Any] = {}
        """What the address for more about a person says."""
        self.forge: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: signed(claims, self.keys[0])
        self.stated: dict[str, Any] = {}
        """Replaces what it says of itself."""
        self.is_down = False
        self.asks = False
        """Shows a page with a link back, as to somebody who is not signed in there, in place of leading back at once."""
        self.asked: list[dict[str, str]] = []
        """The questions of browsers that came to sign in."""
        self.count: dict[str, int] = {}
        """Requests by path."""
        self._codes: dict[str, dict[str, str]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        path = request.path
        self.count[path] = self.count.get(path, 0) + 1
        if self.is_down:
            return web.Response(status=502)
        if path == "/realm/.well-known/openid-configuration":
            return web.json_response(self.said_of_itself() | self.stated)
        if path == "/realm/keys":
            return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys]})
        if path == "/realm/authorize":
            return self._authorize(dict(request.query))
        if path == "/realm/token":
            form = await request.post()
            return self._token(request.headers.get("Authorization"), {k: str(v) for k, v in form.items()})
        if path == "/realm/more":
            assert request.headers["Authorization"] == "Bearer access"
            return web.json_response(self.told)
        if path == "/realm/out":
            return web.Response(text="signed out")
        return web.Response(status=404)

    def said_of_itself(self) -> dict[str, Any]:
        places = {"authorization": "authorize", "token": "token", "userinfo": "more", "end_session": "out"}
        return {
            "issuer": self.issuer,
            **{f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in places.items()},
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _authorize(self, query: dict[str, str]) -> web.Response:
        """A person who is signed in there already: the browser is sent back at once."""
        self.asked.append(query)
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "session_state": "x", "iss": self.issuer})
        url = f"{query['redirect_uri']}?{back}"
        if self.asks:
            return web.Response(text=f'<a href="{escape(url)}">I am Anna</a>', content_type="text/html")
        return web.Response(status=302, headers={"Location": url})

    def _token(self, authorization: str | None, form: dict[str, str]) -> web.Response:
        pair = base64.b64encode(
            urlencode({"": CLIENT})[1:].encode() + b":" + b"the-client%27s%20secret%2Fof%20the%20tests"
        ).decode()
        begun = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).decode()
        is_fine = (
            authorization == f"Basic {pair}"
            and form.get("grant_type") == "authorization_code"
            and begun is not None
            and begun["redirect_uri"] == form.get("redirect_uri")
            and begun["code_challenge"] == challenge.rstrip("=")
        )
        if not is_fine or begun is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = self.sign(self.forge(self.claims(nonce=begun["nonce"])))
        return web.json_response({"access_token": "access", "token_type": "Bearer", "id_token": token})

    def claims(self, **more: Any) -> dict[str, Any]:
        now_s = int(self.desk.clock.now.timestamp())
        return {"iss": self.issuer, "aud": CLIENT, "iat": now_s, "exp": now_s + 300, **self.person, **more}

    def logout_token(self, **more: Any) -> str:
        """The provider's word that a session is over; a value of None leaves a claim out."""
        claims = {**self.claims(), "jti": secrets.token_urlsafe(8), "events": LOGOUT_EVENT, **more}
        return self.sign({k: v for k, v in claims.items() if v is not None and k not in ("groups", "email")})


@asynccontextmanager
async def providing(desk: WebDesk, name: str = "127.0.0.1") -> AsyncIterator[Provider]:
    """A provider on a port of its own; to a browser `localhost` is another site than 127.0.0.1."""
    provider = Provider(desk)
    runner = web.ServerRunner(web.Server(provider.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.issuer = f"http://{name}:{runner.addresses[0][1]}/realm"
    try:
        yield provider
    finally:
        await runner.cleanup()
