"""Margin calls of a group: the last one of its episode, and the timeline of all of them."""

from __future__ import annotations

import msgspec

from monitor.core.queries.call_shown import CallShown
from monitor.core.queries.explain import call_of
from monitor.web.auth import READ
from monitor.web.borrowers import without_people
from monitor.web.http import AFTER, LIMIT
from monitor.web.resources.history import CallItem, calls_of
from monitor.web.site import Call, Endpoint


class CallList(msgspec.Struct, frozen=True):
    """`call` is null where the group has none now. `items`: what became of all calls, newest last."""

    call: CallShown | None
    items: list[CallItem]
    next: str | None


async def calls(call: Call) -> CallList:
    """The margin call of a group with its amount and its clock, and what became of its calls, newest last."""
    look, items, cursor = await calls_of(call)
    shown = None if look is None else call_of(look)
    if call.caller.is_borrower:
        items = [msgspec.structs.replace(item, by=None) for item in items]
        shown = None if shown is None else without_people(shown)
    return CallList(shown, items, cursor)


ROUTES = (Endpoint("GET", "/v1/groups/{id}/calls", calls, READ, (LIMIT, AFTER)),)
