"""A group's LTV over time, as far as it was followed."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from monitor.core.alerts.alert_type import TIME
from monitor.core.schema import Problem
from monitor.core.text import plain_or_none, stamp
from monitor.stores._base import BLIND, UNKNOWN, UNRECOGNISED, LtvPoint
from monitor.web.auth import READ
from monitor.web.http import Param, invalid, whole_number
from monitor.web.ltv_follower import COARSE_FOR
from monitor.web.resources.groups import visible
from monitor.web.site import Call, Endpoint

DEFAULT_SPAN = timedelta(hours=24)


class LtvItem(msgspec.Struct, frozen=True):
    """LTV from `at` on for one step: the lowest, the highest and the last that was seen; null where there was none.

    `blind`: a price was not trusted for a while; `unknown`: one was missing; `unrecognised`: nothing was recognised;
    `gap`: nothing was kept from `at` until the next point.
    """

    at: str
    low: str | None
    high: str | None
    last: str | None
    blind: bool = False
    unknown: bool = False
    unrecognised: bool = False
    gap: bool = False


class LtvHistory(msgspec.Struct, frozen=True):
    """What was kept of a group's LTV, oldest first; each point covers `step_s` seconds."""

    id: str
    from_: str = msgspec.field(name="from")
    to: str
    step_s: int
    items: list[LtvItem]


async def ltv(call: Call) -> LtvHistory:
    """LTV over time, for groups in a bad stage, near a line or looked at lately."""
    query = call.query
    now = call.daemon.clock.utc()
    end = query.time("to") or now
    start = query.time("from") or end - DEFAULT_SPAN
    most = query.number("points")
    query.done()
    if not start < end:
        wrong = Problem("from", f"found {stamp(start)}, which is not before `to`, {stamp(end)}")
        raise invalid([wrong], "bad-query")
    id_ = (await visible(call)).sight.group.id
    call.site.ltv.opened(id_)
    start = max(start, now - COARSE_FOR)
    end = min(end, now)
    step_s, points = await call.site.ltv.points(id_, (start, end), most, call.caller.scope) if start < end else (0, [])
    return LtvHistory(id_, stamp(start), stamp(end), step_s, _with_gaps(points, step_s))


def _with_gaps(points: list[LtvPoint], step_s: int) -> list[LtvItem]:
    """Points as the answer shows them. A time without any becomes a point with `gap`: no line may be drawn over it."""
    items: list[LtvItem] = []
    expected: datetime | None = None
    for p in points:
        if expected is not None and p.at > expected:
            items.append(LtvItem(stamp(expected), None, None, None, gap=True))
        items.append(
            LtvItem(
                stamp(p.at),
                plain_or_none(p.low),
                plain_or_none(p.high),
                plain_or_none(p.last),
                bool(p.flags & BLIND),
                bool(p.flags & UNKNOWN),
                bool(p.flags & UNRECOGNISED),
            )
        )
        expected = p.at + timedelta(seconds=step_s)
    return items


ROUTES = (
    Endpoint(
        "GET",
        "/v1/groups/{id}/ltv",
        ltv,
        READ,
        (
            Param("from", "The beginning; a day before the end by default, at most 30 days before now.", TIME),
            Param("to", "The end; now by default.", TIME),
            Param("points", "At most this many points, 10 to 5000.", whole_number(10, 5000, 500)),
        ),
    ),
)
