"""Sends alerts of the log again, to one notifier: by id, by a range of cursors or by a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from monitor import crashpoint
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.light import whole
from monitor.core.schema import Id, Pattern, Problem
from monitor.stores._base import AlertFilter, Audit, Delivery
from monitor.stores._new_deliveries import new_delivery
from monitor.web.alert_log import may_see
from monitor.web.auth import OPERATE
from monitor.web.http import MAX_LIMIT, Rejected, bad_cursor, invalid, read_as, read_body
from monitor.web.resources.deliveries import of_others
from monitor.web.site import Call, Endpoint, opened

MOST_ALERTS = 10_000
"""Looked at by one request; the answer says where to go on. A receiver takes these in a few seconds."""
MOST_IDS = 1000
_Glob = Annotated[str, Pattern(r"[a-z0-9_.*?\[\]-]{1,80}", "a type of alert or a glob, such as loan_group.*")]
_Cursor = Annotated[int, range(0, 2**63)]
_Sealed = Annotated[str, Pattern(r"[A-Za-z0-9_-]{1,200}", "the `next` of the answer before")]


class ReplayBody(msgspec.Struct, frozen=True):
    """What goes out again: `alerts` by id, or all behind the cursor `after`, or from the time `since` on.

    `up_to` is the last cursor and `until` the time before which they were. Only what the routes, or the endpoint's own
    match, send to the notifier now. A token with a scope has no cursors: it goes on with the `next` of the answer before.
    """

    notifier: str
    alerts: tuple[Id, ...] = ()
    after: _Cursor | None = None
    next: _Sealed | None = None
    up_to: _Cursor | None = None
    since: datetime | None = None
    until: datetime | None = None
    types: tuple[_Glob, ...] = ()

    def __post_init__(self) -> None:
        starts = [self.after, self.next, self.since]
        if not self.alerts and starts == [None] * 3:
            raise ValueError('state "alerts", or "after" a cursor, or "since" a time; "after": 0 means the whole log')
        if self.alerts and starts != [None] * 3:
            raise ValueError('state either "alerts" or a range')
        if len(self.alerts) > MOST_IDS:
            raise ValueError(f"alerts: found {len(self.alerts)}, expected at most {MOST_IDS}; state a range")


class Replayed(msgspec.Struct, frozen=True):
    """How many notices go out again, the cursors of the first and the last, and `after` of the next request or null."""

    notifier: str
    sent: int
    first: int | None
    last: int | None
    next: int | str | None


async def replay(call: Call) -> Replayed:
    """Sends alerts again to one notifier, oldest first, each under its own id."""
    body = _opened(call, read_as(ReplayBody, await read_body(call.request)))
    _check_notifier(call, body.notifier)
    sent: list[int] = []
    looked = 0
    next_: int | None = None
    asked = msgspec.to_builtins(body)

    def audited(made: Sequence[Delivery]) -> Audit:
        cursors = [d.cursor for d in made]
        told = {"sent": len(made), "first": min(cursors, default=None), "last": max(cursors, default=None)}
        return call.audit("replay", body.notifier, asked, told)

    async for page in _pages(call, body):
        looked += len(page)
        theirs = await of_others(call, {x.alert.subject for x in page})
        mine = [x for x in page if x.alert.subject not in theirs]
        again = await call.daemon.store.send_again(_deliveries(call, body, mine), audited)
        crashpoint.reached("after replay")
        for delivery in again:
            call.daemon.on_retry(delivery)
        sent += [delivery.cursor for delivery in again]
        if looked >= MOST_ALERTS:
            next_ = page[-1].cursor
            break
    told = [] if call.caller.scope else sent
    return Replayed(body.notifier, len(sent), min(told, default=None), max(told, default=None), next_)


def _opened(call: Call, body: ReplayBody) -> ReplayBody:
    """The body with its cursor as the log has it: cursors count the alerts of all, so a scope gets and sends them sealed."""
    scope = call.caller.scope
    if scope and (body.after or body.up_to is not None):
        what = "a token with a scope has no cursors; state after: 0, since and until, or the next of the answer before"
        raise invalid([Problem("after" if body.after else "up_to", what)])
    if body.next is None:
        return body
    place = opened(body.next, call.request, call.caller, call.site.seals) if scope else body.next
    if not place.isdigit():
        raise bad_cursor()
    return msgspec.structs.replace(body, after=int(place), next=None)


def _check_notifier(call: Call, name: str) -> None:
    if call.caller.scope:
        return  # the channels are the desk's: one that is not there sends nothing, as one that gets none of these alerts
    names = [c.name for c in call.daemon.channels()]
    made = call.daemon.endpoints
    if name not in names and (made is None or made.find(name) is None):
        raise invalid([Problem("notifier", f"found {name[:60]!r}, expected one of: {', '.join(names) or 'none'}")])


async def _pages(call: Call, body: ReplayBody) -> AsyncIterator[list[LoggedAlert]]:
    """The alerts that the range names, oldest first, without those that the caller may not see."""
    store = call.daemon.store
    if body.alerts:
        found = [x for id_ in dict.fromkeys(body.alerts) if (x := await store.alert(id_)) is not None]
        mine = sorted((x for x in found if may_see(call.caller, x.alert)), key=lambda x: x.cursor)
        known = {x.alert.id for x in mine}
        if missing := [id_ for id_ in body.alerts if id_ not in known]:
            raise Rejected("not-found", f"there is no alert {missing[0][:60]}")
        yield mine
        return
    wanted = AlertFilter(after=body.after or 0, since=body.since, limit=MAX_LIMIT)
    while page := await store.alerts(wanted):
        yield page
        is_over = body.up_to is not None and page[-1].cursor >= body.up_to
        if len(page) < MAX_LIMIT or is_over:
            return
        wanted = msgspec.structs.replace(wanted, after=page[-1].cursor)


def _deliveries(call: Call, body: ReplayBody, page: list[LoggedAlert]) -> list[Delivery]:
    """One for each target of an alert that the range means."""
    now = call.daemon.clock.utc()
    return [
        new_delivery(msgspec.structs.replace(logged, alert=whole(logged.alert)), target, now)
        for logged in page
        if _is_meant(body, logged) and may_see(call.caller, logged.alert)
        for target in call.daemon.route(logged.alert)
        if target.notifier == body.notifier
    ]


def _is_meant(body: ReplayBody, logged: LoggedAlert) -> bool:
    return (
        (body.up_to is None or logged.cursor <= body.up_to)
        and (body.until is None or logged.alert.at < body.until)
        and (not body.types or any(fnmatchcase(logged.alert.type, glob) for glob in body.types))
    )


ROUTES = (
    Endpoint(
        "POST", "/v1/deliveries/replay", replay, OPERATE, body=ReplayBody, may_be_absent=True, name="replay_deliveries"
    ),
)
