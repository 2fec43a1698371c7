"""GET /v1/groups/{id}/statement: a day of a borrower's group, whose figures recompute."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from monitor.core.money import exact
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.resources.test_history import live
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
D = Decimal


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[Session]:
    """G-1 owes 100,000 USDT at 0.00016 a day since 2026-03-02 12:00."""
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as session:
        await ask(session, "PUT", "/v1/groups/G-1", line())
        yield session


async def statement(http: Session, day: str) -> dict[str, Any]:
    status, _, found = await ask(http, "GET", f"/v1/groups/G-1/statement?day={day}")
    assert status == 200, found
    return dict(found)


async def test_every_figure_of_a_day_recomputes(desk: WebDesk, http: Session) -> None:
    """Two midnights, then at 02:00 of the fourth 60,032 are repaid and a loan of 1 BTC is taken, then two more midnights."""
    await live(desk, http)
    days = [await statement(http, f"2026-03-0{n}") for n in (2, 3, 4, 5)]
    owed = [{x["loan"]: (x["principal"], x["interest"]) for x in day["owed"]} for day in days]
    assert owed[0] == {"G-1-L1": ("100000", "16")}
    assert owed[1] == {"G-1-L1": ("100000", "32")}
    assert owed[2]["G-1-L1"] == ("40000", "6.4")
    assert set(owed[2]) == {"G-1-L1", "L-2"}
    assert owed[3]["G-1-L1"] == ("40000", "12.8")
    assert [day["repaid"] for day in days] == [{}, {}, {"USDT": "60032"}, {}]
    assert [[row["what"] for row in day["loans"]] for day in days] == [[], [], ["opened"], []]
    before: dict[str, Decimal] = {}
    for day in days:
        with exact():
            for each in day["interest"]:
                amount = D(each["principal"]) * D(each["rate"]) * D(each["late_factor"]) * each["periods"]
                assert amount == D(each["amount"])
            for each in day["owed"]:
                assert D(each["principal"]) + D(each["interest"]) == D(each["owed"])
            usdt = sum((D(x["owed"]) for x in day["owed"] if x["asset"] == "USDT"), D(0))
            # What was owed, and what was charged, less what was repaid, is what is owed.
            charged, repaid = D(day["charged"].get("USDT", "0")), D(day["repaid"].get("USDT", "0"))
            assert before.get("USDT", D(100000)) + charged - repaid == usdt
            before["USDT"] = usdt
    assert [day["final"] for day in days] == [True, True, True, True]


async def test_a_day_that_is_not_over_says_so_and_one_that_has_not_begun_is_refused(
    desk: WebDesk, http: Session
) -> None:
    today = await statement(http, "2026-03-02")
    assert (today["final"], today["until"], today["charged"]) == (False, "2026-03-02T12:00:00.000Z", {})
    desk.prices({"BTC": "12500"})
    for day, what in (("2026-03-03", "a day that has begun"), ("soon", "a day such as"), ("", "a day such as")):
        status, _, found = await ask(http, "GET", f"/v1/groups/G-1/statement?day={day}")
        assert status == 400
        assert what in str(found)
    status, _, _ = await ask(http, "GET", "/v1/groups/G-9/statement?day=2026-03-02")
    assert status == 404
