"""The web on the parts that the daemon gives it: the sequencer, the journal, and each store that keeps an outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from monitor.clock import SystemClock
from monitor.core.portfolio.group_list import PlainGroupLists
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal
from monitor.daemon.requests import Requests
from monitor.daemon.sequencer import Sequencer
from monitor.plugins import module
from monitor.running import Running, Tasks
from monitor.stores._base import Change, Committed, Delivery, Store, StoreUnavailable, Target
from monitor.telemetry import Health, Metrics
from monitor.web.app import Server
from monitor.web.view import Daemon, View
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.fakes import FakeOutlet
from tests.looks import RULES, D
from tests.web.sse import stream
from tests.web.test_admission import ask, bearer
from tests.web.test_scope import SCOPED

ACME = bearer("acme")
DEPOSIT = {"type": "deposit", "account": "G-1-a", "asset": "BTC", "quantity": "1"}


class Whole:
    """A daemon without feeds, books and notifiers; its store can be made to fail."""

    def __init__(self, store: Store) -> None:
        self.store, self.health, self.metrics = store, Health(), Metrics()
        self.clock, self.retried = SystemClock(), list[Delivery]()
        self.rules = msgspec.structs.replace(RULES, trust=Trust(enabled=False))
        running = Running(store, self.clock, self.metrics, self.health, Tasks())
        journal = Journal(running, FakeOutlet(Target("risk-desk")))
        book = PlainBook()
        risk = RiskMonitor(self.rules, book=book)
        self.view = View(PlainGroupLists(book.records), self.clock)
        self.sequencer = Sequencer(running, risk, journal, self.view.publish, None)
        self.requests = Requests(risk, store, journal, self.sequencer)
        self.is_down = False
        self._commit = store.commit
        store.commit = self._commit_or_fail

    async def _commit_or_fail(self, change: Change) -> Committed:
        if self.is_down:
            raise StoreUnavailable("the disk is full")
        return await self._commit(change)

    def server(self, config: WebConfig) -> Server:
        daemon = Daemon(
            view=self.view,
            inbox=self.requests,
            store=self.store,
            health=self.health,
            metrics=self.metrics,
            feeds={},
            rules=lambda: self.rules,
            clock=self.clock,
            on_retry=self.retried.append,
        )
        return Server(msgspec.structs.replace(config, port=0), daemon)

    def quote(self, asset: str, price: str) -> None:
        self.sequencer.quotes([Quote(asset, D(price), "USDT", "tape", self.clock.utc())])


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
    server = whole.server(SCOPED)
    host, port = await server.start()
    async with aiohttp.ClientSession(base_url=f"http://{host}:{port}", headers=bearer("boss")) as session:
        yield session
    await server.stop()


async def test_a_put_is_new_once(http: aiohttp.ClientSession) -> None:
    answers = [await ask(http, "PUT", "/v1/groups/G-1", line()) for _ in range(2)]
    assert [(status, headers["Etag"]) for status, headers, _ in answers] == [(201, '"1"'), (200, '"1"')]


async def test_a_scoped_token_puts_a_new_group_and_replaces_its_own(http: aiohttp.ClientSession) -> None:
    for btc, expected in (("10", 201), ("9", 200)):
        status, _, found = await ask(http, "PUT", "/v1/groups/G-1", line(btc=btc), **ACME)
        assert status == expected, found


async def test_create_only_and_replace_only(http: aiohttp.ClientSession) -> None:
    """If-None-Match: * and If-Match, as the sequencer holds them."""
    only_new, only_first = {"If-None-Match": "*"}, {"If-Match": '"1"'}
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(), **only_first))[0] == 412
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(), **only_new))[0] == 201
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(btc="9"), **only_new))[0] == 412
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(btc="9"), **only_first))[0] == 200
    assert (await ask(http, "PUT", "/v1/groups/G-1", line(btc="8"), **only_first))[0] == 412


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}])
async def test_one_key_at_the_same_time_is_one_entry(http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    """Whatever of them comes before the commit of the first or after it; a repeated request is no stale one."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    key = {"Idempotency-Key": "k", **headers}
    answers = await asyncio.gather(*(ask(http, "POST", "/v1/groups/G-1/entries", DEPOSIT, **key) for _ in range(20)))
    assert {status for status, _, _ in answers} == {200}
    assert sorted(found["duplicate"] for _, _, found in answers) == [False] + [True] * 19
    status, _, problem = await ask(http, "POST", "/v1/groups/G-1/entries", {**DEPOSIT, "quantity": "2"}, **key)
    assert (status, problem["type"]) == (422, "urn:loan-monitor:idempotency-conflict")
    assert (await ask(http, "GET", "/v1/groups/G-1"))[2]["version"] == 2


async def test_a_delivery_is_found_and_sent_again(whole: Whole, http: aiohttp.ClientSession) -> None:
    await ask(http, "PUT", "/v1/groups/G-1", line(btc="3.2"))
    (listed,) = (await ask(http, "GET", "/v1/deliveries"))[2]["items"]
    (theirs,) = (await ask(http, "GET", "/v1/deliveries", **ACME))[2]["items"]
    for id_, who in ((listed["id"], {}), (theirs["id"], ACME)):
        status, _, found = await ask(http, "GET", f"/v1/deliveries/{id_}", **who)
        assert (status, found["record"], found["state"]) == (200, [], "pending")
    assert (await ask(http, "POST", f"/v1/deliveries/{listed['id']}/retry"))[0] == 200
    assert [d.id for d in whole.retried] == [listed["id"]]
    assert (await ask(http, "GET", "/v1/deliveries/dlv_none"))[0] == 404
    assert (await ask(http, "GET", f"/v1/deliveries?after={listed['cursor']}:{listed['id']}"))[2]["items"] == []


async def test_lists_of_a_store_are_paged_to_their_end(whole: Whole, http: aiohttp.ClientSession) -> None:
    for i in range(5):
        await ask(http, "PUT", f"/v1/groups/G-{i}", line(f"G-{i}", btc="3.2"))
    for path, key in (("/v1/alerts", "data"), ("/v1/deliveries", None), ("/v1/audit", None)):
        found, after = [], ""
        for _ in range(9):
            page = (await ask(http, "GET", f"{path}?limit=2{after}"))[2]
            found += [(item[key] if key else item)["cursor"] for item in page["items"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == [1, 2, 3, 4, 5], path


async def test_alerts_that_waited_for_the_store_reach_the_streams(whole: Whole, http: aiohttp.ClientSession) -> None:
    """The disk is full while prices fall; with room again the margin call is committed, and seen by who was watching."""
    await ask(http, "PUT", "/v1/groups/G-1", line())
    async with stream(http, "events=alert,groups") as reader:
        await reader.next("groups")
        whole.is_down = True
        whole.quote("BTC", "12500")
        await reader.next("groups")
        assert (await ask(http, "GET", "/v1/alerts"))[2]["items"] == []
        whole.is_down = False
        event = await reader.next("alert")
    assert (event.data["type"], event.id) == ("loan_group.margin_call.opened", "1")


async def test_the_whole_book_is_asked_between_two_events(http: aiohttp.ClientSession, whole: Whole) -> None:
    """Stress and exposure through the sequencer, while prices and puts go on; neither is an event."""
    for n in range(5):
        await ask(http, "PUT", f"/v1/groups/G-{n}", line(f"G-{n}", owed="250000"))
    asked = [ask(http, "POST", "/v1/stress", {"shocks": {"BTC": f"{30_000 - n}"}}) for n in range(8)]
    others = [ask(http, "PUT", f"/v1/groups/H-{n}", line(f"H-{n}")) for n in range(8)]
    whole.quote("BTC", "39999")
    *answers, exposure = await asyncio.gather(
        *asked, ask(http, "GET", "/v1/exposure"), *others, return_exceptions=False
    )
    assert {status for status, _, _ in (*answers, exposure)} <= {200, 201}
    for _, _, found in answers[:8]:
        assert found["after"]["margin_call"]["groups"] == 5
    assert (await ask(http, "GET", "/v1/alerts"))[2]["items"] == []
