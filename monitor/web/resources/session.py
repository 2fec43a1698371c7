"""Sign-in for the page.

The cookie is SameSite=Strict, and a change by it needs the header X-Requested-With, which a page of another origin cannot
send. It is Secure where the page came by https (through a proxy: the daemon itself speaks http).
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from monitor.core.text import stamp_or_none
from monitor.web.auth import LOOPBACK, MAY, OPEN, READ, Caller
from monitor.web.http import Rejected, json_response, read_as, read_body
from monitor.web.proxy import client_of, is_https
from monitor.web.sessions import COOKIE, LASTS
from monitor.web.site import Call, Endpoint


class SignIn(msgspec.Struct, frozen=True):
    """The secret of a token, as it stands behind `Authorization: Bearer`."""

    token: str


class SessionItem(msgspec.Struct, frozen=True):
    """Who asks. `tokens`: the daemon has some; `cookie`: the caller has a session, which lasts `until`.

    `zone` is the desk's time zone, in which deadlines are shown beside UTC; null where the configuration states none.
    """

    name: str
    role: str
    may: list[str]
    scope: dict[str, str]
    tokens: bool
    cookie: bool
    until: str | None
    zone: str | None


async def sign_in(call: Call) -> web.StreamResponse | SessionItem:
    """Signs in with a token; the answer sets a cookie."""
    site = call.site
    request = call.request
    token = read_as(SignIn, await read_body(request)).token
    if not site.tokens:
        return _item(call, LOOPBACK, has_tokens=False)
    digest = site.tokens.digest_of(token)
    caller = None if digest is None else site.tokens.of_digest(digest)
    if digest is None or caller is None:
        site.failures.count(client_of(request, site.trusted_proxies))
        raise Rejected("unauthorized", "there is no such token", headers={"WWW-Authenticate": "Bearer"})
    id_, until = site.sessions.open(digest)
    response = json_response(_item(call, msgspec.structs.replace(caller, until=until), has_tokens=True))
    response.set_cookie(
        COOKIE,
        id_,
        max_age=int(LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=is_https(request, site.trusted_proxies),
    )
    return response


async def session(call: Call) -> SessionItem:
    """Who asks, and what they may do."""
    return _item(call, call.caller, has_tokens=bool(call.site.tokens))


async def sign_out(call: Call) -> web.StreamResponse:
    """Signs out."""
    response = web.Response(status=204)
    if mine := call.caller.session:
        call.site.sessions.close(mine)
        call.site.hub.disconnect(lambda caller: caller.session == mine)
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response


def _item(call: Call, caller: Caller, *, has_tokens: bool) -> SessionItem:
    """Who asks, and what they may do."""
    return SessionItem(
        name=caller.name,
        role=caller.role,
        may=sorted(MAY[caller.role]),
        scope=dict(caller.scope),
        tokens=has_tokens,
        cookie=bool(caller.session),
        until=stamp_or_none(caller.until),
        zone=call.daemon.zone(),
    )


ROUTES = (
    Endpoint("POST", "/v1/session", sign_in, OPEN, body=SignIn, answers={200: SessionItem}, name="sign_in"),
    Endpoint("GET", "/v1/session", session, READ),
    Endpoint("DELETE", "/v1/session", sign_out, READ, answers={204: None}, name="sign_out"),
)
