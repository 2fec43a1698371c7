"""A copy of all positions for a reader in another thread, because they change in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.engine.screen.arena import each
from monitor.engine.screen.arrays import Positions

SPARE = 1 << 16
"""A room has this many places more than are in use, because groups may come before it is filled."""
Ends = tuple[int, int, int]
"""How many places of the slots, of the runs and of the side lists were written."""


def room_for(store: Positions, ends: Ends) -> Positions:
    """Memory for a copy. Each page is touched, which takes five times as long as to fill it."""
    slots, runs, far = (end + SPARE for end in ends)
    return store._replace(
        slots=each(store.slots, lambda column: np.full(slots, 0, column.dtype)),
        runs=each(store.runs, lambda column: np.full(runs, 0, column.dtype)),
        far=each(store.far, lambda column: np.full(far, 0, column.dtype)),
        entries=each(store.entries, lambda column: column[:0]),
    )


def copied(store: Positions, ends: Ends, room: Positions | None) -> Positions:
    """All but the index, in `room` if it is large enough."""
    if room is None or any(len(part[0]) < end for part, end in zip(_long(room), ends, strict=True)):
        room = room_for(store, ends)
    for part, into, end in zip(_long(store), _long(room), ends, strict=True):
        for column, copy in zip(part, into, strict=True):
            copy[:end] = column[:end]
    return room._replace(
        slices=each(store.slices, np.copy),
        seats=each(store.seats, np.copy),
        run_of=store.run_of.copy(),
        far_of=store.far_of.copy(),
        ceiling=store.ceiling.copy(),
        head=store.head.copy(),
    )


def _long(store: Positions) -> tuple[Any, ...]:
    return store.slots, store.runs, store.far
