"""The load under which the daemon is killed: prices by the dozen each second, and a feeder that writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random

from tests.crash.daemon import Died, Refused
from tests.crash.harness import Trial

SETS_A_SECOND = 40
TURN_S = 8
"""Of the market: slow enough that a grace period can run out, fast enough that most are cured."""


@asynccontextmanager
async def load(trial: Trial, seed: int, sets_a_second: int = SETS_A_SECOND) -> AsyncIterator[None]:
    """Prices and entries, for as long as the block runs. What breaks in here breaks the block."""
    trial.market_goes_on = True
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_prices(trial, sets_a_second)), group.create_task(_feeder(trial, Random(seed)))]
        yield
        for task in tasks:
            task.cancel()
    trial.market_goes_on = False


async def _prices(trial: Trial, sets_a_second: int) -> None:
    """Goes on whether anybody listens or not, as a market does."""
    for number in count():
        await trial.goes_on.wait()
        await trial.market.send(trial.market.swing(number / sets_a_second / TURN_S))
        await asyncio.sleep(1 / sets_a_second)


async def _feeder(trial: Trial, rng: Random) -> None:
    """Deposits a little here and there, each under its own id until it is answered: what a careful client does."""
    for number in count():
        line = rng.choice(trial.book)
        account, asset = rng.choice(sorted(line["collateral"])), rng.choice(("BTC", "SOL", "DOGE"))
        quantity = f"0.{rng.randrange(1, 10**6):06d}"
        while f"e-{number}" not in trial.entered:
            try:
                await trial.goes_on.wait()
                await trial.is_ready.wait()
                await trial.deposit(f"e-{number}", line["id"], account, asset, quantity)
            except Died:
                trial.is_ready.clear()
            except Refused:
                assert trial.lives[-1].may_end, "a daemon that is not asked to stop takes entries"
                await asyncio.sleep(0.01)
        await asyncio.sleep(rng.uniform(0, 0.1))
