"""Shards in this process, for small books and tests, and shards as processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections.abc import Collection
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from typing import Any, cast

import numpy as np

from monitor.clock import SystemClock
from monitor.engine.spread.shard import Call, Shard, Vector

CLOCK = SystemClock()
MOST_COINS = 65_536
"""Names of coins are 16 bits wide (engine/columns/names.py)."""


class NearShards:
    """Shards as objects. Calls are copied, so that nothing is shared by mistake."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.shards: list[Shard | None] = [None] * count
        self._answers: dict[int, Any] = {}

    def begin(self, place: int) -> None:
        self.shards[place] = Shard()

    def send(self, place: int, calls: list[Call], vector: Vector | None) -> None:
        shard = self.shards[place]
        if shard is None:
            raise BrokenPipeError
        try:
            answer = shard.do(pickle.loads(pickle.dumps(calls)), vector)  # noqa: S301
        except Exception:  # noqa: BLE001
            self.shards[place] = None  # as a process, which ends by what it cannot do
            return
        self._answers[place] = pickle.loads(pickle.dumps(answer))  # noqa: S301

    def receive(self, places: Collection[int], limit_s: float) -> dict[int, Any]:
        return {place: self._answers.pop(place) for place in places if place in self._answers}

    def abandon(self, place: int) -> None:
        self.shards[place] = None

    def close(self) -> None:
        self.shards = [None] * self.count


class LocalShards:
    """Processes. The prices of a tick lie in memory that all of them read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._context = multiprocessing.get_context("spawn")
        self._memory = SharedMemory(create=True, size=9 * MOST_COINS)
        self._laid: Vector | None = None
        """The prices that lie there."""
        self._links: list[Connection | None] = [None] * count
        self.processes: list[BaseProcess | None] = [None] * count

    def begin(self, place: int) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._memory.name), name=f"shard-{place}", daemon=True
        )
        process.start()
        theirs.close()
        self._links[place], self.processes[place] = ours, process

    def send(self, place: int, calls: list[Call], vector: Vector | None) -> None:
        link = self._links[place]
        if link is None:
            raise BrokenPipeError
        coins = None
        if vector is not None:
            coins = len(vector.floats)
            if vector is not self._laid:
                floats, flags = _laid(self._memory, coins)
                floats[:], flags[:] = vector
                self._laid = vector
        link.send((calls, coins))

    def receive(self, places: Collection[int], limit_s: float) -> dict[int, Any]:
        answers: dict[int, Any] = {}
        until_s = CLOCK.monotonic_s() + limit_s
        waiting = {link: place for place in places if (link := self._links[place]) is not None}
        while waiting and (ready := wait(list(waiting), max(0.0, until_s - CLOCK.monotonic_s()))):
            for link in cast("list[Connection]", ready):
                place = waiting.pop(link)
                with contextlib.suppress(EOFError, OSError):
                    answers[place] = link.recv()
        return answers

    def abandon(self, place: int) -> None:
        process, link = self.processes[place], self._links[place]
        self.processes[place] = self._links[place] = None
        if process is not None:
            process.kill()
        if link is not None:
            link.close()

    def close(self) -> None:
        for place in range(self.count):
            self.abandon(place)
        self._memory.close()
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()


def _laid(memory: SharedMemory, coins: int) -> Vector:
    return Vector(
        np.ndarray(coins, np.float64, memory.buf), np.ndarray(coins, np.uint8, memory.buf, offset=8 * MOST_COINS)
    )


def _serve(link: Connection, memory_name: str) -> None:
    """A shard until its head is gone. What it cannot do ends it: the head loads another one."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # they are meant for the head, which ends its shards itself
    memory = SharedMemory(memory_name)
    shard, head = Shard(), os.getppid()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while os.getppid() == head:
            calls, coins = link.recv()
            vector = None
            if coins is not None:
                floats, flags = _laid(memory, coins)
                vector = Vector(floats.copy(), flags.copy())
            link.send(shard.do(calls, vector))
