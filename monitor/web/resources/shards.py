"""The shards of the book."""

from __future__ import annotations

import asyncio

from monitor.core.queries.shards_shown import ShardList
from monitor.web.auth import READ
from monitor.web.http import Rejected
from monitor.web.site import Call, Endpoint


async def shards(call: Call) -> ShardList:
    """Where the book is held, if it is spread over shards: each copy, its groups, its memory and its last answer."""
    call.query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "shards are the whole desk's; a token with a scope cannot read them")
    return await asyncio.to_thread(call.daemon.shards)


ROUTES = (Endpoint("GET", "/v1/shards", shards, READ),)
