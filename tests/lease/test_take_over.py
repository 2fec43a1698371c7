"""Two real daemons, killed and stopped: the one that waits takes over, and the reference model finds nothing amiss."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.crash.test_points import PLACES
from tests.faults.house import until
from tests.lease.pair import SLACK_S, TTL_S, PairTrial
from tests.postgres_server import shared_server

STEPS_A_TURN = 12
MOST_STEPS = 20 * STEPS_A_TURN


async def swings(trial: PairTrial, kills: int) -> None:
    """The market swings until so many lives have ended."""
    for number in range(1, MOST_STEPS):
        if trial.kills >= kills:
            return
        await trial.step(trial.market.swing(number / STEPS_A_TURN))
    raise AssertionError(f"{trial.kills} kills, {kills} were planned")


async def waits(trial: PairTrial) -> None:
    """The daemon that waits says who decides, and answers nothing else."""
    base = f"http://127.0.0.1:{trial.ports['b']}"
    async with aiohttp.ClientSession(base) as http:

        async def ask(path: str, method: str = "GET") -> tuple[int, Any]:
            async with http.request(method, path, json={} if method == "PUT" else None) as answer:
                return answer.status, await answer.json(content_type=None)

        status, told = await ask("/v1/groups/G-9", "PUT")
        assert (status, told["type"]) == (503, "urn:loan-monitor:standby")
        assert "the head a has the lease" in told["detail"]
        for path, code in (("/v1/status", 200), ("/readyz", 503)):
            status, told = await ask(path)
            assert status == code
            assert (told["head"]["holder"], told["head"]["epoch"]) == ("a", 1)
            assert told["head"]["lease_age_s"] < TTL_S
        active = (await trial.daemon.get("/v1/status"))["head"]
        assert (active["role"], active["basis"], active["epoch"]) == ("active", "lease", 1)
        holder = (await ask("/healthz"))[1]["instance"]
        assert await ask("/headz") == (200, {
            "role": "standby", "holder": holder, "place": "b", "version": active["version"], "epoch": 1,
            "reaches_database": True,
        })  # fmt: skip


async def test_a_standby_goes_on_where_a_head_was_killed_or_stopped(tmp_path: Path) -> None:
    """The first head dies between a post and its mark, the second stands still for twice the lease while it sends."""
    async with PairTrial(tmp_path, seed=3, groups=12, plan=["after send:4", "", ""]) as trial:
        await trial.start()
        await waits(trial)
        await trial.put_book()
        await swings(trial, 1)
        trial.receiver.hangs_s = 0.2
        for turn in (0.0, 0.5):
            await trial.step(trial.market.swing(turn))
        sent = len(trial.receiver.arrivals)
        await until(lambda: len(trial.receiver.arrivals) > sent, "it sends")
        await trial.freeze()
        trial.receiver.hangs_s = 0.0
        await trial.step(trial.market.swing(0.25))
        await trial.thaw(2 * TTL_S)
        await trial.step(trial.market.swing(0.5))
        await trial.finish()
        assert max(trial.took_s) < TTL_S + SLACK_S, trial.took_s


@pytest.mark.soak
@pytest.mark.parametrize("place", PLACES)
async def test_a_standby_goes_on_from_each_place_where_a_head_can_die(place: str, tmp_path: Path) -> None:
    plan = [f"{place}:{count}" for count in PLACES[place][:3]]
    async with PairTrial(tmp_path, seed=len(place), groups=12, trouble=0.2, plan=[*plan, ""]) as trial:
        await trial.start()
        await trial.put_book()
        await swings(trial, len(plan))
        await trial.finish()
        assert max(trial.took_s) < TTL_S + SLACK_S, trial.took_s


@pytest.mark.soak
async def test_two_daemons_go_on_where_their_database_is_stopped_at_once_in_a_storm(tmp_path: Path) -> None:
    """As a power cut ends it, three times. The same head goes on, and nothing is lost, invented or out of order."""
    async with PairTrial(tmp_path, seed=9, groups=24, trouble=0.2, plan=["", ""]) as trial:
        await trial.start()
        await trial.put_book()
        trial.others = ("delivery.failing", "delivery.restored", "monitor.degraded", "monitor.recovered")
        for number in range(3):
            for turn in (0.2, 0.4, 0.5):
                await trial.market.send(trial.market.swing(number + turn))
            trial.receiver.in_outage = True
            await asyncio.to_thread(shared_server().stop_at_once)
            for turn in (0.3, 0.6, 0.8):
                await trial.market.send(trial.market.swing(number + turn))
                await asyncio.sleep(0.2)
            await asyncio.to_thread(shared_server().start)
            await trial.step(trial.market.swing(number + 1))
            await trial.quiet()
            trial.receiver.in_outage = False
        assert (await trial.daemon.get("/v1/status"))["head"]["epoch"] == 1, "a head that never stopped was replaced"
        await trial.finish()
