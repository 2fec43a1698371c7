"""`/headz`: what a head says to its peer, which asks where it does not reach the database. No part of the API's contract."""

from __future__ import annotations

from aiohttp import web

from monitor.lease.peer import PATH
from monitor.lease.state import LeaseHead
from monitor.web.http import json_response


def add_head(app: web.Application, head: LeaseHead) -> None:
    """Serves it. It needs no token: it says nothing of the book."""

    async def headz(_: web.Request) -> web.Response:
        return json_response(head.answer())

    app.router.add_get(PATH, headz)
