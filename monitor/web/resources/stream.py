"""The stream of events: who asks for which, and from where on."""

from __future__ import annotations

from aiohttp import web

from monitor.web.auth import READ
from monitor.web.borrowers import check_filter
from monitor.web.http import AFTER_NUMBER, Param, Rejected, whole_number
from monitor.web.live import EVENTS
from monitor.web.resources.groups import GROUP_FILTER, group_query
from monitor.web.site import Call, Endpoint, opened
from monitor.web.stream import Client

ROWS = 500


async def handle(call: Call) -> web.StreamResponse:
    """Server-sent events: alert (id = cursor), groups, prices, status, gap."""
    query = call.query
    events = query.some_of("events", EVENTS)
    wanted = group_query(query)
    after = query.number("after") if query.text("after") is not None else None
    query.done()
    check_filter(call.caller, call.daemon.public_labels(), wanted.labels, wanted.q)
    last = call.request.headers.get("Last-Event-ID")
    if last:
        # A browser that comes back repeats the address it began with; the header knows how far it got.
        last = opened(last, call.request, call.caller, call.site.seals)
        if not (last.isascii() and last.isdigit() and len(last) <= 18):
            raise Rejected("bad-cursor", f"found Last-Event-ID {last[:40]!r}, expected a cursor of the alert log")
        after = int(last)
    with call.site.quotas.stream(call.caller):
        return await call.site.hub.serve(call.request, Client(call.caller, events, wanted, after))


ROUTES = (
    Endpoint(
        "GET",
        "/v1/stream",
        handle,
        READ,
        (
            Param("events", "Which events, separated by commas; all by default: " + ", ".join(EVENTS) + "."),
            Param("after", "Replay alerts after this cursor, as the header Last-Event-ID does.", AFTER_NUMBER.schema),
            *GROUP_FILTER,
            Param("limit", f"How many groups, 1 to {ROWS}.", whole_number(1, ROWS, ROWS)),
        ),
        media="text/event-stream",
        headers=("Last-Event-ID",),
    ),
)
