"""Actors of Ray carry, decide and are replaced as processes of this machine. Skipped where Ray is not installed.

`make test-ray` installs it into an environment of its own and runs these.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.engine.spread.long_runs import over_shards_as_in_one
from tests.engine.spread.test_long_runs import day, two_years
from tests.engine.spread.test_shards import carries
from tests.engine.spread.test_spread_book import are_no_gap, decide_alike, is_unwatched_until_replaced
from tests.scenarios.test_tapes import DAYS

pytest.importorskip("ray", reason="Ray is not installed")

if TYPE_CHECKING:
    from monitor.engine.spread.ray_shards import RayShards


@pytest.fixture(scope="module")
def actors() -> Iterator[RayShards]:
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 Ray spells it so; else its workers are behind all others
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from monitor.engine.spread.ray_shards import RayShards

    made = RayShards("local", copies=2)
    yield made
    made.close()


def hurt(actors: RayShards, seat: int, how: signal.Signals) -> None:
    os.kill(actors.pid(seat), how)


def test_actors_carry_calls_in_order_until_they_are_gone(actors: RayShards) -> None:
    for seat in range(2):
        actors.begin(seat)
    carries(actors)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_actors_decide_to_the_last_byte_as_one_process_does(actors: RayShards, count: int) -> None:
    decide_alike(actors, count)


@pytest.mark.soak
def test_with_two_copies_an_actor_that_hangs_or_dies_is_no_gap(actors: RayShards) -> None:
    are_no_gap(actors, lambda seat, how: hurt(actors, seat, how))


@pytest.mark.parametrize("stopped", [signal.SIGSTOP, signal.SIGKILL])
def test_what_a_missing_actor_held_is_unwatched_until_a_replacement_is_loaded(
    actors: RayShards, stopped: signal.Signals
) -> None:
    is_unwatched_until_replaced(actors, lambda seat: hurt(actors, seat, stopped))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_two_years_and_a_recorded_day_over_actors_say_what_one_process_says(actors: RayShards, count: int) -> None:
    assert over_shards_as_in_one(two_years(2), actors, count) > 100
    assert over_shards_as_in_one(day(DAYS[1]), actors, count) > 100
