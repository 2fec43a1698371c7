"""What operators said outlives the process, and the recording of a day folds to the same alerts."""

from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta
from pathlib import Path

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, but_stalls, until


async def test_a_kill_loses_neither_an_acknowledgement_nor_a_silence(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    quiet = {"match": {"group": "G-2"}, "reason": "a test", "up_to": "critical"}
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1", btc="0"))
        (alert,) = but_stalls(await daemon.alerts())
        ack = f"{daemon.url}/v1/alerts/{alert['data']['id']}/ack"
        async with daemon.http.post(ack, json={"note": "called"}) as r:
            assert r.status == 200, await r.text()
        now = (await daemon.get("/v1/status"))["at"]
        async with daemon.http.post(f"{daemon.url}/v1/silences", json=quiet | {"until": later(now)}) as r:
            assert r.status == 201, await r.text()
            silence = await r.json()
        await daemon.put(one_btc("G-2", btc="0"))
        before = but_stalls(await daemon.alerts())
        daemon.signal(signal.SIGKILL)
        await daemon.process.wait()
        await daemon.again()
        assert (await daemon.get("/v1/groups/G-1"))["acknowledged"]["note"] == "called"
        assert (await daemon.get("/v1/silences"))["items"] == [silence]
        assert but_stalls(await daemon.alerts()) == before
        assert [a["action"] for a in (await daemon.get("/v1/audit"))["items"]] == [
            "put group", "acknowledge", "silence", "put group",
        ]  # fmt: skip
        async with daemon.http.delete(f"{daemon.url}/v1/silences/{silence['id']}") as r:
            assert r.status == 204
        told = but_stalls(await daemon.alerts())
    shown = [(a["data"]["group"]["id"], a["data"].get("silenced_by")) for a in told]
    assert shown == [("G-1", None), ("G-2", silence["id"]), ("G-2", None)]
    ended = await house.ran("replay", "--config", "monitor.toml", "--log", "var/events", "--json")
    assert (ended.code, ended.err) == (0, ""), ended
    folded = [one["data"] for one in but_stalls(map(json.loads, ended.out.splitlines()))]
    assert [(a["id"], a.get("silenced_by")) for a in folded] == [
        (a["data"]["id"], a["data"].get("silenced_by")) for a in told
    ]


async def test_a_kill_loses_no_pin_and_it_ends_at_its_time(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(feed=False)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        assert (await daemon.get("/v1/groups/G-1"))["unknown"]
        now = datetime.fromisoformat((await daemon.get("/v1/status"))["at"])
        said = {"pin": "31000", "until": (now + timedelta(seconds=9)).isoformat(), "reason": "the venue is down"}
        async with daemon.http.post(f"{daemon.url}/v1/prices/BTC/decisions", json=said) as r:
            assert r.status == 201, await r.text()
            pinned = await r.json()
        daemon.signal(signal.SIGKILL)
        await daemon.process.wait()
        await daemon.again()
        after = await daemon.get("/v1/prices/BTC")
        assert (after["price"], after["trust"]) == ("31000", "good")
        assert after["decisions"] == pinned["decisions"]
        assert not (await daemon.get("/v1/groups/G-1"))["blind"]
        (audit,) = [a for a in (await daemon.get("/v1/audit"))["items"] if a["action"] == "pin"]
        assert (audit["subject"], audit["after"]["price_usd"]) == ("BTC", "31000")

        async def is_over() -> bool:
            return not (await daemon.get("/v1/prices/BTC"))["decisions"]

        await until(is_over, "the end of the pin")
        assert (await daemon.get("/v1/groups/G-1"))["blind"]
        told = (await daemon.get("/v1/alerts?type=price.*"))["items"]
    assert [a["type"] for a in told][:2] == ["price.decided", "price.decision_ended"]


def later(at: str) -> str:
    """A week after a time, as text."""
    return (datetime.fromisoformat(at) + timedelta(days=7)).isoformat()
