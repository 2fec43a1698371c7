"""Two real daemons and a real PostgreSQL: one decides, the other waits and takes over, and every alert arrives once."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.book_lines import one_btc
from tests.faults.house import SignedReceiver, until
from tests.feeds.venue import Venue
from tests.lease.house import SLACK_S, TTL_S, Head, Pair
from tests.lease.proxy import Door
from tests.lease.world import made_database
from tests.postgres_server import PostgresServer, shared_server

HIGH, LOW = {"BTCUSDT": "100000"}, {"BTCUSDT": "50000"}
LIQUIDATION = "loan_group.liquidation.triggered"


class Desk:
    """One test: the pair, the exchange, the receiver, the doors to the database."""

    def __init__(self, pair: Pair, venue: Venue, receiver: SignedReceiver, doors: dict[str, Door]) -> None:
        self.pair, self.venue, self.receiver, self.doors = pair, venue, receiver, doors

    def got(self, type_: str = "") -> list[str]:
        """The ids of the alerts that arrived, of one type."""
        return [str(body["data"]["id"]) for body in self.receiver.got if str(body["type"]).startswith(type_)]

    async def begin(self, head: Head, groups: int = 1) -> None:
        await head.serves(within_s=90)
        await self.venue.joined()
        await self.venue.marks(HIGH)
        await head.put(*(one_btc(f"G-{i}") for i in range(groups)))

    async def falls(self, head: Head, groups: int = 1) -> None:
        """Prices fall, again and again as an exchange sends them, until every group is in liquidation."""

        async def is_told() -> bool:
            await self.venue.marks(LOW)
            return len(set(self.got(LIQUIDATION))) >= groups

        await until(is_told, f"liquidations; it said\n{head.said()[-4000:]}", 20.0, step_s=0.2)

    async def agree(self, head: Head) -> None:
        """What arrived is what was committed, each once, but for what was on the wire at a death."""
        log = {row["data"]["id"] for row in await head.alerts()}
        stray = set(self.got()) - log
        assert not stray, f"arrived, but were not committed: {stray}"


@pytest.fixture(scope="module")
def database() -> PostgresServer:
    return shared_server()


@pytest.fixture
async def desk(tmp_path: Path, database: PostgresServer) -> AsyncIterator[Desk]:
    url = await made_database(database, has_tables=False)
    async with Venue() as venue, SignedReceiver() as receiver, Door(database.port) as a, Door(database.port) as b:
        doors = {"a": a, "b": b}
        pair = Pair(tmp_path, venue, url, receiver.url(), doors)
        await pair.write()
        yield Desk(pair, venue, receiver, doors)


async def test_a_standby_says_who_decides_and_takes_over_from_a_head_that_is_killed(desk: Desk) -> None:
    async with desk.pair.daemon("a") as a:
        await desk.begin(a)
        async with desk.pair.daemon("b") as b:
            await b.stands("standby")
            status, told = await b.ask("PUT", "/v1/groups/G-9", one_btc("G-9"))
            assert (status, told["type"]) == (503, "urn:loan-monitor:standby")
            assert "the head a has the lease" in told["detail"]
            at_a_glance = await b.get("/v1/status")
            assert at_a_glance["head"]["holder"] == "a"
            assert at_a_glance["head"]["epoch"] == 1
            assert at_a_glance["head"]["lease_age_s"] < TTL_S
            assert (await b.ask("GET", "/readyz"))[0] == 503
            active = (await a.get("/v1/status"))["head"]
            assert (active["role"], active["basis"], active["epoch"]) == ("active", "lease", 1)
            assert await b.ask("GET", "/headz") == (200, {
                "role": "standby", "holder": active_instance(await b.get("/healthz")), "place": "b",
                "version": active["version"], "epoch": 1, "reaches_database": True,
            })  # fmt: skip
            a.process.kill()
            took_s = await b.serves(TTL_S + SLACK_S)
            assert took_s < TTL_S + SLACK_S
            assert (await b.get("/v1/groups/G-0"))["id"] == "G-0"
            await desk.venue.joined()
            await desk.falls(b)
            await desk.agree(b)
            assert Counter(desk.got(LIQUIDATION)).most_common(1)[0][1] == 1


def active_instance(alive: dict[str, object]) -> object:
    return alive["instance"]


async def test_a_head_that_is_stopped_for_twice_the_lease_is_replaced_and_ends(desk: Desk) -> None:
    async with desk.pair.daemon("a") as a, desk.pair.daemon("b") as b:
        first, second = (a, b) if await decides(a, b) else (b, a)
        await desk.begin(first)
        await second.stands("standby")
        first.signal(signal.SIGSTOP)
        await asyncio.sleep(2 * TTL_S)
        await second.serves(SLACK_S)
        first.signal(signal.SIGCONT)
        code, _ = await first.ended(10.0)
        assert code == 1
        assert "another head has the lease" in first.said()
        assert "Traceback" not in first.said()
        await desk.venue.joined()
        await desk.falls(second)
        await desk.agree(second)
        assert set(Counter(desk.got()).values()) == {1}


async def decides(a: Head, b: Head) -> bool:
    """Whether the first one does: waits until one of the two."""

    async def one() -> bool:
        return "active" in [state["role"] for head in (a, b) if (state := await head.state())]

    await until(one, "one of them decides", 90)
    state = await a.state()
    return state is not None and state["role"] == "active"
