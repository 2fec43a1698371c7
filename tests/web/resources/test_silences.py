"""Silences by the API: made, listed, ended, refused with a reason, limited to a token's scope."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from monitor.core.text import stamp
from tests.book_lines import line
from tests.looks import START
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_scope import SCOPED

Session = aiohttp.ClientSession
HOUR = timedelta(hours=1)


def until(hours: int) -> str:
    return stamp(START + hours * HOUR)


def quiet(hours: int = 2, **more: Any) -> dict[str, Any]:
    return {"match": {"group": "G-1"}, "until": until(hours), "reason": "a test", **more}


async def called(desk: WebDesk, http: Session, *ids: str, **headers: str) -> str:
    """Puts groups into margin call; the id of the last one's alert."""
    for id_ in ids or ("G-1",):
        assert (await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, btc="3.2"), **headers))[0] == 201
    return desk.store.log[-1].alert.id


async def test_a_silence_is_made_listed_and_ended(desk: WebDesk, http: Session) -> None:
    status, headers, made = await ask(http, "POST", "/v1/silences", quiet(up_to="margin_call"))
    assert status == 201, made
    assert headers["Location"] == f"/v1/silences/{made['id']}"
    expected = {
        "id": made["id"],
        "match": {"group": "G-1"},
        "until": until(2),
        "reason": "a test",
        "up_to": "margin_call",
        "even_worse": False,
        "by": "loopback",
        "at": stamp(START),
    }
    assert made == expected
    assert (await ask(http, "GET", "/v1/silences"))[2] == {"items": [expected], "next": None}
    alert = await called(desk, http)
    assert (await ask(http, "GET", f"/v1/alerts/{alert}"))[2]["data"]["silenced_by"] == made["id"]
    assert (await ask(http, "DELETE", f"/v1/silences/{made['id']}"))[0] == 204
    assert desk.store.log[-1].alert.type == "loan_group.margin_call.opened"
    assert desk.store.log[-1].alert.silenced_by is None, "what is still bad is told when the silence ends"
    assert (await ask(http, "DELETE", f"/v1/silences/{made['id']}"))[0] == 404
    assert [a["action"] for a in (await ask(http, "GET", "/v1/audit"))[2]["items"]] == [
        "silence",
        "put group",
        "unsilence",
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"match": {}}, "match"),
        ({"match": {"type": "price.stal"}}, "match"),
        ({"match": {"grup": "G"}}, "match.grup"),
        ({"until": until(24 * 31)}, "until"),
        ({"until": until(0)}, "until"),
        ({"reason": ""}, "reason"),
        ({"up_to": "wrong"}, "up_to"),
        ({"up_to": "critical", "even_worse": True}, ""),
    ],
)
async def test_a_silence_that_makes_no_sense_is_refused_with_its_place(
    http: Session, changes: dict[str, Any], where: str
) -> None:
    status, _, problem = await ask(http, "POST", "/v1/silences", quiet(**changes))
    assert status == 422
    assert [e["where"] for e in problem["errors"]] == [where]
    assert (await ask(http, "GET", "/v1/silences"))[2]["items"] == []


async def test_a_preview_says_what_would_be_hidden_and_makes_nothing(desk: WebDesk, http: Session) -> None:
    await called(desk, http, "G-1", "G-2", "X-3")
    desk.pass_time(25 * HOUR)
    desk.notice()
    body = {"match": {"group": "G-*"}, "until": until(48), "reason": "a test"}
    status, _, found = await ask(http, "POST", "/v1/silences?preview=true", body)
    assert status == 200, found
    assert found["groups"] == {
        "count": 2,
        "items": [
            {"id": id_, "product": "vip_loan", "stage": "margin_call", "up_to": "margin_call"} for id_ in ("G-1", "G-2")
        ],
        "whole": True,
    }
    assert found["alerts"]["types"] == {"loan_group.margin_call.reminder": 2}, "the openings are older than a day"
    assert (found["alerts"]["hidden"], found["alerts"]["told"], found["alerts"]["whole"]) == (2, 0, True)
    less = (await ask(http, "POST", "/v1/silences?preview=true", {**body, "up_to": "normal"}))[2]
    assert (less["alerts"]["hidden"], less["alerts"]["told"]) == (0, 2)
    assert (await ask(http, "GET", "/v1/silences"))[2]["items"] == []


async def test_a_token_with_a_scope_silences_its_own_groups_alone(desk: WebDesk) -> None:
    async with serving(desk, SCOPED) as url, aiohttp.ClientSession(base_url=url) as http:
        other, mine = {"labels": {"borrower": "OTHER"}}, {"labels": {"borrower": "ACME"}, "type": "loan_group.*"}
        ours = (await ask(http, "POST", "/v1/silences", quiet(match=other), **bearer("boss")))[2]
        for match in (other, {"type": "*"}, {"labels": {"borrower": "*"}}):
            got, _, problem = await ask(http, "POST", "/v1/silences", quiet(match=match), **bearer("acme"))
            assert (got, problem["type"]) == (403, "urn:loan-monitor:forbidden"), match
        assert (await ask(http, "POST", "/v1/silences", quiet(match=mine), **bearer("acme")))[0] == 201
        listed = (await ask(http, "GET", "/v1/silences", **bearer("acme")))[2]["items"]
        assert [s["match"] for s in listed] == [mine]
        assert (await ask(http, "DELETE", f"/v1/silences/{ours['id']}", **bearer("acme")))[0] == 404
        alert = await called(desk, http, **bearer("boss"))
        assert (await ask(http, "POST", f"/v1/alerts/{alert}/ack", {}, **bearer("acme")))[0] == 200


async def test_silences_are_paged(desk: WebDesk, http: Session) -> None:
    made = {(await ask(http, "POST", "/v1/silences", quiet()))[2]["id"] for _ in range(3)}
    first = (await ask(http, "GET", "/v1/silences?limit=2"))[2]
    second = (await ask(http, "GET", f"/v1/silences?limit=2&after={first['next']}"))[2]
    assert {s["id"] for s in first["items"] + second["items"]} == made
    assert second["next"] is None


async def test_the_id_of_a_group_is_an_id_whatever_signs_it_has(desk: WebDesk, http: Session) -> None:
    """`G-[1]*` is a group. Its silence must not hide G-1x, which the id would match as a glob."""
    strange = "G-[1]*"
    await ask(http, "PUT", "/v1/groups/" + quote(strange, safe=""), line(strange, btc="9"))
    status, _, made = await ask(
        http, "POST", "/v1/silences", quiet(up_to="margin_call") | {"match": {"group": strange}}
    )
    assert status == 201, made
    assert made["match"] == {"group_id": strange}
    await called(desk, http, "G-1x")
    assert desk.store.log[-1].alert.silenced_by is None
    await ask(http, "PUT", "/v1/groups/" + quote(strange, safe=""), line(strange, btc="3.2"))
    assert desk.store.log[-1].alert.subject == strange
    assert desk.store.log[-1].alert.silenced_by == made["id"]


async def test_a_glob_that_is_no_groups_id_stays_a_glob(desk: WebDesk, http: Session) -> None:
    _, _, made = await ask(http, "POST", "/v1/silences", quiet(up_to="margin_call") | {"match": {"group": "G-*"}})
    assert made["match"] == {"group": "G-*"}
    alert = await called(desk, http, "G-7")
    assert (await ask(http, "GET", f"/v1/alerts/{alert}"))[2]["data"]["silenced_by"] == made["id"]


@pytest.mark.parametrize("strange", ["G-[1]*", "G?", "a*", "[x]", "G-[!1]"])
async def test_group_id_states_one_group(desk: WebDesk, http: Session, strange: str) -> None:
    _, _, made = await ask(http, "POST", "/v1/silences", quiet(up_to="margin_call") | {"match": {"group_id": strange}})
    assert made["match"] == {"group_id": strange}
    await ask(http, "PUT", "/v1/groups/" + quote(strange, safe=""), line(strange, btc="3.2"))
    assert desk.store.log[-1].alert.silenced_by == made["id"]
    await called(desk, http, "G-2", "ab", "x")
    assert [x.alert.silenced_by for x in desk.store.log if x.alert.subject != strange] == [None] * 3
