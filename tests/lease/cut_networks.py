"""Run in namespaces of its own: two daemons and their database on machines between which the network is cut.

`python -m tests.lease.cut_networks FOLDER CUT...` plays the cuts one after the other; see `CUTS`.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from tests.book_lines import one_btc
from tests.faults.house import House, SignedReceiver, now_s, until, webhook
from tests.feeds.venue import Venue
from tests.lease import networks
from tests.lease.house import SLACK_S, TTL_S, Head
from tests.postgres_server import PostgresServer

PORT = 8080
GROUPS = 150
QUIET, FIRST, STEP = 100_000, 64_900, 130
"""Prices of BTC: before the fall, at its beginning, and by how much each next one is lower: it calls one group more."""
LATE_S = 0.15 * TTL_S
"""What was on the wire when the lease ended has arrived by then."""
CONNECTED_S = 5.0
"""Whoever connects has asked again by then, when the way is free again. The last word of a head that is cut off comes later."""
CALL, DEGRADED = "loan_group.margin_call.opened", "monitor.degraded"


class Arrival(NamedTuple):
    """One attempt at the receiver."""

    at_s: float
    sender: str
    id: str


class Wire(SignedReceiver):
    """Notes who sends what and when, each head at an address of its own."""

    def __init__(self) -> None:
        super().__init__(host=networks.ROUTER)
        self.arrivals: list[Arrival] = []
        self.answers_after_s: dict[str, float] = {}

    async def _take(self, request: web.Request) -> web.Response:
        sender = request.path.strip("/")
        self.arrivals.append(Arrival(now_s(), sender, request.headers["webhook-id"]))
        answer = await super()._take(request)
        answer.force_close()  # each post has a connection of its own
        await asyncio.sleep(self.answers_after_s.get(sender, 0.0))
        return answer

    def sent(self, by: str, since_s: float) -> list[str]:
        """The ids that one head sent from then on."""
        return [arrival.id for arrival in self.arrivals if arrival.sender == by and arrival.at_s >= since_s]

    def calls(self) -> dict[str, set[str]]:
        """By group, the ids of its margin calls that arrived."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for body in self.of(CALL):
            found[body["data"]["group"]["id"]].add(body["data"]["id"])
        return found


class Market:
    """Quotes until the block is left; while it falls, each price calls one group more."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.called = 0
        """Groups that must be told of."""
        self.falls = False

    async def run(self) -> None:
        while True:
            self.called += self.falls
            price = FIRST - STEP * (self.called - 1) if self.called else QUIET
            await self._venue.marks({"BTCUSDT": str(price)})
            await asyncio.sleep(0.05 * TTL_S)

    async def fall(self, groups: int) -> None:
        """So many groups more, and no further."""
        wanted = self.called + groups
        assert wanted <= GROUPS, "the book is too small"
        self.falls = True
        await until(lambda: self.called >= wanted, "the market falls", 60.0)
        self.falls = False


class NetHead(Head):
    """A daemon on a machine of its own."""

    def __init__(self, house: House, name: str, token: str) -> None:
        super().__init__(house, PORT)
        self.name, self._token = name, token
        self.network = networks.file_of(name)
        self.url = f"http://{networks.address(name)}:{PORT}"

    async def __aenter__(self) -> NetHead:
        await super().__aenter__()
        self.http.headers["Authorization"] = f"Bearer {self._token}"
        return self

    async def basis(self) -> str:
        """On what it sends."""
        return str((await self.state() or {}).get("basis"))

    async def is_well(self) -> bool:
        return await self.basis() == "lease" and "store" not in await self.reasons()


class Desk(NamedTuple):
    """One trial: `a` decides and `b` waits."""

    a: NetHead
    b: NetHead
    wire: Wire
    market: Market

    async def stands(self, role: str, epoch: int = 1) -> None:
        """What `b` says of itself, while nobody has taken over or it has."""
        state = await self.b.state() or {}
        assert (state["role"], state["epoch"]) == (role, epoch), state

    async def told(self, head: NetHead) -> None:
        """Every group that was called is told of, under one id, and no other group."""
        wanted = {f"G-{i}" for i in range(self.market.called)}
        await until(lambda: set(self.wire.calls()) >= wanted, f"all calls; it said\n{head.said()[-4000:]}", 20.0)
        calls = self.wire.calls()
        assert set(calls) == wanted
        assert {group: ids for group, ids in calls.items() if len(ids) > 1} == {}, "told under two ids"
        log = {row["data"]["id"] for row in await head.alerts()}
        stray = {body["data"]["id"] for body in self.wire.got if body["type"] != DEGRADED} - log
        assert not stray, f"arrived, and is not in the log: {stray}"


async def peers(desk: Desk) -> None:
    """The heads do not reach each other: nothing happens."""
    began = len(desk.wire.got)
    networks.cut("a", "b")
    await desk.market.fall(5)
    await asyncio.sleep(2 * TTL_S)
    await desk.told(desk.a)
    assert await desk.a.basis() == "lease"
    await desk.stands("standby")
    networks.mend("a", "b")
    said = desk.wire.got[began:]
    assert [body["type"] for body in said] == [CALL] * 5, "a false alert"
    assert all(body["data"]["durable"] for body in said)


async def peers_for_long(desk: Desk) -> None:
    """The same, until the active head has found out: it says so to those who ask, and to nobody else."""
    networks.cut("a", "b")

    async def is_known() -> bool:
        return (await desk.a.state() or {})["peer_says"] == "does not answer"

    await until(is_known, "the peer is missed", 20.0)
    assert "head" in await desk.a.degraded()
    networks.mend("a", "b")
    await peers(desk)


async def database(desk: Desk, *, is_standby_first: bool = False) -> None:
    """Neither reaches the database: the active head goes on by the word of its peer, and nobody takes over."""
    began_s, began = now_s(), len(desk.wire.got)
    for name in "ab":
        networks.cut(name, "db")
    await until(lambda: _is(desk.a, "peer"), f"the word of the peer; it said\n{desk.a.said()[-4000:]}", 2 * TTL_S)
    before = desk.market.called
    await desk.market.fall(5)
    called = {f"G-{i}" for i in range(before, desk.market.called)}
    await until(lambda: set(desk.wire.calls()) >= called, f"calls; it said\n{desk.a.said()[-4000:]}", 20.0)
    said = [body["data"] for body in desk.wire.got[began:] if body["type"] == CALL]
    assert {data["group"]["id"] for data in said} == called
    assert not any(data["durable"] for data in said)
    await desk.stands("standby")
    networks.mend("b", "db")
    if is_standby_first:
        # It has been blind as long as the other, and gives it the time of a lease.
        await until(lambda: _is_reached(desk.b), "the standby reaches the database", 10.0)
    networks.mend("a", "db")
    await until(desk.a.is_well, f"the lease again; it said:\n{desk.a.said()[-4000:]}", 20.0)
    await desk.told(desk.a)
    await asyncio.sleep(TTL_S)
    await desk.stands("standby")
    assert desk.wire.sent("b", began_s) == []
    degraded = [body["data"]["id"] for body in desk.wire.got[began:] if body["type"] == DEGRADED]
    assert len(set(degraded)) <= 1
    assert {data["id"] for data in said} <= {row["data"]["id"] for row in await desk.a.alerts(f"&type={CALL}")}


async def _is_reached(head: NetHead) -> bool:
    return not (await head.state() or {"trouble": "?"})["trouble"]


async def _is(head: NetHead, basis: str) -> bool:
    return await head.basis() == basis


async def alone(desk: Desk) -> None:
    """The active head does not reach the database and its peer does: it is silent when its lease ends, and then at its end."""
    cut_s = await _cut_while_it_sends(desk, "db")
    took_s = now_s() - cut_s
    code, _ = await desk.a.ended(10.0)
    assert code == 1
    assert "has the lease" in desk.a.said()
    assert "Traceback" not in desk.a.said()
    await _agree(desk, cut_s, [])
    assert took_s < TTL_S + SLACK_S + LATE_S, took_s


async def everything(desk: Desk) -> None:
    """The active head reaches neither database nor peer: it says so once, nothing more, and its standby decides."""
    cut_s = await _cut_while_it_sends(desk, "db", "b")
    assert now_s() - cut_s < TTL_S + SLACK_S + LATE_S
    await until(lambda: bool(desk.wire.of(DEGRADED)), f"the last word; it said\n{desk.a.said()[-4000:]}", 30.0)
    await desk.market.fall(10)
    await asyncio.sleep(2 * TTL_S)
    assert desk.a.process.returncode is None, "nobody has told it of the other"
    assert await desk.a.basis() == "none"
    for other in ("db", "b"):
        networks.mend("a", other)
    code, _ = await desk.a.ended(10.0)
    assert code == 1
    await _agree(desk, cut_s, [body["data"]["id"] for body in desk.wire.of(DEGRADED)[:1]])
    assert [body["path"] for body in desk.wire.of(DEGRADED)] == ["/a"]


async def connecting(desk: Desk) -> None:
    """As `everything`, while `a` connects to its channel: it gets through when its lease is over, and has nothing to say."""
    port = desk.wire.port
    networks.hold("a", port)
    before = len(desk.wire.arrivals)
    await desk.market.fall(10)
    cut_s = now_s()
    for other in ("db", "b"):
        networks.cut("a", other)
    await desk.b.serves(TTL_S + SLACK_S + LATE_S)
    networks.release("a", port)
    await asyncio.sleep(CONNECTED_S)
    assert desk.a.process.returncode is None, "nobody has told it of the other"
    senders = {arrival.sender for arrival in desk.wire.arrivals[before:]}
    assert senders == {"b"}, f"sent by {senders}"
    for other in ("db", "b"):
        networks.mend("a", other)
    code, _ = await desk.a.ended(10.0)
    assert code == 1
    await _agree(desk, cut_s, [])


async def _cut_while_it_sends(desk: Desk, *others: str) -> float:
    """Cuts `a` off while much waits for its slow channel and more is called; when that was. Ends when `b` serves."""
    desk.wire.answers_after_s["a"] = 0.25
    await desk.market.fall(40)
    cut_s = now_s()
    for other in others:
        networks.cut("a", other)
    desk.market.falls = True
    await desk.b.serves(TTL_S + SLACK_S + LATE_S)
    desk.market.falls = False
    return cut_s


async def _agree(desk: Desk, cut_s: float, late: list[str]) -> None:
    """All is told; `a` said nothing beyond its lease but this, and only what was on the wire came from both."""
    await desk.told(desk.b)
    await desk.stands("active", epoch=2)
    assert desk.wire.sent("a", cut_s + TTL_S + LATE_S) == late, "sent by a head whose lease had ended"
    for name in "ab":
        twice = [id_ for id_, count in Counter(desk.wire.sent(name, cut_s)).items() if count > 1]
        assert not twice, f"sent twice by {name}: {twice}"
    both = set(desk.wire.sent("a", 0.0)) & set(desk.wire.sent("b", 0.0))
    # The answer to these was on the wire when it was cut off, or it could not write down that it had come.
    unsure = set(desk.wire.sent("a", cut_s - desk.wire.answers_after_s.get("a", 0.0) - LATE_S))
    assert both <= unsure, f"sent by both: {both - unsure}"


CUTS: dict[str, Callable[[Desk], Awaitable[None]]] = {
    "peers": peers,
    "peers for long": peers_for_long,
    "database": database,
    "database, standby first": partial(database, is_standby_first=True),
    "alone": alone,
    "everything": everything,
    "connecting": connecting,
}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Desk]:
    """The two daemons run, with a book and a quiet market."""
    networks.build()
    server = PostgresServer(host=networks.address("db"), prefix=networks.on("db")).start()
    async with Venue(host=networks.ROUTER) as venue, Wire() as wire:
        token = secrets.token_hex(16)
        a, b = (NetHead(_house(folder, name, venue, wire, server, token), name, token) for name in "ab")
        market = Market(venue)
        async with a:
            await a.serves(within_s=90)
            await venue.joined()
            quoting = asyncio.create_task(market.run())
            await a.put(*(one_btc(f"G-{i}", owed=str(50_000 - 100 * i)) for i in range(GROUPS)))
            async with b:
                await b.stands("standby")
                yield Desk(a, b, wire, market)
                assert wire.bad == []
                quoting.cancel()
    server.remove()


def _house(folder: Path, name: str, venue: Venue, wire: Wire, server: PostgresServer, token: str) -> House:
    house = House(folder / name, venue)
    (house.folder / "password").write_text(server.password)
    (house.folder / "password").chmod(0o600)
    peer = networks.address("b" if name == "a" else "a")
    house.write(
        webhook("hook", wire.url(name)),
        f'[head]\nname = "{name}"\nttl = "{int(TTL_S)}s"\npeer = "http://{peer}:{PORT}"\n',
        store=f'kind = "postgres"\nurl = "{server.url}"\npassword_file = "password"\ntls = "off"\ntimeout = "1s"',
        web=f'host = "{networks.address(name)}"\nport = {PORT}\n'
        f'tokens = [{{ name = "desk", role = "admin", secret = "{token}" }}]',
    )
    return house


async def main(folder: Path, cuts: list[str]) -> None:
    async with opened(folder) as desk:
        for name in cuts:
            await CUTS[name](desk)
            print(name, "holds", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
