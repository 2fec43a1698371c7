"""What happened to a group, oldest first: who was told of what, and who did what."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

import msgspec

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.alert_type import TIME, Severity
from monitor.core.alerts.payload import StageChange, reason_of
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.stores._base import AlertFilter, Audit, Delivery, DeliveryFilter, DeliveryState
from monitor.web.alert_log import may_see
from monitor.web.auth import READ, Caller
from monitor.web.http import AFTER, LIMIT, Param, Rejected
from monitor.web.resources.deliveries import detail_told, id_told
from monitor.web.resources.groups import nothing
from monitor.web.site import Call, Endpoint

MOST_TOLD = 100
"""Deliveries shown of one alert; no desk has more channels than that."""
_PLACE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


class ToldItem(msgspec.Struct, frozen=True):
    """Who was told of an alert, and when; `delivered_at` is null while that has not happened."""

    delivery: str
    notifier: str
    to: list[str]
    state: DeliveryState
    attempts: int
    delivered_at: str | None
    detail: str
    held_until: str | None
    """When the quiet time ends that holds it; null where none does."""


class TimelineItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that happened to a group.

    A `stage` or an `alert` has the alert and who was `told`; an `ack`, an `entry` and a `book` have `action` and `who`.
    """

    kind: Literal["stage", "alert", "ack", "entry", "book"]
    at: str
    id: str | None = None
    cursor: int | None = None
    type: str | None = None
    severity: Severity | None = None
    episode: int | None = None
    stage: StageChange | None = None
    reason: str | None = None
    ltv: str | None = None
    deadline: str | None = None
    blind: bool = False
    silenced_by: str | None = None
    told: list[ToldItem] = []
    action: str | None = None
    who: str | None = None
    note: str | None = None
    until: str | None = None


class GroupTimeline(msgspec.Struct, frozen=True):
    """What happened to a group, oldest first."""

    items: list[TimelineItem]
    next: str | None


async def timeline(call: Call) -> GroupTimeline:
    """What happened to a group, who was told and who did what, oldest first."""
    since = call.query.time("from")
    after, limit = call.query.page()
    call.query.done()
    place = _PLACE.fullmatch(after or "0-0")
    if place is None:
        raise Rejected("bad-cursor", "after is not the `next` of the page before; start without one")
    id_ = call.id
    look = await call.daemon.inbox.look(id_, call.caller.scope)
    if look is None and call.caller.scope and await call.daemon.store.newest_life(id_, call.caller.scope) is None:
        raise nothing(id_)  # before anything is read: how much there is of another's takes time
    cursor = int(place[1])
    number = int(place[2])
    # One more of each than is shown tells whether there is another page.
    wanted = AlertFilter(after=cursor, group=id_, since=since, limit=limit + 1)
    alerts = await _alerts(call, wanted)
    audits = await call.daemon.store.audits(number, limit + 1, id_, since, call.caller.scope)
    if look is None and after is None and not (alerts or audits):
        raise nothing(id_)
    rows: list[tuple[datetime, int, LoggedAlert | Audit]] = [(x.alert.at, x.cursor, x) for x in alerts]
    rows += [(a.at, n, a) for n, a in audits]
    # What an operator or a book does comes before what follows from it at the same instant.
    rows.sort(key=lambda r: (r[0], isinstance(r[2], LoggedAlert), r[1]))
    items = []
    for _, n, row in rows[:limit]:
        if isinstance(row, LoggedAlert):
            cursor = n
            items.append(await _alert(call, row))
        else:
            number = n
            items.append(_act(row, call.caller))
    return GroupTimeline(items, f"{cursor}-{number}" if len(rows) > limit else None)


async def _alerts(call: Call, wanted: AlertFilter) -> list[LoggedAlert]:
    """The next alerts of the group that the caller may see, at most the limit: those of another owner are passed over."""
    found: list[LoggedAlert] = []
    page = wanted
    while True:
        read = await call.daemon.store.alerts(page)
        found += [x for x in read if may_see(call.caller, x.alert)]
        if len(read) < page.limit or len(found) >= wanted.limit:
            return found[: wanted.limit]
        page = msgspec.structs.replace(wanted, after=read[-1].cursor)


async def _alert(call: Call, logged: LoggedAlert) -> TimelineItem:
    a = logged.alert
    told = await call.daemon.store.deliveries(DeliveryFilter(alert=a.id, limit=MOST_TOLD))
    kind: Literal["stage", "alert"] = "alert" if a.stage_from == a.stage_to else "stage"
    return TimelineItem(
        kind=kind,
        at=stamp(a.at),
        id=a.id,
        cursor=None if call.caller.scope else logged.cursor,
        type=a.type,
        severity=a.severity,
        episode=a.episode,
        stage=StageChange(a.stage_from, a.stage_to),
        reason=reason_of(a),
        ltv=plain_or_none(a.figures.ltv) if a.figures else None,
        deadline=stamp_or_none(a.deadline),
        blind=a.blind,
        silenced_by=a.silenced_by,
        told=[_told(d, call) for d in told],
    )


def _told(d: Delivery, call: Call) -> ToldItem:
    # The store sets `due_at` of a delivered one to the time of the delivery.
    delivered_at = stamp(d.due_at) if d.state == "delivered" else None
    detail, held_until = detail_told(d.detail, call.caller), stamp_or_none(d.held_until)
    return ToldItem(id_told(d, call), d.notifier, list(d.to), d.state, d.attempts, delivered_at, detail, held_until)


def _act(a: Audit, caller: Caller) -> TimelineItem:
    """What somebody did. A token with a scope learns what was done, and who did it only where it did so itself."""
    is_ack = a.action in ("acknowledge", "unacknowledge")
    said: dict[str, Any] = a.after if is_ack and isinstance(a.after, dict) else {}
    return TimelineItem(
        kind="ack" if is_ack else "entry" if a.action.startswith("entry ") else "book",
        at=stamp(a.at),
        action=a.action,
        who=a.who if not caller.scope or a.who == caller.name else None,
        note=said.get("note"),
        until=said.get("until"),
    )


ROUTES = (
    Endpoint(
        "GET",
        "/v1/groups/{id}/timeline",
        timeline,
        READ,
        (Param("from", "Only what happened from this time on.", TIME), LIMIT, AFTER),
    ),
)
