"""Acknowledgements by the API: shown with the group everywhere, audited, refused with a reason."""

from __future__ import annotations

from datetime import timedelta

import aiohttp

from monitor.core.text import stamp
from tests.looks import START
from tests.web.desk import WebDesk
from tests.web.resources.test_silences import called, until
from tests.web.sse import stream
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
HOUR = timedelta(hours=1)


async def test_an_acknowledgement_is_shown_wherever_the_group_is(desk: WebDesk, http: Session) -> None:
    alert = await called(desk, http)
    async with stream(http, "events=groups") as reader:
        assert (await reader.next("groups")).data["rows"][0]["acknowledged"] is None
        status, _, found = await ask(http, "POST", f"/v1/alerts/{alert}/ack", {"note": "mine", "until": until(1)})
        assert status == 200, found
        shown = {"by": "loopback", "at": stamp(START), "alert": alert, "note": "mine", "until": until(1)}
        assert found == {"alert": alert, "group": "G-1", "acknowledged": shown}
        assert (await reader.next("groups")).data["rows"][0]["acknowledged"] == shown
    for path in ("/v1/groups/G-1", f"/v1/alerts/{alert}"):
        answer = (await ask(http, "GET", path))[2]
        assert answer.get("data", answer)["acknowledged"] == shown, path
    assert (await ask(http, "GET", "/v1/groups"))[2]["items"][0]["acknowledged"] == shown
    assert (await ask(http, "GET", "/v1/alerts"))[2]["items"][0]["data"]["acknowledged"] == shown
    desk.pass_time(2 * HOUR)
    assert (await ask(http, "GET", "/v1/groups/G-1"))[2]["acknowledged"] is None
    assert "acknowledged" not in (await ask(http, "GET", f"/v1/alerts/{alert}"))[2]["data"]


async def test_an_acknowledgement_is_audited_once_however_often_it_is_said(desk: WebDesk, http: Session) -> None:
    alert = await called(desk, http)
    for _ in range(3):
        assert (await ask(http, "POST", f"/v1/alerts/{alert}/ack", {}))[0] == 200
    assert (await ask(http, "DELETE", f"/v1/alerts/{alert}/ack"))[0] == 204
    assert (await ask(http, "DELETE", f"/v1/alerts/{alert}/ack"))[0] == 204
    audits = (await ask(http, "GET", "/v1/audit"))[2]["items"]
    assert [(a["action"], a["subject"]) for a in audits[1:]] == [("acknowledge", "G-1"), ("unacknowledge", "G-1")]
    assert audits[1]["after"]["by"] == "loopback"


async def test_what_cannot_be_acknowledged_says_why(desk: WebDesk, http: Session) -> None:
    alert = await called(desk, http)
    notice = desk.notice().alert.id
    for id_, body, status, kind, reason in (
        ("evt_none", {}, 404, "not-found", None),
        (notice, {}, 409, "refused", "no_stage"),
        (alert, {"until": until(-1)}, 422, "invalid", None),
        (alert, {"until": "soon"}, 422, "invalid", None),
        (alert, {"note": "x\x1b" * 9}, 422, "invalid", None),
        (alert, {"notes": "x"}, 422, "invalid", None),
    ):
        got, _, problem = await ask(http, "POST", f"/v1/alerts/{id_}/ack", body)
        assert (got, problem["type"], problem.get("reason")) == (status, f"urn:loan-monitor:{kind}", reason), body
    desk.prices({"BTC": "20000"})
    got, _, problem = await ask(http, "POST", f"/v1/alerts/{alert}/ack", {})
    assert (got, problem["reason"]) == (409, "other_stage")
    desk.prices({"BTC": "90000"})
    got, _, problem = await ask(http, "POST", f"/v1/alerts/{alert}/ack", {})
    assert (got, problem["reason"]) == (409, "nothing_to_acknowledge")
