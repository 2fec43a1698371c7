"""What the kernels and their callers share: the arrays by name, the numbers that both know, and how a kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from monitor.engine.columns.fields import F64, I64, U8, U16, U32

AHEAD = 512
"""The loops ask for memory this many positions ahead. 256 to 1024 measure alike; without it a sweep takes a third longer."""
GUARD = 1e-9
"""A group within this relative distance of a line is always named. The rounding of the sums is 100,000 times smaller."""
UNTRUSTED, MISSING, BOTH = 1, 2, 4
"""Bits of an asset's flag; and of a row's, which holds and owes one missing asset."""
RUN, DEBT, LIABILITY, END, POSITION, RUN_ROOM, POSITION_ROOM, ROWS, BLIND, HEAD = range(10)
"""Columns of `Positions.head`: the first run of the collateral, of the debts, of the liabilities, and the end of all; the
first position; room for run starts and for positions; rows; whether a row was blind last time. HEAD is their number."""
DEAD, UNWATCHED = 0, 1
"""The first two pairs of lines: never named (no group), always named (no lines are set yet)."""


class Positions(NamedTuple):
    """Positions of all blocks. `start` counts from the first position of the block; one more start ends the last run."""

    amount: F64
    member: U16
    instrument: U32
    start: U32
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


class RowSums(NamedTuple):
    """By row, as of the last call: USD sums, the value of liabilities that `recognised` is less by, flags; and the lines.

    Of a row with a missing asset `recognised` is the most that it may be, which may be infinite.
    """

    debt: F64
    recognised: F64
    owed: F64
    blind: U8
    band: U32


class LinePairs(NamedTuple):
    """Distinct pairs of lines, guard included: suspect when debt <= low * recognised or debt >= high * recognised."""

    low: F64
    high: F64


F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compiles at the first call, once per machine, and runs without the GIL."""
    return cast(F, njit(nogil=True, cache=True)(function))


def _ask_for(context: Any, array: Any, place: Any) -> Any:
    """Asks the processor for an element's cache line. Never waits, never fails, also beyond the end of the array.

    The processor's own guesses fail in the short loops of short runs.
    """

    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = target.make_array(signature.args[0])(target, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        call = builder.module.declare_intrinsic("llvm.prefetch", [address.type], shape)
        read, keep, data_cache = number(0), number(3), number(1)
        builder.call(call, [address, read, keep, data_cache])
        return target.get_dummy_value()

    return types.void(array, place), emit


ask_for: Any = intrinsic(_ask_for)
"""In compiled code: ask_for(array, place)."""
