"""GET and POST /v1/rates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_scope import SCOPED

Session = aiohttp.ClientSession
NOW, TOMORROW = "2026-03-02T12:00:00.000Z", "2026-03-03T00:00:00.000Z"
LISTED = {"source": "vip_loan@2024-04-29", "effective": "2024-04-29T00:00:00.000Z", "product": "vip_loan", "per": "day"}


def item(asset: str, rate: str, effective: str, in_force: bool, source: str = "api") -> dict[str, Any]:
    return {
        "product": "vip_loan",
        "asset": asset,
        "effective": effective,
        "rate": rate,
        "per": "day",
        "source": source,
        "in_force": in_force,
    }


async def give(http: Session, rates: Any, status: int = 200, **more: Any) -> Any:
    got, _, body = await ask(http, "POST", "/v1/rates", {"product": "vip_loan", "rates": rates, **more})
    assert got == status, body
    return body


async def test_rates_of_the_rules_are_in_force_at_first(http: Session) -> None:
    btc, usdt = (
        {**LISTED, "asset": a, "rate": r, "in_force": True} for a, r in (("BTC", "0.00005"), ("USDT", "0.00016"))
    )
    assert (await ask(http, "GET", "/v1/rates"))[2] == {"items": [btc, usdt], "next": None}


async def test_a_rate_holds_from_now_on_and_is_shown(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    given = await give(http, {"USDT": "0.0002", "NEW": "1e-4"})
    assert given["items"] == [item("NEW", "0.0001", NOW, True), item("USDT", "0.0002", NOW, True)]
    assert (await ask(http, "GET", "/v1/groups/G-1"))[2]["loans"][0]["daily_rate"] == "0.0002"
    shown = (await ask(http, "GET", "/v1/rates"))[2]["items"]
    assert [(x["asset"], x["rate"]) for x in shown] == [("BTC", "0.00005"), ("NEW", "0.0001"), ("USDT", "0.0002")]
    assert desk.store.audit_log[-1].action == "give rates"
    assert (await ask(http, "PUT", "/v1/groups/G-2", _owing_new()))[0] == 201
    desk.pass_time(timedelta(hours=12, minutes=30))
    detail = (await ask(http, "GET", "/v1/groups/G-1"))[2]
    assert (detail["loans"][0]["interest"], detail["settling"]) == ("20", True)


def _owing_new() -> dict[str, Any]:
    stated = line("G-2")
    stated["loans"][0]["asset"] = "NEW"
    return stated


async def test_the_same_again_is_no_other_rate(desk: WebDesk, http: Session) -> None:
    first = [
        await give(http, {"USDT": "0.0002"}),
        await give(http, {"USDT": "0.0003"}, effective="2026-03-03T00:00:00Z"),
    ]
    changes = len(desk.store.audit_log)
    desk.clock.now += timedelta(hours=1)
    again = [
        await give(http, {"USDT": "0.0002"}),
        await give(http, {"USDT": "0.0003"}, effective="2026-03-03T00:00:00Z"),
    ]
    assert again == first
    assert len(desk.store.audit_log) == changes
    desk.clock.now += timedelta(days=2)
    assert (await give(http, {"USDT": "0.0003"}, effective="2026-03-03T00:00:00Z"))["items"][0]["in_force"] is True


async def test_rates_to_come_are_listed_and_paged(http: Session) -> None:
    for day in (3, 4, 5):
        await give(http, {"USDT": f"0.000{day}"}, effective=f"2026-03-0{day}T00:00:00Z")
    pages, after = [], ""
    while True:
        page = (await ask(http, "GET", f"/v1/rates?asset=USDT&product=vip_loan&limit=2{after}"))[2]
        pages.append([(x["rate"], x["in_force"]) for x in page["items"]])
        if page["next"] is None:
            break
        after = f"&after={page['next'].replace(' ', '%20')}"
    assert pages == [[("0.00016", True), ("0.0003", False)], [("0.0004", False), ("0.0005", False)]]
    assert (await ask(http, "GET", "/v1/rates?product=none"))[2]["items"] == []
    assert (await ask(http, "GET", "/v1/rates?coin=USDT"))[0] == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"product": "vip_lone", "rates": {"USDT": "0.1"}}, "product: found 'vip_lone', expected one of: vip_loan"),
        ({"product": "vip_loan", "rates": {"us dt": "0.1", "BTC": "2", "ETH": 0.1}}, "expected the name of a coin"),
        ({"product": "vip_loan", "rates": {}}, "rates: state at least one coin"),
        ({"product": "vip_loan", "rates": {"USDT": "0.1"}, "effective": "yesterday"}, "effective: found 'yesterday'"),
        ({"product": "vip_loan"}, "rates: is missing"),
    ],
)
async def test_what_is_wrong_is_named(http: Session, body: Any, said: str) -> None:
    status, _, problem = await ask(http, "POST", "/v1/rates", body)
    assert (status, said in problem["detail"]) == (422, True), problem
    assert len(problem["errors"]) == (3 if "us dt" in body.get("rates", {}) else 1)


async def test_a_rate_that_comes_too_late_is_refused_and_changes_nothing(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    desk.pass_time(timedelta(days=3))
    problem = await give(http, {"USDT": "0.0002", "BTC": "0.1"}, 422, effective="2026-03-04T00:00:00Z")
    assert (problem["reason"], "interest was counted by 0.00016" in problem["detail"]) == ("past", True)
    assert len((await ask(http, "GET", "/v1/rates"))[2]["items"]) == 2


async def test_only_operators_of_the_whole_desk_give_rates(desk: WebDesk) -> None:
    async with serving(desk, SCOPED) as url, aiohttp.ClientSession(base_url=url) as session:
        body = {"product": "vip_loan", "rates": {"USDT": "0.0002"}}
        status, _, problem = await ask(session, "POST", "/v1/rates", body, **bearer("acme"))
        assert (status, "scope" in problem["detail"] or "role" in problem["detail"]) == (403, True)


async def test_a_failing_store_is_no_done(desk: WebDesk, http: Session) -> None:
    desk.store.is_down = True
    await give(http, {"USDT": "0.0002"}, 503)
