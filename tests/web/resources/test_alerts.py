"""The alert log and one alert of it."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import msgspec
import pytest

from monitor.core.alerts.payload import alert_item
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

pytestmark = pytest.mark.usefixtures("five_refusals")

Session = aiohttp.ClientSession


async def crash(desk: WebDesk, http: Session) -> None:
    """A margin call, then a liquidation of G-1."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    for price in ("12500", "10000"):
        desk.clock.now += timedelta(seconds=1)
        desk.prices({"BTC": price})


async def test_alerts_are_the_objects_of_the_contract_in_order(desk: WebDesk, http: Session) -> None:
    await crash(desk, http)
    page = (await ask(http, "GET", "/v1/alerts"))[2]
    assert page["next"] is None
    shown = [
        msgspec.json.decode(msgspec.json.encode(alert_item(x.alert, x.cursor, desk.rules.products)))
        for x in desk.store.log
    ]
    assert page["items"] == shown
    assert page["items"][-1]["data"]["cure"]["repay_usd"] == "28000"


async def test_the_log_is_paged_by_cursor(http: Session) -> None:
    page = (await ask(http, "GET", "/v1/alerts?limit=2"))[2]
    assert ([a["data"]["cursor"] for a in page["items"]], page["next"]) == ([1, 2], 2)
    page = (await ask(http, "GET", "/v1/alerts?limit=3&after=2"))[2]
    assert ([a["data"]["cursor"] for a in page["items"]], page["next"]) == ([3, 4, 5], None)
    assert (await ask(http, "GET", "/v1/alerts?after=5"))[2] == {"items": [], "next": None}


async def test_the_log_is_filtered(desk: WebDesk, http: Session) -> None:
    await crash(desk, http)

    async def types(query: str) -> list[str]:
        return [
            a["type"].removeprefix("loan_group.") for a in (await ask(http, "GET", f"/v1/alerts?{query}"))[2]["items"]
        ]

    assert await types("group=G-1") == ["margin_call.opened", "liquidation.triggered"]
    assert await types("type=loan_group.liquidation.*") == ["liquidation.triggered"]
    assert await types("severity=critical") == ["liquidation.triggered"]
    assert await types("severity=warning&group=G-1") == ["margin_call.opened"]
    assert await types("group=G-9") == []


@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=x", "after=99999999999999999999", "type=loan_grop.*", "severity=bad", "limit=0", "typ=x"],
)
async def test_a_filter_that_cannot_match_is_refused(http: Session, query: str) -> None:
    status, _, problem = await ask(http, "GET", f"/v1/alerts?{query}")
    assert (status, problem["type"]) == (400, "urn:loan-monitor:bad-query")


async def test_one_alert_by_its_id(desk: WebDesk, http: Session) -> None:
    logged = desk.store.log[2]
    status, _, found = await ask(http, "GET", f"/v1/alerts/{logged.alert.id}")
    assert (status, found["data"]["cursor"]) == (200, 3)
    assert (await ask(http, "GET", "/v1/alerts/evt_none"))[0] == 404


async def test_the_log_is_read_newest_first_by_time_and_by_label(desk: WebDesk, http: Session) -> None:
    await crash(desk, http)

    async def cursors(query: str) -> tuple[list[int], int | None]:
        page = (await ask(http, "GET", f"/v1/alerts?{query}"))[2]
        return [a["data"]["cursor"] for a in page["items"]], page["next"]

    assert await cursors("order=newest&limit=3") == ([7, 6, 5], 5)
    assert await cursors("order=newest&limit=3&after=5") == ([4, 3, 2], 2)
    assert await cursors("order=newest&after=2") == ([1], None)
    assert await cursors("to=2026-03-02T12:00:02Z&order=newest&limit=1") == ([6], 6)
    assert await cursors("from=2026-03-02T12:00:01Z&to=2026-03-02T12:00:02Z") == ([6], None)
    assert await cursors("label.borrower=ACME&order=newest") == ([7, 6], None)
    assert await cursors("label.borrower=ACME&limit=1") == ([6], 6)
    assert await cursors("label.borrower=ACME&limit=1&after=6") == ([7], None)
    assert await cursors("label.borrower=ACME&label.desk=x") == ([], None)
