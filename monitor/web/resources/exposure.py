"""What the book is exposed to, by key. A table is made once for all who ask within a second, and paged."""

from __future__ import annotations

import asyncio

from monitor.core.portfolio.exposure import ExposureList, Table
from monitor.core.portfolio.snapshot import LABEL_PREFIX
from monitor.web.auth import READ
from monitor.web.http import AFTER, LIMIT, Param, Query
from monitor.web.site import Call, Endpoint

DEFAULT_KEY = "product"


async def exposure(call: Call) -> ExposureList:
    """The book by borrower, product or coin, the largest share first."""
    by = _key(call.query)
    after, limit = call.query.page()
    call.query.done()
    table = await _table(call, by)
    return await asyncio.to_thread(table.page, limit, after)


def _key(query: Query) -> str:
    """What exposures are summed by."""
    text = query.text("by")
    if text is None:
        return DEFAULT_KEY
    if text not in ("asset", "product") and not (text.startswith(LABEL_PREFIX) and len(text) > len(LABEL_PREFIX)):
        query.wrong("by", text, "asset, product, or a label such as label.borrower")
    return text


async def _table(call: Call, by: str) -> Table:
    daemon = call.daemon
    tables = call.site.exposures
    key = by, call.caller.scope
    async with call.site.turns.one(call.caller):
        generation = daemon.view.generation
        made = tables.get(key, generation)
        if made is None:
            book = await daemon.inbox.whole_book()
            made = await asyncio.to_thread(tables.make, key, generation, lambda: Table(book, by, call.caller.scope))
        found: Table = made.value
        return found


ROUTES = (
    Endpoint(
        "GET",
        "/v1/exposure",
        exposure,
        READ,
        (
            Param(
                "by",
                "`asset`, `product`, or a label such as `label.borrower`.",
                {"type": "string", "pattern": r"^(?:asset|product|label\..+)$", "default": DEFAULT_KEY},
            ),
            LIMIT,
            AFTER,
        ),
        answers={200: ExposureList},
    ),
)
