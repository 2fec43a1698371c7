"""Two real daemons, and the connection of the one that decides is cut at its COMMIT: the reference model finds nothing amiss."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lease.cut_pair import CutTrial
from tests.lease.pair import SLACK_S, TTL_S
from tests.lease.proxy import Where
from tests.lease.starvation import played

TURNS = [0.25, 0.5, 0.75, 1.0]
PLACES: tuple[Where, ...] = ("before", "in", "after")


async def test_a_head_cut_at_its_commit_goes_on_and_one_cut_off_there_is_replaced(tmp_path: Path) -> None:
    """Broken before, in and after COMMIT it makes a connection again; cut off for good in COMMIT its standby decides."""

    async def play(ttl_s: float) -> None:
        folder = tmp_path / f"{ttl_s:.0f}"
        folder.mkdir()
        async with CutTrial(folder, seed=7, groups=8, plan=["", ""]) as trial:
            trial.ttl_s = ttl_s
            await trial.start()
            await trial.put_book()
            for number, where in enumerate(PLACES, 1):
                await trial.cut_once(where, number, [0.25, 0.5, 0.0])
            await trial.cut_off("in", 0.5)
            await trial.step(trial.market.swing(0.0))
            await trial.finish()

    await played(play)


@pytest.mark.soak
@pytest.mark.parametrize("where", PLACES)
async def test_a_head_may_be_cut_at_any_commit(where: Where, tmp_path: Path) -> None:
    async with CutTrial(tmp_path, seed=len(where), groups=12, trouble=0.2, plan=["", ""]) as trial:
        await trial.start()
        await trial.put_book()
        for count in range(1, 13):
            await trial.cut_once(where, count, [turn / 4 for turn in range(1, 12)])
        await trial.finish()


@pytest.mark.soak
@pytest.mark.parametrize("where", PLACES)
async def test_a_head_may_be_cut_off_at_any_commit(where: Where, tmp_path: Path) -> None:
    async with CutTrial(tmp_path, seed=len(where), groups=12, trouble=0.2, plan=["", ""]) as trial:
        await trial.start()
        await trial.put_book()
        trial.others = ("delivery.failing", "delivery.restored")
        for turn in (0.5, 0.3, 0.6, 1.2, 0.5, 2.5):
            if trial.waiting is None:
                await trial.seat()
            await trial.step(trial.market.swing(turn - 0.2))
            await trial.cut_off(where, turn)
            for later in (turn + 0.1, turn + 0.25):
                await trial.step(trial.market.swing(later))
        await trial.finish()
        assert max(trial.took_s) < TTL_S + SLACK_S, trial.took_s
