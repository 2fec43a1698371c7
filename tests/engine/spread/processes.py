"""Shards as processes that a module of tests starts once: each takes seconds to start."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Mapping
from typing import Any

from monitor.engine.spread.links import LOAD_LIMIT_S, READY, Answered
from monitor.engine.spread.local import LocalShards
from monitor.engine.spread.shard import Call, Vector


class SharedProcesses:
    """A Shards over processes that outlive it: what begins gets a process that is there, and forgets all it was told."""

    where = "processes of a test"
    trouble = ""

    def __init__(self, own: LocalShards | None = None) -> None:
        self.own = own or LocalShards()

    def begin(self, seat: int) -> None:
        if seat not in self.own.processes:
            self.own.begin(seat)
            self.own.ask({seat: [READY]}, None, LOAD_LIMIT_S, bool)
        self.own.ask({seat: [("forget", ())]}, None, LOAD_LIMIT_S, bool)

    def ask(
        self,
        todo: Mapping[int, list[Call]],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        return self.own.ask(todo, vector, limit_s, is_enough)

    def ask_aside(self, todo: Mapping[int, Call], limit_s: float) -> dict[int, Any]:
        return self.own.ask_aside(todo, limit_s)

    def late(self, seats: Collection[int]) -> frozenset[int]:
        return self.own.late(seats)

    def address(self, seat: int) -> str:
        return self.own.address(seat)

    def abandon(self, seat: int) -> None:
        self.own.abandon(seat)

    def close(self) -> None:
        """The processes go on."""

    def hurt(self, seat: int, how: signal.Signals) -> None:
        """Kills or stops a process."""
        pid = self.own.processes[seat].pid
        assert pid is not None
        os.kill(pid, how)
