"""The arrays of a screen, handed to compiled code once: to hand sixty arrays over at each call takes longer than to weigh
ten thousand groups."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import typeof, types
from numba.experimental import structref

from monitor.engine.columns.fields import GROUPS, U32
from monitor.engine.compiled import kernel
from monitor.engine.screen.arena import aligned
from monitor.engine.screen.arrays import (
    Entries,
    Far,
    LadderTiers,
    LastPrices,
    LinePairs,
    Positions,
    RowSums,
    Runs,
    Scratch,
    Seats,
    Slices,
    SlotColumns,
)
from monitor.engine.screen.kernels import MOST_RUNS


class Bound(Protocol):
    """What a look needs, as compiled code sees it. It keeps the arrays alive; when one is replaced, bind anew."""

    store: Positions
    tiers: LadderTiers
    seats: RowSums
    lines: LinePairs
    last: LastPrices
    scratch: Scratch
    named: U32


_structs: Any = structref
_BoundType: Any = _structs.register(type("_BoundType", (types.StructRef,), {"__module__": __name__}))
_BoundProxy: Any = type("_BoundProxy", (structref.StructRefProxy,), {"__module__": __name__})
_structs.define_boxing(_BoundType, _BoundProxy)


def scratch() -> Scratch:
    """Room for one thread."""
    unit, (seed, debt, recognised, owed) = np.empty(MOST_RUNS), aligned(4 * GROUPS, np.float64).reshape(4, GROUPS)
    return Scratch(unit, seed, debt, recognised, owed, np.zeros(GROUPS, np.uint8), np.zeros(GROUPS, np.uint32))


def no_prices(assets: int) -> LastPrices:
    """So many assets without prices."""
    zeros = np.zeros(assets)
    return LastPrices(
        zeros, zeros.copy(), np.zeros(assets, np.uint8), np.zeros(assets, np.int64), np.zeros(assets, np.uint8)
    )


def _fields() -> list[tuple[str, Any]]:
    """The type of each field, by an example."""
    examples: Any = (np.zeros(1, kind) for kind in (np.float64, np.uint8, np.uint16, np.uint32))
    f64, u8, u16, u32 = examples
    table = np.zeros((1, 1), np.uint32)
    store = Positions(
        SlotColumns(f64, u16),
        Slices(u32, u8, u8),
        Seats(u16, u16),
        Runs(u32, u16, u8, f64, u32),
        Entries(u16, u8),
        Far(f64, u32, u16, u8),
        table,
        table,
        f64,
        np.zeros((1, 1), np.int64),
    )
    found: dict[str, Any] = {
        "store": store,
        "tiers": LadderTiers(u16, u8, u32, f64, f64, f64, u8, f64, f64, f64),
        "seats": RowSums(f64, f64, u8, u32),
        "lines": LinePairs(f64, f64),
        "last": no_prices(1),
        "scratch": scratch(),
        "named": u32,
    }
    type_of: Any = typeof
    return [(name, type_of(example)) for name, example in found.items()]


_BOUND = _BoundType(_fields())
_new: Any = _structs.new


class Arrays(NamedTuple):
    """What is bound: the parts of a screen that may be replaced."""

    store: Positions
    tiers: LadderTiers
    seats: RowSums
    lines: LinePairs
    last: LastPrices


@kernel
def bind(arrays: Arrays, scratch: Scratch, named: U32) -> Bound:
    """Binds these arrays. `named` is room for rows."""
    bound: Bound = _new(_BOUND)
    bound.store = arrays.store
    bound.tiers = arrays.tiers
    bound.seats = arrays.seats
    bound.lines = arrays.lines
    bound.last = arrays.last
    bound.scratch = scratch
    bound.named = named
    return bound
