"""The book under stress over HTTP: questions, lists, CSV, scopes, scenarios, turns."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from monitor.core.portfolio.snapshot import PlainBookSnapshot, WholeBook
from monitor.web.site import LISTS, WAITING
from monitor.web_table import TokenConfig, WebConfig
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
SCENARIO = """\
title = "A bad day"
[anchors]
BTC = [[2021-05-19T00:00:00Z, "100"], [2021-05-19T01:00:00Z, "69.995"], [2021-05-19T02:00:00Z, "90"]]
ETH = [[2021-05-19T00:00:00Z, "10"], [2021-05-19T01:00:00Z, "20"]]
"""


async def filled(http: Session) -> None:
    """G-1 owes 250,000 on 400,000, G-2 owes 100,000 on as much; BTC is 40,000."""
    for id_, owed, who in (("G-1", "250000", "ACME"), ("G-2", "100000", "=cmd()")):
        status, _, _ = await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, owed=owed, labels={"borrower": who}))
        assert status == 201


async def stressed(http: Session, body: dict[str, Any], query: str = "", **headers: str) -> tuple[int, Any]:
    async with http.post(f"/v1/stress{query}", json=body, headers=headers) as r:
        return r.status, await r.json(content_type=None)


async def test_a_shock_changes_nothing_and_says_who_goes_where(http: Session) -> None:
    await filled(http)
    before = (await ask(http, "GET", "/v1/groups"))[2]
    status, answer = await stressed(http, {"shocks": {"BTC": "-20%"}})
    assert status == 200
    assert [(m["from"], m["to"], m["groups"]) for m in answer["moves"]] == [
        ("normal", "margin_call", 1),
        ("normal", "normal", 1),
    ]
    assert answer["newly"]["margin_call"]["items"][0]["id"] == "G-1"
    assert (answer["kind"], answer["scenario"]) == ("shocks", None)
    assert (await ask(http, "GET", "/v1/groups"))[2] == before


async def test_the_csv_has_every_group_that_changes_stage_and_no_formula(http: Session) -> None:
    await filled(http)
    for query, headers in (("?format=csv", {}), ("", {"Accept": "text/csv"})):
        async with http.post(f"/v1/stress{query}", json={"shocks": {"BTC": "-80%"}, "limit": 0}, headers=headers) as r:
            assert r.content_type == "text/csv"
            rows = list(csv.DictReader(io.StringIO(await r.text())))
        assert [(row["id"], row["to"], row["ltv"]) for row in rows] == [
            ("G-1", "liquidation", "3.125"),
            ("G-2", "liquidation", "1.25"),
        ]
        assert rows[0]["shortfall_usd"] == "170000"
    status, problem = await stressed(http, {"reverse": {"share": "0.1"}}, "?format=csv")
    assert (status, "JSON" in problem["detail"]) == (400, True)


async def test_an_id_that_a_spreadsheet_would_run_is_only_a_text(http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/=1+1", line("=1+1", owed="250000"))
    async with http.post("/v1/stress?format=csv", json={"shocks": {"BTC": "-80%"}}) as r:
        assert next(csv.DictReader(io.StringIO(await r.text())))["id"] == "'=1+1"


async def test_a_scenario_is_each_coins_way_to_its_lowest(desk: WebDesk, tmp_path: Path) -> None:
    (tmp_path / "bad-day.toml").write_text(SCENARIO)
    (tmp_path / "broken.toml").write_text("title = 5")
    (tmp_path / "calm.toml").write_text('title = "x"\n[constant]\nBTC = "5"\n')
    async with serving(desk, scenarios=tmp_path) as url, Session(base_url=url) as http:
        await filled(http)
        _, answer = await stressed(http, {"scenario": "bad-day"})
        assert answer["shocks"] == {"BTC": {"shock": "-30.01%", "before": "40000", "after": "27996"}}
        assert answer["scenario"] == "bad-day"
        for name, word in (
            ("bad-dya", "bad-day, broken, calm"),
            ("broken", "broken: "),
            ("calm", "no price falls"),
            ("../monitor", "name of a scenario"),
        ):
            status, problem = await stressed(http, {"scenario": name})
            assert status == 422
            assert word in problem["detail"]


async def test_a_scoped_token_sees_only_its_groups(desk: WebDesk) -> None:
    tokens = (
        TokenConfig("all", "admin", secret="a"),
        TokenConfig("one", "viewer", secret="b", scope={"borrower": "ACME"}),
    )
    async with serving(desk, WebConfig(tokens=tokens)) as url, Session(base_url=url) as http:
        for id_, who in (("G-1", "ACME"), ("G-2", "other")):
            body = line(id_, owed="250000", labels={"borrower": who})
            async with http.put(f"/v1/groups/{id_}", json=body, headers={"Authorization": "Bearer a"}) as r:
                assert r.status == 201
        _, answer = await stressed(http, {"shocks": {"BTC": "-20%"}}, Authorization="Bearer b")
        assert answer["groups"] == 1
        assert [row["id"] for row in answer["newly"]["margin_call"]["items"]] == ["G-1"]
        _, answer = await stressed(http, {"reverse": {"share": "0.5"}}, Authorization="Bearer b")
        assert answer["reached"]["groups"] == 1


async def test_a_matrix_and_a_reverse_are_answered(http: Session) -> None:
    await filled(http)
    sides = {"x": {"asset": "BTC", "shocks": ["0%", "-40%"]}, "y": {"asset": "ETH", "shocks": ["-10%"]}}
    _, answer = await stressed(http, {"matrix": sides})
    assert [[c["liquidation_debt_usd"] for c in row] for row in answer["cells"]] == [["0", "250000"]]
    _, answer = await stressed(http, {"reverse": {"share": "0.5"}})
    assert (answer["fall_percent"], answer["assets"]) == ("31.32", ["BTC"])


@pytest.mark.parametrize(
    ("body", "query", "status", "word"),
    [
        ({}, "", 422, "exactly one"),
        ({"shocks": {"BTCC": "-1%"}}, "", 422, "did you mean 'BTC'"),
        ({"shock": {"BTC": "-1%"}}, "", 422, "did you mean 'shocks'"),
        ({"shocks": {"BTC": "-1%"}}, "?format=xml", 400, "json, csv"),
        ({"shocks": {"BTC": "-1%"}}, "?from=x", 400, "did you mean 'format'"),
    ],
)
async def test_a_bad_question_is_named(http: Session, body: Any, query: str, status: int, word: str) -> None:
    found, problem = await stressed(http, body, query)
    assert found == status
    assert word in problem["detail"]


async def test_too_many_at_once_are_told_to_come_again(desk: WebDesk, http: Session) -> None:
    await filled(http)
    gate, whole_book = asyncio.Event(), desk.whole_book

    async def slow() -> WholeBook:
        await gate.wait()
        return await whole_book()

    desk.whole_book = slow
    asked = [asyncio.create_task(stressed(http, {"shocks": {"BTC": "-1%"}})) for _ in range(WAITING)]
    await asyncio.sleep(0.3)
    status, problem = await stressed(http, {"shocks": {"BTC": "-1%"}})
    assert (status, problem["type"]) == (503, "urn:loan-monitor:busy")
    gate.set()
    assert {status for status, _ in await asyncio.gather(*asked)} == {200}


async def test_the_work_for_a_caller_who_leaves_ends(
    desk: WebDesk, http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise 441 cells of a caller who is gone would be in the way of the next."""
    await filled(http)
    sweeps, sweep = [], PlainBookSnapshot.sweep

    def slow(*args: Any) -> Any:
        sweeps.append(1)
        time.sleep(0.02)
        return sweep(*args)

    monkeypatch.setattr(PlainBookSnapshot, "sweep", slow)
    side = [f"-{n}%" for n in range(21)]
    sides = {"x": {"asset": "BTC", "shocks": side}, "y": {"asset": "ETH", "shocks": side}}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), http.post("/v1/stress", json={"matrix": sides}):
            pass
    assert (await stressed(http, {"shocks": {"BTC": "-1%"}}))[0] == 200
    assert len(sweeps) < 200


async def test_a_slow_reader_of_a_list_holds_up_nobody(
    desk: WebDesk, http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(http)
    gate = asyncio.Event()

    async def waits(request: Any, *_: Any) -> Any:
        await gate.wait()
        return web.Response()

    monkeypatch.setattr("monitor.web.resources.stress._csv", waits)
    slow = [
        asyncio.create_task(ask(http, "POST", "/v1/stress?format=csv", {"shocks": {"BTC": "-1%"}}))
        for _ in range(LISTS)
    ]
    await asyncio.sleep(0.3)
    assert (await stressed(http, {"shocks": {"BTC": "-1%"}}))[0] == 200
    status, problem = await stressed(http, {"shocks": {"BTC": "-1%"}}, "?format=csv")
    assert (status, problem["type"]) == (503, "urn:loan-monitor:busy")
    gate.set()
    assert {status for status, _, _ in await asyncio.gather(*slow)} == {200}
