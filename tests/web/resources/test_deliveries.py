"""Deliveries with every attempt, and what a retry does."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import msgspec
import pytest

from monitor.stores._base import Attempt
from tests.looks import START
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

pytestmark = pytest.mark.usefixtures("five_refusals")

Session = aiohttp.ClientSession


async def test_deliveries_are_paged_and_filtered(desk: WebDesk, http: Session) -> None:
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


async def test_a_delivery_shows_every_attempt(desk: WebDesk, http: Session) -> None:
    later = START + timedelta(seconds=9)
    desk.store.tries.append(Attempt("dlv_1_risk-desk", START, "pending", "503 Service Unavailable", later, 12.5))
    status, _, found = await ask(http, "GET", "/v1/deliveries/dlv_1_risk-desk")
    assert (status, found["state"], found["notifier"], found["attempts"]) == (200, "pending", "risk-desk", 0)
    assert found["record"] == [
        {
            "at": "2026-03-02T12:00:00.000Z",
            "state": "pending",
            "detail": "503 Service Unavailable",
            "due_at": "2026-03-02T12:00:09.000Z",
            "took_ms": 12.5,
        }
    ]
    assert (await ask(http, "GET", "/v1/deliveries/dlv_9"))[0] == 404


async def test_a_retry_makes_a_delivery_due_at_once_and_tells_the_dispatcher(desk: WebDesk, http: Session) -> None:
    failed = msgspec.structs.replace(desk.store.sent["dlv_1_risk-desk"], state="failed")
    desk.store.sent["dlv_1_risk-desk"] = failed
    desk.clock.now += timedelta(minutes=5)
    status, _, found = await ask(http, "POST", "/v1/deliveries/dlv_1_risk-desk/retry")
    assert (status, found["state"], found["due_at"]) == (200, "pending", "2026-03-02T12:05:00.000Z")
    assert [d.id for d in desk.retried] == ["dlv_1_risk-desk"]
    (kept,) = [a for a in desk.store.audit_log if a.action == "retry delivery"]
    assert (kept.who, kept.subject) == ("loopback", "dlv_1_risk-desk")
    assert (kept.before["state"], kept.after["state"]) == ("failed", "pending")


async def test_what_was_delivered_is_sent_again_and_keeps_its_record(desk: WebDesk, http: Session) -> None:
    done = msgspec.structs.replace(desk.store.sent["dlv_1_risk-desk"], state="delivered", attempts=1)
    desk.store.sent["dlv_1_risk-desk"] = done
    desk.store.tries.append(Attempt("dlv_1_risk-desk", START, "delivered", "200 OK", START, 12.5))
    status, _, found = await ask(http, "POST", "/v1/deliveries/dlv_1_risk-desk/retry")
    assert (status, found["state"], found["attempts"]) == (200, "pending", 1)
    assert [d.id for d in desk.retried] == ["dlv_1_risk-desk"]
    record = (await ask(http, "GET", "/v1/deliveries/dlv_1_risk-desk"))[2]["record"]
    assert [attempt["state"] for attempt in record] == ["delivered"]
    assert (await ask(http, "POST", "/v1/deliveries/dlv_9/retry"))[0] == 404


async def test_many_deliveries_are_sent_again_in_one_call_which_is_audited_once(desk: WebDesk, http: Session) -> None:
    sent = desk.store.sent
    for n in (1, 2, 3):
        sent[f"dlv_{n}_risk-desk"] = msgspec.structs.replace(sent[f"dlv_{n}_risk-desk"], state="failed")
    asked = {"notifier": "risk-desk", "limit": 2}
    status, _, found = await ask(http, "POST", "/v1/deliveries/retry", asked)
    assert (status, found) == (200, {"count": 2, "passed_over": 0, "more": True})
    assert [d.id for d in desk.retried] == ["dlv_1_risk-desk", "dlv_2_risk-desk"]
    (kept,) = [a for a in desk.store.audit_log if a.action == "retry deliveries"]
    assert (kept.subject, kept.after) == ("risk-desk", {"count": 2})
    status, _, problem = await ask(http, "POST", "/v1/deliveries/retry", {"state": "delivered"})
    assert status == 422, problem
