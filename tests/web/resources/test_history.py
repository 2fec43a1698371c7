"""GET /v1/groups/{id}/history: four histories, paged by keys that do not move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from monitor.core.events.entries import Repay
from monitor.core.events.events import BookEntry
from monitor.core.groups.snapshot import Scope
from monitor.core.queries.inbox import Look
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_scope import SCOPED

Session = aiohttp.ClientSession
HOUR = timedelta(hours=1)


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[Session]:
    """G-1 owes 100,000 USDT at 0.00016 a day since 2026-03-02 12:00; of it 60,016 are repaid on the third day."""
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as session:
        await ask(session, "PUT", "/v1/groups/G-1", line())
        yield session


async def enter(http: Session, id_: str, **entry: Any) -> None:
    status, _, found = await ask(http, "POST", "/v1/groups/G-1/entries", {"id": id_, **entry})
    assert status == 200, found


async def live(desk: WebDesk, http: Session) -> None:
    """Two midnights, a repayment, another loan, and two more midnights."""
    desk.pass_time(36 * HOUR + 2 * HOUR)
    desk.prices({"BTC": "40000"})
    await enter(http, "r-1", type="repay", asset="USDT", amount="60032")
    loan = {
        "id": "L-2",
        "asset": "BTC",
        "principal": "1",
        "rate": {"kind": "flexible"},
        "term": "open",
        "opened_at": "2026-03-04T02:00:00Z",
    }
    await enter(http, "b-1", type="borrow", loan=loan)
    desk.pass_time(48 * HOUR)


async def history(http: Session, kind: str, more: str = "", group: str = "G-1") -> list[dict[str, Any]]:
    """All items, page by page, two a page."""
    items: list[dict[str, Any]] = []
    after = ""
    for _ in range(50):
        status, _, found = await ask(http, "GET", f"/v1/groups/{group}/history?kind={kind}&limit=2{more}{after}")
        assert status == 200, found
        assert len(found["items"]) <= 2
        items += found["items"]
        if found["next"] is None:
            return items
        after = f"&after={found['next']}"
    raise AssertionError("the pages do not end")


async def test_repayments_have_their_split_and_what_remains(desk: WebDesk, http: Session) -> None:
    await live(desk, http)
    (item,) = await history(http, "repayment")
    assert item == {
        "kind": "repayment",
        "cursor": "1",
        "at": "2026-03-04T02:00:00.000Z",
        "loan": "G-1-L1",
        "asset": "USDT",
        "entry": "r-1",
        "amount": "60032",
        "interest_paid": "32",
        "principal_paid": "60000",
        "interest_left": "0",
        "principal_left": "40000",
        "ltv_after": "0.1",
    }


async def test_loans_that_came_with_their_group_stand_before_what_was_recorded(desk: WebDesk, http: Session) -> None:
    before = await history(http, "loan")
    await live(desk, http)
    found = await history(http, "loan")
    assert [(x["cursor"], x["what"], x["loan"], x["principal"]) for x in found] == [
        ("o:G-1-L1", "opened", "G-1-L1", "100000"),
        ("2", "opened", "L-2", "1"),
    ]
    assert found[0] == before[0], "the same line before and after the loan changed"
    assert found[0]["at"] == "2026-03-01T10:00:00.000Z"
    assert [x["loan"] for x in await history(http, "loan", "&loan=L-2")] == ["L-2"]


async def test_interest_is_by_day_and_ends_where_the_day_is_settled(desk: WebDesk, http: Session) -> None:
    await live(desk, http)
    found = await history(http, "interest")
    assert [(x["accrued_at"][:10], x["loan"], x["principal"], x["rate"], x["amount"]) for x in found] == [
        ("2026-03-03", "G-1-L1", "100000", "0.00016", "16"),
        ("2026-03-04", "G-1-L1", "100000", "0.00016", "16"),
        ("2026-03-05", "G-1-L1", "40000", "0.00016", "6.4"),
        ("2026-03-05", "L-2", "1", "0.00005", "0.00005"),
        ("2026-03-06", "G-1-L1", "40000", "0.00016", "6.4"),
        ("2026-03-06", "L-2", "1", "0.00005", "0.00005"),
    ]
    assert {(x["late_factor"], x["period"], x["periods"]) for x in found} == {("1", "day", 1)}
    assert [x["accrued_at"][:10] for x in await history(http, "interest", "&loan=L-2")] == ["2026-03-05", "2026-03-06"]
    desk.pass_time(22 * HOUR + timedelta(minutes=59))
    assert await history(http, "interest") == found, "00:59: the day may still be corrected"
    desk.pass_time(timedelta(minutes=1))
    later = await history(http, "interest")
    assert later[: len(found)] == found
    assert len(later) == len(found) + 2


async def test_a_day_is_charged_at_the_rate_that_was_given_for_it(desk: WebDesk, http: Session) -> None:
    desk.pass_time(24 * HOUR)
    body = {"product": "vip_loan", "rates": {"USDT": "0.0003"}}
    assert (await ask(http, "POST", "/v1/rates", body))[0] == 200
    desk.pass_time(24 * HOUR)
    assert [(x["rate"], x["amount"]) for x in await history(http, "interest")] == [("0.00016", "16"), ("0.0003", "30")]


async def test_pages_of_interest_stand_still_while_loans_change(desk: WebDesk, http: Session) -> None:
    await live(desk, http)
    first = (await ask(http, "GET", "/v1/groups/G-1/history?kind=interest&limit=3"))[2]
    whole = await history(http, "interest")
    await enter(http, "r-2", type="repay", asset="USDT", percent="100")
    stated = line()
    stated["loans"] = []
    assert (await ask(http, "PUT", "/v1/groups/G-1", stated))[0] == 200
    rest = (await ask(http, "GET", f"/v1/groups/G-1/history?kind=interest&after={first['next']}"))[2]
    assert first["items"] + rest["items"] == whole


async def test_a_change_between_the_look_and_the_rows_counts_no_day_twice(
    desk: WebDesk, http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are asked one after the other, and the book goes on meanwhile."""
    await live(desk, http)
    whole, look = await history(http, "interest"), desk.look

    async def overtaken(group_id: str, scope: Scope) -> Look | None:
        seen = await look(group_id, scope)
        desk.handle(BookEntry(desk.clock.now, group_id, "x", Repay("USDT", percent=Decimal(1))))
        return seen

    monkeypatch.setattr(desk, "look", overtaken)
    found = (await ask(http, "GET", "/v1/groups/G-1/history?kind=interest"))[2]["items"]
    assert found == whole


async def test_a_liquidation_from_its_start_to_its_end(desk: WebDesk, http: Session) -> None:
    desk.prices({"BTC": "10000"})
    await enter(http, "l-1", type="liquidated", proceeds_usd="99000")
    found = await history(http, "liquidation")
    assert [(x["what"], x["reason"], x["entry"], x["left_usd"], x["shortfall_usd"]) for x in found] == [
        ("started", "ltv", None, "0", "0"),
        ("liquidated", None, "l-1", "0", "1000"),
        ("cleared", "ltv", None, None, None),
    ]
    assert found[0]["alert"].startswith("evt_")
    closed = (await history(http, "loan"))[-1]
    assert (closed["what"], closed["reason"], closed["principal_before"], closed["principal"]) == (
        "closed",
        "liquidated",
        "100000",
        "0",
    )


async def test_a_put_that_restates_a_loan_is_in_the_history(desk: WebDesk, http: Session) -> None:
    desk.pass_time(24 * HOUR)
    await ask(http, "PUT", "/v1/groups/G-1", line(owed="70000"))
    found = (await history(http, "loan"))[-1]
    assert [found[k] for k in ("what", "principal_before", "interest_before", "principal")] == [
        "restated",
        "100000",
        "16",
        "70000",
    ]


async def test_a_closed_group_keeps_its_history(desk: WebDesk, http: Session) -> None:
    await live(desk, http)
    whole = await history(http, "interest")
    await ask(http, "DELETE", "/v1/groups/G-1")
    assert await history(http, "interest") == whole
    assert [x["what"] for x in await history(http, "loan")] == ["opened", "opened", "closed", "closed"]
    assert (await ask(http, "GET", "/v1/groups/G-9/history?kind=loan"))[0] == 404


@pytest.mark.parametrize(
    ("query", "kind", "said"),
    [
        ("", "bad-query", "kind: is missing; expected one of loan, repayment, liquidation, call, interest"),
        ("?kind=loans", "bad-query", "did you mean 'loan'?"),
        ("?kind=loan&lon=1", "bad-query", "did you mean 'loan'?"),
        ("?kind=loan&limit=0", "bad-query", "from 1 to 1000"),
        ("?kind=loan&after=x", "bad-cursor", "is not a cursor of this list"),
        ("?kind=interest&after=2026-03-05", "bad-cursor", "is not a cursor of this list"),
        ("?kind=interest&after=9", "bad-cursor", "is not a cursor of this list"),
    ],
)
async def test_what_cannot_be_asked_is_named(http: Session, query: str, kind: str, said: str) -> None:
    status, _, found = await ask(http, "GET", f"/v1/groups/G-1/history{query}")
    assert (status, found["type"]) == (400, f"urn:loan-monitor:{kind}")
    assert said in str(found)


async def test_a_token_with_a_scope_sees_the_histories_of_its_groups() -> None:
    desk = WebDesk()
    async with serving(desk, SCOPED) as url, aiohttp.ClientSession(base_url=url) as http:
        for id_, borrower in (("G-1", "ACME"), ("G-2", "BETA"), ("G-3", "ACME")):
            await ask(http, "PUT", f"/v1/groups/{id_}", line(id_, labels={"borrower": borrower}), **bearer("boss"))
        await ask(http, "DELETE", "/v1/groups/G-3", **bearer("boss"))
        seen = [
            (await ask(http, "GET", f"/v1/groups/{id_}/history?kind=loan", **bearer(who)))[0]
            for who in ("acme", "boss")
            for id_ in ("G-1", "G-2", "G-3")
        ]
    assert seen == [200, 404, 200, 200, 200, 200], "the rows of a closed group have the labels that it had"
