"""Two years of a desk, and recorded days: over shards alerts are those of one process, to the last byte and in its order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from monitor.core.rules.settings import Rules, Trust
from monitor.products import vip_loan
from tests.effort import IS_LONG, examples, more_in_a_soak
from tests.engine.spread.long_runs import LongRun, of_years, over_shards_as_in_one
from tests.engine.spread.processes import SharedProcesses
from tests.reference.years import years
from tests.scenarios.test_tapes import DAYS, Day, play

IN_SOAK = pytest.mark.soak


@pytest.fixture(scope="module")
def processes() -> Iterator[SharedProcesses]:
    shared = SharedProcesses()
    yield shared
    shared.own.close()


@cache
def two_years(seed: int) -> LongRun:
    return of_years(years(seed, groups=examples(10, 40)))


@cache
def day(of: Day) -> LongRun:
    played = play(of, examples(30, of.groups))
    rules = Rules("desk-1", {"vip_loan": vip_loan.load(played.table)}, trust=Trust(enabled=False))
    return LongRun(rules, played.book, played.rows)


@more_in_a_soak
@pytest.mark.timeout(3600 if IS_LONG else 120)
@pytest.mark.parametrize("count", [pytest.param(1, marks=IN_SOAK), 2, pytest.param(4, marks=IN_SOAK)])
def test_two_years_over_shards_say_what_one_process_says(processes: SharedProcesses, count: int) -> None:
    run = two_years(2)
    assert over_shards_as_in_one(run if IS_LONG else run.scaled(8, share=0.36), processes, count) > examples(100, 1000)


@more_in_a_soak
@pytest.mark.timeout(3600 if IS_LONG else 120)
@pytest.mark.parametrize("count", [pytest.param(1, marks=IN_SOAK), pytest.param(2, marks=IN_SOAK), 4])
@pytest.mark.parametrize("of", [DAYS[5], *(pytest.param(each, marks=IN_SOAK) for each in DAYS[:5])], ids=str)
def test_recorded_days_over_shards_say_what_one_process_says(processes: SharedProcesses, of: Day, count: int) -> None:
    run = day(of)
    assert over_shards_as_in_one(run if IS_LONG else run.scaled(3), processes, count) > 100
