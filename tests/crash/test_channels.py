"""The daemon is killed in each state that a delivery may have, and goes on each time as if nothing had happened.

A notice that is handed over, gathered, in a batch, replayed or pushed; an endpoint that is made and gets another key; a
channel that is off; a step that asks people, and their answer; a recipient who is put off; a heartbeat.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from signal import SIGKILL

import pytest

from tests.crash.desk import Desk

PLACES = {
    "endpoint": ("after endpoint", "after endpoint:2"),
    "switch": ("after switch off of gone", "after switch on of gone"),
    "fallback": ("after hand-over of gone", "after hand-over of hook"),
    "replay": ("after replay",),
    "open alerts": ("before open line:3", "after open line:5", "before open line:24", "after send of am:4"),
    "heartbeat": ("before heartbeat:3",),
    "step": (
        "before commit of loan_group.escalated",
        "after commit of loan_group.escalated",
        "after commit of loan_group.escalated:2",
    ),
    "answer": ("before commit of loan_group.escalation_ended", "after commit of loan_group.escalation_ended"),
    "digest": ("after send of mail:2", "after send of mail:3", "after mark of mail:2"),
    "batch": ("before send of theirs:2", "after send of theirs:2", "after mark of theirs:3"),
    "phone": ("after send of phone:3", "after mark of phone:3"),
    "hook": ("after send of hook:9",),
    "good news": ("after commit of loan_group.liquidation.cleared:4",),
}
"""By the state that is written there."""
SHORT = ["after endpoint:2", "after hand-over of gone", "after commit of loan_group.escalated", "after replay"]
LONGEST_LIFE_S = 2.5
MOST_KILLS = 10


async def test_kills_in_states_of_a_delivery_lose_and_repeat_nothing(tmp_path: Path) -> None:
    await killed_at(tmp_path, SHORT)


@pytest.mark.soak
@pytest.mark.parametrize("state", PLACES)
async def test_a_kill_in_any_state_of_a_delivery_loses_and_repeats_nothing(state: str, tmp_path: Path) -> None:
    for number, place in enumerate(PLACES[state]):
        await killed_at(tmp_path / str(number), [place])


@pytest.mark.soak
async def test_kills_while_a_channel_that_is_gone_is_switched_off_lose_nothing(tmp_path: Path) -> None:
    """By its own 410; what waits goes to the fallback at once, and to the channel when the desk switches it on again."""
    plan = ["after switch off of gone", "after hand-over of gone"]
    async with Desk(tmp_path, plan) as desk:
        await desk.play(by_410=True)
        assert desk.kills


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 7))
async def test_kills_at_random_in_all_states_lose_and_repeat_nothing(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    places = [place for some in PLACES.values() for place in some]
    async with Desk(tmp_path, [rng.choice(places) if rng.random() < 0.4 else "" for _ in range(12)]) as desk:
        killer = asyncio.create_task(_kill(desk, rng))
        try:
            await desk.play()
        finally:
            killer.cancel()
        assert desk.kills >= 3


async def _kill(desk: Desk, rng: Random) -> None:
    """Lets each life live for a moment once it answers, some times."""
    for _ in range(MOST_KILLS):
        await desk.is_ready.wait()
        await asyncio.sleep(rng.uniform(0, LONGEST_LIFE_S))
        if desk.is_finishing:
            return
        desk.daemon.signal(SIGKILL)
        await asyncio.sleep(0.5)


async def killed_at(folder: Path, plan: list[str]) -> None:
    """A day in which the daemon dies at each of these places, in their order."""
    async with Desk(folder, plan) as desk:
        await desk.play()
        assert [life.crash_at for life in desk.lives if life.code == -SIGKILL] == plan
