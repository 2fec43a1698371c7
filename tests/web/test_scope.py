"""A token with a scope sees its own groups and nothing that names another's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.events.events import GroupPut, Noticed
from monitor.core.loans.group import parse_line
from monitor.core.queries.inbox import Request
from monitor.core.schema import read
from monitor.stores._base import Attempt
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.looks import CALM, START
from tests.web.desk import WebDesk, serving
from tests.web.sse import stream
from tests.web.test_admission import ask, bearer

SCOPED = read(
    WebConfig,
    {
        "tokens": [
            {"name": "boss", "role": "admin", "secret": "s-boss"},
            {"name": "acme", "role": "admin", "secret": "s-acme", "scope": {"borrower": "ACME"}},
        ]
    },
)
OTHERS = ("SECRET", "BETA")
ACME, BOSS = bearer("acme"), bearer("boss")


@pytest.fixture
async def desk() -> WebDesk:
    """Two borrowers, both past their margin call; a third group was BETA's and is ACME's now."""
    desk = WebDesk()
    async with serving(desk, SCOPED) as url, aiohttp.ClientSession(base_url=url) as http:
        for id_, borrower in (("G-ACME", "ACME"), ("G-SECRET", "BETA"), ("G-MOVED", "BETA")):
            labels = {"borrower": borrower}
            assert (await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, btc="3.2", labels=labels), **BOSS))[0] == 201
        moved = line("G-MOVED", btc="3.2", labels={"borrower": "ACME"})
        assert (await ask(http, "PUT", "/v1/groups/G-MOVED", moved, **BOSS))[0] == 200
    desk.notice("book.refused", "books/SECRET.jsonl:3")
    desk.health.set("book", "G-SECRET was refused")
    return desk


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(desk, SCOPED) as url, aiohttp.ClientSession(base_url=url) as session:
        yield session


def leaks(answer: Any) -> bool:
    text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
    return any(name in text for name in OTHERS)


async def test_no_list_or_answer_names_another_s_group(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """Every path that reads, and the same paths do name it to an unscoped token where they list at all."""
    secret_alert = next(x.alert.id for x in desk.store.log if x.alert.subject == "G-SECRET")
    moved_alert = next(x.alert.id for x in desk.store.log if x.alert.subject == "G-MOVED")
    secret_delivery = next(d.id for d in desk.store.sent.values() if d.subject == "G-SECRET")
    seen_by_boss = 0
    for path in (
        "/v1/groups",
        "/v1/groups?q=SECRET",
        "/v1/groups?label.borrower=BETA",
        "/v1/groups?sort=id&limit=1",
        "/v1/alerts",
        "/v1/alerts?group=G-SECRET",
        "/v1/alerts?type=book.*",
        "/v1/deliveries",
        f"/v1/deliveries?alert={secret_alert}",
        "/v1/prices",
        "/v1/status",
        "/readyz",
    ):
        status, _, found = await ask(http, "GET", path, **ACME)
        assert status in (200, 503), path
        assert not leaks(found.get("items", found)), (path, found)
        seen_by_boss += leaks((await ask(http, "GET", path, **BOSS))[2])
    assert seen_by_boss >= 8
    for path in (
        "/v1/groups/G-SECRET",
        f"/v1/alerts/{secret_alert}",
        f"/v1/alerts/{moved_alert}",
        f"/v1/deliveries/{secret_delivery}",
    ):
        assert (await ask(http, "GET", path, **BOSS))[0] == 200, path
        status, _, problem = await ask(http, "GET", path, **ACME)
        assert status == 404, path
        assert not leaks(problem["detail"].replace("G-SECRET", "")), "only what the caller said itself"
    for path in ("/v1/audit", "/metrics"):
        assert (await ask(http, "GET", path, **ACME))[0] == 403


async def test_what_is_its_own_is_seen(http: aiohttp.ClientSession) -> None:
    """The scope hides others', not one's own; what a group did under another borrower is not one's own."""
    rows = (await ask(http, "GET", "/v1/groups?sort=id", **ACME))[2]["items"]
    assert [r["id"] for r in rows] == ["G-ACME", "G-MOVED"]
    alerts = (await ask(http, "GET", "/v1/alerts", **ACME))[2]["items"]
    assert [a["data"]["group"]["id"] for a in alerts] == ["G-ACME"]
    deliveries = (await ask(http, "GET", "/v1/deliveries", **ACME))[2]["items"]
    assert [d["subject"] for d in deliveries] == ["G-ACME"]
    status = (await ask(http, "GET", "/v1/status", **ACME))[2]
    assert (status["groups"]["total"], status["reasons"]) == (2, {"book": None})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/v1/groups/G-SECRET", None),
        ("POST", "/v1/groups/G-SECRET/entries", {"type": "enroll", "delayed_liquidation": True, "id": "e"}),
        ("POST", "/v1/groups/G-SECRET/what-if", {}),
        ("POST", "/v1/deliveries/dlv_2_risk-desk/retry", None),
    ],
)
async def test_another_s_group_is_as_if_it_were_not_there(
    desk: WebDesk, http: aiohttp.ClientSession, method: str, path: str, body: Any
) -> None:
    before, audits = desk.risk.sight("G-SECRET"), len(desk.store.audit_log)
    assert desk.store.sent["dlv_2_risk-desk"].subject == "G-SECRET"
    assert (await ask(http, method, path, body, **ACME))[0] == 404
    assert desk.risk.sight("G-SECRET") == before
    assert len(desk.store.audit_log) == audits
    assert desk.retried == []


async def test_a_put_stays_inside_the_scope(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """Neither another's label, nor no label, nor another's id."""
    before = desk.risk.sight("G-SECRET")
    for id_, labels in (("G-NEW", {"borrower": "BETA"}), ("G-NEW", {}), ("G-SECRET", {"borrower": "ACME"})):
        status, _, problem = await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, labels=labels), **ACME)
        assert (status, problem["detail"]) == (403, "the group is outside this token's scope")
    assert desk.risk.sight("G-SECRET") == before
    assert (await ask(http, "PUT", "/v1/groups/G-NEW", line("G-NEW"), **ACME))[0] == 201
    assert (await ask(http, "PUT", "/v1/groups/G-NEW", line("G-NEW", btc="7"), **ACME))[0] == 200


async def test_a_put_cannot_take_over_an_id_that_another_takes_meanwhile(
    desk: WebDesk, http: aiohttp.ClientSession
) -> None:
    """Before the put has its turn the id becomes BETA's: the put must not replace it."""
    ask_desk = desk.request

    async def too_late(request: Request) -> Any:
        stated = line("G-RACE", labels={"borrower": "BETA"})
        desk.handle(GroupPut(desk.clock.now, parse_line(stated, desk.clock.now, desk.rules.products), "api"))
        return await ask_desk(request)

    desk.request = too_late
    assert (await ask(http, "PUT", "/v1/groups/G-RACE", line("G-RACE", btc="1"), **ACME))[0] == 403
    sight = desk.risk.sight("G-RACE")
    assert sight is not None
    assert sight.group.labels == {"borrower": "BETA"}


async def test_a_refusal_does_not_name_the_other_group(http: aiohttp.ClientSession) -> None:
    stated = line("G-NEW", receiving_account="G-SECRET-a")
    status, _, problem = await ask(http, "PUT", "/v1/groups/G-NEW", stated, **ACME)
    assert (status, problem["reason"]) == (409, "account_in_use")
    assert not leaks(problem["detail"])
    assert "G-SECRET" in (await ask(http, "PUT", "/v1/groups/G-NEW", stated, **BOSS))[2]["detail"]


async def test_the_stream_replays_and_follows_inside_the_scope(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """Alerts, rows and status: read everything that comes while both borrowers' groups move."""
    async with stream(http, "after=0", **ACME) as reader:
        assert await reader.alerts(1) == [None]
        first = await reader.next("groups")
        assert {r["id"] for r in first.data["rows"]} == {"G-ACME", "G-MOVED"}
        desk.clock.now += timedelta(seconds=1)
        desk.prices({"BTC": "33000"})
        desk.notice("book.refused", "books/SECRET.jsonl:4")
        told = {(await reader.next("alert")).data["data"]["group"]["id"] for _ in range(2)}
        assert told == {"G-ACME", "G-MOVED"}
        await reader.next("groups")
        assert not leaks(reader.raw.decode())
    async with stream(http, "after=0", **BOSS) as reader:
        await reader.alerts(len(desk.store.log))
        assert leaks(reader.raw.decode())


async def test_missing_coins_of_others_are_not_listed() -> None:
    """What another holds may be guessed from the coins that the desk waits for."""
    stated = line("G-SECRET", collateral={"x": {"SOL": "1"}}, labels={"borrower": "BETA"})
    fresh = WebDesk(priced={asset: price for asset, price in CALM.items() if asset != "SOL"})
    async with serving(fresh, SCOPED) as url, aiohttp.ClientSession(base_url=url) as session:
        await ask(session, "PUT", "/v1/groups/G-SECRET", stated, **BOSS)
        named = [
            {p["asset"] for p in (await ask(session, "GET", "/v1/prices", **who))[2]["items"]} for who in (BOSS, ACME)
        ]
    assert ("SOL" in named[0], "SOL" in named[1]) == (True, False)


async def test_a_notice_without_a_group_is_for_the_whole_desk_alone(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    desk.handle(Noticed(START, "monitor.degraded", "store", {"text": "slow"}))
    found = (await ask(http, "GET", "/v1/alerts?type=monitor.*", **ACME))[2]["items"]
    assert found == []
    assert len((await ask(http, "GET", "/v1/alerts?type=monitor.*", **BOSS))[2]["items"]) == 1


async def test_a_page_of_alerts_goes_on_past_others_alerts(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """Paging a log in which one's own alerts are rare gives each of them once."""
    own: list[str] = []
    for i in range(60):
        desk.clock.now += timedelta(minutes=1)
        if i % 20 == 0:
            desk.prices({"BTC": "40000" if i % 40 else "50000"})
            own = [x.alert.id for x in desk.store.log if x.alert.group and x.alert.group.labels == {"borrower": "ACME"}]
        desk.notice("book.refused", f"line {i}")
    found, after = [], "0"
    while True:
        page = (await ask(http, "GET", f"/v1/alerts?limit=1&after={after}", **ACME))[2]
        found += [a["data"]["id"] for a in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == own
    assert len(own) > 3


async def test_a_delivery_tells_a_scope_nothing_of_other_recipients_and_channels(
    desk: WebDesk, http: aiohttp.ClientSession
) -> None:
    """How it ended may name who else was written to, and the channel that it moved to."""
    said = "moved to private-desk: 2 of 3 recipients refused, boss@desk.example"
    (mine,) = [d for d in desk.store.sent.values() if d.subject == "G-ACME"]
    desk.store.sent[mine.id] = msgspec.structs.replace(mine, detail=said)
    desk.store.tries.append(Attempt(mine.id, START, "failed", said, START))
    (listed,) = (await ask(http, "GET", "/v1/deliveries", **ACME))[2]["items"]
    detail = (await ask(http, "GET", f"/v1/deliveries/{listed['id']}", **ACME))[2]
    timeline = (await ask(http, "GET", "/v1/groups/G-ACME/timeline", **ACME))[2]
    for answer in (listed, detail, timeline):
        assert "private-desk" not in str(answer)
        assert "boss@" not in str(answer)
    assert (detail["notifier"], detail["record"][0]["state"]) == ("risk-desk", "failed")
    assert (await ask(http, "GET", f"/v1/deliveries/{mine.id}", **BOSS))[2]["record"][0]["detail"] == said


async def test_the_counts_of_the_status_are_its_own(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    """Groups, prices, streams, and of the feeds no coin that others need."""
    desk.feeds["tape"].states = {"BTC": "settled", "XMR": "not listed"}
    async with stream(http, "events=status", **BOSS) as boss, stream(http, "events=status", **ACME) as own:
        await boss.next("status")
        await own.next("status")
        counts = [(await ask(http, "GET", "/v1/status", **who))[2]["streams"] for who in (BOSS, ACME)]
    assert counts == [2, 1]
    for path in ("/v1/status", "/v1/feeds"):
        found = (await ask(http, "GET", path, **ACME))[2]
        states = found["feeds"]["tape"]["states"] if path == "/v1/status" else found["items"][0]["states"]
        assert states == {"BTC": "settled"}
        assert "XMR" in str((await ask(http, "GET", path, **BOSS))[2])
