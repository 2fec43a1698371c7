"""Random kills under load, with a receiver that fails: nothing is lost, nothing is invented, nothing is out of order."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.crash.harness import Trial
from tests.crash.load import SETS_A_SECOND, load
from tests.crash.test_points import PLACES
from tests.effort import examples

TROUBLE = 0.25
SETS_OF_THOUSAND = 125
"""Price sets of eight coins a second that make a thousand ticks."""
LONGEST_LIFE_S = 1.0


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3, 4, 5))])
async def test_random_kills_under_load_lose_nothing(seed: int, tmp_path: Path) -> None:
    await killed_under_load(tmp_path, seed, kills=examples(3, 10))


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(101, 105))
async def test_fifty_random_kills_under_load_lose_nothing(seed: int, tmp_path: Path) -> None:
    """Two hundred in all, at a thousand ticks a second."""
    await killed_under_load(tmp_path, seed, kills=50, sets_a_second=SETS_OF_THOUSAND)


async def killed_under_load(folder: Path, seed: int, kills: int, sets_a_second: int = SETS_A_SECOND) -> None:
    """One trial: the load never stops, and the daemon dies so many times."""
    rng = Random(seed)
    async with Trial(folder, seed, groups=40, trouble=TROUBLE) as trial:
        await trial.start()
        await trial.put_book()
        async with load(trial, seed, sets_a_second):
            while trial.kills < kills:
                await kill(trial, rng)
                await trial.revive()
        await trial.finish()
        assert len(trial.entered) >= kills, "the feeder wrote next to nothing"
        said = Counter(arrival.what for arrival in trial.receiver.arrivals)
        assert len(said) == 4, f"the receiver was no trouble: {said}"


async def kill(trial: Trial, rng: Random) -> None:
    """Lets the daemon live for a moment and kills it, some while it stops; some of the next lives end at a place."""
    mood = rng.random()
    if mood < 0.2:
        trial.plan.append(f"{rng.choice(tuple(PLACES))}:{rng.randrange(1, 30)}")
    await asyncio.sleep(rng.uniform(0, LONGEST_LIFE_S))
    if mood > 0.8:
        trial.terminate()
        await asyncio.sleep(rng.uniform(0, 0.1))
    trial.daemon.signal(signal.SIGKILL)
