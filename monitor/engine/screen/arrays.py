"""What the kernels and their callers share: the arrays by name, the numbers that both know, and how a kernel is compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from monitor.engine.columns.fields import F64, GROUPS, I64, U8, U16, U32

LINES = 8
"""Lines of a ladder: as many as tiers, and one more where nothing counts above the last. Ladders of more are walked."""
STEP = 4
"""Numbers of a line in `LadderTiers.steps`."""
GUARD = 1e-9
"""A group within this relative distance of a line is always named. The rounding of the sums is 100,000 times smaller."""
UNTRUSTED, MISSING, BOTH = 1, 2, 4
"""Bits of an asset's flag; and of a row's, which holds and owes one missing asset."""
LANES = 8
"""Groups of a slice: they are weighed side by side, as one vector."""
SLICES = GROUPS // LANES
SLOTS = 127
"""At most this many holdings, and as many debts, of a group lie in its slice; the others are in the side list."""
HELD, OWED, LIABLE = range(3)
"""Kinds of a position: collateral, a debt, a loan that is a liability."""
ROWS, POSITION, POSITIONS, RUN, RUNS, FAR, FARS, MIXED, LIABILITIES, BLIND, HEAD = range(11)
"""Columns of `Positions.head`: rows; first and number of the positions, of the runs and of the side list; whether other kinds
than collateral are in the side list; whether there are liabilities; whether a row was blind last time. HEAD: their number."""
DEAD, UNWATCHED = 0, 1
"""The first two pairs of lines: never named (no group), always named (no lines are set yet)."""


class SlotColumns(NamedTuple):
    """Amounts by position, and the place of the instrument among the runs of the block: 0 where nobody has a position."""

    amount: F64
    run: U16


class Slices(NamedTuple):
    """By slice, SLICES a block: its first position, counted from the first of the block; slots for holdings and for debts."""

    first: U32
    held: U8
    owed: U8


class Runs(NamedTuple):
    """What an instrument is to a block, collateral and debts apart, by asset. The first run of a block stands for nothing."""

    instrument: U32
    asset: U16
    kind: U8
    share: F64
    """What the first tier counts of a value; 1 of a debt."""
    start: U32
    """The first entry of the run in the index, counted from the first position of the block."""


class Entries(NamedTuple):
    """The index: for each run the seats and the slots of its positions. It lies beside the positions."""

    seat: U16
    slot: U8


class Far(NamedTuple):
    """The side list: positions that may be beyond their first tier, liabilities, and what the slots have no room for."""

    amount: F64
    line: U32
    """Instrument x LINES + the line of its ladder on which a sweep found it last, where the next one looks first."""
    seat: U16
    kind: U8


class Seats(NamedTuple):
    """By row: its seat, which is its place among the groups of the block by their number of positions; by seat: its row."""

    of_row: U16
    row: U16


class Positions(NamedTuple):
    """Positions of all blocks. `run_of` and `far_of` [asset, block]: its first run, its first place in the side list."""

    slots: SlotColumns
    slices: Slices
    seats: Seats
    runs: Runs
    entries: Entries
    far: Far
    run_of: U32
    far_of: U32
    ceiling: F64
    """By asset: up to this price no position in a slot is beyond its first tier."""
    head: I64


class LadderTiers(NamedTuple):
    """Ladders of all instruments: tier k of instrument i is start[i] + k; above `bound` the next one holds.

    A value v in a tier counts `offset + share * v`. The last two tiers of every instrument have no bound.
    """

    asset: U16
    further: U8
    """Not 0: the instrument is a part of a coin of which another one is the first, so its groups are counted there."""
    start: U32
    bound: F64
    share: F64
    offset: F64
    is_falling: U8
    """Not 0: what counts of a value is the least of its LINES lines, as shares never rise."""
    slope: F64
    intercept: F64
    """Line k of instrument i is i * LINES + k."""
    steps: F64
    """STEP numbers a line, side by side: above which value it holds, up to which, share and offset. Lines that no ladder has,
    and those of ladders that have more than LINES, never hold."""


class RowSums(NamedTuple):
    """Of all rows, by seat, as of the last call: USD sums, the value of liabilities that is taken off them, flags, lines.

    Of a group with a missing asset what is recognised is the most that it may be, which may be infinite.
    """

    sums: F64
    """Debt at 2 x seat, and beside it what is recognised, less liabilities: a visit finds both in one place."""
    owed: F64
    blind: U8
    band: U32
    """The place of its lines."""


class LinePairs(NamedTuple):
    """Distinct pairs of lines, guard included: suspect when debt <= low * recognised or debt >= high * recognised."""

    low: F64
    high: F64


class PairSlots(NamedTuple):
    """Where a pair of lines is: an open hash by place + 1, and how many there are."""

    slots: U32
    used: I64


class LastPrices(NamedTuple):
    """By asset: prices and flags of the last call, prices of the last sweep, positions, and room for what moves now."""

    before: F64
    base: F64
    flag: U8
    held: I64
    asked: U8


class Scratch(NamedTuple):
    """Room that one thread of a sweep writes to. By seat of a block, `unit` by run."""

    unit: F64
    seed: F64
    debt: F64
    recognised: F64
    owed: F64
    blind: U8
    row: U32


def _asking(keep: int) -> Any:
    """Asks the processor for an element's cache line. Never waits, never fails, also beyond the end of the array."""

    def _ask_for(context: Any, array: Any, place: Any) -> Any:
        def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = target.make_array(signature.args[0])(target, builder, arguments[0]).data
            address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
            number = ir.IntType(32)
            shape = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
            call = builder.module.declare_intrinsic("llvm.prefetch", [address.type], shape)
            read, data_cache = number(0), number(1)
            builder.call(call, [address, read, number(keep), data_cache])
            return target.get_dummy_value()

        return types.void(array, place), emit

    return _ask_for


ask_for: Any = intrinsic(_asking(keep=3))
"""In compiled code: ask_for(array, place). The processor's own guesses fail where groups lie far apart."""
ask_soon: Any = intrinsic(_asking(keep=2))
"""The same for what is not needed at once: it waits in a cache that is larger."""
