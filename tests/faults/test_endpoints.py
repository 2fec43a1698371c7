"""Endpoints of subscribers, made by API of a real daemon: they send, rotate, rest, come back after a kill, and lead nowhere inside."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import Any

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook

TRIGGERED = "loan_group.liquidation.triggered"
REACH = '[endpoints]\nallow = ["127.0.0.0/8"]\n'


def bad(id_: str) -> dict[str, Any]:
    """A group that is critical as it is put, without any price."""
    return one_btc(id_, owed="96000")


async def _made(daemon: Daemon, receiver: SignedReceiver, name: str = "theirs", **more: Any) -> dict[str, Any]:
    status, made = await daemon.ask("POST", "/v1/endpoints", {"url": receiver.url(), "name": name, **more})
    assert status == 201, made
    receiver.secret = made["secret"]
    return dict(made)


async def _fall(house: House, daemon: Daemon) -> None:
    assert house.venue is not None
    await house.venue.marks({"BTCUSDT": "100000"})
    await until(lambda: _priced(daemon), "a price")


async def _priced(daemon: Daemon) -> bool:
    return bool((await daemon.get("/v1/prices"))["items"])


def _triggered(receiver: SignedReceiver) -> list[str]:
    return sorted(body["data"]["group"]["id"] for body in receiver.of(TRIGGERED))


async def test_an_endpoint_sends_what_it_asked_for_and_its_secret_is_shown_once(
    house: House, receiver: SignedReceiver
) -> None:
    house.write(REACH, webhook("desk", "http://127.0.0.1:1/"))
    async with Daemon(house) as daemon:
        made = await _made(daemon, receiver, types=["loan_group.*"])
        assert made["secret"].startswith("whsec_")
        await _fall(house, daemon)
        await daemon.put(bad("G-1"))
        await until(lambda: _triggered(receiver) == ["G-1"], "the alert")
        assert receiver.bad == []
        assert all(body["type"].startswith("loan_group.") for body in receiver.got)

        async def history() -> list[tuple[str, str]]:
            found = (await daemon.get("/v1/endpoints/theirs/deliveries?state=delivered"))["items"]
            return [(d["type"], d["notifier"]) for d in found]

        async def is_recorded() -> bool:
            return (TRIGGERED, "theirs") in await history()

        await until(is_recorded, "the record")
        assert {notifier for _, notifier in await history()} == {"theirs"}
        assert "theirs" in [c["name"] for c in (await daemon.get("/v1/channels"))["items"]]
        shown = str([await daemon.get(p) for p in ("/v1/endpoints", "/v1/endpoints/theirs", "/v1/audit")])
        assert "make endpoint" in shown
        for secret in (made["secret"], made["secret"].removeprefix("whsec_")):
            assert secret not in shown
            assert secret not in daemon.said()
        assert (house.folder / "var/monitor.db").stat().st_mode & 0o007 == 0


async def test_an_endpoint_survives_a_kill_with_what_waits_for_it(house: House, receiver: SignedReceiver) -> None:
    house.write(REACH)
    async with Daemon(house) as daemon:
        is_up = False

        async def answer(_: dict[str, Any]) -> int:
            return 200 if is_up else 503

        receiver.answer = answer
        await _made(daemon, receiver)
        await _fall(house, daemon)
        await daemon.put(bad("G-1"))
        await until(lambda: receiver.tries, "an attempt")
        daemon.signal(signal.SIGKILL)
        await daemon.process.wait()
        is_up = True
        await daemon.again()
        await until(lambda: _triggered(receiver) == ["G-1"], "the alert after the restart")
        assert receiver.bad == []
        assert all(len(bodies) == 1 for bodies in receiver.bodies.values()), "a retry has other bytes"


async def test_a_rotated_key_overlaps_and_then_ends(house: House, receiver: SignedReceiver) -> None:
    house.write(REACH)
    async with Daemon(house) as daemon:
        old = (await _made(daemon, receiver))["secret"]
        _, rotated = await daemon.ask("POST", "/v1/endpoints/theirs/rotate", {"overlap": "1h"})
        assert rotated["secret"] != old
        for secret in (old, rotated["secret"]):  # both verify during the overlap
            receiver.secret = secret
            assert (await daemon.ask("POST", "/v1/endpoints/theirs/test"))[1]["delivered"]
        assert [key["until"] is None for key in rotated["keys"]] == [True, False]
        _, ended = await daemon.ask("POST", "/v1/endpoints/theirs/rotate", {"overlap": "0s"})
        receiver.secret = ended["secret"]
        await daemon.ask("POST", "/v1/endpoints/theirs/test")
        assert receiver.bad == []
        receiver.secret = old
        receiver.signatures.may_refuse = True
        await daemon.ask("POST", "/v1/endpoints/theirs/test")
        assert len(receiver.bad) == 1, "the old key still signs"


async def test_while_an_endpoint_is_off_nothing_is_lost_and_a_replay_brings_the_gap(
    house: House, receiver: SignedReceiver
) -> None:
    house.write(REACH, webhook("desk", "http://127.0.0.1:1/"))
    async with Daemon(house) as daemon:
        is_up = False

        async def answer(_: dict[str, Any]) -> int:
            return 200 if is_up else 503

        receiver.answer = answer
        await _made(daemon, receiver, types=[TRIGGERED])
        await _fall(house, daemon)
        await daemon.put(bad("G-1"))
        await until(lambda: receiver.tries, "an attempt")
        assert (await daemon.ask("POST", "/v1/endpoints/theirs/disable"))[1]["enabled"] is False
        is_up = True
        await daemon.put(bad("G-2"))
        log = await daemon.alerts(f"&type={TRIGGERED}")
        assert len(log) == 2
        assert receiver.got == [], "an endpoint that is off got something"
        await daemon.stop()
        await daemon.again()
        assert receiver.got == []
        assert (await daemon.ask("POST", "/v1/endpoints/theirs/enable"))[1]["enabled"] is True
        await until(lambda: _triggered(receiver) == ["G-1"], "what waited")
        _, replayed = await daemon.ask("POST", "/v1/deliveries/replay", {"notifier": "theirs", "after": 0})
        assert (replayed["sent"], replayed["last"], replayed["next"]) == (2, log[1]["data"]["cursor"], None)
        await until(lambda: _triggered(receiver) == ["G-1", "G-1", "G-2"], "the gap")
        body = {"notifier": "theirs", "alerts": [log[1]["data"]["id"]]}
        assert (await daemon.ask("POST", "/v1/deliveries/replay", body))[1]["sent"] == 1
        await until(lambda: _triggered(receiver).count("G-2") == 2, "one by its id")
        assert {len(bodies) for bodies in receiver.bodies.values()} == {1}
        body = {"notifier": "theirs", "after": log[0]["data"]["cursor"], "up_to": log[0]["data"]["cursor"]}
        assert (await daemon.ask("POST", "/v1/deliveries/replay", body))[1]["sent"] == 0
        body = {"notifier": "theirs", "since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}
        assert (await daemon.ask("POST", "/v1/deliveries/replay", body))[1]["sent"] == 0
        assert "replay" in [a["action"] for a in (await daemon.get("/v1/audit?limit=1000"))["items"]]


async def test_an_endpoint_that_is_deleted_gives_what_waits_to_the_desk(house: House) -> None:
    async with SignedReceiver(_busy) as theirs, SignedReceiver() as desk:
        house.write(
            REACH, webhook("desk", desk.url()), more='[[route]]\nmatch = { type = "delivery.*" }\nto = ["desk"]\n'
        )
        async with Daemon(house) as daemon:
            await _made(daemon, theirs, types=["loan_group.*"])
            await _fall(house, daemon)
            await daemon.put(bad("G-1"))
            await until(lambda: theirs.tries, "an attempt")
            assert (await daemon.ask("DELETE", "/v1/endpoints/theirs"))[0] == 204
            await until(lambda: _triggered(desk) == ["G-1"], "the alert at the desk")
            assert (await daemon.ask("GET", "/v1/endpoints/theirs"))[0] == 404
            await daemon.put(bad("G-2"))
            await until(lambda: _triggered(desk) == ["G-1", "G-2"], "the next one too")
            tries = sum(theirs.tries.values())
            assert (await daemon.ask("POST", "/v1/deliveries/replay", {"notifier": "theirs", "after": 0}))[0] == 422
            assert sum(theirs.tries.values()) == tries


async def _busy(_: dict[str, Any]) -> int:
    return 503


async def test_no_endpoint_leads_inside_and_no_name_is_used_twice(house: House, receiver: SignedReceiver) -> None:
    house.write(webhook("desk", receiver.url()))
    async with Daemon(house) as daemon:
        for host in ("127.0.0.1", "[::1]", "169.254.169.254", "10.1.2.3", "[::ffff:127.0.0.1]"):
            status, problem = await daemon.ask("POST", "/v1/endpoints", {"url": f"http://{host}:{receiver.port}/"})
            assert (status, problem["errors"][0]["where"]) == (422, "url"), host
        for host in ("localhost", "0x7f.1", "2130706433", "localhost."):
            url = f"http://{host}:{receiver.port}/?key=hunter2"
            status, made = await daemon.ask("POST", "/v1/endpoints", {"url": url})
            if status == 201:
                _, tested = await daemon.ask("POST", f"/v1/endpoints/{made['name']}/test")
                assert tested["delivered"] is False, host
                assert host != "localhost" or "private" in tested["detail"], tested
        assert receiver.headers == []
        status, problem = await daemon.ask("POST", "/v1/endpoints", {"url": "https://x.example/", "name": "desk"})
        assert (status, problem["reason"]) == (409, "name_taken")
        audit = str(await daemon.get("/v1/audit?limit=1000"))
        assert "hunter2" not in audit
        assert "hunter2" not in daemon.said()


async def test_a_configuration_cannot_take_the_name_of_an_endpoint(house: House, receiver: SignedReceiver) -> None:
    house.write(REACH)
    async with Daemon(house) as daemon:
        await _made(daemon, receiver)
        house.write(REACH, webhook("theirs", "http://127.0.0.1:1/"))
        await daemon.reload("the configuration was not reloaded")
        assert "made by API has this name" in daemon.said()
        # Without the permission the endpoint rests, what waits for it stays, and the daemon says why.
        house.write()
        await daemon.reload()
        kept = await daemon.get("/v1/endpoints/theirs")
        assert "private" in kept["problem"]
        assert (await daemon.ask("POST", "/v1/endpoints/theirs/test"))[1]["delivered"] is False
        house.write(REACH)
        await daemon.reload()
        assert (await daemon.get("/v1/endpoints/theirs"))["problem"] is None
        assert (await daemon.ask("POST", "/v1/endpoints/theirs/test"))[1]["delivered"] is True
        await daemon.stop()
    with closing(sqlite3.connect(house.folder / "var/monitor.db")) as db:
        assert db.execute("SELECT name, is_enabled FROM subscriptions").fetchall() == [("theirs", 1)]


async def test_an_endpoint_that_takes_batches_gets_each_alert_once_and_signed(
    house: House, receiver: SignedReceiver
) -> None:
    house.write(REACH)
    async with Daemon(house) as daemon:
        await _made(daemon, receiver, types=[TRIGGERED], batch=True)
        await _fall(house, daemon)
        await daemon.put(*(bad(f"G-{n}") for n in range(40)))

        def arrived() -> list[str]:
            return [item["data"]["group"]["id"] for body in receiver.got for item in body["data"]["items"]]

        await until(lambda: len(arrived()) >= 40, "all alerts")
        assert sorted(arrived()) == sorted(f"G-{n}" for n in range(40))
        assert {body["type"] for body in receiver.got} == {"batch"}
        assert receiver.bad == []
        assert max(len(raw) for raws in receiver.bodies.values() for raw in raws) <= 20_000
