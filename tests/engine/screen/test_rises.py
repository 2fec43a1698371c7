"""Books made to catch the slots out: groups at their lines, ticks that land on them, coins that rise after a block was laid."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal

import pytest

from monitor.engine.screen.lanes import IS_WIDE
from tests.engine.desk import ASSETS, ScreenDesk

D = Decimal
RISES = (D("1.25"), D("1.2500001"), D("1.7"), D(3), D(5))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rise", RISES)
def test_no_group_is_missed_when_coins_rise_after_their_block_was_laid(rise: Decimal, seed: int) -> None:
    desk = ScreenDesk(seed)
    for number in range(2):
        desk.put(number, 60)
    desk.check(None)
    for asset in range(1, ASSETS):
        desk.move([asset], lambda a: desk.usd[a] * rise)
        desk.check([asset])
    desk.owe(0)
    desk.check([])
    desk.move(range(ASSETS), lambda a: desk.start[a])
    desk.check(None)
    desk.put(2, 60)
    desk.move(range(1, ASSETS), lambda a: desk.usd[a] * rise)
    desk.check(None)
    desk.owe(2)
    desk.check(None)


@pytest.mark.skipif(not IS_WIDE, reason="this is the run without wide vectors")
def test_a_processor_without_wide_vectors_names_the_same_groups() -> None:
    narrow = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    here = f"{__file__}::test_no_group_is_missed_when_coins_rise_after_their_block_was_laid"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "2 or 3", here]
    done = subprocess.run(command, env=narrow, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
