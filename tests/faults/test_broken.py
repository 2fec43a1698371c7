"""A part that breaks ends the daemon with a word and a code: half a monitor would be silent and look alive."""

from __future__ import annotations

import json
import signal

import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, until, webhook
from tests.faults.rigged import WORD


async def _ends_by_itself(daemon: Daemon) -> None:
    code, _ = await daemon.ended(10)
    said = daemon.said()
    assert code == 1, said
    assert WORD in said
    assert "a part of the monitor broke" in said


@pytest.mark.parametrize("rig", ["core", "feed", "dispatcher", "dispatcher end"])
async def test_a_part_that_breaks_at_work_ends_the_daemon(house: House, receiver: SignedReceiver, rig: str) -> None:
    """Core, a feed, the deliveries: whatever raises what it should not ends the process, and says which part it was."""
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house, module="tests.faults.rigged", env={"RIG": rig}) as daemon:
        assert house.venue is not None
        if rig.startswith("dispatcher"):
            await house.venue.marks({"BTCUSDT": "64000"})
            await until(lambda: _has_price(daemon), "a price")
            await daemon.put(one_btc("G-1"))
        else:
            await house.venue.marks({"BTCUSDT": "64000"})
        await _ends_by_itself(daemon)


async def _has_price(daemon: Daemon) -> bool:
    return "BTC" in {item["asset"] for item in (await daemon.get("/v1/prices"))["items"]}


@pytest.mark.parametrize("rig", ["probe", "retention"])
async def test_upkeep_that_breaks_ends_the_daemon(house: House, rig: str) -> None:
    """It may end before anybody has seen that it began."""
    house.write(feed=False)
    daemon = Daemon(house, module="tests.faults.rigged", env={"RIG": rig})
    await daemon.launch()
    try:
        await _ends_by_itself(daemon)
    finally:
        await daemon.__aexit__()


async def test_a_book_that_breaks_ends_the_daemon(house: House) -> None:
    house.write('[[book]]\nname = "loans"\nkind = "told"\npath = "told.jsonl"\n', feed=False)
    async with Daemon(house, module="tests.faults.rigged") as daemon:
        (house.folder / "told.jsonl").write_text(json.dumps({"break": WORD}) + "\n")
        await _ends_by_itself(daemon)


async def test_a_reload_that_breaks_ends_the_daemon(house: House) -> None:
    """What a reload did not foresee leaves parts of two configurations: nobody may run on that."""
    house.write(feed=False)
    async with Daemon(house, module="tests.faults.rigged", env={"RIG": "reload"}) as daemon:
        daemon.signal(signal.SIGHUP)
        await _ends_by_itself(daemon)


async def test_streams_without_a_heartbeat_are_a_reason_not_to_be_ready(house: House) -> None:
    """Alerts still flow there, so the daemon goes on; readiness says what is wrong."""
    house.write(feed=False)
    async with Daemon(house, module="tests.faults.rigged", env={"RIG": "stream"}) as daemon:
        async with daemon.http.get(daemon.url + "/v1/stream"):
            await until(lambda: _is_told(daemon), "the reason")
        assert daemon.process.returncode is None


async def _is_told(daemon: Daemon) -> bool:
    return WORD in (await daemon.reasons()).get("web", "")


async def test_what_was_committed_before_the_break_is_delivered_after_a_restart(
    house: House, receiver: SignedReceiver
) -> None:
    house.write(webhook("hook", receiver.url()))
    async with Daemon(house, module="tests.faults.rigged", env={"RIG": "dispatcher"}) as daemon:
        assert house.venue is not None
        await house.venue.marks({"BTCUSDT": "64000"})
        await until(lambda: _has_price(daemon), "a price")
        await daemon.put(one_btc("G-1"))
        await _ends_by_itself(daemon)
    async with Daemon(house):
        await until(lambda: receiver.of("loan_group.margin_call.opened"), "the alert")
