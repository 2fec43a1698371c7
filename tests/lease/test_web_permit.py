"""What people ask of a head over its web once its lease has ended: nothing is sent, and nothing is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from monitor.clock import SystemClock
from monitor.config import load
from monitor.daemon.app import App
from monitor.daemon.heads import Lead
from monitor.lease.fenced import Fenced, fenced_by
from monitor.lease.keeper import Keeper, Settings
from monitor.lease.rows import HeadName
from monitor.names import Loop
from monitor.service_manager import ServiceManager
from tests.book_lines import one_btc
from tests.faults.house import House, SignedReceiver, until, webhook
from tests.lease.world import made_database
from tests.postgres_server import shared_server

CLOCK = SystemClock()
TTL_S = 1.0
BRIEFLY = aiohttp.ClientTimeout(total=2.0)
HOOK = "/v1/channels/hook/test"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, Loop], ids=["asyncio", "uvloop"])
def test_over_the_web_a_head_whose_lease_ended_neither_sends_nor_commits(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is served in a task of its own, and has the permit of the head all the same, on each kind of loop."""
    monkeypatch.chdir(tmp_path)
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(ask_it(tmp_path))


async def ask_it(folder: Path) -> None:
    url = await made_database(shared_server(), has_tables=False)
    async with SignedReceiver() as receiver:
        house = House(folder)
        head = f'[head]\nname = "one"\nttl = "{int(TTL_S)}s"\npeer = "http://127.0.0.1:9"\n'
        house.write(webhook("hook", receiver.url()), head, store=f'kind = "postgres"\nurl = "{url}"\ntls = "off"')
        config = load(house.config)
        lead = Lead(config, CLOCK, ServiceManager(None, None, CLOCK))
        assert await lead.taken(asyncio.Event(), lambda _: None)
        app = App(config, CLOCK, lead=lead)
        await app.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{app.address[1]}") as http:
                await asked(http, lead, receiver, url)
                with suppress(aiohttp.ClientError, TimeoutError):  # the process would have ended by now
                    status = (await http.put("/v1/groups/G-1", json=one_btc("G-1"), timeout=BRIEFLY)).status
                    assert status == 503
                await until(lambda: app.tasks.error is not None, "the daemon ends")
                assert fenced_by(app.tasks.error) is not None
        finally:
            with suppress(Fenced):  # what it would commit at the end is refused as well
                await app.stop()
            await app.store.close()
            await lead.end()
        assert await rows(url, "groups") == 0
        assert await rows(url, "alerts") == 0
        assert len(receiver.got) == 1


async def asked(http: aiohttp.ClientSession, lead: Lead, receiver: SignedReceiver, url: str) -> None:
    assert (await told(http, "POST", HOOK))["delivered"]
    assert lead.holding is not None
    lead.holding.cancel()  # as if the process stood still
    with suppress(asyncio.CancelledError):
        await lead.holding
    await asyncio.sleep(TTL_S)
    answer = await told(http, "POST", HOOK)
    assert not answer["delivered"]
    assert "holds no lease" in answer["detail"]
    assert len(receiver.got) == 1
    successor = Keeper(connected(url), Settings(HeadName("two", "two", "1"), TTL_S), CLOCK)
    async with asyncio.timeout(5 * TTL_S):
        await successor.wait()
    await successor.release()


async def told(http: aiohttp.ClientSession, method: str, path: str) -> dict[str, Any]:
    async with http.request(method, path) as answer:
        found: dict[str, Any] = await answer.json()
        return found


def connected(url: str) -> Callable[[dict[str, str]], Any]:
    async def connect(settings: dict[str, str]) -> Any:
        return await asyncpg.connect(url, server_settings={"search_path": "monitor", **settings})

    return connect


async def rows(url: str, table: str) -> int:
    db = await asyncpg.connect(url)
    count: int = await db.fetchval(f"SELECT count(*) FROM monitor.{table}")
    await db.close()
    return count
