"""Strangers take every connection, guess, drip and send nonsense, and a receiver floods: an alert goes out in time."""

from __future__ import annotations

import asyncio
import json
import os
import re
from functools import partial

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, now_s, until, webhook
from tests.faults.strangers import Strangers, flooding_peer, resident_mb

TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789"
WEB = f'port = 0\nhealth_port = 0\ntokens = [{{ name = "ops", role = "admin", secret = "{TOKEN}" }}]\n'
FEW_DESCRIPTORS = ("bash", "-c", 'ulimit -n 1024; exec "$@"', "daemon")
"""As most systems begin with: half of it for connections."""
GROUPS = 20


def health_port(daemon: Daemon) -> int:
    found = re.search(r"a port of their own +port=(\d+)", daemon.said())
    assert found, daemon.said()
    return int(found[1])


async def test_an_alert_goes_out_in_time_whatever_strangers_and_a_receiver_do(
    house: House, receiver: SignedReceiver
) -> None:
    assert house.venue is not None
    async with flooding_peer() as evil:
        house.write(webhook("hook", receiver.url()), webhook("evil", evil), web=WEB)
        async with Daemon(house, prefix=FEW_DESCRIPTORS) as daemon:
            daemon.http.headers["Authorization"] = f"Bearer {TOKEN}"
            await house.venue.marks({"BTCUSDT": "100000"})
            await daemon.put(*(one_btc(f"G-{n}") for n in range(GROUPS)))
            port = int(daemon.url.rpartition(":")[2])
            before_mb = resident_mb(daemon.process.pid)
            async with Strangers(port).at_work() as strangers:
                strangers.guessers(3)
                await until(lambda: receiver.of("security.guessing"), "the guesser is told of")
                await strangers.idle(1100, addresses=5)
                strangers.slow_headers(30)
                strangers.slow_bodies(10)
                strangers.garbage(5)
                strangers.deaf_readers(20, TOKEN)
                await house.venue.close()  # the feed needs a new descriptor, and so does each notice
                await house.venue.joined()
                start_s = now_s()
                await house.venue.marks({"BTCUSDT": "64000"})
                opened = "loan_group.margin_call.opened"
                await until(lambda: len(receiver.of(opened)) >= GROUPS, "the alerts", 15)
                assert now_s() - start_s < 10

                async def is_ready(at: int) -> bool:
                    async with daemon.http.get(f"http://127.0.0.1:{at}/readyz") as answer:
                        return answer.status == 200 and (await answer.json())["ready"]

                for at in (port, health_port(daemon)):  # which looks at the feeds a moment after they are there again
                    await until(partial(is_ready, at), f"port {at} is ready", 5)
                async with daemon.http.get(f"http://127.0.0.1:{health_port(daemon)}/metrics") as answer:
                    metrics = await answer.text()
                found = re.search(r'web_refused_total{reason="full"} (\S+)', metrics)
                assert found, "the strangers took all connections"
                assert float(found[1]) > 100
                # The array libraries load meanwhile, and take 100 MB. The flood alone took 1.2 GB.
                grown_mb = resident_mb(daemon.process.pid) - before_mb
                assert grown_mb < 250, f"{grown_mb} MB more"
            (guessing,) = receiver.of("security.guessing")
            assert guessing["data"]["facts"]["address"] == "127.0.0.61"
            channels = {item["name"]: item for item in (await daemon.get("/v1/channels"))["items"]}
            assert "longer than 65,536 bytes" in json.dumps(channels["evil"])
            said = daemon.said()
            assert "web.max_connections is more than half of the descriptors" in said
            assert "Traceback" not in said
            assert len(re.findall("a request cannot be read", said)) <= 1
            code, took_s = await daemon.stop()
            assert (code, took_s < 10) == (0, True)


def descriptors(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@pytest.mark.soak
async def test_a_minute_of_strangers_leaves_nothing_behind(house: House, receiver: SignedReceiver) -> None:
    """Memory is flat, every descriptor comes back, and each alert and each probe is in time all the while."""
    assert house.venue is not None
    async with flooding_peer() as evil:
        house.write(webhook("hook", receiver.url()), webhook("evil", evil), web=WEB)
        async with Daemon(house) as daemon:
            daemon.http.headers["Authorization"] = f"Bearer {TOKEN}"
            await house.venue.marks({"BTCUSDT": "100000"})
            await daemon.put(one_btc("G-1"))
            await asyncio.sleep(10)  # the array libraries load
            open_before, before_mb = descriptors(daemon), resident_mb(daemon.process.pid)
            async with Strangers(int(daemon.url.rpartition(":")[2])).at_work() as strangers:
                strangers.slow_headers(60)
                strangers.slow_bodies(20)
                strangers.garbage(10)
                strangers.guessers(5)
                strangers.deaf_readers(20, TOKEN)
                for n in range(6):
                    await strangers.idle(1100, addresses=5)
                    told = len(receiver.got)
                    await house.venue.marks({"BTCUSDT": "64000" if n % 2 == 0 else "120000"})
                    await until(lambda told=told: len(receiver.got) > told, "the alert", 10)  # type: ignore[misc]
                    assert await daemon.reasons() == {}
                    await asyncio.sleep(8)
                grown_mb = resident_mb(daemon.process.pid) - before_mb
                assert grown_mb < 60, f"{grown_mb} MB more"
            await until(lambda: descriptors(daemon) <= open_before + 5, f"descriptors as before: {open_before}", 40)
            assert "Traceback" not in daemon.said()
