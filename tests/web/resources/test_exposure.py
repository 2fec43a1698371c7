"""The book's exposures over HTTP."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import aiohttp
import msgspec
import pytest

from monitor.core.events.events import ProductsChanged
from monitor.core.rules.settings import ExposureRules
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask


async def test_exposures_are_listed_by_key_and_paged(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    for id_, who in (("G-1", "ACME"), ("G-2", "Beta"), ("G-3", "ACME")):
        await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, labels={"borrower": who}))
    status, _, first = await ask(http, "GET", "/v1/exposure?by=label.borrower&limit=1")
    assert (status, [row["key"] for row in first["items"]]) == (200, ["ACME"])
    _, _, second = await ask(http, "GET", f"/v1/exposure?by=label.borrower&limit=1&after={first['next']}")
    assert ([row["share"] for row in second["items"]], second["next"]) == (["0.33333333"], None)
    status, _, problem = await ask(http, "GET", f"/v1/exposure?by=asset&after={first['next']}")
    assert (status, problem["type"]) == (400, "urn:loan-monitor:bad-cursor")


async def test_a_table_follows_the_book(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """The clock stands still, so the table may rest; a second later it is made again."""
    await ask(http, "PUT", "/v1/groups/G-1", line("G-1"))
    assert (await ask(http, "GET", "/v1/exposure"))[2]["total"]["groups"] == 1
    await ask(http, "PUT", "/v1/groups/G-2", line("G-2"))
    desk.clock.now += timedelta(seconds=1)
    assert (await ask(http, "GET", "/v1/exposure"))[2]["total"]["groups"] == 2


async def test_volumes_issuers_and_limits_come_from_the_configuration(
    desk: WebDesk, http: aiohttp.ClientSession
) -> None:
    exposure = ExposureRules(
        {"BTC": Decimal(1_000_000)}, Decimal("0.1"), {"one": ("BTC", "USDT")}, {"asset": Decimal("0.5")}
    )
    desk.handle(ProductsChanged(desk.clock.now, msgspec.structs.replace(desk.rules, exposure=exposure)))
    await ask(http, "PUT", "/v1/groups/G-1", line("G-1"))
    _, _, found = await ask(http, "GET", "/v1/exposure?by=asset")
    assert (found["items"][0]["days_to_sell"], found["items"][0]["is_above"]) == ("4", True)
    assert found["wrong_way"][0]["debt_usd"] == "100000"


@pytest.mark.parametrize("by", ["assets", "label.", "label", ""])
async def test_a_key_that_there_is_not_is_named(http: aiohttp.ClientSession, by: str) -> None:
    status, _, problem = await ask(http, "GET", f"/v1/exposure?by={by}")
    assert (status, "expected asset, product, or a label" in problem["detail"]) == (400, True)
