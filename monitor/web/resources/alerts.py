"""What was said and done: the alert log, the deliveries with every attempt, and the audit record."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from aiohttp import web

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.payload import acknowledged, alert_item
from monitor.core.stages.stages import NORMAL
from monitor.core.text import stamp
from monitor.stores._base import AlertFilter, Attempt, Audit, Delivery, DeliveryFilter
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.http import Parts, answer, listing
from monitor.web.problem import Rejected
from monitor.web.query import Values
from monitor.web.shapes import AttemptItem, AuditItem, DeliveryDetail, DeliveryItem

KEPT_RENDERINGS = 2000
"""Alerts kept as text, 2-20 kB each: a burst is rendered once, not once per stream."""
SCANNED_PAGES = 10
"""Pages of the store that one request of a scoped token may read; what is left comes with the next cursor."""


def may_see(caller: Caller, alert: Alert) -> bool:
    """A token with a scope sees the alerts of its groups, by the labels that the group had then, and no others."""
    return not caller.scope or (alert.group is not None and caller.sees(alert.group.labels))


class AlertLog:
    """Reads the alert log for a caller and renders it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._texts: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._rendering = asyncio.Lock()

    async def page(self, wanted: AlertFilter, caller: Caller) -> tuple[list[LoggedAlert], int | None]:
        """Alerts of the log that the caller may see, oldest first, and the cursor after which more may come."""
        found: list[LoggedAlert] = []
        after, limit = wanted.after, wanted.limit
        for _ in range(SCANNED_PAGES):
            # What a group was labelled when an alert was said is known from that alert alone.
            asked = query.MAX_LIMIT if caller.scope else limit + 1 - len(found)
            page = await self._parts.store.alerts(msgspec.structs.replace(wanted, after=after, limit=asked))
            found += [x for x in page if may_see(caller, x.alert)]
            if len(found) > limit:
                return found[:limit], found[limit - 1].cursor
            if len(page) < asked:
                return found, None
            after = page[-1].cursor
        return found, after

    async def texts(self, alerts: Sequence[LoggedAlert]) -> list[bytes]:
        """Each alert as `{"type","timestamp","data"}`, encoded. Rendered in a worker thread, once for all who ask."""
        cached = self._cached(alerts)
        if cached is not None:
            return cached
        async with self._rendering:
            return await asyncio.to_thread(lambda: [self._text(a) for a in alerts])

    def _cached(self, alerts: Sequence[LoggedAlert]) -> list[bytes] | None:
        texts = [self._texts.get((a.cursor, a.alert.id)) for a in alerts]
        known = [t for t in texts if t is not None]
        return known if len(known) == len(texts) else None

    def _text(self, logged: LoggedAlert) -> bytes:
        key = (logged.cursor, logged.alert.id)
        text = self._texts.get(key)
        if text is None:
            products = self._parts.rules().products
            text = msgspec.json.encode(alert_item(logged.alert, logged.cursor, products, durable=logged.durable))
            with self._lock:
                self._texts[key] = text
                while len(self._texts) > KEPT_RENDERINGS:
                    self._texts.popitem(last=False)
        return text


class RecordApi:
    """Handlers of alerts, deliveries and audit."""

    def __init__(self, parts: Parts, log: AlertLog) -> None:
        self._parts, self._log = parts, log

    async def alerts(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/alerts"""
        values = Values(request, query.ALERTS)
        wanted = AlertFilter(
            after=values.number("after"), group=values.text("group"), type=values.type_glob(),
            severity=values.choice("severity"), limit=values.number("limit"),
        )  # fmt: skip
        values.done()
        found, cursor = await self._log.page(wanted, caller)
        return answer(listing(await self._texts(found), cursor))

    async def alert(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/alerts/{id}"""
        id_ = request.match_info["id"]
        logged = await self._parts.store.alert(id_)
        if logged is None or not may_see(caller, logged.alert):
            raise Rejected("not-found", f"there is no alert {id_}")
        return answer((await self._texts([logged]))[0])

    async def _texts(self, alerts: Sequence[LoggedAlert]) -> list[bytes]:
        """Alerts as they were said, and who has in hand what they told of."""
        texts = await self._log.texts(alerts)
        return await asyncio.to_thread(lambda: [*map(self._with_ack, alerts, texts)])

    def _with_ack(self, logged: LoggedAlert, text: bytes) -> bytes:
        alert = logged.alert
        if alert.group is None or alert.stage_to in (None, NORMAL):
            return text
        state = self._parts.view.state(alert.group.id)
        if state is None or state.ack is None or (state.episode, state.stage) != (alert.episode, alert.stage_to):
            return text
        shown = msgspec.json.decode(text)
        shown["data"]["acknowledged"] = acknowledged(state.ack)
        return msgspec.json.encode(shown)

    async def deliveries(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/deliveries"""
        values = Values(request, query.DELIVERIES)
        wanted = DeliveryFilter(
            after=values.place() or "", state=values.choice("state"), notifier=values.text("notifier"),
            alert=values.text("alert"), limit=values.number("limit"),
        )  # fmt: skip
        values.done()
        found, cursor = await self._delivery_page(wanted, caller)
        return answer(listing([msgspec.json.encode(_shown(d)) for d in found], cursor))

    async def delivery(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/deliveries/{id}"""
        found = await self._visible(request.match_info["id"], caller)
        attempts = [_attempt(a) for a in await self._parts.store.attempts(found.id)]
        return answer(DeliveryDetail(**msgspec.structs.asdict(_shown(found)), record=attempts))

    async def retry(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/deliveries/{id}/retry"""
        found = await self._visible(request.match_info["id"], caller)
        again = await self._parts.store.retry(found.id, self._parts.clock.utc())
        if again is None:
            raise Rejected("not-found", f"there is no delivery {found.id}")
        self._parts.on_retry(again)
        states = ({"state": one.state, "attempts": one.attempts} for one in (found, again))
        await self._parts.inbox.record(caller.name, "retry delivery", again.id, *states)
        return answer(_shown(again))

    async def audit(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/audit"""
        values = Values(request, query.AUDIT)
        after, limit = values.number("after"), values.number("limit")
        values.done()
        if caller.scope:
            raise Rejected("forbidden", "the audit record is the whole desk's; a token with a scope cannot read it")
        found = await self._parts.store.audits(after, limit + 1)
        items = [msgspec.json.encode(_audited(cursor, audit)) for cursor, audit in found[:limit]]
        return answer(listing(items, found[limit - 1][0] if len(found) > limit else None))

    async def _delivery_page(self, wanted: DeliveryFilter, caller: Caller) -> tuple[list[Delivery], str | None]:
        found: list[Delivery] = []
        after, limit = wanted.after, wanted.limit
        for _ in range(SCANNED_PAGES):
            asked = query.MAX_LIMIT if caller.scope else limit + 1
            page = await self._parts.store.deliveries(msgspec.structs.replace(wanted, after=after, limit=asked))
            found += await self._visible_of(page, caller)
            if len(found) > limit:
                return found[:limit], _place(found[limit - 1])
            if len(page) < asked:
                return found, None
            after = _place(page[-1])
        return found, after

    async def _visible_of(self, page: list[Delivery], caller: Caller) -> list[Delivery]:
        """Those of a page that the caller may see."""
        if not caller.scope:
            return page
        # Most deliveries belong to others: the subject rules them out without a look at the alert. A group that was
        # closed since is not there; its labels are those of the alert.
        theirs = await asyncio.to_thread(self._of_others, {d.subject for d in page}, caller)
        return [d for d in page if d.subject not in theirs and await self._told_to(d, caller)]

    def _of_others(self, subjects: set[str], caller: Caller) -> set[str]:
        """The groups among the subjects that the caller may not see."""
        sights = [sight for s in subjects if (sight := self._parts.view.sight(s)) is not None]
        return {s.group.id for s in sights if not caller.sees(s.group.labels)}

    async def _told_to(self, delivery: Delivery, caller: Caller) -> bool:
        logged = await self._parts.store.alert(delivery.alert)
        return logged is not None and may_see(caller, logged.alert)

    async def _visible(self, id_: str, caller: Caller) -> Delivery:
        found = await self._parts.store.delivery(id_)
        if found is None or not await self._visible_of([found], caller):
            raise Rejected("not-found", f"there is no delivery {id_}")
        return found


def _place(d: Delivery) -> str:
    """What DeliveryFilter.after takes to go on behind a delivery."""
    return f"{d.cursor}:{d.id}"


def _shown(d: Delivery) -> DeliveryItem:
    return DeliveryItem(
        d.id, d.cursor, d.alert, d.notifier, list(d.to), d.subject, d.type, d.severity, d.state, d.attempts,
        stamp(d.due_at), stamp(d.created_at), d.detail,
    )  # fmt: skip


def _attempt(a: Attempt) -> AttemptItem:
    return AttemptItem(stamp(a.at), a.state, a.detail, stamp(a.due_at), a.took_ms)


def _audited(cursor: int, a: Audit) -> AuditItem:
    return AuditItem(cursor, stamp(a.at), a.who, a.action, a.subject, a.before, a.after)
