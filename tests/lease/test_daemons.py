"""Two real daemons whose database goes away: for both, for the one that decides, and in the middle of a COMMIT."""

from __future__ import annotations

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
        """What arrived is in the log, by the end at the latest."""
        log = {row["data"]["id"] for row in await head.alerts()}
        stray = set(self.got()) - log
        assert not stray, f"arrived, and is not in the log: {stray}"


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


@pytest.mark.soak
async def test_while_the_database_is_away_for_both_the_active_head_goes_on_and_nobody_takes_over(desk: Desk) -> None:
    async with desk.pair.daemon("a") as a:
        await desk.begin(a)
        async with desk.pair.daemon("b") as b:
            await b.stands("standby")
            for door in desk.doors.values():
                door.cut()
            await until(lambda: _basis(a, "peer"), "the word of the peer", 2 * TTL_S + SLACK_S)
            await desk.falls(a)
            liquidations = [body["data"] for body in desk.receiver.got if body["type"].startswith(LIQUIDATION)]
            assert [data["durable"] for data in liquidations] == [False]
            state = await b.state()
            assert state is not None
            assert state["role"] == "standby"
            assert state["trouble"]
            for door in desk.doors.values():
                door.mend()
            await until(lambda: _is_well(a), f"the lease again; it said:\n{a.said()[-4000:]}", 20)
            await desk.agree(a)
            assert (await a.state() or {})["epoch"] == 1
            ids = {data["id"] for data in liquidations}
            assert {row["data"]["id"] for row in await a.alerts(f"&type={LIQUIDATION}")} == ids, "under the same id"


async def _basis(head: Head, wanted: str) -> bool:
    state = await head.state()
    return state is not None and state["basis"] == wanted


async def _is_well(head: Head) -> bool:
    return await _basis(head, "lease") and "store" not in await head.reasons()


@pytest.mark.soak
@pytest.mark.parametrize("how", ["cut", "hush"])
async def test_a_head_that_alone_is_cut_off_falls_silent_and_its_standby_decides(desk: Desk, how: str) -> None:
    async with desk.pair.daemon("a") as a:
        await desk.begin(a)
        async with desk.pair.daemon("b") as b:
            await b.stands("standby")
            getattr(desk.doors["a"], how)()
            await b.serves(TTL_S + SLACK_S)
            await desk.venue.joined()
            await desk.falls(b)
            code, _ = await a.ended(10.0)
            assert code == 1
            assert "has the lease" in a.said()
            await desk.agree(b)
            assert Counter(desk.got(LIQUIDATION)).most_common() == [(desk.got(LIQUIDATION)[0], 1)]


async def test_where_peer_and_database_are_gone_one_word_goes_and_nothing_else(desk: Desk) -> None:
    """Red where nothing looks at the lease before the bytes: the last resort would send what the other head may be sending."""
    async with desk.pair.daemon("a") as a:
        await desk.begin(a)
        desk.doors["a"].cut()
        await until(lambda: bool(desk.got("monitor.degraded")), "the last word", TTL_S + 3 * SLACK_S)
        before = len(desk.receiver.got)

        async def fell() -> bool:
            await desk.venue.marks(LOW)
            return bool((await a.get("/v1/groups/G-0"))["stage"] == "liquidation")

        await until(fell, f"core decides on; it said:\n{a.said()[-4000:]}", 20, step_s=0.2)
        assert [body["type"] for body in desk.receiver.got[before:]] == []
        assert (await a.state() or {})["basis"] == "none"
        desk.doors["a"].mend()
        await until(lambda: _is_well(a), f"the lease again; it said:\n{a.said()[-4000:]}", 20)
        await until(lambda: bool(desk.got(LIQUIDATION)), "what was held back", 20)
        await desk.agree(a)
        assert set(Counter(desk.got(LIQUIDATION)).values()) == {1}
