"""A whole daemon whose shards are killed and stopped at random while prices stream: what it says is what those say who watch."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from monitor.clock import SystemClock
from tests.effort import IS_LONG, examples, more_in_a_soak
from tests.faults.house import House, SignedReceiver
from tests.faults.losing_shards import Desk, losing

CLOCK = SystemClock()
EVERY_S = 3.0
"""So often a shard is hurt in a soak."""
FOR_S = 180.0


async def lives_through(desk: Desk, seed: int) -> None:
    """A stop and a kill, or in a soak one or the other every three seconds; on a busy machine that takes longer."""
    rng = random.Random(seed)
    ways = [signal.SIGSTOP, signal.SIGKILL]
    rng.shuffle(ways)
    until_s = CLOCK.monotonic_s() + FOR_S
    while desk.losses < examples(2, 20) or (IS_LONG and CLOCK.monotonic_s() < until_s):
        hurt_s = CLOCK.monotonic_s()
        await desk.lose(ways[desk.losses] if desk.losses < 2 else rng.choice(ways))
        if IS_LONG:
            await asyncio.sleep(hurt_s + EVERY_S - CLOCK.monotonic_s())


@more_in_a_soak
@pytest.mark.timeout(1200 if IS_LONG else 120)
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in (2, 3))])
async def test_a_daemon_that_loses_shards_says_so_each_time_nothing_false_and_with_the_first_prices_all(
    house: House, receiver: SignedReceiver, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    async with losing(house, receiver, monkeypatch, seed, copies=1) as desk:
        await lives_through(desk, seed)
    assert desk.twins.partial > 2 * desk.losses, "prices streamed meanwhile"


@more_in_a_soak
@pytest.mark.timeout(1200 if IS_LONG else 120)
@pytest.mark.parametrize("seed", [4, *(pytest.param(n, marks=pytest.mark.soak) for n in (5, 6))])
async def test_a_daemon_with_two_copies_of_each_shard_misses_nothing(
    house: House, receiver: SignedReceiver, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    async with losing(house, receiver, monkeypatch, seed, copies=2) as desk:
        await lives_through(desk, seed)
    assert desk.twins.partial == 0
    assert {(seen.ready, seen.is_partial) for seen in desk.looks} == {(200, False)}
    assert all(seen.blind == desk.twins.unpriced for seen in desk.looks)
