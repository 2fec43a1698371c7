"""Server-sent events: resuming without a gap or a duplicate, rows and prices conflated, slow readers cut off alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.events.events import MarkPrices, OperatorAct
from monitor.core.groups.snapshot import Prices, Scope
from monitor.core.portfolio.group_list import GroupPage, GroupQuery
from monitor.core.prices.decisions import Exclude, Pin
from monitor.core.prices.quote import Quote
from monitor.stores._base import AlertFilter
from monitor.web.live import Limits
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.sse import WAIT_S, stream
from tests.web.test_admission import ask

Session = aiohttp.ClientSession
QUICK = Limits(tick_s=0.02, prices_every=1, status_every=5)


@pytest.fixture
async def http(desk: WebDesk) -> AsyncIterator[Session]:
    async with serving(desk, limits=QUICK) as url, aiohttp.ClientSession(base_url=url) as session:
        yield session


def notices(desk: WebDesk, number: int) -> None:
    for _ in range(number):
        desk.notice("book.refused", f"line {len(desk.store.log)}")


async def test_a_new_reader_gets_what_comes_and_nothing_older(desk: WebDesk, http: Session) -> None:
    notices(desk, 3)
    async with stream(http, "events=alert") as reader:
        await reader.response.content.readuntil(b"id: 3\n")
        notices(desk, 2)
        assert await reader.alerts(2) == [4, 5]


async def test_an_alert_is_the_object_of_the_log(desk: WebDesk, http: Session) -> None:
    notices(desk, 1)
    async with stream(http, "events=alert&after=0") as reader:
        event = await reader.next()
    logged = (await ask(http, "GET", "/v1/alerts"))[2]["items"][0]
    assert (event.name, event.id, event.data) == ("alert", "1", logged)


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_reader_resumes_from_its_cursor(desk: WebDesk, http: Session, by_header: bool) -> None:
    notices(desk, 250)
    where = {"Last-Event-ID": "7"} if by_header else {}
    async with stream(http, "events=alert" + ("&after=3" if by_header else "&after=7"), **where) as reader:
        assert await reader.alerts(243) == list(range(8, 251))
        notices(desk, 1)
        assert await reader.alerts(1) == [251]


async def test_a_reader_that_saw_nothing_still_knows_where_to_resume(desk: WebDesk, http: Session) -> None:
    """A browser that is cut off before its first alert must not lose the ones in between."""
    notices(desk, 4)
    async with stream(http, "events=alert,status") as reader:
        await reader.next("status")
        assert reader.last_id == "4"
    notices(desk, 2)
    async with stream(http, "events=alert", **{"Last-Event-ID": reader.last_id}) as again:
        assert await again.alerts(2) == [5, 6]


async def test_replay_passes_into_live_without_gap_or_duplicate(desk: WebDesk, http: Session) -> None:
    """Alerts come all the while that twenty readers replay from everywhere in the log."""
    notices(desk, 300)
    total = 900

    async def publish() -> None:
        while len(desk.store.log) < total:
            notices(desk, 3)
            await asyncio.sleep(0.001)

    async def read(after: int) -> list[int]:
        async with stream(http, f"events=alert&after={after}") as reader:
            return await reader.alerts(total - after)

    found, *_ = await asyncio.gather(asyncio.gather(*(read(a) for a in range(0, 300, 15))), publish())
    for after, cursors in zip(range(0, 300, 15), found, strict=True):
        assert cursors == list(range(after + 1, total + 1))


async def test_an_alert_committed_before_and_published_after_the_replay_comes_once(
    desk: WebDesk, http: Session
) -> None:
    """The store knows it first; the publication follows when the reader is live already."""
    notices(desk, 2)
    late = desk.store.log[-1]
    async with stream(http, "events=alert&after=0") as reader:
        assert await reader.alerts(2) == [1, 2]
        desk.publish(alerts=(late,))
        notices(desk, 1)
        assert await reader.alerts(1) == [3]


async def test_a_cursor_from_beyond_the_log_does_not_silence_what_comes(desk: WebDesk, http: Session) -> None:
    """The store was replaced by an older copy; the reader's cursor is of the other one."""
    notices(desk, 2)
    async with stream(http, "events=alert,status&after=900") as reader:
        await reader.next("status")
        notices(desk, 1)
        assert await reader.alerts(1) == [3]


async def test_an_alert_that_is_not_durable_is_shown_and_cannot_be_resumed_from(desk: WebDesk, http: Session) -> None:
    notices(desk, 2)
    async with stream(http, "events=alert,status&after=0") as reader:
        assert await reader.alerts(2) == [1, 2]
        desk.publish(alerts=(LoggedAlert(0, desk.store.log[0].alert, durable=False),))
        event = await reader.next("alert")
        assert (event.id, event.data["data"]["durable"], reader.last_id) == ("", False, "2")


async def test_rows_come_as_a_snapshot_and_then_as_changes(desk: WebDesk, http: Session) -> None:
    for i in range(3):
        await ask(http, "PUT", f"/v1/groups/G-{i}", line(f"G-{i}", owed=str(100000 + i)))
    async with stream(http, "events=groups") as reader:
        first = (await reader.next()).data
        assert first["snapshot"]
        assert [r["id"] for r in first["rows"]] == ["G-2", "G-1", "G-0"]
        assert first["rows"] == (await ask(http, "GET", "/v1/groups"))[2]["items"]
        await ask(http, "PUT", "/v1/groups/G-1", line("G-1", btc="20"))
        change = (await reader.next()).data
        assert (change["snapshot"], [r["id"] for r in change["rows"]], change["gone"]) == (False, ["G-1"], [])
        await ask(http, "DELETE", "/v1/groups/G-0")
        change = (await reader.next()).data
        assert (change["rows"], change["gone"]) == ([], ["G-0"])


async def test_rows_that_are_touched_but_look_the_same_are_not_sent(desk: WebDesk, http: Session) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line())
    async with stream(http, "events=groups,status") as reader:
        await reader.next("groups")
        desk.publish(moved=True)
        for _ in range(3):
            assert (await reader.next()).name == "status"


async def test_a_filter_and_a_limit_bound_the_rows(desk: WebDesk, http: Session) -> None:
    """A row that leaves the filter is gone; one that enters comes."""
    for i in range(4):
        await ask(http, "PUT", f"/v1/groups/G-{i}", line(f"G-{i}", btc="3.2" if i else "9", owed=str(100000 + i)))
    async with stream(http, "events=groups&stage=margin_call&limit=2") as reader:
        assert [r["id"] for r in (await reader.next()).data["rows"]] == ["G-3", "G-2"]
        await ask(http, "PUT", "/v1/groups/G-3", line("G-3", btc="9"))
        change = (await reader.next()).data
        assert ([r["id"] for r in change["rows"]], change["gone"]) == (["G-1"], ["G-3"])


async def test_rows_come_at_most_once_a_tick(desk: WebDesk) -> None:
    """Forty changes within a tick are one event with the newest row."""
    limits = Limits(tick_s=0.25)
    async with serving(desk, limits=limits) as url, aiohttp.ClientSession(base_url=url) as http:
        await ask(http, "PUT", "/v1/groups/G-1", line())
        async with stream(http, "events=groups") as reader:
            await reader.next()
            for i in range(40):
                desk.clock.now += timedelta(seconds=1)
                desk.prices({"BTC": str(30000 + i)})
            change = (await reader.next()).data
            if change["rows"][0]["recognised_usd"] != "300390":  # the tick fell into the loop
                change = (await reader.next()).data
            assert change["rows"][0]["recognised_usd"] == "300390"


class Counted:
    """The desk's lists, with a count of the pages that they made and the time that each takes."""

    def __init__(self, desk: WebDesk, cost_s: int = 0) -> None:
        self.pages: list[GroupQuery] = []
        inner = desk.view._group_lists.page

        def page(query: GroupQuery, scope: Scope, prices: Prices) -> GroupPage:
            self.pages.append(query)
            desk.clock.now += timedelta(seconds=cost_s)
            return inner(query, scope, prices)

        desk.view._group_lists.page = page


async def test_streams_that_want_the_same_rows_share_one_page_a_tick(desk: WebDesk, http: Session) -> None:
    """Ten readers of one filter and one of another: two pages, and two more after a change."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    counted = Counted(desk)
    async with AsyncExitStack() as stack:
        filters = ["stage=normal"] * 10 + ["stage=liquidation"]
        readers = [await stack.enter_async_context(stream(http, f"events=groups&{f}")) for f in filters]
        for reader in readers:
            await reader.next("groups")
        assert len(counted.pages) == 2
        await ask(http, "PUT", "/v1/groups/G-1", line(btc="20"))
        for reader in readers[:10]:
            assert (await reader.next("groups")).data["rows"][0]["version"] == 2
    assert len(counted.pages) == 4


async def test_a_dear_page_is_made_less_often_and_its_changes_are_not_lost(desk: WebDesk, http: Session) -> None:
    """A page of one second rests for four, though the group moves and ticks come; then the newest row comes."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    counted = Counted(desk, cost_s=1)
    async with stream(http, "events=groups,status") as reader:
        await reader.next("groups")
        await ask(http, "PUT", "/v1/groups/G-1", line(btc="20"))
        for _ in range(4):
            assert (await reader.next()).name == "status", "many ticks, and no row"
        assert len(counted.pages) == 1
        desk.clock.now += timedelta(seconds=3)
        assert (await reader.next("groups")).data["rows"][0]["version"] == 2
    assert len(counted.pages) == 2


async def test_prices_come_whole_and_then_as_changes(desk: WebDesk, http: Session) -> None:
    async with stream(http, "events=prices") as reader:
        first = (await reader.next()).data
        assert first["snapshot"]
        assert {p["asset"] for p in first["items"]} == {"BTC", "ETH", "SOL", "USDC", "USDT"}
        desk.clock.now += timedelta(seconds=1)
        desk.prices({"ETH": "2100"})
        change = (await reader.next()).data
        assert [(p["asset"], p["price"]) for p in change["items"]] == [("ETH", "2100")]


async def test_a_decision_about_a_price_is_a_change_of_it(desk: WebDesk, http: Session) -> None:
    async with stream(http, "events=prices") as reader:
        await reader.next()
        for asset in ("BTC", "SOL"):
            said = Pin(asset, "the venue is down", Decimal(99), desk.clock.now + timedelta(hours=1), confirmed=True)
            desk.handle(OperatorAct(desk.clock.now, "anna", said))
            (price,) = (await reader.next()).data["items"]
            assert (price["asset"], price["price"], price["pinned"]["by"]) == (asset, "99", "anna")


async def test_a_source_that_is_left_out_is_a_change_of_the_price_that_it_does_not_move() -> None:
    desk = WebDesk(trust=True)
    quote = Quote("ETH", Decimal(2000), "USDT", "other", desk.clock.now)
    desk.handle(MarkPrices(desk.clock.now, (quote,)))
    async with (
        serving(desk, limits=QUICK) as url,
        aiohttp.ClientSession(base_url=url) as http,
        stream(http, "events=prices") as reader,
    ):
        await reader.next()
        said = Exclude("BTC", "it repeats itself", "other", desk.clock.now + timedelta(hours=1))
        desk.handle(OperatorAct(desk.clock.now, "anna", said))
        (price,) = (await reader.next()).data["items"]
    assert (price["asset"], price["price"], price["decisions"][0]["source"]) == ("BTC", "40000", "other")


async def test_a_coin_that_a_group_needs_and_nobody_prices_is_among_the_prices(desk: WebDesk, http: Session) -> None:
    owed = {**line()["loans"][0], "asset": "XRP", "rate": {"kind": "fixed", "daily": "0"}, "term": "30d"}
    await ask(http, "PUT", "/v1/groups/G-1", line(loans=[owed | {"matures_at": "2026-03-31T10:00:00Z"}]))
    desk.feeds["tape"].reason = "HTTP 451"
    async with stream(http, "events=prices") as reader:
        prices = {p["asset"]: p for p in (await reader.next()).data["items"]}
    assert (prices["XRP"]["price"], prices["XRP"]["trust"]) == (None, "missing")
    assert prices["XRP"]["reason"] == "no price was ever seen; tape: HTTP 451"


async def test_status_comes_at_once_on_change_and_as_a_heartbeat(desk: WebDesk, http: Session) -> None:
    async with stream(http, "events=status") as reader:
        assert (await reader.next()).data["ready"]
        desk.health.set("store", "the disk is full")
        while (event := await reader.next()).data["ready"]:
            pass
        assert event.data["reasons"] == {"store": "the disk is full"}
        await reader.next()
        await reader.next()


async def test_a_stream_without_status_is_kept_alive_too(http: Session) -> None:
    async with stream(http, "events=alert") as reader, asyncio.timeout(WAIT_S):
        await reader.response.content.readuntil(b": alive\n\n")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("events=alerts", {}),
        ("events=", {}),
        ("events=alert,,x", {}),
        ("limit=501", {}),
        ("after=x", {}),
        ("foo=1", {}),
        ("", {"Last-Event-ID": "x"}),
        ("", {"Last-Event-ID": "-1"}),
    ],
)
async def test_a_stream_that_cannot_be_is_refused_before_it_begins(
    http: Session, query: str, headers: dict[str, str]
) -> None:
    status, got, problem = await ask(http, "GET", f"/v1/stream?{query}", **headers)
    assert (status, got["Content-Type"]) == (400, "application/problem+json"), problem


async def test_too_many_streams_are_turned_away_until_one_ends(desk: WebDesk) -> None:
    async with serving(desk, limits=Limits(streams=2, tick_s=0.02)) as url, aiohttp.ClientSession(base_url=url) as http:
        async with stream(http) as one, stream(http) as two:
            await one.next()
            await two.next()
            status, headers, problem = await ask(http, "GET", "/v1/stream")
            assert (status, headers["Retry-After"]) == (503, "5")
            assert problem["type"] == "urn:loan-monitor:too-many-streams"
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while (await ask(http, "GET", "/v1/status"))[2]["streams"]:
            desk.notice("book.refused", str(len(desk.store.log)))
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
        async with stream(http) as three:
            await three.next()


class DeafReader:
    """A raw connection with a small buffer that sends its request and reads only when it is told to."""

    def __init__(self, url: str, query: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((host, int(port)))
        self.socket.sendall(f"GET /v1/stream?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def read_all(self) -> bytes:
        self.socket.settimeout(WAIT_S)
        found = b""
        while chunk := self.socket.recv(65536):
            found += chunk
        return found


def flood(desk: WebDesk, number: int) -> None:
    """Notices of 2 kB each; their ids differ."""
    for _ in range(number):
        desk.notice("book.refused", f"line {len(desk.store.log)} " + "x" * 2000)


async def test_a_slow_reader_is_told_its_gap_and_delays_nobody(desk: WebDesk) -> None:
    """It gets every alert up to the gap, once; the fast reader beside it gets all of them meanwhile."""
    limits = Limits(alerts=200, batch=20, tick_s=0.05)
    async with serving(desk, limits=limits) as url, aiohttp.ClientSession(base_url=url) as http:
        async with stream(http, "events=alert&after=0") as fast:
            deaf = await asyncio.to_thread(DeafReader, url, "events=alert&after=0")
            total = 6000
            for _ in range(total // 100):
                flood(desk, 100)
                await fast.alerts(100)
        raw = await asyncio.to_thread(deaf.read_all)
    cursors = [int(x) for x in raw_ids(raw)]
    assert cursors == list(range(1, len(cursors) + 1)), "no gap and no duplicate before the one that is told"
    assert len(cursors) < total
    assert f'event: gap\ndata: {{"resume_after":{cursors[-1]},'.encode() in raw


def raw_ids(raw: bytes) -> list[bytes]:
    return [x.removeprefix(b"id: ").rstrip(b"\r") for x in raw.split(b"\n") if x.startswith(b"id: ")]


async def test_a_reader_that_takes_nothing_is_cut_off(desk: WebDesk) -> None:
    limits = Limits(write_timeout_s=0.2, tick_s=0.02)
    async with serving(desk, limits=limits) as url, aiohttp.ClientSession(base_url=url) as http:
        deaf = await asyncio.to_thread(DeafReader, url, "events=alert&after=0")
        flood(desk, 4000)
        deadline = asyncio.get_running_loop().time() + 5
        while (await ask(http, "GET", "/v1/status"))[2]["streams"]:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        deaf.socket.close()


async def test_a_reader_that_comes_back_after_a_gap_misses_nothing(desk: WebDesk, http: Session) -> None:
    """A burst larger than the short log: the stream says so, and the log has the rest."""
    desk_limits = Limits(alerts=50, batch=10, tick_s=0.02)
    async with serving(desk, limits=desk_limits) as url, aiohttp.ClientSession(base_url=url) as session:
        async with stream(session, "events=alert&after=0") as reader:
            notices(desk, 5)
            assert await reader.alerts(5) == [1, 2, 3, 4, 5]
            notices(desk, 400)
            events = await reader.rest()
        gap = events[-1]
        seen = [e.data["data"]["cursor"] for e in events[:-1]]
        assert (gap.name, gap.data["resume_after"]) == ("gap", max([5, *seen]))
        async with stream(session, f"events=alert&after={gap.data['resume_after']}") as again:
            rest = await again.alerts(405 - gap.data["resume_after"])
        assert [*seen, *rest] == list(range(6, 406))


async def test_a_store_that_fails_ends_the_replay_with_a_gap(desk: WebDesk, http: Session) -> None:
    """The reader knows where it was and comes back by itself."""
    notices(desk, 250)
    whole, calls = desk.store.alerts, []

    async def failing(wanted: AlertFilter) -> Any:
        calls.append(wanted)
        desk.store.is_down = len(calls) > 1
        return await whole(wanted)

    desk.store.alerts = failing
    async with stream(http, "events=alert&after=0") as reader:
        events = await reader.rest()
    assert [e.name for e in events] == ["alert"] * 100 + ["gap"]
    assert events[-1].data == {"resume_after": 100, "reason": "the alert log cannot be read now"}


async def test_stopping_the_server_ends_its_streams(desk: WebDesk) -> None:
    async with aiohttp.ClientSession() as http:
        async with serving(desk, limits=QUICK) as url:
            response = await http.get(f"{url}/v1/stream?events=status")
            await response.content.readuntil(b"\n\n")
            start = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - start < 1.5
        await response.read()
        response.close()
    assert desk.view.listeners == []


async def test_counts_and_sums_come_first_and_then_when_they_change(desk: WebDesk, http: Session) -> None:
    """By stage, for the whole scope, so that a page need not hold every row to say how the book stands."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    async with stream(http, "events=counts") as reader:
        groups = (await reader.next("counts")).data["groups"]
        assert (groups["total"], groups["stages"]["normal"], groups["debt_usd"]["normal"]) == (1, 1, "100000")
        desk.clock.now += timedelta(seconds=1)
        desk.prices({"BTC": "12500"})
        groups = (await reader.next("counts")).data["groups"]
        assert groups["stages"] == {"liquidation": 0, "delayed_liquidation": 0, "margin_call": 1, "normal": 0}
