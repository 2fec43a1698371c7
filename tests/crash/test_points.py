"""The daemon is killed at every named place, several times each, and goes on each time as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import Trial
from tests.effort import examples, more_in_a_soak

PLACES = {
    "after tick": (1, 3, 31, 8, 20),
    "before commit": (1, 12, 29, 2, 7),
    "after commit": (1, 12, 29, 2, 7),
    "before send": (1, 2, 25, 40, 9),
    "after send": (1, 2, 25, 40, 9),
    "after mark": (1, 2, 25, 40, 9),
}
"""How often the place is reached in each life before it kills; `make test` takes the first two lives."""
STEPS_A_TURN = 12
MOST_STEPS = 40 * STEPS_A_TURN


@more_in_a_soak
@pytest.mark.parametrize("place", PLACES)
async def test_a_kill_loses_nothing_and_repeats_only_what_was_in_flight(place: str, tmp_path: Path) -> None:
    plan = [f"{place}:{count}" for count in PLACES[place][: examples(2, 5)]]
    async with Trial(tmp_path, seed=len(place), plan=list(plan)) as trial:
        await trial.start()
        await trial.put_book()
        for number in range(MOST_STEPS):
            await trial.step(trial.market.swing(number / STEPS_A_TURN))
            await trial.quiet()
            if trial.kills == len(plan) and number >= STEPS_A_TURN:
                break
        await trial.finish()
        assert [life.crash_at for life in trial.lives if life.code] == plan
