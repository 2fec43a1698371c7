"""GET /v1/fund, and the fund among the metrics."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import aiohttp
import msgspec

from monitor.core.rules.settings import Fund
from tests.book_lines import line
from tests.looks import RULES, START
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_contract import conforms
from tests.web.test_scope import SCOPED

FUNDED = msgspec.structs.replace(RULES, fund=Fund(Decimal(1000)))


async def test_the_fund_names_who_would_draw_most() -> None:
    desk = WebDesk(FUNDED)
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        nothing = (await ask(http, "GET", "/v1/fund"))[2]
        assert (nothing["at"], nothing["balance_usd"], nothing["draw_usd"], nothing["items"]) == (None, "1000", "0", [])
        for id_, owed in (("G-1", "100500"), ("G-2", "101000"), ("G-3", "97000")):
            await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, btc="2.5", owed=owed))
        desk.pass_time(timedelta(seconds=1))
        found = (await ask(http, "GET", "/v1/fund"))[2]
        assert found == {
            "at": "2026-03-02T12:00:00.000Z",
            "balance_usd": "1000",
            "draw_usd": "1500",
            "fees_usd": "2000",
            "groups": 2,
            "in_liquidation": 3,
            "unknown": 0,
            "blind": False,
            "exceeded": True,
            "items": [{"id": "G-2", "shortfall_usd": "1000"}, {"id": "G-1", "shortfall_usd": "500"}],
        }
        contract = (await ask(http, "GET", "/openapi.json"))[2]
        assert conforms(contract, {"$ref": "#/components/schemas/FundShown"}, found) == []
        assert [x.alert.type for x in desk.store.log][-1] == "fund.exceeded"
        async with http.get("/metrics") as r:
            text = await r.text()
    for figure, value in (("balance", "1000.0"), ("draw", "1500.0"), ("fees", "2000.0")):
        assert f'monitor_fund_usd{{figure="{figure}"}} {value}' in text


async def test_a_fund_that_is_not_configured_is_not_there(http: aiohttp.ClientSession) -> None:
    status, _, found = await ask(http, "GET", "/v1/fund")
    assert (status, found["detail"]) == (404, "no insurance fund is configured; state balance_usd in [fund]")
    async with http.get("/metrics") as r:
        assert "monitor_fund_usd{" not in await r.text()


async def test_the_fund_is_the_whole_desks() -> None:
    desk = WebDesk(FUNDED)
    async with serving(desk, SCOPED) as url, aiohttp.ClientSession(base_url=url) as http:
        assert (await ask(http, "GET", "/v1/fund", **bearer("acme")))[0] == 403
        assert (await ask(http, "GET", "/v1/fund", **bearer("boss")))[0] == 200
        assert (await ask(http, "GET", "/v1/fund?x=1", **bearer("boss")))[0] == 400
    assert desk.clock.now == START
