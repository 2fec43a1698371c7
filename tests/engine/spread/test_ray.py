"""Actors of Ray carry, decide and are replaced as processes of this machine. Skipped where Ray is not installed.

`make test-ray` installs it into an environment of its own and runs these.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from monitor.engine.spread.links import LOAD_LIMIT_S, READY
from tests.engine.spread.long_runs import over_shards_as_in_one
from tests.engine.spread.ray_cluster import OURS, TOKEN, Cluster, a_cluster
from tests.engine.spread.test_long_runs import day, two_years
from tests.engine.spread.test_shards import carries
from tests.engine.spread.test_spread_book import are_no_gap, decide_alike, is_unwatched_until_replaced
from tests.scenarios.test_tapes import DAYS

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")

if TYPE_CHECKING:
    from monitor.engine.spread.ray_shards import RayShards


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """With a token. What joins it gives a head of the cluster three seconds that is gone; Ray's own limit is a minute."""
    env = {**OURS, **TOKEN, "RAY_gcs_rpc_server_reconnect_timeout_s": "3"}
    with pytest.MonkeyPatch.context() as patch, a_cluster(TOKEN) as begun:
        for name, value in env.items():
            patch.setenv(name, value)
        yield begun


@pytest.fixture(scope="module")
def actors(cluster: Cluster) -> Iterator[RayShards]:
    from monitor.engine.spread.ray_shards import RayShards

    made = RayShards(cluster.address, copies=2)
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


def asked(actors: RayShards, limit_s: float = LOAD_LIMIT_S) -> tuple[set[int], set[int]]:
    """Which of two actors answered, and which are gone."""
    answers, lost = actors.ask({0: [READY], 1: [READY]}, None, limit_s, lambda some: len(some) == 2)
    return set(answers), set(lost)


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.soak)])
def test_the_process_that_speaks_to_ray_may_end_or_hang_and_another_begins_the_actors(
    actors: RayShards, how: signal.Signals
) -> None:
    """It is no part of the daemon's process: Ray's library ends the program that joined a cluster, when that is gone."""
    assert "ray" not in sys.modules
    for seat in range(2):
        actors.begin(seat)
    assert asked(actors) == ({0, 1}, set())
    before = [actors.pid(seat) for seat in range(2)]
    os.kill(actors.carrier_pid, how)
    answered, lost = asked(actors, 1.0)
    assert not answered
    assert lost == ({0, 1} if how == signal.SIGKILL else set()), "who is gone is known at once, who hangs by the limit"
    for seat in range(2):
        actors.abandon(seat)
        actors.begin(seat)
    assert asked(actors) == ({0, 1}, set())
    assert not actors.trouble
    assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in before), (
        "Ray ends the actors of a program that is gone"
    )


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_two_years_and_a_recorded_day_over_actors_say_what_one_process_says(actors: RayShards, count: int) -> None:
    assert over_shards_as_in_one(two_years(2), actors, count) > 100
    assert over_shards_as_in_one(day(DAYS[1]), actors, count) > 100


@pytest.mark.soak
def test_when_the_head_of_the_cluster_is_gone_the_daemon_lives_and_says_so(actors: RayShards, cluster: Cluster) -> None:
    """The last test: it ends the cluster."""
    for seat in range(2):
        actors.begin(seat)
    assert asked(actors) == ({0, 1}, set())
    cluster.kill("gcs_server")
    for _ in range(60):
        asked(actors, 1.0)
        if actors.trouble:
            break
        time.sleep(0.5)
    assert "has ended its process" in actors.trouble
    assert actors.address(0).endswith("not reached")
    actors.begin(0)
    assert asked(actors, 1.0) == (set(), {0, 1})
    assert actors.trouble
