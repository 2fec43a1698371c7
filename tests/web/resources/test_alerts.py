"""The alert log, deliveries and the audit record."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import msgspec
import pytest

from monitor.core.alerts.payload import data, envelope
from monitor.stores._base import Attempt
from tests.book_lines import line
from tests.looks import START
from tests.web.desk import Desk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    for i in range(5):
        desk.notice("book.refused", f"line {i}")
    return desk


async def crash(desk: Desk, http: Session) -> None:
    """A margin call, then a liquidation of G-1."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    for price in ("12500", "10000"):
        desk.clock.now += timedelta(seconds=1)
        desk.prices({"BTC": price})


async def test_alerts_are_the_objects_of_the_contract_in_order(desk: Desk, http: Session) -> None:
    await crash(desk, http)
    page = (await ask(http, "GET", "/v1/alerts"))[2]
    assert page["next"] is None
    shown = [msgspec.json.decode(msgspec.json.encode(
        envelope(x.alert, data(x.alert, x.cursor, desk.rules.products)))) for x in desk.store.log]  # fmt: skip
    assert page["items"] == shown
    assert page["items"][-1]["data"]["cure"]["repay_usd"] == "28000"


async def test_the_log_is_paged_by_cursor(http: Session) -> None:
    page = (await ask(http, "GET", "/v1/alerts?limit=2"))[2]
    assert ([a["data"]["cursor"] for a in page["items"]], page["next"]) == ([1, 2], 2)
    page = (await ask(http, "GET", "/v1/alerts?limit=3&after=2"))[2]
    assert ([a["data"]["cursor"] for a in page["items"]], page["next"]) == ([3, 4, 5], None)
    assert (await ask(http, "GET", "/v1/alerts?after=5"))[2] == {"items": [], "next": None}


async def test_the_log_is_filtered(desk: Desk, http: Session) -> None:
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


async def test_one_alert_by_its_id(desk: Desk, http: Session) -> None:
    logged = desk.store.log[2]
    status, _, found = await ask(http, "GET", f"/v1/alerts/{logged.alert.id}")
    assert (status, found["data"]["cursor"]) == (200, 3)
    assert (await ask(http, "GET", "/v1/alerts/evt_none"))[0] == 404


async def test_deliveries_are_paged_and_filtered(desk: Desk, http: Session) -> None:
    sent = desk.store.sent
    sent["dlv_2_risk-desk"] = msgspec.structs.replace(sent["dlv_2_risk-desk"], state="failed", notifier="mail")
    found: list[str] = []
    after = ""
    while True:
        page = (await ask(http, "GET", f"/v1/deliveries?limit=2{after}"))[2]
        found += [d["id"] for d in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == [f"dlv_{i}_risk-desk" for i in range(1, 6)]
    for query in ("state=failed", "notifier=mail", f"alert={desk.store.log[1].alert.id}"):
        items = (await ask(http, "GET", f"/v1/deliveries?{query}"))[2]["items"]
        assert [d["id"] for d in items] == ["dlv_2_risk-desk"], query
    for query in ("state=lost", "after=x", "after=1", "after=:"):
        assert (await ask(http, "GET", f"/v1/deliveries?{query}"))[0] == 400, query


async def test_a_delivery_shows_every_attempt(desk: Desk, http: Session) -> None:
    later = START + timedelta(seconds=9)
    desk.store.tries.append(Attempt("dlv_1_risk-desk", START, "pending", "503 Service Unavailable", later, 12.5))
    status, _, found = await ask(http, "GET", "/v1/deliveries/dlv_1_risk-desk")
    assert (status, found["state"], found["notifier"], found["attempts"]) == (200, "pending", "risk-desk", 0)
    assert found["record"] == [
        {
            "at": "2026-03-02T12:00:00.000Z", "state": "pending", "detail": "503 Service Unavailable",
            "due_at": "2026-03-02T12:00:09.000Z", "took_ms": 12.5,
        }
    ]  # fmt: skip
    assert (await ask(http, "GET", "/v1/deliveries/dlv_9"))[0] == 404


async def test_a_retry_makes_a_delivery_due_at_once_and_tells_the_dispatcher(desk: Desk, http: Session) -> None:
    failed = msgspec.structs.replace(desk.store.sent["dlv_1_risk-desk"], state="failed")
    desk.store.sent["dlv_1_risk-desk"] = failed
    desk.clock.now += timedelta(minutes=5)
    status, _, found = await ask(http, "POST", "/v1/deliveries/dlv_1_risk-desk/retry")
    assert (status, found["state"], found["due_at"]) == (200, "pending", "2026-03-02T12:05:00.000Z")
    assert [d.id for d in desk.retried] == ["dlv_1_risk-desk"]
    (kept,) = [a for a in desk.store.audit_log if a.action == "retry delivery"]
    assert (kept.who, kept.subject) == ("loopback", "dlv_1_risk-desk")
    assert (kept.before["state"], kept.after["state"]) == ("failed", "pending")


async def test_what_was_delivered_is_sent_again_and_keeps_its_record(desk: Desk, http: Session) -> None:
    done = msgspec.structs.replace(desk.store.sent["dlv_1_risk-desk"], state="delivered", attempts=1)
    desk.store.sent["dlv_1_risk-desk"] = done
    desk.store.tries.append(Attempt("dlv_1_risk-desk", START, "delivered", "200 OK", START, 12.5))
    status, _, found = await ask(http, "POST", "/v1/deliveries/dlv_1_risk-desk/retry")
    assert (status, found["state"], found["attempts"]) == (200, "pending", 1)
    assert [d.id for d in desk.retried] == ["dlv_1_risk-desk"]
    record = (await ask(http, "GET", "/v1/deliveries/dlv_1_risk-desk"))[2]["record"]
    assert [attempt["state"] for attempt in record] == ["delivered"]
    assert (await ask(http, "POST", "/v1/deliveries/dlv_9/retry"))[0] == 404


async def test_the_audit_record_names_who_did_what(desk: Desk, http: Session) -> None:
    await crash(desk, http)
    await ask(http, "DELETE", "/v1/groups/G-1")
    page = (await ask(http, "GET", "/v1/audit?limit=1"))[2]
    assert ([(a["who"], a["action"], a["subject"]) for a in page["items"]], page["next"]) == (
        [("loopback", "put group", "G-1")],
        1,
    )
    page = (await ask(http, "GET", "/v1/audit?after=1"))[2]
    assert ([a["action"] for a in page["items"]], page["next"]) == (["close group"], None)
