"""The real daemon asks the people on duty, by mail, over a kill in the middle of a step; and its heartbeat says that it works."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from signal import SIGKILL

from aiohttp import web

from monitor.audit_chain import head_of
from monitor.clock import SystemClock
from tests.faults.house import SECRET, Daemon, House, free_port, until, webhook
from tests.feeds.venue import Venue
from tests.notifiers.service import serving
from tests.signatures import Signatures

LINE = {
    "id": "G-1",
    "product": "vip_loan",
    "receiving_account": "in-1",
    "collateral": {"acct-1": {"USDC": "1000000"}},
    "loans": [
        {
            "id": "L-1",
            "asset": "USDT",
            "principal": "960000",
            "interest": "0",
            "rate": {"kind": "flexible"},
            "term": "open",
            "opened_at": "2025-12-20T10:00:00Z",
            "matures_at": None,
        }
    ],
}
FLAT = """\
[[version]]
effective = 2024-04-29T00:00:00Z
thresholds = { initial = "0.72", margin_call = "0.77", liquidation = "0.91", immediate = "0.95" }
grace = "24h"
liquidation_fee = "0.02"
late_interest_factor = "3"
renewal_window = "7d"
[version.ladders]
USDC = [["inf", "1"]]
[version.rates]
USDT = "0"
"""
PEOPLE = """\
[[notifier]]
name = "mail"
kind = "email"
smtp = "file:mails"
sender = "risk@desk.example"
to = ["desk@desk.example"]
[[person]]
name = "anna"
contacts = { mail = "anna@desk.example" }
[[person]]
name = "ben"
contacts = { mail = "ben@desk.example" }
[[rota]]
name = "desk"
people = ["anna"]
starts = 2026-01-05
time_zone = "Europe/Stockholm"
[[escalation]]
name = "night"
repeat = 0
[[escalation.step]]
after = "1s"
to = ["desk"]
[[escalation.step]]
after = "4s"
to = ["ben"]
"""


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[dict[str, object]], list[str]]]:
    """A receiver of webhooks, and an address to ping: its address, the bodies, the paths that were asked."""
    bodies: list[dict[str, object]] = []
    pings: list[str] = []

    signatures = Signatures(SECRET)

    async def take(request: web.Request) -> web.Response:
        signatures.verified("", request.headers, await request.read())
        bodies.append(await request.json())
        return web.Response()

    async def ping(request: web.Request) -> web.Response:
        pings.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    app.router.add_get("/ping/{key}", ping)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}", bodies, pings
    finally:
        await runner.cleanup()


def house(folder: Path, *parts: str, web_table: str = "port = 0") -> House:
    made = House(folder)
    (made.folder / "vip_loan.toml").write_text(FLAT)
    made.write(*parts, web=web_table)
    text = made.config.read_text()
    made.config.write_text(text.replace("[prices]\n", '[prices]\nusdt_usd = "1"\n'))
    return made


def mails(folder: Path, to: str) -> list[str]:
    """The texts of the mails to an address, in order."""
    found = []
    for file in sorted((folder / "mails").glob("*.eml"), key=lambda f: f.stat().st_mtime_ns):
        message = message_from_bytes(file.read_bytes(), policy=policy.default)
        body = message.get_body(("plain",))
        if to in str(message["To"]) and body is not None:
            found.append(str(body.get_content()))
    return found


async def put_critical(daemon: Daemon) -> None:
    async with daemon.http.put(f"{daemon.url}/v1/groups/G-1", json=LINE) as answer:
        assert answer.status in (200, 201), await answer.text()


async def test_the_next_people_are_asked_after_a_kill_and_the_link_of_the_newest_mail_acknowledges(
    tmp_path: Path,
) -> None:
    port = await free_port()
    there = house(tmp_path, PEOPLE, web_table=f'port = {port}\npublic_url = "http://127.0.0.1:{port}"')
    async with Daemon(there) as daemon:
        await put_critical(daemon)
        await _pin(daemon)
        await until(lambda: mails(tmp_path, "anna@"), "anna is asked", 15)
        first = re.search(r"http://\S+/ack/\S+", mails(tmp_path, "anna@")[0])
        assert first is not None
        daemon.signal(SIGKILL)
        await daemon.process.wait()
        await daemon.again()
        await until(lambda: mails(tmp_path, "ben@"), "ben is asked", 20)
        second = re.search(r"http://\S+/ack/\S+", mails(tmp_path, "ben@")[0])
        assert second is not None
        assert len(mails(tmp_path, "anna@")) == 1
        async with daemon.http.post(first[0]) as late:
            assert late.status == 410
        async with daemon.http.get(second[0]) as page:
            assert (page.status, "ben" in await page.text()) == (200, True)
        async with daemon.http.post(second[0]) as done:
            assert done.status == 200, await done.text()
        async with daemon.http.get(f"{daemon.url}/v1/audit") as answer:
            rows = (await answer.json())["items"]
        assert [(r["who"], r["action"]) for r in rows if r["action"] == "take_in_hand"] == [("ben", "take_in_hand")]
        await until(lambda: len(mails(tmp_path, "anna@")) == 2, "anna hears that ben has it", 15)
        said = await there.ran("duty", "--url", daemon.url)
        assert "desk: anna" in said.out, said
        assert "acknowledged by ben" in said.out, said
        assert second[0].rpartition("/")[2] not in daemon.said() + (await answer.text())


async def _pin(daemon: Daemon) -> None:
    until_then = (SystemClock().utc() + timedelta(days=1)).isoformat()
    body = {"pin": "1", "until": until_then, "reason": "a test"}
    async with daemon.http.post(f"{daemon.url}/v1/prices/USDC/decisions", json=body) as answer:
        assert answer.status in (200, 201), await answer.text()


async def test_heartbeats_come_by_the_whole_path_and_stand_in_no_list(tmp_path: Path) -> None:
    async with receiver() as (url, bodies, pings):
        beat = webhook("watch", f"{url}/hook").replace("[[notifier]]\n", '[[notifier]]\nheartbeat = "1s"\n')
        ping = f'[heartbeat]\nping_url = "{url}/ping/secret-key"\nevery = "1s"\nallow_private = true\n'
        there = house(tmp_path, beat, ping)
        async with Daemon(there) as daemon:
            await until(lambda: len(bodies) >= 3, "three heartbeats", 15)
            data = bodies[-1]["data"]
            assert isinstance(data, dict)
            assert bodies[-1]["type"] == "monitor.heartbeat"
            assert len(data["facts"]["digest"]) == 64
            assert {"groups", "cursor", "last_tick_age_s", "last_tick_at"} <= data["facts"].keys()
            assert head_of(data["facts"]["audit_head"]).number == 0
            async with daemon.http.get(f"{daemon.url}/v1/alerts?type=monitor.heartbeat") as answer:
                assert (await answer.json())["items"] == []
            assert pings == []  # no feed evaluates a price: the path does not move
            assert "secret-key" not in daemon.said()


async def test_the_outside_address_is_asked_while_prices_are_evaluated_and_no_longer(tmp_path: Path) -> None:
    async with receiver() as (url, _, pings):
        ping = f'[heartbeat]\nping_url = "{url}/ping/secret-key"\nevery = "1s"\nallow_private = true\n'
        venue = Venue()
        await venue.start()
        there = House(tmp_path, venue)
        beat = webhook("watch", f"{url}/hook").replace("[[notifier]]\n", '[[notifier]]\nheartbeat = "1s"\n')
        there.write(beat, ping)
        async with Daemon(there):
            stop = asyncio.Event()

            async def trade() -> None:
                price = 30_000
                while not stop.is_set():
                    price += 1
                    await venue.marks({"BTCUSDT": str(price)})
                    await asyncio.sleep(0.2)

            task = asyncio.create_task(trade())
            await until(lambda: len(pings) >= 2, "two pings", 20)
            stop.set()
            await task
            await asyncio.sleep(2.5)
            before = len(pings)
            await asyncio.sleep(3)
            assert len(pings) == before
        await venue.stop()


async def test_a_ping_of_a_private_address_is_refused_unless_allowed(tmp_path: Path) -> None:
    there = house(tmp_path, '[heartbeat]\nping_url = "http://user:pass word@/x"\n')
    ended = await there.ran("check-config", "--config", "monitor.toml")
    assert ended.code == 2
    assert "ping_url" in ended.err + ended.out


CHATS = """\
[[person]]
name = "anna"
contacts = {{ anna-chat = "own", room = "anna" }}
[[person]]
name = "ben"
contacts = {{ room = "ben" }}
[[notifier]]
name = "anna-chat"
kind = "slack"
url = "{url}/anna/key"
allow_private = true
[[notifier]]
name = "room"
kind = "slack"
url = "{url}/room/key"
allow_private = true
[[route]]
to = ["room"]
[[escalation]]
name = "night"
repeat = 0
[[escalation.step]]
after = "1s"
to = ["anna", "ben"]
"""


async def test_a_chat_of_ones_own_has_the_link_and_a_room_has_none(tmp_path: Path) -> None:
    async with serving() as chats:
        chats.body = "ok"
        port = await free_port()
        table = f'port = {port}\npublic_url = "http://127.0.0.1:{port}"'
        there = house(tmp_path, CHATS.format(url=chats.url), web_table=table)
        async with Daemon(there) as daemon:
            await put_critical(daemon)
            await _pin(daemon)

            def asked(path: str) -> list[str]:
                return [
                    g.raw.decode() for g in chats.got if g.path.startswith(path) and "nobody has ack" in g.raw.decode()
                ]

            await until(lambda: asked("/anna") and len(asked("/room")) == 2, "the step", 15)
            (own,) = asked("/anna")
            link = next(b["url"] for b in json.loads(own)["blocks"][-1]["elements"] if "/ack/" in b["url"])
            assert ".anna." in link
            for text in asked("/room"):
                assert "/ack/" not in text
                assert "/#/group/G-1" in text
            async with daemon.http.get(link) as page:
                assert (page.status, "I have it in hand" in await page.text()) == (200, True)
            async with daemon.http.post(link) as done:
                assert done.status == 200, await done.text()
            rows = (await daemon.get("/v1/audit"))["items"]
            assert [r["who"] for r in rows if r["action"] == "take_in_hand"] == ["anna"]
            assert link.rpartition(".")[2] not in daemon.said()
