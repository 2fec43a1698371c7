"""Endpoints of subscribers: made, rotated, switched off and on, tested, deleted. Only an admin of the whole desk may."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import Annotated

import msgspec

from monitor.core.alerts.matching import Match
from monitor.core.schema import Pattern, Problem, Span
from monitor.core.text import stamp, stamp_or_none
from monitor.notifiers._sample import sample
from monitor.stores._base import Audit, DeliveryFilter, Subscription
from monitor.web.auth import ADMIN
from monitor.web.http import AFTER, LIMIT, Param, Rejected, invalid, one_of, paged_by_name, read_as, read_body
from monitor.web.resources.deliveries import STATES, DeliveryList, listed
from monitor.web.site import Call, Endpoint, Reply
from monitor.web.subscriptions import AskedEndpoint, AuditedChange, EndpointRefused, SubscriptionDesk, TestedEndpoint
from monitor.webhook_keys import Kind, NewKey, public_keys, signers_of

MOST_TYPES = 50
_Name = Annotated[str, Pattern(r"[a-z0-9-]{1,60}", "1 to 60 lower-case letters, digits and hyphens")]
_Note = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]{0,200}", "at most 200 printable characters")]
_Url = Annotated[str, Pattern(r"[\x21-\x7e]{8,2000}", "an address of 8 to 2000 printable ASCII characters")]
_Glob = Annotated[str, Pattern(r"[a-z0-9_.*?\[\]-]{1,80}", "a type of alert or a glob, such as loan_group.*")]
_Overlap = Annotated[timedelta, Span("0s", "30d")]


class EndpointBody(msgspec.Struct, frozen=True):
    """A new endpoint. `types` are globs, any of them; `match` is the grammar of routes. Without both it gets every alert."""

    url: _Url
    name: _Name | None = None
    types: tuple[_Glob, ...] = ()
    match: Match = Match()
    key: Kind = "secret"
    batch: bool = False
    note: _Note = ""

    def __post_init__(self) -> None:
        if len(self.types) > MOST_TYPES:
            raise ValueError(f"types: found {len(self.types)}, expected at most {MOST_TYPES}; a glob says many at once")


class RotationBody(msgspec.Struct, frozen=True):
    """A new key; those before it sign for as long as the overlap lasts."""

    overlap: _Overlap = timedelta(hours=24)
    key: Kind = "secret"


class KeyItem(msgspec.Struct, frozen=True):
    """A key in force, without what is secret of it. `until`: it was replaced and signs no longer than this."""

    kind: Kind
    public: str | None
    until: str | None


class EndpointItem(msgspec.Struct, frozen=True):
    """An endpoint. `problem`: why it cannot send by the configuration of now."""

    name: str
    url: str
    types: list[str]
    match: Match
    batch: bool
    enabled: bool
    created_at: str
    note: str
    keys: list[KeyItem]
    problem: str | None


class EndpointWithSecret(EndpointItem, frozen=True):
    """An endpoint with its new key, which no other answer ever shows. `public` is what verifies signatures of a pair."""

    secret: str | None
    public: str | None


class EndpointList(msgspec.Struct, frozen=True):
    """Endpoints by name."""

    items: list[EndpointItem]
    next: str | None


async def endpoints(call: Call) -> EndpointList:
    """Endpoints that were made by API."""
    after, limit = call.query.page()
    call.query.done()
    desk = _desk(call)
    page, cursor = paged_by_name({kept.name: kept for kept in desk.all()}, after, limit)
    return EndpointList([_item(call, kept) for kept in page], cursor)


async def endpoint(call: Call) -> EndpointItem:
    """One endpoint that was made by API."""
    return _item(call, _found(call))


async def make(call: Call) -> Reply:
    """Makes an endpoint, and its key: the answer shows the secret once."""
    desk = _desk(call)
    body = read_as(EndpointBody, await read_body(call.request))
    name = body.name or f"endpoint-{secrets.token_hex(4)}"
    asked = AskedEndpoint(name, body.url, body.key, body.types, body.match, body.batch, body.note)
    try:
        kept, key = await desk.make(asked, _audited(call, "make endpoint"))
    except EndpointRefused as e:
        if e.is_taken:
            raise Rejected("refused", str(e), reason="name_taken") from None
        raise invalid([Problem(e.where, e.what)]) from None
    return Reply(_with_secret(call, kept, key), 201, {"Location": f"/v1/endpoints/{kept.name}"})


async def rotate(call: Call) -> EndpointWithSecret:
    """Gives an endpoint a new key, which the answer shows once; the old one signs beside it for a while."""
    before = _found(call)
    body = read_as(RotationBody, await read_body(call.request) or b"{}")
    try:
        kept, key = await _desk(call).rotate(before.name, body.key, body.overlap, _audited(call, "rotate endpoint"))
    except EndpointRefused as e:
        raise invalid([Problem(e.where, e.what)]) from None
    return _with_secret(call, kept, key)


async def enable(call: Call) -> EndpointItem:
    """Switches an endpoint on: what waited for it goes out."""
    return await _switch(call, is_enabled=True)


async def disable(call: Call) -> EndpointItem:
    """Switches an endpoint off: what waits for it stays, and it gets no new alert."""
    return await _switch(call, is_enabled=False)


async def drop(call: Call) -> None:
    """Deletes an endpoint. What waits for it goes by the routes of now."""
    before = _found(call)
    await _desk(call).drop(before.name, _audited(call, "delete endpoint"))


async def test(call: Call) -> TestedEndpoint:
    """Sends one test notice, and says what the endpoint answered."""
    kept = _found(call)
    rules = call.daemon.rules()
    notice = sample(rules.name, rules.products, call.daemon.clock.utc())
    # Before it goes out: what was sent cannot be taken back where the record fails.
    await call.daemon.inbox.record(call.caller.name, "test endpoint", kept.name, None, None)
    return await _desk(call).test(kept.name, notice)


async def history(call: Call) -> DeliveryList:
    """Deliveries to an endpoint, oldest alert first."""
    kept = _found(call)
    return await listed(call, DeliveryFilter(notifier=kept.name))


async def _switch(call: Call, *, is_enabled: bool) -> EndpointItem:
    before = _found(call)
    audited = _audited(call, "enable endpoint" if is_enabled else "disable endpoint")
    kept = await _desk(call).switch(before.name, is_enabled=is_enabled, audited=audited)
    return _item(call, kept)


def _desk(call: Call) -> SubscriptionDesk:
    if call.caller.scope:
        raise Rejected("forbidden", "endpoints are the whole desk's; a token with a scope cannot manage them")
    if call.daemon.endpoints is None:
        raise Rejected("not-found", "this monitor has no endpoints")
    return call.daemon.endpoints


def _found(call: Call) -> Subscription:
    kept = _desk(call).find(call.id)
    if kept is None:
        raise Rejected("not-found", f"there is no endpoint {call.id[:60]!r} that was made by API")
    return kept


def _audited(call: Call, action: str) -> AuditedChange:
    """Makes the record of a change. It has no key in it, and no query of an address."""

    def audited(before: Subscription | None, after: Subscription | None) -> Audit:
        shown = [None if kept is None else msgspec.to_builtins(_item(call, kept)) for kept in (before, after)]
        for each in shown:
            if each is not None:
                each["url"] = re.sub(r"\?.*", "?***", each["url"])
        name = next(kept.name for kept in (after, before) if kept is not None)
        return call.audit(action, name, *shown)

    return audited


def _item(call: Call, kept: Subscription) -> EndpointItem:
    now = call.daemon.clock.utc()
    keys = [
        KeyItem(_kind(public), public, stamp_or_none(key.until))
        for key in kept.keys
        if key.until is None or key.until > now
        for public in [_public(key.secret)]
    ]
    problem = _desk(call).problem(kept.name)
    return EndpointItem(
        kept.name,
        kept.url,
        list(kept.types),
        kept.match,
        kept.batch,
        kept.is_enabled,
        stamp(kept.created_at),
        kept.note,
        keys,
        problem,
    )


def _kind(public: str | None) -> Kind:
    return "secret" if public is None else "pair"


def _public(secret: str) -> str | None:
    return next(iter(public_keys(signers_of(secret))), None)


def _with_secret(call: Call, kept: Subscription, key: NewKey) -> EndpointWithSecret:
    """Of a pair only the public part leaves the monitor."""
    item = msgspec.structs.asdict(_item(call, kept))
    return EndpointWithSecret(**item, secret=None if key.public else key.secret, public=key.public or None)


ROUTES = (
    Endpoint("GET", "/v1/endpoints", endpoints, ADMIN, (LIMIT, AFTER)),
    Endpoint("POST", "/v1/endpoints", make, ADMIN, body=EndpointBody, answers={201: EndpointWithSecret}),
    Endpoint("GET", "/v1/endpoints/{id}", endpoint, ADMIN),
    Endpoint("DELETE", "/v1/endpoints/{id}", drop, ADMIN),
    Endpoint("POST", "/v1/endpoints/{id}/rotate", rotate, ADMIN, body=RotationBody, body_may_be_absent=True),
    Endpoint("POST", "/v1/endpoints/{id}/disable", disable, ADMIN),
    Endpoint("POST", "/v1/endpoints/{id}/enable", enable, ADMIN),
    Endpoint("POST", "/v1/endpoints/{id}/test", test, ADMIN),
    Endpoint(
        "GET",
        "/v1/endpoints/{id}/deliveries",
        history,
        ADMIN,
        (Param("state", "Only deliveries in this state.", one_of(STATES)), LIMIT, AFTER),
    ),
)
