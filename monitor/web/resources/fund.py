"""The insurance fund, and what a liquidation would leave."""

from __future__ import annotations

from monitor.core.valuation.clearance import FundShown, fund_shown
from monitor.web.auth import READ
from monitor.web.http import Rejected
from monitor.web.site import Call, Endpoint


async def fund(call: Call) -> FundShown:
    """What groups in liquidation would draw from the insurance fund; 404 where none is configured."""
    if call.caller.scope:
        raise Rejected("forbidden", "the insurance fund is the whole desk's; a token with a scope cannot read it")
    sight = call.daemon.view.fund
    if sight is None:
        raise Rejected("not-found", "no insurance fund is configured; state balance_usd in [fund]")
    return fund_shown(sight)


ROUTES = (Endpoint("GET", "/v1/fund", fund, READ, may_be_absent=True),)
