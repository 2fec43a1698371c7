"""What every implementation of Shards must do: it carries calls and answers, and what is gone is gone."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pytest

from monitor.core.rules.settings import Lifecycle, Rules
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.spread.links import LOAD_LIMIT_S, Links, Shards
from monitor.engine.spread.local import LocalShards, NearShards
from monitor.engine.spread.shard import Call, Vector
from tests.coin_desk import START
from tests.core.runs import TRUSTED, rules
from tests.engine.groups import ordinary

NOW = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)
GIVEN: Call = ("renew", (START, NOW))


@pytest.fixture(params=[NearShards, LocalShards], scope="module")
def shards(request: pytest.FixtureRequest) -> Iterator[Shards]:
    made: Shards = request.param(2)
    yield made
    made.close()


def answer(shards: Shards, place: int, *calls: Call, vector: Vector | None = None) -> Any:
    shards.send(place, list(calls), vector)
    return shards.receive([place], LOAD_LIMIT_S)[place]


def test_shards_carry_calls_in_order_until_they_are_gone(shards: Shards) -> None:
    """One test, as each process of a shard takes seconds to start."""
    names = Names()
    block = Block.of(ordinary(20), names)
    load: Call = ("load", (3, block.dump(names), 0, None, {}))
    for place in range(2):
        shards.begin(place)
    # The answer is that of the last call; those of others wait until they are asked for.
    shards.send(0, [GIVEN, load, ("coins", ())], None)
    shards.send(1, [GIVEN, ("coins", ())], None)
    assert shards.receive([1], LOAD_LIMIT_S) == {1: frozenset()}
    coins = shards.receive([0], LOAD_LIMIT_S)[0]
    assert coins
    # All read the same prices, and name rows of the book: the block has number 3 there.
    told: Call = ("assets", (sorted(coins),))
    prices = Vector(np.full(len(coins), 1.0), np.zeros(len(coins), np.uint8))
    named = answer(shards, 0, told, ("suspects", (None,)), vector=prices)
    assert {row // 8192 for row in named.rows} == {3}
    assert named.debt > 0
    assert answer(shards, 1, told, ("suspects", (None,)), vector=prices).rows == []
    # What a shard cannot do ends it. It gives no answer, takes no call, and the other one goes on.
    links = Links(_Begun(shards), 60.0)
    assert links.ask({0: ("unload", (77,)), 1: ("coins", ())}) == {1: frozenset()}
    assert links.missing == {0}
    assert links.ask_all("coins") == [frozenset()]
    with pytest.raises(OSError):  # noqa: PT011, any of them says that it is gone
        shards.send(0, [("coins", ())], None)
    # A replacement has nothing in it, and is asked again from then on.
    assert links.load(0, [GIVEN])
    links.take_back(0)
    assert links.ask_all("coins") == [frozenset(), frozenset()]


class _Begun(Shards):
    """Shards that are there already."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self.count = shards.count
        self._is_first = set(range(shards.count))

    def begin(self, place: int) -> None:
        if place in self._is_first:
            self._is_first.discard(place)
        else:
            self._shards.begin(place)

    def send(self, place: int, calls: list[Call], vector: Vector | None) -> None:
        self._shards.send(place, calls, vector)

    def receive(self, places: Collection[int], limit_s: float) -> dict[int, Any]:
        return self._shards.receive(places, limit_s)

    def abandon(self, place: int) -> None:
        self._shards.abandon(place)
