"""Stopping: SIGTERM and SIGINT end the daemon cleanly, in time, and lose nothing."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, but_stalls, until, webhook

CHANNELS, GROUPS = 7, 9  # eight attempts of each channel are under way at once: 56 in flight, 7 behind them


async def _hang(_: dict[str, Any]) -> int:
    await asyncio.sleep(60)
    return 200


async def _crash(daemon: Daemon, groups: int) -> None:
    """Groups that a fall of BTC takes into margin call."""
    assert daemon.house.venue is not None
    await daemon.house.venue.marks({"BTCUSDT": "100000"})
    await daemon.put(*(one_btc(f"G-{n}") for n in range(groups)))
    await daemon.house.venue.marks({"BTCUSDT": "64000"})


async def test_stop_with_fifty_deliveries_in_flight_loses_nothing(house: House, receiver: SignedReceiver) -> None:
    """The unfinished ones come after the restart with the same id and the same body."""
    receiver.answer = _hang
    house.write(*(webhook(f"hook-{n}", receiver.url(f"{n}")) for n in range(CHANNELS)))
    async with Daemon(house) as daemon:
        await _crash(daemon, GROUPS)
        await until(lambda: receiver.held >= 50, "50 deliveries in flight")
        code, took_s = await daemon.stop()
        assert code == 0, daemon.said()
        assert took_s < 10
        cut_off = dict(receiver.bodies)
        assert not receiver.got
        receiver.answer = None
        await daemon.again()
        await until(lambda: len(but_stalls(receiver.got)) >= CHANNELS * GROUPS, "all deliveries")
        log = {item["data"]["id"] for item in await daemon.alerts("&type=loan_group.*")}
    assert len(log) == GROUPS
    assert sorted(body["data"]["id"] for body in but_stalls(receiver.got)) == sorted(CHANNELS * [*log])
    assert cut_off.keys() <= log
    assert all(len(bodies) == 1 for bodies in receiver.bodies.values()), "the same id had another body"
    assert not receiver.bad


async def test_deliveries_that_end_while_stopping_are_not_sent_again(house: House, receiver: SignedReceiver) -> None:
    """A receiver that answers within the time of a stop, here by SIGINT, has its answer recorded."""

    async def slow(_: dict[str, Any]) -> int:
        await asyncio.sleep(2)
        return 200

    receiver.answer = slow
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        await _crash(daemon, 5)
        await until(lambda: receiver.held == 5, "five deliveries in flight")
        daemon.signal(signal.SIGINT)
        code, took_s = await daemon.ended()
        assert (code, len(but_stalls(receiver.got))) == (0, 5)
        assert took_s < 8
        await daemon.again()
        found = await daemon.get("/v1/deliveries?limit=100")
        assert {d["state"] for d in found["items"]} == {"delivered"}
        assert max(receiver.tries.values()) == 1


async def test_a_refusal_for_good_while_stopping_is_told_on_the_other_channel(
    house: House, receiver: SignedReceiver
) -> None:
    """What is given up in the last second would otherwise be told to nobody: after a restart it is not tried again."""

    async def refuse(_: dict[str, Any]) -> int:
        await asyncio.sleep(1.5)
        return 410

    async with SignedReceiver(refuse) as dead:
        house.write(webhook("dead", dead.url()), webhook("desk", receiver.url()))
        async with Daemon(house) as daemon:
            await _crash(daemon, 1)
            await until(lambda: dead.held == 1, "a delivery in flight")
            assert (await daemon.stop())[0] == 0
            await daemon.again()
            await until(lambda: receiver.of("delivery.failing"), f"the word on the other channel; {receiver.got}")
        assert receiver.of("delivery.failing")[0]["data"]["subject"] == "dead"


async def test_sigterm_during_start_leaves_a_store_that_starts_again(house: House) -> None:
    """Before its handlers stand the process dies by the signal; from then on it ends with 0. Both leave all whole."""
    house.write()
    daemon = Daemon(house)
    codes = []
    for after_s in (0.05, 0.3, 0.45, 0.6, 0.75, 0.9):
        await daemon.launch()
        await asyncio.sleep(after_s)
        code, took_s = await daemon.stop()
        await daemon.http.close()
        assert code in (0, -signal.SIGTERM), daemon.said()
        assert took_s < 5
        assert "Traceback" not in daemon.said()
        codes.append(code)
    async with daemon:
        assert (await daemon.stop())[0] == 0


async def test_sighup_during_start_does_not_end_the_daemon(house: House) -> None:
    """A reload that is asked for too early comes when the daemon is there."""
    house.write()
    daemon = Daemon(house)
    await daemon.launch()
    try:
        sent = 0
        for _ in range(5_000):
            await asyncio.sleep(0.002)
            if daemon.process.returncode is not None or "is running" in daemon.said():
                break
            if (house.folder / "var").exists():
                daemon.signal(signal.SIGHUP)
                sent += 1
        await daemon.ready()
        if not sent:
            pytest.skip("the start was over before it could be seen to begin; a slower machine shows more")
        await until(lambda: "configuration reloaded" in daemon.said(), "the reload")
        assert (await daemon.stop())[0] == 0
    finally:
        await daemon.__aexit__()


async def test_requests_during_a_stop_are_answered_or_refused_in_time(house: House, receiver: SignedReceiver) -> None:
    """While deliveries are waited for nobody is left without an answer, and what was answered is kept."""
    receiver.answer = _hang
    house.write(webhook("hook", receiver.url()))
    answers: list[tuple[int, Any]] = []

    async def ask(daemon: Daemon, n: int) -> None:
        answers.append(await daemon.ask("PUT", f"/v1/groups/L-{n}", one_btc(f"L-{n}")))

    async with Daemon(house) as daemon:
        await _crash(daemon, 1)
        await until(lambda: receiver.held == 1, "a delivery in flight")
        daemon.signal()
        await asyncio.sleep(0.5)
        async with asyncio.timeout(4):
            await asyncio.gather(*(ask(daemon, n) for n in range(5)))
        code, _ = await daemon.ended()
        assert code == 0
        kept = [f"L-{n}" for n, (status, _) in enumerate(answers) if status == 201]
        assert all(status in (201, 503) for status, _ in answers), answers
        await daemon.again()
        found = {g["id"] for g in (await daemon.get("/v1/groups"))["items"]}
        assert set(kept) <= found


async def test_a_stop_is_in_time_whatever_hangs(house: House, receiver: SignedReceiver) -> None:
    """A stream that nobody reads, a body that never comes, a delivery without an answer: ten seconds are kept."""
    receiver.answer = _hang
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house) as daemon:
        host, port = daemon.url.removeprefix("http://").split(":")
        writers = []
        for request in (
            f"GET /v1/stream HTTP/1.1\r\nHost: {host}\r\n\r\n",
            f"PUT /v1/groups/G-9 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 500\r\n\r\n",
        ):
            _, writer = await asyncio.open_connection(host, int(port), limit=1024)
            writer.write(request.encode())
            await writer.drain()
            writers.append(writer)
        await _crash(daemon, 1)
        await until(lambda: receiver.held == 1, "a delivery in flight")
        code, took_s = await daemon.stop()
        for writer in writers:
            writer.close()
        assert code == 0, daemon.said()
        assert took_s < 10
