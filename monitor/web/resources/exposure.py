"""What the book is exposed to, by key: made once for all who ask within a second, and paged."""

from __future__ import annotations

import asyncio

from aiohttp import web

from monitor.core.portfolio.exposure import Table
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.http import Parts, answer
from monitor.web.query import Values, or_bad_cursor
from monitor.web.resources.stress import Turns
from monitor.web.view import Paced

REST_S = 1.0
"""A table is not made again sooner: that takes a copy of the book."""
KEPT_TABLES = 8
"""By key and scope; one by a label may have a row for each group."""


class ExposureApi:
    """The handler of /v1/exposure."""

    def __init__(self, parts: Parts, turns: Turns) -> None:
        self._parts, self._turns = parts, turns
        self._made = Paced(parts.clock, REST_S, KEPT_TABLES)

    async def exposure(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/exposure"""
        values = Values(request, query.EXPOSURE)
        by, limit, after = values.exposure_key(), values.number("limit"), values.cursor()
        values.done()
        table = await self._table(by, caller)
        return answer(await asyncio.to_thread(or_bad_cursor, lambda: table.page(limit, after)))

    async def _table(self, by: str, caller: Caller) -> Table:
        key = by, caller.scope
        async with self._turns.one():
            generation = self._parts.view.generation
            made = self._made.get(key, generation)
            if made is None:
                book = await self._parts.inbox.whole_book()
                made = await asyncio.to_thread(self._made.make, key, generation, lambda: Table(book, by, caller.scope))
            found: Table = made.value
            return found
