"""History belongs to those whom it belonged to then: groups that change hands, and ids that live again.

Asked of the real order of events and of each store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.core.events.events import GroupClosed, GroupPut
from monitor.core.loans.group import parse_line
from monitor.core.queries.inbox import Request
from monitor.core.schema import read
from monitor.core.text import stamp
from monitor.plugins import module
from monitor.stores._base import LtvPoint, Store
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.web.test_admission import ask, bearer
from tests.web.test_whole import Whole

BOTH = read(
    WebConfig,
    {
        "tokens": [
            {"name": "boss", "role": "admin", "secret": "s-boss"},
            *(
                {"name": who, "role": "admin", "secret": f"s-{who}", "scope": {"borrower": who.upper()}}
                for who in ("old", "new")
            ),
        ]
    },
)
BOSS, OLD, NEW = map(bearer, ("boss", "old", "new"))
GROUP = "/v1/groups/G-1"
REPAY = {"type": "repay", "asset": "USDT", "amount": "10", "id": "r-1"}


@pytest.fixture(params=["memory", "sqlite"])
async def whole(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Whole]:
    plugin = module("stores", request.param)
    config = plugin.Config(path=tmp_path / "monitor.db") if request.param == "sqlite" else plugin.Config()
    store: Store = plugin.build(config)
    await store.open()
    whole = Whole(store)
    running = asyncio.create_task(whole.sequencer.run())
    whole.quote("BTC", "40000")
    yield whole
    await whole.sequencer.stop()
    await running
    await whole.sequencer.close()
    await store.close()


@pytest.fixture
async def http(whole: Whole) -> AsyncIterator[aiohttp.ClientSession]:
    server = whole.server(BOTH)
    host, port = await server.start()
    async with aiohttp.ClientSession(base_url=f"http://{host}:{port}", headers=BOSS) as session:
        yield session
    await server.stop()


async def put(http: aiohttp.ClientSession, borrower: str, btc: str = "3.2", **who: str) -> None:
    status, _, found = await ask(http, "PUT", GROUP, line(btc=btc, labels={"borrower": borrower}), **who)
    assert status in (200, 201), found


async def items(http: aiohttp.ClientSession, path: str, **who: str) -> list[Any]:
    status, _, found = await ask(http, "GET", path, **who)
    assert status == 200, found
    return list(found["items"])


async def a_life(http: aiohttp.ClientSession) -> str:
    """In a margin call, acknowledged, with an entry. Returns the alert's id."""
    await put(http, "OLD")
    (alert,) = await items(http, "/v1/alerts", **OLD)
    acked = await ask(http, "POST", f"/v1/alerts/{alert['data']['id']}/ack", {"note": "called them"}, **OLD)
    assert acked[0] == 200
    assert (await ask(http, "POST", f"{GROUP}/entries", REPAY, **OLD))[0] == 200
    return str(alert["data"]["id"])


async def test_those_who_get_a_group_see_nothing_from_before(http: aiohttp.ClientSession) -> None:
    """Not its rows, its timeline, its alerts, its deliveries, nor who had it in hand; those who had it keep theirs."""
    alert = await a_life(http)
    await put(http, "NEW")
    assert (await ask(http, "GET", GROUP, **NEW))[2]["acknowledged"] is None
    assert (await items(http, "/v1/groups", **NEW))[0].get("acknowledged") is None
    for path in (f"{GROUP}/history?kind=repayment", f"{GROUP}/timeline", "/v1/alerts", "/v1/deliveries"):
        assert await items(http, path, **NEW) == [], path
        assert await items(http, path, **BOSS), path
    (opened,) = await items(http, f"{GROUP}/history?kind=loan", **NEW)
    assert (opened["what"], opened["principal"]) == ("opened", "100000"), "the loan as it stands now"
    for path in (f"/v1/alerts/{alert}", f"{GROUP}/history?kind=x"):
        assert (await ask(http, "GET", path, **NEW))[0] in (400, 404)

    assert (await ask(http, "GET", GROUP, **OLD))[0] == 404
    (repaid,) = await items(http, f"{GROUP}/history?kind=repayment", **OLD)
    assert repaid["amount"] == "10"
    told = await items(http, f"{GROUP}/timeline", **OLD)
    assert [item["kind"] for item in told] == ["book", "stage", "ack", "entry"]
    (shown,) = await items(http, "/v1/alerts", **OLD)
    assert shown["data"]["acknowledged"]["note"] == "called them"


async def test_an_operator_acts_on_what_is_in_scope_now(http: aiohttp.ClientSession) -> None:
    """The stage began before: those who have the group now may have it in hand, those who had it may not."""
    alert = await a_life(http)
    await put(http, "NEW")
    status, _, problem = await ask(http, "POST", f"/v1/alerts/{alert}/ack", {"note": "still ours?"}, **OLD)
    assert (status, problem["reason"]) == (409, "nothing_to_acknowledge"), "as of a group that was closed"
    assert (await ask(http, "DELETE", f"/v1/alerts/{alert}/ack", **OLD))[0] == 204
    assert (await ask(http, "GET", GROUP))[2]["acknowledged"]["note"] == "called them", "nothing was taken back"
    assert (await ask(http, "POST", f"/v1/alerts/{alert}/ack", {"note": "ours now"}, **NEW))[0] == 200
    assert (await ask(http, "GET", GROUP, **NEW))[2]["acknowledged"]["note"] == "ours now"
    (shown,) = await items(http, "/v1/alerts", **OLD)
    assert "acknowledged" not in shown["data"], "what others do is not told to those who had the group"
    (acted,) = await items(http, f"{GROUP}/timeline", **NEW)
    assert (acted["kind"], acted["who"]) == ("ack", "new")
    await ask(http, "DELETE", GROUP)
    assert (await ask(http, "POST", f"/v1/alerts/{alert}/ack", {}, **NEW))[0] == 404, "nobody's now, and never NEW's"


async def test_a_change_of_another_s_group_is_refused_in_its_turn(whole: Whole, http: aiohttp.ClientSession) -> None:
    """Asked for before the group changes hands, and done after it: the scope counts when the change has its turn."""
    await put(http, "NEW")
    stated = line(btc="9", labels={"borrower": "OLD"})
    assert (await ask(http, "PUT", GROUP, stated, **OLD))[0] == 403
    assert (await ask(http, "DELETE", GROUP, **OLD))[0] == 404
    assert (await ask(http, "POST", f"{GROUP}/entries", REPAY, **OLD))[0] == 404
    found = (await ask(http, "GET", GROUP))[2]
    assert (found["version"], found["labels"]) == (1, {"borrower": "NEW"})

    await put(http, "OLD")
    group = parse_line(line(labels={"borrower": "NEW"}), whole.clock.utc(), whole.rules.products)
    handed = Request(lambda at: GroupPut(at, group, "api"), "boss", "put group", "G-1")
    late = Request(lambda at: GroupClosed(at, "G-1", "api"), "old", "close group", "G-1", scope=(("borrower", "OLD"),))
    answers = await asyncio.gather(whole.requests.request(handed), whole.requests.request(late))
    assert [answer.is_outside for answer in answers] == [False, True]
    assert (await ask(http, "GET", GROUP, **NEW))[0] == 200


async def test_an_entry_id_of_another_owner_or_of_a_former_life_is_free(http: aiohttp.ClientSession) -> None:
    """For the same owner in the same life it names one entry for good."""
    await a_life(http)
    answered = []

    async def enter(amount: str, **who: str) -> None:
        status, _, found = await ask(http, "POST", f"{GROUP}/entries", {**REPAY, "amount": amount}, **who)
        answered.append((status, found.get("duplicate")))

    await enter("10", **OLD)
    await enter("11", **OLD)
    await put(http, "NEW")
    await enter("10", **BOSS)
    await enter("12", **NEW)
    await enter("12", **NEW)
    assert answered == [(200, True), (422, None), (200, True), (200, False), (200, True)]
    await ask(http, "DELETE", GROUP)
    await put(http, "NEW")
    await enter("12", **NEW)
    await enter("12", **NEW)
    assert answered[5:] == [(200, False), (200, True)]


async def test_a_closed_id_that_is_put_again_lives_again(http: aiohttp.ClientSession) -> None:
    """Version and history begin anew, for the desk as well; alerts go on counting."""
    first = await a_life(http)
    await ask(http, "DELETE", GROUP)
    assert [row["what"] for row in await items(http, f"{GROUP}/history?kind=loan")] == ["opened", "closed"]
    await put(http, "OLD")
    assert (await ask(http, "GET", GROUP))[1]["Etag"] == '"1"'
    for who in (BOSS, OLD):
        assert await items(http, f"{GROUP}/history?kind=repayment", **who) == []
        (loan,) = await items(http, f"{GROUP}/history?kind=loan", **who)
        assert (loan["what"], loan["principal"]) == ("opened", "100000")
    alerts = await items(http, "/v1/alerts")
    assert [(a["data"]["episode"], a["data"]["sequence"]) for a in alerts] == [(1, 1), (2, 2)]
    assert first == alerts[0]["data"]["id"] != alerts[1]["data"]["id"]
    await ask(http, "DELETE", GROUP)
    (loan, closed) = await items(http, f"{GROUP}/history?kind=loan", **OLD)
    assert (loan["principal"], closed["what"]) == ("100000", "closed"), "the last life of a closed group"


async def test_the_course_of_ltv_begins_for_those_who_get_a_group(whole: Whole, http: aiohttp.ClientSession) -> None:
    await put(http, "NEW")
    now = whole.clock.utc()
    for minutes, labels in ((30, None), (20, {"borrower": "OLD"}), (10, {"borrower": "NEW"})):
        at = (now - timedelta(minutes=minutes)).replace(second=0, microsecond=0)
        await whole.store.keep_points([LtvPoint("G-1", 60, at, *[Decimal("0.5")] * 3, 0, labels)])
    path = f"{GROUP}/ltv?from={stamp(now - timedelta(hours=2))}"
    counts = [len([p for p in await items(http, path, **who) if not p["gap"]]) for who in (BOSS, NEW)]
    assert counts == [3, 1]
    assert (await ask(http, "GET", f"{GROUP}/ltv", **OLD))[0] == 404
