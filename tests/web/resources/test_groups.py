"""The groups over HTTP: list, detail, put, close, entries, what-if."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from monitor.core.queries.explain import detail
from monitor.core.queries.what_if import WhatIf, what_if
from monitor.core.schema import read
from monitor.core.text import as_json, stamp
from tests.book_lines import line
from tests.looks import START
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
DEPOSIT = {"type": "deposit", "account": "G-1-a", "asset": "BTC", "quantity": "1"}


async def put(http: Session, id_: str = "G-1", **more: Any) -> None:
    assert (await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, **more)))[0] in (200, 201)


async def items(http: Session, query: str) -> list[str]:
    status, _, page = await ask(http, "GET", f"/v1/groups?{query}")
    assert status == 200, page
    return [row["id"] for row in page["items"]]


async def test_a_put_makes_a_group_and_a_second_replaces_it(http: Session) -> None:
    status, headers, row = await ask(http, "PUT", "/v1/groups/G-1", line())
    assert (status, headers["Etag"], row["ltv"], row["version"]) == (201, '"1"', "0.25", 1)
    status, headers, row = await ask(http, "PUT", "/v1/groups/G-1", line(btc="20"))
    assert (status, headers["Etag"], row["ltv"], row["version"]) == (200, '"2"', "0.125", 2)
    assert await items(http, "") == ["G-1"]


async def test_the_same_line_again_changes_nothing(http: Session) -> None:
    await put(http)
    status, headers, _ = await ask(http, "PUT", "/v1/groups/G-1", line())
    assert (status, headers["Etag"]) == (200, '"1"')


async def test_a_group_that_comes_back_is_new(http: Session) -> None:
    await put(http)
    assert (await ask(http, "DELETE", "/v1/groups/G-1"))[0] == 204
    assert (await ask(http, "PUT", "/v1/groups/G-1", line()))[0] == 201


async def test_a_body_without_id_takes_the_path_s_and_another_id_is_refused(http: Session) -> None:
    nameless = line()
    del nameless["id"]
    assert (await ask(http, "PUT", "/v1/groups/G-1", nameless))[0] == 201
    status, _, problem = await ask(http, "PUT", "/v1/groups/G-2", line())
    assert (status, problem["errors"][0]["where"]) == (422, "id")


async def test_an_id_may_hold_any_printable_character(http: Session) -> None:
    """Slashes, braces, percent signs: encoded in the path, plain in the body."""
    id_ = 'a/b{c}%2F?#"'
    quoted = "a%2Fb%7Bc%7D%252F%3F%23%22"
    stated = line()
    stated["id"] = id_
    url = http._base_url.join(http._base_url.__class__(f"/v1/groups/{quoted}", encoded=True))
    async with http.put(url, json=stated) as r:
        assert r.status == 201, await r.text()
    async with http.get(url) as r:
        assert (await r.json())["id"] == id_


async def test_all_problems_of_a_line_are_named(http: Session) -> None:
    bad = line()
    bad["loans"][0]["principal"] = 5
    bad["collatral"] = {}
    bad["vip_level"] = 1000
    bad["product"] = "vip_loam"
    status, headers, problem = await ask(http, "PUT", "/v1/groups/G-1", bad)
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert {e["where"] for e in problem["errors"]} == {"loans[0].principal", "collatral", "vip_level"}
    assert (await ask(http, "GET", "/v1/groups/G-1"))[0] == 404


async def test_what_the_book_refuses_is_a_conflict_with_its_reason(http: Session) -> None:
    await put(http)
    status, _, problem = await ask(http, "PUT", "/v1/groups/G-2", line("G-2", receiving_account="G-1-a"))
    assert (status, problem["reason"]) == (409, "account_in_use")
    assert "belongs to group G-1" in problem["detail"]


async def test_a_put_keeps_stage_and_deadline(desk: WebDesk, http: Session) -> None:
    await put(http, delayed_liquidation=True)
    desk.prices({"BTC": "10900"})
    before = (await ask(http, "GET", "/v1/groups/G-1"))[2]
    assert before["stage"] == "delayed_liquidation"
    desk.clock.now += timedelta(hours=1)
    await put(http, btc="10.0001", delayed_liquidation=True)
    after = (await ask(http, "GET", "/v1/groups/G-1"))[2]
    assert after["version"] == 2
    assert (after["stage"], after["deadline"]) == (before["stage"], before["deadline"])


async def test_stale_versions_are_refused_everywhere(http: Session) -> None:
    await put(http)
    await put(http, btc="11")
    for method, path, body in (
        ("PUT", "/v1/groups/G-1", line(btc="12")),
        ("DELETE", "/v1/groups/G-1", None),
        ("POST", "/v1/groups/G-1/entries", {**DEPOSIT, "id": "e-1"}),
    ):
        status, _, problem = await ask(http, method, path, body, **{"If-Match": '"1"'})
        assert (status, problem["type"]) == (412, "urn:loan-monitor:stale"), path
    status, headers, _ = await ask(http, "PUT", "/v1/groups/G-1", line(btc="12"), **{"If-Match": '"2"'})
    assert (status, headers["Etag"]) == (200, '"3"')


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": '"1"'}, 412),
        ({"If-Match": "*"}, 412),
        ({"If-Match": "W/x"}, 400),
        ({"If-Match": '"1", "2"'}, 400),
        ({"If-None-Match": '"1"'}, 400),
        ({"If-None-Match": "*"}, 201),
    ],
)
async def test_preconditions_of_a_group_that_is_not_there(http: Session, headers: dict[str, str], status: int) -> None:
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(), **headers))[0] == status


async def test_if_none_match_never_replaces(http: Session) -> None:
    await put(http)
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(btc="5"), **{"If-None-Match": "*"}))[0] == 412
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(btc="5"), **{"If-Match": "*"}))[0] == 200


async def test_closing_takes_a_group_off_every_answer(http: Session) -> None:
    await put(http)
    async with http.delete("/v1/groups/G-1") as r:
        assert (r.status, await r.read()) == (204, b"")
    assert await items(http, "") == []
    for method, path, body in (
        ("GET", "/v1/groups/G-1", None),
        ("DELETE", "/v1/groups/G-1", None),
        ("POST", "/v1/groups/G-1/what-if", {}),
        ("POST", "/v1/groups/G-1/entries", {**DEPOSIT, "id": "e"}),
    ):
        status, _, problem = await ask(http, method, path, body)
        assert (status, problem["type"]) == (404, "urn:loan-monitor:not-found")


async def test_an_entry_is_applied_once_however_often_it_is_sent(desk: WebDesk, http: Session) -> None:
    await put(http)
    path, entry = "/v1/groups/G-1/entries", {**DEPOSIT, "id": "e-1", "at": "2026-03-02T11:00:00Z"}
    status, headers, first = await ask(http, "POST", path, entry)
    assert (status, headers["Etag"]) == (200, '"2"')
    assert (first["duplicate"], first["version"], first["at"]) == (False, 2, "2026-03-02T11:00:00.000Z")
    assert first["group"]["recognised_usd"] == "440000"
    status, _, again = await ask(http, "POST", path, entry)
    assert (status, again["duplicate"], again["version"]) == (200, True, 2)
    assert again["group"]["recognised_usd"] == "440000"
    assert [a.action for a in desk.store.audit_log] == ["put group", "entry deposit"]


async def test_the_same_id_with_another_body_is_a_conflict(http: Session) -> None:
    await put(http)
    path = "/v1/groups/G-1/entries"
    await ask(http, "POST", path, {**DEPOSIT, "id": "e-1"})
    for other in (
        {**DEPOSIT, "quantity": "2"},
        {**DEPOSIT, "at": stamp(START)},
        {"type": "enroll", "delayed_liquidation": True},
    ):
        status, _, problem = await ask(http, "POST", path, {**other, "id": "e-1"})
        assert (status, problem["type"]) == (422, "urn:loan-monitor:idempotency-conflict")
    assert (await ask(http, "GET", "/v1/groups/G-1"))[2]["version"] == 2


async def test_the_header_is_the_default_of_the_id(http: Session) -> None:
    await put(http)
    path = "/v1/groups/G-1/entries"
    _, _, first = await ask(http, "POST", path, DEPOSIT, **{"Idempotency-Key": '"k-1"'})
    assert (first["id"], first["duplicate"]) == ("k-1", False)
    _, _, again = await ask(http, "POST", path, {**DEPOSIT, "id": "k-1"}, **{"Idempotency-Key": "k-2"})
    assert (again["id"], again["duplicate"]) == ("k-1", True)
    status, _, problem = await ask(http, "POST", path, DEPOSIT)
    assert (status, problem["errors"][0]["where"]) == (422, "id")


@pytest.mark.parametrize("is_same", [True, False])
async def test_the_same_key_at_the_same_time_is_applied_once(desk: WebDesk, http: Session, is_same: bool) -> None:
    """Twenty requests race; one is applied, the others are its duplicates or conflicts."""
    await put(http)
    desk.make_delay_s = 0.01
    bodies = [{**DEPOSIT, "quantity": "1" if is_same else str(i + 1)} for i in range(20)]
    answers = await asyncio.gather(
        *(ask(http, "POST", "/v1/groups/G-1/entries", b, **{"Idempotency-Key": "k"}) for b in bodies)
    )
    applied = [a for status, _, a in answers if status == 200 and not a["duplicate"]]
    others = [status for status, _, a in answers if status != 200 or a["duplicate"]]
    assert len(applied) == 1
    assert set(others) == ({200} if is_same else {422})
    assert (await ask(http, "GET", "/v1/groups/G-1"))[2]["version"] == 2


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"type": "deposti"}, "type"),
        ({"type": ["deposit"]}, "type"),
        ({}, "type"),
        ({**DEPOSIT, "quantity": "-1"}, "quantity"),
        ({**DEPOSIT, "quantity": 1}, "quantity"),
        ({**DEPOSIT, "acount": "a"}, "acount"),
        ({**DEPOSIT, "at": "yesterday"}, "at"),
        ({**DEPOSIT, "at": "2026-03-02T12:00:00"}, "at"),
        ({**DEPOSIT, "id": 7}, "id"),
        ({**DEPOSIT, "id": "with space"}, "id"),
        ({"type": "repay", "asset": "USDT"}, ""),
    ],
)
async def test_an_entry_that_says_something_else_is_refused_with_its_place(
    http: Session, entry: dict[str, Any], where: str
) -> None:
    await put(http)
    status, _, problem = await ask(http, "POST", "/v1/groups/G-1/entries", {"id": "e-1", **entry})
    assert status == 422
    assert [e["where"] for e in problem["errors"]] == [where]


async def test_an_entry_may_not_be_of_the_future(http: Session) -> None:
    """A minute of difference between two clocks is accepted."""
    await put(http)
    path = "/v1/groups/G-1/entries"
    soon, late = stamp(START + timedelta(seconds=60)), stamp(START + timedelta(seconds=61))
    assert (await ask(http, "POST", path, {**DEPOSIT, "id": "e-1", "at": soon}))[0] == 200
    status, _, problem = await ask(http, "POST", path, {**DEPOSIT, "id": "e-2", "at": late})
    assert (status, problem["errors"][0]["where"]) == (422, "at")


async def test_an_entry_that_the_book_refuses_says_why(http: Session) -> None:
    await put(http)
    entry = {"type": "withdraw", "account": "G-1-a", "asset": "BTC", "quantity": "11", "id": "e-1"}
    status, _, problem = await ask(http, "POST", "/v1/groups/G-1/entries", entry)
    assert (status, problem["reason"]) == (409, "insufficient")
    assert problem["detail"] == "account G-1-a holds 10 BTC, 11 cannot leave it"


async def test_a_refused_entry_may_be_sent_again_when_it_fits(http: Session) -> None:
    """What was refused was not applied, so its id is still free."""
    await put(http)
    path, entry = "/v1/groups/G-1/entries", {**DEPOSIT, "type": "withdraw", "quantity": "11", "id": "e-1"}
    assert (await ask(http, "POST", path, entry))[0] == 409
    await ask(http, "POST", path, {**DEPOSIT, "id": "e-2"})
    status, _, found = await ask(http, "POST", path, entry)
    assert (status, found["duplicate"]) == (200, False)


async def test_detail_and_what_if_are_those_of_core(desk: WebDesk, http: Session) -> None:
    await put(http)
    look = await desk.look("G-1")
    assert look is not None
    status, headers, found = await ask(http, "GET", "/v1/groups/G-1")
    assert (status, headers["Etag"]) == (200, '"1"')
    assert found == as_json(detail(look))
    asked = {"shock": {"BTC": "-70%"}, "add": {"ETH": "3"}}
    assert (await ask(http, "POST", "/v1/groups/G-1/what-if", asked))[2] == as_json(what_if(look, read(WhatIf, asked)))
    status, _, problem = await ask(http, "POST", "/v1/groups/G-1/what-if", {"remove": {"BTC": "50"}, "shok": {}})
    assert (status, [e["where"] for e in problem["errors"]]) == (422, ["shok"])


async def test_the_list_is_filtered(desk: WebDesk, http: Session) -> None:
    await put(http, "G-1", labels={"borrower": "ACME", "desk": "EU"})
    await put(http, "G-2", btc="3", labels={"borrower": "Beta", "desk": "EU"})
    await put(http, "H-3", labels={"borrower": "Beta", "desk": "US"}, receiving_account="treasury-7")
    assert await items(http, "stage=margin_call&stage=liquidation") == ["G-2"]
    assert await items(http, "stage=normal&sort=id") == ["G-1", "H-3"]
    assert await items(http, "label.desk=EU&sort=id") == ["G-1", "G-2"]
    assert await items(http, "label.desk=EU&label.borrower=Beta") == ["G-2"]
    assert await items(http, "product=vip_loan&sort=-id") == ["H-3", "G-2", "G-1"]
    assert await items(http, "product=other") == []
    assert await items(http, "q=beta&sort=id") == ["G-2", "H-3"]
    assert await items(http, "q=TREASURY") == ["H-3"]
    assert await items(http, "q=g-&sort=id") == ["G-1", "G-2"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limt=5", "did you mean 'limit'?"),
        ("stag=normal", "did you mean 'stage'?"),
        ("label.=x", "unknown query key"),
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=ten", "from 1 to 1000"),
        ("limit=%C2%B2", "from 1 to 1000"),
        ("limit=1&limit=2", "said more than once"),
        ("stage=norml", "did you mean 'normal'?"),
        ("sort=ltvv", "did you mean 'ltv'?"),
        ("after=" + "x" * 1001, "the `next` of the page before"),
    ],
)
async def test_a_query_that_is_not_known_is_refused_with_the_nearest(http: Session, query: str, says: str) -> None:
    status, _, problem = await ask(http, "GET", f"/v1/groups?{query}")
    assert (status, problem["type"]) == (400, "urn:loan-monitor:bad-query")
    assert says in problem["detail"]


async def test_all_problems_of_a_query_are_named(http: Session) -> None:
    _, _, problem = await ask(http, "GET", "/v1/groups?limit=0&stage=x&foo=1")
    assert [e["where"] for e in problem["errors"]] == ["foo", "stage", "limit"]


async def test_paths_without_a_query_take_none(http: Session) -> None:
    for path in ("/healthz?x=1", "/v1/status?x=1", "/v1/groups/G-1?limit=5"):
        status, _, problem = await ask(http, "GET", path)
        assert (status, problem["type"]) == (400, "urn:loan-monitor:bad-query")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "bnVsbA",
        "W10",
        "WyJsdHYiXQ",
        "WyJpZCIsICJHLTEiXQ",
        "WyJsdHYiLCAwLCAwLCAiTmFOIiwgIkctMSJd",
        "%00",
        "é",
    ],
)
async def test_a_cursor_that_the_list_did_not_give_is_refused(http: Session, cursor: str) -> None:
    """Not base64, not JSON, another order's, no number: all are 400."""
    status, _, problem = await ask(http, "GET", f"/v1/groups?after={cursor}")
    assert (status, problem["type"]) == (400, "urn:loan-monitor:bad-cursor")


async def test_pages_follow_one_another(http: Session) -> None:
    for i in range(7):
        await put(http, f"G-{i}", owed=str(1000 + i))
    found: list[str] = []
    after = ""
    while True:
        page = (await ask(http, "GET", f"/v1/groups?limit=3{after}"))[2]
        found += [row["id"] for row in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == [f"G-{i}" for i in reversed(range(7))]


OPENED, LATER = "2026-03-01T10:00:00Z", "2099-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("dates", "where"),
    [
        ({"term": "30d", "matures_at": "2026-02-01T00:00:00Z"}, "matures_at"),
        ({"term": "30d", "matures_at": "2026-03-02T10:00:00Z"}, "matures_at"),
        ({"opened_at": LATER}, "opened_at"),
        ({"opened_at": "2026-02-30T10:00:00Z"}, "opened_at"),
        ({"term": "30d", "matures_at": "2026-06-31T00:00:00Z"}, "matures_at"),
    ],
)
async def test_dates_that_cannot_be_are_refused_with_the_field(
    http: Session, dates: dict[str, str], where: str
) -> None:
    bad = line()
    bad["loans"][0] |= dates
    status, _, problem = await ask(http, "PUT", "/v1/groups/G-1", bad)
    assert (status, [each["where"] for each in problem["errors"]]) == (422, [f"loans[0].{where}"])
    await put(http)
    entry = {"id": "e-1", "type": "borrow", "loan": bad["loans"][0] | {"id": "L-9"}}
    status, _, problem = await ask(http, "POST", "/v1/groups/G-1/entries", entry)
    assert status == 422
    assert [each["where"] for each in problem["errors"]] == [f"loan.{where}"]
