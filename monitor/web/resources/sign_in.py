"""Sign-in at the desk's provider: the way there, the way back, and the provider's own word that somebody has signed out."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from monitor.web.auth import OPEN
from monitor.web.http import Param, Rejected, read_body
from monitor.web.oidc import COOKIE as BEGUN
from monitor.web.oidc import LASTS_S, Oidc
from monitor.web.people import caller_of
from monitor.web.proxy import client_of
from monitor.web.sessions import COOKIE, LASTS
from monitor.web.site import Call, Endpoint

FORM_MEDIA = "application/x-www-form-urlencoded"
_SAID = ("code", "state", "iss", "error", "error_description")


class SignInWays(msgspec.Struct, frozen=True):
    """How people sign in here. `provider`: the text of the button that leads to the desk's provider, or null."""

    token: bool
    provider: str | None


class SignedOut(msgspec.Struct, frozen=True):
    """A logout token of the provider, as a form."""

    logout_token: str


async def ways(call: Call) -> SignInWays:
    """How people sign in here."""
    oidc = call.site.oidc
    return SignInWays(bool(call.site.tokens), None if oidc is None else oidc.config.label)


async def begin(call: Call) -> web.StreamResponse:
    """Leads a browser to the provider."""
    oidc = _provider(call)
    there = await oidc.begin(call.site.seals)
    response = web.Response(status=303, headers={"Location": there.url})
    # Lax: the way back from the provider is a navigation from another site, which must bring it along.
    response.set_cookie(
        BEGUN,
        there.cookie,
        max_age=int(LASTS_S),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=oidc.home.startswith("https://"),
    )
    return response


async def finish(call: Call) -> web.StreamResponse:
    """The way back from the provider: opens a session and leads to the page."""
    oidc = _provider(call)
    site, request = call.site, call.request
    said = {name: text for name in _SAID if (text := call.query.text(name)) is not None}
    try:
        person = await oidc.finish(said, request.cookies.get(BEGUN), site.seals)
        if caller_of(person, oidc.config.groups) is None:
            words = f"not signed in: {person.name} is in no group that may use the monitor; ask who runs it"
            raise Rejected("forbidden", words)
    except Rejected as e:
        if e.kind == "forbidden":
            site.failures.count(client_of(request, site.trusted_proxies))
        is_person = "text/html" in request.headers.get("Accept", "")
        return _done(_told(e, oidc) if is_person else e.response(request.path), oidc)
    id_, _ = site.sessions.open(person)
    response = _done(web.Response(status=303, headers={"Location": oidc.home}), oidc)
    response.set_cookie(
        COOKIE,
        id_,
        max_age=int(LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=oidc.home.startswith("https://"),
    )
    return response


async def sign_out(call: Call) -> web.StreamResponse:
    """The provider says that a person, or one session of theirs, has signed out (back-channel logout)."""
    oidc = _provider(call)
    form = parse_qs((await read_body(call.request)).decode("utf-8", "replace"), max_num_fields=10)
    tokens = form.get("logout_token", [])
    try:
        if len(tokens) != 1:
            raise Rejected("bad-request", "expected one logout_token")
        subject, session = await oidc.signed_out(tokens[0])
    except Rejected as e:
        if e.kind != "sign-in-unavailable":
            call.site.failures.count(client_of(call.request, call.site.trusted_proxies))
            raise Rejected("bad-request", e.detail) from None
        raise
    ended = call.site.sessions.end_people(
        lambda person: person.session == session if session else person.subject == subject
    )
    call.site.hub.disconnect(lambda caller: caller.session in ended)
    return web.Response(status=200)


def _provider(call: Call) -> Oidc:
    oidc = call.site.oidc
    if oidc is None:
        raise Rejected("not-found", "no provider is configured; see [web.oidc]")
    return oidc


def _told(refused: Rejected, oidc: Oidc) -> web.Response:
    """A refusal as a page, as a person reads it."""
    status = refused.response("").status
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Not signed in</title></head><body><h1>Not signed in</h1><p>{escape(refused.detail)}</p>"
        f'<p><a href="{escape(oidc.home)}">Back to the monitor</a></p></body></html>'
    )
    return web.Response(text=html, status=status, content_type="text/html", headers=refused.headers)


def _done(response: web.Response, oidc: Oidc) -> web.Response:
    """The sign-in that was begun is used up."""
    response.del_cookie(BEGUN, path="/", httponly=True, samesite="Lax", secure=oidc.home.startswith("https://"))
    return response


ROUTES = (
    Endpoint("GET", "/v1/sign-in/ways", ways, OPEN),
    Endpoint("GET", "/v1/sign-in", begin, OPEN, answers={303: None}, may_be_absent=True),
    Endpoint(
        "GET",
        "/v1/sign-in/callback",
        finish,
        OPEN,
        (
            Param("code", "What the provider gives for a token."),
            Param("state", "Which sign-in this is."),
            Param("iss", "The provider."),
            Param("error", "Why nobody signed in."),
            Param("error_description", "The same in words."),
        ),
        answers={303: None},
        may_be_absent=True,
    ),
    Endpoint(
        "POST",
        "/v1/sign-in/sign-out",
        sign_out,
        OPEN,
        body=SignedOut,
        takes=FORM_MEDIA,
        answers={200: None},
        may_be_absent=True,
    ),
)
