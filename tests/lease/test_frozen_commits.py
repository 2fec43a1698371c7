"""Two real daemons, and the one that decides is stopped for twice its lease inside a commit of its own alerts."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from tests.effort import examples, more_in_a_soak
from tests.lease.cut_pair import CutTrial
from tests.lease.pair import SEATS, SLACK_S, TTL_S
from tests.lease.proxy import FreezeDoor, Stop
from tests.lease.starvation import played
from tests.postgres_server import shared_server

STOPS: tuple[Stop, ...] = ("storm", "fence", "commit")
STORM_BYTES = 60_000
"""Of a commit of some dozen alerts: it is in the middle of them by then."""


class FrozenTrial(CutTrial):
    """Each seat has a door at which its transactions are seen."""

    def __init__(self, folder: Path, seed: int, **more: Any) -> None:
        super().__init__(folder, seed, **more)
        self.freezing = {name: FreezeDoor(shared_server().port) for name in SEATS}
        self.doors: dict[str, Any] = dict(self.freezing)

    async def freeze_in(self, where: Stop, turn: float, after_bytes: int = 0) -> None:
        """Prices fall, the head is stopped while it commits what follows from them, and the next head goes on."""
        door, daemon = self.freezing[self.seat_name], self.daemon
        door.arm(where, lambda: daemon.signal(signal.SIGSTOP), after_bytes)
        await self.market.send(self.market.swing(turn))
        async with asyncio.timeout(30):
            await door.has_frozen.wait()
        # The next head has heard the same prices, and decides on them by itself where the commit is not in.
        self.market_goes_on = True
        await self.freeze()
        self.market_goes_on = False


@more_in_a_soak
async def test_a_head_that_is_stopped_in_a_commit_of_its_alerts_is_replaced_and_nothing_is_lost_or_invented(
    tmp_path: Path,
) -> None:
    """Between fence and COMMIT, in the middle of a storm, and when it has said COMMIT and does not know what came of it."""

    async def play(ttl_s: float) -> None:
        folder = tmp_path / f"{ttl_s:.0f}"
        folder.mkdir()
        async with FrozenTrial(folder, seed=11, groups=examples(60, 400), plan=["", ""]) as trial:
            trial.ttl_s = ttl_s
            await stopped(trial)

    await played(play)


async def stopped(trial: FrozenTrial) -> None:
    await trial.start()
    trial.file(*trial.book)
    await trial.put_book()
    for number, where in enumerate(STOPS):
        if trial.waiting is None:
            await trial.seat()
        await trial.step(trial.market.swing(number))
        await trial.quiet()
        await trial.freeze_in(where, number + 0.5, STORM_BYTES if where != "fence" else 0)
        await trial.step(trial.market.swing(number + 0.7))
        await trial.thaw(2 * trial.ttl_s)
    await trial.finish()
    assert len(trial.lives) == len(STOPS) + 1
    assert max(trial.took_s) < trial.ttl_s * (TTL_S + SLACK_S) / TTL_S, trial.took_s
