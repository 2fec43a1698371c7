"""What a borrower's token reads: the own groups with public labels, and nothing of the desk's (decision 122)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.schema import Invalid, read
from monitor.web.auth import OPEN
from monitor.web.borrowers import PATHS
from monitor.web.contract import routes
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.sse import stream
from tests.web.test_admission import ask, bearer

TOKENS = read(
    WebConfig,
    {
        "tokens": [
            {"name": "boss", "role": "admin", "secret": "s-boss"},
            {"name": "acme", "role": "borrower", "secret": "s-acme", "scope": {"borrower": "ACME"}},
        ]
    },
)
BOSS, ACME = bearer("boss"), bearer("acme")
LABELS = {"borrower": "ACME", "desk": "SECRETDESK", "region": "north"}
HIDDEN = ("SECRETDESK", "boss", "SECRETNOTE", "G-BETA", "BETA", "tape", "risk-desk", "books/")
"""A label of the desk's, its people, another borrower, its feeds and its channels."""


@pytest.fixture
async def desk() -> WebDesk:
    desk = WebDesk()
    desk.public_labels = ("borrower", "region")
    async with serving(desk, TOKENS) as url, aiohttp.ClientSession(base_url=url) as http:
        for id_, labels in (("G-ACME", LABELS), ("G-BETA", {"borrower": "BETA"})):
            stated = line(id_, btc="3.2", labels=labels)
            assert (await ask(http, "PUT", f"/v1/groups/{id_}", stated, **BOSS))[0] == 201
        alert = next(x.alert.id for x in desk.store.log if x.alert.subject == "G-ACME")
        note = {"note": "SECRETNOTE"}
        assert (await ask(http, "POST", f"/v1/alerts/{alert}/ack", note, **BOSS))[0] == 200
        pin = {"pin": "40000", "until": "2026-03-02T14:00:00Z", "reason": "SECRETNOTE"}
        assert (await ask(http, "POST", "/v1/prices/BTC/decisions", pin, **BOSS))[0] == 201
    desk.notice("book.refused", "books/acme.jsonl:3")
    desk.health.set("mail risk-desk", "no answer")
    return desk


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(desk, TOKENS) as url, aiohttp.ClientSession(base_url=url) as session:
        yield session


def leaks(answer: Any) -> list[str]:
    text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
    return [name for name in HIDDEN if name in text]


async def test_it_reads_the_own_groups_with_public_labels_and_nothing_of_the_desk(
    desk: WebDesk, http: aiohttp.ClientSession
) -> None:
    alert = next(x.alert.id for x in desk.store.log if x.alert.subject == "G-ACME")
    of_group = "/v1/groups/G-ACME"
    paths = ("/v1/groups", of_group, f"{of_group}/calls", f"{of_group}/statement?day=2026-03-02", f"{of_group}/ltv")
    for path in (
        *paths,
        "/v1/alerts",
        f"/v1/alerts/{alert}",
        "/v1/prices",
        "/v1/prices/BTC",
        "/v1/groups?label.region=north",
    ):
        status, _, answer = await ask(http, "GET", path, **ACME)
        assert status == 200, (path, answer)
        assert leaks(answer) == [], path
    listed = (await ask(http, "GET", "/v1/groups", **ACME))[2]["items"]
    detail = (await ask(http, "GET", of_group, **ACME))[2]
    told = (await ask(http, "GET", "/v1/alerts", **ACME))[2]["items"]
    public = {"borrower": "ACME", "region": "north"}
    assert listed[0]["labels"] == detail["labels"] == told[0]["data"]["group"]["labels"] == public
    assert (detail["acknowledged"], listed[0]["acknowledged"]) == (None, None)
    assert detail["contributions"][0]["price"] is not None
    assert {item["data"]["group"]["id"] for item in told} == {"G-ACME"}
    assert {item["asset"] for item in (await ask(http, "GET", "/v1/prices", **ACME))[2]["items"]} == {"BTC", "USDT"}
    # The desk itself reads all of it.
    whole = (await ask(http, "GET", of_group, **BOSS))[2]
    assert whole["labels"] == LABELS
    assert whole["acknowledged"]["note"] == "SECRETNOTE"


async def test_labels_cannot_be_found_out_by_filters(http: aiohttp.ClientSession) -> None:
    for query in ("?label.desk=SECRETDESK", "?label.desk=other", "?q=SECRET"):
        assert (await ask(http, "GET", f"/v1/groups{query}", **ACME))[0] == 400
        assert (await ask(http, "GET", f"/v1/stream{query}", **ACME))[0] == 400
    for query in ("?label.desk=SECRETDESK", "?label.desk=other", "?label.region=north&label.desk=other"):
        assert (await ask(http, "GET", f"/v1/alerts{query}", **ACME))[0] == 400
    found = (await ask(http, "GET", "/v1/alerts?label.region=north", **ACME))[2]["items"]
    assert {item["data"]["group"]["id"] for item in found} == {"G-ACME"}
    assert (await ask(http, "GET", "/v1/alerts?label.desk=SECRETDESK", **BOSS))[0] == 200


async def test_every_path_that_takes_labels_or_a_text_refuses_hidden_ones(http: aiohttp.ClientSession) -> None:
    """A new filter of a path that borrowers may ask is tried as soon as its route names it."""
    tried = []
    for route in routes():
        if (route.method, route.path) not in PATHS:
            continue
        for param in route.params:
            if param.name in ("label.*", "q", "by"):
                query = f"{param.name.replace('*', 'desk')}=SECRETDESK"
                path = f"{route.path.replace('{id}', 'G-ACME')}?{query}"
                assert (await ask(http, route.method, path, **ACME))[0] == 400, path
                tried.append(route.path)
    assert {"/v1/groups", "/v1/alerts", "/v1/stream"} <= set(tried)


async def test_a_what_if_tells_nothing_of_coins_that_the_group_does_not_have(
    desk: WebDesk, http: aiohttp.ClientSession
) -> None:
    """ETH has a price, SOL has a ladder and none, and nobody knows NOCOIN: the three refusals differ by the name alone."""
    desk.prices({"ETH": "2345.67"})
    path = "/v1/groups/G-ACME/what-if"
    assert (await ask(http, "POST", path, {"add": {"ETH": "10"}}, **BOSS))[0] == 200
    for change, amount in (("add", "10"), ("shock", "-10%"), ("repay", "10"), ("remove", "1")):
        refusals = set()
        for coin in ("ETH", "SOL", "NOCOIN"):
            status, _, answer = await ask(http, "POST", path, {change: {coin: amount}}, **ACME)
            assert status == 422, (change, coin, answer)
            assert [each["where"] for each in answer["errors"]] == [f"{change}.{coin}"]
            assert "2345" not in str(answer)
            refusals.add(msgspec.json.encode(answer).decode().replace(coin, "?"))
        assert len(refusals) == 1, refusals
    both = {"shock": {"ETH": "50000"}, "add": {"ETH": "10", "BTC": "1"}}
    named = (await ask(http, "POST", path, both, **ACME))[2]["errors"]
    assert [each["where"] for each in named] == ["shock.ETH", "add.ETH"]
    own = {"shock": {"BTC": "-10%"}, "add": {"BTC": "1"}, "repay": {"USDT": "10"}}
    status, _, answer = await ask(http, "POST", path, own, **ACME)
    assert (status, leaks(answer)) == (200, []), answer
    told = {coin: (await ask(http, "GET", f"/v1/prices/{coin}", **ACME)) for coin in ("ETH", "NOCOIN")}
    assert [told[coin][0] for coin in told] == [404, 404]
    assert str(told["ETH"][2]).replace("ETH", "NOCOIN") == str(told["NOCOIN"][2])


async def test_its_stream_says_no_more(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    async with stream(http, "after=0", **ACME) as reader:
        for name in ("alert", "status", "groups", "counts", "prices"):
            event = await reader.next(name)
            assert leaks(event.data) == [], name
            if name == "groups":
                assert [row["labels"] for row in event.data["rows"]] == [{"borrower": "ACME", "region": "north"}]
            if name == "prices":
                assert {item["asset"] for item in event.data["items"]} == {"BTC", "USDT"}
            if name == "status":
                assert (event.data["feeds"], event.data["reasons"]) == ({}, {})


async def test_every_other_path_is_the_desks(http: aiohttp.ClientSession) -> None:
    """A new path is refused until it is named."""
    for route in routes():
        if route.needs == OPEN or (route.method, route.path) in PATHS:
            continue
        path = route.path.replace("{id}", "G-ACME")
        async with http.request(route.method, path, json={}, headers=ACME) as answer:
            assert answer.status == 403, (route.method, path, await answer.text())
    assert {(r.method, r.path) for r in routes()} >= PATHS


def test_the_role_needs_a_scope() -> None:
    with pytest.raises(Invalid, match="a borrower sees the own groups alone"):
        read(WebConfig, {"tokens": [{"name": "a", "role": "borrower", "secret": "x"}]})
