"""What happened to a group, who was told, and who did what."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest

from monitor.core.text import stamp
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_scope import SCOPED

Session = aiohttp.ClientSession
MINUTE = timedelta(minutes=1)


async def test_a_timeline_says_what_happened_who_was_told_and_who_did_what(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.clock.now += MINUTE
    desk.prices({"BTC": "12500"})
    alert = desk.store.log[-1].alert
    desk.clock.now += MINUTE
    await ask(http, "POST", f"/v1/alerts/{alert.id}/ack", {"note": "called"})
    desk.clock.now += MINUTE
    entry = {"type": "deposit", "account": "G-1-a", "asset": "BTC", "quantity": "5", "id": "e-1"}
    await ask(http, "POST", "/v1/groups/G-1/entries", entry)
    found = (await ask(http, "GET", "/v1/groups/G-1/timeline"))[2]
    shown = [(i["kind"], i.get("action") or i["type"].removeprefix("loan_group.")) for i in found["items"]]
    assert shown == [
        ("book", "put group"),
        ("stage", "margin_call.opened"),
        ("ack", "acknowledge"),
        ("entry", "entry deposit"),
        ("stage", "margin_call.cured"),
    ]
    opened, acked = found["items"][1], found["items"][2]
    assert opened["stage"] == {"from": "normal", "to": "margin_call"}
    assert opened["told"] == [
        {
            "delivery": "dlv_1_risk-desk",
            "notifier": "risk-desk",
            "to": [],
            "state": "pending",
            "attempts": 0,
            "delivered_at": None,
            "detail": "",
            "held_until": None,
        }
    ]
    assert (acked["who"], acked["note"]) == ("loopback", "called")
    later = f"?from={stamp(desk.clock.now - MINUTE)}"
    assert len((await ask(http, "GET", f"/v1/groups/G-1/timeline{later}"))[2]["items"]) == 3


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_timeline_is_paged_without_loss_or_repeat(desk: WebDesk, http: Session, limit: int) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    for btc in ("12500", "40000", "12500", "40000"):
        desk.clock.now += MINUTE
        desk.prices({"BTC": btc})
        entry = {
            "type": "deposit",
            "account": "G-1-a",
            "asset": "BTC",
            "quantity": "0.001",
            "id": f"e-{desk.clock.now}",
        }
        await ask(http, "POST", "/v1/groups/G-1/entries", {**entry, "id": f"e-{btc}-{desk.clock.now.minute}"})
    whole = (await ask(http, "GET", "/v1/groups/G-1/timeline"))[2]["items"]
    assert len(whole) == 9
    seen, after = [], ""
    while True:
        page = (await ask(http, "GET", f"/v1/groups/G-1/timeline?limit={limit}{after}"))[2]
        seen += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == whole
    assert (await ask(http, "GET", "/v1/groups/G-1/timeline?after=x"))[0] == 400


async def test_a_borrower_learns_what_was_done_and_not_by_whom(desk: WebDesk) -> None:
    async with serving(desk, SCOPED) as url, Session(url) as http:
        await ask(http, "PUT", "/v1/groups/G-1", line(), **bearer("boss"))
        await ask(http, "PUT", "/v1/groups/G-1", line(btc="9"), **bearer("acme"))
        items = (await ask(http, "GET", "/v1/groups/G-1/timeline", **bearer("acme")))[2]["items"]
        assert [i.get("who") for i in items] == [None, "acme"]
