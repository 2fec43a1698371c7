"""The history of LTV: who is followed, what is kept, and that a gap is never hidden."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from monitor.core.text import stamp
from monitor.web import ltv_follower
from monitor.web.app import Server
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.looks import D
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask, bearer
from tests.web.test_scope import SCOPED

Session = aiohttp.ClientSession
MINUTE = timedelta(minutes=1)


class Followed:
    """A server whose history is sampled by hand."""

    def __init__(self, desk: WebDesk, server: Server, http: Session) -> None:
        self.desk = desk
        self.follower = server.site.ltv
        self.http = http

    async def pass_minutes(self, number: int = 1, *btc: str) -> None:
        """Each with a sample at its beginning at the price in force, and one after each of the prices."""
        for _ in range(number):
            await self.follower.sample()
            for price in btc:
                self.desk.prices({"BTC": price})
                await self.follower.sample()
            self.desk.clock.now += MINUTE

    async def ltv(self, group: str = "G-1", query: str = "") -> Any:
        status, _, found = await ask(self.http, "GET", f"/v1/groups/{group}/ltv{query}")
        assert status == 200, found
        return found


@pytest.fixture
async def followed(desk: WebDesk) -> AsyncIterator[Followed]:
    server = Server(WebConfig(port=0), desk.handed_over())
    host, port = await server.start()
    async with aiohttp.ClientSession(f"http://{host}:{port}") as http:
        yield Followed(desk, server, http)
    await server.stop()


async def test_a_point_has_the_lowest_the_highest_and_the_last(desk: WebDesk, followed: Followed) -> None:
    """100,000 USDT are owed against 3.2 BTC: 0.78125 at 40,000."""
    await ask(followed.http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    await followed.pass_minutes(1, "50000", "39062.5")
    await followed.pass_minutes(1)
    found = await followed.ltv()
    assert found["step_s"] == 180, "a day in 500 points"
    fine = await followed.ltv(query=f"?from={stamp(desk.clock.now - 3 * MINUTE)}")
    assert (fine["id"], fine["step_s"], fine["to"]) == ("G-1", 60, stamp(desk.clock.now))
    assert [(p["low"], p["high"], p["last"], p["gap"]) for p in fine["items"]] == [
        ("0.625", "0.8", "0.8", False),
        ("0.8", "0.8", "0.8", False),
    ]


async def test_what_was_kept_is_there_after_a_restart_and_joins_what_is_sampled(
    desk: WebDesk, followed: Followed
) -> None:
    await ask(followed.http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    await followed.pass_minutes(2)
    await followed.follower.flush()
    after = ltv_follower.LtvFollower(desk.view, desk.store, desk.clock)
    desk.clock.now -= timedelta(seconds=30)
    desk.prices({"BTC": "39062.5"})
    await after.sample()
    span = desk.clock.now - 9 * MINUTE, desk.clock.now + MINUTE
    step, points = await after.points("G-1", span, 500)
    assert (step, [(p.low, p.high) for p in points]) == (60, [(D("0.78125"), D("0.78125")), (D("0.78125"), D("0.8"))])


async def test_a_gap_and_a_missing_price_are_said(desk: WebDesk, followed: Followed) -> None:
    stated = line(btc="3.2", collateral={"a": {"BTC": "3.2", "SOL": "1"}})
    await ask(followed.http, "PUT", "/v1/groups/G-1", stated)
    await followed.pass_minutes(1)
    desk.clock.now += 5 * MINUTE
    await ask(followed.http, "PUT", "/v1/groups/G-1", {**stated, "collateral": {"a": {"ETH": "3", "SOL": "1"}}})
    await followed.pass_minutes(1)
    items = (await followed.ltv(query=f"?from={stamp(desk.clock.now - 9 * MINUTE)}"))["items"]
    assert [(p["gap"], p["last"] is None) for p in items] == [(False, False), (True, True), (False, False)]
    assert items[1]["at"] == stamp(desk.clock.now - 6 * MINUTE)


async def test_an_unknown_group_is_followed_and_shown_as_unknown() -> None:
    desk = WebDesk(priced={"ETH": "2000"})
    async with serving(desk) as url, Session(url) as http:
        await ask(http, "PUT", "/v1/groups/G-1", line())
        kept = ltv_follower.LtvFollower(desk.view, desk.store, desk.clock)
        await kept.sample()
        await kept.flush()
        desk.clock.now += MINUTE
        (item,) = (await ask(http, "GET", "/v1/groups/G-1/ltv"))[2]["items"]
        assert (item["last"], item["blind"], item["unknown"]) == (None, True, True)


async def test_a_calm_group_is_followed_only_once_somebody_looked_at_it(desk: WebDesk, followed: Followed) -> None:
    for id_, btc in (("FAR", "10"), ("NEAR", "3.7"), ("BAD", "3.2"), ("SEEN", "10"), ("SHOWN", "10")):
        await ask(followed.http, "PUT", f"/v1/groups/{id_}", line(id_, btc=btc))
    await ask(followed.http, "GET", "/v1/groups/SEEN")
    await ask(followed.http, "GET", "/v1/groups/SHOWN/ltv")
    await followed.follower.sample()
    assert {p.group for p in followed.follower._pending.values()} == {"NEAR", "BAD", "SEEN", "SHOWN"}
    followed.follower._pending.clear()
    desk.clock.now += timedelta(seconds=ltv_follower.FOLLOWED_FOR_S + 1)
    await followed.follower.sample()
    assert {p.group for p in followed.follower._pending.values()} == {"NEAR", "BAD"}


async def test_so_many_groups_are_followed_and_no_more(desk: WebDesk, followed: Followed, monkeypatch: Any) -> None:
    monkeypatch.setattr(ltv_follower, "FOLLOWED", 3)
    followed.follower._opened._most = 2
    followed.follower._lately._most = 2
    for n in range(6):
        await ask(followed.http, "PUT", f"/v1/groups/G-{n}", line(f"G-{n}", btc="3.2"))
        await ask(followed.http, "GET", f"/v1/groups/G-{n}")
    await followed.follower.sample()
    assert {p.group for p in followed.follower._pending.values()} == {"G-0", "G-1", "G-2", "G-4", "G-5"}


async def test_who_asks_for_a_day_gets_its_minutes_though_the_question_took_a_while(
    desk: WebDesk, followed: Followed
) -> None:
    await ask(followed.http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    await followed.pass_minutes(2)
    await followed.follower.flush()
    day = timedelta(hours=24)
    for late, step_s in ((timedelta(minutes=1), 60), (timedelta(minutes=16), 900)):
        found = await followed.ltv(query=f"?points=5000&from={stamp(desk.clock.now - day - late)}")
        assert found["step_s"] == step_s


async def test_old_points_go_and_the_coarse_ones_stay_longer(desk: WebDesk, followed: Followed) -> None:
    await ask(followed.http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    await followed.pass_minutes(2)
    await followed.follower.flush()
    desk.clock.now += timedelta(days=2)
    followed.follower._flushes = 0
    await followed.follower.flush()
    found = await followed.ltv(query=f"?from={stamp(desk.clock.now - timedelta(days=3))}")
    assert (found["step_s"], [p["last"] for p in found["items"]]) == (900, ["0.78125"])
    desk.clock.now += timedelta(days=31)
    followed.follower._flushes = 0
    await followed.follower.flush()
    assert await desk.store.points("G-1", 900, desk.clock.now - timedelta(days=99), desk.clock.now) == []
    assert await desk.store.points("G-1", 60, desk.clock.now - timedelta(days=99), desk.clock.now) == []


async def test_a_store_that_is_down_loses_nothing_for_a_while(
    desk: WebDesk, followed: Followed, monkeypatch: Any
) -> None:
    await ask(followed.http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    desk.store.is_down = True
    await followed.pass_minutes(2)
    await followed.follower.flush()
    desk.store.is_down = False
    assert len((await followed.ltv(query=f"?from={stamp(desk.clock.now - 3 * MINUTE)}"))["items"]) == 2
    monkeypatch.setattr(ltv_follower, "PENDING", 1)
    desk.store.is_down = True
    await followed.follower.flush()
    desk.store.is_down = False
    assert (await followed.ltv())["items"] == []


async def test_no_more_points_than_asked_for(desk: WebDesk, followed: Followed) -> None:
    await ask(followed.http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    await followed.pass_minutes(60)
    found = await followed.ltv(query=f"?points=10&from={stamp(desk.clock.now - 60 * MINUTE)}")
    assert len(found["items"]) <= 11, "one more where the range does not begin with a step"
    assert found["step_s"] == 360


@pytest.mark.parametrize("bad", ["from=yesterday", "points=5", "points=x", "till=1", "from=2026-03-03T00:00:00Z"])
async def test_a_bad_range_is_refused(followed: Followed, bad: str) -> None:
    await ask(followed.http, "PUT", "/v1/groups/G-1", line())
    assert (await ask(followed.http, "GET", f"/v1/groups/G-1/ltv?{bad}"))[0] == 400


async def test_another_borrowers_history_is_not_there(desk: WebDesk) -> None:
    async with serving(desk, SCOPED) as url, Session(url) as http:
        await ask(http, "PUT", "/v1/groups/G-2", line("G-2", labels={"borrower": "BETA"}), **bearer("boss"))
        for path in ("ltv", "timeline"):
            assert (await ask(http, "GET", f"/v1/groups/G-2/{path}", **bearer("acme")))[0] == 404
            assert (await ask(http, "GET", f"/v1/groups/G-2/{path}", **bearer("boss")))[0] == 200
