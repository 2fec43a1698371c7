"""Shards as actors of Ray, on as many machines as its cluster has. Needs the extra `ray` (docs/scale.md).

The prices of a tick are one object of its store, which the actors of a machine read in place. Ray only places actors and
carries what they are told. Whether one is missing the head finds out by limits of its own, as Ray takes up to a minute to
see a hung machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from monitor.clock import SystemClock
from monitor.engine.spread.links import LOAD_LIMIT_S, Answered
from monitor.engine.spread.shard import Call, Shard, Vector

CLOCK = SystemClock()


class RayShards:
    """Actors. Copies of a shard go to different machines, as far as there are any."""

    def __init__(self, address: str, copies: int = 1) -> None:
        """`address`: as of ray.init, "auto" or "ray://host:port". Raises ConnectionError where no cluster is there."""
        self.where = f"Ray at {address}"
        self._copies = copies
        self._actors: dict[int, Any] = {}
        self._nodes: dict[int, str] = {}
        """By copy: the machine where it was placed."""
        self._owed: dict[int, Any] = {}
        """By copy: the answer to the last question, which has not come."""
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)

    def begin(self, seat: int) -> None:
        self.abandon(seat)
        node = self._node_for(seat)
        where = NodeAffinitySchedulingStrategy(node_id=node, soft=True)
        self._nodes[seat] = node
        self._actors[seat] = ray.remote(**_ACTOR)(_Actor).options(scheduling_strategy=where).remote()

    def ask(
        self,
        todo: Mapping[int, list[Call]],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        prices = None if vector is None else ray.put(tuple(vector))
        answers, lost = dict[int, Any](), set[int]()
        asked: dict[Any, int] = {}
        for seat, calls in todo.items():
            actor = self._actors.get(seat)
            if actor is None:
                lost.add(seat)
            else:
                self._owed[seat] = actor.do.remote(calls, prices)
                asked[self._owed[seat]] = seat
        until_s = CLOCK.monotonic_s() + limit_s
        while asked and not is_enough(answers) and (left_s := until_s - CLOCK.monotonic_s()) > 0:
            for each in ray.wait(list(asked), timeout=left_s)[0]:
                seat = asked.pop(each)
                self._owed.pop(seat, None)
                _take(seat, each, answers, lost)
        return Answered(answers, frozenset(lost))

    def ask_aside(self, todo: Mapping[int, Call], limit_s: float) -> dict[int, Any]:
        asked = {
            a.aside.options(concurrency_group="aside").remote(*todo[seat]): seat
            for seat in todo
            if (a := self._actors.get(seat)) is not None
        }
        there = ray.wait(list(asked), num_returns=len(asked), timeout=limit_s)[0] if asked else []
        answers = dict[int, Any]()
        for each in there:
            _take(asked[each], each, answers, set())
        return answers

    def late(self, seats: Collection[int]) -> frozenset[int]:
        owed = {self._owed[seat]: seat for seat in seats if seat in self._owed}
        there = ray.wait(list(owed), num_returns=len(owed), timeout=0)[0] if owed else []
        for each in there:
            self._owed.pop(owed.pop(each), None)
        return frozenset(owed.values())

    def address(self, seat: int) -> str:
        node = self._nodes.get(seat)
        return self.where if node is None else f"{self.where}, node {node[:12]}"

    def pid(self, seat: int) -> int:
        """Of the process of an actor, on its machine."""
        found: int = ray.get(self._actors[seat].pid.remote(), timeout=LOAD_LIMIT_S)
        return found

    def abandon(self, seat: int) -> None:
        actor = self._actors.pop(seat, None)
        self._owed.pop(seat, None)
        self._nodes.pop(seat, None)
        if actor is not None:
            ray.kill(actor)

    def close(self) -> None:
        for seat in list(self._actors):
            self.abandon(seat)
        ray.shutdown()

    def _node_for(self, seat: int) -> str:
        """The machine that has fewest copies of this shard, and of those the one with fewest at all."""
        nodes = [str(node["NodeID"]) for node in ray.nodes() if node["Alive"]]
        mine = {other for other in self._nodes if other // self._copies == seat // self._copies}

        def burden(node: str) -> tuple[int, int]:
            here = [other for other, at in self._nodes.items() if at == node]
            return len(mine.intersection(here)), len(here)

        return min(sorted(nodes), key=burden)


def _take(seat: int, answer: Any, answers: dict[int, Any], lost: set[int]) -> None:
    try:
        answers[seat] = ray.get(answer)
    except ray.exceptions.RayError:
        lost.add(seat)  # it ended, by what it cannot do or because its machine did


_ACTOR: Mapping[str, Any] = {"num_cpus": 0, "max_restarts": 0, "concurrency_groups": {"aside": 1}}


class _Actor:
    """A shard. What it cannot do ends it, as a process; its head loads another one."""

    def __init__(self) -> None:
        self._shard = Shard()
        self._is_over = False

    def do(self, calls: list[Call], prices: Any) -> Any:
        if self._is_over:
            raise RuntimeError("the shard has failed before")
        try:
            return self._shard.do(calls, None if prices is None else Vector(*prices))
        except Exception:  # as a process, which ends by what it cannot do; it is raised again
            self._is_over = True
            raise

    def aside(self, name: str, args: tuple[Any, ...]) -> Any:
        return self._shard.aside(name, args)

    def pid(self) -> int:
        return os.getpid()
