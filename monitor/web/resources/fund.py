"""The insurance fund, and what a liquidation would leave."""

from __future__ import annotations

import msgspec
from aiohttp import web

from monitor.core.valuation.clearance import fund_shown
from monitor.web.auth import Caller
from monitor.web.http import Parts, answer
from monitor.web.problem import Rejected


class LiquidationShape(msgspec.Struct, frozen=True):
    """What would follow were the whole group liquidated at these prices."""

    market_usd: str
    fee_usd: str
    debt_usd: str
    left_usd: str
    shortfall_usd: str
    bankrupt: bool


class ShortfallItem(msgspec.Struct, frozen=True):
    """A group that a liquidation would leave bankrupt."""

    id: str
    shortfall_usd: str


class FundShape(msgspec.Struct, frozen=True):
    """The insurance fund at the last look, at most 50 groups with the largest shortfall first."""

    at: str | None
    balance_usd: str
    draw_usd: str
    fees_usd: str
    groups: int
    in_liquidation: int
    unknown: int
    blind: bool
    exceeded: bool
    items: list[ShortfallItem]


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
