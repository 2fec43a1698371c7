"""Books made to catch the slots out: groups at their lines, ticks that land on them, coins that rise after a block was laid."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.engine.columns.fields import GROUPS
from monitor.engine.screen import screen
from monitor.engine.screen.lanes import IS_WIDE
from tests.engine.desk import ASSETS, LINES, NEAR, ScreenDesk
from tests.engine.model import Held, sides

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


class AimedDesk(ScreenDesk):
    """Three of eight groups will be within 1e-8 of a line of their own, or on it, when all coins have reached their goal."""

    def __init__(self, seed: int, rise: Decimal) -> None:
        super().__init__(seed)
        self.goal = [D(1), *(usd * rise for usd in self.usd[1:])]
        self.has_liabilities = True

    def group(self) -> Held:
        return super().group() if self.has_liabilities else replace(super().group(), liabilities={})

    def put_aimed(self, number: int, size: int) -> None:
        """They are laid at the prices of now."""
        self.put(number, size)
        groups, lines = self.laid[number], {}
        for i in self.random.sample(range(size), size * 3 // 8):
            line = self.random.choice(LINES[1:])
            held = Held({0: D(1000), **groups[i].collateral}, {}, {})
            recognised = self.model.weigh(held, self.goal).recognised
            before, self.usd = self.usd, self.goal
            debts = self.debts_at(line * (1 + self.random.choice(NEAR)) * recognised)
            self.usd = before
            groups[i] = Held(held.collateral, debts, {})
            lines[number * GROUPS + i] = (line, None) if self.random.random() < 0.5 else (None, line)
        self.fast.put_block(number, size, *sides(groups))
        rows = [number * GROUPS + i for i in groups]
        self.model.groups |= dict(zip(rows, groups.values(), strict=True))
        self.model.lines = {row: pair for row, pair in self.model.lines.items() if row not in rows}
        self.touched |= set(rows)
        self.watch([row for row in rows if row not in lines])
        self.give_lines(list(lines), list(lines.values()))


@pytest.mark.parametrize("cost", [0, 10**9], ids=["shift", "sweep"])
@pytest.mark.parametrize("rise", [D("1.25"), D("1.7"), D(5)])
def test_groups_at_lines_of_their_own_are_named_by_the_ticks_that_put_them_there(
    rise: Decimal, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "SHIFT_COST", cost)
    desk = AimedDesk(3, rise)
    for number in range(2):
        desk.has_liabilities = number == 0
        desk.put_aimed(number, 64)
    desk.check(None)
    for asset in range(1, ASSETS):
        desk.move([asset], lambda a: desk.goal[a])
        desk.check([asset])
    assert len(desk.check(None)) > 128 * 3 // 8 // 2, "a run in which hardly a group is at a line shows nothing"
    for k in range(12):
        asset, step = 1 + k % (ASSETS - 1), 1 + D(k - 6) / 10**8
        desk.move([asset], lambda a, step=step: desk.goal[a] * step)
        desk.check([asset])
        desk.move([asset], lambda a: desk.goal[a])
        desk.check([asset])


def narrow(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs tests as on a processor without wide vectors."""
    environment = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    code = "import sys, pytest; from monitor.engine.screen.lanes import IS_WIDE; assert not IS_WIDE; sys.exit(pytest.main())"
    command = [sys.executable, "-c", code, "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.skipif(not IS_WIDE, reason="this is the run without wide vectors")
def test_a_processor_without_wide_vectors_takes_the_plain_steps_and_adds_up_the_same() -> None:
    done = narrow("-k", "slots_are or least_line or eight or slice", str(Path(__file__).with_name("test_kernels.py")))
    assert done.returncode == 0, done.stdout
    assert "..........." in done.stdout, done.stdout


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.skipif(not IS_WIDE, reason="this is the run without wide vectors")
def test_a_processor_without_wide_vectors_names_the_same_groups() -> None:
    done = narrow(__file__)
    assert done.returncode == 0, done.stdout
