"""What a daemon says while it waits and while it takes over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from monitor.clock import SystemClock
from monitor.config import load
from monitor.daemon.heads import Lead
from monitor.lease.peer import Peer
from monitor.service_manager import ServiceManager
from tests.faults.house import House, until
from tests.lease.proxy import Door
from tests.lease.world import made_database
from tests.postgres_server import shared_server

CLOCK = SystemClock()
LATE_S = 0.3
"""The database answers so much later than the standby could."""


def lead(folder: Path, name: str, url: str) -> Lead:
    house = House(folder)
    house.write(f'[head]\nname = "{name}"', store=f'kind = "postgres"\nurl = "{url}"\ntls = "off"')
    return Lead(load(house.config), CLOCK, ServiceManager(None, None, CLOCK))


async def test_a_standby_answers_once_it_has_looked_at_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = shared_server()
    url = await made_database(server, has_tables=False)
    holder = lead(tmp_path / "one", "one", url).keeper
    stopping, said = asyncio.Event(), []
    async with asyncio.timeout(20.0), Door(server.port) as door:
        await holder.wait()
        waits = lead(tmp_path / "two", "two", url.replace(f":{server.port}/", f":{door.port}/"))

        def welcome(_: object) -> None:
            said.append(waits.keeper.state.holder_named)
            stopping.set()

        door.hush()
        asyncio.get_running_loop().call_later(LATE_S, door.mend)
        assert not await waits.taken(stopping, welcome)
        assert said == ["the head one has the lease"]
        await holder.release()


async def test_a_standby_that_takes_over_answers_its_peer_until_its_own_web_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head that is cut off alone would else take a peer that only starts for one that is gone, and say its last word."""
    monkeypatch.chdir(tmp_path)
    url = await made_database(shared_server(), has_tables=False)
    holder, stopping, ports = lead(tmp_path / "one", "one", url).keeper, asyncio.Event(), []
    waits = lead(tmp_path / "two", "two", url)
    async with asyncio.timeout(20.0):
        await holder.wait()
        taking = asyncio.create_task(waits.taken(stopping, lambda address: ports.append(address[1])))
        await until(lambda: ports, "it waits")
        await holder.release()
        assert await taking
        peer = Peer(f"http://127.0.0.1:{ports[0]}")
        told = await peer.ask(5.0)
        assert told is not None
        assert (told.role, told.epoch) == ("active", 2)
        async with aiohttp.request("GET", peer.url + "/v1/groups") as answer:
            assert answer.status == 503
            assert "takes over" in await answer.text()
        await waits.make_room()
        assert await peer.ask(1.0) is None
        await waits.end()
