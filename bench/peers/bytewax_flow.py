"""bytewax, a streaming engine: state by group, and every tick reaches every group as an event of its own."""

from __future__ import annotations

import queue
import threading
from functools import partial
from typing import NamedTuple

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from bench.book import LINES, SCALE, Book, Floats
from bench.contender import Stages, Tick, tuples

WAIT_S = 120.0
"""After so long without the answers of a tick the flow has died."""


class Group(NamedTuple):
    """An event that puts a group: (asset, quantity) of what is held and owed, and the four lines."""

    held: list[tuple[int, float]]
    owed: list[tuple[int, float]]
    lines: list[float]


class Found(NamedTuple):
    """Where a group stands."""

    stage: int
    ltv: float


State = tuple[Group, Found]
Event = Group | list[float]
"""A group, or the prices of a tick."""


class BytewaxFlow:
    """One worker, in a thread of its own so that rounds can be interleaved; the source is asked every millisecond."""

    def __init__(self, book: Book) -> None:
        lines = LINES.tolist()
        held, owed = tuples(book.collateral, _quantity), tuples(book.debts, _quantity)
        groups = [Group(h, o, lines[p]) for h, o, p in zip(held, owed, book.profile.tolist(), strict=True)]
        self._ladders = [
            [(float("inf") if bound is None else float(bound), share / 10_000) for bound, share in ladder]
            for ladder in book.market.ladders
        ]
        self._keys = [str(g) for g in range(len(book))]
        self._stage, self._ltv = np.zeros(len(book), np.int8), np.zeros(len(book))
        self._events: queue.SimpleQueue[list[tuple[str, Event]] | None] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[list[tuple[str, Found]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=run_main, args=(self._flow(),))
        self._thread.start()
        self._send(list(zip(self._keys, groups, strict=True)))

    def tick(self, tick: Tick) -> list[int]:
        usd = tick.usd.tolist()
        return self._send([(key, usd) for key in self._keys])

    def answers(self) -> tuple[Stages, Floats]:
        return self._stage, self._ltv

    def close(self) -> None:
        self._events.put(None)
        self._thread.join(WAIT_S)

    def _send(self, events: list[tuple[str, Event]]) -> list[int]:
        """Hands one event a group to the flow and waits for all that come out; returns whose stage changed."""
        self._events.put(events)
        changed, left = [], len(events)
        while left:
            found = self._found.get(timeout=WAIT_S)
            left -= len(found)
            for key, (stage, ltv) in found:
                g = int(key)
                if stage != self._stage[g]:
                    changed.append(g)
                    self._stage[g] = stage
                self._ltv[g] = ltv
        return changed

    def _flow(self) -> Dataflow:
        flow = Dataflow("sweep")
        events = op.input("events", flow, _Source(self._events))
        found = op.stateful_map("evaluate", events, partial(_evaluate, self._ladders))
        op.output("found", found, _Sink(self._found))
        return flow


def _evaluate(
    ladders: list[list[tuple[float, float]]], state: State | None, event: Event
) -> tuple[State, Found]:  # fmt: skip
    """Keeps a group that is put, or values it at new prices."""
    if state is None or isinstance(event, Group):
        assert isinstance(event, Group)
        found = Found(0, 0.0)
        return (event, found), found
    group, usd = state[0], event
    counted = 0.0
    for asset, quantity in group.held:
        value, floor = quantity * usd[asset], 0.0
        for bound, share in ladders[asset]:
            if value <= bound:
                counted += (value - floor) * share
                break
            counted += (bound - floor) * share
            floor = bound
    debt = 0.0
    for asset, quantity in group.owed:
        debt += quantity * usd[asset]
    found = Found(sum(debt >= line * counted for line in group.lines), debt / counted)
    return (group, found), found


class _Source(DynamicSource[tuple[str, Event]]):
    """Reads a queue of ticks; ends at None."""

    def __init__(self, events: queue.SimpleQueue[list[tuple[str, Event]] | None]) -> None:
        self._events = events

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Part:
        return _Part(self._events)


class _Part(StatelessSourcePartition[tuple[str, Event]]):
    def __init__(self, events: queue.SimpleQueue[list[tuple[str, Event]] | None]) -> None:
        self._events = events

    def next_batch(self) -> list[tuple[str, Event]]:
        try:
            events = self._events.get_nowait()
        except queue.Empty:
            return []
        if events is None:
            raise StopIteration
        return events


class _Sink(DynamicSink[tuple[str, Found]]):
    """Writes to a queue."""

    def __init__(self, found: queue.SimpleQueue[list[tuple[str, Found]]]) -> None:
        self._found = found

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Writer:
        return _Writer(self._found)


class _Writer(StatelessSinkPartition[tuple[str, Found]]):
    def __init__(self, found: queue.SimpleQueue[list[tuple[str, Found]]]) -> None:
        self._found = found

    def write_batch(self, items: list[tuple[str, Found]]) -> None:
        self._found.put(items)


def _quantity(units: int) -> float:
    return units / SCALE


def build(book: Book) -> BytewaxFlow:
    """Starts the flow and puts the groups. `close` ends its thread."""
    return BytewaxFlow(book)
