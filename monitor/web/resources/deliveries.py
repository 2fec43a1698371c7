"""Deliveries of alerts to notifiers, with every attempt."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from monitor.core.alerts.alert_type import Severity
from monitor.core.text import stamp, stamp_or_none
from monitor.stores._base import Attempt, Audit, Delivery, DeliveryFilter, DeliveryState
from monitor.web.alert_log import SCANNED_PAGES, may_see
from monitor.web.auth import OPERATE, READ, Caller
from monitor.web.http import AFTER, LIMIT, MAX_LIMIT, Param, Query, Rejected, one_of, read_as, read_body
from monitor.web.seals import DELIVERY
from monitor.web.site import Call, Endpoint

STATES = ("pending", "delivered", "superseded", "failed")
MOST_RETRIED = 10_000
"""In one call: as many as one storm makes, and one transaction of a tenth of a second."""
_PLACE = re.compile(r"\d{1,18}:[\x21-\x7e]{1,128}", re.ASCII)


class AttemptItem(msgspec.Struct, frozen=True):
    """One attempt and what it ended with."""

    at: str
    state: DeliveryState
    detail: str
    due_at: str
    took_ms: float


class DeliveryItem(msgspec.Struct, frozen=True):
    """One alert on its way to one notifier. A token with a scope gets ids of its own, no `cursor`, and no `detail`."""

    id: str
    cursor: int | None
    alert: str
    notifier: str
    to: list[str]
    subject: str
    type: str
    severity: Severity
    state: DeliveryState
    attempts: int
    due_at: str
    created_at: str
    detail: str
    held_until: str | None
    """When the quiet time of its route ends that holds it; null where none does."""


class DeliveryDetail(DeliveryItem, frozen=True):
    """A delivery with the record of its attempts."""

    record: list[AttemptItem]


class DeliveryList(msgspec.Struct, frozen=True):
    """Deliveries, oldest alert first."""

    items: list[DeliveryItem]
    next: str | None


async def deliveries(call: Call) -> DeliveryList:
    """Deliveries of alerts to notifiers."""
    return await listed(call, DeliveryFilter(notifier=call.query.text("notifier"), alert=call.query.text("alert")))


async def listed(call: Call, wanted: DeliveryFilter) -> DeliveryList:
    """A page of deliveries, by the keys of the query that every such list has."""
    query = call.query
    page = msgspec.structs.replace(
        wanted, after=_after(query), state=query.choice("state"), limit=query.number("limit")
    )
    query.done()
    found, cursor = await _page(call, page)
    return DeliveryList([_item(d, call) for d in found], cursor)


async def delivery(call: Call) -> DeliveryDetail:
    """One delivery with every attempt."""
    found = await _visible(call)
    record = [_attempt(a, call.caller) for a in await call.daemon.store.attempts(found.id)]
    return DeliveryDetail(**msgspec.structs.asdict(_item(found, call)), record=record)


async def retry(call: Call) -> DeliveryItem:
    """Makes a delivery due at once."""
    found = await _visible(call)

    def audited(made: Sequence[Delivery]) -> Audit:
        before, after = ({"state": one.state, "attempts": one.attempts} for one in (found, made[0]))
        return call.audit("retry delivery", found.id, before, after)

    again = await call.daemon.store.retry(found.id, call.daemon.clock.utc(), audited)
    if again is None:
        raise _absent(call.id)
    call.daemon.on_retry(again)
    return _item(again, call)


class RetryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries are sent again: all that is stated must hold, and something must be stated. `type` may be a glob."""

    notifier: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: Literal["pending", "failed", "delivered"] = "failed"
    limit: Annotated[int, range(1, MOST_RETRIED + 1)] = MOST_RETRIED


class Retried(msgspec.Struct, frozen=True):
    """How many are sent again. `more`: there are others; ask again."""

    count: int
    passed_over: int
    """Stage news whose channel had newer news of the group."""
    more: bool


async def retry_all(call: Call) -> Retried:
    """Makes deliveries due at once, by channel, type and time; at most 10,000 in one call, oldest first."""
    call.query.done()
    body = read_as(RetryBody, await read_body(call.request))
    asked = {k: v for k, v in msgspec.to_builtins(body).items() if v is not None and k != "limit"}
    if asked.keys() <= {"state"}:
        raise Rejected(
            "invalid", "state at least one of notifier, type, since, until; without them it would be everything"
        )
    wanted = DeliveryFilter(
        state=body.state, notifier=body.notifier, type=body.type, since=body.since, until=body.until, limit=MAX_LIMIT
    )
    found, more = await _all(call, wanted, body.limit)

    def audited(made: Sequence[Delivery]) -> Audit:
        return call.audit("retry deliveries", body.notifier or "all channels", asked, {"count": len(made)})

    again = await call.daemon.store.retry_all([d.id for d in found], call.daemon.clock.utc(), audited)
    for one in again:
        call.daemon.on_retry(one)
    return Retried(len(again), len(found) - len(again), more)


async def _all(call: Call, wanted: DeliveryFilter, limit: int) -> tuple[list[Delivery], bool]:
    """The deliveries that the caller may see, at most `limit`, and whether there are more."""
    found: list[Delivery] = []
    while True:
        page = await call.daemon.store.deliveries(wanted)
        found += await _visible_of(call, page)
        if len(found) > limit or len(page) < wanted.limit:
            return found[:limit], len(found) > limit
        wanted = msgspec.structs.replace(wanted, after=_place(page[-1]))


async def _page(call: Call, wanted: DeliveryFilter) -> tuple[list[Delivery], str | None]:
    """Deliveries that the caller may see, and the cursor after which more may come."""
    found: list[Delivery] = []
    after = wanted.after
    limit = wanted.limit
    for _ in range(SCANNED_PAGES):
        asked = MAX_LIMIT if call.caller.scope else limit + 1
        page = await call.daemon.store.deliveries(msgspec.structs.replace(wanted, after=after, limit=asked))
        found += await _visible_of(call, page)
        if len(found) > limit:
            return found[:limit], _place(found[limit - 1])
        if len(page) < asked:
            return found, None
        after = _place(page[-1])
    return found, after


async def _visible_of(call: Call, page: list[Delivery]) -> list[Delivery]:
    """Those of a page that the caller may see."""
    if not call.caller.scope:
        return page
    # Most deliveries belong to others: their subject rules them out before a look at the alert. A group that was closed
    # since has no labels any more but those in its alerts.
    theirs = await of_others(call, {d.subject for d in page})
    return [d for d in page if d.subject not in theirs and await _may_see(call, d)]


async def of_others(call: Call, subjects: set[str]) -> set[str]:
    """The groups among the subjects that are not the caller's now: what they did before is sent to nobody again by it."""
    if not call.caller.scope:
        return set()

    def found() -> set[str]:
        sights = [sight for s in subjects if (sight := call.daemon.view.sight(s)) is not None]
        return {s.group.id for s in sights if not call.caller.sees(s.group.labels)}

    return await asyncio.to_thread(found)


async def _may_see(call: Call, delivery: Delivery) -> bool:
    logged = await call.daemon.store.alert(delivery.alert)
    return logged is not None and may_see(call.caller, logged.alert)


async def _visible(call: Call) -> Delivery:
    id_ = call.id
    if call.caller.scope:
        id_ = call.site.seals.read_name(id_, call.caller.scope, DELIVERY) or ""
    found = await call.daemon.store.delivery(id_)
    if found is None or not await _visible_of(call, [found]):
        raise _absent(call.id)
    return found


def _absent(id_: str) -> Rejected:
    return Rejected("not-found", f"there is no delivery {id_}")


def _after(query: Query) -> str:
    """The place after which the page begins."""
    text = query.text("after")
    if text is None:
        return ""
    if not _PLACE.fullmatch(text):
        query.wrong("after", text, "the `next` of the page before")
        return ""
    return text


def _place(d: Delivery) -> str:
    """The place of a delivery, as DeliveryFilter.after takes it."""
    return f"{d.cursor}:{d.id}"


def id_told(d: Delivery, call: Call) -> str:
    """The id of a delivery as the caller gets it: ours has the cursor of its alert, which counts the alerts of all."""
    scope = call.caller.scope
    return call.site.seals.name(d.id, scope, DELIVERY) if scope else d.id


def detail_told(detail: str, caller: Caller) -> str:
    """What an attempt ended with may name other recipients, and the channel that a notice moved to: that is the desk's."""
    return "" if caller.scope else detail


def _item(d: Delivery, call: Call) -> DeliveryItem:
    return DeliveryItem(
        id=id_told(d, call),
        cursor=None if call.caller.scope else d.cursor,
        alert=d.alert,
        notifier=d.notifier,
        to=list(d.to),
        subject=d.subject,
        type=d.type,
        severity=d.severity,
        state=d.state,
        attempts=d.attempts,
        due_at=stamp(d.due_at),
        created_at=stamp(d.created_at),
        detail=detail_told(d.detail, call.caller),
        held_until=stamp_or_none(d.held_until),
    )


def _attempt(a: Attempt, caller: Caller) -> AttemptItem:
    return AttemptItem(stamp(a.at), a.state, detail_told(a.detail, caller), stamp(a.due_at), a.took_ms)


ROUTES = (
    Endpoint(
        "GET",
        "/v1/deliveries",
        deliveries,
        READ,
        (
            Param("state", "Only deliveries in this state.", one_of(STATES)),
            Param("notifier", "Only deliveries to this notifier."),
            Param("alert", "Only deliveries of this alert."),
            LIMIT,
            AFTER,
        ),
    ),
    Endpoint("POST", "/v1/deliveries/retry", retry_all, OPERATE, body=RetryBody, name="retry_deliveries"),
    Endpoint("GET", "/v1/deliveries/{id}", delivery, READ),
    Endpoint("POST", "/v1/deliveries/{id}/retry", retry, OPERATE),
)
