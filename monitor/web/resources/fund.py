"""The insurance fund, and what a liquidation would leave."""

from __future__ import annotations

from aiohttp import web

from monitor.core.valuation.clearance import fund_shown
from monitor.web.auth import Caller
from monitor.web.http import Parts, answer
from monitor.web.problem import Rejected


class FundApi:
    """Handler of /v1/fund."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def fund(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/fund"""
        if caller.scope:
            raise Rejected("forbidden", "the insurance fund is the whole desk's; a token with a scope cannot read it")
        sight = self._parts.view.fund
        if sight is None:
            raise Rejected("not-found", "no insurance fund is configured; state balance_usd in [fund]")
        return answer(fund_shown(sight))
