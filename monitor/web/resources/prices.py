"""Prices and their trust."""

from __future__ import annotations

import asyncio

import msgspec

from monitor.core.queries.explain import PriceItem
from monitor.web.auth import READ
from monitor.web.http import AFTER, LIMIT, paged_by_name
from monitor.web.site import Call, Endpoint


class PriceList(msgspec.Struct, frozen=True):
    """Prices by asset."""

    items: list[PriceItem]
    next: str | None


async def prices(call: Call) -> PriceList:
    """Prices and their trust."""
    after, limit = call.query.page()
    call.query.done()
    daemon = call.daemon
    shown = await asyncio.to_thread(daemon.view.prices, daemon.rules(), daemon.clock.utc(), call.caller.scope)
    return PriceList(*paged_by_name({p.asset: p for p in shown}, after, limit))


ROUTES = (Endpoint("GET", "/v1/prices", prices, READ, (LIMIT, AFTER)),)
