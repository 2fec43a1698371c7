"""The arrays of a screen, handed to compiled code once: to hand sixty arrays over at each call takes longer than to weigh
ten thousand groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types
from numba.extending import intrinsic

from monitor.engine.columns.fields import GROUPS, I64, U32
from monitor.engine.compiled import kernel
from monitor.engine.screen.arena import LARGE, side_by_side
from monitor.engine.screen.arrays import (
    Entries,
    Far,
    LadderTiers,
    LastPrices,
    LinePairs,
    PairSlots,
    Positions,
    RowSums,
    Runs,
    Scratch,
    Seats,
    Slices,
    SlotColumns,
)

MOST_RUNS = 1 << 16


class Bound(NamedTuple):
    """What a look needs. Who has it as an address keeps its arrays alive; when one is replaced, bind anew."""

    blocks: I64
    """Numbers of the blocks that are there, ascending."""
    store: Positions
    tiers: LadderTiers
    seats: RowSums
    lines: LinePairs
    pairs: PairSlots
    last: LastPrices
    scratch: Scratch
    named: U32
    """Room for the rows of one look."""


class Room(NamedTuple):
    """What one thread writes to."""

    place: I64
    """Where its `Bound` is laid."""
    scratch: Scratch
    named: U32
    """For so many rows."""


def room(rows: int, *, is_large: bool) -> Room:
    """Room for one thread, and for so many rows of one look; in a large page of its own or not."""
    sums = [(GROUPS, np.float64)] * 4
    columns = (
        (BOUND_WORDS, np.int64),
        (MOST_RUNS, np.float64),
        *sums,
        (GROUPS, np.uint8),
        (GROUPS, np.uint32),
        (rows, np.uint32),
    )
    place, *scratch, named = side_by_side(*columns, fill=np.zeros, least=LARGE if is_large else 0)
    return Room(place, Scratch(*scratch), named)


def no_prices(assets: int) -> LastPrices:
    """So many assets without prices."""
    zeros = np.zeros(assets)
    return LastPrices(
        zeros, zeros.copy(), np.zeros(assets, np.uint8), np.zeros(assets, np.int64), np.zeros(assets, np.uint8)
    )


def _example() -> Bound:
    """Arrays of the kinds that are bound."""
    examples: Any = (np.zeros(1, kind) for kind in (np.float64, np.int64, np.uint8, np.uint16, np.uint32))
    f64, i64, u8, u16, u32 = examples
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
    tiers, seats = LadderTiers(u16, u8, u32, f64, f64, f64, u8, f64, f64, f64), RowSums(f64, f64, u8, u32)
    return Bound(
        i64,
        store,
        tiers,
        seats,
        LinePairs(f64, f64),
        PairSlots(u32, i64),
        no_prices(1),
        Scratch(f64, f64, f64, f64, f64, u8, u32),
        u32,
    )


_type_of: Any = typeof
_BOUND: Any = _type_of(_example())


def _words(kind: Any) -> int:
    """How many words of memory compiled code takes for arrays."""
    return 5 + 2 * kind.ndim if isinstance(kind, types.Array) else sum(map(_words, kind.types))


def _uncounted(target: Any, builder: Any, kind: Any, value: Any) -> Any:
    """The same arrays without what counts who has them. Each count lies in a place of its own, and would be gone to twice."""
    if not isinstance(kind, types.Array):
        for k, part in enumerate(kind.types):
            found = _uncounted(target, builder, part, builder.extract_value(value, k))
            value = builder.insert_value(value, found, k)
        return value
    array = target.make_array(kind)(target, builder, value)
    for name in ("meminfo", "parent"):
        setattr(array, name, getattr(array, name).type(None))
    return array._getvalue()


def _lay(context: Any, arrays: Any, place: Any) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = _uncounted(target, builder, signature.args[0], arguments[0])
        data = target.make_array(signature.args[1])(target, builder, arguments[1]).data
        builder.store(value, builder.bitcast(data, value.type.as_pointer()))
        return target.get_dummy_value()

    return types.void(arrays, place), emit


def _at(context: Any, address: Any) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], target.get_value_type(_BOUND).as_pointer()))

    return _BOUND(types.int64), emit


_lay_arrays: Any = intrinsic(_lay)
at: Any = intrinsic(_at)
"""In compiled code: at(address) is the `Bound` that was laid there."""


BOUND_WORDS = _words(_BOUND)


@kernel
def bind(arrays: Bound, place: I64) -> None:
    """Lays the arrays for compiled code. The address of `place` says where they are, as long as all of them live."""
    _lay_arrays(arrays, place)
