"""What became of one group: its LTV over time, and who was told of what, and did what, when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from aiohttp import web

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.payload import StageChange
from monitor.core.schema import Problem
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.stores._base import BLIND, UNKNOWN, UNRECOGNISED, AlertFilter, Audit, Delivery, DeliveryFilter, LtvPoint
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.deskshapes import LtvHistory, LtvItem, TimelineItem, ToldItem
from monitor.web.http import Parts, answer, listing
from monitor.web.problem import Rejected, invalid
from monitor.web.query import Values
from monitor.web.resources.alerts import may_see
from monitor.web.resources.ltv_history import COARSE_FOR, Course

DEFAULT_SPAN = timedelta(hours=24)
MOST_TOLD = 100
"""Deliveries shown of one alert: more channels than that has nobody."""
_PLACE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


class TimelineApi:
    """Handlers of /v1/groups/{id}/ltv and /timeline."""

    def __init__(self, parts: Parts, course: Course) -> None:
        self._parts, self._course = parts, course

    async def ltv(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/groups/{id}/ltv"""
        values, now = Values(request, query.LTV), self._parts.clock.utc()
        end = values.time("to") or now
        start, most = values.time("from") or end - DEFAULT_SPAN, values.number("points")
        values.done()
        if not start < end:
            raise invalid(
                [Problem("from", f"found {stamp(start)}, which is not before `to`, {stamp(end)}")], "bad-query"
            )
        id_ = await self._visible(request, caller)
        self._course.opened(id_)
        start, end = max(start, now - COARSE_FOR), min(end, now)
        step_s, points = await self._course.points(id_, start, end, most) if start < end else (0, [])
        return answer(LtvHistory(id_, stamp(start), stamp(end), step_s, _with_gaps(points, step_s)))

    async def timeline(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/groups/{id}/timeline"""
        values = Values(request, query.TIMELINE)
        since, limit, after = values.time("from"), values.number("limit"), values.cursor()
        values.done()
        place = _PLACE.fullmatch(after or "0-0")
        if place is None:
            raise Rejected("bad-cursor", "after is not the `next` of the page before; start without one")
        id_ = await self._visible(request, caller)
        cursor, number = int(place[1]), int(place[2])
        # One more of each than is shown says whether there is more, whichever of the two comes first.
        wanted = AlertFilter(after=cursor, group=id_, since=since, limit=limit + 1)
        alerts = [x for x in await self._parts.store.alerts(wanted) if may_see(caller, x.alert)]
        audits = await self._parts.store.audits(number, limit + 1, id_, since)
        rows: list[tuple[datetime, int, LoggedAlert | Audit]] = [(x.alert.at, x.cursor, x) for x in alerts]
        rows += [(a.at, n, a) for n, a in audits]
        # What an operator or a book does comes before what follows from it at the same instant.
        rows.sort(key=lambda r: (r[0], isinstance(r[2], LoggedAlert), r[1]))
        items = []
        for _, n, x in rows[:limit]:
            if isinstance(x, LoggedAlert):
                cursor, item = n, await self._alert(x)
            else:
                number, item = n, _act(x, caller)
            items.append(msgspec.json.encode(item))
        return answer(listing(items, f"{cursor}-{number}" if len(rows) > limit else None))

    async def _alert(self, logged: LoggedAlert) -> TimelineItem:
        a = logged.alert
        told = await self._parts.store.deliveries(DeliveryFilter(alert=a.id, limit=MOST_TOLD))
        kind: Literal["stage", "alert"] = "alert" if a.stage_from == a.stage_to else "stage"
        return TimelineItem(
            kind=kind, at=stamp(a.at), id=a.id, cursor=logged.cursor, type=a.type,
            severity=a.severity, episode=a.episode, stage=StageChange(a.stage_from, a.stage_to), reason=a.reason,
            ltv=plain_or_none(a.figures.ltv) if a.figures else None, deadline=stamp_or_none(a.deadline), blind=a.blind,
            silenced_by=a.silenced_by, told=[_told(d) for d in told],
        )  # fmt: skip

    async def _visible(self, request: web.Request, caller: Caller) -> str:
        """The id of the path. Raises Rejected where there is no such group that the caller may see."""
        id_ = request.match_info["id"]
        look = await self._parts.inbox.look(id_)
        if look is None or not caller.sees(look.sight.group.labels):
            raise Rejected("not-found", f"there is no group {id_}")
        return id_


def _told(d: Delivery) -> ToldItem:
    at = stamp(d.due_at) if d.state == "delivered" else None  # of one that was delivered that is when it was
    return ToldItem(d.id, d.notifier, list(d.to), d.state, d.attempts, at, d.detail)


def _act(a: Audit, caller: Caller) -> TimelineItem:
    """What somebody did. A token with a scope learns what was done, and who did it only where it was itself."""
    is_ack = a.action in ("acknowledge", "unacknowledge")
    said: dict[str, Any] = a.after if is_ack and isinstance(a.after, dict) else {}
    return TimelineItem(
        kind="ack" if is_ack else "entry" if a.action.startswith("entry ") else "book", at=stamp(a.at), action=a.action,
        who=a.who if not caller.scope or a.who == caller.name else None, note=said.get("note"), until=said.get("until"),
    )  # fmt: skip


def _with_gaps(points: list[LtvPoint], step_s: int) -> list[LtvItem]:
    """Points as they are shown. A time for which nothing was kept is one point that says so, so that no line hides it."""
    items: list[LtvItem] = []
    expected: datetime | None = None
    for p in points:
        if expected is not None and p.at > expected:
            items.append(LtvItem(stamp(expected), None, None, None, gap=True))
        items.append(
            LtvItem(
                stamp(p.at), plain_or_none(p.low), plain_or_none(p.high), plain_or_none(p.last), bool(p.flags & BLIND),
                bool(p.flags & UNKNOWN), bool(p.flags & UNRECOGNISED),
            )
        )  # fmt: skip
        expected = p.at + timedelta(seconds=step_s)
    return items
