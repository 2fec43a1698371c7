"""What every implementation of Shards must do: it carries calls and answers, and what is gone is gone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from monitor.core.rules.settings import Lifecycle, Rules
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.spread.links import LOAD_LIMIT_S, READY, Shards
from monitor.engine.spread.local import LocalShards, NearShards
from monitor.engine.spread.shard import Call, Vector
from tests.coin_desk import START
from tests.core.runs import TRUSTED, rules
from tests.engine.groups import ordinary

NOW = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)
GIVEN: Call = ("renew", (START, NOW))


@pytest.fixture(params=[NearShards, LocalShards], scope="module")
def shards(request: pytest.FixtureRequest) -> Iterator[Shards]:
    made: Shards = request.param()
    for seat in range(2):
        made.begin(seat)
    yield made
    made.close()


def ask(shards: Shards, calls: dict[int, list[Call]], vector: Vector | None = None) -> dict[int, Any]:
    return shards.ask(calls, vector, LOAD_LIMIT_S, lambda some: len(some) == len(calls)).answers


def carries(shards: Shards) -> None:
    """Calls in order until a shard is gone: one run, as each process of a shard takes seconds to start."""
    names = Names()
    block = Block.of(ordinary(20), names)
    load: Call = ("load", (3, block.dump(names), 0, None, {}))
    # The answer is that of the last call.
    coins = ask(shards, {0: [GIVEN, load, ("coins", ())], 1: [GIVEN, ("coins", ())]})
    assert coins[0]
    assert coins[1] == frozenset()
    # All read the same prices, and name rows of the book: the block has number 3 there.
    told: Call = ("assets", (sorted(coins[0]),))
    prices = Vector(np.full(len(coins[0]), 1.0), np.zeros(len(coins[0]), np.uint8))
    look: list[Call] = [told, ("suspects", (None,))]
    named = ask(shards, {0: look, 1: look}, prices)
    assert {row // 8192 for row in named[0].rows} == {3}
    assert named[0].debt > 0
    assert named[1].rows == []
    # What is asked aside waits for nothing, and of a copy that is not there there is no answer.
    assert ask(shards, {0: [("take_copy", (5, START))]}) == {0: True}
    aside: Call = ("of_copy", (5, "by_product", ()))
    assert shards.ask_aside({0: aside, 1: aside}, LOAD_LIMIT_S) == {0: {"vip_loan": 20}, 1: None}
    assert not shards.late([0, 1])
    # What a shard cannot do ends it: it gives no answer, then and later, and the other one goes on.
    both: dict[int, list[Call]] = {0: [("unload", (77,))], 1: [("coins", ())]}
    assert shards.ask(both, None, LOAD_LIMIT_S, lambda some: len(some) == 2) == ({1: frozenset()}, {0})
    assert shards.ask({0: [READY]}, None, LOAD_LIMIT_S, bool) == ({}, {0})
    # A replacement has nothing in it.
    shards.abandon(0)
    shards.begin(0)
    assert ask(shards, {0: [READY, GIVEN, ("coins", ())]}) == {0: frozenset()}


def test_shards_carry_calls_in_order_until_they_are_gone(shards: Shards) -> None:
    carries(shards)
